//! What outlives the process: the consent ledger, and the store of customers if there is one.

use std::sync::Arc;

use super::Customer;
use super::operations::Answered;
use super::{Engine, MemoryLimit};
use crate::domain::consent::ConsentRecord;
use crate::domain::customer::contact::DecisionKey;
use crate::domain::id::PurposeId;
use crate::domain::time::Moment;
use crate::ledger::{Ledger, LedgerError};
use crate::store::codec::{StoredCustomer, StoredRequest};
use crate::store::{CustomerStore, Customers, LoadedCustomer, StoreError};
use crate::sync::atomic::{AtomicBool, Ordering};

/// The ledger and the store.
#[derive(Debug)]
pub(super) struct Storage {
    ledger: Arc<dyn Ledger>,
    /// Whether consent can be relied on.
    trusted: AtomicBool,
    store: Option<Arc<CustomerStore>>,
    /// What was known of customers before this moment is lost.
    lost: Option<Moment>,
}

/// What the ledger and the store hold of one customer.
#[derive(Debug)]
pub(super) struct Held {
    /// The position of the customer's last erasure.
    erased_at: Option<u64>,
    records: Result<Vec<(u64, ConsentRecord)>, LedgerError>,
    stored: Result<Option<StoredCustomer>, StoreError>,
}

impl Storage {
    /// A ledger, without a store.
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, trusted: AtomicBool::new(true), store: None, lost: None }
    }

    /// The ledger.
    pub fn ledger(&self) -> &dyn Ledger {
        &*self.ledger
    }

    /// The store.
    pub fn store(&self) -> Option<&CustomerStore> {
        self.store.as_deref()
    }

    /// The customer's pseudonym in the contact log, if there is a log.
    pub fn pseudonym(&self, id: &str) -> Option<[u8; 20]> {
        self.store().map(|store| store.pseudonym(id).0)
    }

    /// Reads a customer; no thread that answers calls waits for the disk.
    pub async fn load(&self, id: &str) -> Held {
        let Some(store) = &self.store else { return self.read(id) };
        // Without a runtime the caller may wait: tests, timelines and tools.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return self.read(id) };
        let (ledger, store, customer) = (Arc::clone(&self.ledger), Arc::clone(store), id.to_owned());
        let reading = runtime.spawn_blocking(move || read(&*ledger, Some(&store), &customer));
        match reading.await {
            Ok(held) => held,
            Err(_) => self.read(id),
        }
    }

    /// Reads a customer on this thread.
    pub fn read(&self, id: &str) -> Held {
        read(&*self.ledger, self.store(), id)
    }
}

fn read(ledger: &dyn Ledger, store: Option<&CustomerStore>, id: &str) -> Held {
    let (erased_at, records) = (ledger.erased_at(id), ledger.records(id));
    let stored = store.map_or(Ok(None), |store| store.read(id, erased_at));
    Held { erased_at, records, stored }
}

impl Engine {
    /// The engine over a store: customers are loaded from it and flushed to it.
    #[must_use]
    pub fn with_store(mut self, store: CustomerStore, memory_limit: Option<MemoryLimit>) -> Self {
        self.customers = Customers::new(Some(Arc::clone(store.contact_log())));
        self.storage.store = Some(Arc::new(store));
        self.bound.memory = memory_limit;
        self.store_names(&self.rules.current().set.vocabulary);
        self
    }

    /// The engine without a readable store: limits count as used up, because earlier contacts are unknown.
    #[must_use]
    pub fn assume_limits_used(mut self, now: Moment) -> Self {
        self.storage.lost = Some(now);
        self
    }

    /// The store, if there is one.
    #[must_use]
    pub fn store(&self) -> Option<&CustomerStore> {
        self.storage.store()
    }

    /// Whether consent can be relied on.
    #[must_use]
    pub fn trusted(&self) -> bool {
        self.storage.trusted.load(Ordering::Acquire)
    }

    /// Sets whether consent can be relied on; while it cannot, no personal data is read.
    pub fn trust_ledger(&self, trusted: bool) {
        if self.storage.trusted.swap(trusted, Ordering::AcqRel) && !trusted {
            tracing::error!("the consent ledger cannot be relied on: no personal data is used");
        }
    }

    /// Loads a customer; a new one if neither the store nor the ledger has them.
    pub(super) async fn load(&self, id: &str) -> LoadedCustomer<Customer> {
        let held = self.storage.load(id).await;
        self.assemble(held)
    }

    /// The customer, from what the ledger and the store hold.
    pub(super) fn assemble(&self, held: Held) -> LoadedCustomer<Customer> {
        let mut customer = match held.erased_at {
            Some(_) => Customer::erased(self.revocations.erasures()),
            None => Customer::default(),
        };
        match &held.records {
            Ok(records) => {
                let vocabulary = &self.rules.current().set.vocabulary;
                records.iter().for_each(|(position, record)| {
                    let purpose = vocabulary.find::<PurposeId>(&record.purpose);
                    customer.standing.apply(purpose, record, *position);
                });
            }
            Err(_) => self.trust_ledger(false),
        }
        if customer.standing.is_gone() {
            return LoadedCustomer { customer, stored: false };
        }
        if let Some(since) = self.storage.lost {
            assume_contacted(&mut customer, since);
        }
        let stored = match held.stored {
            Ok(None) => false,
            Ok(Some(stored)) => {
                if stored.denials > customer.epoch() {
                    customer.transient_mut().epoch = stored.denials;
                }
                for request in &stored.requests {
                    let answered = self.answered_before(request);
                    customer.transient_mut().requests.push(answered);
                }
                customer.state = stored.state;
                true
            }
            Err(error) => {
                tracing::error!(%error, "a customer is not known any more; their limits count as used up");
                // Earlier decisions are no longer shown in full.
                customer.transient_mut().epoch |= 1 << 63;
                assume_contacted(&mut customer, self.clock.latest());
                true
            }
        };
        LoadedCustomer { customer, stored }
    }

    fn answered_before(&self, stored: &StoredRequest) -> Answered {
        let key = DecisionKey(stored.decision);
        Answered { request: stored.request, key, record: self.decisions.get(key), until: Moment(stored.until) }
    }
}

/// What was known of a customer before a moment is lost: their limits count as used up.
fn assume_contacted(customer: &mut Customer, since: Moment) {
    customer.state.relation_mut().lost = Some(since);
}
