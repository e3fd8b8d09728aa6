//! Signs the ledger: appends leaves to the Merkle tree, writes tiles, and signs a checkpoint at most a second or 256
//! records after a record was written. If the disk is full, records stay unsigned until there is room.
//!
//! A new checkpoint is stored in the keys folder before it is published, so that a data folder restored from an older
//! copy is detected. Tiles and the published checkpoint are derived from the frames, so they are written without a sync
//! and rebuilt at the next start if they are damaged.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::LedgerError;
use super::data_folder::VERIFYING_KEY;
use super::disk::{Disk, is_full, replace, replace_without_sync};
use super::proof::{Checkpoint, Leaf, LogFile, SigningKey, Tree};
use super::settings::LedgerFolders;
use crate::clock::Stopwatch;

/// The latest checkpoint, inside the keys folder.
pub const HEAD: &str = "head";
/// The most records that wait for a checkpoint.
const MAX_UNSIGNED: u64 = 256;
/// The longest time that a record waits for a checkpoint.
const MAX_UNSIGNED_TIME: Duration = Duration::from_secs(1);

/// A message to the signer.
pub enum SignerMessage {
    /// These leaves are durable.
    Leaves(Vec<Leaf>),
    /// Sign all leaves now, and reply with the result.
    Sign(Sender<Result<(), LedgerError>>),
}

/// A signed checkpoint, or why the ledger cannot be signed any more.
#[derive(Debug, Clone, Default)]
pub struct SignedCheckpoint {
    /// The number of leaves that it covers.
    pub size: u64,
    /// The signed note; empty before the first signature.
    pub note: String,
    /// The failure after which nothing is signed.
    pub failure: Option<String>,
}

/// The latest checkpoint, shared with readers and the writer.
#[derive(Debug, Clone, Default)]
pub struct LatestCheckpoint(Arc<Mutex<SignedCheckpoint>>);

impl LatestCheckpoint {
    fn lock(&self) -> MutexGuard<'_, SignedCheckpoint> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest checkpoint.
    ///
    /// # Errors
    /// When nothing can be signed any more.
    pub fn get(&self) -> Result<SignedCheckpoint, LedgerError> {
        let signed = self.lock().clone();
        match signed.failure {
            Some(failure) => Err(LedgerError::Unavailable(failure)),
            None => Ok(signed),
        }
    }
}

/// Signs on a thread of its own.
pub struct Signer {
    disk: Arc<dyn Disk>,
    folders: LedgerFolders,
    key: SigningKey,
    tree: Tree,
    latest: LatestCheckpoint,
    /// Complete files of the log that are not written yet, oldest first.
    unwritten: VecDeque<LogFile>,
    /// When the oldest unsigned leaf arrived, or when the last attempt to sign found the disk full.
    waiting_since: Option<Stopwatch>,
}

impl Signer {
    /// A signer that has signed the tree and written the `unwritten` files of its log.
    ///
    /// # Errors
    /// When the disk fails. If it is only full, the signer signs as soon as there is room.
    pub fn new(
        disk: Arc<dyn Disk>,
        folders: LedgerFolders,
        key: SigningKey,
        tree: Tree,
        unwritten: Vec<LogFile>,
    ) -> Result<Self, LedgerError> {
        let public = LogFile { path: VERIFYING_KEY.into(), bytes: format!("{}\n", key.verifying_key()).into_bytes() };
        let unwritten = std::iter::once(public).chain(unwritten).collect();
        let latest = LatestCheckpoint::default();
        let mut signer = Self { disk, folders, key, tree, latest, unwritten, waiting_since: None };
        match signer.sign() {
            Ok(()) | Err(LedgerError::Full(_)) => Ok(signer),
            Err(error) => Err(error),
        }
    }

    /// A handle to the latest checkpoint, now and later.
    pub fn latest(&self) -> LatestCheckpoint {
        self.latest.clone()
    }

    /// Signs until every sender is gone, or until nothing can be signed any more.
    pub fn run(&mut self, messages: &Receiver<SignerMessage>) {
        while self.latest.get().is_ok() {
            let message = match self.waiting_since {
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(since) => messages.recv_timeout(MAX_UNSIGNED_TIME.saturating_sub(since.elapsed())),
            };
            match message {
                Ok(SignerMessage::Leaves(leaves)) => self.append(&leaves),
                // A caller that has gone away needs no reply.
                Ok(SignerMessage::Sign(reply)) => drop(reply.send(self.sign())),
                // A failure is in `latest`.
                Err(RecvTimeoutError::Timeout) => drop(self.sign()),
                Err(RecvTimeoutError::Disconnected) => {
                    drop(self.sign());
                    return;
                }
            }
        }
    }

    fn append(&mut self, leaves: &[Leaf]) {
        for leaf in leaves {
            self.unwritten.extend(self.tree.append(leaf));
        }
        self.waiting_since.get_or_insert_with(Stopwatch::start);
        if self.tree.size() - self.latest.lock().size >= MAX_UNSIGNED {
            // A failure is in `latest`.
            drop(self.sign());
        }
    }

    /// Signs the tree and publishes the checkpoint. If the disk is full, it is tried again after a second.
    fn sign(&mut self) -> Result<(), LedgerError> {
        match self.publish() {
            Ok(()) => {
                self.waiting_since = None;
                Ok(())
            }
            Err(error) if is_full(&error) => {
                self.waiting_since = Some(Stopwatch::start());
                Err(LedgerError::Full("the disk is full: records are signed as soon as there is room".into()))
            }
            Err(error) => {
                let failure = format!("a checkpoint could not be stored: {error}");
                self.latest.lock().failure = Some(failure.clone());
                Err(LedgerError::Unavailable(failure))
            }
        }
    }

    fn publish(&mut self) -> io::Result<()> {
        let (size, before) = (self.tree.size(), self.latest.lock().clone());
        if size == before.size && !before.note.is_empty() {
            return Ok(());
        }
        let note = Checkpoint::sign(size, self.tree.root(), &self.key);
        replace(&*self.disk, &self.folders.keys.join(HEAD), note.as_bytes())?;
        let log = self.folders.data.log();
        while let Some(file) = self.unwritten.front() {
            write_file(&*self.disk, &log, file)?;
            // The full tile replaces its partial ones.
            self.disk.remove_folder(&log.join(format!("{}.p", file.path)))?;
            self.unwritten.pop_front();
        }
        for file in self.tree.partial_files(before.size) {
            write_file(&*self.disk, &log, &file)?;
        }
        replace_without_sync(&*self.disk, &self.folders.data.checkpoint(), note.as_bytes())?;
        *self.latest.lock() = SignedCheckpoint { size, note, failure: None };
        Ok(())
    }
}

/// Writes a file of the published log.
///
/// # Errors
/// When the disk fails.
pub fn write_file(disk: &dyn Disk, log: &Path, file: &LogFile) -> io::Result<()> {
    let path = log.join(&file.path);
    let folders: Vec<&Path> = path.ancestors().skip(1).take_while(|folder| *folder != log).collect();
    // Without a sync: these names need not be durable, and a sync would delay the writer, which syncs the same disk.
    folders.into_iter().rev().try_for_each(|folder| disk.create_folder(folder).map(drop))?;
    replace_without_sync(disk, &path, &file.bytes)
}
