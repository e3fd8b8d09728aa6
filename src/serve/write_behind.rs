//! The thread that flushes customers to the store, behind the calls that change them.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::Clock;
use crate::engine::Engine;

/// How long it pauses between two checks of the contact log, and after a failed flush.
const PAUSE: Duration = Duration::from_millis(50);
const LONG_PAUSE: Duration = Duration::from_secs(1);
/// How many checks come between two flushes: changes in between share a write.
const WRITE_EVERY: usize = 4;
/// How many checks come between two retention checks: about one a second, and so eleven million customers a day.
const LOOK_EVERY: usize = 20;

/// The thread. Dropping this flushes once more and ends it.
#[derive(Debug)]
pub struct WriteBehind {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WriteBehind {
    /// Starts the thread, if the engine has a store.
    ///
    /// # Errors
    /// When the system cannot start a thread.
    pub fn start(engine: &Arc<Engine>, clock: Clock) -> std::io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let engine = Arc::clone(engine);
        let write = move || {
            let mut pause = PAUSE;
            for look in (1..=LOOK_EVERY).cycle() {
                if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
                if let Some(store) = engine.store() {
                    store.contact_log().sync();
                }
                if look % WRITE_EVERY == 0 {
                    // An error is in the log, in health and in the metrics.
                    pause = if engine.write_due().is_ok() { PAUSE } else { LONG_PAUSE };
                }
                if look == LOOK_EVERY {
                    engine.purge_expired_batch(clock.now());
                }
            }
            drop(engine.write_behind());
        };
        let thread = thread::Builder::new().name("customers".into()).spawn(write)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl WriteBehind {
    /// Whether the thread has ended unexpectedly, so that customers are no longer stored.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }
}

impl Drop for WriteBehind {
    fn drop(&mut self) {
        drop(self.stop.take());
        // If the thread panicked, there is nothing left to finish.
        drop(self.thread.take().map(JoinHandle::join));
    }
}
