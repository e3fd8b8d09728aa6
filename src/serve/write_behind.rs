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

/// How many checks come between two notes of how far the store is written: about a minute.
const NOTE_EVERY: usize = 1_200;
/// How often the last flush is tried, so that a passing error of the disk loses nothing.
const LAST_FLUSHES: usize = 3;
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// The thread. Dropping this flushes once more and ends it.
#[derive(Debug)]
pub struct WriteBehind {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Result<(), Unwritten>>>,
}

/// Customers that could not be stored when the server stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritten {
    /// How many.
    pub customers: usize,
    /// Why.
    pub why: String,
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
            for look in (0..NOTE_EVERY).cycle() {
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
                if look % LOOK_EVERY == 0 {
                    engine.purge_expired_batch(clock.now());
                }
                if look == 0 {
                    note_head(&engine);
                }
            }
            write_last(&engine)
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

impl WriteBehind {
    /// Flushes once more and ends the thread.
    ///
    /// # Errors
    /// When customers could not be stored.
    pub fn finish(mut self) -> Result<(), Unwritten> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Unwritten> {
        drop(self.stop.take());
        // If the thread panicked, there is nothing left to finish.
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or(Ok(()))
    }
}

impl Drop for WriteBehind {
    fn drop(&mut self) {
        drop(self.end());
    }
}

fn note_head(engine: &Engine) {
    if let Some(store) = engine.store() {
        // Then an older copy of the store is noticed only if it is older than the last note.
        if let Err(error) = store.note_head() {
            tracing::warn!(%error, "how far customers are stored cannot be noted");
        }
    }
}

fn write_last(engine: &Engine) -> Result<(), Unwritten> {
    for flush in 1..=LAST_FLUSHES {
        match engine.write_behind() {
            Err(error) if flush == LAST_FLUSHES => {
                let customers = engine.store().map_or(0, |store| store.contact_log().dirty_customers());
                return Err(Unwritten { customers, why: error.to_string() });
            }
            Err(_) => thread::sleep(LAST_PAUSE),
            Ok(_) => {
                note_head(engine);
                break;
            }
        }
    }
    Ok(())
}
