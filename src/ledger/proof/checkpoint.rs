//! Checkpoints of <https://c2sp.org/tlog-checkpoint>: the signed head of a log.
//!
//! ```text
//! ORIGIN
//! SIZE
//! BASE64(ROOT)
//! [extension lines]
//! ```

use super::key::{SigningKey, VerifyingKey};
use super::note::{self, NoteError};
use super::{Hash, number};

/// Why a checkpoint is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is not a note signed by this key.
    #[error("the checkpoint {0}")]
    Note(#[from] NoteError),
    /// The text of the note is not a checkpoint.
    #[error("the checkpoint has no {0}")]
    Shape(&'static str),
    /// It belongs to a log other than that of this key.
    #[error("the checkpoint is of the log `{0}`, which is not the name of the key")]
    OtherLog(String),
}

/// The verified content of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log: the name of its key.
    pub origin: String,
    /// The number of leaves that it covers.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Extension lines. This ledger adds none.
    pub extension: Vec<String>,
}

impl Checkpoint {
    /// Signs a checkpoint, and returns the note.
    #[must_use]
    pub fn sign(size: u64, root: Hash, key: &SigningKey) -> String {
        note::sign(&format!("{}\n{size}\n{root}\n", key.name()), key)
    }

    /// Verifies a note, and returns its checkpoint.
    ///
    /// # Errors
    /// When the key did not sign the note for the log of its name, or the note is not a checkpoint.
    pub fn open(note: &str, key: &VerifyingKey) -> Result<Self, CheckpointError> {
        use CheckpointError::Shape;
        let text = note::open(note, key)?;
        let mut lines = text.split_terminator('\n');
        let origin = lines.next().filter(|origin| !origin.is_empty()).ok_or(Shape("origin in its first line"))?;
        let size = lines.next().and_then(number).ok_or(Shape("size in its second line"))?;
        let root = lines.next().and_then(Hash::parse).ok_or(Shape("root in its third line"))?;
        let extension: Vec<String> = lines.map(str::to_owned).collect();
        if extension.iter().any(String::is_empty) {
            return Err(Shape("text in one of its further lines"));
        }
        if origin != key.name() {
            return Err(CheckpointError::OtherLog(origin.to_owned()));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extension })
    }
}
