//! A ledger that lives as long as the process: for tests, replays and simulations.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use compact_str::CompactString;

use super::proof::Hash;
use super::{Erasure, Ledger, LedgerError};
use crate::domain::consent::ConsentRecord;
use crate::domain::time::Moment;

/// Keeps records by customer.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last: u64,
    records: HashMap<CompactString, Vec<(u64, ConsentRecord)>>,
    erased: HashMap<CompactString, u64>,
}

impl MemoryLedger {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for MemoryLedger {
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        let mut kept = self.kept();
        for record in records {
            kept.last += 1;
            let position = kept.last;
            kept.records.entry(record.customer.clone()).or_default().push((position, record.clone()));
        }
        Ok(kept.last)
    }

    fn erase(&self, customer: &str, _now: Moment) -> Result<Erasure, LedgerError> {
        let mut kept = self.kept();
        let held = kept.records.remove(customer).is_some();
        let before = kept.erased.get(customer).copied().filter(|_| !held);
        let position = before.unwrap_or(kept.last + 1);
        kept.last = kept.last.max(position);
        kept.erased.insert(customer.into(), position);
        Ok(Erasure { position, record_id: Erasure::name(position), repeated: before.is_some() })
    }

    fn erased_at(&self, customer: &str) -> Option<u64> {
        self.kept().erased.get(customer).copied()
    }

    fn size(&self) -> u64 {
        self.kept().last
    }

    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        Ok(self.kept().records.get(customer).cloned().unwrap_or_default())
    }

    fn checkpoint(&self) -> Result<String, LedgerError> {
        Err(unsigned())
    }

    fn receipt(&self, _position: u64) -> Result<String, LedgerError> {
        Err(unsigned())
    }

    fn consistency(&self, _earlier: u64, _size: u64) -> Result<Vec<Hash>, LedgerError> {
        Err(unsigned())
    }

    fn verifier_key(&self) -> Result<String, LedgerError> {
        Err(unsigned())
    }
}

fn unsigned() -> LedgerError {
    LedgerError::NotFound("this ledger lives in memory, and signs nothing".into())
}
