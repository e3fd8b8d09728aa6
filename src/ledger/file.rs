//! The ledger on disk: asks go to one writer, answers about the past come from the files.

use std::any::Any;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, RwLock};
use std::thread::{self, JoinHandle};

use super::content::{self, Content};
use super::copy::{Take, check_whole, copy};
use super::disk::{Disk, RealDisk, is_full};
use super::frame::{self, Found, Header};
use super::notary::{CHECKPOINT, LogFolders, Newest, Notary, Signed, VERIFYING_KEY, Word};
use super::past::Past;
use super::proof::{CheckpointError, Hash, ProofError, Receipt, Salt, TileNodes, VerifyingKey, consistency, inclusion};
use super::recovery::{Recovered, at, create_folders, lock, recover};
use super::reserve::Reserve;
use super::secrets::Secrets;
use super::segment::{self, Segments};
use super::vault::{ErasedPerson, Vault};
use super::writer::{Append, Job, SharedBook, Writer, look};
use super::{Erasure, Ledger, LedgerError};
use crate::domain::consent::{ConsentRecord, ConsentStatus, json_ld};
use crate::domain::time::Moment;

/// The folder of frames and customer keys inside the data folder.
const LEDGER: &str = "ledger";
/// The folder of the published log inside the data folder.
const LOG: &str = "log";

/// Where a ledger lives.
#[derive(Debug, Clone)]
pub struct LedgerSettings {
    /// The data folder.
    pub data: PathBuf,
    /// The folder of what makes the data folder readable. It must not be in the backups of the data folder.
    pub keys: PathBuf,
    /// A checkpoint that the ledger must contain, and the file it comes from.
    pub expected_head: Option<(PathBuf, String)>,
    /// Goes on from a ledger that does not have the head that was signed last, as a new log. The old log's head and key
    /// are kept beside the keys.
    pub accept_older: bool,
    /// A segment is full from this many bytes on.
    pub segment_bytes: u64,
    /// So many bytes are kept free for restrictions: 4 MiB for some ten thousand.
    pub reserve_bytes: usize,
}

impl LedgerSettings {
    /// The settings of a data folder, with its keys in a folder beside it.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        let name = data.file_name().unwrap_or_default().to_string_lossy();
        let keys = data.with_file_name(format!("{name}-keys"));
        Self {
            data: data.to_owned(),
            keys,
            expected_head: None,
            accept_older: false,
            segment_bytes: 64 << 20,
            reserve_bytes: 4 << 20,
        }
    }

    pub(super) fn folders(&self) -> LogFolders {
        LogFolders { ledger: self.data.join(LEDGER), log: self.data.join(LOG), keys: self.keys.clone() }
    }
}

/// A ledger opened from disk.
#[derive(Debug)]
pub struct Opened {
    /// The ledger, to append to.
    pub ledger: FileLedger,
    /// What its records say together.
    pub past: Past,
    /// What was not as it should be, and is now.
    pub mended: Vec<Mended>,
}

/// What was mended when a ledger was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mended {
    /// The last frame was never finished; what there was of it is kept in this file.
    TornFrame(PathBuf),
    /// A file that follows from the frames was wrong, and was written anew.
    LogFile(PathBuf),
    /// So many keys of erased customers had come back, and are gone again.
    ErasedAgain(usize),
    /// It does not have the head that was signed last, and goes on as a new log. The folder holds head and key of the old.
    NewLog(PathBuf),
}

impl std::fmt::Display for Mended {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TornFrame(copy) => {
                write!(
                    formatter,
                    "the last record was never finished, so it was cut off; it is kept in `{}`",
                    copy.display()
                )
            }
            Self::LogFile(path) => {
                write!(formatter, "`{}` was damaged, and was written anew from the records", path.display())
            }
            Self::ErasedAgain(count) => {
                write!(formatter, "{count} erased customers had come back, and were erased again")
            }
            Self::NewLog(earlier) => write!(
                formatter,
                "the ledger goes on from an older copy, as a new log with a new key; the old log's are kept in `{}`",
                earlier.display()
            ),
        }
    }
}

/// Size and root of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many records it has.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl std::fmt::Display for Head {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} records with the root {}", self.size, self.root)
    }
}

