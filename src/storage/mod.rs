//! What must outlive the process, behind one seam: a [`Backend`] reads customers and makes transactions durable.
//!
//! The engine holds a copy of each customer in use, and changes it in the customer's critical section. Each change is
//! one [`Transaction`]. A backend that several engines share compares versions and refuses a transaction on a stale copy
//! ([`CommitError::Conflict`]); the engine then loads the customer again and repeats the operation. A backend of one
//! engine need not compare: the engine's copy is always the newest.
//!
//! `embedded` keeps customers and consent in files of this machine; `postgres` in a database that several nodes share;
//! `memory` keeps them in memory, for tests, and is the shortest backend to read. `tests/behaviour/contract.rs` says what
//! each backend must do, and checks it.

mod embedded;
mod memory;
mod postgres;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use smallvec::SmallVec;

use crate::decision_log::{DecisionLog, Loggable, LoggedDecision, LoggedOutcome, Place, ReadDecision, Wanted};
use crate::domain::consent::ConsentRecord;
use crate::domain::id::Vocabulary;
use crate::domain::time::Moment;
use crate::ledger::{Appending, CopySink, Erasure, Ledger, LedgerError};
use crate::store::codec::StoredCustomer;
use crate::store::{Cached, CustomerStore, FlushOp, Held, LoggedChange, Persisted, StoreError};

pub use embedded::Embedded;
pub use memory::MemoryBackend;
pub use postgres::{
    DatabaseError, Migrated, Postgres, PublishedFile, PublishedRules, Revision, SCHEMA, migrate, write_published,
};

/// Where an engine keeps what must outlive it.
pub trait Backend: fmt::Debug + Send + Sync {
    /// Reads what is stored of a customer, without waiting on this thread.
    fn load<'b>(&'b self, customer: &'b str) -> Loading<'b> {
        Loading::Ready(Box::new(self.read(customer)))
    }

    /// Reads what is stored of a customer, and waits on this thread.
    fn read(&self, customer: &str) -> Stored;

    /// Begins a transaction. Called in the customer's critical section: it never waits. The order of calls for one
    /// customer is the order of their transactions.
    fn commit<'b>(&'b self, transaction: Transaction<'_>) -> Pending<'b>;

    /// Makes everything about a customer permanently unreadable. The engine holds no copy with data of the customer, and
    /// no transaction of theirs is under way. `cache` may hold others whose entries share a file with the customer's.
    ///
    /// # Errors
    /// When the erasure is not durable. It must be repeated then.
    fn erase(&self, customer: &str, now: Moment, cache: Cache<'_>) -> Result<Erasure, LedgerError>;

    /// The consent records, their proofs and erasures.
    fn ledger(&self) -> &Arc<dyn Ledger>;

    /// Whether contacts can be logged now. A transaction that waits for the log fails otherwise
    /// ([`CommitError::NotLogged`]), so the engine makes no contact that a limit counts.
    fn logs_contacts(&self) -> bool {
        true
    }

    /// Whether other engines may change customers, so that versions are compared.
    fn is_shared(&self) -> bool {
        false
    }

    /// Stores the names of a vocabulary, so that no customer is stored under ids that the next process would read as
    /// other names.
    ///
    /// # Errors
    /// When they are not stored; the next flush repeats it.
    fn store_names(&self, names: &Vocabulary) -> Result<(), StoreError>;

    /// Rules with this hash are in force from now on. Their names are stored.
    ///
    /// # Errors
    /// When a backend that several engines share does not take it: they must not be used then.
    fn begin_rules(&self, _hash: &str) -> Result<(), StoreError> {
        Ok(())
    }

    /// Why nothing can be stored or read now.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// The name of a thread of the backend that has ended although it must not.
    fn ended_thread(&self) -> Option<&'static str> {
        None
    }

    /// What was asked of a database that several engines share.
    fn database_counts(&self) -> Option<&DatabaseCounts> {
        None
    }

    /// The stored names, under the ids that customers were stored with.
    ///
    /// # Errors
    /// When they cannot be read.
    fn names(&self) -> Result<Vocabulary, StoreError>;

    /// Stores customers of the cache that differ from what is stored: those that are due, or all. Returns the number of
    /// customers visited. A backend that stores customers when they change has nothing to do.
    ///
    /// # Errors
    /// When the disk fails: these customers still differ, and the next flush repeats them.
    fn flush(&self, _cache: Cache<'_>, _everything: bool) -> Result<usize, StoreError> {
        Ok(0)
    }

