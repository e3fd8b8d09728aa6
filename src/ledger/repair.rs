//! What opening a ledger repairs.

use std::path::PathBuf;

/// A repair that was made when a ledger was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// The last frame was torn and was cut off; its bytes were copied to this file.
    TornFrame(PathBuf),
    /// This file of the published log was damaged, and was rebuilt from the frames.
    LogFile(PathBuf),
    /// The keys of this many erased customers were found, and destroyed again.
    ErasedAgain(usize),
    /// The ledger was older than its last signed head, and continues as a new log. The folder has the head and the keys
    /// of the old log.
    NewLog(PathBuf),
    /// The signing key and the head were missing, so the log continues under a new key, in this file.
    NewKey(PathBuf),
}

impl std::fmt::Display for Repair {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TornFrame(copy) => {
                write!(
                    formatter,
                    "the last record was incomplete, so it was cut off; its bytes are in `{}`",
                    copy.display()
                )
            }
            Self::LogFile(path) => {
                write!(formatter, "`{}` was damaged, and was rebuilt from the records", path.display())
            }
            Self::ErasedAgain(count) => {
                write!(formatter, "{count} erased customers had come back, and were erased again")
            }
            Self::NewKey(path) => write!(
                formatter,
                "`{}` and the signed head were missing: the log continues under a new key, and it is \
                 unknown whether the ledger was the newest",
                path.display()
            ),
            Self::NewLog(earlier) => write!(
                formatter,
                "the ledger continues from an older copy, as a new log with a new key; those of the old log are in `{}`",
                earlier.display()
            ),
        }
    }
}
