//! What is to be written, in the order in which it came. Sharded by customer, so that calls of others do not contend.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use compact_str::CompactString;

use super::Loggable;
use super::entry::LoggedOutcome;
use crate::domain::time::Moment;

const SHARDS: usize = 16;
/// How many decisions and outcomes wait in one shard; more are lost while the disk does not take them.
const MOST: usize = 8_192;

/// Something for the log's thread.
#[derive(Debug)]
pub enum Message {
    /// A decision was made.
    Decision(Arc<dyn Loggable>),
    /// An outcome was recorded; its pseudonym is not filled in.
    Outcome(CompactString, LoggedOutcome),
    /// What was logged of a customer is overwritten.
    Overwrite(CompactString, Overwrite),
    /// What is past its time is removed.
    Retain(Moment),
}

/// What is overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// The values of all earlier decisions.
    Values,
    /// One decision, which was taken back, by its key.
    Decision(u64),
    /// Everything about the person, in any spelling of the id.
    Everything,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    shards: [Shard; SHARDS],
    hasher: foldhash::fast::RandomState,
    /// The number of messages so far.
    pushed: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Vec<(u64, Message)>>);

impl Queue {
    /// Adds a message about a customer; false if too many wait, and it is dropped. What overwrites is never dropped.
    pub fn push(&self, customer: &str, message: Message) -> bool {
        let number = self.hasher.hash_one(customer);
        let Some(shard) = usize::try_from(number % SHARDS as u64).ok().and_then(|shard| self.shards.get(shard)) else {
            return false;
        };
        let mut waiting = lock(shard);
        let fits = waiting.len() < MOST || matches!(message, Message::Overwrite(..) | Message::Retain(_));
        if fits {
            waiting.push((self.pushed.fetch_add(1, Ordering::Relaxed), message));
        }
        fits
    }

    /// Whether no shard is half full.
    pub fn is_short(&self) -> bool {
        self.shards.iter().all(|shard| lock(shard).len() < MOST / 2)
    }

    /// Takes everything that waits, in its order.
    pub fn drain(&self, into: &mut Vec<(u64, Message)>) {
        for shard in &self.shards {
            let mut waiting = lock(shard);
            let capacity = waiting.len();
            let taken = std::mem::replace(&mut *waiting, Vec::with_capacity(capacity.min(MOST)));
            drop(waiting);
            into.extend(taken);
        }
        // Each shard is in order: the stable sort merges them.
        into.sort_by_key(|(number, _)| *number);
    }
}

fn lock(shard: &Shard) -> MutexGuard<'_, Vec<(u64, Message)>> {
    shard.0.lock().unwrap_or_else(PoisonError::into_inner)
}
