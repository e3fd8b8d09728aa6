//! The ledger on disk: changes go through the writer thread; reads come from the files.

use std::any::Any;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::content::{self, Content};
use super::copy::{CopySink, copy};
use super::data_folder::{CHECKPOINT, LOG, VERIFYING_KEY};
use super::disk::{Disk, RealDisk, is_full};
use super::file_key::FileKeys;
use super::folder::{create_folders, lock};
use super::frame::{self, FrameRead, Header};
use super::frame_index::SharedIndex;
use super::keyring;
use super::open_error::OpenError;
use super::proof::{Hash, ProofError, Receipt, Salt, TileNodes, VerifyingKey, consistency, inclusion};
use super::record_summary::RecordSummary;
use super::recovery::{RecoveredLedger, recover};
use super::repair::Repair;
use super::reserve::Reserve;
use super::secrets::Secrets;
use super::segment::{self, Segments};
use super::settings::{LedgerFolders, LedgerSettings};
use super::signer::{LatestCheckpoint, SignedCheckpoint, Signer, SignerMessage};
use super::vault::{ErasedPerson, Vault};
use super::writer::{Append, Job, Writer};
use super::{Appending, Erasure, Ledger, LedgerError};
use crate::domain::consent::{ConsentRecord, ConsentStatus, json_ld};
use crate::domain::time::Moment;
use crate::io_at::{AtPath as _, IoAt};
use crate::sync::block_on;

/// A ledger with what was read when it was opened.
#[derive(Debug)]
pub struct OpenedLedger {
    /// The ledger, ready for appends.
    pub ledger: FileLedger,
    /// A summary of its records.
    pub summary: RecordSummary,
    /// The repairs that were made.
    pub repairs: Vec<Repair>,
}

/// The thread that writes frames.
const WRITER: &str = "ledger-writer";
/// The thread that signs checkpoints.
const SIGNER: &str = "ledger-signer";

/// A ledger on disk.
pub struct FileLedger {
    disk: Arc<dyn Disk>,
    folders: LedgerFolders,
    secrets: Arc<Secrets>,
    index: SharedIndex,
    latest: LatestCheckpoint,
    verifying_key: VerifyingKey,
    /// Dropped first, so that the threads end.
    senders: Option<Senders>,
    threads: Vec<(&'static str, JoinHandle<()>)>,
    _lock: Box<dyn Any + Send + Sync>,
}

struct Senders {
    writer: Sender<Job>,
    signer: Sender<SignerMessage>,
}

impl std::fmt::Debug for FileLedger {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "FileLedger({})", self.folders.data.ledger().display())
    }
}

impl FileLedger {
    /// Opens a ledger, or creates it.
    ///
    /// # Errors
    /// When the disk fails, another process has the ledger open, or it is damaged.
    pub fn open(settings: &LedgerSettings) -> Result<OpenedLedger, OpenError> {
        Self::open_on(Arc::new(RealDisk), settings)
    }

    /// Opens a ledger on the given disk, or creates it.
    ///
    /// # Errors
    /// When the disk fails, another process has the ledger open, or it is damaged.
    pub fn open_on(disk: Arc<dyn Disk>, settings: &LedgerSettings) -> Result<OpenedLedger, OpenError> {
        let folders = settings.folders();
        let ledger = folders.data.ledger();
        folders.data.check_complete()?;
        keyring::check_unused(&folders.keys)?;
        create_folders(&*disk, &ledger)?;
        create_folders(&*disk, &folders.data.log())?;
        create_folders(&*disk, &folders.keys)?;
        // The keys folder is locked too: two data folders that share it would replace each other's last signed head.
        let lock = Box::new((lock(&*disk, &ledger)?, lock(&*disk, &folders.keys)?));
        // Checked again under the lock, because a restore may have begun meanwhile.
        folders.data.check_complete()?;
        let reserve = Reserve::new(Arc::clone(&disk), ledger.clone(), settings.reserve_bytes);
        let mut reserve = reserve.at(&ledger)?;
        let mut recovered = recover(&disk, settings);
        if matches!(&recovered, Err(OpenError::Disk(error)) if is_full(&error.source)) && reserve.release() {
            recovered = recover(&disk, settings);
        }
        Ok(Self::start(disk, settings, recovered?, reserve, lock).at(&ledger)?)
    }

    /// Wraps every customer key under a new wrapping key and destroys the old one, so that earlier copies of the data
    /// folder become unreadable. An interrupted rotation is completed when the ledger is next opened.
    ///
    /// # Errors
    /// When there is no ledger, or it cannot be opened, for example because a server has it open.
    pub fn rotate_key(settings: &LedgerSettings) -> Result<(), OpenError> {
        let missing = || IoAt::new(&settings.keys, io::ErrorKind::NotFound.into());
        Secrets::read(&RealDisk, &settings.keys)?.ok_or_else(missing)?;
        let opened = Self::open(settings)?;
        let begun = Secrets::clone(&opened.ledger.secrets).begin_rotation(&RealDisk);
        begun.at(&settings.keys)?;
        drop(opened);
        Self::open(settings).map(drop)
    }

