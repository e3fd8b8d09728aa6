//! Reads a ledger without locking or changing it, also while a server appends to it.
//!
//! A frame or a key that the server is writing meanwhile is not damage. Everything that the latest checkpoint covers
//! was durable before the checkpoint was signed.

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::chain::{Chain, FrameRef};
use super::content::{self, Content};
use super::customer_keys::{self, Keys};
use super::disk::{Disk, RealDisk};
use super::proof::{Checkpoint, CheckpointError, Hash, ProofError, Receipt, ReceiptError, TileError, TileNodes};
use super::proof::{TreeHead, VerifyingKey, consistency, consistency_holds, inclusion, root};
use super::secrets::Secrets;
use super::settings::{LedgerFolders, LedgerSettings};
use super::{KeyName, OpenError, erasure_register, segment};
use crate::domain::consent::{ConsentRecord, json_ld};
use crate::io_at::AtPath as _;

/// A ledger that is open for reading.
pub struct Inspection {
    pub(super) folders: LedgerFolders,
    /// Decrypts records, if the keys folder exists.
    opener: Option<Opener>,
}

struct Opener {
    secrets: Secrets,
    keys: Keys,
    erased: HashSet<KeyName>,
}

/// A record as an inspection finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredRecord {
    /// The decrypted content, or why it cannot be decrypted.
    Content(Content),
    /// The customer was erased.
    Erased,
    /// The keys folder is missing.
    Sealed,
}

