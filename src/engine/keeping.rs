//! Customers between memory and the store: loading, flushing, eviction.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::decide::Answered;
use super::{Customer, DecisionRecord, Engine, EngineError, consent};
use crate::domain::action::Outcome;
use crate::domain::customer::contact::DecisionKey;
use crate::domain::customer::{CustomerState, OutcomeEntry};
use crate::domain::id::{ActionId, PurposeId, Vocabulary};
use crate::domain::record::NewOutcome;
use crate::domain::time::Moment;
use crate::ledger::{Pseudonym, Take};
use crate::store;
use crate::store::codec::{self, StoredContact, StoredOutcome, StoredRequest};
use crate::store::{Change, Counted, CustomerStore, Customers, Due, Entry, Kept as _, Loaded, StoreError, Written};

/// How many customers are written in one batch.
const CHUNK: usize = 1_000;
/// How many stored customers are checked for retention in one call.
const LOOKED_AT: usize = 128;

/// The limit of the memory in use.
#[derive(Debug, Clone, Copy)]
pub struct MostMemory {
    /// The limit, in bytes.
    pub bytes: u64,
    /// Returns the bytes in use, if the system reports them.
    pub in_use: fn() -> Option<u64>,
}

impl MostMemory {
    /// A limit for the memory of this process.
    #[must_use]
    pub fn of_process(bytes: u64) -> Self {
        Self { bytes, in_use: resident }
    }
}

/// The memory limit and the eviction state.
#[derive(Debug, Default)]
pub(super) struct Bound {
    memory: Option<MostMemory>,
    /// Customers are evicted while the process is larger than this, in bytes.
    level: AtomicU64,
    /// How many customers fit; zero while it is not known.
    most: AtomicUsize,
    /// Where the next check for retention continues.
    place: Mutex<Option<Pseudonym>>,
}

impl Bound {
    /// Whether memory use is close enough to the limit that evictions may soon be needed.
    fn is_near(&self) -> bool {
        let Some(MostMemory { bytes, in_use }) = self.memory else { return false };
        in_use().is_some_and(|in_use| in_use > bytes / 4 * 3)
    }
}

impl store::Kept for Customer {
    fn is_worth_keeping(&self) -> bool {
        if self.standing.is_gone() {
            return false;
        }
        let empty = self.state.is_empty() && self.standing.is_empty();
        // If the revocation epoch were lost with its customer, old answers could be shown again.
        !(empty && self.rest().is_empty())
    }

    fn is_pinned(&self) -> bool {
        let waits = || self.rest().consent_keys.iter().any(consent::Remembered::is_under_way);
        self.rest().unrecorded > 0 || self.standing.is_gone() || waits()
    }

    fn stored(&self, id: &str) -> Option<Vec<u8>> {
        if self.standing.is_gone() || (self.state.is_empty() && self.epoch() == 0) {
            return None;
        }
        let requests = self.rest().requests.iter().map(stored_request).collect();
        Some(codec::encode(id, self.epoch(), requests, &self.state))
    }
}

impl Engine {
    /// Attaches a store to the engine: customers are loaded from it, and dirty customers are flushed to it.
    #[must_use]
    pub fn keeping(mut self, store: CustomerStore, most_memory: Option<MostMemory>) -> Self {
        self.customers = Customers::new(Some(Arc::clone(store.journal())));
        self.store = Some(Arc::new(store));
        self.bound.memory = most_memory;
        self.store_names(&self.rules.load().set.vocabulary);
        self
    }

    /// Stores every name, so that a stored number can never be read as another name by a later process.
    pub(super) fn store_names(&self, names: &Vocabulary) {
        let Some(store) = &self.store else { return };
        // A failure is in the log and in health; the next flush tries again.
        drop(store.write(&mut store.writing(), &[], (names, None)));
    }

    /// Marks earlier contacts as unknown: limits count as used up.
    #[must_use]
    pub fn without_memory(mut self, now: Moment) -> Self {
        self.lost = Some(now);
        self
    }

