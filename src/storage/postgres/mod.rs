//! A PostgreSQL database that several nodes share: docs/cluster.md and docs/decisions/024-many-nodes.md.
//!
//! One thread talks to the database (`lanes`, `jobs`). `queue` holds what waits to be sent, `batch` makes a statement of it,
//! `person` reads what is kept of a customer, `decisions` past decisions, `ledger` the consent ledger, `schema` the tables.

mod alone;
mod batch;
mod database;
mod decisions;
mod error;
mod jobs;
mod lanes;
mod ledger;
mod person;
mod published;
mod queue;
mod said;
mod schema;
mod seen;
mod shared;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{
    Backend, Cache, CommitError, DatabaseCounts, Durability, Loading, Page, Passes, PastDecisions, Pending, Recorded,
    StateChange, Stored, Transaction, next_moment,
};
use crate::clock::FollowedTime;
use crate::decision_log::{ReadDecision, Wanted};
use crate::domain::id::Vocabulary;
use crate::domain::time::{Moment, Period};
use crate::ledger::{CopySink, Erasure, Keyring, Ledger, LedgerError};
use crate::store::{Held, StoreError, Version};
use database::Database;
use ledger::PostgresLedger;
use queue::{Body, Swap, Waiter};
use said::Said;
use seen::Seen;
use shared::{GetsStored, PATIENCE, Shared};

pub use error::{DatabaseError, SCHEMA};
pub use published::{PublishedFile, PublishedRules, Revision, write_files as write_published};
pub use schema::{Migrated, migrate};

/// A database that several nodes share.
#[derive(Debug)]
pub struct Postgres {
    shared: Arc<Shared>,
    ledger: Arc<dyn Ledger>,
    thread: Option<JoinHandle<()>>,
}

impl Postgres {
    /// Opens the database at an address, with the keys of a folder that all nodes share. What this node has seen of the
    /// database is kept in `data`.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(address: &str, keys: &Path, data: &Path) -> Result<Self, DatabaseError> {
        let (database, keyring) = (Database::parse(address)?, Keyring::open(keys, false)?);
        let (jobs, todo) = tokio::sync::mpsc::unbounded_channel();
        let (lookups, to_find) = tokio::sync::mpsc::unbounded_channel();
        let seen = Seen::open(data).map_err(DatabaseError::Unusable)?;
        let shared = Arc::new(Shared::new((database, keyring), seen, (jobs, lookups)));
        schema::check(&shared, keys)?;
        let thread = jobs::start(Arc::clone(&shared), [todo, to_find])?;
        let ledger: Arc<dyn Ledger> = Arc::new(PostgresLedger::new(Arc::clone(&shared)));
        Ok(Self { shared, ledger, thread: Some(thread) })
    }

    /// The time of the database.
    #[must_use]
    pub fn time(&self) -> Arc<FollowedTime> {
        Arc::clone(&self.shared.time)
    }

    /// Puts the newest published rules into a folder, unless they are there. Returns where they are; `None` if none are
    /// published.
    ///
    /// # Errors
    /// When the database does not give them, or the disk does not take them: those before stay.
    pub fn take_rules(&self, folder: &Path) -> Result<Option<PathBuf>, StoreError> {
        published::take(&self.shared, folder)
    }

    /// Sets for how long past decisions are kept: without it, for good.
    pub fn keep_decisions(&self, age: Period) {
        self.shared.state.keeps.store(age.0, Ordering::Release);
        self.shared.aging.notify_one();
    }

    fn load_with(&self, customer: &str, reply: GetsStored) {
        match self.shared.trouble() {
            Some(trouble) => reply(person::unreadable(&trouble)),
            None => self.shared.load(customer, reply),
        }
    }

    /// The swap of a transaction, and what its copy holds after it.
    fn swap(&self, transaction: Transaction<'_>) -> Result<(Swap, oneshot::Receiver<Answer>), CommitError> {
        let store = |error: String| CommitError::Store(error);
        let said = Said::of(&transaction);
        let Transaction { id, customer, at, consent, .. } = transaction;
        let Held { version: base, newest, key, .. } = customer.held().clone();
        let is_new_key = key.is_none();
        let new_key = || self.shared.keys.new_key().map(Arc::new);
        let key = key.map_or_else(new_key, Ok).map_err(|error| store(error.to_string()))?;
        let body = customer.encode(id).map_err(|error| store(error.to_string()))?;
        let mark = getrandom::u64().map_err(|error| store(error.to_string()))?;
        let minted = Version { write: base.write + 1, mark };
        let newest = newest.max(next_moment(at, &consent));
        customer.hold(Held { version: minted, newest, key: Some(Arc::clone(&key)), trouble: None });
        let (reply, answer) = oneshot::channel();
        let waiters = vec![Waiter { reply, records: 0..consent.len() }];
        let (body, due) = (Body::New(body), Instant::now() + PATIENCE);
        Ok((Swap { base, minted, newest: newest.0, key, is_new_key, body, said, consent, waiters, due }, answer))
    }

    /// Why no transaction is accepted.
    fn refusal(&self, transaction: &Transaction<'_>) -> Option<CommitError> {
        let state = &self.shared.state;
        let unnamed = || {
            let named = state.named.load(Ordering::Acquire) && state.rules.load(Ordering::Acquire) > 0;
            (!named).then(|| "the names of the rules are not stored yet".into())
        };
        let trouble = self.shared.trouble().or_else(|| transaction.customer.held().trouble.clone()).or_else(unnamed)?;
        Some(if transaction.consent.is_empty() {
            CommitError::Store(trouble.to_string())
        } else {
            CommitError::Ledger(LedgerError::Unavailable(trouble.to_string()))
        })
    }
}

