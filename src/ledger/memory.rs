//! A ledger in memory, for tests, replays and simulations.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use compact_str::CompactString;

use super::proof::Hash;
use super::{Erasure, Ledger, LedgerError};
use crate::domain::consent::ConsentRecord;
use crate::domain::time::Moment;

/// A ledger without files. It signs nothing.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    records: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    last: u64,
    by_customer: HashMap<CompactString, Vec<(u64, ConsentRecord)>>,
    erased: HashMap<CompactString, u64>,
}

impl MemoryLedger {
    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for MemoryLedger {
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        let mut held = self.lock();
        for record in records {
            held.last += 1;
            let position = held.last;
            held.by_customer.entry(record.customer.clone()).or_default().push((position, record.clone()));
        }
        Ok(held.last)
    }

    fn erase(&self, customer: &str, _now: Moment) -> Result<Erasure, LedgerError> {
        let mut held = self.lock();
        let had_records = held.by_customer.remove(customer).is_some();
        let before = held.erased.get(customer).copied().filter(|_| !had_records);
        let position = before.unwrap_or(held.last + 1);
        held.last = held.last.max(position);
        held.erased.insert(customer.into(), position);
        Ok(Erasure { position, repeated: before.is_some() })
    }

    fn erased_at(&self, customer: &str) -> Option<u64> {
        self.lock().erased.get(customer).copied()
    }

    fn size(&self) -> u64 {
        self.lock().last
    }

    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        Ok(self.lock().by_customer.get(customer).cloned().unwrap_or_default())
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
    LedgerError::NotFound("this ledger is in memory, and does not sign".into())
}
