//! The consent ledger: an append-only record of every consent change.
//!
//! An append returns once the records are durable. The engine decides the order of effects: a restriction takes effect
//! in memory before it is appended, a grant only afterwards.

mod chain;
mod cipher;
mod closed;
mod content;
mod copy;
mod customer_keys;
mod data_folder;
pub mod disk;
mod erasure;
mod erasure_register;
mod file;
mod file_key;
mod folder;
mod frame;
mod frame_index;
mod inspection;
mod key_name;
mod keyring;
mod memory;
mod nonce_list;
mod open_error;
mod parallel;
mod payload;
pub mod proof;
mod record_summary;
mod recovery;
mod reopening;
mod repair;
mod reserve;
mod scan;
mod seal;
mod secrets;
mod segment;
mod settings;
mod signer;
mod vault;
mod verification;
mod writer;

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::domain::consent::ConsentRecord;
use crate::domain::time::Moment;
use proof::Hash;

pub use chain::FrameRef;
pub use closed::ClosedLedger;
pub use copy::{CopySink, PART, publish, verify_copy};
pub use data_folder::DataFolder;
pub use file::{FileLedger, OpenedLedger};
pub use file_key::{FileKey, FileKeys, PLACES as KEY_PLACES, destroy as destroy_file_key};
pub use inspection::{InspectError, Inspection, StoredRecord};
pub use key_name::KeyName;
pub use keyring::{CustomerKey, Keyring, SealedRecord};
pub use memory::MemoryLedger;
pub use open_error::OpenError;
pub use record_summary::RecordSummary;
pub use recovery::{inspect_keys, lock_ledger};
pub use reopening::ReopeningLedger;
pub use repair::Repair;
pub use secrets::random_number;
pub use settings::LedgerSettings;
pub use vault::{ErasedPerson, Pseudonym, Pseudonyms, Vault, damaged_key_blocks};
pub use verification::{Verification, verify};

/// Why an operation of a ledger failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The ledger cannot be used until an operator has repaired it. No personal data may be used meanwhile.
    #[error("{0}")]
    Unavailable(String),
    /// The disk is full: grants are refused, restrictions are still accepted. Records so far are intact.
    #[error("{0}")]
    Full(String),
    /// There is no such record, size or file.
    #[error("{0}")]
    NotFound(String),
}

/// The result of an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The position of the record of the erasure.
    pub position: u64,
    /// Whether nothing was left to erase: the position is then that of the earlier erasure.
    pub repeated: bool,
}

/// Records on their way to the disk: the position of the last once all are durable.
#[derive(Debug)]
#[must_use = "records are durable only when this ends well"]
pub enum Appending {
    /// They have arrived, or cannot.
    Done(Option<Result<u64, LedgerError>>),
    /// The writer has them.
    Waiting(oneshot::Receiver<Result<u64, LedgerError>>),
}

impl Future for Appending {
    type Output = Result<u64, LedgerError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = || LedgerError::Unavailable("the ledger's writer has ended".into());
        match self.get_mut() {
            Self::Done(result) => Poll::Ready(result.take().unwrap_or_else(|| Err(ended()))),
            Self::Waiting(reply) => Pin::new(reply).poll(context).map(|reply| reply.unwrap_or_else(|_| Err(ended()))),
        }
    }
}

/// An append-only ledger of consent records. Positions count from 1.
pub trait Ledger: std::fmt::Debug + Send + Sync {
    /// Appends records in order, all or none, and returns the position of the last once all are durable.
    ///
    /// # Errors
    /// When they are not durable; none of them counts then.
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError>;

    /// Like [`Ledger::append`], without waiting on this thread.
    fn submit(&self, records: Vec<ConsentRecord>) -> Appending {
        Appending::Done(Some(self.append(&records)))
    }

    /// Makes all records of a customer permanently unreadable, and records the erasure without the customer's id. Only
    /// the customer's suppression remains known. A repeated erasure changes nothing, unless records were appended in
    /// between.
    ///
    /// # Errors
    /// When the erasure is not durable. It must be repeated then.
    fn erase(&self, customer: &str, now: Moment) -> Result<Erasure, LedgerError>;

    /// The position of the customer's last erasure. Data about the customer from before it must not be used, wherever
    /// it comes from.
    fn erased_at(&self, customer: &str) -> Option<u64>;

    /// Whether the customer was ever erased.
    fn is_suppressed(&self, customer: &str) -> bool {
        self.erased_at(customer).is_some()
    }

    /// The number of records.
    fn size(&self) -> u64;

    /// The records of a customer with their positions, oldest first.
    ///
    /// # Errors
    /// When the disk fails, or a record is damaged.
    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError>;

    /// A checkpoint as a signed note. It covers every record that was acknowledged before the call.
    ///
    /// # Errors
    /// When the ledger cannot sign.
    fn checkpoint(&self) -> Result<String, LedgerError>;

    /// A receipt: proves with the ledger's public key alone that the record at a position is in the ledger.
    ///
    /// # Errors
    /// When there is no such record, or its customer was erased.
    fn receipt(&self, position: u64) -> Result<String, LedgerError>;

    /// The consistency proof of RFC 9162 that the ledger of `size` records begins with the one of `earlier` records.
    ///
    /// # Errors
    /// When the ledger never had such a size, or cannot sign.
    fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, LedgerError>;

    /// Copies the ledger's files to `sink` while appends go on, without the keys folder. The copy has every record that
    /// was acknowledged before the call, and ends with a checkpoint that covers them.
    ///
    /// # Errors
    /// When the ledger has no files, they cannot be read, the ledger cannot sign, or the sink fails.
    fn copy(&self, _sink: &mut CopySink<'_>) -> Result<(), LedgerError> {
        Err(LedgerError::NotFound("this ledger has no files".into()))
    }

    /// The name of a thread of the ledger that has ended unexpectedly, not because of a failed disk. Nothing is
    /// recorded or signed then.
    fn ended_thread(&self) -> Option<&'static str> {
        None
    }

    /// The public key that verifies checkpoints and receipts, as a C2SP verifier key.
    ///
    /// # Errors
    /// When the ledger has no key.
    fn verifier_key(&self) -> Result<String, LedgerError>;
}
