//! The results of a load.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use tonic::{Code, Status};

/// Significant digits of the latency histogram: exact to one part in a thousand.
const DIGITS: u8 = 3;
/// Longer latencies are recorded as this.
const LONGEST: Duration = Duration::from_secs(600);

/// Counts the results of calls.
#[derive(Debug)]
pub struct Tally {
    skipped: u64,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    calls: u64,
    nanoseconds: Histogram<u64>,
    failures: BTreeMap<i32, Failures>,
}

/// Calls that failed with the same status.
#[derive(Debug, Clone)]
pub struct Failures {
    /// The gRPC status of these calls.
    pub code: Code,
    /// How many calls failed with it.
    pub count: u64,
    /// The message of the first of them.
    pub message: String,
}

impl Tally {
    /// A tally that does not count the first `skipped` calls.
    pub fn new(skipped: u64) -> Result<Arc<Self>, CreationError> {
        let nanoseconds = Histogram::new_with_bounds(1, nanoseconds(LONGEST), DIGITS)?;
        Ok(Arc::new(Self { skipped, counts: Mutex::new(Counts { calls: 0, nanoseconds, failures: BTreeMap::new() }) }))
    }

    /// Counts a call. The latency of a failed call counts too: otherwise a server that fails late would look fast.
    pub fn count(&self, number: u64, took: Duration, answer: Result<(), Status>) {
        let mut counts = self.counts();
        counts.calls += 1;
        if number < self.skipped {
            return;
        }
        counts.nanoseconds.saturating_record(nanoseconds(took));
        if let Err(status) = answer {
            let new = || Failures { code: status.code(), count: 0, message: status.message().to_owned() };
            counts.failures.entry(status.code().into()).or_insert_with(new).count += 1;
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The results of a load.
#[derive(Debug, Clone)]
pub struct Report {
    /// The name of the load.
    pub name: String,
    /// From the first call to the last answer.
    pub lasted: Duration,
    /// How many calls were made, including the skipped ones.
    pub made: u64,
    /// Calls that failed, by status.
    pub failures: Vec<Failures>,
    nanoseconds: Histogram<u64>,
}

impl Report {
    pub(super) fn new(name: String, tally: &Tally, lasted: Duration) -> Self {
        let counts = tally.counts();
        let (made, nanoseconds) = (counts.calls, counts.nanoseconds.clone());
        Self { name, lasted, made, failures: counts.failures.values().cloned().collect(), nanoseconds }
    }

    /// How many calls were counted.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.nanoseconds.len()
    }

    /// How many of them failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.iter().map(|failures| failures.count).sum()
    }

    /// Calls a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a load has far fewer than 2^52 calls")]
    pub fn per_second(&self) -> f64 {
        self.made as f64 / self.lasted.as_secs_f64().max(1e-9)
    }

    /// The latency that this percentage of the calls did not exceed; zero if there were no calls.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Duration {
        Duration::from_nanos(self.nanoseconds.value_at_quantile(percent / 100.0))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_count_calls_that_failed_and_leave_out_those_that_are_skipped() {
        let tally = Tally::new(10).unwrap();
        for number in 0..10 {
            tally.count(number, Duration::from_secs(9), Err(Status::unavailable("cold")));
        }
        for number in 10..1_009 {
            tally.count(number, Duration::from_millis(1), Ok(()));
        }
        tally.count(1_009, Duration::from_millis(500), Err(Status::unavailable("no")));
        let report = Report::new("a".into(), &tally, Duration::from_secs(2));
        assert_eq!((report.calls(), report.failed(), report.made), (1_000, 1, 1_010));
        assert_eq!(report.failures[0].message, "no");
        assert!((report.per_second() - 505.0).abs() < 0.1);
        let milliseconds = |percent| (report.percentile(percent).as_secs_f64() * 1_000.0).round();
        assert_eq!([50.0, 99.0, 99.8, 100.0].map(milliseconds), [1.0, 1.0, 1.0, 500.0]);
    }
}
