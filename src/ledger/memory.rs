//! A ledger that lives as long as the process: for tests, replays and simulations.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Ledger, LedgerError};
use crate::domain::consent::ConsentRecord;

/// Counts records and keeps none: the standing is held with the customer.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    position: AtomicU64,
}

impl Ledger for MemoryLedger {
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        let count = records.len() as u64;
        Ok(self.position.fetch_add(count, Ordering::AcqRel) + count)
    }
}
