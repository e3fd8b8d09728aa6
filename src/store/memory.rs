//! Customers in memory: one critical section for each, no lock that a caller can hold on to.
//!
//! Beside each customer stands whether the store has them, and as they are. Whoever differs from the store stays in
//! memory until the difference is written, so a customer who is not here is in the store as they were last.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use ecow::EcoString;

use super::journal::{self, Journal};
use crate::sync::Section;

/// Into how many parts the map is divided. A look at every customer holds one part at a time, so it keeps a decision
/// waiting for no longer than a thousandth of it takes.
const PARTS: usize = 1_024;

/// A map of customers. Access is by closure, so that no lock outlives a call or crosses an await.
#[derive(Debug)]
pub struct Customers<C> {
    /// Small keys, and customers boxed: as a map grows, half of its places are empty.
    map: DashMap<EcoString, Box<Slot<C>>, foldhash::quality::RandomState>,
    /// How many have left each part: who loads a customer sees whether somebody had a newer one meanwhile.
    departures: Vec<AtomicU64>,
    section: Section,
    journal: Option<Arc<Journal>>,
    /// Grows with every writing; customers remember when they were last touched.
    writings: AtomicU32,
}

#[derive(Debug)]
struct Slot<C> {
    customer: C,
    touched: AtomicU32,
    /// The store has something of them.
    stored: bool,
    differs: Differs,
}

/// How a customer differs from what is stored. The journal knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Differs {
    /// Not at all.
    #[default]
    No,
    /// By what is counted in the journal.
    ByCounted,
    /// By more than that.
    ByMore,
}

/// A customer who was not in memory.
#[derive(Debug, Default)]
pub struct Loaded<C> {
    /// The customer, known or fresh.
    pub customer: C,
    /// Whether the store has something of them.
    pub stored: bool,
}

/// What a change did to a customer.
#[derive(Debug, Default, PartialEq)]
pub enum Change {
    /// Nothing that has to be stored.
    #[default]
    Nothing,
    /// Something that has to be stored.
    Something,
    /// Something that counts, and nothing else: it is in the journal before anybody is told.
    Counted(Vec<journal::Entry>),
    /// Both.
    CountedAndMore(Vec<journal::Entry>),
}

/// What is to be written of a customer.
#[derive(Debug, PartialEq, Eq)]
pub enum Difference {
    /// These bytes.
    Write(Vec<u8>),
    /// Nothing is left.
    Remove,
}

/// Somebody of whom there may be nothing to keep.
pub trait Kept {
    /// Whether there is something to keep.
    fn is_worth_keeping(&self) -> bool;
    /// Whether they must stay in memory, because nothing else could give back all there is.
    fn is_pinned(&self) -> bool;
    /// What the store keeps of them, if anything.
    fn stored(&self, id: &str) -> Option<Vec<u8>>;
}

impl<C: Kept> Default for Customers<C> {
    fn default() -> Self {
        Self::new(None)
    }
}

impl<C: Kept> Customers<C> {
    /// No customers yet. A journal learns of every difference to the store.
    pub fn new(journal: Option<Arc<Journal>>) -> Self {
        Self {
            map: DashMap::with_hasher_and_shard_amount(foldhash::quality::RandomState::default(), PARTS),
            departures: (0..PARTS).map(|_| AtomicU64::new(0)).collect(),
            section: Section::default(),
            journal,
            writings: AtomicU32::new(0),
        }
    }

    /// Changes one customer, here or loaded, while nobody else can. A fresh one of whom nothing is left to keep leaves no
    /// trace.
    pub fn update<T>(&self, id: &str, load: impl Fn() -> Loaded<C>, change: impl FnOnce(&mut C) -> (T, Change)) -> T {
        let mut change = Some(change);
        loop {
            let held = self.section.enter(|| {
                let mut slot = self.map.get_mut(id)?;
                Some(self.apply(id, &mut slot, change.take()?))
            });
            if let Some(result) = held {
                return result;
            }
            let departures = self.departures(id).load(Ordering::Acquire);
            // Not while a lock is held: nobody else waits for this disk. Somebody may have come and gone meanwhile.
            let mut slot = Box::new(Slot::from(load()));
            let entered = self.section.enter(|| match self.map.entry(EcoString::from(id)) {
                Entry::Occupied(mut held) => Some(self.apply(id, held.get_mut(), change.take()?)),
                Entry::Vacant(_) if self.departures(id).load(Ordering::Acquire) != departures => None,
                Entry::Vacant(vacant) => {
                    let result = self.apply(id, &mut slot, change.take()?);
                    if slot.stored || slot.customer.is_worth_keeping() {
                        vacant.insert(slot);
                    }
                    Some(result)
                }
            });
            if let Some(result) = entered {
                return result;
            }
        }
    }

