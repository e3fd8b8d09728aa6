//! What was counted since customers were last written: contacts and outcomes, a few bytes each.
//!
//! No answer leaves before what it counted is in this file, so that a killed process has forgotten none of it. Callers
//! that come together share one write. Entries are handed to the operating system at once and to the disk a few times a
//! second: a power cut takes the last of them, a kill takes none.
//!
//! So whoever was merely spoken to needs not be written at once: they wait for the end of the round, and are written once for
//! all that was said to them in it. Two files take turns. While the entries of one round come into one file, the customers
//! of the round before are written a few at a time; when they are durable, its file is emptied, and when the round has
//! become long, the next begins there. Entries carry the number of their round. Each writing of customers has a number,
//! too, which is noted here once it is durable, so that a store that has lost its end is noticed.
//!
//! ```text
//! a slot, 128  an entry: u64 round, u8 length, that many bytes; zeros; CRC32C of the rest
//!              or a note: "TFLCONT1", u64 writing that is durable; zeros; CRC32C of the rest
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
use super::codec::{StoredContact, StoredOutcome, StoredRequest};

const MAGIC: &[u8; 8] = b"TFLCONT1";
const SLOT: usize = 128;
const SHARDS: usize = 16;
/// How long entries may be on their way to the disk.
const SYNC: Duration = Duration::from_millis(50);
/// When a round ends: after so long, or with so many entries.
const ROUND: Duration = Duration::from_secs(30);
const ENTRIES: usize = 1 << 19;
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
    Asked(StoredRequest),
    /// Contacts of a decision that count no more: all of them, or that of one action.
    Withdrawn {
        /// The decision's number.
        decision: u64,
        /// Which, if not all.
        action: Option<u16>,
    },
}

/// The journal, open.
#[derive(Debug)]
pub struct Journal {
    shards: [Shard; SHARDS],
    appended: AtomicU64,
    written: AtomicU64,
    files: Mutex<Files>,
    /// What is left of the round before. Whoever needs both takes this first.
    before: Mutex<Option<Ending>>,
    /// The file does not take entries; answers go out without them.
    broken: AtomicBool,
}

/// What one thread adds, or a few.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    soon: Mutex<Vec<CompactString>>,
    later: Mutex<Vec<CompactString>>,
    entries: Mutex<Vec<Entry>>,
}

#[derive(Debug)]
struct Files {
    files: [File; 2],
    round: u64,
    /// When this round began.
    since: Instant,
    /// How many entries of this round are in its file, and how many end it.
    entries: usize,
    longest: usize,
    /// The file of the round before has entries, too.
    another: bool,
    /// The last round of which an entry could not be written.
    failed: Option<u64>,
    synced: Instant,
}

/// A round whose entries are not in the store yet.
#[derive(Debug)]
struct Ending {
    /// Who of it is still to be written.
    customers: Vec<CompactString>,
    /// How many there were.
    of: usize,
}

/// What is to be written now.
#[derive(Debug, Default)]
pub struct Due {
    /// Who.
    pub customers: Vec<CompactString>,
    /// The round whose every entry is in the store then.
    pub round: Option<u64>,
}

/// What was found when a journal was opened.
#[derive(Debug, Default)]
pub struct Found {
    /// Every entry with its round, in the order in which they were written.
    pub entries: Vec<(u64, Entry)>,
    /// The last writing that is known to have been durable.
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
    pub fn begin(folder: &Path, round: u64) -> Result<Self, StoreError> {
        let open = |path: PathBuf| {
            let file = OpenOptions::new().create(true).append(true).open(&path);
            file.map_err(|error| StoreError::Disk { path, error })
        };
        let [even, odd] = paths(folder);
        let (files, now) = ([open(even)?, open(odd)?], now());
        let files = Files {
            files,
            round: round + 1,
            since: now,
            // Nobody has looked: there may be one, until everything is forgotten.
            entries: 1,
            longest: ENTRIES,
            another: false,
            failed: None,
            synced: now,
        };
        Ok(Self {
            shards: Default::default(),
            appended: AtomicU64::new(0),
            written: AtomicU64::new(0),
            files: Mutex::new(files),
            before: Mutex::new(None),
            broken: AtomicBool::new(false),
        })
    }

    /// Notes that a customer differs from what is stored, and is to be written soon.
    pub fn differs(&self, customer: CompactString) {
        lock(&self.shard().soon).push(customer);
    }

    /// Notes that a customer differs by nothing but what is counted, and may be written at the end of the round. Comes
    /// before that.
    pub fn counts(&self, customer: CompactString) {
        lock(&self.shard().later).push(customer);
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
        let before = lock(&self.before).as_ref().map_or(0, |before| before.customers.len());
        self.shards.iter().map(|shard| lock(&shard.soon).len() + lock(&shard.later).len()).sum::<usize>() + before
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
        let [even, odd] = files.files.each_ref().map(File::try_clone);
        let failed = files.failed;
        drop(files);
        self.note(even.and_then(|file| file.sync_data()).and(odd.and_then(|file| file.sync_data())), failed);
    }

