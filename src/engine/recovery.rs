//! After the ledger failed: records what only memory has, reads what could not be read, and relies on consent again.

use super::revocations::Restrictions;
use super::{Customer, Engine, EngineError};
use crate::domain::consent::ConsentRecord;
use crate::domain::id::PurposeId;
use crate::ledger::LedgerError;
use crate::store::Slot;

impl Engine {
    /// Whether restrictions are in effect that could not be recorded.
    #[must_use]
    pub fn has_unrecorded(&self) -> bool {
        self.revocations.has_unrecorded()
    }

    /// The number of customers with restrictions in effect that could not be recorded.
    #[must_use]
    pub fn unrecorded(&self) -> u64 {
        self.revocations.unrecorded_customers()
    }

    /// Records the restrictions that could not be recorded while the ledger had failed, gives the customers that were
    /// loaded meanwhile their standing, and relies on consent again. Returns how many records were written. To be called
    /// once the ledger takes records again; it reads the disk on this thread.
    ///
    /// # Errors
    /// When the ledger does not take or return records; whether consent is relied on stays as it was.
    pub async fn recover_consent(&self) -> Result<usize, EngineError> {
        let mut written = 0;
        for (customer, restrictions) in self.revocations.all_unrecorded() {
            written += self.record_again(&customer, &restrictions).await?;
        }
        for customer in self.customers.find(|customer| customer.transient().unread) {
            self.read_again(&customer).await?;
        }
        self.trust_ledger(true);
        Ok(written)
    }

    /// Records restrictions that only memory has. Returns how many records were written.
    async fn record_again(&self, customer: &str, restrictions: &Restrictions) -> Result<usize, EngineError> {
        // From here on, an erasure of the customer waits.
        let _recording = self.revocations.recording(customer, &[]);
        if !self.revocations.is_unrecorded(customer, restrictions) {
            return Ok(0);
        }
        // The disk may have taken some of them although it reported a failure.
        let known = self.storage.ledger().records(customer).map_err(unavailable)?;
        let is_new = |record: &&ConsentRecord| known.iter().all(|(_, known)| known.record_id != record.record_id);
        let missing: Vec<ConsentRecord> = restrictions.iter().filter(is_new).cloned().collect();
        let written = missing.len();
        if written > 0 {
            self.storage.ledger().submit(missing).await.map_err(unavailable)?;
        }
        self.apply_records(customer).await?;
        self.revocations.forget_records(customer, restrictions);
        Ok(written)
    }

    /// Gives a customer the standing that could not be read when they were loaded.
    async fn read_again(&self, customer: &str) -> Result<(), EngineError> {
        if self.storage.ledger().erased_at(customer).is_some() {
            // The copy does not know of the erasure: the next access loads the customer again.
            self.customers.remove_if(customer, |held| held.transient().unread);
            return Ok(());
        }
        self.apply_records(customer).await
    }

    /// Applies all consent records of a customer. Those that the standing knows change nothing.
    async fn apply_records(&self, customer: &str) -> Result<(), EngineError> {
        let records = self.storage.ledger().records(customer).map_err(unavailable)?;
        let apply = |slot: &mut Slot<Customer>| {
            let vocabulary = &self.rules.current().set.vocabulary;
            for (position, record) in &records {
                slot.customer.standing.apply(vocabulary.find::<PurposeId>(&record.purpose), record, *position);
            }
            slot.customer.remember_requests_of(&records, self.ids_kept);
            slot.customer.settled = None;
            slot.customer.change_transient(|transient| transient.unread = false);
        };
        self.enter(customer, apply).await;
        Ok(())
    }
}

fn unavailable(error: LedgerError) -> EngineError {
    EngineError::LedgerUnavailable(error.to_string())
}
