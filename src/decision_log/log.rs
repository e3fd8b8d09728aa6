//! The open log: its files, the queue, and the thread that writes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use compact_str::CompactString;
use tokio::sync::watch;

use super::entry::{LoggedOutcome, of_person};
use super::queue::{Message, Overwrite, Queue};
use super::segment::{self, Overwriting, Segment, Target};
use super::shared::{LogCounts, Round, Shared};
use super::tally::Tally;
use super::writer::Writer;
use super::{LogError, LogSettings, Loggable, index};
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
}

impl DecisionLog {
    /// Opens the log of a data folder or creates it, and starts its thread. Damage never stops it.
    ///
    /// # Errors
    /// When a later version wrote a file, the disk fails, or the system cannot start a thread.
    pub fn open(
        data: &DataFolder,
        keys: FileKeys,
        settings: LogSettings,
        erased: &[ErasedPerson],
    ) -> Result<OpenedLog, LogError> {
        let folder = data.decisions();
        RealDisk.create_folder(&folder).at(&folder)?;
        let (segments, damaged) = open_all(&folder, &keys)?;
        let erased = erase_again(&segments, erased)?;
        let bytes = segments.iter().map(|segment| segment.length).sum();
        let shared = Arc::new(Shared {
            pseudonyms: keys.pseudonyms(),
            keys,
            settings,
            segments: RwLock::new(segments),
            queue: Queue::default(),
            begun: AtomicU64::new(0),
            ended: watch::Sender::new(Round::default()),
            stopping: AtomicBool::new(false),
            counts: LogCounts { bytes: AtomicU64::new(bytes), ..LogCounts::default() },
            tally: Mutex::default(),
            folder,
        });
        let writer = Writer::new(Arc::clone(&shared));
        let thread = thread::Builder::new().name(THREAD.into()).spawn(move || writer.run());
        let thread = thread.at(&shared.folder)?;
        Ok(OpenedLog { log: Self { shared, thread: Some(thread) }, damaged, erased })
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
    let (mut segments, mut damaged) = (Vec::with_capacity(numbers.len()), Vec::new());
    for number in numbers {
        let (segment, trouble) = Segment::open(segment::path(folder, number), number, keys)?;
        segments.push(segment);
        damaged.extend(trouble);
    }
    Ok((segments, damaged))
}

/// Overwrites the entries of erased customers from before their erasure, which an older copy of the files brings back.
fn erase_again(segments: &[Segment], erased: &[ErasedPerson]) -> Result<usize, LogError> {
    let erased: HashMap<u64, &ErasedPerson> =
        erased.iter().map(|person| (index::part(&person.person), person)).collect();
    let mut count = 0;
    for segment in segments.iter().filter(|_| !erased.is_empty()) {
        let mut back = Vec::new();
        segment.index.every_person(|part| back.extend(erased.get(&part).map(|_| part))).at(&segment.path)?;
        back.sort_unstable();
        back.dedup();
        let mut file = None;
        for part in back {
            let Some(ErasedPerson { person, position }) = erased.get(&part) else { continue };
            for offset in segment.index.find(part).at(&segment.path)? {
                let Some(target) = segment.at(offset, Target::of).at(&segment.path)? else { continue };
                if of_person(&target.content, person) && target.content.position() < Some(*position) {
                    let file = match &mut file {
                        Some(file) => file,
                        none => none.insert(Overwriting::open(&segment.path)?),
                    };
                    file.entry(offset, &target.blank)?;
                    count += 1;
                }
            }
        }
        file.map_or(Ok(()), Overwriting::sync)?;
    }
    Ok(count)
}