    /// Whom to write now: whoever differs by more than what is counted here; of the round before, so many that it ends with
    /// this one; or everybody of it. With nothing before it, this round ends when it is long enough, or when an entry of it
    /// could not be written.
    pub fn due(&self, everybody: bool) -> Due {
        let mut before = lock(&self.before);
        let mut files = lock(&self.files);
        self.write(&mut files);
        let soon = self.take(|shard| &shard.soon);
        let everybody = everybody || files.failed.is_some();
        let ends = before.is_none() && files.entries > 0 && (everybody || files.progress() >= 1.0);
        // In this order: whose entry is in this round is among those who waited in it.
        let later = ends.then(|| self.take(|shard| &shard.later));
        if ends {
            files.end_round();
        }
        let (progress, last) = (if everybody { 1.0 } else { files.progress() }, files.round - 1);
        // No answer waits while lists are put together.
        drop(files);
        if let Some(later) = later {
            *before = Some(Ending::of(later.into_iter().flatten().collect()));
        }
        let mut customers: Vec<CompactString> = soon.into_iter().flatten().collect();
        let Some(ending) = &mut *before else { return Due { customers, round: None } };
        customers.extend(ending.customers.drain(ending.stay(progress)..));
        Due { customers, round: ending.customers.is_empty().then_some(last) }
    }

    fn take(&self, list: impl Fn(&Shard) -> &Mutex<Vec<CompactString>>) -> [Vec<CompactString>; SHARDS] {
        self.shards.each_ref().map(|shard| std::mem::take(&mut *lock(list(shard))))
    }

    /// Notes that a writing is durable, and with it a round: its entries are forgotten.
    ///
    /// # Errors
    /// When the disk refuses; the round is not forgotten then.
    pub fn durable(&self, writing: u64, round: Option<u64>) -> io::Result<()> {
        let mut files = lock(&self.files);
        let Some(round) = round else {
            // Notes alone are not worth a longer file.
            let noted = match files.entries {
                0 => empty(files.file(), writing),
                _ => files.file().write_all(&note(writing)),
            };
            self.note(noted, files.failed);
            return Ok(());
        };
        let file = files.of(round).map(|file| file.try_clone());
        drop(files);
        // It is nobody else's until the next round begins, so no answer waits while the system empties it.
        let emptied = file.map_or(Ok(()), |file| empty(&mut file?, writing));
        if emptied.is_ok() {
            *lock(&self.before) = None;
            let mut files = lock(&self.files);
            files.another = false;
            files.failed = files.failed.filter(|failed| *failed > round);
        }
        emptied
    }

    /// Forgets every entry there is: a writing with all of them is durable, and nobody counts yet.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_all(&self, writing: u64) -> io::Result<()> {
        let mut files = lock(&self.files);
        files.entries = 0;
        files.files.iter_mut().try_for_each(|file| empty(file, writing))
    }

    fn write(&self, files: &mut Files) {
        let through = self.appended.load(Ordering::Acquire);
        let mut bytes = Vec::new();
        for shard in &self.shards {
            for entry in std::mem::take(&mut *lock(&shard.entries)) {
                bytes.extend(slot(files.round, &entry));
            }
        }
        if !bytes.is_empty() {
            if files.entries == 0 && !files.another {
                files.since = now();
            }
            files.entries += bytes.len();
            let written = append(files.file(), bytes.as_flattened());
            if written.is_err() {
                files.failed = Some(files.round);
            }
            self.note(written, files.failed);
        }
        self.written.store(through, Ordering::Release);
    }

    /// Says once that entries cannot be written, and once that all of them are, here or with their customers.
    fn note(&self, result: io::Result<()>, failed: Option<u64>) {
        let broken = result.is_err() || failed.is_some();
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

    /// How much of this round is over: all of it at 1.
    fn progress(&self) -> f64 {
        let time = now().duration_since(self.since).as_secs_f64() / ROUND.as_secs_f64();
        time.max(self.entries as f64 / self.longest as f64)
    }

    fn end_round(&mut self) {
        self.another = true;
        self.round += 1;
        self.since = now();
        self.entries = 0;
    }
}

impl Ending {
    fn of(customers: Vec<CompactString>) -> Self {
        Self { of: customers.len(), customers }
    }

    /// How many need not be written yet.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a number, and at least none"
    )]
    fn stay(&self, progress: f64) -> usize {
        let stay = self.of as f64 * (1.0 - progress).max(0.0);
        self.customers.len().min(stay as usize)
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

/// Appends whole slots, or nothing.
fn append(file: &mut File, slots: &[u8]) -> io::Result<()> {
    file.write_all(slots).or_else(|error| {
        let length = file.metadata()?.len();
        file.set_len(length - length % SLOT as u64)?;
        Err(error)
    })
}

fn empty(file: &mut File, writing: u64) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(&note(writing))
}

fn note(writing: u64) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    let (magic, rest) = slot.split_at_mut(MAGIC.len());
    magic.copy_from_slice(MAGIC);
    rest.iter_mut().zip(writing.to_le_bytes()).for_each(|(to, from)| *to = from);
    sealed(slot)
}

fn slot(round: u64, entry: &Entry) -> Option<[u8; SLOT]> {
    let mut slot = [0; SLOT];
    let (head, rest) = slot.split_first_chunk_mut()?;
    *head = round.to_le_bytes();
    let (length, rest) = rest.split_first_mut()?;
    let (room, _) = rest.split_last_chunk_mut::<4>()?;
    *length = u8::try_from(postcard::to_slice(entry, room).ok()?.len()).ok()?;
    Some(sealed(slot))
}

fn sealed(mut slot: [u8; SLOT]) -> [u8; SLOT] {
    if let Some((body, sum)) = slot.split_last_chunk_mut() {
        *sum = crc32c::crc32c(body).to_le_bytes();
    }
    slot
}

fn read_entry(body: &[u8]) -> Option<(u64, Entry)> {
    let (round, rest) = body.split_first_chunk()?;
    let (length, rest) = rest.split_first()?;
    let entry = postcard::from_bytes(rest.get(..usize::from(*length))?).ok()?;
    Some((u64::from_le_bytes(*round), entry))
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

#[cfg(test)]
mod tests;
