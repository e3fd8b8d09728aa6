//! The time of another machine, such as the database's: it goes on by the time since this machine was started, so that no
//! setting of this machine's clock moves it.

use std::sync::atomic::{AtomicI64, Ordering};

use super::{Time, now, since_boot};
use crate::domain::time::Moment;

/// The time that another machine told.
#[derive(Debug)]
pub struct FollowedTime {
    /// What to add to the time since the start, in milliseconds.
    offset: AtomicI64,
}

impl Default for FollowedTime {
    /// The machine's own time, until another one is told.
    fn default() -> Self {
        Self { offset: AtomicI64::new(now().0.saturating_sub(since_boot().0)) }
    }
}

impl FollowedTime {
    /// The other machine's time was this a moment ago.
    pub fn follow(&self, told: Moment) {
        self.offset.store(told.0.saturating_sub(since_boot().0), Ordering::Relaxed);
    }
}

impl Time for FollowedTime {
    fn now(&self) -> Moment {
        Moment(since_boot().0.saturating_add(self.offset.load(Ordering::Relaxed)))
    }
}
