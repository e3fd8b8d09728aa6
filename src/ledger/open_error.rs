//! Why a ledger cannot be opened.

use std::path::{Path, PathBuf};

use super::proof::{CheckpointError, TreeHead};
use crate::io_at::IoAt;

/// Why a ledger cannot be opened. Its files stay unchanged.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] IoAt),
    /// Another process has the folder open.
    #[error("`{0}` is in use by another process")]
    InUse(PathBuf),
    /// A file is damaged.
    #[error("`{path}` is damaged at byte {at}, after {records} whole records: {what}")]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// The offset of the damage, in bytes.
        at: usize,
        /// The number of whole records before it.
        records: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A later version of this program wrote a part of the ledger.
    #[error(
        "`{path}` was written by a later version from byte {at} on (frame version {found}; this one reads up to {known})"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The offset of the first frame of that version, in bytes.
        at: usize,
        /// The version of the frame.
        found: u16,
        /// The newest version that this program reads.
        known: u16,
    },
    /// A later version of this program wrote a file of keys.
    #[error("`{path}` was written by a later version (format {found}; this one reads up to {known})")]
    NewerFile {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: u8,
        /// The newest format that this program reads.
        known: u8,
    },
    /// The folder is a backup. A ledger that was continued there would be missing from the data folder.
    #[error("`{0}` is a backup, not a data folder")]
    Backup(PathBuf),
    /// The data folder is being restored, or a restore was interrupted.
    #[error("`{0}` is incomplete: a restore into it is in progress, or was interrupted")]
    HalfRestored(PathBuf),
    /// The keys are those of a database: a ledger in files would be another history under the same keys.
    #[error("the keys in `{0}` are those of a database, not of a data folder")]
    InDatabase(PathBuf),
    /// There are records, but not the keys to read them.
    #[error("`{0}` is missing, but the ledger needs it")]
    KeysMissing(PathBuf),
    /// A head that the ledger must contain cannot be verified.
    #[error("`{path}`: {error}")]
    Head {
        /// The file of the head.
        path: PathBuf,
        /// Why the head is invalid.
        error: CheckpointError,
    },
    /// The ledger does not contain a head that was signed.
    #[error("the ledger is an older copy, or another ledger: it has {found}, but signed {signed}")]
    OtherHead {
        /// The head of the ledger.
        found: TreeHead,
        /// The signed head.
        signed: TreeHead,
    },
}

impl OpenError {
    /// Refuses a file that begins with the title of a format, but with a later number. The last byte of `title` is the
    /// number that is known.
    pub(super) fn refuse_newer(path: &Path, bytes: &[u8], title: &[u8]) -> Result<(), Self> {
        let found = |(known, name): (&u8, &[u8])| Some((*bytes.strip_prefix(name)?.first()?, *known));
        match title.split_last().and_then(found) {
            Some((found, known)) if found.is_ascii_digit() && found > known => {
                Err(Self::NewerFile { path: path.to_owned(), found: found & 0xf, known: known & 0xf })
            }
            _ => Ok(()),
        }
    }
}
