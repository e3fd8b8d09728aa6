//! Files of this machine: the consent ledger, the contact log and the customer store.
//!
//! The engine's copy of a customer is the newest, so no versions are compared. Contacts and outcomes go to the contact
//! log before an answer; everything else about a customer is flushed behind the calls. Without a customer store,
//! customers live as long as the process.

use std::sync::Arc;

use super::{Backend, Cache, Durability, Loading, Logged, Page, Pending, StateChange, Stored, Transaction};
use crate::decision_log::DecisionLog;
use crate::domain::consent::ConsentRecord;
use crate::domain::id::Vocabulary;
use crate::domain::time::Moment;
use crate::ledger::{CopySink, Erasure, Ledger, LedgerError, Pseudonym};
use crate::store::{
    CustomerFlush, CustomerStore, Dirty, FlushBatch, Held, LogEntry, LoggedChange, StoreError, WriterState,
};
use crate::sync::block_on;

/// The number of customers in one batch of a flush.
const FLUSH_BATCH: usize = 1_000;

/// The files of one data folder.
#[derive(Debug)]
pub struct Embedded {
    ledger: Arc<dyn Ledger>,
    store: Option<Arc<CustomerStore>>,
    log: Option<DecisionLog>,
}

impl Embedded {
    /// A ledger, and a store of customers if they outlive the process.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>, store: Option<CustomerStore>) -> Self {
        Self { ledger, store: store.map(Arc::new), log: None }
    }

    /// With a log of decisions.
    #[must_use]
    pub fn logging(mut self, log: Option<DecisionLog>) -> Self {
        self.log = log;
        self
    }

    /// Hands the log what a transaction adds to it and takes from it. Called in the customer's critical section, so that
    /// the order is that of the transactions.
    fn log(&self, transaction: &mut Transaction<'_>) {
        let Some(log) = &self.log else { return };
        let id = transaction.id;
        if transaction.revokes {
            log.revoke(id);
        }
        for change in &transaction.log {
            if let LoggedChange::Withdrawn { decision, action: None } = change {
                log.take_back(id, *decision);
            }
        }
        match transaction.logged.take() {
            Some(Logged::Decision(decision)) => log.decided(decision),
            Some(Logged::Outcome(outcome)) => log.outcome(id, outcome),
            None => {}
        }
    }

    fn pending<'b>(&'b self, consent: Vec<ConsentRecord>, log: Option<&'b CustomerStore>) -> Pending<'b> {
        if consent.is_empty() {
            return log.map_or(Pending::Done, Pending::Logged);
        }
        Pending::Consent(self.ledger.submit(consent.clone()), consent, log)
    }

    /// Stores the change. Marks the customer before it appends to the contact log: that lists a customer before it holds
    /// its entries.
    fn store<'b>(&'b self, transaction: Transaction<'_>) -> Pending<'b> {
        let Transaction { id, cached, state, log, consent, durability, .. } = transaction;
        let Some(store) = self.files() else { return self.pending(consent, None) };
        let dirty = match state {
            StateChange::None => Dirty::Clean,
            // The log knows pseudonyms only, so replaying it could not create a customer under its id.
            StateChange::Logged if cached.stored => Dirty::LogOnly,
            StateChange::Logged | StateChange::Changed => Dirty::Full,
        };
        if cached.mark(dirty) {
            match dirty {
                Dirty::Full => store.contact_log().mark_dirty(id.into()),
                Dirty::LogOnly | Dirty::Clean => store.contact_log().mark_log_only(id.into()),
            }
        }
        if !log.is_empty() && dirty != Dirty::Clean {
            let Pseudonym(customer) = store.pseudonym(id);
            store.contact_log().append(log.into_iter().map(|change| LogEntry { customer, change }));
        }
        self.pending(consent, (durability == Durability::Process).then_some(store))
    }

    fn flush_once(
        &self,
        store: &CustomerStore,
        writer: &mut WriterState,
        (cache, everything): (Cache<'_>, bool),
    ) -> Result<usize, StoreError> {
        let FlushBatch { customers, drained } = store.contact_log().next_flush(everything);
        // The last batch has no customers: it records that the segment is drained, once all before it are durable.
        let chunks = customers.chunks(FLUSH_BATCH).map(Some).chain([None]);
        for (index, chunk) in chunks.enumerate() {
            let drained = drained.filter(|_| chunk.is_none());
            let chunk = chunk.unwrap_or(&[]);
            let dirty = chunk.iter().filter_map(|id| {
                // Read before the customer: an erasure in between makes a current state look stale, never the reverse.
                let erased_at = self.ledger.erased_at(id).unwrap_or(0);
                let op = cache.customers.begin_flush(id).transpose()?;
                Some(op.map(|op| CustomerFlush { id, erased_at, op }))
            });
            let dirty = dirty.collect::<Result<Vec<_>, _>>();
            // A customer whose data was purged is stored after the log's values from before are gone: a kill in between
            // leaves the purge to the next process.
            self.log.iter().for_each(DecisionLog::wait_overwritten);
            let written = dirty.and_then(|dirty| store.write(writer, &dirty, cache.names, drained));
            if written.is_err() {
                store.report(&written);
                chunk.iter().for_each(|id| cache.customers.flush_failed(id));
                let rest = customers.iter().skip(index * FLUSH_BATCH);
                rest.for_each(|id| store.contact_log().mark_dirty(id.clone()));
                written?;
            }
            store.contact_log().sync();
        }
        Ok(customers.len())
    }
}

