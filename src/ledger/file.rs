//! The ledger on disk: one append-only file, one writer, an fdatasync before every acknowledgement.
//!
//! Callers that come while the disk is busy share the next sync. The first write or sync that fails is
//! final: nothing is retried on that file, and every later append is refused. At start, a torn last frame is
//! cut off and kept beside the file; any other damage leaves the file as it is and the ledger closed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::frame::{self, Found, Link};
use super::{Erasure, Ledger, LedgerError, payload};
use crate::domain::consent::ConsentRecord;
use crate::domain::time::Moment;

/// The file's name inside the data folder.
const FILE: &str = "consent.ledger";
/// How many records share one sync at most.
const MOST_RECORDS: usize = 512;

/// A ledger opened from disk.
#[derive(Debug)]
pub struct Opened {
    /// The ledger, to append to.
    pub ledger: FileLedger,
    /// Every record, with its position, oldest first.
    pub records: Vec<(u64, ConsentRecord)>,
    /// Where a torn last frame was kept, if there was one.
    pub repaired: Option<PathBuf>,
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
}

/// A ledger on disk.
#[derive(Debug)]
pub struct FileLedger {
    path: PathBuf,
    queue: Mutex<Sender<Job>>,
}

/// Records to append, and where to say what came of it.
struct Job {
    records: Vec<ConsentRecord>,
    done: Sender<Result<u64, LedgerError>>,
}

impl FileLedger {
    /// Opens the ledger of a data folder, or begins one.
    ///
    /// # Errors
    /// When the disk refuses, another process has it, or it is damaged.
    pub fn open(folder: &Path) -> Result<Opened, OpenError> {
        let path = folder.join(FILE);
        let disk = |error| OpenError::Disk { path: path.clone(), error };
        fs::create_dir_all(folder).map_err(disk)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(disk)?;
        file.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => OpenError::InUse(path.clone()),
            fs::TryLockError::Error(error) => disk(error),
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(disk)?;
        let scan = scan(&bytes, &path)?;
        let repaired = match bytes.get(scan.end..) {
            Some(torn) if !torn.is_empty() => Some(cut(&file, folder, scan.end, torn).map_err(disk)?),
            _ => None,
        };
        file.sync_all().and_then(|()| File::open(folder)?.sync_all()).map_err(disk)?;
        let next = scan.records.len() as u64 + 1;
        let (queue, jobs) = channel();
        let mut writer = Writer { file, next, previous: scan.previous, broken: None };
        let thread = thread::Builder::new().name("ledger".into()).spawn(move || writer.run(&jobs));
        thread.map_err(disk)?;
        Ok(Opened { ledger: Self { path, queue: Mutex::new(queue) }, records: scan.records, repaired })
    }
}

impl Ledger for FileLedger {
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        let (done, answer) = channel();
        let job = Job { records: records.to_vec(), done };
        let ended = |_| LedgerError::Unavailable("its writer has ended".into());
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        queue.send(job).map_err(|_| LedgerError::Unavailable("its writer has ended".into()))?;
        answer.recv().map_err(ended)?
    }

    fn erase(&self, _customer: &str, _now: Moment) -> Result<Erasure, LedgerError> {
        Err(LedgerError::Unavailable(
            "the ledger file of this version holds records in plain, and erases nothing".into(),
        ))
    }

    fn is_suppressed(&self, _customer: &str) -> bool {
        false
    }

    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        let bytes = fs::read(&self.path).map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        let scan = scan(&bytes, &self.path).map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        Ok(scan.records.into_iter().filter(|(_, record)| record.customer == customer).collect())
    }
}

/// What a whole file holds.
struct Scan {
    records: Vec<(u64, ConsentRecord)>,
    previous: Link,
    end: usize,
}

fn scan(bytes: &[u8], path: &Path) -> Result<Scan, OpenError> {
    let mut scan = Scan { records: Vec::new(), previous: Link::default(), end: 0 };
    loop {
        let position = scan.records.len() as u64 + 1;
        let damaged = |what| OpenError::Damaged { path: path.to_owned(), at: scan.end, records: position - 1, what };
        match frame::decode(bytes.get(scan.end..).unwrap_or(&[]), position, &scan.previous) {
            Found::End | Found::Torn => return Ok(scan),
            Found::Damaged(what) => return Err(damaged(what)),
            Found::Frame { payload: written, link, size } => {
                let record = payload::read(written).ok_or_else(|| damaged("a record cannot be read"))?;
                scan.records.push((position, record));
                scan.previous = link;
                scan.end += size;
            }
        }
    }
}

/// Cuts a torn last frame off, after keeping a copy.
fn cut(file: &File, folder: &Path, end: usize, torn: &[u8]) -> io::Result<PathBuf> {
    let copy = folder.join(format!("{FILE}.torn-at-{end}"));
    let mut kept = File::create(&copy)?;
    kept.write_all(torn)?;
    kept.sync_all()?;
    file.set_len(end as u64)?;
    file.sync_all()?;
    Ok(copy)
}

/// The one writer.
struct Writer {
    file: File,
    next: u64,
    previous: Link,
    broken: Option<LedgerError>,
}

impl Writer {
    fn run(&mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut batch = vec![first];
            while batch.iter().map(|job| job.records.len()).sum::<usize>() < MOST_RECORDS {
                let Ok(job) = jobs.try_recv() else { break };
                batch.push(job);
            }
            for (job, result) in self.commit(batch) {
                // A caller that has gone away needs no answer.
                drop(job.done.send(result));
            }
        }
    }

    /// Writes and syncs a batch; each job learns the position of its last record.
    fn commit(&mut self, batch: Vec<Job>) -> Vec<(Job, Result<u64, LedgerError>)> {
        if let Some(broken) = &self.broken {
            return batch.into_iter().map(|job| (job, Err(broken.clone()))).collect();
        }
        match self.write(&batch) {
            Ok(positions) => batch.into_iter().zip(positions).map(|(job, position)| (job, Ok(position))).collect(),
            Err(error) => {
                let broken = LedgerError::Unavailable(format!("its disk failed: {error}"));
                self.broken = Some(broken.clone());
                batch.into_iter().map(|job| (job, Err(broken.clone()))).collect()
            }
        }
    }

    fn write(&mut self, batch: &[Job]) -> io::Result<Vec<u64>> {
        let mut bytes = Vec::new();
        let (mut next, mut previous) = (self.next, self.previous);
        let mut positions = Vec::with_capacity(batch.len());
        for job in batch {
            for record in &job.records {
                let (frame, link) = frame::encode(next, &previous, &payload::write(record)?);
                bytes.extend(frame);
                next += 1;
                previous = link;
            }
            positions.push(next - 1);
        }
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        (self.next, self.previous) = (next, previous);
        Ok(positions)
    }
}
