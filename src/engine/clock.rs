//! The engine's time, which never goes back, and from when on it may delete data.

use crate::domain::time::Moment;
use crate::sync::atomic::{AtomicI64, Ordering};

/// A clock that never steps back, so that no expired grant comes into force again.
#[derive(Debug)]
pub(super) struct SteadyClock {
    latest: AtomicI64,
    purges_from: AtomicI64,
}

impl Default for SteadyClock {
    fn default() -> Self {
        Self { latest: AtomicI64::new(i64::MIN), purges_from: AtomicI64::new(i64::MIN) }
    }
}

impl SteadyClock {
    /// A moment, or the latest one before it if that is later.
    pub fn steady(&self, now: Moment) -> Moment {
        // Most calls of the same millisecond only read, to avoid contention between cores.
        let latest = self.latest.load(Ordering::Relaxed);
        if now.0 <= latest {
            return Moment(latest);
        }
        Moment(self.latest.fetch_max(now.0, Ordering::Relaxed).max(now.0))
    }

    /// The latest moment so far.
    pub fn latest(&self) -> Moment {
        Moment(self.latest.load(Ordering::Relaxed))
    }

    /// From when on data past its time is deleted.
    pub fn purges_from(&self) -> Moment {
        Moment(self.purges_from.load(Ordering::Relaxed))
    }

    /// Sets from when on data past its time is deleted.
    pub fn hold_purges(&self, until: Moment) {
        self.purges_from.store(until.0, Ordering::Relaxed);
    }
}
