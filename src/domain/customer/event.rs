//! The events of one customer, oldest first, within a bound.

use std::collections::{HashMap, VecDeque};

use smallvec::SmallVec;

use crate::domain::id::{EventTypeId, FieldId, PurposeSet};
use crate::domain::time::Moment;
use crate::domain::value::Value;

/// How many events are kept for one customer.
pub const MOST_EVENTS: usize = 256;

/// One event as it is kept. Only fields that a purpose covers are in it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// What happened.
    pub kind: EventTypeId,
    /// When.
    pub at: Moment,
    /// The purposes it was lawfully collected for and is still lawfully kept for.
    pub purposes: PurposeSet,
    /// Its fields, each with purposes of its own.
    pub fields: SmallVec<[(FieldId, Value, PurposeSet); 2]>,
}

/// A bounded history, in time order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventHistory {
    events: VecDeque<StoredEvent>,
    forgotten: Option<(Moment, PurposeSet)>,
}

impl EventHistory {
    /// Adds an event at its place in time. When there is no room, the oldest of the most frequent type leaves, so
    /// that many events of one type never push out the few of another.
    pub fn insert(&mut self, event: StoredEvent) {
        let place = self.events.partition_point(|held| held.at <= event.at);
        self.events.insert(place, event);
        if self.events.len() > MOST_EVENTS {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        let mut counts: HashMap<EventTypeId, usize> = HashMap::new();
        for event in &self.events {
            *counts.entry(event.kind).or_default() += 1;
        }
        let crowded = counts.into_iter().max_by_key(|(kind, count)| (*count, *kind)).map(|(kind, _)| kind);
        let oldest = self.events.iter().position(|event| Some(event.kind) == crowded);
        if let Some(gone) = oldest.and_then(|index| self.events.remove(index)) {
            let known = self.forgotten.filter(|(at, _)| *at > gone.at);
            self.forgotten = known.or(Some((gone.at, gone.purposes)));
        }
    }

    /// The events, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &StoredEvent> {
        self.events.iter().rev()
    }

    /// The moment of the newest event that had to be forgotten for want of room, and whose it was to read.
    #[must_use]
    pub fn forgotten(&self) -> Option<(Moment, PurposeSet)> {
        self.forgotten
    }

    /// Forgets even that something was forgotten, where no purpose may know it any more.
    pub fn keep_for(&mut self, lawful: PurposeSet) {
        self.forgotten = self.forgotten.filter(|(_, purposes)| !purposes.intersection(lawful).is_empty());
    }

    /// How many are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Keeps what the closure wants to keep; it may also change an event.
    pub fn retain(&mut self, keep: impl FnMut(&mut StoredEvent) -> bool) {
        self.events.retain_mut(keep);
    }
}
