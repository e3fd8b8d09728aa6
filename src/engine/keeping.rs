//! Persistence of customers: loading, write-behind flushes, eviction, and backups.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::decide::Answered;
use super::{Customer, DecisionRecord, Engine, EngineError, consent};
use crate::domain::action::Outcome;
use crate::domain::customer::contact::DecisionKey;
use crate::domain::customer::{CustomerState, OutcomeEntry};
use crate::domain::id::{ActionId, PurposeId, Vocabulary};
use crate::domain::time::Moment;
use crate::domain::transition::NewOutcome;
use crate::ledger::{CopySink, Pseudonym};
use crate::store;
use crate::store::codec::{self, StoredContact, StoredOutcome, StoredRequest};
use crate::store::{
    CustomerFlush, CustomerStore, Customers, FlushBatch, LoadedCustomer, LogEntry, LoggedChange, Mutation,
    Persisted as _, StoreError, WriterState,
};

/// The number of customers in one batch of a flush.
const FLUSH_BATCH: usize = 1_000;
/// The number of stored customers that are checked for expired retention at once.
const PURGE_BATCH: usize = 128;

/// The most memory that the process may use before it evicts customers.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimit {
    /// The limit, in bytes.
    pub bytes: u64,
    /// Reads the bytes in use; `None` where the system does not report them.
    pub in_use: fn() -> Option<u64>,
}

impl MemoryLimit {
    /// The memory of this process.
    #[must_use]
    pub fn of_process(bytes: u64) -> Self {
        Self { bytes, in_use: resident }
    }
}

/// The memory limit, and the state of eviction.
#[derive(Debug, Default)]
pub(super) struct Bound {
    memory: Option<MemoryLimit>,
    /// Customers are evicted when the process uses more bytes than this.
    level: AtomicU64,
    /// The most customers to hold in memory; 0 until the limit was reached once.
    most: AtomicUsize,
    /// Where the search for expired data continues.
    place: Mutex<Option<Pseudonym>>,
}

impl Bound {
    /// Whether three quarters of the limit are in use, so that eviction may begin soon.
    fn is_near(&self) -> bool {
        let Some(MemoryLimit { bytes, in_use }) = self.memory else { return false };
        in_use().is_some_and(|in_use| in_use > bytes / 4 * 3)
    }
}

impl store::Persisted for Customer {
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

    fn encode(&self, id: &str) -> Option<Vec<u8>> {
        if self.standing.is_gone() || (self.state.is_empty() && self.epoch() == 0) {
            return None;
        }
        let requests = self.rest().requests.iter().map(stored_request).collect();
        Some(codec::encode(id, self.epoch(), requests, &self.state))
    }
}

impl Engine {
    /// The engine over a store: customers are loaded from it and flushed to it.
    #[must_use]
    pub fn with_store(mut self, store: CustomerStore, memory_limit: Option<MemoryLimit>) -> Self {
        self.customers = Customers::new(Some(Arc::clone(store.contact_log())));
        self.store = Some(Arc::new(store));
        self.bound.memory = memory_limit;
        self.store_names(&self.rules.load().set.vocabulary);
        self
    }

    /// Stores the names, so that no customer is stored under ids that the next process would read as other names.
    pub(super) fn store_names(&self, names: &Vocabulary) {
        let Some(store) = &self.store else { return };
        // A failure is logged and shown in health; the next flush repeats it.
        drop(store.write(&mut store.writer(), &[], names, None));
    }

    /// The engine without a readable store: limits count as used up, because earlier contacts are unknown.
    #[must_use]
    pub fn assume_limits_used(mut self, now: Moment) -> Self {
        self.lost = Some(now);
        self
    }

    /// The store, if there is one.
    #[must_use]
    pub fn store(&self) -> Option<&CustomerStore> {
        self.store.as_deref()
    }

    /// Waits until every contact so far is in the contact log and survives a killed process. To be called before a
    /// decision is returned.
    pub async fn wait_durable(&self) {
        if let Some(store) = &self.store {
            store.contact_log().wait_durable().await;
        }
    }