    /// At most `most` stored customers in the order of their keys, beginning with the key `from`, and the key after them;
    /// `None` after the last.
    ///
    /// # Errors
    /// When the disk fails.
    fn page(&self, from: &[u8], most: usize) -> Result<Page, StoreError>;

    /// Copies everything but the keys to `sink`, while calls go on, after everything was flushed.
    ///
    /// # Errors
    /// When there are no files to copy, they cannot be read, or the sink fails.
    fn copy(&self, _sink: &mut CopySink<'_>) -> Result<(), StoreError> {
        Err(StoreError::NoFiles)
    }

    /// The log of past decisions, if the backend has one.
    fn decision_log(&self) -> Option<&DecisionLog> {
        None
    }

    /// Whether past decisions are found again.
    fn keeps_decisions(&self) -> bool {
        self.decision_log().is_some()
    }

    /// The decision of a moment with a key, if it is kept. Waits on this thread.
    ///
    /// # Errors
    /// When it cannot be read.
    fn past_decision(&self, at: Moment, key: u64) -> Result<Option<ReadDecision>, String> {
        let found = self.decision_log().map(|log| log.decision(at, key)).transpose();
        found.map(Option::flatten).map_err(|error| error.to_string())
    }

    /// The newest past decisions that are wanted and pass a filter. Waits on this thread.
    ///
    /// # Errors
    /// When they cannot be read.
    fn past_decisions(&self, wanted: Wanted<'_>, passes: Passes<'_>) -> Result<PastDecisions, String> {
        let found = self.decision_log().map(|log| log.decisions(wanted, passes)).transpose();
        found.map(Option::unwrap_or_default).map_err(|error| error.to_string())
    }

    /// The customer store of this machine, if the backend has one: its counters, and its log to sync.
    fn files(&self) -> Option<&CustomerStore> {
        None
    }
}

/// Whether a past decision is wanted.
pub type Passes<'p> = &'p dyn Fn(&LoggedDecision) -> bool;
/// Past decisions, the newest first, and the place before which the next page goes on.
pub type PastDecisions = (Vec<ReadDecision>, Option<Place>);

/// What a node asked of its database since it started.
#[derive(Debug, Default)]
pub struct DatabaseCounts {
    /// Statements that swapped rows.
    pub statements: AtomicU64,
    /// Rows that were swapped.
    pub rows: AtomicU64,
    /// Answers that changed nothing and were checked.
    pub checks: AtomicU64,
    /// Transactions on a copy that was not the newest.
    pub conflicts: AtomicU64,
    /// Swaps whose outcome was unknown.
    pub unknown: AtomicU64,
}

/// The earliest moment of a change that follows one at `at`: consents of one customer have moments of their own, by which
/// they are ordered, whatever the clocks of the machines say.
fn next_moment(at: Moment, consent: &[ConsentRecord]) -> Moment {
    if consent.is_empty() { at } else { Moment(at.0.saturating_add(1)) }
}

/// Stored customers, and the key that follows them.
pub type Page = (Vec<StoredCustomer>, Option<Vec<u8>>);

/// A customer that is being read.
pub enum Loading<'b> {
    /// What was read.
    Ready(Box<Stored>),
    /// It is being read elsewhere.
    Pending(Pin<Box<dyn Future<Output = Stored> + Send + 'b>>),
}

impl Loading<'_> {
    /// Waits until the customer is read.
    pub async fn done(self) -> Stored {
        match self {
            Self::Ready(stored) => *stored,
            Self::Pending(reading) => reading.await,
        }
    }
}

/// What is stored of one customer.
#[derive(Debug)]
pub struct Stored {
    /// The ledger position of the customer's last erasure.
    pub erased_at: Option<u64>,
    /// The consent records with their positions, oldest first.
    pub records: Result<Vec<(u64, ConsentRecord)>, LedgerError>,
    /// All else, if there is any.
    pub customer: Result<Option<StoredCustomer>, StoreError>,
    /// What belongs to the copy; nothing where no versions are compared.
    pub held: Held,
}

/// One change to one customer. All of it becomes durable, or nothing.
pub struct Transaction<'a> {
    /// The customer's id.
    pub id: &'a str,
    /// The customer after the change. A backend that compares versions gives the copy its next one.
    pub customer: &'a mut dyn Persisted,
    /// The moment of the change.
    pub at: Moment,
    /// How the copy differs from what is stored.
    pub cached: &'a mut Cached,
    /// How the stored state changed.
    pub state: StateChange,
    /// The parts of the change that are contacts, outcomes and ids.
    pub log: SmallVec<[LoggedChange; 2]>,
    /// Consent records, in order.
    pub consent: Vec<ConsentRecord>,
    /// What the caller waits for, consent records aside: they always survive a power cut.
    pub durability: Durability,
    /// What the decision log gets.
    pub logged: Option<Logged>,
    /// Whether the values of earlier entries of the customer in the decision log must not be read any more.
    pub revokes: bool,
}

