//! The open log: its files, the queue, and the thread that writes.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use compact_str::CompactString;
use tokio::sync::watch;

use super::entry::LoggedOutcome;
use super::queue::{Message, Overwrite, Queue};
use super::repetition::{self, KnownDenials};
use super::segment::{self, Segment};
use super::shared::{LogCounts, Round, Shared};
use super::tally::Tally;
use super::writer::Writer;
use super::{LogError, LogSettings, Loggable};
use crate::descriptors;
use crate::domain::time::Moment;
use crate::io_at::AtPath as _;
use crate::ledger::disk::{Disk as _, RealDisk};
use crate::ledger::{DataFolder, ErasedPerson, FileKeys};
use crate::sync::block_on;

/// The name of the thread.
const THREAD: &str = "decision-log";

/// The decision log of a data folder.
#[derive(Debug)]
pub struct DecisionLog {
    pub(super) shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// A log with what was found when it was opened.
#[derive(Debug)]
pub struct OpenedLog {
    /// The log.
    pub log: DecisionLog,
    /// What is damaged, in words.
    pub damaged: Vec<String>,
    /// How many entries of erased customers had come back, and were overwritten again.
    pub erased: usize,
    /// How many entries had values from before a denial, because a kill had cut short their overwriting.
    pub denied: usize,
}

impl DecisionLog {
    /// Opens the log of a data folder or creates it, and starts its thread. Damage never stops it. What erasures and
    /// denials concern is overwritten first, as far as a kill or an older copy of the files has left it.
    ///
    /// # Errors
    /// When a later version wrote a file, the disk fails, or the system cannot start a thread.
    pub fn open(
        data: &DataFolder,
        keys: FileKeys,
        settings: LogSettings,
        (erased, denied): (&[ErasedPerson], KnownDenials<'_>),
    ) -> Result<OpenedLog, LogError> {
        let folder = data.decisions();
        RealDisk.create_folder(&folder).at(&folder)?;
        let (segments, damaged) = open_all(&folder, &keys)?;
        let erased = repetition::erase(&segments, erased)?;
        let pseudonyms = keys.pseudonyms();
        let denied_up_to = repetition::noted(&folder);
        let denied =
            if segments.is_empty() { 0 } else { repetition::deny(&segments, &pseudonyms, denied(denied_up_to)?)? };
        let bytes = segments.iter().map(|segment| segment.length).sum();
        let shared = Arc::new(Shared {
            pseudonyms,
            keys,
            settings,
            segments: RwLock::new(segments),
            queue: Queue::default(),
            begun: AtomicU64::new(0),
            ended: watch::Sender::new(Round::default()),
            stopping: AtomicBool::new(false),
            counts: LogCounts { bytes: AtomicU64::new(bytes), ..LogCounts::default() },
            overwriting: AtomicU64::new(0),
            denied_up_to: AtomicU64::new(denied_up_to),
            tally: Mutex::default(),
            folder,
        });
        let writer = Writer::new(Arc::clone(&shared));
        let thread = thread::Builder::new().name(THREAD.into()).spawn(move || writer.run());
        let thread = thread.at(&shared.folder)?;
        Ok(OpenedLog { log: Self { shared, thread: Some(thread) }, damaged, erased, denied })
    }

    /// Logs a decision. Called in the customer's critical section: it never waits.
    pub fn decided(&self, decision: Arc<dyn Loggable>) {
        let customer = CompactString::from(decision.customer());
        self.push(&customer, Message::Decision(decision));
    }

    /// Logs an outcome, like [`DecisionLog::decided`]. Its pseudonym is filled in.
    pub fn outcome(&self, customer: &str, outcome: LoggedOutcome) {
        self.push(customer, Message::Outcome(customer.into(), outcome));
    }

    /// Overwrites the values of everything that was logged of a customer before.
    pub fn revoke(&self, customer: &str) {
        self.push(customer, Message::Overwrite(customer.into(), Overwrite::Values));
    }

    /// Overwrites a decision that was taken back before anybody got it.
    pub fn take_back(&self, customer: &str, decision: u64) {
        self.push(customer, Message::Overwrite(customer.into(), Overwrite::Decision(decision)));
    }

    /// Removes files that are too old or too many.
    pub fn retain(&self, now: Moment) {
        self.push("", Message::Retain(now));
    }

    /// Overwrites everything about a person, and returns when it is done. Entries that wait to be written are written
    /// before.
    ///
    /// # Errors
    /// When the disk fails. It must be repeated then.
    pub fn erase(&self, customer: &str) -> Result<(), LogError> {
        self.push(customer, Message::Overwrite(customer.into(), Overwrite::Everything));
        if block_on(self.done()) { Ok(()) } else { Err(LogError::NotOverwritten) }
    }

    /// Waits until everything from before this call is written and overwritten. Returns whether it is.
    pub async fn done(&self) -> bool {
        let begun = self.shared.begun.load(Ordering::Acquire);
        let mut ended = self.shared.ended.subscribe();
        self.wake();
        // A round that had begun may have passed by; the next one has it.
        let waited = ended.wait_for(|round| round.number > begun).await.map(|round| round.failed == 0);
        waited.unwrap_or(false)
    }

    /// Waits until everything is overwritten that must be, unless the disk fails. Returns at once if nothing is under way.
    pub fn wait_overwritten(&self) {
        if self.is_overwriting() {
            block_on(self.done());
        }
    }

    fn is_overwriting(&self) -> bool {
        self.shared.overwriting.load(Ordering::Acquire) > 0
    }

    /// Notes that every denial up to a position of the ledger was handed to the log. If all is overwritten, the next start
    /// looks at later denials only.
    pub fn note_denied(&self, position: u64) {
        if position > self.shared.denied_up_to.load(Ordering::Acquire)
            && !self.is_overwriting()
            // An error costs the next start some time.
            && repetition::note(&self.shared.folder, position).is_ok()
        {
            self.shared.denied_up_to.store(position, Ordering::Release);
        }
    }

    /// Counters since the log was opened.
    #[must_use]
    pub fn counts(&self) -> &LogCounts {
        &self.shared.counts
    }

    /// What was said and what became of it since the log was opened.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.shared.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One decision in this many is explained for reports; 0 means none.
    #[must_use]
    pub fn sample(&self) -> u32 {
        self.shared.settings.sample
    }

    /// The bytes that the index takes in memory.
    #[must_use]
    pub fn index_memory(&self) -> usize {
        self.shared.segments().iter().map(|segment| segment.index.memory() + size_of::<Segment>()).sum()
    }

    /// The name of the log's thread, if it has ended unexpectedly.
    #[must_use]
    pub fn ended_thread(&self) -> Option<&'static str> {
        self.thread.as_ref().filter(|thread| thread.is_finished()).map(|_| THREAD)
    }