    /// The store, if there is one.
    #[must_use]
    pub fn store(&self) -> Option<&CustomerStore> {
        self.store.as_deref()
    }

    /// Waits until everything counted so far survives the end of this process. Every answer waits for this.
    pub async fn kept(&self) {
        if let Some(store) = &self.store {
            store.journal().kept().await;
        }
    }

    /// Loads a customer who is not in memory from the store and the ledger, or starts an empty one.
    pub(super) fn load(&self, id: &str) -> Loaded<Customer> {
        let erased_at = self.ledger.erased_at(id);
        let mut customer = match erased_at {
            Some(_) => Customer::erased(self.erasures.load(crate::sync::atomic::Ordering::Acquire)),
            None => Customer::default(),
        };
        let strict = |customer: &mut Customer, since: Moment| customer.state.relation_mut().lost = Some(since);
        if let Some(since) = self.lost.filter(|_| !customer.standing.is_gone()) {
            strict(&mut customer, since);
        }
        self.recall_standing(id, &mut customer);
        let Some(store) = self.store.as_ref().filter(|_| !customer.standing.is_gone()) else {
            return Loaded { customer, stored: false };
        };
        let stored = match store.read(id, erased_at) {
            Ok(None) => false,
            Ok(Some(kept)) => {
                if kept.denials > customer.epoch() {
                    customer.rest_mut().epoch = kept.denials;
                }
                let answered = kept.requests.iter().map(|request| self.answered_before(request));
                answered.for_each(|answered| customer.rest_mut().requests.push(answered));
                customer.state = kept.state;
                true
            }
            Err(error) => {
                tracing::error!(%error, "a customer is not known any more; their limits count as used up");
                // Earlier decisions are no longer shown in full.
                customer.rest_mut().epoch |= 1 << 63;
                strict(&mut customer, Moment(self.latest.load(crate::sync::atomic::Ordering::Relaxed)));
                true
            }
        };
        Loaded { customer, stored }
    }

    /// Loads a customer's standing from the ledger.
    fn recall_standing(&self, id: &str, customer: &mut Customer) {
        let rules = self.rules.load();
        match self.ledger.records(id) {
            Ok(records) => records.iter().for_each(|(position, record)| {
                let purpose = rules.set.vocabulary.find::<PurposeId>(&record.purpose);
                customer.standing.apply(purpose, record, *position);
            }),
            Err(_) => self.trust_ledger(false),
        }
    }

    fn answered_before(&self, stored: &StoredRequest) -> Answered {
        let key = DecisionKey(stored.decision);
        Answered { request: stored.request, key, record: self.decisions.get(key), until: Moment(stored.until) }
    }

    /// The change that a decision makes: the contacts that it counts, and those that they replace, are in the journal
    /// before the decision is returned.
    pub(super) fn change_of(
        &self,
        customer: &Customer,
        epoch: u64,
        (record, replaced): (&DecisionRecord, Option<DecisionKey>),
    ) -> Change {
        let (key, change) = (record.key, customer.change_since(epoch));
        let told = key != DecisionKey::default() && !record.decision.actions.is_empty();
        if !told && replaced.is_none() {
            return change;
        }
        let Some(store) = &self.store else { return Change::Something };
        let who = store.pseudonym(&record.question.customer).0;
        let contacts = customer.state.relation().contacts.iter().filter(|contact| told && contact.decision == key);
        let contacts = contacts.map(|contact| Counted::Contact(StoredContact::of(contact)));
        let asked = customer.rest().requests.iter().filter(|answered| told && answered.key == key);
        let asked = asked.map(|answered| Counted::Asked(stored_request(answered)));
        let replaced = replaced.map(|key| Counted::Withdrawn { decision: key.0, action: None });
        let entries = replaced.into_iter().chain(contacts).chain(asked).map(|what| Entry { who, what }).collect();
        if change == Change::Nothing { Change::Counted(entries) } else { Change::CountedAndMore(entries) }
    }

