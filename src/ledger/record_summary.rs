//! What a start needs to know of all records together. The records of a customer are read when the customer is loaded.

use std::collections::BTreeSet;

use compact_str::CompactString;

use crate::domain::time::Moment;

/// A summary of the records of a ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordSummary {
    /// The purposes that records name.
    pub purposes: BTreeSet<CompactString>,
    /// The highest sequence number of a record, in the order of arrival.
    pub last_sequence: u64,
    /// When the latest record was received.
    pub last_received: Option<Moment>,
}

impl RecordSummary {
    /// Adds one record.
    pub(super) fn add(&mut self, purpose: &str, sequence: u64, received: Moment) {
        self.last_sequence = self.last_sequence.max(sequence);
        self.last_received = self.last_received.max(Some(received));
        if !purpose.is_empty() && !self.purposes.contains(purpose) {
            self.purposes.insert(purpose.into());
        }
    }

    /// Adds the records of another summary.
    pub(super) fn merge(&mut self, other: Self) {
        self.last_sequence = self.last_sequence.max(other.last_sequence);
        self.last_received = self.last_received.max(other.last_received);
        self.purposes.extend(other.purposes);
    }
}
