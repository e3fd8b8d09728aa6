//! RecordConsent: consent changes and what follows from them.
//!
//! Order of effects: a restriction takes effect in memory at once and is acknowledged when it is durable; a grant takes
//! effect only when it is durable. If the ledger fails, restrictions stay in effect and no grant takes effect.

mod change;
mod gpc;
mod known;
mod repetition;
mod view;

use std::sync::Arc;

use crate::domain::consent::record::RequestMark;
use crate::domain::consent::{ConsentRecord, ConsentStatus, Standing};
use crate::domain::id::PurposeId;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::engine::operation::{Applied, Committed, Context, Effects, Operation, StateChange, Undone};
use crate::engine::{ActiveRules, Customer, EngineError, FieldViolation};

pub use change::{ConsentChange, ConsentRequest, suppose, supposed};
pub use gpc::{GpcObjection, suppose_objection};
pub use known::{KnownRecords, may_repeat};
pub use repetition::{Remembered, came_with};
pub use view::{StandingView, Standings};

use super::item::ItemCode;
use change::{Refusal, faults, notice_hash, record, refusal, returns, validate};
use repetition::{Claim, claim, mark};
use view::view;

/// The result of one change.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeResult {
    /// The record's id; empty if the change was refused.
    pub record_id: String,
    /// The purpose that the change named.
    pub purpose: String,
    /// Whether the change was recorded.
    pub accepted: bool,
    /// What became of it.
    pub code: ItemCode,
    /// Why it was refused, a stable word or what is wrong with it; empty if it was accepted.
    pub reason: String,
    /// The standing of the purpose after the change.
    pub standing: Option<StandingView>,
}

/// The answer to a consent request.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsentAnswer {
    /// One result for each change, in the order of the request.
    pub results: Vec<ChangeResult>,
    /// The newest ledger position.
    pub position: u64,
}

/// Records the consent changes of one request: all that are accepted, or none.
#[derive(Debug)]
pub struct RecordConsent {
    request: ConsentRequest,
    /// The authenticated caller.
    recorded_by: String,
    /// What is wrong with the fields of each change.
    faults: Vec<Vec<FieldViolation>>,
    /// The records that late changes may repeat; `None` if none can.
    known: Option<KnownRecords>,
    /// The records of the same request, if it is known to be repeated.
    first: Option<Vec<ConsentRecord>>,
    rules: Arc<ActiveRules>,
}

/// The answer to a request, before its records are durable.
#[derive(Debug)]
pub enum ConsentDraft {
    /// The results of a new request.
    Results(ConsentAnswer),
    /// A repetition; the records of the first request are needed.
    Repeated,
    /// The request's key cannot be used.
    Refused(EngineError),
    /// The customer has newer records than those that the request knows.
    Stale,
}

impl RecordConsent {
    /// A request that is well formed. What the rules do not allow is refused change by change, in the answer.
    ///
    /// # Errors
    /// When the request is invalid.
    pub fn new(request: ConsentRequest, rules: Arc<ActiveRules>, now: Moment) -> Result<Self, EngineError> {
        validate(&request, &rules.set)?;
        let faults = request.changes.iter().map(|change| faults(change, &rules.set, now)).collect();
        Ok(Self { request, recorded_by: String::new(), faults, known: None, first: None, rules })
    }

    /// The same request, with the customer's records.
    #[must_use]
    pub fn knowing(self, known: KnownRecords) -> Self {
        Self { known: Some(known), ..self }
    }

    /// The same request, which is repeated, with the records that it made first.
    #[must_use]
    pub fn repeating(self, first: Vec<ConsentRecord>) -> Self {
        Self { first: Some(first), ..self }
    }

    /// The same request, of an authenticated caller.
    #[must_use]
    pub fn recorded_by(self, caller: &str) -> Self {
        Self { recorded_by: caller.to_owned(), ..self }
    }

    fn purpose(&self, name: &str) -> Option<PurposeId> {
        self.rules.set.vocabulary.find(name)
    }

    /// The records of the accepted changes, and the answer to each change.
    fn drafts(&self, standing: &Standing, context: &Context<'_>) -> (Vec<ConsentRecord>, Vec<ChangeResult>) {
        let (request, rules) = (&self.request, context.rules);
        let was_gone = standing.is_gone();
        let (mut records, mut results) = (Vec::new(), Vec::new());
        let refused = request.changes.iter().zip(&self.faults).map(|(change, faults)| match faults.as_slice() {
            [] => refusal(request, change, rules),
            faults => Some(Refusal::wrong(faults)),
        });
        let changes: Vec<_> = request.changes.iter().zip(refused).collect();
        let comes_back = changes.iter().any(|(change, refused)| refused.is_none() && returns(request, change));
        let gone = was_gone && !comes_back;
        for (change, refused) in changes {
            let not_erased = change.status == ConsentStatus::Returned && !was_gone;
            let refused = match refused {
                _ if gone => Some(Refusal::erased()),
                None if not_erased => Some(Refusal::not_erased()),
                refused => refused,
            };
            let purpose = change.purpose.clone();
            let repeated = self.known.as_ref().and_then(|known| known.repeated(request, change));
            if let (None, Some(record)) = (&refused, repeated) {
                let (record_id, code, reason) = (record.record_id.clone(), ItemCode::Repeated, String::new());
                results.push(ChangeResult { record_id, purpose, accepted: true, code, reason, standing: None });
                continue;
            }
            let Some(Refusal { code, reason }) = refused else {
                let terms = self.purpose(&purpose).and_then(|id| rules.purpose(id));
                let shown = (terms.map_or(1, |terms| terms.version), terms.map(|terms| terms.basis));
                // A grant counts from its arrival, however long it waited for its turn; a "no" counts from now.
                let received = if change.status.permits() { context.arrived } else { context.now };
                let (sequence, record_id) = context.ids.record(context.now);
                results.push(ChangeResult {
                    record_id: record_id.clone(),
                    purpose,
                    accepted: true,
                    code: ItemCode::Ok,
                    reason: String::new(),
                    standing: None,
                });
                let said = (request, self.recorded_by.as_str());
                let notice_hash = notice_hash(change, terms, rules);
                let record = record(said, change, (record_id, shown), (received, sequence));
                records.push(ConsentRecord { notice_hash, request: mark(request), ..record });
                continue;
            };
            let refused =
                ChangeResult { record_id: String::new(), purpose, accepted: false, code, reason, standing: None };
            results.push(refused);
        }
        (records, results)
    }

