//! What a swap says of its customer's decisions.

use std::sync::Arc;

use crate::decision_log::Loggable;
use crate::domain::consent::ConsentRecord;
use crate::storage::{Logged, Transaction};
use crate::store::LoggedChange;

/// What a swap says of its customer's decisions.
#[derive(Debug, Default)]
pub struct Said {
    /// New ones, each with whether a later change of the same swap removes its values.
    pub decisions: Vec<(Arc<dyn Loggable>, bool)>,
    /// Whether the values of all earlier ones are removed.
    pub revokes: bool,
    /// The keys of those that no caller got.
    pub taken_back: Vec<u64>,
}

impl Said {
    /// What consent records say that come alone.
    pub fn of_records(records: &[ConsentRecord]) -> Self {
        Self { revokes: records.iter().any(|record| !record.status.permits()), ..Self::default() }
    }

    /// What a transaction says. Outcomes are not kept.
    pub fn of(transaction: &Transaction<'_>) -> Self {
        let decision = match &transaction.logged {
            Some(Logged::Decision(decision)) => Some((Arc::clone(decision), false)),
            Some(Logged::Outcome(_)) | None => None,
        };
        let taken_back = transaction.log.iter().filter_map(|change| match change {
            LoggedChange::Withdrawn { decision, action: None } => Some(*decision),
            _ => None,
        });
        let (decisions, taken_back) = (decision.into_iter().collect(), taken_back.collect());
        Self { decisions, revokes: transaction.revokes, taken_back }
    }

    /// Adds what the next change of the same customer says.
    pub fn join(&mut self, next: Self) {
        self.revokes |= next.revokes;
        self.decisions.iter_mut().for_each(|(_, hidden)| *hidden |= next.revokes);
        if !next.taken_back.is_empty() {
            self.decisions.retain(|(decision, _)| !next.taken_back.contains(&key(&**decision)));
        }
        self.decisions.extend(next.decisions);
        self.taken_back.extend(next.taken_back);
    }
}

/// The key of a decision.
fn key(decision: &dyn Loggable) -> u64 {
    let mut key = 0;
    decision.describe(&mut |entry, _| key = entry.key());
    key
}
