//! The consent ledger: an append-only record of every consent change.
//!
//! A ledger answers after a record is as durable as it can make it. The order of effects is the engine's:
//! restrictions bind in memory before they are appended, grants only after.

mod book;
mod chain;
mod closed;
mod content;
mod copy;
mod cores;
mod customer_keys;
pub mod disk;
mod erasure;
mod file;
mod frame;
mod inspection;
mod memory;
mod notary;
mod past;
mod payload;
pub mod proof;
mod recovery;
mod register;
mod reserve;
mod scan;
mod seal;
mod secrets;
mod segment;
mod vault;
mod verification;
mod writer;

use crate::domain::consent::ConsentRecord;
use crate::domain::time::Moment;
use proof::Hash;

pub use chain::Seen;
pub use closed::ClosedLedger;
pub use copy::{PART, RESTORING, SUMS, Take, publish, verified};
pub use customer_keys::KeyName;
pub use file::{FileLedger, Head, LedgerSettings, Mended, OpenError, Opened};
pub use inspection::{Held, InspectError, Inspection};
pub use memory::MemoryLedger;
pub use past::Past;
pub use recovery::lock_out;
pub use vault::{CUSTOMERS, ErasedPerson, Pseudonym, Pseudonyms, Vault};
pub use verification::{Verification, verify};

/// Why a ledger did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Nothing can be appended until an operator has looked: no personal data may be used.
    #[error("{0}")]
    Unavailable(String),
    /// There is no room for what lets more happen. What was kept is whole, and restrictions are still taken.
    #[error("{0}")]
    Full(String),
    /// It holds nothing of this kind, or not at this position.
    #[error("{0}")]
    NotFound(String),
}

/// What an erasure left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Where the ledger says that somebody was erased.
    pub position: u64,
    /// The name of that record.
    pub record_id: String,
    /// Nothing was left to erase: this is the erasure that did it.
    pub repeated: bool,
}

impl Erasure {
    /// The name of the record of an erasure.
    fn name(position: u64) -> String {
        format!("erased-{position}")
    }
}

/// An append-only ledger, small enough to be crashed on purpose in a test.
pub trait Ledger: std::fmt::Debug + Send + Sync {
    /// Appends records in order, all or none, and answers with the position of the last.
    ///
    /// # Errors
    /// When they are not durable; none of them counts then.
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError>;

    /// Makes every record of a customer unreadable for good, and says in the ledger that somebody was erased.
    ///
    /// The customer stays known only as suppressed. Erasing twice is erasing once, unless records came between.
    ///
    /// # Errors
    /// When it is not durable; ask again then.
    fn erase(&self, customer: &str, now: Moment) -> Result<Erasure, LedgerError>;

    /// Where the ledger says that the customer was erased, if they ever were: what somebody else kept or imports must not
    /// bring them back.
    fn erased_at(&self, customer: &str) -> Option<u64>;

    /// Whether the customer was ever erased.
    fn is_suppressed(&self, customer: &str) -> bool {
        self.erased_at(customer).is_some()
    }

    /// How many records it has.
    fn size(&self) -> u64;

    /// The records of a customer with their positions, oldest first.
    ///
    /// # Errors
    /// When they cannot be read back.
    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError>;

    /// The newest head as a signed note, covering every record that was acknowledged before.
    ///
    /// # Errors
    /// When nothing is signed.
    fn checkpoint(&self) -> Result<String, LedgerError>;

    /// The proof, to whom has the ledger's key and nothing else, that the record at a position is in the ledger.
    ///
    /// # Errors
    /// When there is no such record, or it is an erased customer's.
    fn receipt(&self, position: u64) -> Result<String, LedgerError>;

    /// The proof that the ledger of one size begins with that of an earlier one, in the order of RFC 9162.
    ///
    /// # Errors
    /// When the ledger never had such a size, or nothing is signed.
    fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, LedgerError>;

    /// Hands over a copy of its files while it goes on: every record that was acknowledged before is in it, and nothing
    /// that makes records readable. Last comes the checkpoint that covers them.
    ///
    /// # Errors
    /// When it has no files, they cannot be read, nothing is signed, or nobody takes them any more.
    fn copy(&self, _take: &mut Take<'_>) -> Result<(), LedgerError> {
        Err(LedgerError::NotFound("this ledger has no files".into()))
    }

    /// A thread of the ledger that has ended although nothing told it to, and no disk failed: nothing is recorded any more.
    fn ended_thread(&self) -> Option<&'static str> {
        None
    }

    /// The key with which checkpoints and receipts are checked, as a C2SP verifier key.
    ///
    /// # Errors
    /// When nothing is signed.
    fn verifier_key(&self) -> Result<String, LedgerError>;
}