    fn push(&self, customer: &str, message: Message) {
        if let Message::Overwrite(..) = message {
            self.shared.overwriting.fetch_add(1, Ordering::AcqRel);
        }
        if !self.shared.queue.push(customer, message) {
            self.shared.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for DecisionLog {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.wake();
        // If the thread panicked, there is nothing left to finish.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn open_all(folder: &Path, keys: &FileKeys) -> Result<(Vec<Segment>, Vec<String>), LogError> {
    let names = match descriptors::open(|| fs::read_dir(folder)) {
        Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
        Err(error) => return Err(error).at(folder).map_err(LogError::from),
    };
    let mut numbers: Vec<u64> = names.filter_map(|name| segment::number(&name)).collect();
    numbers.sort_unstable();
    let (mut segments, mut damaged, mut empty) = (Vec::with_capacity(numbers.len()), Vec::new(), 0);
    for number in numbers {
        let path = segment::path(folder, number);
        if Segment::is_empty(&path) && fs::remove_file(&path).is_ok() {
            empty += 1;
            continue;
        }
        let (segment, trouble) = Segment::open(path, number, keys)?;
        segments.push(segment);
        damaged.extend(trouble);
    }
    if empty > 0 {
        damaged.push(format!(
            "{empty} empty files were removed: a full disk or a kill leaves them, or the disk lost what they held"
        ));
    }
    Ok((segments, damaged))
}
