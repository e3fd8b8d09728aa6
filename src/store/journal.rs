//! What was counted since customers were last written: contacts and outcomes, a few bytes each.
//!
//! No answer leaves before what it counted is in this file, so that a killed process has forgotten none of it. Callers
//! that come together share one write. Entries are handed to the operating system at once and to the disk a few times a
//! second: a power cut takes the last of them, a kill takes none.
//!
//! Two files take turns. Entries carry the number of the round in which they were written; once the customers of a round
//! are durable, its file is emptied. Each file begins with the last round that was durable then, so that a store that has
//! lost its end is noticed.
//!
//! ```text
//! 0    128  head:  "TFLCONT1", u64 round that is durable; zeros; CRC32C of the rest
//! 128  128  each entry: u64 round, u8 length, that many bytes; zeros; CRC32C of the rest
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::codec::{Asked, StoredContact, StoredOutcome};

const MAGIC: &[u8; 8] = b"TFLCONT1";
const SLOT: usize = 128;
const SHARDS: usize = 16;
/// How long entries may be on their way to the disk.
const SYNC: Duration = Duration::from_millis(50);
/// How a round's file is named, before the remainder of the round's number.
const NAME: &str = "counted-";

/// Something that was counted for a customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The customer's pseudonym.
    pub who: [u8; 20],
    /// What.
    pub what: Counted,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Counted {
    /// A contact, as it is now.
    Contact(StoredContact),
    /// An outcome.
    Outcome(StoredOutcome),
    /// An id that must not count again.
    Seen(u64),
    /// A request that was answered.
    Asked(Asked),
}

/// The journal, open.
#[derive(Debug)]
pub struct Journal {
    shards: [Shard; SHARDS],
    appended: AtomicU64,
    written: AtomicU64,
    files: Mutex<Files>,
    /// The file does not take entries; answers go out without them.
    broken: AtomicBool,
}

/// What one thread adds, or a few.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    changed: Mutex<Vec<CompactString>>,
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Files {
    files: [File; 2],
    round: u64,
    /// Entries of this round are in its file.
    begun: bool,
    synced: Instant,
}

/// What was found when a journal was opened.
#[derive(Debug, Default)]
pub struct Found {
    /// Every entry with its round, in the order in which they were written.
    pub entries: Vec<(u64, Entry)>,
    /// The last round that is known to have been durable.
    pub durable: u64,
    /// How many entries are not as they were written.
    pub damaged: u64,
}

impl Journal {
    /// Reads what is there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn read(folder: &Path) -> Result<Found, StoreError> {
        let mut found = Found::default();
        for path in paths(folder) {
            match std::fs::read(&path) {
                Ok(bytes) => found.add(&bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::Disk { path, error }),
            }
        }
        found.entries.sort_by_key(|(round, _)| *round);
        Ok(found)
    }

    /// Goes on after a round. What the files hold stays until [`Journal::forget_all`].
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin(folder: &Path, last: u64) -> Result<Self, StoreError> {
        let open = |path: PathBuf| {
            let file = OpenOptions::new().create(true).append(true).open(&path);
            file.map_err(|error| StoreError::Disk { path, error })
        };
        let [even, odd] = paths(folder);
        let files = Files { files: [open(even)?, open(odd)?], round: last + 1, begun: false, synced: now() };
        Ok(Self {
            shards: Default::default(),
            appended: AtomicU64::new(0),
            written: AtomicU64::new(0),
            files: Mutex::new(files),
            broken: AtomicBool::new(false),
        })
    }

    /// Notes that a customer differs from what is stored. Comes before what was counted for them.
    pub fn changed(&self, customer: CompactString) {
        lock(&self.shard().changed).push(customer);
    }

    /// Adds what was counted; [`Journal::kept`] says when it is in the file.
    pub fn counted(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut pending = lock(&self.shard().entries);
        let before = pending.len();
        pending.extend(entries);
        self.appended.fetch_add((pending.len() - before) as u64, Ordering::AcqRel);
    }

    /// Done when everything that was counted before is in the file. Whoever comes first writes for all who wait.
    pub async fn kept(&self) {
        let wanted = self.appended.load(Ordering::Acquire);
        if self.written.load(Ordering::Acquire) >= wanted {
            return;
        }
        // Others who are ready now may add theirs.
        tokio::task::yield_now().await;
        let mut files = lock(&self.files);
        if self.written.load(Ordering::Acquire) < wanted {
            self.write(&mut files);
        }
    }

    /// Whether entries cannot be written.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// How many customers differ from the store.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shards.iter().map(|shard| lock(&shard.changed).len()).sum()
    }

    /// Hands entries to the disk, if that was long ago.
    pub fn sync(&self) {
        let mut files = lock(&self.files);
        if now().duration_since(files.synced) < SYNC {
            return;
        }
        files.synced = now();
        self.write(&mut files);
        // Nobody waits for the disk: an entry is kept when the system has it.
        let file = files.file().try_clone();
        drop(files);
        self.note(file.and_then(|file| file.sync_data()));
    }

    /// Ends the round, if anything happened in it: gives back its number and everybody who changed. What is counted from
    /// here on belongs to the next.
    pub fn end_round(&self) -> Option<(u64, Vec<CompactString>)> {
        let mut files = lock(&self.files);
        // In this order: whose entry is in this round is among those who changed in it.
        self.write(&mut files);
        let changed: Vec<CompactString> =
            self.shards.iter().flat_map(|shard| std::mem::take(&mut *lock(&shard.changed))).collect();
        if changed.is_empty() && !files.begun {
            return None;
        }
        files.begun = false;
        files.round += 1;
        Some((files.round - 1, changed))
    }

    /// Forgets the entries of a round whose customers are durable, and of those before.
    pub fn forget(&self, round: u64) {
        let mut files = lock(&self.files);
        let emptied = files.of(round).map_or(Ok(()), |file| empty(file, round));
        self.note(emptied);
    }

    /// Forgets every entry there is: a round is durable, and nobody counts yet.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_all(&self, durable: u64) -> io::Result<()> {
        let mut files = lock(&self.files);
        files.files.iter_mut().try_for_each(|file| empty(file, durable))
    }

    fn write(&self, files: &mut Files) {
        let through = self.appended.load(Ordering::Acquire);
        let entries = self.shards.iter().flat_map(|shard| std::mem::take(&mut *lock(&shard.entries)));
        let bytes: Vec<u8> = entries.filter_map(|entry| slot(files.round, &entry)).flatten().collect();
        if !bytes.is_empty() {
            files.begun = true;
            let written = files.file().write_all(&bytes);
            self.note(written);
        }
        self.written.store(through, Ordering::Release);
    }

    fn note(&self, result: io::Result<()>) {
        let broken = result.is_err();
        if self.broken.swap(broken, Ordering::AcqRel) != broken {
            match result {
                Err(error) => tracing::error!(%error, "what is counted cannot be written; a kill would lose it"),
                Ok(()) => tracing::info!("what is counted is written again"),
            }
        }
    }

    fn shard(&self) -> &Shard {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS);
        let [first, ..] = &self.shards;
        self.shards.get(THREAD.with(|thread| *thread)).unwrap_or(first)
    }
}

