//! Late changes that are on record already: an import that is sent twice appends nothing.

use super::{ConsentChange, ConsentRequest};
use crate::domain::consent::{ConsentRecord, Standing};

/// The records of a customer, read before the request runs.
#[derive(Debug, Default)]
pub struct KnownRecords {
    /// The late ones.
    late: Vec<ConsentRecord>,
    /// The ledger position of the newest record.
    position: u64,
}

impl KnownRecords {
    /// What is needed of a customer's records, with their positions.
    pub fn of(records: Vec<(u64, ConsentRecord)>) -> Self {
        let position = records.iter().map(|(position, _)| *position).max().unwrap_or(0);
        let late = records.into_iter().map(|(_, record)| record).filter(|record| record.deferred);
        Self { late: late.collect(), position }
    }

    /// Whether the customer has newer records.
    pub fn are_stale(&self, standing: &Standing) -> bool {
        self.position < standing.position()
    }

    /// The record that a change repeats.
    pub fn repeated(&self, request: &ConsentRequest, change: &ConsentChange) -> Option<&ConsentRecord> {
        let claimed = change.claimed.filter(|_| request.deferred)?;
        self.late.iter().find(|record| {
            record.purpose == change.purpose
                && record.status == change.status
                && record.claimed == Some(claimed)
                && record.source.evidence == request.source.evidence
        })
    }
}

/// Whether a request may repeat records, so that they must be read first.
pub fn may_repeat(request: &ConsentRequest) -> bool {
    request.deferred && request.changes.iter().any(|change| change.claimed.is_some())
}
