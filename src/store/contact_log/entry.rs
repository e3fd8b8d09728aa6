//! The entries of the contact log, and what reading it finds.

use postcard::experimental::max_size::MaxSize;
use serde::{Deserialize, Serialize};

use crate::store::codec::{StoredContact, StoredContactV2, StoredOutcome, StoredRequest};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, MaxSize)]
pub struct LogEntry {
    /// The customer's pseudonym.
    pub customer: [u8; 20],
    /// The change to the customer.
    pub change: LoggedChange,
}

/// A change that the log holds, by its number in this list: new ones go to the end. Replaying one that is already in the stored customer changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, MaxSize)]
pub enum LoggedChange {
    /// [`LoggedChange::Contact`] as programs before customers version 3 wrote it. Read, not written.
    ContactV2(StoredContactV2),
    /// An outcome was recorded.
    Outcome(StoredOutcome),
    /// The id of an outcome, as programs before customers version 4 wrote it. Read, not written.
    SeenId(u64),
    /// A request was answered, as programs before customers version 5 wrote it. Read, not written.
    Request(StoredRequest),
    /// Contacts of a decision were withdrawn and no longer count.
    Withdrawn {
        /// The number of the decision.
        decision: u64,
        /// The action whose contact was withdrawn; without it, all contacts of the decision.
        action: Option<u16>,
    },
    /// A contact was made, or had an outcome; replaces an earlier entry of the same contact.
    Contact(StoredContact),
    /// The id of an outcome, which must not count a second time.
    KnownId([u8; 6]),
    /// A request was answered, and must not count a second time.
    KnownRequest([u8; 24]),
}

/// The content of a log when it was opened.
#[derive(Debug, Default)]
pub struct LogContents {
    /// Each entry with its segment, in the order in which they were written.
    pub entries: Vec<(u64, LogEntry)>,
    /// The last flush that is recorded as durable.
    pub durable_flush: u64,
    /// The number of entries that cannot be read.
    pub damaged: u64,
    /// The number of entries of which a single bit was wrong, and is put right.
    pub repaired: u64,
    /// How many entries of a segment were synced, by segment.
    pub(super) counts: Vec<(u64, u64)>,
    /// How many entries each file has, unreadable ones included; those of even segments first.
    pub(super) slots: Vec<u64>,
}

impl LogContents {
    /// The number of entries that were synced and are missing, of segments after the last drained one.
    #[must_use]
    pub fn missing(&self, drained: u64) -> u64 {
        let newest = |file: u64| {
            let counts = self.counts.iter().filter(|(segment, _)| *segment > drained && segment % 2 == file);
            counts.max().map_or(0, |(_, count)| *count)
        };
        (0..).zip(&self.slots).map(|(file, slots)| newest(file).saturating_sub(*slots)).sum()
    }
}
