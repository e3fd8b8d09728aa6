//! Signs what the ledger has become: the tree over its leaves, tiles, and a checkpoint at least every second or 256
//! records.
//!
//! The newest checkpoint is kept with the secrets before anybody sees it, so that a data folder restored from an
//! older copy is recognised. Tiles and the published checkpoint follow from the frames and are written without a
//! sync: at the next start they are mended.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::LedgerError;
use super::disk::{Disk, replace, write_loosely};
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
    /// Sign what there is, and answer.
    Sign(Sender<()>),
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
    /// When the oldest leaf that no checkpoint covers came.
    waiting_since: Option<Instant>,
}

impl Notary {
    /// A notary of a tree, who signs it at once.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn new(disk: Arc<dyn Disk>, folders: LogFolders, key: SigningKey, tree: Tree) -> io::Result<Self> {
        let newest = Newest::default();
        let public = format!("{}\n", key.verifying_key());
        write_loosely(&*disk, &folders.log.join(VERIFYING_KEY), public.as_bytes())?;
        let mut notary = Self { disk, folders, key, tree, newest, waiting_since: None };
        notary.sign()?;
        Ok(notary)
    }

    /// What it signed last, now and later.
    pub fn newest(&self) -> Newest {
        self.newest.clone()
    }

    /// Signs until nobody is left to tell it anything.
    pub fn run(&mut self, words: &Receiver<Word>) {
        loop {
            let word = match self.waiting_since {
                None => words.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(since) => words.recv_timeout(LONGEST_UNSIGNED.saturating_sub(since.elapsed())),
            };
            let done = match word {
                Ok(Word::Leaves(leaves)) => self.take(&leaves),
                // A caller that has gone away needs no answer.
                Ok(Word::Sign(answer)) => self.sign().map(|()| answer.send(()).unwrap_or_default()),
                Err(RecvTimeoutError::Timeout) => self.sign(),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Err(error) = done {
                self.newest.lock().trouble = Some(format!("a checkpoint could not be kept: {error}"));
                return;
            }
        }
        if let Err(error) = self.sign() {
            self.newest.lock().trouble = Some(format!("a checkpoint could not be kept: {error}"));
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a length of time, which no clock setting changes")]
    fn take(&mut self, leaves: &[Leaf]) -> io::Result<()> {
        for leaf in leaves {
            for file in self.tree.append(leaf) {
                write_file(&*self.disk, &self.folders.log, &file)?;
                // The full tile stands for every partial one.
                self.disk.remove_folder(&self.folders.log.join(format!("{}.p", file.path)))?;
            }
        }
        self.waiting_since.get_or_insert_with(Instant::now);
        if self.tree.size() - self.newest.lock().size >= MOST_UNSIGNED { self.sign() } else { Ok(()) }
    }

    fn sign(&mut self) -> io::Result<()> {
        self.waiting_since = None;
        let (size, before) = (self.tree.size(), self.newest.lock().clone());
        if size == before.size && !before.note.is_empty() {
            return Ok(());
        }
        let note = Checkpoint::sign(size, self.tree.root(), &self.key);
        replace(&*self.disk, &self.folders.keys.join(HEAD), note.as_bytes())?;
        for file in self.tree.partial_files(before.size) {
            write_file(&*self.disk, &self.folders.log, &file)?;
        }
        write_loosely(&*self.disk, &self.folders.log.join(CHECKPOINT), note.as_bytes())?;
        *self.newest.lock() = Signed { size, note, trouble: None };
        Ok(())
    }
}

/// Writes a file of the log that is not there, or not as it must be. Whether it was wrong.
///
/// # Errors
/// When the disk refuses.
pub fn mend_file(disk: &dyn Disk, log: &Path, file: &LogFile) -> io::Result<bool> {
    let found = match disk.read(&log.join(&file.path)) {
        Ok(bytes) if bytes == file.bytes => return Ok(false),
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    write_file(disk, log, file).map(|()| found)
}

fn write_file(disk: &dyn Disk, log: &Path, file: &LogFile) -> io::Result<()> {
    let path = log.join(&file.path);
    let folders: Vec<&Path> = path.ancestors().skip(1).take_while(|folder| *folder != log).collect();
    folders.into_iter().rev().try_for_each(|folder| disk.create_folder(folder))?;
    write_loosely(disk, &path, &file.bytes)
}
