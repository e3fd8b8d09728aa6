//! The thread that writes customers to the store, behind the calls that change them.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::engine::Engine;
use crate::grpc::Clock;

/// How long it rests between two looks at the journal, and after a writing that failed.
const PAUSE: Duration = Duration::from_millis(50);
const LONG_PAUSE: Duration = Duration::from_secs(1);
/// How many looks come between two writings: what changes together is written once.
const WRITE_EVERY: usize = 4;
/// How many looks come between two looks for what is kept too long: about one a second, and so eleven million customers a
/// day.
const LOOK_EVERY: usize = 20;

/// The thread. Dropping this writes once more, and ends it.
#[derive(Debug)]
pub struct WriteBehind {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WriteBehind {
    /// Begins to write, if the engine has a store.
    ///
    /// # Errors
    /// When there is no thread to be had.
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
                    store.journal().sync();
                }
                if look % WRITE_EVERY == 0 {
                    // What went wrong is in the log, in health and in the metrics.
                    pause = if engine.write_due().is_ok() { PAUSE } else { LONG_PAUSE };
                }
                if look == LOOK_EVERY {
                    engine.look_through(clock.now());
                }
            }
            drop(engine.write_behind());
        };
        let thread = thread::Builder::new().name("customers".into()).spawn(write)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for WriteBehind {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A thread that panicked has nothing left to finish.
        drop(self.thread.take().map(JoinHandle::join));
    }
}
