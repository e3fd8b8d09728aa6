//! What the log's thread shares with its users.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use super::LogSettings;
use super::queue::Queue;
use super::segment::Segment;
use super::tally::Tally;
use crate::ledger::{FileKeys, Pseudonyms};

/// What the log's thread shares with its users.
#[derive(Debug)]
pub struct Shared {
    pub folder: PathBuf,
    pub keys: FileKeys,
    pub pseudonyms: Pseudonyms,
    pub settings: LogSettings,
    pub segments: RwLock<Vec<Segment>>,
    pub queue: Queue,
    /// The number of the last round of the thread that has begun.
    pub begun: AtomicU64,
    /// The last round that has ended.
    pub ended: watch::Sender<Round>,
    pub stopping: AtomicBool,
    pub counts: LogCounts,
    /// How many overwrites are not durable yet.
    pub overwriting: AtomicU64,
    /// Up to which position of the ledger the values from before denials are known to be overwritten.
    pub denied_up_to: AtomicU64,
    pub tally: Mutex<Tally>,
}

/// A round of the thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct Round {
    pub number: u64,
    /// How many overwrites failed, and are tried again.
    pub failed: usize,
}

/// Counters since the log was opened.
#[derive(Debug, Default)]
pub struct LogCounts {
    /// Entries written.
    pub written: AtomicU64,
    /// Entries that could not be written.
    pub lost: AtomicU64,
    /// Damaged places that were met.
    pub damaged: AtomicU64,
    /// Entries whose values were overwritten, and entries that were overwritten whole.
    pub overwritten: AtomicU64,
    /// Bytes of all files.
    pub bytes: AtomicU64,
    /// Whether the disk does not take entries.
    pub failing: AtomicBool,
}

impl Shared {
    pub fn segments(&self) -> RwLockReadGuard<'_, Vec<Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn segments_mut(&self) -> RwLockWriteGuard<'_, Vec<Segment>> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts damaged places, and logs them.
    pub fn met_damage(&self, path: &Path, places: u64) {
        if places > 0 && self.counts.damaged.fetch_add(places, Ordering::Relaxed) == 0 {
            tracing::error!(file = %path.display(), places, "entries of the decision log are damaged, and lost");
        }
    }
}
