//! A look at a ledger that changes nothing and keeps nobody off, so that it works while a server writes.
//!
//! What the server may be about to finish (a frame, a new customer's key) is no damage: whatever stands behind the
//! newest checkpoint was durable before that was signed.

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::chain::{Chain, Seen};
use super::content::{self, Content};
use super::customer_keys::{self, KeyName, Keys};
use super::disk::{Disk, RealDisk};
use super::notary::{CHECKPOINT, LogFolders, VERIFYING_KEY};
use super::proof::{Checkpoint, CheckpointError, Hash, ProofError, Receipt, ReceiptError, TileError, TileNodes};
use super::proof::{VerifyingKey, consistency, consistency_holds, inclusion, root};
use super::recovery::{CUSTOMER_KEYS, at};
use super::secrets::Secrets;
use super::{LedgerSettings, OpenError, register, segment};
use crate::domain::consent::{ConsentRecord, json_ld};

/// A ledger that is looked at.
pub struct Inspection {
    pub(super) folders: LogFolders,
    /// What makes records readable, if the keys folder is there.
    opener: Option<Opener>,
}

struct Opener {
    secrets: Secrets,
    keys: Keys,
    erased: HashSet<KeyName>,
}

/// What a frame turns out to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// What came of opening it.
    Content(Content),
    /// Nothing that can be read: its customer was erased.
    Erased,
    /// Nothing that can be read without the keys folder.
    Sealed,
}