type Answer = Result<Recorded, CommitError>;

fn pending<'b>(answer: oneshot::Receiver<Answer>) -> Pending<'b> {
    let ended = || CommitError::Store("the thread that talks to the database has ended".into());
    Pending::Other(Box::pin(async move { answer.await.unwrap_or_else(|_| Err(ended())) }))
}

impl Drop for Postgres {
    /// Waits until what was begun has ended.
    fn drop(&mut self) {
        self.shared.state.closed.store(true, Ordering::Release);
        self.shared.closing.notify_one();
        // A thread that panicked has nothing left to do.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Backend for Postgres {
    fn load<'b>(&'b self, customer: &'b str) -> Loading<'b> {
        let (reply, answer) = oneshot::channel();
        self.load_with(customer, Box::new(|stored| drop(reply.send(stored))));
        let ended = || person::unreadable("the thread that talks to the database has ended");
        Loading::Pending(Box::pin(async move { answer.await.unwrap_or_else(|_| ended()) }))
    }

    fn read(&self, customer: &str) -> Stored {
        let (reply, answer) = sync_channel(1);
        self.load_with(customer, Box::new(move |stored| drop(reply.send(stored))));
        answer.recv().unwrap_or_else(|_| person::unreadable("the thread that talks to the database has ended"))
    }

    fn commit<'b>(&'b self, transaction: Transaction<'_>) -> Pending<'b> {
        if let Some(refusal) = self.refusal(&transaction) {
            return Pending::refused(refusal);
        }
        let id = transaction.id;
        if transaction.state == StateChange::None && transaction.consent.is_empty() {
            let (reply, answer) = oneshot::channel();
            let version = transaction.customer.held().version;
            let waits = transaction.durability == Durability::Process;
            self.shared.queue().check(id, version, (waits, Instant::now() + PATIENCE), reply);
            self.shared.reads.notify_one();
            return pending(answer);
        }
        match self.swap(transaction) {
            Ok((swap, answer)) => {
                self.shared.queue().submit(id, swap);
                self.shared.changes.notify_one();
                self.shared.consents.notify_one();
                pending(answer)
            }
            Err(error) => Pending::refused(error),
        }
    }

    fn erase(&self, customer: &str, now: Moment, _cache: Cache<'_>) -> Result<Erasure, LedgerError> {
        self.ledger.erase(customer, now)
    }

    fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn store_names(&self, names: &Vocabulary) -> Result<(), StoreError> {
        schema::store_names(&self.shared, names)
    }

    fn begin_rules(&self, hash: &str) -> Result<(), StoreError> {
        schema::begin_rules(&self.shared, hash)
    }

    fn names(&self) -> Result<Vocabulary, StoreError> {
        schema::names(&self.shared)
    }

    fn page(&self, from: &[u8], most: usize) -> Result<Page, StoreError> {
        jobs::page(&self.shared, from, most)
    }

    fn copy(&self, _sink: &mut CopySink<'_>) -> Result<(), StoreError> {
        Err(StoreError::Database("they are in a database, which is backed up by its own means".into()))
    }

    fn keeps_decisions(&self) -> bool {
        true
    }

    fn past_decision(&self, at: Moment, key: u64) -> Result<Option<ReadDecision>, String> {
        decisions::find(&self.shared, at, key)
    }

    fn past_decisions(&self, wanted: Wanted<'_>, passes: Passes<'_>) -> Result<PastDecisions, String> {
        decisions::list(&self.shared, wanted, passes)
    }

    fn trouble(&self) -> Option<String> {
        self.shared.trouble().map(|trouble| trouble.to_string())
    }

    fn ended_thread(&self) -> Option<&'static str> {
        self.thread.as_ref().filter(|thread| thread.is_finished()).map(|_| "database")
    }

    fn database_counts(&self) -> Option<&DatabaseCounts> {
        Some(&self.shared.state.counts)
    }
}
