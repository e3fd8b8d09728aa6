//! Customers in memory: one critical section for each, no lock that a caller can hold on to.

use compact_str::CompactString;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::sync::Section;

/// A map of customers. Access is by closure, so that no lock outlives a call or crosses an await.
#[derive(Debug)]
pub struct Customers<C> {
    map: DashMap<CompactString, C, foldhash::quality::RandomState>,
    section: Section,
}

/// Something that may turn out to hold nothing.
pub trait Kept {
    /// Whether there is something to keep.
    fn is_worth_keeping(&self) -> bool;
}

impl<C> Default for Customers<C> {
    fn default() -> Self {
        Self { map: DashMap::with_hasher(foldhash::quality::RandomState::default()), section: Section::default() }
    }
}

impl<C: Kept> Customers<C> {
    /// Changes one customer, known or fresh, while nobody else can. A fresh one of whom nothing is left to keep leaves
    /// no trace.
    pub fn update<T>(&self, id: &str, fresh: impl FnOnce() -> C, change: impl FnOnce(&mut C) -> T) -> T {
        self.section.enter(|| match self.map.entry(CompactString::from(id)) {
            Entry::Occupied(mut held) => change(held.get_mut()),
            Entry::Vacant(vacant) => {
                let mut customer = fresh();
                let result = change(&mut customer);
                if customer.is_worth_keeping() {
                    vacant.insert(customer);
                }
                result
            }
        })
    }

    /// Puts a customer in the place of what was held, whether it is worth keeping or not.
    pub fn replace(&self, id: &str, customer: C) {
        self.section.enter(|| self.map.insert(CompactString::from(id), customer));
    }

    /// Forgets a customer.
    pub fn remove(&self, id: &str) {
        self.section.enter(|| self.map.remove(id));
    }

    /// Looks at one customer.
    pub fn read<T>(&self, id: &str, look: impl FnOnce(&C) -> T) -> Option<T> {
        self.section.enter(|| self.map.get(id).map(|held| look(held.value())))
    }

    /// Keeps what the closure wants to keep; it may also change a customer.
    pub fn retain(&self, mut keep: impl FnMut(&mut C) -> bool) {
        self.section.enter(|| self.map.retain(|_, customer| keep(customer)));
    }

    /// How many are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}
