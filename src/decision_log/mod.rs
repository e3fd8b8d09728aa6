//! The decision log: what was decided and what became of it, for as long as anybody may need it.
//!
//! Append-only files under the data folder. Entries wait in a queue; a thread writes them within a second, so that a
//! call costs no more than the queue. Nothing is kept in memory per customer, and little per decision: `index` says
//! what. Files are removed whole, the oldest first, when the log is too old or too large.
//!
//! What stays readable of a decision (steps, time, rules, purposes) lies beside its sealed values. At a denial or a
//! purge, the values of all earlier entries of the customer are overwritten; an erasure overwrites the entries whole.
//! `docs/decisions/019-how-old-values-become-unreadable.md` has the reasons.
//!
//! - `entry` has the entries and their bytes, `segment` the files, `index` the index of one file;
//! - `queue` holds what is to be written, `writer` is the thread, `log` the open log, `reading` finds entries again;
//! - `repetition` overwrites again, at a start, what a kill or an older copy has left;
//! - `tally` counts for metrics, and `copy` copies the log to a backup.

mod copy;
mod entry;
mod index;
mod log;
mod queue;
mod reading;
mod repetition;
mod segment;
mod shared;
mod tally;
mod writer;

use std::fmt;
use std::path::PathBuf;

use crate::domain::time::Period;
use crate::io_at::IoAt;
use crate::ledger::LedgerError;

pub use entry::{
    ActionValues, Content, DecisionValues, Found, LoggedDecision, LoggedOutcome, LoggedValue, SilenceValues,
};
pub use log::{DecisionLog, OpenedLog};
pub use reading::{Page, Progress, ReadDecision, Wanted};
pub use repetition::{Denied, KnownDenials};
pub use segment::Place;
pub use shared::LogCounts;
pub use tally::Tally;

/// A decision that can be logged. It is turned into an entry on the log's thread.
pub trait Loggable: fmt::Debug + Send + Sync {
    /// The customer's id.
    fn customer(&self) -> &str;

    /// Passes on the entry, without the pseudonym, and its values.
    fn describe(&self, entry: &mut dyn FnMut(LoggedDecision, &DecisionValues<'_>));
}

/// How much the log keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// How long an entry is kept; up to a day longer, because files are removed whole.
    pub age: Period,
    /// The most bytes of all files.
    pub bytes: u64,
    /// One decision in this many is explained after its answer, for reports; 0 means none.
    pub sample: u32,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { age: Period(90 * Period::DAY.0), bytes: 10 << 30, sample: 100 }
    }
}

/// Why the log cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] IoAt),
    /// A later version wrote a file.
    #[error(
        "the decision log in `{path}` was written by a later version (format {found}; this one reads up to {known})"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u8,
        /// The newest version that this program reads.
        known: u8,
    },
    /// What was denied cannot be read from the ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Entries could not be overwritten.
    #[error("the decision log could not overwrite what it holds of the customer")]
    NotOverwritten,
}
