//! How many calls one caller may make: a rate, with a burst above it (the generic cell rate algorithm).

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Stopwatch;

/// The limit of one caller, over all connections and threads.
#[derive(Debug)]
pub struct Rate {
    since: Stopwatch,
    /// How much time one call takes up, in nanoseconds.
    each: u64,
    /// How far calls may be ahead of their time, in nanoseconds.
    ahead: u64,
    /// Until when the time is taken up, in nanoseconds after the start.
    taken: AtomicU64,
}

impl Rate {
    /// At most `rate` calls a second, and `burst` at once.
    #[must_use]
    pub fn new(rate: NonZeroU32, burst: NonZeroU32) -> Self {
        let each = 1_000_000_000 / u64::from(rate.get());
        let ahead = each.saturating_mul(u64::from(burst.get()) - 1);
        Self { since: Stopwatch::start(), each, ahead, taken: AtomicU64::new(0) }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// When it is one too many: after which time the next one is allowed.
    pub fn admit(&self) -> Result<(), Duration> {
        self.admit_at(u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn admit_at(&self, now: u64) -> Result<(), Duration> {
        let latest = now.saturating_add(self.ahead);
        let take = |taken: u64| (taken <= latest).then(|| taken.max(now).saturating_add(self.each));
        let counted = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        counted.map(drop).map_err(|taken| Duration::from_nanos(taken.saturating_sub(latest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let [rate, burst] = [10, 3].map(|count| NonZeroU32::new(count).unwrap());
        let rate = Rate::new(rate, burst);
        let admitted = |now: u64| (0..50).take_while(|_| rate.admit_at(now * 1_000_000).is_ok()).count();
        assert_eq!((admitted(0), admitted(99), admitted(100), admitted(250)), (3, 0, 1, 1));
        assert_eq!(rate.admit_at(260_000_000), Err(Duration::from_millis(40)));
        assert_eq!(admitted(60_000), 3, "what was not used is not saved up beyond the burst");
    }
}