    /// Loads a customer from the store and the ledger; a new one if neither has it.
    pub(super) fn load_customer(&self, id: &str) -> LoadedCustomer<Customer> {
        let erased_at = self.ledger.erased_at(id);
        let mut customer = match erased_at {
            Some(_) => Customer::erased(self.erasures.load(crate::sync::atomic::Ordering::Acquire)),
            None => Customer::default(),
        };
        let strict = |customer: &mut Customer, since: Moment| customer.state.relation_mut().lost = Some(since);
        if let Some(since) = self.lost.filter(|_| !customer.standing.is_gone()) {
            strict(&mut customer, since);
        }
        self.load_standing(id, &mut customer);
        let Some(store) = self.store.as_ref().filter(|_| !customer.standing.is_gone()) else {
            return LoadedCustomer { customer, stored: false };
        };
        let stored = match store.read(id, erased_at) {
            Ok(None) => false,
            Ok(Some(stored)) => {
                if stored.denials > customer.epoch() {
                    customer.rest_mut().epoch = stored.denials;
                }
                let answered = stored.requests.iter().map(|request| self.answered_before(request));
                answered.for_each(|answered| customer.rest_mut().requests.push(answered));
                customer.state = stored.state;
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
        LoadedCustomer { customer, stored }
    }

    fn load_standing(&self, id: &str, customer: &mut Customer) {
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

    /// The mutation by a decision: its contacts and request, and the withdrawal of the contacts that they replace, are
    /// logged.
    pub(super) fn mutation_by_decision(
        &self,
        customer: &Customer,
        epoch: u64,
        (record, replaced): (&DecisionRecord, Option<DecisionKey>),
    ) -> Mutation {
        let (key, mutation) = (record.key, customer.mutation_since(epoch));
        let told = key != DecisionKey::default() && !record.decision.actions.is_empty();
        if !told && replaced.is_none() {
            return mutation;
        }
        let Some(store) = &self.store else { return Mutation::State };
        let pseudonym = store.pseudonym(&record.question.customer).0;
        let contacts = customer.state.relation().contacts.iter().filter(|contact| told && contact.decision == key);
        let contacts = contacts.map(|contact| LoggedChange::Contact(StoredContact::of(contact)));
        let requests = customer.rest().requests.iter().filter(|answered| told && answered.key == key);
        let requests = requests.map(|answered| LoggedChange::Request(stored_request(answered)));
        let replaced = replaced.map(|key| LoggedChange::Withdrawn { decision: key.0, action: None });
        let entries = log_entries(pseudonym, replaced.into_iter().chain(contacts).chain(requests));
        if mutation == Mutation::None { Mutation::Logged(entries) } else { Mutation::LoggedAndState(entries) }
    }

    /// The mutation by which contacts of a decision no longer count: all of them, or the one of an action.
    pub(super) fn mutation_by_withdrawal(
        &self,
        customer: &str,
        decision: DecisionKey,
        action: Option<ActionId>,
    ) -> Mutation {
        let Some(store) = &self.store else { return Mutation::State };
        let change = LoggedChange::Withdrawn { decision: decision.0, action: action.map(|action| action.0) };
        Mutation::LoggedAndState(log_entries(store.pseudonym(customer).0, [change]))
    }

    /// The mutation by an outcome that has just been recorded in `state`.
    pub(super) fn mutation_by_outcome(&self, customer: &str, state: &CustomerState, new: &NewOutcome) -> Mutation {
        let Some(store) = &self.store else { return Mutation::State };
        let relation = state.relation();
        let decided = new.decision != DecisionKey::default();
        let contact = relation.contacts.iter().rfind(|contact| {
            (contact.decision, contact.action) == (new.decision, new.action) && (decided || contact.at == new.at)
        });
        let released = (decided && new.outcome == Outcome::NotPresented)
            .then_some(LoggedChange::Withdrawn { decision: new.decision.0, action: Some(new.action.0) });
        let is_new =
            |entry: &&OutcomeEntry| (entry.action, entry.outcome, entry.at) == (new.action, new.outcome, new.at);
        let outcome = relation.outcomes.iter().rfind(is_new).filter(|_| new.outcome != Outcome::Presented);
        let changes = [
            new.id.map(LoggedChange::SeenId),
            released,
            contact.map(|contact| LoggedChange::Contact(StoredContact::of(contact))),
            outcome.map(|entry| LoggedChange::Outcome(StoredOutcome::of(entry))),
        ];
        Mutation::LoggedAndState(log_entries(store.pseudonym(customer).0, changes.into_iter().flatten()))
    }

    /// Flushes every dirty customer and drains the contact log of all entries appended so far. Returns the number of
    /// customers visited.
    ///
    /// # Errors
    /// When the disk fails: customers stay dirty, and the next flush repeats them.
    pub fn write_behind(&self) -> Result<usize, StoreError> {
        let Some(store) = &self.store else { return Ok(0) };
        let mut writer = store.writer();
        // First the rest of the draining segment, then the current one.
        Ok(self.flush(store, &mut writer, true)? + self.flush(store, &mut writer, true)?)
    }

    /// Flushes the customers that are due, and evicts some if there are too many. Returns the number of customers
    /// visited.
    ///
    /// # Errors
    /// When the disk fails: customers stay dirty, and the next flush repeats them.
    pub fn write_due(&self) -> Result<usize, StoreError> {
        let Some(store) = &self.store else { return Ok(0) };
        let mut writer = store.writer();
        // Near the memory limit, everything is flushed: dirty customers cannot be evicted.
        let written = self.flush(store, &mut writer, self.bound.is_near());
        self.keep_within_bound(store);
        written
    }

    fn flush(&self, store: &CustomerStore, writer: &mut WriterState, everything: bool) -> Result<usize, StoreError> {
        let FlushBatch { customers, drained } = store.contact_log().next_flush(everything);
        let names = &self.rules.load_full().set;
        // The last batch has no customers: it records that the segment is drained, once all before it are durable.
        let chunks = customers.chunks(FLUSH_BATCH).map(Some).chain([None]);
        for (index, chunk) in chunks.enumerate() {
            let drained = drained.filter(|_| chunk.is_none());
            let dirty = chunk.unwrap_or(&[]).iter().filter_map(|id| {
                // Read before the customer: an erasure in between makes a current state look stale, never the reverse.
                let erased_at = self.ledger.erased_at(id).unwrap_or(0);
                Some(CustomerFlush { id, erased_at, op: self.customers.begin_flush(id)? })
            });
            let dirty: Vec<_> = dirty.collect();
            if let Err(error) = store.write(writer, &dirty, &names.vocabulary, drained) {
                dirty.iter().for_each(|customer| self.customers.flush_failed(customer.id));
                let rest = customers.iter().skip((index + 1) * FLUSH_BATCH);
                rest.for_each(|id| store.contact_log().mark_dirty(id.clone()));
                return Err(error);
            }
            store.contact_log().sync();
        }
        Ok(customers.len())
    }

    /// Copies everything on disk but the keys folder to `sink`, with the paths of the data folder, while calls go on.
    /// The copy has every decision and record that was acknowledged before.
    ///
    /// # Errors
    /// When the ledger or the store is closed or cannot be read, or the sink fails.
    pub fn back_up(&self, sink: &mut CopySink<'_>) -> Result<(), EngineError> {
        let unavailable = |why: String| EngineError::BackupUnavailable(why);
        let store =
            self.store.as_ref().ok_or_else(|| unavailable("nothing is kept on disk, or it is closed".into()))?;
        self.write_behind().map_err(|error| unavailable(error.to_string()))?;
        // Now the store has everything that was acknowledged before. The customers are copied first, so the copied
        // ledger is never older than they are and has the erasure of each.
        store.copy(sink).map_err(|error| unavailable(error.to_string()))?;
        self.ledger.copy(sink).map_err(|error| unavailable(error.to_string()))
    }

    /// Erases a customer from the store and the contact log.
    pub(super) fn erase_stored(&self, customer: &str) -> Result<(), StoreError> {
        let Some(store) = &self.store else { return Ok(()) };
        // Drains the contact log, so that no entry of the customer is left in it.
        self.write_behind()?;
        store.erase(&mut store.writer(), customer)
    }

    /// Purges expired data of the next 128 stored customers, in a cycle over all of them: customers that no call loads
    /// are purged too.
    pub fn purge_expired_batch(&self, now: Moment) {
        let Some(store) = &self.store else { return };
        let mut place = self.bound.place.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok((found, next)) = store.read_page(place.unwrap_or(Pseudonym([0; 20])), PURGE_BATCH) else { return };
        *place = next;
        let (active, now) = (self.rules.load(), self.steady(now));
        for stored in found.iter().filter(|stored| !stored.customer.is_empty()) {
            let id = stored.customer.as_str();
            // On a copy, so that only customers with something to purge are loaded into memory.
            let mut customer = self.customer_as_held(id);
            self.settle(&mut customer, &active.set, now);
            if customer.encode(id) != Some(stored.encode()) {
                self.with_customer(id, |customer| self.settle(customer, &active.set, now));
            }
        }
    }

    /// Evicts customers when the process has grown past its limit.
    ///
    /// The allocator reuses the memory of evicted customers but seldom returns it to the system. The process therefore
    /// hardly shrinks, and only further growth shows that there are still too many customers.
    fn keep_within_bound(&self, store: &CustomerStore) {
        self.customers.tick();
        let Some(MemoryLimit { bytes, in_use }) = self.bound.memory else { return };
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

fn log_entries(customer: [u8; 20], changes: impl IntoIterator<Item = LoggedChange>) -> Vec<LogEntry> {
    changes.into_iter().map(|change| LogEntry { customer, change }).collect()
}

fn stored_request(answered: &Answered) -> StoredRequest {
    StoredRequest { request: answered.request, decision: answered.key.0, until: answered.until.0 }
}

/// The resident bytes of the process, where the system reports them.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    pages.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * 4_096)
}
