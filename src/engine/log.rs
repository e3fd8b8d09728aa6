//! The log of decisions that stay readable by id: the newest, up to a number.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::ids::DecisionId;
use super::operations::{Question, Snapshot};
use crate::domain::customer::contact::DecisionKey;
use crate::domain::decide::{Decision, Explanation};
use crate::domain::rule_set::RuleSet;
use crate::domain::scoring::Score;
use crate::domain::time::Moment;

/// A decision as it was made.
#[derive(Debug, Clone)]
pub struct DecisionRecord {
    /// Its id; none if nothing was recorded for it.
    pub(super) id: DecisionId,
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

/// Set once the decision was an answer: its contacts are logged.
const ANSWERED: u32 = 1 << 31;

impl Callers {
    /// Adds a caller.
    pub fn join(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Removes a caller that got no answer. Returns whether no caller is left.
    pub fn leave(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) & !ANSWERED == 1
    }

    /// Notes that a caller has its answer.
    pub fn answer(&self) {
        if !self.has_answered() {
            self.0.fetch_or(ANSWERED, Ordering::Relaxed);
        }
    }

    /// Whether a caller has its answer.
    pub fn has_answered(&self) -> bool {
        self.0.load(Ordering::Relaxed) & ANSWERED != 0
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
    /// Its id in answers: a UUID. Empty if nothing was recorded.
    #[must_use]
    pub fn id(&self) -> String {
        self.id.to_string()
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
/// The room that a log has from the start, in decisions of a shard.
const FIRST_ROOM: usize = 64;

/// The newest decisions, by key; sharded to avoid contention between writers.
#[derive(Debug)]
pub struct DecisionLog {
    shards: Vec<Mutex<Ring>>,
    capacity: usize,
}

/// A ring buffer, and the place of each decision in it.
#[derive(Debug, Default)]
struct Ring {
    records: Vec<Option<Arc<DecisionRecord>>>,
    places: HashMap<DecisionKey, usize, foldhash::fast::RandomState>,
    /// The place of the next decision.
    next: usize,
}

impl DecisionLog {
    /// A log that keeps about `capacity` decisions.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.div_ceil(SHARDS).max(1);
        Self { shards: (0..SHARDS).map(|_| Mutex::new(Ring::with_room(capacity.min(FIRST_ROOM)))).collect(), capacity }
    }

    /// Adds a decision; the oldest is dropped.
    pub fn push(&self, record: Arc<DecisionRecord>) {
        let Some(shard) = self.shard(record.id.key()) else { return };
        // The oldest is freed after the lock is released.
        let oldest = lock(shard).push(record, self.capacity);
        drop(oldest);
    }

    /// The decision with this key, if it is still kept.
    pub fn get(&self, key: DecisionKey) -> Option<Arc<DecisionRecord>> {
        let ring = lock(self.shard(key)?);
        ring.records.get(*ring.places.get(&key)?)?.clone()
    }

    /// Deletes one decision.
    pub fn remove(&self, key: DecisionKey) {
        let Some(shard) = self.shard(key) else { return };
        let removed = lock(shard).remove(key);
        drop(removed);
    }

    /// Deletes every decision that the closure selects, shard by shard.
    pub fn forget(&self, gone: impl Fn(&DecisionRecord) -> bool) {
        for shard in &self.shards {
            let Ring { records, places, .. } = &mut *lock(shard);
            for record in records.iter_mut().filter_map(|slot| slot.take_if(|record| gone(record))) {
                places.remove(&record.id.key());
            }
        }
    }

    /// Every kept decision that the closure selects, oldest first.
    pub fn find(&self, wanted: impl Fn(&DecisionRecord) -> bool) -> Vec<Arc<DecisionRecord>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            found.extend(lock(shard).records.iter().flatten().filter(|record| wanted(record)).cloned());
        }
        found.sort_by_key(|record| record.id);
        found
    }

    #[expect(clippy::cast_possible_truncation, reason = "only the remainder is used")]
    fn shard(&self, key: DecisionKey) -> Option<&Mutex<Ring>> {
        self.shards.get(key.0 as usize % SHARDS)
    }
}

impl Ring {
    fn with_room(room: usize) -> Self {
        let places = HashMap::with_capacity_and_hasher(room, foldhash::fast::RandomState::default());
        Self { records: Vec::with_capacity(room), places, next: 0 }
    }

    /// Adds a decision, and returns the one whose place it takes.
    fn push(&mut self, record: Arc<DecisionRecord>, capacity: usize) -> Option<Arc<DecisionRecord>> {
        let (place, key) = (self.next, record.id.key());
        self.next = (place + 1) % capacity;
        let oldest = match self.records.get_mut(place) {
            Some(slot) => slot.replace(record),
            None => {
                self.records.push(Some(record));
                None
            }
        };
        if let Some(oldest) = &oldest {
            self.places.remove(&oldest.id.key());
        }
        self.places.insert(key, place);
        oldest
    }

    fn remove(&mut self, key: DecisionKey) -> Option<Arc<DecisionRecord>> {
        let place = self.places.remove(&key)?;
        self.records.get_mut(place)?.take()
    }
}

fn lock(shard: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