    fn apply<T>(&self, id: &str, slot: &mut Slot<C>, change: impl FnOnce(&mut C) -> (T, Change)) -> T {
        slot.touched.store(self.writings.load(Ordering::Relaxed), Ordering::Relaxed);
        let (result, change) = change(&mut slot.customer);
        self.note(id, slot, change);
        result
    }

    /// Notes a difference to the store, and then what counts: an entry never comes before its customer.
    fn note(&self, id: &str, slot: &mut Slot<C>, change: Change) {
        let Some(journal) = &self.journal else { return };
        let (differs, entries) = match change {
            Change::Nothing => return,
            Change::Something => (Differs::ByMore, Vec::new()),
            // Whom the store has never seen is written soon: the journal does not know what they are called.
            Change::Counted(entries) if !slot.stored => (Differs::ByMore, entries),
            Change::Counted(entries) => (Differs::ByCounted, entries),
            Change::CountedAndMore(entries) => (Differs::ByMore, entries),
        };
        if slot.differs < differs {
            slot.differs = differs;
            if differs == Differs::ByMore { journal.differs(id.into()) } else { journal.counts(id.into()) }
        }
        journal.counted(entries);
    }

    /// Puts a customer in the place of what was held, whether it is worth keeping or not.
    pub fn replace(&self, id: &str, customer: C) {
        self.section.enter(|| {
            self.departures(id).fetch_add(1, Ordering::AcqRel);
            self.map.insert(EcoString::from(id), Box::new(Loaded { customer, stored: false }.into()));
        });
    }

    /// Forgets a customer.
    pub fn remove(&self, id: &str) {
        self.section.enter(|| {
            self.departures(id).fetch_add(1, Ordering::AcqRel);
            self.map.remove(id);
        });
    }

    /// Looks at one customer, if they are in memory.
    pub fn read<T>(&self, id: &str, look: impl FnOnce(&C) -> T) -> Option<T> {
        self.section.enter(|| self.map.get(id).map(|slot| look(&slot.customer)))
    }

    /// Changes every customer in memory, a few at a time. Whoever is no longer worth keeping is forgotten.
    pub fn sweep(&self, mut change: impl FnMut(&mut C) -> Change) {
        self.section.enter(|| {
            self.map.retain(|id, slot| {
                let changed = change(&mut slot.customer);
                self.note(id, slot, changed);
                slot.stored || slot.customer.is_worth_keeping()
            });
        });
    }

    /// What is to be written of a customer, if anything. From here on they count as written.
    pub fn difference(&self, id: &str) -> Option<Difference> {
        let mut slot = self.map.get_mut(id)?;
        if std::mem::take(&mut slot.differs) == Differs::No {
            return None;
        }
        let bytes = slot.customer.stored(id);
        let before = std::mem::replace(&mut slot.stored, bytes.is_some());
        bytes.map(Difference::Write).or_else(|| before.then_some(Difference::Remove))
    }

    /// A difference was not written after all.
    pub fn not_written(&self, id: &str) {
        if let Some(mut slot) = self.map.get_mut(id) {
            slot.stored = true;
            self.note(id, &mut slot, Change::Something);
        }
    }

    /// Lets so many customers leave memory, those first who were touched longest ago. Nobody leaves who differs from the
    /// store. How many left.
    ///
    /// Only whoever writes may call this: between the two, nobody is on the way to the store.
    pub fn evict(&self, wanted: usize) -> usize {
        let may_leave = |slot: &Slot<C>| slot.differs == Differs::No && !slot.customer.is_pinned();
        let touched = |slot: &Slot<C>| slot.touched.load(Ordering::Relaxed);
        let mut times: Vec<u32> = self.map.iter().filter(|slot| may_leave(slot)).map(|slot| touched(&slot)).collect();
        let Some(last) = wanted.min(times.len()).checked_sub(1) else { return 0 };
        let (_, last, _) = times.select_nth_unstable(last);
        let mut left = 0;
        self.map.retain(|id, slot| {
            let leaves = left < wanted && may_leave(slot) && touched(slot) <= *last;
            if leaves {
                left += 1;
                self.departures(id).fetch_add(1, Ordering::AcqRel);
            }
            !leaves
        });
        left
    }

    /// Begins a new count of when customers are touched.
    pub fn tick(&self) {
        self.writings.fetch_add(1, Ordering::Relaxed);
    }

    /// How many are in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether none is in memory.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder of the number of parts")]
    #[expect(clippy::cast_possible_truncation, reason = "only the remainder is used")]
    fn departures(&self, id: &str) -> &AtomicU64 {
        &self.departures[self.map.hasher().hash_one(id) as usize % PARTS]
    }
}

impl<C> From<Loaded<C>> for Slot<C> {
    fn from(Loaded { customer, stored }: Loaded<C>) -> Self {
        Self { customer, touched: AtomicU32::new(0), stored, differs: Differs::No }
    }
}
