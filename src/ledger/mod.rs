//! The consent ledger: an append-only record of every consent change.
//!
//! A ledger answers after a record is as durable as it can make it. The order of effects is the engine's:
//! restrictions bind in memory before they are appended, grants only after.

mod closed;
mod file;
mod frame;
mod memory;
mod payload;

use crate::domain::consent::ConsentRecord;

pub use closed::ClosedLedger;
pub use file::{FileLedger, OpenError, Opened};
pub use memory::MemoryLedger;

/// Why a record was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Nothing can be appended until an operator has looked.
    #[error("{0}")]
    Unavailable(String),
}

/// An append-only ledger, small enough to be crashed on purpose in a test.
pub trait Ledger: std::fmt::Debug + Send + Sync {
    /// Appends records in order, all or none, and answers with the position of the last.
    ///
    /// # Errors
    /// When they are not durable; none of them counts then.
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError>;
}
