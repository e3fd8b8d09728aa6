//! The cache of customers: access by closure, so that no lock outlives a call.
//!
//! Each slot tracks whether the customer is stored and whether it is dirty. Dirty customers are never evicted, so a
//! customer that is not in memory is in the store in its latest state.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use ecow::EcoString;

use super::StoreError;
use crate::domain::time::Moment;
use crate::ledger::CustomerKey;
use crate::sync::Section;

/// The number of shards of the map. A sweep locks one shard at a time, so a decision waits for at most a thousandth of
/// it.
const SHARDS: usize = 1_024;

/// How many empty customers stay in memory from one sweep to the next, so that a visitor who asks again is not looked for
/// on disk again.
const MOST_BLANK: usize = 16_384;

/// The customers in memory. Access is by closure, so that no lock outlives a call or crosses an await.
#[derive(Debug)]
pub struct Customers<C> {
    /// Keys are small and slots boxed, because half of the map's buckets are empty after it has grown.
    map: DashMap<EcoString, Box<Slot<C>>, foldhash::quality::RandomState>,
    /// The number of customers removed from each shard. It tells a load whether what it read from the store may have
    /// become stale meanwhile.
    removals: Vec<AtomicU64>,
    section: Section,
    /// How many empty customers have come since the last sweep.
    blank: AtomicUsize,
    /// The time for eviction, in flushes.
    ticks: AtomicU32,
}

/// A customer in memory, as its critical section sees it.
#[derive(Debug)]
pub struct Slot<C> {
    /// The customer.
    pub customer: C,
    /// How it differs from its stored state.
    pub cached: Cached,
    /// The tick of the last access.
    last_used: AtomicU32,
}

/// How a customer in memory differs from its stored state.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cached {
    /// Whether the store has the customer.
    pub stored: bool,
    dirty: Dirty,
}

/// In what a customer in memory differs from its stored state. Every customer that is not clean is listed in the contact
/// log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Dirty {
    /// In nothing.
    #[default]
    Clean,
    /// All differences are entries of the contact log.
    LogOnly,
    /// In anything.
    Full,
}

impl Cached {
    /// Notes a difference. Returns whether it is a new one, so that the customer must be listed.
    pub fn mark(&mut self, dirty: Dirty) -> bool {
        let new = self.dirty < dirty;
        self.dirty = self.dirty.max(dirty);
        new
    }
}

/// A version of a stored customer: two writes never have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Version {
    /// The number of the write.
    pub write: u64,
    /// Random bytes: a database that loses a write may number another one the same.
    pub mark: u64,
}

/// What a backend that several engines share keeps with a copy of a customer.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The version of the copy.
    pub version: Version,
    /// No change after this copy may be of an earlier moment.
    pub newest: Moment,
    /// The customer's key, if there is one.
    pub key: Option<Arc<CustomerKey>>,
    /// Why the customer could not be read, so that no transaction on the copy is accepted.
    pub trouble: Option<Arc<str>>,
}

impl Held {
    /// Nothing is stored, or no versions are compared.
    pub const NOTHING: Self =
        Self { version: Version { write: 0, mark: 0 }, newest: Moment(0), key: None, trouble: None };
}

/// Says whether a customer may have been changed and evicted since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// The result of loading a customer.
#[derive(Debug, Default)]
pub struct LoadedCustomer<C> {
    /// The loaded customer, or a new one.
    pub customer: C,
    /// Whether the store has the customer.
    pub stored: bool,
    /// Whether loading took time, so that even an empty customer stays in memory for a while.
    pub slow: bool,
}

/// The write that makes a customer clean.
#[derive(Debug, PartialEq, Eq)]
pub enum FlushOp {
    /// Store these bytes.
    Put(Vec<u8>),
    /// Remove the customer from the store.
    Delete,
}

/// What the cache needs to know to persist or evict a customer.
pub trait Persisted {
    /// Whether the customer holds anything. Empty customers are removed from memory by the next sweep.
    fn is_worth_keeping(&self) -> bool;
    /// Whether nothing is stored of the customer, and only this process may store something.
    fn is_blank(&self) -> bool;
    /// Whether the customer must not be evicted, because it holds state that is only in memory.
    fn is_pinned(&self) -> bool;
    /// The bytes to store; `None` if there is nothing to store.
    ///
    /// # Errors
    /// When the customer cannot be encoded.
    fn encode(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// What a shared backend keeps with the copy.
    fn held(&self) -> &Held;
    /// Changes what a shared backend keeps with the copy.
    fn hold(&mut self, held: Held);
}

impl<C: Persisted> Default for Customers<C> {
    fn default() -> Self {
        Self {
            map: DashMap::with_hasher_and_shard_amount(foldhash::quality::RandomState::default(), SHARDS),
            removals: (0..SHARDS).map(|_| AtomicU64::new(0)).collect(),
            section: Section::default(),
            blank: AtomicUsize::new(0),
            ticks: AtomicU32::new(0),
        }
    }
}

impl<C: Persisted> Customers<C> {
    /// Applies a change to a customer in memory, under the lock of its shard.
    ///
    /// # Errors
    /// The change, not applied, if the customer is not in memory: load the customer, then call
    /// [`Customers::update_loaded`].
    pub fn update<T, F: FnOnce(&mut Slot<C>) -> T>(&self, id: &str, change: F) -> Result<T, F> {
        self.section.enter(|| match self.map.get_mut(id) {
            Some(mut slot) => Ok(self.apply(&mut slot, change)),
            None => Err(change),
        })
    }

