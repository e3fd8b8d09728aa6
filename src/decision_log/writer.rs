//! The thread that writes entries, overwrites what must not be read any more, and removes old files.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use compact_str::CompactString;

use super::entry::{Content, DecisionValues, of_person, write};
use super::index;
use super::queue::{Message, Overwrite};
use super::segment::{self, HEADER, Overwriting, Place, Segment, Target};
use super::shared::{Round, Shared};
use super::tally::Tally;
use crate::clock::Stopwatch;
use crate::domain::time::{Moment, Period};
use crate::failpoint;
use crate::io_at::{AtPath as _, IoAt};
use crate::ledger::FileKey;
use crate::ledger::disk::{Disk as _, DiskFile, RealDisk};

/// How long entries wait to be written together.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a written entry waits for a sync.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);
/// A file is complete at this size, or with this share of all bytes.
const MOST_BYTES: u64 = 64 << 20;
const SHARE: u64 = 8;
/// A file is complete at this age.
const MOST_AGE: Period = Period::DAY;
/// Entries are written when this many bytes of them wait.
const BATCH: usize = 1 << 20;
/// How often it is tried to make everything durable before the thread ends.
const LAST_ATTEMPTS: usize = 5;

/// The thread's state.
pub struct Writer {
    shared: Arc<Shared>,
    current: Option<Current>,
    /// Entries that are not written yet, as bytes and for the index.
    bytes: Vec<u8>,
    waiting: Vec<(u64, Content)>,
    /// What is to be overwritten.
    overwrites: Vec<ToOverwrite>,
    /// What was overwritten, and is not durable: how many overwrites, in which files.
    undurable: (u64, Vec<(u64, Overwriting)>),
    /// Complete files that are not durable.
    closing: Vec<Current>,
    /// The newest moment that was logged.
    newest: Moment,
    synced: Stopwatch,
}

/// The file that is being written.
struct Current {
    number: u64,
    begun: Moment,
    file: Box<dyn DiskFile>,
    key: FileKey,
    length: u64,
    /// Up to where it is durable.
    synced: u64,
    /// Whether the last sync failed.
    failed: bool,
}

impl Current {
    /// Makes it durable. What a sync that failed has left is written again first: a system may give it up.
    fn sync(&mut self, folder: &Path) -> Result<(), IoAt> {
        if self.synced == self.length {
            return Ok(());
        }
        let path = segment::path(folder, self.number);
        let done = if self.failed { self.write_again(&path) } else { self.sync_once(&path) };
        self.failed = done.is_err();
        if !self.failed {
            self.synced = self.length;
        }
        done
    }

    fn sync_once(&mut self, path: &Path) -> Result<(), IoAt> {
        failpoint::fails(path, "sync").and_then(|()| self.file.sync()).at(path)
    }

    fn write_again(&self, path: &Path) -> Result<(), IoAt> {
        let length = usize::try_from(self.length - self.synced).unwrap_or(usize::MAX);
        let bytes = RealDisk.read_part(path, self.synced, length).at(path)?;
        let mut file = Overwriting::open(path)?;
        file.entry(self.synced, bytes)?;
        file.sync()
    }
}

/// Something to overwrite in all entries before a place.
struct ToOverwrite {
    customer: CompactString,
    what: Overwrite,
    before: Place,
}

