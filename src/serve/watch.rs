//! Watches the rule folder. Polling is authoritative; events from the operating system only trigger an earlier poll,
//! because there are none for network mounts or replaced folders.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::reload::Reloader;

/// How often the files are polled without an event.
const POLL: Duration = Duration::from_secs(2);
/// How long files must be stable before they are loaded.
const REST: Duration = Duration::from_millis(100);

/// Reloads the rule folder at every change, until dropped.
pub async fn watch(reloader: Arc<Reloader>) -> Infallible {
    let mut hints = Hints::about(&reloader.folder().path).await;
    let mut changing = None;
    loop {
        sleep(REST).await;
        let (reloader, before) = (Arc::clone(&reloader), changing.take());
        let path = reloader.folder().path.clone();
        // Reading and testing rules is too slow for a thread that answers calls. A panic in it costs one poll.
        let look = tokio::task::spawn_blocking(move || reloader.reload_settled(before.as_ref()));
        changing = look.await.unwrap_or_default();
        if changing.is_some() {
            // Folders may have been added, removed or replaced.
            hints = Hints::about(&path).await;
        } else {
            hints.wait(POLL).await;
        }
    }
}

/// Reloads the rule folder whenever the process receives SIGHUP, until dropped. From the call on, not only from the
/// first poll, SIGHUP does not end the process.
pub fn obey_hangup(reloader: Arc<Reloader>) -> impl Future<Output = ()> {
    #[cfg(unix)]
    let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
    async move {
        #[cfg(unix)]
        if let Ok(mut hangup) = hangup {
            while hangup.recv().await.is_some() {
                let reloader = Arc::clone(&reloader);
                // A panic in it costs one reload.
                drop(tokio::task::spawn_blocking(move || reloader.reload()).await);
            }
        }
    }
}

/// Hints that files may have changed.
struct Hints {
    given: Arc<Notify>,
    /// `None` if the operating system sends no events.
    _watcher: Option<RecommendedWatcher>,
}

impl Hints {
    /// Hints about everything under a path, and about the path itself, which may be removed and come back.
    async fn about(path: &Path) -> Self {
        let given = Arc::new(Notify::new());
        let (path, give) = (path.to_owned(), Arc::clone(&given));
        let watcher = tokio::task::spawn_blocking(move || watcher(&path, give)).await;
        let watcher = match watcher {
            Ok(Ok(watcher)) => Some(watcher),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the rule folder cannot be watched; polling every {} s", POLL.as_secs());
                None
            }
            Err(_) => None,
        };
        Self { given, _watcher: watcher }
    }

    async fn wait(&self, at_most: Duration) {
        // Without a hint, polls after `at_most`.
        drop(timeout(at_most, self.given.notified()).await);
    }
}

fn watcher(path: &Path, given: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let path = std::path::absolute(path)?;
    let about: PathBuf = path.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.map_or(true, |event| is_change(&event, &about)) {
            given.notify_one();
        }
    })?;
    if let Some(above) = path.parent() {
        watcher.watch(above, RecursiveMode::NonRecursive)?;
    }
    if path.exists() {
        watcher.watch(&path, RecursiveMode::Recursive)?;
    }
    Ok(watcher)
}

/// Whether an event may be a change of a file under the path. Our own reads open files, and the folder above may be a
/// busy one. An event without paths means that events were lost.
fn is_change(event: &Event, about: &Path) -> bool {
    let near = event.paths.is_empty() || event.paths.iter().any(|path| path.starts_with(about));
    near && !event.kind.is_access()
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::EventKind;
    use notify::event::{AccessKind, CreateKind, RemoveKind};

    #[tokio::test]
    async fn a_change_gives_a_hint_at_once() {
        let root = tempfile::tempdir().unwrap();
        let rules = root.path().join("rules");
        let changes: [fn(&Path); 4] = [
            |rules| std::fs::create_dir(rules).unwrap(),
            |rules| std::fs::write(rules.join("a.yaml"), "x").unwrap(),
            |rules| std::fs::rename(rules.join("a.yaml"), rules.join("b.yaml")).unwrap(),
            |rules| std::fs::remove_dir_all(rules).unwrap(),
        ];
        for change in changes {
            let hints = Hints::about(&rules).await;
            change(&rules);
            timeout(Duration::from_secs(60), hints.given.notified()).await.expect("no hint came");
        }
    }

    #[test]
    fn reading_is_not_a_change_and_neighbours_are_ignored() {
        let event = |kind, path: &str| Event::new(kind).add_path(path.into());
        let rules = Path::new("/srv/rules");
        let created = EventKind::Create(CreateKind::File);
        assert!(!is_change(&event(EventKind::Access(AccessKind::Any), "/srv/rules/a.yaml"), rules));
        assert!(!is_change(&event(created, "/srv/rules.old"), rules));
        assert!(is_change(&event(created, "/srv/rules/a.yaml"), rules));
        assert!(is_change(&event(EventKind::Remove(RemoveKind::Folder), "/srv/rules"), rules));
        assert!(is_change(&Event::new(EventKind::Other), rules));
    }
}
