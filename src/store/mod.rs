//! Where customers are held: in memory, and behind that in files.
//!
//! `memory` is the truth while the process runs; `file` is what another process finds. What differs is written behind, a
//! few times a second; what counts towards a limit is in the `journal` before anybody is told.

mod about;
pub mod codec;
mod copy;
mod database;
mod file;
mod journal;
mod memory;

use std::path::PathBuf;

pub use copy::{PAIRS, unpack};
pub use file::{CustomerStore, OpenedStore, Recovered, StoreCounts, Written};
pub use journal::{Counted, Due, Entry, Journal};
pub use memory::{Change, Customers, Difference, Kept, Loaded};

/// Why the store of customers did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk says no.
    #[error("`{path}`: {error}")]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What it says.
        error: std::io::Error,
    },
    /// Another process has it.
    #[error("`{0}` is in use by another process")]
    InUse(PathBuf),
    /// It does not open.
    #[error("the customers in `{path}` cannot be read: {why}")]
    Closed {
        /// Which folder.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It was written by a later version.
    #[error("the customers in `{path}` were written by a later version (format {found}; this one reads up to {known})")]
    Later {
        /// Which folder.
        path: PathBuf,
        /// The version of its format.
        found: u8,
        /// The latest that can be read.
        known: u8,
    },
    /// What was durable is gone.
    #[error("the customers in `{path}` have lost their end: they were written up to {written}, and go up to {found}")]
    Shortened {
        /// Which folder.
        path: PathBuf,
        /// The number of the last writing that was durable.
        written: u64,
        /// The last that is there.
        found: u64,
    },
    /// A customer is not as they were written.
    #[error("what is stored of a customer is damaged")]
    Damaged,
    /// Reading or writing failed.
    #[error("the customers cannot be read or written: {0}")]
    Failed(String),
}
