//! Decisions after they are made: their ids, the log of recent ones, and the feed of watchers.

use std::sync::Arc;

use super::feed::{Feed, Watch};
use super::ids::Ids;
use super::log::{DecisionLog, DecisionRecord};
use crate::domain::customer::contact::DecisionKey;

/// The decisions of one process.
#[derive(Debug)]
pub(super) struct Decisions {
    ids: Ids,
    log: DecisionLog,
    feed: Feed,
}

impl Decisions {
    /// Keeps up to `capacity` decisions.
    pub fn new(capacity: usize) -> Self {
        Self { ids: Ids::default(), log: DecisionLog::new(capacity), feed: Feed::default() }
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

    /// Deletes one decision.
    pub fn remove(&self, key: DecisionKey) {
        self.log.remove(key);
    }

    /// Deletes every decision that the closure selects.
    pub fn forget(&self, gone: impl Fn(&DecisionRecord) -> bool) {
        self.log.forget(gone);
    }
}
