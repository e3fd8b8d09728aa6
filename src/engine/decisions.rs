//! Decisions after they are made: their ids, the newest of them in memory, and the feed of watchers.

use std::sync::Arc;

use super::feed::{Feed, Watch};
use super::ids::Ids;
use super::log::{DecisionRecord, RecentDecisions};
use crate::domain::customer::contact::DecisionKey;

/// The decisions of one process.
#[derive(Debug)]
pub(super) struct Decisions {
    ids: Ids,
    recent: RecentDecisions,
    feed: Feed,
}

impl Decisions {
    /// Keeps the newest decisions of about `bytes` together.
    pub fn new(bytes: usize) -> Self {
        Self { ids: Ids::default(), recent: RecentDecisions::new(bytes), feed: Feed::default() }
    }

    /// The source of ids.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Makes a decision readable by its id. What it takes is measured now, with its explanation.
    pub fn keep(&self, record: &Arc<DecisionRecord>) {
        self.recent.push(Arc::clone(record));
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
        self.recent.get(key)
    }

    /// Every kept decision that the closure selects, oldest first.
    pub fn find(&self, wanted: impl Fn(&DecisionRecord) -> bool) -> Vec<Arc<DecisionRecord>> {
        self.recent.find(wanted)
    }

    /// Deletes one decision.
    pub fn remove(&self, key: DecisionKey) {
        self.recent.remove(key);
    }

    /// Deletes every decision that the closure selects.
    pub fn forget(&self, gone: impl Fn(&DecisionRecord) -> bool) {
        self.recent.forget(gone);
    }
}