/// Why something cannot be proved.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The published checkpoint counts for nothing.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The record or the size that is asked for is not covered by the newest checkpoint.
    #[error("the newest checkpoint covers {signed} records, and not {asked}")]
    NotSigned {
        /// What was asked for.
        asked: u64,
        /// How many records are signed.
        signed: u64,
    },
    /// No record has this name.
    #[error("no record that can be read is called `{0}`")]
    NoRecord(String),
    /// The record cannot be read.
    #[error("record {0} is an erased customer's, and only a receipt that they kept still shows it")]
    Erased(u64),
    /// The record cannot be read.
    #[error("record {0} cannot be read without the keys folder")]
    Sealed(u64),
    /// The record cannot be read.
    #[error("record {0} does not open with its key")]
    Damaged(u64),
    /// A tile does not give what a proof needs.
    #[error("a tile of the published log cannot be used: {0}")]
    Tile(#[from] TileError<io::Error>),
    /// The receipt that was made does not hold.
    #[error("the receipt does not hold, so a file of the published log is damaged: {0}")]
    Receipt(#[from] ReceiptError),
    /// The proof that was made does not hold.
    #[error("the proof does not hold, so a file of the published log is damaged")]
    Proof,
}

impl From<ProofError<TileError<io::Error>>> for InspectError {
    fn from(error: ProofError<TileError<io::Error>>) -> Self {
        match error {
            ProofError::Beyond { asked, size } => Self::NotSigned { asked, signed: size },
            ProofError::Missing(tile) => Self::Tile(tile),
        }
    }
}

impl Inspection {
    /// Looks at a ledger. Without a keys folder, its records stay closed.
    ///
    /// # Errors
    /// When there is no ledger, or its keys are not as they were written.
    pub fn of(settings: &LedgerSettings) -> Result<Self, OpenError> {
        let folders = settings.folders();
        RealDisk.names(&folders.ledger).map_err(at(&folders.ledger))?;
        let opener = Opener::read(&folders)?;
        Ok(Self { folders, opener })
    }

    /// The same without a keys folder.
    pub(super) fn without_keys(settings: &LedgerSettings) -> Self {
        Self { folders: settings.folders(), opener: None }
    }

    /// The same ledger with the keys of now.
    pub(super) fn again(&self) -> Result<Self, OpenError> {
        Ok(Self { folders: self.folders.clone(), opener: Opener::read(&self.folders)? })
    }

    /// Whether records can be opened.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.opener.is_some()
    }

    /// The key beside the published log, and its file. Whoever could change the ledger could change it, too.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn published_key(&self) -> Result<(PathBuf, String), OpenError> {
        self.published(VERIFYING_KEY)
    }

    /// The published checkpoint, and its file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn checkpoint(&self) -> Result<(PathBuf, String), OpenError> {
        self.published(CHECKPOINT)
    }

    fn published(&self, name: &str) -> Result<(PathBuf, String), OpenError> {
        let path = self.folders.log.join(name);
        let text = std::fs::read_to_string(&path).map_err(at(&path))?;
        Ok((path, text))
    }

    /// The receipt of the record at a position, which holds with this key.
    ///
    /// # Errors
    /// When there is no such record, it cannot be read, or the log does not prove it.
    pub fn receipt(&self, position: u64, key: &VerifyingKey) -> Result<String, InspectError> {
        let (_, note) = self.checkpoint()?;
        let signed = Checkpoint::open(&note, key)?.size;
        let mut found = None;
        if (1..=signed).contains(&position) {
            self.read(position, |seen| {
                found = (seen.header.position == position).then(|| self.open(seen));
                if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        let (record, salt) = match found.ok_or(InspectError::NotSigned { asked: position, signed })? {
            Held::Content(Content::Record(record, salt)) => (record, salt),
            Held::Content(Content::NoKey) | Held::Erased => return Err(InspectError::Erased(position)),
            Held::Content(Content::Damaged) => return Err(InspectError::Damaged(position)),
            Held::Sealed => return Err(InspectError::Sealed(position)),
        };
        let index = position - 1;
        let mut nodes = self.nodes(signed);
        let path = inclusion(index, signed, |node| nodes.node(node))?;
        let receipt = Receipt { record: json_ld(&record).into_bytes(), salt, index, path, checkpoint: note };
        let text = receipt.to_string();
        receipt.verify(key)?;
        Ok(text)
    }

    /// The proof that the log of `size` records begins with the log of `earlier`.
    ///
    /// # Errors
    /// When this checkpoint does not cover so many records, or a tile cannot be used.
    pub fn consistency(&self, earlier: u64, size: u64, signed: &Checkpoint) -> Result<Vec<Hash>, InspectError> {
        if size > signed.size {
            return Err(InspectError::NotSigned { asked: size, signed: signed.size });
        }
        let mut nodes = self.nodes(signed.size);
        let path = consistency(earlier, size, |node| nodes.node(node))?;
        let mut head = |size| Ok::<_, InspectError>((size, root(size, |node| nodes.node(node))?));
        let (old, new, whole) = (head(earlier)?, head(size)?, head(signed.size)?);
        let holds = whole.1 == signed.root && consistency_holds(old, new, &path);
        if holds { Ok(path) } else { Err(InspectError::Proof) }
    }

    fn nodes(&self, size: u64) -> TileNodes<impl FnMut(&str) -> io::Result<Vec<u8>>> {
        TileNodes::new(size, |path: &str| std::fs::read(self.folders.log.join(path)))
    }

    /// Every record that can be read, oldest first.
    ///
    /// # Errors
    /// When the ledger is not as it was written.
    pub fn records(&self, mut visit: impl FnMut(u64, ConsentRecord) -> ControlFlow<()>) -> Result<(), OpenError> {
        self.read(1, |seen| match self.open(seen) {
            Held::Content(Content::Record(record, _)) => visit(seen.header.position, *record),
            _ => ControlFlow::Continue(()),
        })
        .map(drop)
    }

    /// Reads frames from the segment of a position on, and checks that each follows the one before. Where a frame was
    /// never finished, its file and offset.
    ///
    /// # Errors
    /// When a file cannot be read, or is not as it was written.
    pub fn read(
        &self,
        position: u64,
        mut visit: impl FnMut(&Seen<'_>) -> ControlFlow<()>,
    ) -> Result<Option<(PathBuf, usize)>, OpenError> {
        let names = RealDisk.names(&self.folders.ledger).map_err(at(&self.folders.ledger))?;
        let firsts: Vec<u64> = names.iter().filter_map(|name| segment::first(name)).collect();
        let before = firsts.partition_point(|first| *first <= position).saturating_sub(1);
        let (firsts, later) = (firsts.get(before..).unwrap_or(&[]), before > 0);
        let mut chain = match firsts.first() {
            Some(first) if later => Chain::from_middle(*first),
            _ => Chain::from_start(),
        };
        for (index, first) in firsts.iter().enumerate() {
            let file = segment::path(&self.folders.ledger, *first);
            let bytes = RealDisk.read(&file).map_err(at(&file))?;
            let mut frames = chain.segment(&file, *first, &bytes)?;
            while let Some(seen) = frames.next()? {
                if visit(&seen).is_break() {
                    return Ok(None);
                }
            }
            let (end, rest);
            (chain, end, rest) = frames.end(index + 1 == firsts.len())?;
            if !rest.is_empty() {
                return Ok(Some((file, end)));
            }
        }
        Ok(None)
    }

    /// What a frame holds.
    #[must_use]
    pub fn open(&self, seen: &Seen<'_>) -> Held {
        let Some(Opener { secrets, keys, erased }) = &self.opener else { return Held::Sealed };
        match content::open(&seen.header, seen.payload, keys, secrets) {
            Content::NoKey if erased.contains(&seen.header.key) => Held::Erased,
            content => Held::Content(content),
        }
    }
}

impl Opener {
    /// Keys first and then the register: a key that goes in between is in the register before it goes.
    fn read(folders: &LogFolders) -> Result<Option<Self>, OpenError> {
        let Some(secrets) = Secrets::read(&RealDisk, &folders.keys)? else { return Ok(None) };
        let blocks = customer_keys::read(&RealDisk, &folders.ledger.join(CUSTOMER_KEYS), &secrets)?;
        let (erased, _) = register::read(&RealDisk, &folders.keys)?.unwrap_or_default();
        let erased: HashSet<_> = erased.into_iter().map(|erased| erased.key).collect();
        // An older copy of the data folder may still hold the key of somebody who was erased since.
        let keys = blocks.into_iter().flat_map(|(_, block)| block).filter(|(name, _)| !erased.contains(name)).collect();
        Ok(Some(Self { secrets, keys, erased }))
    }
}
