//! What the records of a ledger say together: what a start needs of them all. Whatever concerns one customer is read
//! when somebody asks for them.

use std::collections::BTreeSet;

use compact_str::CompactString;

use crate::domain::time::Moment;

/// What records say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Every purpose that one of them names.
    pub purposes: BTreeSet<CompactString>,
    /// The highest of their places in the order of arrival.
    pub sequence: u64,
    /// When the last of them came.
    pub received: Option<Moment>,
}

impl Past {
    /// Notes one record.
    pub(super) fn note(&mut self, purpose: &str, sequence: u64, received: Moment) {
        self.sequence = self.sequence.max(sequence);
        self.received = self.received.max(Some(received));
        if !purpose.is_empty() && !self.purposes.contains(purpose) {
            self.purposes.insert(purpose.into());
        }
    }

    /// Notes what other records say.
    pub(super) fn add(&mut self, other: Self) {
        self.sequence = self.sequence.max(other.sequence);
        self.received = self.received.max(other.received);
        self.purposes.extend(other.purposes);
    }
}