    /// The change that takes back contacts of a decision: all of them, or that of one action.
    pub(super) fn withdrawn(&self, customer: &str, (decision, action): (DecisionKey, Option<ActionId>)) -> Change {
        let Some(store) = &self.store else { return Change::Something };
        let what = Counted::Withdrawn { decision: decision.0, action: action.map(|action| action.0) };
        Change::CountedAndMore(vec![Entry { who: store.pseudonym(customer).0, what }])
    }

    /// The change that an outcome makes.
    pub(super) fn counted(&self, customer: &str, state: &CustomerState, new: &NewOutcome) -> Change {
        let Some(store) = &self.store else { return Change::Something };
        let who = store.pseudonym(customer).0;
        let relation = state.relation();
        let decided = new.decision != DecisionKey::default();
        let contact = relation.contacts.iter().rfind(|contact| {
            (contact.decision, contact.action) == (new.decision, new.action) && (decided || contact.at == new.at)
        });
        let released = (decided && new.outcome == Outcome::NotPresented)
            .then_some(Counted::Withdrawn { decision: new.decision.0, action: Some(new.action.0) });
        let is_new =
            |entry: &&OutcomeEntry| (entry.action, entry.outcome, entry.at) == (new.action, new.outcome, new.at);
        let outcome = relation.outcomes.iter().rfind(is_new).filter(|_| new.outcome != Outcome::Presented);
        let counted = [
            new.id.map(Counted::Seen),
            released,
            contact.map(|contact| Counted::Contact(StoredContact::of(contact))),
            outcome.map(|entry| Counted::Outcome(StoredOutcome::of(entry))),
        ];
        Change::CountedAndMore(counted.into_iter().flatten().map(|what| Entry { who, what }).collect())
    }

    /// Flushes all dirty customers, until the journal holds nothing else from before the call. Returns how many were
    /// checked.
    ///
    /// # Errors
    /// When the disk refuses a write: customers stay in memory, and the next flush tries again.
    pub fn write_behind(&self) -> Result<usize, StoreError> {
        let Some(store) = &self.store else { return Ok(0) };
        let mut writing = store.writing();
        // First the rest of the previous round, then the current one.
        Ok(self.write(store, &mut writing, true)? + self.write(store, &mut writing, true)?)
    }

    /// Flushes the customers that are due, and evicts some if there are too many. Returns how many were checked.
    ///
    /// # Errors
    /// When the disk refuses a write: customers stay in memory, and the next flush tries again.
    pub fn write_due(&self) -> Result<usize, StoreError> {
        let Some(store) = &self.store else { return Ok(0) };
        let mut writing = store.writing();
        // When memory is short, all dirty customers are flushed at once, because they cannot be evicted.
        let written = self.write(store, &mut writing, self.bound.is_near());
        self.keep_within_bound(store);
        written
    }

    fn write(&self, store: &CustomerStore, writing: &mut Written, everybody: bool) -> Result<usize, StoreError> {
        let Due { customers, round } = store.journal().due(everybody);
        let names = &self.rules.load_full().set;
        // The last chunk only marks the end of a round, once all of it is stored.
        let chunks = customers.chunks(CHUNK).map(Some).chain([None]);
        for (index, chunk) in chunks.enumerate() {
            let ended = round.filter(|_| chunk.is_none());
            let chunk = chunk.unwrap_or(&[]);
            let differ = chunk.iter().filter_map(|id| {
                // Read first: an erasure in between then makes fresh data look old, never old data look fresh.
                let erased_at = self.ledger.erased_at(id).unwrap_or(0);
                Some((id.as_str(), erased_at, self.customers.difference(id)?))
            });
            let differ: Vec<_> = differ.collect();
            if let Err(error) = store.write(writing, &differ, (&names.vocabulary, ended)) {
                differ.iter().for_each(|(id, ..)| self.customers.not_written(id));
                let rest = customers.iter().skip((index + 1) * CHUNK);
                rest.for_each(|id| store.journal().differs(id.clone()));
                return Err(error);
            }
            store.journal().sync();
        }
        Ok(customers.len())
    }

