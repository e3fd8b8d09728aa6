//! Releases calls at their due times, from a separate thread: a timer of the runtime would be up to a millisecond late.

use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// Calls that are due within this time are released together.
const GRAIN: Duration = Duration::from_micros(100);

/// Calls at a fixed rate.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub start: Instant,
    /// Calls a second.
    pub rate: f64,
    /// Calls in total.
    pub calls: u64,
}

impl Schedule {
    /// When a call is due.
    #[expect(clippy::cast_precision_loss, reason = "a load has far fewer than 2^52 calls")]
    pub fn due(&self, number: u64) -> Instant {
        self.start + Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// Sends the number up to which calls are due as time passes, and ends after the last call.
    pub fn release(self) -> mpsc::UnboundedReceiver<u64> {
        let (sender, receiver) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            let mut released = 0;
            while released < self.calls {
                let elapsed = self.start.elapsed();
                released = released_after(elapsed, self.rate).min(self.calls);
                if sender.send(released).is_err() {
                    return;
                }
                let next = self.due(released).saturating_duration_since(self.start + elapsed);
                sleep(next.max(GRAIN));
            }
        });
        receiver
    }
}

/// How many calls are due after some time; the first is due at once.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count from zero on")]
fn released_after(elapsed: Duration, rate: f64) -> u64 {
    (elapsed.as_secs_f64() * rate) as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_released_when_they_are_due_and_not_before() {
        for (milliseconds, released) in [(0, 1), (9, 1), (10, 2), (999, 100), (1_000, 101)] {
            assert_eq!(released_after(Duration::from_millis(milliseconds), 100.0), released, "{milliseconds}");
        }
    }

    #[test]
    fn every_call_is_released_once() {
        let start = super::super::now();
        let mut told = Schedule { start, rate: 100_000.0, calls: 1_000 }.release();
        let mut seen = Vec::new();
        while let Some(until) = told.blocking_recv() {
            seen.push(until);
        }
        assert!(seen.is_sorted() && seen.last() == Some(&1_000), "{seen:?}");
    }
}
