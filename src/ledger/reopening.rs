//! A ledger that can be opened again after its disk failed, without a restart of the process.

use std::sync::{Arc, PoisonError, RwLock};

use super::disk::{Disk, RealDisk};
use super::proof::Hash;
use super::{
    Appending, ClosedLedger, CopySink, Erasure, FileLedger, Ledger, LedgerError, LedgerSettings, OpenError, Repair,
};
use crate::domain::consent::ConsentRecord;
use crate::domain::time::Moment;

/// A ledger on disk, or its stand-in while it cannot be opened.
#[derive(Debug)]
pub struct ReopeningLedger {
    disk: Arc<dyn Disk>,
    settings: LedgerSettings,
    current: RwLock<Arc<dyn Ledger>>,
}

impl ReopeningLedger {
    /// A ledger that was opened with these settings.
    #[must_use]
    pub fn new(ledger: FileLedger, settings: LedgerSettings) -> Self {
        Self::on(Arc::new(RealDisk), ledger, settings)
    }

    /// A ledger that was opened with these settings on the given disk.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, ledger: FileLedger, settings: LedgerSettings) -> Self {
        Self { disk, settings, current: RwLock::new(Arc::new(ledger)) }
    }

    /// Closes the ledger and opens it again, which verifies what is on disk. Returns the repairs that were made.
    ///
    /// # Errors
    /// When it does not open; it then stays closed.
    pub fn reopen(&self) -> Result<Vec<Repair>, OpenError> {
        // Dropped before it is opened again: it has the lock on the folder. If a reader still has it, the folder is in
        // use, and the next attempt succeeds.
        drop(self.replace(Arc::new(ClosedLedger("the ledger is being opened again".into()))));
        match FileLedger::open_on(Arc::clone(&self.disk), &self.settings) {
            Ok(opened) => {
                drop(self.replace(Arc::new(opened.ledger)));
                Ok(opened.repairs)
            }
            Err(error) => {
                drop(self.replace(Arc::new(ClosedLedger(error.to_string()))));
                Err(error)
            }
        }
    }

    fn replace(&self, ledger: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
        std::mem::replace(&mut *self.current.write().unwrap_or_else(PoisonError::into_inner), ledger)
    }

    fn current(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ledger for ReopeningLedger {
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        self.current().append(records)
    }

    fn submit(&self, records: Vec<ConsentRecord>) -> Appending {
        self.current().submit(records)
    }

    fn erase(&self, customer: &str, now: Moment) -> Result<Erasure, LedgerError> {
        self.current().erase(customer, now)
    }

    fn erased_at(&self, customer: &str) -> Option<u64> {
        self.current().erased_at(customer)
    }

    fn size(&self) -> u64 {
        self.current().size()
    }

    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        self.current().records(customer)
    }

    fn checkpoint(&self) -> Result<String, LedgerError> {
        self.current().checkpoint()
    }

    fn receipt(&self, position: u64) -> Result<String, LedgerError> {
        self.current().receipt(position)
    }

    fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        self.current().consistency(earlier, size)
    }

    fn copy(&self, sink: &mut CopySink<'_>) -> Result<(), LedgerError> {
        self.current().copy(sink)
    }

    fn ended_thread(&self) -> Option<&'static str> {
        self.current().ended_thread()
    }

    fn verifier_key(&self) -> Result<String, LedgerError> {
        self.current().verifier_key()
    }
}