    /// Whether a rotation of the wrapping key was interrupted: some keys are then still wrapped by the old one.
    ///
    /// # Errors
    /// When the keys cannot be read.
    pub fn is_rotating(settings: &LedgerSettings) -> Result<bool, OpenError> {
        Ok(Secrets::read(&RealDisk, &settings.keys)?.is_some_and(|secrets| secrets.is_rotating()))
    }

    /// Opens the encryption keys of the customer store.
    ///
    /// # Errors
    /// When the disk fails, or a key block is damaged.
    pub fn vault(&self, settings: &LedgerSettings) -> Result<Vault, OpenError> {
        Vault::open(Arc::clone(&self.disk), &settings.data_folder(), Arc::clone(&self.secrets))
    }

    /// The keys of the decision log's files.
    #[must_use]
    pub fn file_keys(&self) -> FileKeys {
        FileKeys::new(Arc::clone(&self.secrets))
    }

    /// All erased customers.
    #[must_use]
    pub fn erased(&self) -> Vec<ErasedPerson> {
        self.index.read().erasures().map(|(token, position)| ErasedPerson::new(token, position)).collect()
    }

    /// The records at these positions, oldest first, without erasures and the records of erased customers.
    ///
    /// # Errors
    /// When the disk fails, or a record is damaged.
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

    /// Starts the writer and the signer.
    fn start(
        disk: Arc<dyn Disk>,
        settings: &LedgerSettings,
        recovered: RecoveredLedger,
        mut reserve: Reserve,
        lock: Box<dyn Any + Send + Sync>,
    ) -> io::Result<OpenedLedger> {
        let folders = settings.folders();
        let RecoveredLedger {
            index,
            summary,
            previous,
            last,
            tree,
            unwritten,
            repairs,
            secrets,
            key,
            blocks,
            register,
        } = recovered;
        let (secrets, verifying_key) = (Arc::new(secrets), key.verifying_key());
        let segments = Segments::open(Arc::clone(&disk), folders.data.ledger(), settings.segment_bytes, last)?;
        let signer = Signer::new(Arc::clone(&disk), folders.clone(), key, tree, unwritten);
        let mut signer = signer.map_err(io::Error::other)?;
        let (latest, index) = (signer.latest(), SharedIndex::new(index));
        // Now rather than while the first caller waits. Without room, the writer refuses grants.
        reserve.ensure();
        let ((writer_sender, jobs), (signer_sender, messages)) = (channel(), channel());
        let mut writer = Writer {
            segments,
            blocks,
            register,
            reserve,
            secrets: Arc::clone(&secrets),
            index: index.clone(),
            signer: signer_sender.clone(),
            latest: latest.clone(),
            previous,
            failure: None,
        };
        let threads = vec![
            (WRITER, thread::Builder::new().name(WRITER.into()).spawn(move || writer.run(&jobs))?),
            (SIGNER, thread::Builder::new().name(SIGNER.into()).spawn(move || signer.run(&messages))?),
        ];
        let senders = Some(Senders { writer: writer_sender, signer: signer_sender });
        let ledger = Self { disk, folders, secrets, index, latest, verifying_key, senders, threads, _lock: lock };
        Ok(OpenedLedger { ledger, summary, repairs })
    }

    /// Sends a job to the writer, and waits for its reply.
    fn request<T>(&self, job: impl FnOnce(Sender<Result<T, LedgerError>>) -> Job) -> Result<T, LedgerError> {
        let ended = || LedgerError::Unavailable("the ledger's writer has ended".into());
        let (sender, reply) = channel();
        let senders = self.senders.as_ref().ok_or_else(ended)?;
        senders.writer.send(job(sender)).map_err(|_| ended())?;
        reply.recv().map_err(|_| ended())?
    }

    /// A checkpoint that covers at least `size` records, if the ledger has that many.
    fn signed(&self, size: u64) -> Result<SignedCheckpoint, LedgerError> {
        let latest = self.latest.get()?;
        if latest.size >= size && !latest.note.is_empty() {
            return Ok(latest);
        }
        let ended = || {
            let failure = self.latest.get().err();
            failure.unwrap_or_else(|| LedgerError::Unavailable("the ledger's signer has ended".into()))
        };
        let (sender, reply) = channel();
        let senders = self.senders.as_ref().ok_or_else(ended)?;
        senders.signer.send(SignerMessage::Sign(sender)).map_err(|_| ended())?;
        reply.recv().map_err(|_| ended())??;
        self.latest.get()
    }

    /// The record at a position, and the salt of its leaf.
    fn open_record(&self, position: u64) -> Result<(ConsentRecord, Salt), LedgerError> {
        let (header, sealed) = self.read_frame(position)?;
        match content::open(&header, &sealed, self.index.read().keys(), &self.secrets) {
            Content::Record(record, salt) => Ok((*record, salt)),
            Content::NoKey => Err(LedgerError::NotFound(format!("record {position} is an erased customer's"))),
            Content::Damaged => Err(unreadable(position)),
        }
    }