/// Why a ledger does not open. Its files are left as they are.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk says no.
    #[error("`{path}`: {error}")]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// Another process has it.
    #[error("`{0}` is in use by another process")]
    InUse(PathBuf),
    /// It is not as it was written.
    #[error("`{path}` is damaged at byte {at}, after {records} whole records: {what}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        at: usize,
        /// How many records before that are whole.
        records: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// It is a backup: what is written into it would be in no backup.
    #[error("`{0}` is a backup, not a data folder")]
    Backup(PathBuf),
    /// Not everything has been put back into it yet.
    #[error("`{0}` is not whole: a restore into it is under way, or was cut short")]
    HalfRestored(PathBuf),
    /// There are records, and not what makes them readable.
    #[error("`{0}` is missing, and there is a ledger that needs it")]
    KeysMissing(PathBuf),
    /// A head that the ledger must contain counts for nothing.
    #[error("`{path}`: {error}")]
    Head {
        /// Where the head was.
        path: PathBuf,
        /// Why.
        error: CheckpointError,
    },
    /// It is older than it was, or another.
    #[error("the ledger is an older copy, or another: it has {found}, and it had {signed}")]
    OtherHead {
        /// What it is.
        found: Head,
        /// What it was.
        signed: Head,
    },
}

/// The thread that writes frames.
const WRITER: &str = "ledger-writer";
/// The thread that signs checkpoints.
const SIGNER: &str = "ledger-signer";

/// A ledger on disk.
pub struct FileLedger {
    disk: Arc<dyn Disk>,
    folders: LogFolders,
    secrets: Arc<Secrets>,
    book: SharedBook,
    newest: Newest,
    verifying: VerifyingKey,
    asks: Option<(Sender<Job>, Sender<Word>)>,
    threads: Vec<(&'static str, JoinHandle<()>)>,
    _lock: Box<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for FileLedger {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "FileLedger({})", self.folders.ledger.display())
    }
}

impl FileLedger {
    /// Opens a ledger, or begins one.
    ///
    /// # Errors
    /// When the disk refuses, another process has it, or it is not as it was written.
    pub fn open(settings: &LedgerSettings) -> Result<Opened, OpenError> {
        Self::open_on(Arc::new(RealDisk), settings)
    }

    /// The same on another disk.
    ///
    /// # Errors
    /// When the disk refuses, another process has it, or it is not as it was written.
    pub fn open_on(disk: Arc<dyn Disk>, settings: &LedgerSettings) -> Result<Opened, OpenError> {
        let folders = settings.folders();
        check_whole(&settings.data)?;
        create_folders(&*disk, &folders.ledger)?;
        create_folders(&*disk, &folders.log)?;
        create_folders(&*disk, &folders.keys)?;
        // The keys too: two data folders with one set of keys would each sign what the other must not be older than.
        let lock = Box::new((lock(&*disk, &folders.ledger)?, lock(&*disk, &folders.keys)?));
        // A restore may have begun meanwhile.
        check_whole(&settings.data)?;
        let reserve = Reserve::new(Arc::clone(&disk), folders.ledger.clone(), settings.reserve_bytes);
        let mut reserve = reserve.map_err(at(&folders.ledger))?;
        let mut recovered = recover(&disk, settings, &folders);
        if matches!(&recovered, Err(OpenError::Disk { error, .. }) if is_full(error)) && reserve.release() {
            recovered = recover(&disk, settings, &folders);
        }
        Self::start(disk, settings, (recovered?, reserve), lock).map_err(at(&folders.ledger))
    }

    /// Wraps every customer key under a new key, and forgets the old one: copies of the data folder that were made
    /// before become unreadable. A rotation that is cut short ends when the ledger is opened next.
    ///
    /// # Errors
    /// When there is no ledger, or it does not open, such as while a server has it.
    pub fn rotate_key(settings: &LedgerSettings) -> Result<(), OpenError> {
        let nothing = || at(&settings.keys)(io::ErrorKind::NotFound.into());
        Secrets::read(&RealDisk, &settings.keys)?.ok_or_else(nothing)?;
        let opened = Self::open(settings)?;
        let begun = Secrets::clone(&opened.ledger.secrets).begin_rotation(&RealDisk);
        begun.map_err(at(&settings.keys))?;
        drop(opened);
        Self::open(settings).map(drop)
    }

