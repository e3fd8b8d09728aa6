//! Decisions after they are made: their ids, the log of recent ones, and the feed of watchers.

use std::sync::Arc;

use super::feed::{Feed, Watch};
use super::log::{DecisionLog, DecisionRecord};
use crate::domain::customer::contact::DecisionKey;
use crate::domain::time::Moment;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The decisions of one process.
#[derive(Debug)]
pub(super) struct Decisions {
    ids: Ids,
    log: DecisionLog,
    feed: Feed,
}

impl Decisions {
    /// Keeps up to `capacity` decisions.
    pub fn new(capacity: usize, run: u32, now: Moment) -> Self {
        Self { ids: Ids::new(run, now), log: DecisionLog::new(capacity), feed: Feed::default() }
    }

    /// The source of ids.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Makes a decision readable by its id.
    pub fn keep(&self, record: &Arc<DecisionRecord>) {
        self.log.push(Arc::clone(record));
    }

    /// Sends a decision to all watchers.
    pub fn send(&self, record: &Arc<DecisionRecord>) {
        self.feed.send(record);
    }

    /// Starts a watcher at the next decision.
    pub fn watch(&self) -> Watch {
        self.feed.watch()
    }

    /// The decision with this key, if it is still kept.
    pub fn get(&self, key: DecisionKey) -> Option<Arc<DecisionRecord>> {
        self.log.get(key)
    }

    /// Every kept decision that the closure selects, oldest first.
    pub fn find(&self, wanted: impl Fn(&DecisionRecord) -> bool) -> Vec<Arc<DecisionRecord>> {
        self.log.find(wanted)
    }

    /// Deletes every decision that the closure selects.
    pub fn forget(&self, gone: impl Fn(&DecisionRecord) -> bool) {
        self.log.forget(gone);
    }
}

/// The source of the ids of decisions and consent records.
#[derive(Debug)]
pub struct Ids {
    /// Distinguishes the ids of this process from those of others.
    run: u32,
    first_decision: u64,
    next_decision: AtomicU64,
    next_record: AtomicU64,
}

impl Ids {
    fn new(run: u32, now: Moment) -> Self {
        // Decisions of a later process have higher numbers, unless a process makes a million decisions per millisecond.
        let first_decision = now.0.unsigned_abs() << 20;
        let (next_decision, next_record) = (AtomicU64::new(first_decision + 1), AtomicU64::new(1));
        Self { run, first_decision, next_decision, next_record }
    }

    /// The key of a new decision.
    pub fn decision(&self) -> DecisionKey {
        DecisionKey(self.next_decision.fetch_add(1, Ordering::Relaxed))
    }

    /// The sequence number and the id of a new consent record.
    pub fn record(&self) -> (u64, String) {
        let sequence = self.next_record.fetch_add(1, Ordering::AcqRel);
        (sequence, format!("r-{:08x}-{sequence:x}", self.run))
    }

    /// Continues after a sequence number of consent records.
    pub fn continue_after(&self, sequence: u64) {
        self.next_record.fetch_max(sequence + 1, Ordering::AcqRel);
    }

    /// The id of a decision in answers: `d-` and two numbers, of this process and of the decision.
    pub fn name(&self, key: DecisionKey) -> DecisionName {
        DecisionName { run: self.run, number: key.0.saturating_sub(self.first_decision) }
    }

    /// The key of a decision, if this process issued the id.
    pub fn parse(&self, id: &str) -> Option<DecisionKey> {
        let (run, number) = id.strip_prefix("d-")?.split_once('-')?;
        let run = u32::from_str_radix(run, 16).ok().filter(|run| *run == self.run);
        let number = run.and_then(|_| u64::from_str_radix(number, 16).ok());
        number.map(|number| DecisionKey(self.first_decision.wrapping_add(number)))
    }
}

/// What a decision's id is made of.
#[derive(Debug, Clone, Copy)]
pub struct DecisionName {
    /// The process that made it.
    pub(super) run: u32,
    /// Its number within this process.
    pub(super) number: u64,
}
