//! Locks and counters that several calls share.
//!
//! With the feature `shuttle` they are those of the model checker, which then runs the engine through its schedules
//! (`tests/model.rs`); a server that is built with it does not run.

#[cfg(not(feature = "shuttle"))]
pub use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};

#[cfg(feature = "shuttle")]
pub use shuttle::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};

#[cfg(not(feature = "shuttle"))]
pub use futures_executor::block_on;

#[cfg(feature = "shuttle")]
pub use shuttle::future::block_on;

/// Stands for the locks of the customer map, which the model checker cannot see.
#[derive(Debug, Default)]
pub struct Section {
    #[cfg(feature = "shuttle")]
    lock: shuttle::sync::Mutex<()>,
}

impl Section {
    /// Runs `work` in the critical section, as far as the model checker is concerned.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        #[cfg(feature = "shuttle")]
        let _entered = self.lock.lock();
        work()
    }
}