    /// Whether a rotation of the key was cut short: until it ends, there are data that only the old key opens.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub fn is_rotating(settings: &LedgerSettings) -> Result<bool, OpenError> {
        Ok(Secrets::read(&RealDisk, &settings.keys)?.is_some_and(|secrets| secrets.is_rotating()))
    }

    /// The keys of a store of customers beside this ledger.
    ///
    /// # Errors
    /// When the disk refuses, or they are not as they were written.
    pub fn vault(&self, settings: &LedgerSettings) -> Result<Vault, OpenError> {
        Vault::open(Arc::clone(&self.disk), &settings.data, Arc::clone(&self.secrets))
    }

    /// Everybody who was erased.
    #[must_use]
    pub fn erased(&self) -> Vec<ErasedPerson> {
        look(&self.book).erasures().map(|(token, position)| ErasedPerson::new(token, position)).collect()
    }

    /// The records at these positions that may be read, oldest first.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub fn records_at(&self, positions: RangeInclusive<u64>) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        let last = self.size().min(*positions.end());
        let read = |position| match self.open_record(position) {
            Ok((record, _)) if record.status == ConsentStatus::Erased => None,
            Ok((record, _)) => Some(Ok((position, record))),
            Err(LedgerError::NotFound(_)) => None,
            Err(error) => Some(Err(error)),
        };
        (*positions.start()..=last).filter_map(read).collect()
    }

    /// Starts the writer and the notary.
    fn start(
        disk: Arc<dyn Disk>,
        settings: &LedgerSettings,
        (recovered, mut reserve): (Recovered, Reserve),
        lock: Box<dyn Any + Send + Sync>,
    ) -> io::Result<Opened> {
        let folders = settings.folders();
        let Recovered { book, past, previous, last, log, mended, secrets, key, blocks, register } = recovered;
        let (secrets, verifying) = (Arc::new(secrets), key.verifying_key());
        let segments = Segments::open(Arc::clone(&disk), folders.ledger.clone(), settings.segment_bytes, last)?;
        let mut notary = Notary::new(Arc::clone(&disk), folders.clone(), key, log).map_err(io::Error::other)?;
        let (newest, book) = (notary.newest(), Arc::new(RwLock::new(book)));
        // Now rather than while the first caller waits. Where there is no room, the writer takes that into account.
        reserve.keep();
        let ((asks, jobs), (words, heard)) = (channel(), channel());
        let mut writer = Writer {
            segments,
            blocks,
            register,
            reserve,
            secrets: Arc::clone(&secrets),
            book: Arc::clone(&book),
            notary: words.clone(),
            newest: newest.clone(),
            previous,
            broken: None,
        };
        let threads = vec![
            (WRITER, thread::Builder::new().name(WRITER.into()).spawn(move || writer.run(&jobs))?),
            (SIGNER, thread::Builder::new().name(SIGNER.into()).spawn(move || notary.run(&heard))?),
        ];
        let asks = Some((asks, words));
        let ledger = Self { disk, folders, secrets, book, newest, verifying, asks, threads, _lock: lock };
        Ok(Opened { ledger, past, mended })
    }

    /// Asks the writer, and waits for its answer.
    fn ask<T>(&self, job: impl FnOnce(Sender<Result<T, LedgerError>>) -> Job) -> Result<T, LedgerError> {
        let ended = || LedgerError::Unavailable("the ledger's writer has ended".into());
        let (done, answer) = channel();
        let (asks, _) = self.asks.as_ref().ok_or_else(ended)?;
        asks.send(job(done)).map_err(|_| ended())?;
        answer.recv().map_err(|_| ended())?
    }

    /// A head that covers so many records.
    fn signed(&self, size: u64) -> Result<Signed, LedgerError> {
        let newest = self.newest.get()?;
        if newest.size >= size && !newest.note.is_empty() {
            return Ok(newest);
        }
        let ended = || {
            let trouble = self.newest.get().err();
            trouble.unwrap_or_else(|| LedgerError::Unavailable("nobody signs the ledger any more".into()))
        };
        let (done, answer) = channel();
        let (_, words) = self.asks.as_ref().ok_or_else(ended)?;
        words.send(Word::Sign(done)).map_err(|_| ended())?;
        answer.recv().map_err(|_| ended())??;
        self.newest.get()
    }

    /// A record, with the salt of its leaf.
    fn open_record(&self, position: u64) -> Result<(ConsentRecord, Salt), LedgerError> {
        let (header, sealed) = self.read_frame(position)?;
        match content::open(&header, &sealed, look(&self.book).keys(), &self.secrets) {
            Content::Record(record, salt) => Ok((*record, salt)),
            Content::NoKey => Err(LedgerError::NotFound(format!("record {position} is an erased customer's"))),
            Content::Damaged => Err(unreadable(position)),
        }
    }

    fn read_frame(&self, position: u64) -> Result<(Header, Vec<u8>), LedgerError> {
        let place = look(&self.book).place(position);
        let place = place.ok_or_else(|| LedgerError::NotFound(format!("the ledger has no record {position}")))?;
        let path = segment::path(&self.folders.ledger, place.segment);
        let read = self.disk.read_part(&path, place.offset.into(), place.size as usize);
        let bytes = read.map_err(|error| LedgerError::Unavailable(format!("`{}`: {error}", path.display())))?;
        match frame::read(&bytes, 0) {
            Found::Frame { header, length, .. } if header.position == position => {
                Ok((header, bytes.get(frame::payload(length)).unwrap_or(&[]).to_vec()))
            }
            _ => Err(unreadable(position)),
        }
    }
}

