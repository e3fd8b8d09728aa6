//! Receipts: files of <https://c2sp.org/tlog-proof> that prove, with the ledger's public key alone, that a record was
//! in the ledger.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra BASE64(SALT ‖ RECORD)
//! index INDEX
//! BASE64(HASH)                    one line for each hash of the proof
//!
//! the checkpoint
//! ```

use std::fmt;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::key::VerifyingKey;
use super::path::inclusion_holds;
use super::{Hash, Leaf, Salt, TreeHead, decode, encode, number};

/// The first line of every receipt.
const TITLE: &str = "c2sp.org/tlog-proof@v1";

/// Why a receipt is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The text is not a receipt.
    #[error("is not a receipt of a consent record: {0}")]
    Shape(&'static str),
    /// The checkpoint is invalid.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The record is not at its index in the ledger.
    #[error(
        "the record is not the one at position {} of the ledger: the receipt was changed, or is of another ledger",
        index.saturating_add(1)
    )]
    NotIncluded {
        /// The index in the receipt, from 0.
        index: u64,
    },
}

/// An unverified receipt. Its `Display` is the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The bytes of the record to which the ledger committed.
    pub record: Vec<u8>,
    /// The salt of the record's leaf.
    pub salt: Salt,
    /// The index of the record in the ledger, from 0.
    pub index: u64,
    /// The inclusion proof, from the leaf's sibling up.
    pub path: Vec<Hash>,
    /// The checkpoint, as a signed note.
    pub checkpoint: String,
}

/// A verified receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReceipt {
    /// The bytes of the record.
    pub record: Vec<u8>,
    /// The index of the record in the ledger, from 0.
    pub index: u64,
    /// The checkpoint that covers the record.
    pub checkpoint: Checkpoint,
}

impl Receipt {
    /// Parses a receipt and verifies it with the ledger's public key.
    ///
    /// # Errors
    /// When it is invalid.
    pub fn open(text: &str, key: &VerifyingKey) -> Result<VerifiedReceipt, ReceiptError> {
        Self::parse(text)?.verify(key)
    }

    /// Verifies the receipt with the ledger's public key.
    ///
    /// # Errors
    /// When it is invalid.
    pub fn verify(self, key: &VerifyingKey) -> Result<VerifiedReceipt, ReceiptError> {
        let Self { record, salt, index, path, checkpoint } = self;
        let checkpoint = Checkpoint::open(&checkpoint, key)?;
        let leaf = Leaf::commit(&salt, &record).hash();
        if !inclusion_holds(leaf, index, &path, TreeHead { size: checkpoint.size, root: checkpoint.root }) {
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
