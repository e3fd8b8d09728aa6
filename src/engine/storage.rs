//! The engine's view of its backend: loading customers, and whether consent can be relied on.

use std::sync::Arc;

use super::Customer;
use super::{Engine, MemoryLimit};
use crate::domain::id::PurposeId;
use crate::domain::time::Moment;
use crate::domain::view::Contacts;
use crate::ledger::Ledger;
use crate::storage::{Backend, CachedCustomers, DatabaseCounts, Embedded, Loading, Stored};
use crate::store::{CustomerStore, Customers, FlushOp, LoadedCustomer, StoreError};
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// The backend, and what is known of its state.
#[derive(Debug)]
pub(super) struct Storage {
    backend: Arc<dyn Backend>,
    /// Whether consent can be relied on.
    trusted: AtomicBool,
    /// Contacts of any customer before this moment may be lost; 0 if they are not.
    lost: AtomicI64,
    /// The number of loads from a backend that is shared.
    loads: AtomicU64,
}

impl Storage {
    /// A backend whose consent records can be relied on.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend, trusted: AtomicBool::new(true), lost: AtomicI64::new(0), loads: AtomicU64::new(0) }
    }

    /// The backend.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// The backend, for another thread.
    pub fn shared_backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.backend)
    }

    /// The ledger.
    pub fn ledger(&self) -> &dyn Ledger {
        &**self.backend.ledger()
    }
}

impl Engine {
    /// The engine over a store: customers are loaded from it and flushed to it.
    #[must_use]
    pub fn with_store(mut self, store: CustomerStore, memory_limit: Option<MemoryLimit>) -> Self {
        self.storage.backend = Arc::new(Embedded::new(Arc::clone(self.storage.backend.ledger()), Some(store)));
        self.bound.memory = memory_limit;
        // A failure is logged and shown in health; the next flush repeats it.
        drop(self.begin_rules(&self.rules.current().set));
        self
    }

    /// The engine with a limit of memory.
    #[must_use]
    pub fn with_memory_limit(mut self, limit: Option<MemoryLimit>) -> Self {
        self.bound.memory = limit;
        self
    }

    /// Counts every limit as used up whose window reaches back past this moment, because contacts before it may be lost;
    /// no limit any more without a moment.
    pub fn assume_limits_used(&self, lost: Option<Moment>) {
        self.storage.lost.store(lost.map_or(0, |lost| lost.0), Ordering::Release);
    }

    /// The moment before which contacts may be lost, as long as a limit of the rules in force reaches back past it.
    #[must_use]
    pub fn limits_assumed_used(&self) -> Option<Moment> {
        let (now, horizon) = (self.clock.latest(), self.rules.current().set.horizon);
        self.contacts().lost.filter(|lost| now.since(*lost) < horizon)
    }

    /// Whether contacts can be relied on.
    pub(super) fn contacts(&self) -> Contacts {
        let lost = Some(self.storage.lost.load(Ordering::Acquire)).filter(|lost| *lost != 0).map(Moment);
        Contacts { logged: self.storage.backend.logs_contacts(), lost }
    }

    /// Whether other engines use the same backend.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.storage.backend.is_shared()
    }

    /// What was asked of the database, if there is one.
    #[must_use]
    pub fn database_counts(&self) -> Option<&DatabaseCounts> {
        self.storage.backend.database_counts()
    }

    /// The customer store of this machine, if there is one.
    #[must_use]
    pub fn store(&self) -> Option<&CustomerStore> {
        self.storage.backend.files()
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

    /// Loads a customer; a new one if neither the store nor the ledger has them. The second part says why all but their
    /// standing could not be read.
    pub(super) async fn load(&self, id: &str) -> (LoadedCustomer<Customer>, Option<StoreError>) {
        let loading = self.storage.backend.load(id);
        let slow = matches!(loading, Loading::Pending(_));
        let mut stored = loading.done().await;
        let unread = stored.customer.as_ref().is_err_and(|error| !matches!(error, StoreError::Damaged));
        let unread = if unread { std::mem::replace(&mut stored.customer, Ok(None)).err() } else { None };
        (LoadedCustomer { slow, ..self.assemble(id, stored) }, unread)
    }

    /// The customer, from what is stored.
    pub(super) fn assemble(&self, id: &str, stored: Stored) -> LoadedCustomer<Customer> {
        let is_shared = self.storage.backend.is_shared();
        let mut customer = match stored.erased_at {
            // The position is the same for every engine.
            Some(position) if is_shared => Customer::erased(position),
            Some(_) => Customer::erased(self.revocations.erasures()),
            None => Customer::default(),
        };
        if is_shared {
            let load = self.storage.loads.fetch_add(1, Ordering::Relaxed) + 1;
            let transient = customer.transient_mut();
            (transient.held, transient.load) = (stored.held, load);
            if transient.held.trouble.is_some() {
                // Nothing that runs on this copy is accepted; the next access loads the customer again.
                self.restrict_again(id, &mut customer);
                return LoadedCustomer { customer, stored: false, slow: false };
            }
        }
        match &stored.records {
            Ok(records) => {
                let vocabulary = &self.rules.current().set.vocabulary;
                records.iter().for_each(|(position, record)| {
                    let purpose = vocabulary.find::<PurposeId>(&record.purpose);
                    customer.standing.apply(purpose, record, *position);
                });
                customer.remember_requests_of(records, self.ids_kept);
                // Records of another engine come before those that this one makes.
                let last = records.iter().map(|(_, record)| record.sequence).max();
                self.decisions.ids().continue_after(last.unwrap_or(0));
            }
            Err(_) => {
                customer.transient_mut().unread = true;
                self.trust_ledger(false);
            }
        }
        self.restrict_again(id, &mut customer);
        if customer.standing.is_gone() {
            return LoadedCustomer { customer, stored: false, slow: false };
        }
        let stored = match stored.customer {
            Ok(None) => false,
            Ok(Some(stored)) => {
                if stored.denials > customer.epoch() {
                    customer.transient_mut().epoch = stored.denials;
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
        LoadedCustomer { customer, stored, slow: false }
    }

    /// Applies the restrictions that are in effect and not known to be in the ledger.
    fn restrict_again(&self, id: &str, customer: &mut Customer) {
        for restrictions in self.revocations.unrecorded(id) {
            let vocabulary = &self.rules.current().set.vocabulary;
            for record in restrictions.iter() {
                customer.standing.apply(vocabulary.find::<PurposeId>(&record.purpose), record, 0);
            }
        }
    }
}

/// What was known of a customer before a moment is lost: their limits count as used up.
fn assume_contacted(customer: &mut Customer, since: Moment) {
    customer.state.relation_mut().lost = Some(since);
}

impl CachedCustomers for Customers<Customer> {
    fn begin_flush(&self, id: &str) -> Result<Option<FlushOp>, StoreError> {
        Customers::begin_flush(self, id)
    }

    fn flush_failed(&self, id: &str) {
        Customers::flush_failed(self, id);
    }
}