    /// A ticket for a load that begins now. The customer may be loaded, changed and evicted by others meanwhile.
    #[must_use]
    pub fn ticket(&self, id: &str) -> Ticket {
        Ticket(self.removals(id).load(Ordering::Acquire))
    }

    /// Applies a change to a customer who was not in memory and has been loaded. Of new customers that are still empty
    /// after the change, some that took time to load stay in memory until the next sweep.
    ///
    /// # Errors
    /// The change, not applied, if what was loaded may have become stale since the ticket: load again.
    pub fn update_loaded<T, F: FnOnce(&mut Slot<C>) -> T>(
        &self,
        id: &str,
        loaded: LoadedCustomer<C>,
        ticket: Ticket,
        change: F,
    ) -> Result<T, F> {
        let slow = loaded.slow;
        let mut slot = Box::new(Slot::from(loaded));
        self.section.enter(|| match self.map.entry(EcoString::from(id)) {
            Entry::Occupied(mut cached) => Ok(self.apply(cached.get_mut(), change)),
            Entry::Vacant(_) if self.ticket(id) != ticket => Err(change),
            Entry::Vacant(vacant) => {
                let result = self.apply(&mut slot, change);
                let blank = slow && slot.customer.is_blank();
                let stays = || blank && self.blank.fetch_add(1, Ordering::Relaxed) < MOST_BLANK;
                if slot.cached.stored || slot.customer.is_worth_keeping() || stays() {
                    vacant.insert(slot);
                }
                Ok(result)
            }
        })
    }

    fn apply<T>(&self, slot: &mut Slot<C>, change: impl FnOnce(&mut Slot<C>) -> T) -> T {
        slot.last_used.store(self.ticks.load(Ordering::Relaxed), Ordering::Relaxed);
        change(slot)
    }

    /// Replaces a customer, or inserts it, even if it is empty.
    pub fn replace(&self, id: &str, customer: C) {
        self.section.enter(|| {
            self.removals(id).fetch_add(1, Ordering::AcqRel);
            self.map
                .insert(EcoString::from(id), Box::new(LoadedCustomer { customer, stored: false, slow: false }.into()));
        });
    }

    /// Removes a customer from memory, dirty or not, if `gone` holds.
    pub fn remove_if(&self, id: &str, gone: impl FnOnce(&C) -> bool) {
        self.section.enter(|| {
            self.map.remove_if(id, |_, slot| {
                let gone = gone(&slot.customer);
                // Before the removal is seen, so that no load that began earlier brings the customer back.
                self.removals(id).fetch_add(u64::from(gone), Ordering::AcqRel);
                gone
            });
        });
    }

    /// Reads one customer, if it is in memory.
    pub fn read<T>(&self, id: &str, read: impl FnOnce(&C) -> T) -> Option<T> {
        self.section.enter(|| self.map.get(id).map(|slot| read(&slot.customer)))
    }

    /// The ids of the customers in memory that the closure selects.
    pub fn find(&self, wanted: impl Fn(&C) -> bool) -> Vec<EcoString> {
        self.section.enter(|| {
            let found = self.map.iter().filter(|slot| wanted(&slot.customer));
            found.map(|slot| slot.key().clone()).collect()
        })
    }

    /// Applies a change to every customer in memory, one shard at a time, and removes those that are empty and not
    /// stored, if the change returns true.
    pub fn sweep(&self, mut change: impl FnMut(&str, &mut Slot<C>) -> bool) {
        self.blank.store(0, Ordering::Relaxed);
        self.section.enter(|| {
            self.map.retain(|id, slot| {
                let may_go = change(id, slot);
                !may_go || slot.cached.stored || slot.customer.is_worth_keeping()
            });
        });
    }

    /// The write that is due for a dirty customer, which is marked clean. If the write fails, call
    /// [`Customers::flush_failed`].
    ///
    /// # Errors
    /// When the customer cannot be encoded.
    pub fn begin_flush(&self, id: &str) -> Result<Option<FlushOp>, StoreError> {
        let Some(mut slot) = self.map.get_mut(id) else { return Ok(None) };
        if std::mem::take(&mut slot.cached.dirty) == Dirty::Clean {
            return Ok(None);
        }
        let bytes = slot.customer.encode(id)?;
        let was_stored = std::mem::replace(&mut slot.cached.stored, bytes.is_some());
        Ok(bytes.map(FlushOp::Put).or_else(|| was_stored.then_some(FlushOp::Delete)))
    }

