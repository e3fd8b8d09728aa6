//! A backend in memory, which several engines may share: for tests, and as the shortest backend to read.
//!
//! Each customer is a row with a version. A transaction names the version that its copy was loaded with, or that the
//! transaction before it produced; if the row has another one, the transaction is refused.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{Backend, Cache, CommitError, Page, Pending, Recorded, StateChange, Stored, Transaction, next_moment};
use crate::domain::consent::ConsentRecord;
use crate::domain::id::Vocabulary;
use crate::domain::time::Moment;
use crate::ledger::{Erasure, Ledger, LedgerError, MemoryLedger};
use crate::store::{Held, StoreError, Version, codec};

/// Customers and consent in memory, with versions.
#[derive(Debug)]
pub struct MemoryBackend {
    ledger: Arc<dyn Ledger>,
    rows: Mutex<Rows>,
    held: AtomicBool,
    failing: AtomicBool,
}

#[derive(Debug, Default)]
struct Rows {
    customers: BTreeMap<String, Row>,
    waiting: VecDeque<Write>,
    writes: u64,
    names: Vocabulary,
}

#[derive(Debug, Default, Clone)]
struct Row {
    version: Version,
    newest: Moment,
    body: Option<Vec<u8>>,
}

/// A transaction that is applied later.
#[derive(Debug)]
struct Write {
    id: String,
    base: Version,
    row: Row,
    consent: Vec<ConsentRecord>,
    reply: oneshot::Sender<Result<Recorded, CommitError>>,
}

impl Rows {
    /// The version of a customer after all transactions that are held back.
    fn newest(&self, id: &str) -> Version {
        let waiting = self.waiting.iter().rev().find(|write| write.id == id).map(|write| write.row.version);
        waiting.or_else(|| Some(self.customers.get(id)?.version)).unwrap_or_default()
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::default());
        Self { ledger, rows: Mutex::default(), held: false.into(), failing: false.into() }
    }
}

impl MemoryBackend {
    /// Holds transactions back from now on; then applies them in their order.
    pub fn hold(&self, hold: bool) {
        self.held.store(hold, Ordering::Release);
        if !hold {
            let mut rows = self.rows();
            while let Some(write) = rows.waiting.pop_front() {
                self.apply(&mut rows, write);
            }
        }
    }

    /// Loses the transactions that are held back, as a backend does that is killed.
    pub fn kill(&self) {
        self.rows().waiting.clear();
        self.hold(false);
    }

    /// Refuses consent records from now on, or takes them again.
    pub fn fail(&self, fail: bool) {
        self.failing.store(fail, Ordering::Release);
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, rows: &mut Rows, write: Write) {
        let Write { id, base, row, consent, reply } = write;
        let current = rows.customers.get(&id).map(|row| row.version).unwrap_or_default();
        let result = if current != base {
            Err(CommitError::Conflict)
        } else {
            self.append(consent).map_err(CommitError::from).inspect(|_| _ = rows.customers.insert(id, row))
        };
        // Nobody waits for a change that needs no answer.
        drop(reply.send(result));
    }

    fn append(&self, records: Vec<ConsentRecord>) -> Result<Recorded, LedgerError> {
        if records.is_empty() {
            return Ok(Recorded::default());
        }
        if self.failing.load(Ordering::Acquire) {
            return Err(LedgerError::Unavailable("the backend is told to fail".into()));
        }
        let position = self.ledger.append(&records)?;
        Ok(Recorded { records, position })
    }
}

impl Backend for MemoryBackend {
    fn read(&self, customer: &str) -> Stored {
        let rows = self.rows();
        let row = rows.customers.get(customer).cloned().unwrap_or_default();
        let stored = row.body.map(|body| codec::decode(&body).ok_or(StoreError::Damaged)).transpose();
        let (erased_at, records) = (self.ledger.erased_at(customer), self.ledger.records(customer));
        let held = Held { version: row.version, newest: row.newest, ..Held::NOTHING };
        Stored { erased_at, records, customer: stored, held }
    }

    fn commit<'b>(&'b self, transaction: Transaction<'_>) -> Pending<'b> {
        let Transaction { id, customer, at, state, consent, .. } = transaction;
        let (mut rows, Held { version: base, newest, .. }) = (self.rows(), customer.held().clone());
        if state == StateChange::None && consent.is_empty() {
            // An answer that changes nothing must not rest on a stale copy either.
            let stale = rows.newest(id) != base;
            return if stale { Pending::refused(CommitError::Conflict) } else { Pending::Done };
        }
        rows.writes += 1;
        let version = Version { write: rows.writes, mark: base.write };
        let body = match customer.encode(id) {
            Ok(body) => body,
            Err(error) => return Pending::refused(CommitError::Store(error.to_string())),
        };
        let newest = newest.max(next_moment(at, &consent));
        customer.hold(Held { version, newest, ..Held::NOTHING });
        let row = Row { version, newest, body };
        let (reply, answer) = oneshot::channel();
        let write = Write { id: id.to_owned(), base, row, consent, reply };
        if self.held.load(Ordering::Acquire) {
            rows.waiting.push_back(write);
        } else {
            self.apply(&mut rows, write);
        }
        let ended = || CommitError::Ledger(LedgerError::Unavailable("the backend has ended".into()));
        Pending::Other(Box::pin(async move { answer.await.unwrap_or_else(|_| Err(ended())) }))
    }

    fn erase(&self, customer: &str, now: Moment, _cache: Cache<'_>) -> Result<Erasure, LedgerError> {
        let mut rows = self.rows();
        rows.writes += 1;
        let version = Version { write: rows.writes, mark: 0 };
        let erasure = self.ledger.erase(customer, now)?;
        // The row stays, so that a transaction on a copy from before finds another version.
        rows.customers.insert(customer.to_owned(), Row { version, newest: now, body: None });
        Ok(erasure)
    }

    fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn names(&self) -> Result<Vocabulary, StoreError> {
        Ok(self.rows().names.clone())
    }

    fn store_names(&self, names: &Vocabulary) -> Result<(), StoreError> {
        self.rows().names = names.clone();
        Ok(())
    }

    fn page(&self, from: &[u8], most: usize) -> Result<Page, StoreError> {
        let rows = self.rows();
        let from = String::from_utf8_lossy(from).into_owned();
        let mut found = rows.customers.range(from..).filter_map(|(id, row)| Some((id, row.body.as_ref()?)));
        let page: Vec<_> = found.by_ref().take(most).filter_map(|(_, body)| codec::decode(body)).collect();
        Ok((page, found.next().map(|(id, _)| id.clone().into_bytes())))
    }
}
