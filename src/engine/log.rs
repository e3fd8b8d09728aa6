//! The newest decisions, in memory up to a number of bytes. All are in the decision log.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use smallvec::SmallVec;

use super::ids::DecisionId;
use super::operations::{Question, Snapshot};
use crate::domain::customer::contact::DecisionKey;
use crate::domain::decide::{Decision, Explanation, Loser};
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
    /// The rules that were used, or if they are not known any more, those that name the ids.
    pub rules: Arc<RuleSet>,
    /// The hash of the rules that were used, if they are not `rules`.
    pub(super) earlier_rules: Option<String>,
    /// When it was made.
    pub at: Moment,
    /// The customer's revocation epoch at that time.
    pub(super) epoch: u64,
    /// Whether it is the answer to a request whose first answer a killed process has lost.
    pub replaced: bool,
    /// Whether an older request id had to be forgotten for its own: a repetition of that one would count again.
    pub ids_truncated: bool,
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

    /// The hash of the rule set that was used.
    #[must_use]
    pub fn rule_set(&self) -> &str {
        self.earlier_rules.as_deref().unwrap_or(&self.rules.hash)
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

/// The newest decisions, by key, up to a number of bytes; sharded to avoid contention between writers.
#[derive(Debug)]
pub struct RecentDecisions {
    shards: Vec<Mutex<Ring>>,
    /// The most bytes of one shard.
    bytes: usize,
}

/// Decisions in the order in which they came, and the place of each.
#[derive(Debug, Default)]
struct Ring {
    /// Each with its bytes; none where one was deleted.
    records: VecDeque<Option<(Arc<DecisionRecord>, usize)>>,
    places: HashMap<DecisionKey, u64, foldhash::fast::RandomState>,
    /// The place of the first in `records`.
    first: u64,
    /// The bytes of all.
    bytes: usize,
}

/// Decisions that left a ring, which are freed after its lock is released.
type Dropped = SmallVec<[Arc<DecisionRecord>; 4]>;

impl RecentDecisions {
    /// Keeps decisions of about `bytes` together, and at least one for each shard.
    pub fn new(bytes: usize) -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), bytes: bytes / SHARDS }
    }

    /// Adds a decision; the oldest are dropped.
    pub fn push(&self, record: Arc<DecisionRecord>) {
        let Some(shard) = self.shard(record.id.key()) else { return };
        let bytes = record.bytes();
        let dropped = lock(shard).push(record, bytes, self.bytes);
        drop(dropped);
    }

    /// The decision with this key, if it is still kept.
    pub fn get(&self, key: DecisionKey) -> Option<Arc<DecisionRecord>> {
        let ring = lock(self.shard(key)?);
        let place = ring.places.get(&key)?.checked_sub(ring.first)?;
        ring.records.get(usize::try_from(place).ok()?)?.as_ref().map(|(record, _)| Arc::clone(record))
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
            let mut ring = lock(shard);
            let records = ring.records.iter().flatten().filter(|(record, _)| gone(record));
            let keys: Vec<DecisionKey> = records.map(|(record, _)| record.id.key()).collect();
            let removed: Vec<_> = keys.into_iter().map(|key| ring.remove(key)).collect();
            drop(ring);
            drop(removed);
        }
    }

    /// Every kept decision that the closure selects, oldest first.
    pub fn find(&self, wanted: impl Fn(&DecisionRecord) -> bool) -> Vec<Arc<DecisionRecord>> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let ring = lock(shard);
            let records = ring.records.iter().flatten().map(|(record, _)| record);
            found.extend(records.filter(|record| wanted(record)).cloned());
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
    /// Adds a decision, and returns the oldest, which do not fit any more.
    ///
    /// One that is there already is measured again. A decision under way stays, so that a request that is repeated meanwhile
    /// finds it.
    fn push(&mut self, record: Arc<DecisionRecord>, bytes: usize, most: usize) -> Dropped {
        let mut dropped = Dropped::new();
        dropped.extend(self.remove(record.id.key()));
        self.add(record, bytes);
        let mut left = self.records.len();
        while self.bytes > most && left > 1 {
            left -= 1;
            self.first += 1;
            let Some((oldest, bytes)) = self.records.pop_front().flatten() else { continue };
            self.bytes -= bytes;
            if oldest.is_under_way() {
                self.add(oldest, bytes);
                continue;
            }
            self.places.remove(&oldest.id.key());
            dropped.push(oldest);
        }
        dropped
    }

    fn add(&mut self, record: Arc<DecisionRecord>, bytes: usize) {
        self.places.insert(record.id.key(), self.first + self.records.len() as u64);
        self.records.push_back(Some((record, bytes)));
        self.bytes += bytes;
    }

    fn remove(&mut self, key: DecisionKey) -> Option<Arc<DecisionRecord>> {
        let place = self.places.remove(&key)?.checked_sub(self.first)?;
        let (record, bytes) = self.records.get_mut(usize::try_from(place).ok()?)?.take()?;
        self.bytes -= bytes;
        Some(record)
    }
}

fn lock(shard: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a kept decision takes beside its own bytes: its places here and with its customer, and what allocations round up.
const BESIDE: usize = 256;

impl DecisionRecord {
    /// Whether it answers a request that may be repeated, and is not answered yet.
    fn is_under_way(self: &Arc<Self>) -> bool {
        !self.question.request_id.is_empty() && !self.callers.has_answered() && Arc::strong_count(self) > 1
    }

    /// About how many bytes of memory it takes.
    fn bytes(&self) -> usize {
        let Self { question, decision, .. } = self;
        let texts = |texts: &[Arc<str>]| texts.iter().map(|text| text.len() + 32).sum::<usize>();
        let context = question.context.iter().map(|(name, value)| size_of_val(name) + name.len() + size_of_val(value));
        let groups = question.groups.iter().map(|group| group.len() + 32);
        let said = decision.actions.iter();
        let said = said.map(|chosen| size_of_val(chosen) + chosen.text.len() + texts(&chosen.because));
        let silence = decision.silence.as_ref().map_or(0, |silence| silence.detail.len());
        let explained = self.explained.as_deref().and_then(|explained| explained.explanation.get());
        let explained = explained.and_then(Option::as_ref).map_or(0, explanation_bytes);
        let parts = context.sum::<usize>() + groups.sum::<usize>() + said.sum::<usize>();
        size_of::<Self>() + BESIDE + parts + silence + explained
    }
}

fn explanation_bytes(explanation: &Explanation) -> usize {
    let text = |length: usize| length.next_multiple_of(16);
    let candidate = |loser: &Loser| {
        let fired = loser.fired.iter().map(|place| size_of_val(place) + text(place.file.len()));
        let flip = loser.flip.as_ref().map_or(0, |flip| text(flip.len()));
        size_of_val(loser) + text(loser.reason.len()) + text(loser.rule.file.len()) + flip + fired.sum::<usize>()
    };
    let funnel = size_of_val(explanation.funnel.as_slice());
    size_of_val(explanation) + funnel + explanation.candidates.iter().map(candidate).sum::<usize>()
}
