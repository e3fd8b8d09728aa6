//! The contact log: a write-ahead log of what counts towards limits (contacts, outcomes, ids that were seen).
//!
//! **Write-ahead.** A decision is returned only after its contacts are in the log ([`ContactLog::wait_durable`]). An
//! entry counts as logged once the operating system has it, so it survives a killed process; a sync every 50 ms bounds
//! what a power cut can lose. After an unclean stop, the store replays the entries that are not in the stored
//! customers.
//!
//! **Group commit.** Callers append entries to per-thread buffers. The first that waits writes the buffers of all in
//! one system call; the others find their entries written.
//!
//! **Segments.** Entries carry the number of their segment, and segments alternate between two files. A segment is full
//! after 30 seconds or half a million entries; then the next becomes the current one and this one drains: every
//! customer with entries in it is flushed to the store, a share at a time, so that it is empty before the current one
//! is full. Once the last of them is durable, the file of the drained segment is truncated. So a customer with new
//! contacts and nothing else (log-only dirty) is flushed once a segment instead of once a contact; a customer with any
//! other change (dirty) is flushed at the next opportunity.
//!
//! **Checkpoint.** Flushes of the store are numbered. The log records the number of the last durable flush, so that a
//! store that has lost its end is detected when it is opened.
//!
//! `entry` has what the log holds, `slot` the format of the files.

mod entry;
mod slot;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use compact_str::CompactString;

use super::StoreError;
use crate::clock::Stopwatch;
use crate::io_at::{AtPath as _, IoAt, is_removed};
use slot::SLOT;

pub use entry::{LogContents, LogEntry, LoggedChange};

const SHARDS: usize = 16;
/// How long an entry may wait for a sync to disk.
const SYNC_INTERVAL: Duration = Duration::from_millis(50);
/// A segment is full at this age or with this many entries.
const MAX_SEGMENT_AGE: Duration = Duration::from_secs(30);
const MAX_SEGMENT_ENTRIES: usize = 1 << 19;
/// The name of a segment's file, before the remainder of the segment's number.
const FILE_PREFIX: &str = "counted-";

/// The open log, which also lists the customers that must be flushed.
#[derive(Debug)]
pub struct ContactLog {
    shards: [Shard; SHARDS],
    /// Entries appended to the buffers, and entries handed to the operating system.
    appended: AtomicU64,
    written: AtomicU64,
    files: Mutex<SegmentFiles>,
    /// The previous segment, until it is empty. Locked before `files` where both are needed.
    draining: Mutex<Option<DrainingSegment>>,
    /// Entries cannot be written. No contact that a limit counts is made; customers are flushed at once.
    failing: AtomicBool,
}

/// The buffers of one thread, or of a few.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    dirty: Mutex<Vec<CompactString>>,
    log_only: Mutex<Vec<CompactString>>,
    entries: Mutex<Vec<LogEntry>>,
}

#[derive(Debug)]
struct SegmentFiles {
    /// The files of even and odd segments.
    files: [File; 2],
    /// The number of the current segment, and when it began.
    current: u64,
    started: Stopwatch,
    /// Entries in the current segment, and how many make it full.
    entries: usize,
    max_entries: usize,
    /// The file of the previous segment still holds entries.
    previous_in_use: bool,
    /// The last segment of which an entry could not be written.
    failed: Option<u64>,
    /// Entries of the current segment that were written, and how many of them are counted as synced.
    logged: u64,
    counted: u64,
    last_sync: Stopwatch,
}

/// The previous segment, whose customers are being flushed.
#[derive(Debug)]
struct DrainingSegment {
    /// Customers that are not flushed yet.
    customers: Vec<CompactString>,
    /// The number of customers when it began to drain.
    total: usize,
}

/// The customers to flush next.
#[derive(Debug, Default)]
pub struct FlushBatch {
    /// The ids of the customers.
    pub customers: Vec<CompactString>,
    /// The segment that is drained once these customers are durable.
    pub drained: Option<u64>,
}

