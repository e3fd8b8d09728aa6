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
    /// The id of an outcome, which must not count a second time.
    SeenId(u64),
    /// A request was answered.
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
}

/// The content of a log when it was opened.
#[derive(Debug, Default)]
pub struct LogContents {
    /// Each entry with its segment, in the order in which they were written.
    pub entries: Vec<(u64, LogEntry)>,
    /// The last flush that is recorded as durable.
    pub durable_flush: u64,
    /// The number of entries with a wrong checksum.
    pub damaged: u64,
}
