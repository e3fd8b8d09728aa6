//! Signs what the ledger has become: the tree over its leaves, tiles, and a checkpoint at least every second or 256
//! records. Where the disk is full, what is written waits for its signature until there is room.
//!
//! The newest checkpoint is kept with the secrets before anybody sees it, so that a data folder restored from an
//! older copy is recognised. Tiles and the published checkpoint follow from the frames and are written without a
//! sync: at the next start they are mended.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::LedgerError;
use super::disk::{Disk, is_full, replace, write_loosely};
use super::proof::{Checkpoint, Leaf, LogFile, SigningKey, Tree};

/// The newest checkpoint, inside the keys folder.
pub const HEAD: &str = "head";
/// The published checkpoint, inside the folder of the log.
pub const CHECKPOINT: &str = "checkpoint";
/// The key that verifies it, beside it.
pub const VERIFYING_KEY: &str = "vkey";
/// So many records wait for a checkpoint at most.
const MOST_UNSIGNED: u64 = 256;
/// So long a record waits for a checkpoint at most.
const LONGEST_UNSIGNED: Duration = Duration::from_secs(1);

/// What the notary is told.
pub enum Word {
    /// These leaves are durable.
    Leaves(Vec<Leaf>),
    /// Sign what there is, and say what came of it.
    Sign(Sender<Result<(), LedgerError>>),
}

/// Where the notary keeps its files.
#[derive(Debug, Clone)]
pub struct LogFolders {
    /// The folder of frames and customer keys, which nobody else may read.
    pub ledger: PathBuf,
    /// The folder of the published log, which anybody may read.
    pub log: PathBuf,
    /// The keys folder.
    pub keys: PathBuf,
}

/// A signed head.
#[derive(Debug, Clone, Default)]
pub struct Signed {
    /// How many leaves it covers.
    pub size: u64,
    /// The note.
    pub note: String,
    /// Why nothing can be signed any more.
    pub trouble: Option<String>,
}

/// What others may know of the notary's work.
#[derive(Debug, Clone, Default)]
pub struct Newest(Arc<Mutex<Signed>>);

impl Newest {
    fn lock(&self) -> MutexGuard<'_, Signed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest signed head.
    ///
    /// # Errors
    /// When nothing can be signed any more.
    pub fn get(&self) -> Result<Signed, LedgerError> {
        let signed = self.lock().clone();
        match signed.trouble {
            Some(trouble) => Err(LedgerError::Unavailable(trouble)),
            None => Ok(signed),
        }
    }
}

/// Signs on a thread of its own.
pub struct Notary {
    disk: Arc<dyn Disk>,
    folders: LogFolders,
    key: SigningKey,
    tree: Tree,
    newest: Newest,
    /// Files that stay as they are once they are written, and are not written yet, oldest first.
    unwritten: VecDeque<LogFile>,
    /// When the oldest leaf that no checkpoint covers came, or nobody could sign for want of room.
    waiting_since: Option<Instant>,
}

impl Notary {
    /// A notary of a tree, who signs it at once, and writes these files of the log with it.
    ///
    /// # Errors
    /// When the disk refuses. If there is only no room, it signs as soon as there is.
    pub fn new(
        disk: Arc<dyn Disk>,
        folders: LogFolders,
        key: SigningKey,
        (tree, unwritten): (Tree, Vec<LogFile>),
    ) -> Result<Self, LedgerError> {
        let public = LogFile { path: VERIFYING_KEY.into(), bytes: format!("{}\n", key.verifying_key()).into_bytes() };
        let unwritten = std::iter::once(public).chain(unwritten).collect();
        let newest = Newest::default();
        let mut notary = Self { disk, folders, key, tree, newest, unwritten, waiting_since: None };
        match notary.sign() {
            Ok(()) | Err(LedgerError::Full(_)) => Ok(notary),
            Err(error) => Err(error),
        }
    }

    /// What it signed last, now and later.
    pub fn newest(&self) -> Newest {
        self.newest.clone()
    }

    /// Signs until nobody is left to tell it anything, or nothing can be signed any more.
    pub fn run(&mut self, words: &Receiver<Word>) {
        while self.newest.get().is_ok() {
            let word = match self.waiting_since {
                None => words.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(since) => words.recv_timeout(LONGEST_UNSIGNED.saturating_sub(since.elapsed())),
            };
            match word {
                Ok(Word::Leaves(leaves)) => self.take(&leaves),
                // A caller that has gone away needs no answer.
                Ok(Word::Sign(answer)) => drop(answer.send(self.sign())),
                // Whoever asks learns what it came to, from `newest`.
                Err(RecvTimeoutError::Timeout) => drop(self.sign()),
                Err(RecvTimeoutError::Disconnected) => {
                    drop(self.sign());
                    return;
                }
            }
        }
    }

    fn take(&mut self, leaves: &[Leaf]) {
        for leaf in leaves {
            self.unwritten.extend(self.tree.append(leaf));
        }
        self.waiting_since.get_or_insert_with(now);
        if self.tree.size() - self.newest.lock().size >= MOST_UNSIGNED {
            // Whoever asks learns what it came to, from `newest`.
            drop(self.sign());
        }
    }

    /// Signs the tree, and publishes it. What finds no room is kept, and tried again in a second.
    fn sign(&mut self) -> Result<(), LedgerError> {
        match self.publish() {
            Ok(()) => {
                self.waiting_since = None;
                Ok(())
            }
            Err(error) if is_full(&error) => {
                self.waiting_since = Some(now());
                Err(LedgerError::Full("the disk is full: what was written is signed as soon as there is room".into()))
            }
            Err(error) => {
                let trouble = format!("a checkpoint could not be kept: {error}");
                self.newest.lock().trouble = Some(trouble.clone());
                Err(LedgerError::Unavailable(trouble))
            }
        }
    }

    fn publish(&mut self) -> io::Result<()> {
        let (size, before) = (self.tree.size(), self.newest.lock().clone());
        if size == before.size && !before.note.is_empty() {
            return Ok(());
        }
        let note = Checkpoint::sign(size, self.tree.root(), &self.key);
        replace(&*self.disk, &self.folders.keys.join(HEAD), note.as_bytes())?;
        while let Some(file) = self.unwritten.front() {
            write_file(&*self.disk, &self.folders.log, file)?;
            // The full tile stands for every partial one.
            self.disk.remove_folder(&self.folders.log.join(format!("{}.p", file.path)))?;
            self.unwritten.pop_front();
        }
        for file in self.tree.partial_files(before.size) {
            write_file(&*self.disk, &self.folders.log, &file)?;
        }
        write_loosely(&*self.disk, &self.folders.log.join(CHECKPOINT), note.as_bytes())?;
        *self.newest.lock() = Signed { size, note, trouble: None };
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "for a length of time, which no clock setting changes")]
fn now() -> Instant {
    Instant::now()
}

/// Writes a file of the published log.
///
/// # Errors
/// When the disk refuses.
pub fn write_file(disk: &dyn Disk, log: &Path, file: &LogFile) -> io::Result<()> {
    let path = log.join(&file.path);
    let folders: Vec<&Path> = path.ancestors().skip(1).take_while(|folder| *folder != log).collect();
    // No name of theirs has to be durable: a sync here would hold up whoever waits for the frames on the same disk.
    folders.into_iter().rev().try_for_each(|folder| disk.create_folder(folder).map(drop))?;
    write_loosely(disk, &path, &file.bytes)
}