/// Why a proof cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The published checkpoint is invalid.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The latest checkpoint does not cover the requested record or size.
    #[error("the newest checkpoint covers {signed} records, not {asked}")]
    NotSigned {
        /// The requested position or size.
        asked: u64,
        /// The number of records that the checkpoint covers.
        signed: u64,
    },
    /// No readable record has this id.
    #[error("no record that can be read is called `{0}`")]
    NoRecord(String),
    /// The customer of the record at this position was erased.
    #[error("record {0} is an erased customer's; only a receipt that they kept still shows it")]
    Erased(u64),
    /// The record at this position cannot be decrypted without the keys folder.
    #[error("record {0} cannot be read without the keys folder")]
    Sealed(u64),
    /// The record at this position is damaged.
    #[error("record {0} cannot be decrypted with its key")]
    Damaged(u64),
    /// A tile of the published log is missing or damaged.
    #[error("a tile of the published log cannot be used: {0}")]
    Tile(#[from] TileError<io::Error>),
    /// The new receipt does not verify.
    #[error("the receipt does not hold, so a file of the published log is damaged: {0}")]
    Receipt(#[from] ReceiptError),
    /// The new proof does not verify.
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
    /// Opens a ledger for reading. Without a keys folder, records cannot be decrypted.
    ///
    /// # Errors
    /// When there is no ledger, or its keys are damaged.
    pub fn open(settings: &LedgerSettings) -> Result<Self, OpenError> {
        let folders = settings.folders();
        let ledger = folders.data.ledger();
        RealDisk.file_names(&ledger).at(&ledger)?;
        let opener = Opener::read(&folders)?;
        Ok(Self { folders, opener })
    }

    /// Opens a ledger for reading, without its keys folder.
    pub(super) fn without_keys(settings: &LedgerSettings) -> Self {
        Self { folders: settings.folders(), opener: None }
    }

    /// The same ledger with the keys that exist now.
    pub(super) fn with_current_keys(&self) -> Result<Self, OpenError> {
        Ok(Self { folders: self.folders.clone(), opener: Opener::read(&self.folders)? })
    }

    /// Whether records can be decrypted.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.opener.is_some()
    }

    /// The public key in the published log, and its file. It proves nothing to others: an attacker who can change the
    /// ledger can change this file, too.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn published_key(&self) -> Result<(PathBuf, String), OpenError> {
        published(self.folders.data.verifying_key())
    }

    /// The published checkpoint, and its file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn checkpoint(&self) -> Result<(PathBuf, String), OpenError> {
        published(self.folders.data.checkpoint())
    }

    /// The receipt of the record at a position, verified with the given key.
    ///
    /// # Errors
    /// When there is no such record, it cannot be decrypted, or the log does not prove it.
    pub fn receipt(&self, position: u64, key: &VerifyingKey) -> Result<String, InspectError> {
        let (_, note) = self.checkpoint()?;
        let signed = Checkpoint::open(&note, key)?.size;
        let mut found = None;
        if (1..=signed).contains(&position) {
            self.read(position, |frame| {
                found = (frame.header.position == position).then(|| self.open_record(frame));
                if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        let (record, salt) = match found.ok_or(InspectError::NotSigned { asked: position, signed })? {
            StoredRecord::Content(Content::Record(record, salt)) => (record, salt),
            StoredRecord::Content(Content::NoKey) | StoredRecord::Erased => return Err(InspectError::Erased(position)),
            StoredRecord::Content(Content::Damaged) => return Err(InspectError::Damaged(position)),
            StoredRecord::Sealed => return Err(InspectError::Sealed(position)),
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
    /// When this checkpoint does not cover `size` records, or a tile is missing or damaged.
    pub fn consistency(&self, earlier: u64, size: u64, signed: &Checkpoint) -> Result<Vec<Hash>, InspectError> {
        if size > signed.size {
            return Err(InspectError::NotSigned { asked: size, signed: signed.size });
        }
        let mut nodes = self.nodes(signed.size);
        let path = consistency(earlier, size, |node| nodes.node(node))?;
        let mut head = |size| Ok::<_, InspectError>(TreeHead { size, root: root(size, |node| nodes.node(node))? });
        let (old, new, whole) = (head(earlier)?, head(size)?, head(signed.size)?);
        let holds = whole.root == signed.root && consistency_holds(old, new, &path);
        if holds { Ok(path) } else { Err(InspectError::Proof) }
    }

    fn nodes(&self, size: u64) -> TileNodes<impl FnMut(&str) -> io::Result<Vec<u8>>> {
        let log = self.folders.data.log();
        TileNodes::new(size, move |path: &str| std::fs::read(log.join(path)))
    }

    /// Visits every record that can be decrypted, with its position, oldest first.
    ///
    /// # Errors
    /// When a file cannot be read, or is damaged.
    pub fn records(&self, mut visit: impl FnMut(u64, ConsentRecord) -> ControlFlow<()>) -> Result<(), OpenError> {
        self.read(1, |frame| match self.open_record(frame) {
            StoredRecord::Content(Content::Record(record, _)) => visit(frame.header.position, *record),
            _ => ControlFlow::Continue(()),
        })
        .map(drop)
    }

    /// Visits the frames from the segment of a position on, and checks their chain. Returns the file and the offset of
    /// a torn last frame.
    ///
    /// # Errors
    /// When a file cannot be read, or is damaged.
    pub fn read(
        &self,
        position: u64,
        mut visit: impl FnMut(&FrameRef<'_>) -> ControlFlow<()>,
    ) -> Result<Option<(PathBuf, usize)>, OpenError> {
        let ledger = self.folders.data.ledger();
        let names = RealDisk.file_names(&ledger).at(&ledger)?;
        let firsts: Vec<u64> = names.iter().filter_map(|name| segment::first(name)).collect();
        let before = firsts.partition_point(|first| *first <= position).saturating_sub(1);
        let (firsts, later) = (firsts.get(before..).unwrap_or(&[]), before > 0);
        let mut chain = match firsts.first() {
            Some(first) if later => Chain::from_position(*first),
            _ => Chain::from_start(),
        };
        for (index, first) in firsts.iter().enumerate() {
            let file = segment::path(&ledger, *first);
            let bytes = RealDisk.read(&file).at(&file)?;
            let mut frames = chain.segment(&file, *first, &bytes)?;
            while let Some(frame) = frames.next()? {
                if visit(&frame).is_break() {
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

    /// Decrypts the record in a frame.
    #[must_use]
    pub fn open_record(&self, frame: &FrameRef<'_>) -> StoredRecord {
        let Some(Opener { secrets, keys, erased }) = &self.opener else { return StoredRecord::Sealed };
        match content::open(&frame.header, frame.payload, keys, secrets) {
            Content::NoKey if erased.contains(&frame.header.head.key) => StoredRecord::Erased,
            content => StoredRecord::Content(content),
        }
    }
}

/// The text of a published file, with its path.
fn published(path: PathBuf) -> Result<(PathBuf, String), OpenError> {
    let text = std::fs::read_to_string(&path).at(&path)?;
    Ok((path, text))
}

impl Opener {
    /// Reads the keys before the register: a key that is destroyed in between was registered first.
    fn read(folders: &LedgerFolders) -> Result<Option<Self>, OpenError> {
        let Some(secrets) = Secrets::read(&RealDisk, &folders.keys)? else { return Ok(None) };
        let blocks = customer_keys::read(&RealDisk, &folders.data.record_keys(), &secrets)?;
        let (erased, _) = erasure_register::read(&RealDisk, &folders.keys)?.unwrap_or_default();
        let erased: HashSet<_> = erased.into_iter().map(|erased| erased.key).collect();
        // An older copy of the data folder may still have keys of customers who were erased since.
        let keys = blocks.into_iter().flat_map(|(_, block)| block).filter(|(name, _)| !erased.contains(name)).collect();
        Ok(Some(Self { secrets, keys, erased }))
    }
}