impl ContactLog {
    /// Reads the log in a folder.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn read(folder: &Path) -> Result<LogContents, StoreError> {
        let mut contents = LogContents::default();
        for path in paths(folder) {
            match std::fs::read(&path) {
                Ok(bytes) => slot::read_all(&bytes, &mut contents),
                Err(error) if error.kind() == io::ErrorKind::NotFound => slot::read_all(&[], &mut contents),
                Err(error) => return Err(IoAt::new(&path, error).into()),
            }
        }
        contents.entries.sort_by_key(|(segment, _)| *segment);
        Ok(contents)
    }

    /// Opens the log in a folder and begins the segment after `last`. The entries in its files stay until
    /// [`ContactLog::truncate`].
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(folder: &Path, last: u64) -> Result<Self, StoreError> {
        let open = |path: PathBuf| {
            let file = OpenOptions::new().create(true).append(true).open(&path);
            file.at(&path)
        };
        let [even, odd] = paths(folder);
        let (files, now) = ([open(even)?, open(odd)?], Stopwatch::start());
        let files = SegmentFiles {
            files,
            current: last + 1,
            started: now,
            // The file may hold entries of an earlier process until it is truncated.
            entries: 1,
            max_entries: MAX_SEGMENT_ENTRIES,
            previous_in_use: false,
            failed: None,
            logged: 0,
            counted: 0,
            last_sync: now,
        };
        Ok(Self {
            shards: Default::default(),
            appended: AtomicU64::new(0),
            written: AtomicU64::new(0),
            files: Mutex::new(files),
            draining: Mutex::new(None),
            failing: AtomicBool::new(false),
        })
    }

    /// Adds a customer to those that are flushed at the next opportunity.
    pub fn mark_dirty(&self, customer: CompactString) {
        lock(&self.shard().dirty).push(customer);
    }

    /// Adds a customer to those that are flushed when the current segment drains. To be called before
    /// [`ContactLog::append`] with its entries, so that a segment never holds an entry of a customer that it does not
    /// list.
    pub fn mark_log_only(&self, customer: CompactString) {
        lock(&self.shard().log_only).push(customer);
    }

    /// Appends entries to a buffer; [`ContactLog::wait_durable`] waits until they are written.
    pub fn append(&self, entries: impl IntoIterator<Item = LogEntry>) {
        let mut pending = lock(&self.shard().entries);
        let before = pending.len();
        pending.extend(entries);
        self.appended.fetch_add((pending.len() - before) as u64, Ordering::AcqRel);
    }

    /// Waits until all entries appended so far are written (group commit: the first waiter writes for all). They then
    /// survive a killed process, but not a power cut. Returns whether they do: false while the log is
    /// [failing](Self::is_failing).
    pub async fn wait_durable(&self) -> bool {
        let wanted = self.appended.load(Ordering::Acquire);
        if self.written.load(Ordering::Acquire) < wanted {
            // Other calls that are ready now append their entries first.
            tokio::task::yield_now().await;
            let mut files = lock(&self.files);
            if self.written.load(Ordering::Acquire) < wanted {
                self.write_pending(&mut files);
            }
        }
        // Entries that could not be written are safe again once the store has their customers.
        !self.is_failing()
    }

    /// Whether entries cannot be written.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// The number of customers that wait to be flushed.
    #[must_use]
    pub fn dirty_customers(&self) -> usize {
        let draining = lock(&self.draining).as_ref().map_or(0, |draining| draining.customers.len());
        self.shards.iter().map(|shard| lock(&shard.dirty).len() + lock(&shard.log_only).len()).sum::<usize>() + draining
    }

    /// Writes the buffers and syncs both files to disk, if the last sync was long enough ago.
    pub fn sync(&self) {
        let mut files = lock(&self.files);
        if files.last_sync.elapsed() < SYNC_INTERVAL {
            return;
        }
        files.last_sync = Stopwatch::start();
        self.write_pending(&mut files);
        // Without the lock: no decision waits for the disk.
        let [even, odd] = files.files.each_ref().map(File::try_clone);
        let (failed, segment, logged) = (files.failed, files.current, files.logged);
        drop(files);
        let synced = even.and_then(|file| file.sync_data()).and(odd.and_then(|file| file.sync_data()));
        let synced = synced.and_then(|()| lock(&self.files).count(segment, logged));
        self.record_result(synced, failed);
    }

    /// The customers to flush next: all dirty ones, and a share of the draining segment, so that it is drained before
    /// the current one is full. With `everything`, the whole draining segment.
    ///
    /// If no segment is draining, the current one begins to drain when it is full, when `everything` is asked for, or
    /// when one of its entries could not be written.
    pub fn next_flush(&self, everything: bool) -> FlushBatch {
        let mut draining = lock(&self.draining);
        let mut files = lock(&self.files);
        self.write_pending(&mut files);
        let dirty = self.take(|shard| &shard.dirty);
        let everything = everything || files.failed.is_some();
        let rotates = draining.is_none() && files.entries > 0 && (everything || files.fill_level() >= 1.0);
        // After the entries were written: a customer is marked first, so the list has every customer of the segment.
        let log_only = rotates.then(|| self.take(|shard| &shard.log_only));
        if rotates {
            files.rotate();
        }
        let (fill_level, previous) = (if everything { 1.0 } else { files.fill_level() }, files.current - 1);
        // Without the lock: no decision waits while the lists are joined.
        drop(files);
        if let Some(log_only) = log_only {
            *draining = Some(DrainingSegment::new(log_only.into_iter().flatten().collect()));
        }
        let mut customers: Vec<CompactString> = dirty.into_iter().flatten().collect();
        let Some(segment) = &mut *draining else { return FlushBatch { customers, drained: None } };
        customers.extend(segment.customers.drain(segment.may_wait(fill_level)..));
        FlushBatch { customers, drained: segment.customers.is_empty().then_some(previous) }
    }

    fn take(&self, list: impl Fn(&Shard) -> &Mutex<Vec<CompactString>>) -> [Vec<CompactString>; SHARDS] {
        self.shards.each_ref().map(|shard| std::mem::take(&mut *lock(list(shard))))
    }

    /// Records that a flush is durable, and truncates the file of the segment that it drained.
    ///
    /// # Errors
    /// When the disk fails. The segment then counts as not drained.
    pub fn record_flush(&self, flush: u64, drained: Option<u64>) -> io::Result<()> {
        let mut files = lock(&self.files);
        let Some(drained) = drained else {
            // Without entries the file is rewritten, so that it does not grow by checkpoints alone.
            let recorded = match files.entries {
                0 => truncate(files.current_file(), flush),
                _ => files.current_file().write_all(&slot::checkpoint(flush)),
            };
            self.record_result(recorded, files.failed);
            return Ok(());
        };
        let file = files.file_of(drained).map(|file| file.try_clone());
        drop(files);
        // Without the lock: nothing else uses this file until the next rotation, and no decision waits for the disk.
        let truncated = file.map_or(Ok(()), |file| truncate(&mut file?, flush));
        if truncated.is_ok() {
            *lock(&self.draining) = None;
            let mut files = lock(&self.files);
            files.previous_in_use = false;
            // Its file had the count of the current one.
            files.counted = 0;
            files.failed = files.failed.filter(|failed| *failed > drained);
        }
        truncated
    }

    /// Removes every entry, once a flush that has all of them is durable and before the first entry is appended.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn truncate(&self, flush: u64) -> io::Result<()> {
        let mut files = lock(&self.files);
        files.entries = 0;
        files.files.iter_mut().try_for_each(|file| truncate(file, flush))
    }

    fn write_pending(&self, files: &mut SegmentFiles) {
        let through = self.appended.load(Ordering::Acquire);
        let mut slots = Vec::new();
        for shard in &self.shards {
            for entry in std::mem::take(&mut *lock(&shard.entries)) {
                match slot::entry(files.current, &entry) {
                    Some(slot) => slots.push(slot),
                    // Like an entry that cannot be written: its customer is flushed at once.
                    None => {
                        files.failed = Some(files.current);
                        self.record_result(Err(io::ErrorKind::InvalidData.into()), files.failed);
                    }
                }
            }
        }
        if !slots.is_empty() {
            if files.entries == 0 && !files.previous_in_use {
                files.started = Stopwatch::start();
            }
            files.entries += slots.len();
            let written = append(files.current_file(), slots.as_flattened());
            match &written {
                Ok(()) => files.logged += slots.len() as u64,
                Err(_) => files.failed = Some(files.current),
            }
            self.record_result(written, files.failed);
        }
        self.written.store(through, Ordering::Release);
    }

    /// Logs once that entries cannot be written, and once that all of them are safe again: in the log or in the store.
    fn record_result(&self, result: io::Result<()>, failed: Option<u64>) {
        let failing = result.is_err() || failed.is_some();
        if self.failing.swap(failing, Ordering::AcqRel) != failing {
            match result {
                Err(error) => {
                    tracing::error!(%error, "contacts cannot be logged; no action that a limit counts is chosen")
                }
                Ok(()) => tracing::info!("contacts are logged again"),
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

impl SegmentFiles {
    fn current_file(&mut self) -> &mut File {
        let [even, odd] = &mut self.files;
        if self.current.is_multiple_of(2) { even } else { odd }
    }

    /// The file of a segment, unless the current segment uses it.
    fn file_of(&mut self, segment: u64) -> Option<&mut File> {
        let [even, odd] = &mut self.files;
        (self.current % 2 != segment % 2).then_some(if segment.is_multiple_of(2) { even } else { odd })
    }

    /// How full the current segment is, by age or entries: 1 when it is full.
    fn fill_level(&self) -> f64 {
        let age = self.started.elapsed().as_secs_f64() / MAX_SEGMENT_AGE.as_secs_f64();
        age.max(self.entries as f64 / self.max_entries as f64)
    }

    fn rotate(&mut self) {
        self.previous_in_use = true;
        self.current += 1;
        self.started = Stopwatch::start();
        self.entries = 0;
        (self.logged, self.counted) = (0, 0);
    }

    /// Notes in the file of the previous segment how many entries of a segment are synced, if it is still the current one.
    fn count(&mut self, segment: u64, synced: u64) -> io::Result<()> {
        if segment != self.current || synced <= self.counted {
            return Ok(());
        }
        self.counted = synced;
        self.file_of(segment.wrapping_sub(1)).map_or(Ok(()), |file| file.write_all(&slot::count(segment, synced)))
    }
}

impl DrainingSegment {
    fn new(customers: Vec<CompactString>) -> Self {
        Self { total: customers.len(), customers }
    }

    /// The number of customers that need not be flushed yet while the current segment is this full.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a number, and at least none"
    )]
    fn may_wait(&self, fill_level: f64) -> usize {
        let waiting = self.total as f64 * (1.0 - fill_level).max(0.0);
        self.customers.len().min(waiting as usize)
    }
}

fn paths(folder: &Path) -> [PathBuf; 2] {
    [0, 1].map(|remainder| folder.join(format!("{FILE_PREFIX}{remainder}")))
}

/// Appends whole slots, or none of them.
fn append(file: &mut File, slots: &[u8]) -> io::Result<()> {
    if is_removed(file)? {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the contact log was removed"));
    }
    file.write_all(slots).or_else(|error| {
        let length = file.metadata()?.len();
        file.set_len(length - length % SLOT as u64)?;
        Err(error)
    })
}

/// Empties a file but for a checkpoint.
fn truncate(file: &mut File, flush: u64) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(&slot::checkpoint(flush))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