impl Writer {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            current: None,
            bytes: Vec::new(),
            waiting: Vec::new(),
            overwrites: Vec::new(),
            undurable: (0, Vec::new()),
            closing: Vec::new(),
            newest: Moment(0),
            synced: Stopwatch::start(),
        }
    }

    /// Writes until the log is dropped, and then what is left.
    pub fn run(mut self) {
        let mut messages = Vec::new();
        loop {
            let stopping = self.shared.stopping.load(Ordering::Acquire);
            let number = self.shared.begun.fetch_add(1, Ordering::AcqRel) + 1;
            self.shared.queue.drain(&mut messages);
            let busy = !messages.is_empty();
            self.round(&mut messages);
            self.shared.ended.send_replace(Round { number, failed: self.failed() });
            if stopping {
                return self.finish();
            }
            // While more arrives than fits into a pause, there is none.
            if !busy || self.shared.queue.is_short() {
                thread::park_timeout(PAUSE);
            }
        }
    }

    /// How many overwrites failed, and are repeated.
    fn failed(&self) -> usize {
        self.overwrites.len() + self.undurable.1.len()
    }

    /// Makes everything durable before the thread ends. What fails is tried again for a second.
    fn finish(&mut self) {
        self.close();
        for _ in 1..LAST_ATTEMPTS {
            if self.closing.is_empty() && self.failed() == 0 {
                return;
            }
            thread::sleep(PAUSE);
            self.overwrite();
            self.complete();
        }
        let (files, overwrites) = (self.closing.len(), self.failed());
        if files > 0 || overwrites > 0 {
            tracing::error!(
                files,
                overwrites,
                "the decision log is not durable: a power cut now may lose its newest entries"
            );
        }
    }

    fn round(&mut self, messages: &mut Vec<(u64, Message)>) {
        let mut retained = None;
        for (_, message) in messages.drain(..) {
            match message {
                Message::Decision(decision) => {
                    let customer = decision.customer();
                    let pseudonym = self.shared.pseudonyms.of(customer).0;
                    decision.describe(&mut |mut entry, values| {
                        entry.customer = pseudonym;
                        self.tally().decision(&entry, values);
                        self.append(Content::Decision(entry), Some((customer, values)));
                    });
                }
                Message::Outcome(customer, mut outcome) => {
                    outcome.customer = self.shared.pseudonyms.of(&customer).0;
                    self.tally().outcome(&outcome);
                    self.append(Content::Outcome(outcome), None);
                }
                Message::Overwrite(customer, what) => {
                    let before = self.next_place();
                    self.overwrites.push(ToOverwrite { customer, what, before });
                }
                Message::Retain(now) => retained = Some(now),
            }
            if self.bytes.len() >= BATCH {
                self.flush();
            }
        }
        self.flush();
        self.overwrite();
        if self.synced.elapsed() >= SYNC_INTERVAL {
            self.sync();
        }
        if let Some(now) = retained {
            self.retain(now);
        }
    }

    /// Where the next entry will lie, or a place behind all entries.
    fn next_place(&self) -> Place {
        let next = |current: &Current| (current.number, current.length + self.bytes.len() as u64);
        let (segment, offset) = self.current.as_ref().map_or((u64::MAX, 0), next);
        Place { segment, offset }
    }

    fn append(&mut self, content: Content, sealed: Option<(&str, &DecisionValues<'_>)>) {
        self.newest = self.newest.max(Moment(content.at().unwrap_or(0)));
        let Some((length, key)) = self.open() else { return self.lose(1) };
        let offset = length + self.bytes.len() as u64;
        if write(&mut self.bytes, (offset, &key), &content, sealed).is_none() {
            return self.lose(1);
        }
        self.waiting.push((offset, content));
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.shared.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, count: u64) {
        self.shared.counts.lost.fetch_add(count, Ordering::Relaxed);
    }

    /// The length and the key of the file to write to.
    fn open(&mut self) -> Option<(u64, FileKey)> {
        if self.current.is_none() {
            let last = self.shared.segments().last().map_or(0, |segment| segment.number);
            let begun = Segment::begin(&self.shared.folder, last, (&self.shared.keys, self.newest));
            let begun = begun.inspect_err(|error| self.report(Some(error.to_string()))).ok();
            let (segment, file) = begun?;
            let key = segment.key.clone()?;
            let (number, begun, length) = (segment.number, segment.begun, HEADER);
            self.shared.segments_mut().push(segment);
            self.shared.counts.bytes.fetch_add(HEADER, Ordering::Relaxed);
            self.current = Some(Current { number, begun, file, key, length, synced: length, failed: false });
        }
        self.current.as_ref().map(|current| (current.length, current.key.clone()))
    }

    /// Hands the waiting entries to the operating system.
    fn flush(&mut self) {
        let Some(current) = self.current.as_mut().filter(|_| !self.bytes.is_empty()) else { return };
        let (bytes, waiting) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.waiting));
        if let Err(error) = current.file.append(&bytes) {
            self.report(Some(error.to_string()));
            self.lose(waiting.len() as u64);
            // What is behind the whole entries is not known, so the next entries go to another file.
            return self.close();
        }
        current.length += bytes.len() as u64;
        let (length, begun) = (current.length, current.begun);
        if let Some(segment) = self.shared.segments_mut().last_mut() {
            segment.length = length;
            waiting.iter().for_each(|(offset, content)| segment.index.add(*offset, content));
        }
        self.shared.counts.written.fetch_add(waiting.len() as u64, Ordering::Relaxed);
        self.shared.counts.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.recover();
        // Their room is used again.
        (self.bytes, self.waiting) = (bytes, waiting);
        self.bytes.clear();
        self.waiting.clear();
        let most = MOST_BYTES.min(self.shared.settings.bytes / SHARE);
        if length >= most || self.newest.since(begun) >= MOST_AGE {
            self.close();
        }
    }

    fn sync(&mut self) {
        let had_failed = self.has_failed();
        if let Some(Err(error)) = self.current.as_mut().map(|current| current.sync(&self.shared.folder)) {
            self.report(Some(error.to_string()));
        }
        self.complete();
        self.synced = Stopwatch::start();
        if had_failed {
            self.recover();
        }
    }

    /// Whether some file could not be made durable.
    fn has_failed(&self) -> bool {
        !self.closing.is_empty() || self.current.as_ref().is_some_and(|current| current.failed)
    }

    /// Reports that the disk takes entries, unless something still fails.
    fn recover(&self) {
        if !self.has_failed() && self.failed() == 0 {
            self.report(None);
        }
    }

    /// Completes the file that is being written.
    fn close(&mut self) {
        self.flush();
        self.closing.extend(self.current.take());
        self.complete();
    }

    /// Makes complete files durable, and writes their indexes.
    fn complete(&mut self) {
        for mut file in std::mem::take(&mut self.closing) {
            let synced = file.sync(&self.shared.folder);
            let mut segments = self.shared.segments_mut();
            // If it is not there, it became too old.
            let Some(segment) = segments.iter_mut().find(|segment| segment.number == file.number) else { continue };
            // Without an index, the next start reads the entries.
            drop(segment.index.close(&segment.path.with_extension("index"), segment.length));
            drop(segments);
            if let Err(error) = synced {
                self.report(Some(error.to_string()));
                self.closing.push(file);
            }
        }
    }

    fn overwrite(&mut self) {
        let had_failed = self.failed() > 0;
        let (mut count, mut files) = std::mem::take(&mut self.undurable);
        let todo = std::mem::take(&mut self.overwrites);
        for overwrite in todo {
            if let Err(error) = self.overwrite_one(&overwrite, &mut files) {
                self.report(Some(error.to_string()));
                self.overwrites.push(overwrite);
            } else {
                count += 1;
            }
        }
        for (number, mut file) in files {
            if let Err(error) = file.sync() {
                self.report(Some(error.to_string()));
                self.undurable.1.push((number, file));
            }
        }
        if self.undurable.1.is_empty() {
            self.shared.overwriting.fetch_sub(count, Ordering::AcqRel);
        } else {
            self.undurable.0 = count;
        }
        if had_failed {
            self.recover();
        }
    }

    fn overwrite_one(&self, overwrite: &ToOverwrite, files: &mut Vec<(u64, Overwriting)>) -> Result<(), IoAt> {
        let ToOverwrite { customer, what, before } = overwrite;
        let pseudonym = self.shared.pseudonyms.of(customer);
        let person = pseudonym.0.first_chunk::<12>().copied().unwrap_or_default();
        for segment in self.shared.segments().iter().rev() {
            let place = |offset| Place { segment: segment.number, offset };
            let at = |error| IoAt::new(&segment.path, error);
            for offset in segment.index.find(index::part(&person)).map_err(at)? {
                if place(offset) >= *before {
                    continue;
                }
                let Some(target) = segment.at(offset, Target::of).map_err(at)? else {
                    self.shared.met_damage(&segment.path, 1);
                    continue;
                };
                let is_own = target.content.customer() == Some(pseudonym.0);
                let (values, whole) = match what {
                    Overwrite::Values => (is_own && target.has_values, false),
                    Overwrite::Everything => (false, of_person(&target.content, &person)),
                    Overwrite::Decision(key) => (false, is_own && target.content.key() == Some(*key)),
                };
                if !values && !whole {
                    continue;
                }
                let file = match files.iter().position(|(number, _)| *number == segment.number) {
                    Some(found) => files.get_mut(found),
                    None => {
                        files.push((segment.number, Overwriting::open(&segment.path)?));
                        files.last_mut()
                    }
                };
                let Some((_, file)) = file else { continue };
                if whole {
                    file.entry(offset, target.blank)?
                } else {
                    file.values(target.values)?
                }
                self.shared.counts.overwritten.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Removes the oldest files while they are too old, or all files are too large.
    fn retain(&mut self, now: Moment) {
        let settings = self.shared.settings;
        loop {
            let segments = self.shared.segments();
            let bytes: u64 = segments.iter().map(|segment| segment.length).sum();
            let Some(oldest) = segments.first() else { return };
            let newest = oldest.index.newest().map_or(oldest.begun, Moment);
            let gone = bytes > settings.bytes || now.since(newest) > settings.age;
            let is_current = self.current.as_ref().is_some_and(|current| current.number == oldest.number);
            self.shared.counts.bytes.store(bytes, Ordering::Relaxed);
            drop(segments);
            if !gone {
                return;
            }
            if is_current {
                self.close();
            }
            let oldest = self.shared.segments_mut().remove(0);
            if let Err(error) = oldest.remove() {
                return self.report(Some(format!("`{}`: {error}", oldest.path.display())));
            }
        }
    }

    /// Notes whether entries can be written, and logs when that changes.
    fn report(&self, trouble: Option<String>) {
        let failing = trouble.is_some();
        if self.shared.counts.failing.swap(failing, Ordering::AcqRel) != failing {
            match trouble {
                Some(error) => tracing::error!(%error, "the decision log cannot be written; decisions go on"),
                None => tracing::info!("the decision log is written again"),
            }
        }
    }
}

impl Drop for Writer {
    /// Nobody waits for a thread that has ended.
    fn drop(&mut self) {
        self.shared.ended.send_replace(Round { number: u64::MAX, failed: self.failed() });
    }
}