impl Files {
    fn file(&mut self) -> &mut File {
        let [even, odd] = &mut self.files;
        if self.round.is_multiple_of(2) { even } else { odd }
    }

    /// The file of a round, unless another round is writing to it.
    fn of(&mut self, round: u64) -> Option<&mut File> {
        let [even, odd] = &mut self.files;
        (self.round % 2 != round % 2).then_some(if round.is_multiple_of(2) { even } else { odd })
    }
}

impl Found {
    fn add(&mut self, bytes: &[u8]) {
        // A rest was never finished, and so never answered.
        for slot in bytes.as_chunks::<SLOT>().0 {
            let body = body(slot);
            if let Some(durable) = body.and_then(|body| body.strip_prefix(MAGIC)).and_then(number) {
                self.durable = self.durable.max(durable);
            } else if let Some(entry) = body.and_then(read_entry) {
                self.entries.push(entry);
            } else if slot.iter().any(|byte| *byte != 0) {
                self.damaged += 1;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long ago the disk was asked is nothing that a decision knows")]
fn now() -> Instant {
    Instant::now()
}

fn paths(folder: &Path) -> [PathBuf; 2] {
    [0, 1].map(|remainder| folder.join(format!("{NAME}{remainder}")))
}

fn empty(file: &mut File, durable: u64) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(&sealed([MAGIC.as_slice(), &durable.to_le_bytes()].concat()))
}

fn slot(round: u64, entry: &Entry) -> Option<[u8; SLOT]> {
    let entry = postcard::to_stdvec(entry).ok()?;
    let length = u8::try_from(entry.len()).ok()?;
    Some(sealed([round.to_le_bytes().as_slice(), &[length], &entry].concat()))
}

fn read_entry(body: &[u8]) -> Option<(u64, Entry)> {
    let (round, rest) = body.split_first_chunk()?;
    let (length, rest) = rest.split_first()?;
    let entry = postcard::from_bytes(rest.get(..usize::from(*length))?).ok()?;
    Some((u64::from_le_bytes(*round), entry))
}

fn sealed(mut bytes: Vec<u8>) -> [u8; SLOT] {
    bytes.resize(SLOT - 4, 0);
    let sum = crc32c::crc32c(&bytes);
    bytes.extend(sum.to_le_bytes());
    let mut slot = [0; SLOT];
    slot.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    slot
}

fn body(slot: &[u8; SLOT]) -> Option<&[u8]> {
    let (body, sum) = slot.split_last_chunk()?;
    (crc32c::crc32c(body) == u32::from_le_bytes(*sum)).then_some(body)
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