impl Backend for Embedded {
    fn load<'b>(&'b self, customer: &'b str) -> Loading<'b> {
        // Without a runtime the caller may wait: tests, timelines and tools.
        let runtime = tokio::runtime::Handle::try_current().ok();
        let (Some(store), Some(runtime)) = (&self.store, runtime) else {
            return Loading::Ready(Box::new(self.read(customer)));
        };
        let (ledger, store, id) = (Arc::clone(&self.ledger), Arc::clone(store), customer.to_owned());
        let reading = runtime.spawn_blocking(move || read(&*ledger, Some(&store), &id));
        Loading::Pending(Box::pin(async move {
            match reading.await {
                Ok(stored) => stored,
                Err(_) => self.read(customer),
            }
        }))
    }

    fn read(&self, customer: &str) -> Stored {
        read(&*self.ledger, self.files(), customer)
    }

    fn commit<'b>(&'b self, mut transaction: Transaction<'_>) -> Pending<'b> {
        self.log(&mut transaction);
        let revokes = transaction.revokes && !transaction.consent.is_empty();
        let pending = self.store(transaction);
        match &self.log {
            Some(log) if revokes => Pending::Revoked(Box::new(pending), log),
            _ => pending,
        }
    }
    fn erase(&self, customer: &str, now: Moment, cache: Cache<'_>) -> Result<Erasure, LedgerError> {
        let erase_stored = |store: &CustomerStore| {
            // Drains the contact log, so that no entry of the customer is left in it.
            self.flush(cache, true)?;
            store.erase(&mut store.writer(), customer)
        };
        let stored = self.files().map_or(Ok(()), erase_stored);
        let logged = self.log.as_ref().map_or(Ok(()), |log| log.erase(customer));
        let erasure = self.ledger.erase(customer, now)?;
        stored.map_err(|error| LedgerError::Full(error.to_string()))?;
        logged.map_err(|error| LedgerError::Full(error.to_string()))?;
        Ok(erasure)
    }

    fn logs_contacts(&self) -> bool {
        !self.files().is_some_and(|store| store.contact_log().is_failing())
    }

    fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    fn names(&self) -> Result<Vocabulary, StoreError> {
        self.files().map_or_else(|| Ok(Vocabulary::default()), CustomerStore::names)
    }

    fn store_names(&self, names: &Vocabulary) -> Result<(), StoreError> {
        self.files().map_or(Ok(()), |store| store.write(&mut store.writer(), &[], names, None))
    }

    fn flush(&self, cache: Cache<'_>, everything: bool) -> Result<usize, StoreError> {
        let Some(store) = self.files() else { return Ok(0) };
        // Read first: each of these records was handed to the log before.
        let denied_up_to = self.ledger.size();
        if let Some(log) = &self.log {
            log.note_denied(denied_up_to);
        }
        let mut writer = store.writer();
        writer.now = writer.now.max(cache.now);
        let flushed = self.flush_once(store, &mut writer, (cache, everything))?;
        // First the rest of the draining segment, then the current one.
        let rest = if everything { self.flush_once(store, &mut writer, (cache, true))? } else { 0 };
        Ok(flushed + rest)
    }

    fn page(&self, from: &[u8], most: usize) -> Result<Page, StoreError> {
        let Some(store) = self.files() else { return Ok((Vec::new(), None)) };
        let from = from.try_into().map_or(Pseudonym([0; 20]), Pseudonym);
        let (found, next) = store.read_page(from, most)?;
        Ok((found, next.map(|next| next.0.to_vec())))
    }

    fn copy(&self, sink: &mut CopySink<'_>) -> Result<(), StoreError> {
        // The customers first, so the copied ledger is never older than they are and has the erasure of each.
        self.files().ok_or(StoreError::NoFiles)?.copy(sink)?;
        self.ledger.copy(sink).map_err(|error| StoreError::Database(error.to_string()))?;
        // The log last: what it had to overwrite for the copied records is overwritten.
        if let Some(log) = &self.log {
            block_on(log.done());
            log.copy(sink)?;
        }
        Ok(())
    }

    fn decision_log(&self) -> Option<&DecisionLog> {
        self.log.as_ref()
    }

    fn files(&self) -> Option<&CustomerStore> {
        self.store.as_deref()
    }
}

fn read(ledger: &dyn Ledger, store: Option<&CustomerStore>, id: &str) -> Stored {
    let (erased_at, records) = (ledger.erased_at(id), ledger.records(id));
    let customer = store.map_or(Ok(None), |store| store.read(id, erased_at));
    Stored { erased_at, records, customer, held: Held::NOTHING }
}