fn unreadable(position: u64) -> LedgerError {
    LedgerError::Unavailable(format!("record {position} is damaged on disk"))
}

impl Ledger for FileLedger {
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        self.ask(|done| Job::Append(Append { records: records.to_vec(), done }))
    }

    fn erase(&self, customer: &str, now: Moment) -> Result<Erasure, LedgerError> {
        self.ask(|done| Job::Erase(customer.into(), now, done))
    }

    fn erased_at(&self, customer: &str) -> Option<u64> {
        let token = self.secrets.token(customer);
        look(&self.book).erasure(&token)
    }

    fn size(&self) -> u64 {
        look(&self.book).len()
    }

    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        let positions = look(&self.book).customer(customer).map(|known| known.positions.clone()).unwrap_or_default();
        let read = |position| Ok((position, self.open_record(position)?.0));
        positions.into_iter().map(read).collect()
    }

    fn checkpoint(&self) -> Result<String, LedgerError> {
        Ok(self.signed(look(&self.book).len())?.note)
    }

    fn receipt(&self, position: u64) -> Result<String, LedgerError> {
        let (record, salt) = self.open_record(position)?;
        let signed = self.signed(position)?;
        let index = position.saturating_sub(1);
        let mut nodes = TileNodes::new(signed.size, |path: &str| self.disk.read(&self.folders.log.join(path)));
        let path = inclusion(index, signed.size, |node| nodes.node(node));
        let path = path.map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        let record = json_ld(&record).into_bytes();
        let receipt = Receipt { record, salt, index, path, checkpoint: signed.note };
        let holds = receipt.clone().verify(&self.verifying);
        holds.map_err(|error| LedgerError::Unavailable(format!("a tile of the ledger is damaged: {error}")))?;
        Ok(receipt.to_string())
    }

    fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        let signed = self.signed(size)?;
        if size > signed.size {
            return Err(LedgerError::NotFound(format!("the ledger has {} records, not {size}", signed.size)));
        }
        let mut nodes = TileNodes::new(signed.size, |path: &str| self.disk.read(&self.folders.log.join(path)));
        consistency(earlier, size, |node| nodes.node(node)).map_err(|error| match error {
            ProofError::Beyond { .. } => LedgerError::NotFound(error.to_string()),
            ProofError::Missing(_) => LedgerError::Unavailable(error.to_string()),
        })
    }

    fn copy(&self, take: &mut Take<'_>) -> Result<(), LedgerError> {
        let note = self.checkpoint()?;
        let copied = copy(&*self.disk, (LEDGER, &self.folders.ledger), &self.book, take)
            .and_then(|()| take(&format!("{LOG}/{VERIFYING_KEY}"), format!("{}\n", self.verifying).into_bytes()))
            .and_then(|()| take(&format!("{LOG}/{CHECKPOINT}"), note.into_bytes()));
        copied.map_err(|error| LedgerError::Unavailable(format!("the ledger cannot be copied: {error}")))
    }

    fn ended_thread(&self) -> Option<&'static str> {
        // The signer ends by itself once its disk has failed: then nothing is signed, and the ledger says so.
        let unexpected = |name| name == WRITER || self.newest.get().is_ok();
        let ended = self.threads.iter().filter(|(_, thread)| thread.is_finished());
        ended.map(|(name, _)| *name).find(|name| unexpected(*name))
    }

    fn verifier_key(&self) -> Result<String, LedgerError> {
        Ok(self.verifying.to_string())
    }
}

impl Drop for FileLedger {
    /// Lets the writer finish, and the notary sign what it wrote.
    fn drop(&mut self) {
        self.asks = None;
        for (_, thread) in self.threads.drain(..) {
            // A thread that panicked has nothing left to finish.
            drop(thread.join());
        }
    }
}