    /// Streams a copy of everything on disk except the keys folder, with names as in the data folder, while calls
    /// continue. The copy contains everything that was acknowledged before.
    ///
    /// # Errors
    /// When the ledger or the store is closed or cannot be read, or the receiver has gone.
    pub fn back_up(&self, take: &mut Take<'_>) -> Result<(), EngineError> {
        let unavailable = |why: String| EngineError::BackupUnavailable(why);
        let store =
            self.store.as_ref().ok_or_else(|| unavailable("nothing is kept on disk, or it is closed".into()))?;
        self.write_behind().map_err(|error| unavailable(error.to_string()))?;
        // Now the store has everything that was acknowledged before. Customers are copied first: the ledger is then
        // never older than they are, so it knows all erasures of them.
        store.copy(take).map_err(|error| unavailable(error.to_string()))?;
        self.ledger.copy(take).map_err(|error| unavailable(error.to_string()))
    }

    /// Removes a customer from the store permanently.
    pub(super) fn erase_stored(&self, customer: &str) -> Result<(), StoreError> {
        let Some(store) = &self.store else { return Ok(()) };
        // The round that ends here drops their journal entries.
        self.write_behind()?;
        store.erase(&mut store.writing(), customer)
    }

    /// Applies elapsed time to stored customers who are not in use, some in each call: data past its retention is
    /// deleted.
    pub fn look_through(&self, now: Moment) {
        let Some(store) = &self.store else { return };
        let mut place = self.bound.place.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok((found, next)) = store.some_from(place.unwrap_or(Pseudonym([0; 20])), LOOKED_AT) else { return };
        *place = next;
        let (active, now) = (self.rules.load(), self.steady(now));
        for kept in found.iter().filter(|kept| !kept.customer.is_empty()) {
            let id = kept.customer.as_str();
            // On a copy: a check does not load a customer into memory.
            let mut customer = self.customer_as_held(id);
            self.settle(&mut customer, &active.set, now);
            if customer.stored(id) != Some(kept.encode()) {
                self.with_customer(id, |customer| self.settle(customer, &active.set, now));
            }
        }
    }

    /// Evicts customers while the process is larger than its limit.
    ///
    /// Their memory is reused for new customers and rarely returned to the system. So the process hardly shrinks, and
    /// only its growth shows that there are still too many customers.
    fn keep_within_bound(&self, store: &CustomerStore) {
        self.customers.tick();
        let Some(MostMemory { bytes, in_use }) = self.bound.memory else { return };
        let Some(resident) = in_use() else { return };
        let (first, step) = (bytes / 100 * 92, bytes / 100);
        let level = self.bound.level.load(Ordering::Relaxed).max(first);
        let (mut most, held) = (self.bound.most.load(Ordering::Relaxed), self.customers.len());
        if resident > level {
            most = held.min(if most == 0 { held } else { most }) / 16 * 15;
            self.bound.level.store(resident + step, Ordering::Relaxed);
        } else if resident < first - 4 * step && most > 0 {
            most += most / 64 + 1;
            self.bound.level.store(first, Ordering::Relaxed);
        }
        self.bound.most.store(most, Ordering::Relaxed);
        if most > 0 && held > most {
            let left = self.customers.evict(held - most + most / 64);
            store.counts().evicted.fetch_add(left as u64, Ordering::Relaxed);
        }
    }
}

fn stored_request(answered: &Answered) -> StoredRequest {
    StoredRequest { request: answered.request, decision: answered.key.0, until: answered.until.0 }
}

/// The resident memory of the process in bytes, if the system reports it.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    pages.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * 4_096)
}
