//! A ledger that could not be opened: it takes nothing.

use super::{Ledger, LedgerError};
use crate::domain::consent::ConsentRecord;

/// Refuses every record, with the reason.
#[derive(Debug)]
pub struct ClosedLedger(pub String);

impl Ledger for ClosedLedger {
    fn append(&self, _records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        Err(LedgerError::Unavailable(self.0.clone()))
    }
}
