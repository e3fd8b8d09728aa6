//! The log of decisions that stay readable by id: the newest, up to a number.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::decisions::DecisionName;
use super::operations::{Question, Snapshot};
use crate::domain::customer::contact::DecisionKey;
use crate::domain::decide::{Decision, Explanation};
use crate::domain::rule_set::RuleSet;
use crate::domain::scoring::Score;
use crate::domain::time::Moment;

/// A decision as it was made.
#[derive(Debug, Clone)]
pub struct DecisionRecord {
    /// What its id is made of.
    pub(super) name: DecisionName,
    /// Its key; zero if nothing was recorded for it.
    pub key: DecisionKey,
    /// The question.
    pub question: Question,
    /// The answer.
    pub decision: Decision,
    /// The rules that were used.
    pub rules: Arc<RuleSet>,
    /// When it was made.
    pub at: Moment,
    /// The customer's revocation epoch at that time.
    pub(super) epoch: u64,
    /// How many callers have it as their answer.
    pub(super) callers: Callers,
    /// The explanation, if one was asked for.
    pub(super) explained: Option<Box<Explained>>,
}

/// An explanation that is computed once, from what the decision knew, outside of the customer's critical section.
#[derive(Debug)]
pub(super) struct Explained {
    /// What the decision knew, until the explanation is there.
    pub snapshot: Mutex<Option<Snapshot>>,
    pub explanation: OnceLock<Option<Explanation>>,
}

impl Clone for Explained {
    fn clone(&self) -> Self {
        Self { snapshot: Mutex::new(None), explanation: self.explanation.clone() }
    }
}

impl Explained {
    /// An explanation that is computed when it is first asked for.
    pub fn from_snapshot(snapshot: Snapshot) -> Self {
        Self { snapshot: Mutex::new(Some(snapshot)), explanation: OnceLock::new() }
    }
}

/// How many callers have a decision as their answer: the one who made it, and those who repeated the request. Changed
/// only inside the customer's critical section.
#[derive(Debug)]
pub struct Callers(AtomicU32);

impl Callers {
    /// Adds a caller.
    pub fn join(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a caller that got no answer. Returns whether no caller is left.
    pub fn leave(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

impl Default for Callers {
    fn default() -> Self {
        Self(AtomicU32::new(1))
    }
}

impl Clone for Callers {
    fn clone(&self) -> Self {
        Self(AtomicU32::new(self.0.load(Ordering::Relaxed)))
    }
}

impl DecisionRecord {
    /// Its id in answers: `d-` and two numbers, of this process and of the decision. Empty if nothing was recorded.
    #[must_use]
    pub fn id(&self) -> String {
        if self.key == DecisionKey::default() {
            return String::new();
        }
        let DecisionName { run, number } = self.name;
        format!("d-{run:08x}-{number:x}")
    }

    /// The explanation, if one was asked for and may be shown.
    #[must_use]
    pub fn explanation(&self) -> Option<&Explanation> {
        let Explained { snapshot, explanation } = self.explained.as_deref()?;
        let explain = || {
            let snapshot = snapshot.lock().unwrap_or_else(PoisonError::into_inner).take();
            snapshot.and_then(|snapshot| snapshot.explain(&self.question, &self.rules, self.at))
        };
        explanation.get_or_init(explain).as_ref()
    }

    /// The same decision without data that was read from the customer: the steps stay, texts and reasons are removed,
    /// and its validity ends, so that a caller who is about to take a step asks again.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let mut record = self.clone();
        record.question.context.clear();
        record.explained = None;
        record.decision.valid_until = record.at;
        for chosen in &mut record.decision.actions {
            chosen.text = Arc::default();
            chosen.because.clear();
            chosen.score = Score::default();
        }
        if let Some(silence) = &mut record.decision.silence {
            "not shown: the customer's data may no longer be used so".clone_into(&mut silence.detail);
            silence.nearest = None;
        }
        record
    }
}

const SHARDS: usize = 16;

/// A ring buffer of the newest decisions, sharded to avoid contention between writers.
#[derive(Debug)]
pub struct DecisionLog {
    shards: Vec<Mutex<Vec<Option<Arc<DecisionRecord>>>>>,
    capacity: usize,
}

impl DecisionLog {
    /// A log that keeps about `capacity` decisions.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.div_ceil(SHARDS).max(1);
        Self { shards: (0..SHARDS).map(|_| Mutex::new(Vec::new())).collect(), capacity }
    }

    /// Adds a decision; the oldest is dropped.
    pub fn push(&self, record: Arc<DecisionRecord>) {
        let (shard, slot) = self.place(record.key);
        let Some(shard) = self.shards.get(shard) else { return };
        let mut ring = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if slot >= ring.len() {
            ring.resize_with(slot + 1, || None);
        }
        if let Some(held) = ring.get_mut(slot) {
            // The oldest is freed after the lock is released.
            let oldest = held.replace(record);
            drop(ring);
            drop(oldest);
        }
    }

    /// The decision with this key, if it is still kept.
    pub fn get(&self, key: DecisionKey) -> Option<Arc<DecisionRecord>> {
        let (shard, slot) = self.place(key);
        let ring = self.shards.get(shard)?.lock().unwrap_or_else(PoisonError::into_inner);
        ring.get(slot)?.clone().filter(|record| record.key == key)
    }

    /// Deletes every decision that the closure selects, shard by shard.
    pub fn forget(&self, gone: impl Fn(&DecisionRecord) -> bool) {
        for shard in &self.shards {
            for slot in shard.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
                if slot.as_deref().is_some_and(&gone) {
                    *slot = None;
                }
            }
        }
    }

    /// Every kept decision that the closure selects, oldest first.
    pub fn find(&self, wanted: impl Fn(&DecisionRecord) -> bool) -> Vec<Arc<DecisionRecord>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let ring = shard.lock().unwrap_or_else(PoisonError::into_inner);
            found.extend(ring.iter().flatten().filter(|record| wanted(record)).cloned());
        }
        found.sort_by_key(|record| record.key);
        found
    }

    #[expect(clippy::cast_possible_truncation, reason = "only the remainders are used")]
    fn place(&self, key: DecisionKey) -> (usize, usize) {
        let number = key.0 as usize;
        (number % SHARDS, number / SHARDS % self.capacity)
    }
}
