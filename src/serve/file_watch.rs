//! Files that are read again while the server runs: certificates, keys, tokens. They are polled, because network mounts
//! and links send no notifications. A content is taken once two reads agree, so that half a file is not; what cannot be
//! used leaves the last good content in force.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::interval;

/// How often the files are read.
const INTERVAL: Duration = Duration::from_millis(500);

/// What is made of files, and can be made again.
pub trait Watched: Send + Sync + 'static {
    /// The files.
    fn files(&self) -> Vec<PathBuf>;

    /// Takes in the files, one of which has changed.
    ///
    /// # Errors
    /// When they cannot be used; then what was made of the earlier ones stays.
    fn changed(&self, contents: &[(PathBuf, Vec<u8>)]) -> Result<(), String>;
}

/// The files as they are now, or which of them cannot be read.
type Contents = Result<Vec<(PathBuf, Vec<u8>)>, String>;

fn read(files: Vec<PathBuf>) -> Contents {
    let read = |path: PathBuf| match std::fs::read(&path) {
        Ok(bytes) => Ok((path, bytes)),
        Err(error) => Err(format!("`{}`: {error}", path.display())),
    };
    files.into_iter().map(read).collect()
}

/// Watches files until dropped. `what` names them in the log.
pub async fn watch(watched: Arc<dyn Watched>, what: &'static str) {
    let mut ticks = interval(INTERVAL);
    let mut taken = None;
    let mut before = None;
    loop {
        ticks.tick().await;
        let files = watched.files();
        let Ok(now) = tokio::task::spawn_blocking(move || read(files)).await else { return };
        // The first content that is read is the one that the server has started with.
        let first = taken.get_or_insert_with(|| now.clone());
        let settled = before.as_ref() == Some(&now);
        if settled && *first != now {
            tell(what, now.as_ref().map_err(Clone::clone).and_then(|contents| watched.changed(contents)));
            taken = Some(now.clone());
        }
        before = Some(now);
    }
}

fn tell(what: &'static str, result: Result<(), String>) {
    match result {
        Ok(()) => tracing::info!(what, "changed files are in force"),
        Err(error) => tracing::warn!(what, error, "changed files cannot be used; the earlier content stays in force"),
    }
}
