//! Why a database cannot be used.

use crate::ledger::OpenError;

/// The version of the schema that this program uses.
pub const SCHEMA: i32 = 3;

/// Why a database cannot be used. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The address is not one.
    #[error("the address of the database is wrong: {0}")]
    Address(String),
    /// The database does not answer, or refuses.
    #[error("the database cannot be used: {0}")]
    Unusable(String),
    /// The server is too old.
    #[error("the database is PostgreSQL {0}; version 15 or later is needed")]
    TooOld(i32),
    /// The schema is that of another version of this program.
    #[error("the schema of the database is version {found}; this program uses version {SCHEMA}")]
    Schema {
        /// The version that was found; 0 if there is none.
        found: i32,
    },
    /// The keys folder is not the one that the database was made with.
    #[error("the keys folder `{0}` is not the one that the database was filled with")]
    OtherKeys(String),
    /// The keys cannot be read.
    #[error(transparent)]
    Keys(#[from] OpenError),
    /// A thread cannot be started.
    #[error("no thread to talk to the database with: {0}")]
    Thread(#[from] std::io::Error),
}
