//! Customers in memory and on disk.
//!
//! `memory` holds the current state of every customer that is in use; `customer_store` holds what the next process
//! starts from. Dirty customers are flushed a few times a second. Contacts and outcomes, which count towards limits,
//! are appended to the `contact_log` before a decision is returned, so a killed process loses none of them.

mod bucket_keys;
pub mod codec;
mod contact_log;
mod copy;
mod customer_store;
mod database;
mod head;
mod journal;
mod memory;
mod metadata;
mod opening;
mod recovery;
mod replay;
mod salvage;

use crate::io_at::IoAt;
use std::path::PathBuf;

pub use contact_log::{ContactLog, FlushBatch, LogEntry, LoggedChange};
pub use copy::{CustomerCount, unpack};
pub use customer_store::{CustomerFlush, CustomerStore, StoreCounts, WriterState};
pub use head::{damaged_head, forget_store};
pub use memory::{Cached, Customers, Dirty, FlushOp, Held, LoadedCustomer, Persisted, Slot, Ticket, Version};
pub use metadata::Loss;
pub use opening::OpenedStore;
pub use recovery::StoreRecovery;
pub use salvage::{StoreDamage, inspect};

impl StoreError {
    /// Whether the bytes on disk are damaged, and not the disk.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Unreadable { .. } | Self::Damaged)
    }
}

/// Why the customer store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] IoAt),
    /// Another process has the store open.
    #[error("`{0}` is in use by another process")]
    InUse(PathBuf),
    /// The database cannot be opened.
    #[error("the customers in `{path}` cannot be read: {why}")]
    Unreadable {
        /// The folder of the store.
        path: PathBuf,
        /// The error of the database.
        why: String,
    },
    /// The format is newer than this program.
    #[error("the customers in `{path}` were written by a later version (format {found}; this one reads up to {known})")]
    NewerFormat {
        /// The folder of the store.
        path: PathBuf,
        /// The format version of the store.
        found: u8,
        /// The newest format version that this program reads.
        known: u8,
    },
    /// Flushes that were durable are missing, although the store was opened again after its disk failed.
    #[error("the customers in `{path}` are incomplete: they were written up to {written}, and end at {found}")]
    Truncated {
        /// The folder of the store.
        path: PathBuf,
        /// The number of the last flush that was durable.
        written: u64,
        /// The number of the last flush in the store.
        found: u64,
    },
    /// A customer cannot be encoded.
    #[error("a customer cannot be encoded: {0}")]
    Encoding(#[from] postcard::Error),
    /// The stored bytes of a customer are damaged.
    #[error("what is stored of a customer is damaged")]
    Damaged,
    /// There are no files that could be copied.
    #[error("nothing is kept on disk, or it is closed")]
    NoFiles,
    /// The database failed to read or write.
    #[error("the customers cannot be read or written: {0}")]
    Database(String),
}
