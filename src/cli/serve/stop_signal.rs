//! The signals that stop a server: the first asks it to stop, the second ends it at once.

use std::process::exit;

use tokio::sync::oneshot;

use crate::cli::{Failure, say_err};

/// Completes at Ctrl-C or SIGTERM. A second one ends the process, whatever it does: like a kill, this loses no contact
/// that was logged and no consent that was acknowledged. A thread of its own waits for them.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error| Failure::new(format!("signals cannot be handled: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    // From here on they are handled, and not only once the thread runs.
    let entered = runtime.enter();
    let mut signals = Signals::new().map_err(failed)?;
    drop(entered);
    let (stop, stopped) = oneshot::channel();
    let wait = move || {
        runtime.block_on(signals.next());
        // The server has ended already if nobody waits for it.
        _ = stop.send(());
        runtime.block_on(signals.next());
        say_err("error: ended at once by a second signal; calls in progress were cut off");
        exit(1);
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).map_err(failed)?;
    Ok(async move { drop(stopped.await) })
}

struct Signals {
    #[cfg(unix)]
    all: [tokio::signal::unix::Signal; 2],
}

impl Signals {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { all: [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?] })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        let [terminate, interrupt] = &mut self.all;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        // If signals cannot be handled, the server runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
