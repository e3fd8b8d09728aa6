//! Ids in the layout of UUIDv7 (RFC 9562): 16 bytes, unique over processes and machines.
//!
//! The 48 bits of the time are the caller's. The 12 bits after the version count the ids that a thread made in one
//! millisecond, so that they sort in the order in which they were made. The last 62 bits are random.

use std::cell::RefCell;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::{Builder, Uuid};

use crate::domain::time::Moment;

/// The random bytes of one id.
const RANDOM: usize = 8;
/// The ids for which a thread asks the operating system for random bytes at once.
const BATCH: usize = 512;

/// A new id.
#[must_use]
pub fn unique_id(now: Moment) -> Uuid {
    thread_local!(static SOURCE: RefCell<Source> = const { RefCell::new(Source::NEW) });
    let millisecond = u64::try_from(now.0).unwrap_or(0);
    let (count, random) = SOURCE.with_borrow_mut(|source| (source.count(millisecond), source.random()));
    let mut bytes = [0; 2 + RANDOM];
    let (counted, rest) = bytes.split_at_mut(2);
    counted.copy_from_slice(&count.to_be_bytes());
    rest.copy_from_slice(&random);
    Builder::from_unix_timestamp_millis(millisecond, &bytes).into_uuid()
}

/// What one thread makes ids from.
struct Source {
    millisecond: u64,
    count: u16,
    batch: [[u8; RANDOM]; BATCH],
    /// How many of the batch are left.
    left: usize,
}

impl Source {
    const NEW: Self = Self { millisecond: 0, count: 0, batch: [[0; RANDOM]; BATCH], left: 0 };

    /// The number of this id in its millisecond; past 4,095 the order of ids is left to chance.
    fn count(&mut self, millisecond: u64) -> u16 {
        self.count = if millisecond == self.millisecond { self.count.saturating_add(1) } else { 0 };
        self.millisecond = millisecond;
        self.count.min(0xfff)
    }

    fn random(&mut self) -> [u8; RANDOM] {
        if self.left == 0 {
            if getrandom::fill(self.batch.as_flattened_mut()).is_err() {
                return guessable();
            }
            self.left = BATCH;
        }
        self.left -= 1;
        self.batch.get_mut(self.left).map(std::mem::take).unwrap_or_else(guessable)
    }
}

/// Bytes that differ from id to id, for a system that gives no random bytes: a decision is not refused for that.
fn guessable() -> [u8; RANDOM] {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    foldhash::quality::RandomState::default().hash_one(COUNT.fetch_add(1, Ordering::Relaxed)).to_le_bytes()
}
