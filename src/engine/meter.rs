//! The engine's metrics. No metric is kept per customer.
//!
//! Counts are sharded, so that threads that decide at the same time do not contend.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::{DecisionRecord, EngineError, Outcome};
use crate::clock::Stopwatch;
use crate::domain::decide::SilenceReason;
use crate::domain::time::Period;

/// The upper bounds of the latency buckets of decisions, in seconds.
const BOUNDS: [f64; 11] = [1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2, 1e-1];
/// The number of answer kinds: an action, an invalid question, and each reason for silence.
const ANSWERS: usize = 2 + SilenceReason::NAMES.len();
const SHARDS: usize = 16;

/// Counters that only grow.
#[derive(Debug, Default)]
pub struct Meter {
    shards: [Shard; SHARDS],
    readings: [AtomicU64; Outcome::NAMES.len()],
    /// Facts that were dropped because no purpose covered them.
    dropped_facts: AtomicU64,
    /// Items for whose id an older one had to be forgotten.
    truncated_ids: AtomicU64,
    /// How far the machine's clock is ahead of the server's time, in milliseconds.
    clock_step: AtomicI64,
}

/// The counters of one thread, or of a few; two cache lines long, to avoid false sharing.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    answers: [AtomicU64; ANSWERS],
    /// The latency histogram: decisions within each bound and above the previous one; the last element has the rest.
    took: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
    truncated: AtomicU64,
}

/// The latencies of decisions.
#[derive(Debug, Clone, PartialEq)]
pub struct Durations {
    /// Upper bounds in seconds, each with the number of decisions at or below it.
    pub buckets: Vec<(f64, u64)>,
    /// The sum, in seconds.
    pub sum: f64,
    /// The number of decisions.
    pub count: u64,
}

impl Meter {
    /// Sets how far the machine's clock is ahead of the server's time.
    pub fn clock_step(&self, step: Period) {
        self.clock_step.store(step.0, Ordering::Relaxed);
    }

    /// How many seconds the machine's clock is ahead of the server's time.
    #[must_use]
    pub fn clock_step_seconds(&self) -> i64 {
        self.clock_step.load(Ordering::Relaxed) / 1_000
    }

    /// Counts and times a decision. Dry runs do not count.
    pub fn decision(&self, since: Stopwatch, answer: &Result<Arc<DecisionRecord>, EngineError>) {
        if answer.as_ref().is_ok_and(|record| record.id.is_none()) {
            return;
        }
        let (shard, took) = (self.shard(), since.elapsed());
        add(shard.answers.get(place(answer)), 1);
        add(shard.took.get(BOUNDS.partition_point(|bound| *bound < took.as_secs_f64())), 1);
        add(Some(&shard.nanoseconds), u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        let truncated = answer.as_ref().is_ok_and(|record| record.decision.history_truncated);
        add(Some(&shard.truncated), u64::from(truncated));
    }

    /// Counts facts that were dropped because no purpose covered them.
    pub(super) fn drop_facts(&self, count: usize) {
        add(Some(&self.dropped_facts), count as u64);
    }

    /// The number of facts that were dropped because no purpose covered them.
    pub fn dropped_facts(&self) -> u64 {
        self.dropped_facts.load(Ordering::Relaxed)
    }

    /// Counts an item for whose id an older one had to be forgotten.
    pub(super) fn truncate_ids(&self) {
        add(Some(&self.truncated_ids), 1);
    }

    /// The number of items for whose id an older one had to be forgotten.
    pub fn truncated_ids(&self) -> u64 {
        self.truncated_ids.load(Ordering::Relaxed)
    }

    /// Counts a read of the rule files.
    pub(super) fn reading(&self, outcome: Outcome) {
        add(self.readings.get(outcome.index()), 1);
    }

    /// The number of decisions by answer: `action`, the word for a silence, or `invalid` for an invalid question.
    pub fn answers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = ["action", "invalid"].into_iter().chain(SilenceReason::NAMES.map(|(name, _)| name));
        names.enumerate().map(|(place, name)| (name, self.sum(|shard| shard.answers.get(place))))
    }

    /// The number of decisions made after a history had dropped an entry that a rule could still ask for.
    pub fn truncated(&self) -> u64 {
        self.sum(|shard| Some(&shard.truncated))
    }

    /// The latencies of decisions.
    pub fn durations(&self) -> Durations {
        let mut count = 0;
        let mut buckets = Vec::new();
        for place in 0..=BOUNDS.len() {
            count += self.sum(|shard| shard.took.get(place));
            buckets.extend(BOUNDS.get(place).map(|bound| (*bound, count)));
        }
        let sum = Duration::from_nanos(self.sum(|shard| Some(&shard.nanoseconds))).as_secs_f64();
        Durations { buckets, sum, count }
    }

    /// The number of reads of the rule files by outcome.
    pub fn readings(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count =
            |outcome: Outcome| self.readings.get(outcome.index()).map_or(0, |count| count.load(Ordering::Relaxed));
        Outcome::NAMES.into_iter().map(move |(name, outcome)| (name, count(outcome)))
    }

    /// The shard of this thread.
    fn shard(&self) -> &Shard {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS);
        let [first, ..] = &self.shards;
        self.shards.get(THREAD.with(|thread| *thread)).unwrap_or(first)
    }

    fn sum<'m>(&'m self, of: impl Fn(&'m Shard) -> Option<&'m AtomicU64>) -> u64 {
        self.shards.iter().filter_map(of).map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// The index of an answer's counter, in the order of [`Meter::answers`].
fn place(answer: &Result<Arc<DecisionRecord>, EngineError>) -> usize {
    let Ok(record) = answer else { return 1 };
    record.decision.silence.as_ref().map_or(0, |silence| 2 + silence.reason.index())
}

fn add(count: Option<&AtomicU64>, more: u64) {
    if let Some(count) = count {
        count.fetch_add(more, Ordering::Relaxed);
    }
}