    /// The nodes of the tree of `size` leaves, read from the published log.
    fn nodes(&self, size: u64) -> TileNodes<impl FnMut(&str) -> io::Result<Vec<u8>>> {
        let log = self.folders.data.log();
        TileNodes::new(size, move |path: &str| self.disk.read(&log.join(path)))
    }

    fn read_frame(&self, position: u64) -> Result<(Header, Vec<u8>), LedgerError> {
        let location = self.index.read().locate(position);
        let location = location.ok_or_else(|| LedgerError::NotFound(format!("the ledger has no record {position}")))?;
        let path = segment::path(&self.folders.data.ledger(), location.segment);
        let read = self.disk.read_part(&path, location.offset.into(), location.size as usize);
        let bytes = read.map_err(|error| LedgerError::Unavailable(format!("`{}`: {error}", path.display())))?;
        match frame::read(&bytes, 0) {
            FrameRead::Frame { header, length, .. } if header.position == position => {
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
        block_on(self.submit(records.to_vec()))
    }

    fn submit(&self, records: Vec<ConsentRecord>) -> Appending {
        let ended = || LedgerError::Unavailable("the ledger's writer has ended".into());
        let (reply, waiting) = oneshot::channel();
        let job = Job::Append(Append { records, reply });
        match self.senders.as_ref().map(|senders| senders.writer.send(job)) {
            Some(Ok(())) => Appending::Waiting(waiting),
            _ => Appending::Done(Some(Err(ended()))),
        }
    }

    fn erase(&self, customer: &str, now: Moment) -> Result<Erasure, LedgerError> {
        self.request(|reply| Job::Erase { customer: customer.into(), now, reply })
    }

    fn erased_at(&self, customer: &str) -> Option<u64> {
        let token = self.secrets.token(customer);
        self.index.read().erasure(&token)
    }

    fn size(&self) -> u64 {
        self.index.read().len()
    }

    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        let positions = self.index.read().customer(customer).map(|records| records.positions.clone());
        let positions = positions.unwrap_or_default();
        let read = |position| Ok((position, self.open_record(position)?.0));
        positions.into_iter().map(read).collect()
    }

    fn checkpoint(&self) -> Result<String, LedgerError> {
        Ok(self.signed(self.size())?.note)
    }

    fn receipt(&self, position: u64) -> Result<String, LedgerError> {
        let (record, salt) = self.open_record(position)?;
        let signed = self.signed(position)?;
        let index = position.saturating_sub(1);
        let mut nodes = self.nodes(signed.size);
        let path = inclusion(index, signed.size, |node| nodes.node(node));
        let path = path.map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        let record = json_ld(&record).into_bytes();
        let receipt = Receipt { record, salt, index, path, checkpoint: signed.note };
        let verified = receipt.clone().verify(&self.verifying_key);
        verified.map_err(|error| LedgerError::Unavailable(format!("a tile of the ledger is damaged: {error}")))?;
        Ok(receipt.to_string())
    }

    fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        let signed = self.signed(size)?;
        if size > signed.size {
            return Err(LedgerError::NotFound(format!("the ledger has {} records, not {size}", signed.size)));
        }
        let mut nodes = self.nodes(signed.size);
        consistency(earlier, size, |node| nodes.node(node)).map_err(|error| match error {
            ProofError::Beyond { .. } => LedgerError::NotFound(error.to_string()),
            ProofError::Missing(_) => LedgerError::Unavailable(error.to_string()),
        })
    }

    fn copy(&self, sink: &mut CopySink<'_>) -> Result<(), LedgerError> {
        let note = self.checkpoint()?;
        let copied = copy(&*self.disk, &self.folders.data, &self.index, sink)
            .and_then(|()| sink(&format!("{LOG}/{VERIFYING_KEY}"), format!("{}\n", self.verifying_key).into_bytes()))
            .and_then(|()| sink(&format!("{LOG}/{CHECKPOINT}"), note.into_bytes()));
        copied.map_err(|error| LedgerError::Unavailable(format!("the ledger cannot be copied: {error}")))
    }

    fn ended_thread(&self) -> Option<&'static str> {
        // After a disk failure the signer ends by itself, and the ledger is unavailable.
        let unexpected = |name| name == WRITER || self.latest.get().is_ok();
        let ended = self.threads.iter().filter(|(_, thread)| thread.is_finished());
        ended.map(|(name, _)| *name).find(|name| unexpected(*name))
    }

    fn verifier_key(&self) -> Result<String, LedgerError> {
        Ok(self.verifying_key.to_string())
    }
}

impl Drop for FileLedger {
    /// Waits until the writer has finished and the signer has signed what it wrote.
    fn drop(&mut self) {
        self.senders = None;
        for (_, thread) in self.threads.drain(..) {
            // A thread that panicked has nothing left to finish.
            drop(thread.join());
        }
    }
}
