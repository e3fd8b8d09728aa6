//! After the ledger failed: records what only memory has, and relies on consent again.

use super::{Customer, Engine, EngineError};
use crate::domain::consent::ConsentRecord;
use crate::domain::id::PurposeId;
use crate::store::Slot;

impl Engine {
    /// Whether restrictions are in effect that could not be recorded.
    #[must_use]
    pub fn has_unrecorded(&self) -> bool {
        !self.revocations.all_unrecorded().is_empty()
    }

    /// Records the restrictions that could not be recorded while the ledger had failed, and relies on consent again.
    /// Returns how many records were written. To be called once the ledger takes records again.
    ///
    /// # Errors
    /// When the ledger does not take them; consent is then not relied on.
    pub async fn recover_consent(&self) -> Result<usize, EngineError> {
        let mut written = 0;
        for (customer, records) in self.revocations.all_unrecorded() {
            let unavailable = |error: crate::ledger::LedgerError| EngineError::LedgerUnavailable(error.to_string());
            // The disk may have taken some of them although it reported a failure.
            let known = self.storage.ledger().records(&customer).map_err(unavailable)?;
            let is_new = |record: &&ConsentRecord| known.iter().all(|(_, known)| known.record_id != record.record_id);
            let missing: Vec<ConsentRecord> = records.iter().filter(is_new).cloned().collect();
            written += missing.len();
            if !missing.is_empty() {
                self.storage.ledger().submit(missing).await.map_err(unavailable)?;
            }
            let known = self.storage.ledger().records(&customer).map_err(unavailable)?;
            let place = |slot: &mut Slot<Customer>| {
                let vocabulary = &self.rules.current().set.vocabulary;
                for (position, record) in &known {
                    slot.customer.standing.apply(vocabulary.find::<PurposeId>(&record.purpose), record, *position);
                }
                slot.customer.settled = None;
            };
            self.enter(&customer, place).await;
            self.revocations.forget_records(&customer, &records);
        }
        self.trust_ledger(true);
        Ok(written)
    }
}