/// What a transaction adds to the decision log.
#[derive(Debug)]
pub enum Logged {
    /// A decision.
    Decision(Arc<dyn Loggable>),
    /// An outcome, without a pseudonym.
    Outcome(LoggedOutcome),
}

/// How the stored state of a customer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum StateChange {
    /// Not at all.
    #[default]
    None,
    /// All changes are in the transaction's log.
    Logged,
    /// In other ways, too.
    Changed,
}

/// What an answer waits for. Consent records always wait for the disk: they survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Durability {
    /// Nothing: it may be lost with the process, if it was written a second ago or less.
    #[default]
    Memory,
    /// The operating system has it: it survives a killed process, and after at most 100 ms a power cut.
    Process,
}

/// A transaction under way.
#[must_use = "a transaction is durable only when this ends well"]
pub enum Pending<'b> {
    /// It has nothing to wait for.
    Done,
    /// Entries of a log that are written when a caller waits; many callers share one write.
    Logged(&'b CustomerStore),
    /// Records that the ledger's writer has, and entries of a log if they are waited for.
    Consent(Appending, Vec<ConsentRecord>, Option<&'b CustomerStore>),
    /// Another one, and the decision log, which overwrites what must not be read any more.
    Revoked(Box<Pending<'b>>, &'b DecisionLog),
    /// Any other wait.
    Other(Pin<Box<dyn Future<Output = Result<Recorded, CommitError>> + Send + 'b>>),
}

/// A transaction that is durable.
#[derive(Debug, Default, PartialEq)]
pub struct Recorded {
    /// Its consent records, in order.
    pub records: Vec<ConsentRecord>,
    /// The ledger position of the last record; 0 without records.
    pub position: u64,
}

/// Why a transaction is not durable. Nothing of it is, unless the error says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Another engine changed the customer first.
    #[error("the customer was changed elsewhere")]
    Conflict,
    /// The ledger does not take the records.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The customer cannot be stored.
    #[error("{0}")]
    Store(String),
    /// The entries of the log cannot be written: the change is in memory, and a killed process would lose it.
    #[error("contacts cannot be logged")]
    NotLogged,
}

impl Pending<'_> {
    /// A transaction that cannot become durable.
    pub fn refused(error: CommitError) -> Self {
        Self::Other(Box::pin(std::future::ready(Err(error))))
    }

    /// Waits until the transaction is durable.
    ///
    /// # Errors
    /// When it is not.
    pub async fn done(self) -> Result<Recorded, CommitError> {
        match self {
            Self::Done => {}
            Self::Logged(store) => {
                if !store.contact_log().wait_durable().await {
                    return Err(CommitError::NotLogged);
                }
            }
            Self::Consent(appending, records, store) => {
                let position = appending.await?;
                if let Some(store) = store {
                    // The records are durable, whatever becomes of the log.
                    _ = store.contact_log().wait_durable().await;
                }
                return Ok(Recorded { records, position });
            }
            Self::Revoked(pending, log) => {
                let recorded = Box::pin(pending.done()).await?;
                // If it fails, the log's thread repeats it, and health says so.
                log.done().await;
                return Ok(recorded);
            }
            Self::Other(commit) => return commit.await,
        }
        Ok(Recorded::default())
    }
}

impl fmt::Debug for Pending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "Done",
            Self::Logged(_) => "Logged",
            Self::Consent(..) => "Consent",
            Self::Revoked(..) => "Revoked",
            Self::Other(_) => "Other",
        })
    }
}

/// The customers in memory, as a backend sees them that stores them behind the calls.
#[derive(Clone, Copy)]
pub struct Cache<'a> {
    /// The customers.
    pub customers: &'a dyn CachedCustomers,
    /// The names that their ids stand for.
    pub names: &'a Vocabulary,
    /// The moment of the flush, which is recorded.
    pub now: Moment,
}

/// Access to the customers in memory for a flush.
pub trait CachedCustomers {
    /// The write that is due for a customer that differs from what is stored. The customer then counts as stored.
    ///
    /// # Errors
    /// When the customer cannot be encoded.
    fn begin_flush(&self, id: &str) -> Result<Option<FlushOp>, StoreError>;

    /// Takes back that a customer counts as stored.
    fn flush_failed(&self, id: &str);
}