    /// Marks a customer dirty again, who must be listed again, too.
    pub fn flush_failed(&self, id: &str) {
        if let Some(mut slot) = self.map.get_mut(id) {
            slot.cached.stored = true;
            slot.cached.mark(Dirty::Full);
        }
    }

    /// Evicts up to `wanted` clean customers, the least recently used first, and returns how many.
    ///
    /// To be called by the flushing thread between flushes only: a customer whose flush is under way is marked clean.
    pub fn evict(&self, wanted: usize) -> usize {
        let evictable = |slot: &Slot<C>| slot.cached.dirty == Dirty::Clean && !slot.customer.is_pinned();
        let last_used = |slot: &Slot<C>| slot.last_used.load(Ordering::Relaxed);
        let mut times: Vec<u32> = self.map.iter().filter(|slot| evictable(slot)).map(|slot| last_used(&slot)).collect();
        let Some(index) = wanted.min(times.len()).checked_sub(1) else { return 0 };
        let (_, newest, _) = times.select_nth_unstable(index);
        let mut evicted = 0;
        self.map.retain(|id, slot| {
            let evict = evicted < wanted && evictable(slot) && last_used(slot) <= *newest;
            if evict {
                evicted += 1;
                self.removals(id).fetch_add(1, Ordering::AcqRel);
            }
            !evict
        });
        evicted
    }

    /// Advances the time by which the least recently used customers are found.
    pub fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of customers in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether no customer is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder of the number of shards")]
    #[expect(clippy::cast_possible_truncation, reason = "only the remainder is used")]
    fn removals(&self, id: &str) -> &AtomicU64 {
        &self.removals[self.map.hasher().hash_one(id) as usize % SHARDS]
    }
}

impl<C> From<LoadedCustomer<C>> for Slot<C> {
    fn from(LoadedCustomer { customer, stored, .. }: LoadedCustomer<C>) -> Self {
        Self { customer, cached: Cached { stored, dirty: Dirty::Clean }, last_used: AtomicU32::new(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A customer who is empty, or may be one that cannot be encoded.
    #[derive(Debug, PartialEq)]
    enum Stub {
        Empty,
        Encodes,
        Refuses,
    }

    impl Persisted for Stub {
        fn is_worth_keeping(&self) -> bool {
            *self != Self::Empty
        }

        fn is_blank(&self) -> bool {
            *self == Self::Empty
        }

        fn is_pinned(&self) -> bool {
            false
        }

        fn encode(&self, _id: &str) -> Result<Option<Vec<u8>>, StoreError> {
            match self {
                Self::Empty => Ok(None),
                Self::Encodes => Ok(Some(vec![1])),
                Self::Refuses => Err(postcard::Error::NotYetImplemented.into()),
            }
        }

        fn held(&self) -> &Held {
            &Held::NOTHING
        }

        fn hold(&mut self, _held: Held) {}
    }

    #[test]
    fn some_empty_customers_stay_until_the_next_sweep() {
        let customers = Customers::default();
        for round in 0..2 {
            for number in 0..MOST_BLANK + 2 {
                let id = number.to_string();
                let loaded = LoadedCustomer { customer: Stub::Empty, stored: false, slow: true };
                assert!(customers.update_loaded(&id, loaded, customers.ticket(&id), |_| ()).is_ok());
            }
            assert_eq!(customers.len(), MOST_BLANK, "round {round}");
            assert!(
                customers.update("0", |_| ()).is_ok() && customers.update(&MOST_BLANK.to_string(), |_| ()).is_err()
            );
            customers.sweep(|_, _| true);
            assert!(customers.is_empty());
        }
    }

    #[test]
    fn a_customer_who_cannot_be_encoded_stays_dirty() {
        let customers = Customers::default();
        let refuse = |refuses| {
            let stub = || if refuses { Stub::Refuses } else { Stub::Encodes };
            let change = |slot: &mut Slot<Stub>| {
                slot.customer = stub();
                slot.cached.mark(Dirty::Full)
            };
            let loaded = LoadedCustomer { customer: stub(), stored: false, slow: false };
            _ = customers.update_loaded("anna", loaded, customers.ticket("anna"), change);
        };
        refuse(true);
        assert!(matches!(customers.begin_flush("anna"), Err(StoreError::Encoding(_))), "and no empty customer");
        customers.flush_failed("anna");
        assert_eq!(customers.evict(1), 0, "not written, so it stays in memory");
        refuse(false);
        assert_eq!(customers.begin_flush("anna").unwrap(), Some(FlushOp::Put(vec![1])));
    }
}