    /// The answer to a repetition: what was recorded stands, and what was refused still is.
    fn repeated(&self, customer: &Customer, context: &Context<'_>) -> ConsentDraft {
        let Some(first) = &self.first else { return ConsentDraft::Repeated };
        let (_, mut results) = self.drafts(&customer.standing, context);
        for (change, result) in self.request.changes.iter().zip(&mut results) {
            let recorded = first.iter().find(|record| record.purpose == change.purpose);
            let (accepted, code, reason) = match recorded {
                Some(_) => (true, ItemCode::Ok, ""),
                None if result.code == ItemCode::Ok => (false, ItemCode::Invalid, "refused_before"),
                None => continue,
            };
            let record_id = recorded.map_or_else(String::new, |record| record.record_id.clone());
            let (purpose, reason) = (change.purpose.clone(), reason.into());
            *result = ChangeResult { record_id, purpose, accepted, code, reason, standing: None };
        }
        let mut answer = ConsentAnswer { results, position: customer.standing.position() };
        self.show_standings(&mut answer, customer, context);
        ConsentDraft::Results(answer)
    }

    /// Adds the standing to each accepted change.
    fn show_standings(&self, answer: &mut ConsentAnswer, customer: &Customer, context: &Context<'_>) {
        for result in answer.results.iter_mut().filter(|result| result.accepted) {
            let purpose = self.purpose(&result.purpose);
            result.standing = purpose.and_then(|id| view(id, &customer.standing, context.rules, context.now));
        }
    }

    /// Applies the records that restrict, and what elapsed time changes before and after.
    fn restrict(&self, customer: &mut Customer, records: &[ConsentRecord], context: &Context<'_>) {
        let mut restrictions = records.iter().filter(|record| !record.status.permits()).peekable();
        if restrictions.peek().is_some() {
            // Data that was due for deletion before a restriction of processing is not preserved by the restriction.
            customer.settle(context);
            customer.deny();
        }
        restrictions.for_each(|record| customer.standing.apply(self.purpose(&record.purpose), record, 0));
        customer.settle(context);
    }
}

impl Operation for RecordConsent {
    type Draft = ConsentDraft;
    type Answer = Result<ConsentAnswer, EngineError>;

    fn customer(&self) -> &str {
        &self.request.customer
    }

    fn rules(&self) -> &RuleSet {
        &self.rules.set
    }

    fn needs_state(&self) -> bool {
        false
    }

    fn run(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<ConsentDraft> {
        match claim(customer, &self.request, context) {
            Claim::Repeated => return Applied::unchanged(self.repeated(customer, context)),
            Claim::Refused(error) => return Applied::unchanged(ConsentDraft::Refused(error)),
            Claim::New => {}
        }
        if self.known.as_ref().is_some_and(|known| known.are_stale(&customer.standing)) {
            self.release(customer);
            return Applied::unchanged(ConsentDraft::Stale);
        }
        let (consent, results) = self.drafts(&customer.standing, context);
        if consent.is_empty() {
            self.release(customer);
        }
        self.restrict(customer, &consent, context);
        let mut answer = ConsentAnswer { results, position: customer.standing.position() };
        if consent.is_empty() {
            self.show_standings(&mut answer, customer, context);
        }
        let effects = Effects { consent, state: StateChange::Changed, ..Effects::default() };
        Applied::with(ConsentDraft::Results(answer), effects)
    }

    fn take_effect(&self, customer: &mut Customer, draft: &mut ConsentDraft, done: &Committed<'_>) {
        let ConsentDraft::Results(answer) = draft else { return };
        let Committed { records, position, context } = *done;
        let first = position.saturating_sub(records.len() as u64);
        for (index, record) in (1..).zip(records) {
            customer.standing.apply(self.purpose(&record.purpose), record, first + index);
        }
        self.show_standings(answer, customer, &context);
        answer.position = customer.standing.position();
        customer.remember_consent(&self.request, &context);
    }

    fn release(&self, customer: &mut Customer) {
        customer.release_key(&self.request);
    }

    fn undo(&self, customer: &mut Customer, _draft: &ConsentDraft) -> Undone {
        self.release(customer);
        Undone { effects: Effects::changed(), forget: None }
    }

    fn finish(&self, draft: ConsentDraft) -> Self::Answer {
        match draft {
            ConsentDraft::Results(answer) => Ok(answer),
            ConsentDraft::Repeated => Err(EngineError::ConsentRepeated),
            ConsentDraft::Refused(error) => Err(error),
            ConsentDraft::Stale => Err(EngineError::RecordsChanged),
        }
    }
}
