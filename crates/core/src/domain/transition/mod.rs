//! Changes of a customer's state, when something is recorded or time passes. Pure: time is an argument.
//!
//! Collection and storage are gated here: a fact that no purpose covers is not stored.

mod attribute;
mod event;
mod journey;
mod outcome;
mod settle;

use crate::domain::consent::{Stage, Standing, Verdict, lawful};
use crate::domain::id::PurposeSet;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;

pub use attribute::set_attributes;
pub use event::{NewEvent, Recorded, record_event};
pub use outcome::{NewOutcome, RecordedOutcome, record_outcome, report_outcome, reserve};
pub use settle::{Settled, next_change, settle, withhold};

/// What a change of a customer depends on.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The rules in force.
    pub rules: &'a RuleSet,
    /// The customer's standing.
    pub standing: &'a Standing,
    /// Whether the ledger can be trusted now; if not, nothing personal is collected.
    pub ledger_trusted: bool,
    /// The one reading of the clock.
    pub now: Moment,
}

impl Terms<'_> {
    /// The purposes that may be served at a stage.
    #[must_use]
    pub fn lawful(&self, stage: Stage) -> PurposeSet {
        if !self.ledger_trusted {
            return PurposeSet::EMPTY;
        }
        let allowed = |verdict: Verdict| verdict.allows();
        let purposes = self.rules.declared.purposes.iter();
        purposes
            .filter(|(id, terms)| allowed(lawful(self.standing, *id, terms, stage, self.now)))
            .map(|(id, _)| id)
            .collect()
    }
}
