//! Receipts: files of <https://c2sp.org/tlog-proof> that prove, to whom has the ledger's key and nothing else, that
//! a record stood in the ledger.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra BASE64(SALT ‖ RECORD)
//! index INDEX
//! BASE64(HASH)                    as many as the proof has
//!
//! the checkpoint
//! ```

use std::fmt;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::key::VerifyingKey;
use super::path::inclusion_holds;
use super::{Hash, Leaf, Salt, decode, encode, number};

/// The first line of every receipt.
const TITLE: &str = "c2sp.org/tlog-proof@v1";

/// Why a receipt proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is no receipt.
    #[error("is not a receipt of a consent record: {0}")]
    Shape(&'static str),
    /// Its checkpoint counts for nothing.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its record is not in the ledger at its place.
    #[error(
        "the record is not the one at position {} of the ledger: the receipt was changed, or is of another ledger",
        index.saturating_add(1)
    )]
    NotIncluded {
        /// The place that the receipt names, from 0.
        index: u64,
    },
}

/// A receipt. What it says counts only after [`Receipt::open`]. Written as its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The record, as the ledger committed to it.
    pub record: Vec<u8>,
    /// What keeps its leaf from being guessed.
    pub salt: Salt,
    /// Its place in the ledger, from 0.
    pub index: u64,
    /// The proof, from the leaf's sibling up.
    pub path: Vec<Hash>,
    /// The checkpoint: a signed note, as the ledger wrote it.
    pub checkpoint: String,
}

/// A receipt that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReceipt {
    /// The record.
    pub record: Vec<u8>,
    /// Its place in the ledger, from 0.
    pub index: u64,
    /// The head of the ledger that it was proved against.
    pub checkpoint: Checkpoint,
}

impl Receipt {
    /// Reads a receipt and verifies it against the key of its ledger.
    ///
    /// # Errors
    /// When it proves nothing.
    pub fn open(text: &str, key: &VerifyingKey) -> Result<VerifiedReceipt, ReceiptError> {
        Self::parse(text)?.verify(key)
    }

    /// Verifies it against the key of its ledger.
    ///
    /// # Errors
    /// When it proves nothing.
    pub fn verify(self, key: &VerifyingKey) -> Result<VerifiedReceipt, ReceiptError> {
        let Self { record, salt, index, path, checkpoint } = self;
        let checkpoint = Checkpoint::open(&checkpoint, key)?;
        let leaf = Leaf::commit(&salt, &record).hash();
        if !inclusion_holds(leaf, index, checkpoint.size, &path, checkpoint.root) {
            return Err(ReceiptError::NotIncluded { index });
        }
        Ok(VerifiedReceipt { record, index, checkpoint })
    }

    fn parse(text: &str) -> Result<Self, ReceiptError> {
        use ReceiptError::Shape;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(Shape("no empty line precedes its checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(TITLE) {
            return Err(Shape("its first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let extra = lines.next().and_then(|line| decode(line.strip_prefix("extra ")?));
        let extra = extra.ok_or(Shape("its second line is not `extra` with the record"))?;
        let (salt, record) = extra.split_first_chunk().ok_or(Shape("its second line is too short"))?;
        let index = lines.next().and_then(|line| number(line.strip_prefix("index ")?));
        let index = index.ok_or(Shape("its third line is not `index` with a number"))?;
        let path = lines.map(Hash::parse).collect::<Option<_>>().ok_or(Shape("a line of the proof is not a hash"))?;
        Ok(Self { record: record.to_vec(), salt: Salt(*salt), index, path, checkpoint: checkpoint.to_owned() })
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extra: Vec<u8> = self.salt.0.iter().chain(&self.record).copied().collect();
        writeln!(formatter, "{TITLE}\nextra {}\nindex {}", encode(extra), self.index)?;
        for hash in &self.path {
            writeln!(formatter, "{hash}")?;
        }
        write!(formatter, "\n{}", self.checkpoint)
    }
}
