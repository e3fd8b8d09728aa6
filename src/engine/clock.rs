//! The engine's time, which never goes back.

use crate::domain::time::Moment;
use crate::sync::atomic::{AtomicI64, Ordering};

/// A clock that never steps back, so that no expired grant comes into force again.
#[derive(Debug)]
pub(super) struct SteadyClock(AtomicI64);

impl Default for SteadyClock {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl SteadyClock {
    /// A moment, or the latest one before it if that is later.
    pub fn steady(&self, now: Moment) -> Moment {
        // Most calls of the same millisecond only read, to avoid contention between cores.
        let latest = self.0.load(Ordering::Relaxed);
        if now.0 <= latest { Moment(latest) } else { Moment(self.0.fetch_max(now.0, Ordering::Relaxed).max(now.0)) }
    }

    /// The latest moment so far.
    pub fn latest(&self) -> Moment {
        Moment(self.0.load(Ordering::Relaxed))
    }
}
