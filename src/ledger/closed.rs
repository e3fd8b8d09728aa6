//! The stand-in for a ledger that could not be opened.

use super::proof::Hash;
use super::{Erasure, Ledger, LedgerError};
use crate::domain::consent::ConsentRecord;
use crate::domain::time::Moment;

/// Refuses every operation with the reason why the ledger could not be opened.
#[derive(Debug)]
pub struct ClosedLedger(pub String);

impl Ledger for ClosedLedger {
    fn append(&self, _records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        Err(LedgerError::Unavailable(self.0.clone()))
    }

    fn erase(&self, _customer: &str, _now: Moment) -> Result<Erasure, LedgerError> {
        Err(LedgerError::Unavailable(self.0.clone()))
    }

    /// Unknown: while the ledger is closed, no personal data of any customer is used or stored.
    fn erased_at(&self, _customer: &str) -> Option<u64> {
        None
    }

    fn size(&self) -> u64 {
        0
    }

    fn records(&self, _customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        Err(LedgerError::Unavailable(self.0.clone()))
    }

    fn checkpoint(&self) -> Result<String, LedgerError> {
        Err(LedgerError::Unavailable(self.0.clone()))
    }

    fn receipt(&self, _position: u64) -> Result<String, LedgerError> {
        Err(LedgerError::Unavailable(self.0.clone()))
    }

    fn consistency(&self, _earlier: u64, _size: u64) -> Result<Vec<Hash>, LedgerError> {
        Err(LedgerError::Unavailable(self.0.clone()))
    }

    fn verifier_key(&self) -> Result<String, LedgerError> {
        Err(LedgerError::Unavailable(self.0.clone()))
    }
}
