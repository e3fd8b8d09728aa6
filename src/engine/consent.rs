//! Consent changes and what follows from them.
//!
//! Order of effects: a restriction binds in memory at once and is acknowledged when it is durable; a grant
//! takes effect only when it is durable. If the ledger fails, restrictions stay and nothing is granted.

mod change;
mod gpc;
mod repetition;
mod view;

use crate::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::{ActiveRules, Customer, Engine, EngineError};
use crate::domain::consent::{ConsentRecord, ConsentStatus};
use crate::domain::id::PurposeId;
use crate::domain::rules::RuleSet;
use crate::domain::time::Moment;
use crate::ledger::{LedgerError, Past};

pub use change::{ConsentChange, ConsentRequest};
pub(super) use gpc::suppose_objection;
pub use repetition::Remembered;
pub use view::StandingView;

use change::{record, refusal, returns, validate};
use view::view;

/// What became of one change.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeResult {
    /// The record's name; empty if it was refused.
    pub record_id: String,
    /// Which purpose.
    pub purpose: String,
    /// Whether it was recorded.
    pub accepted: bool,
    /// A stable word, if it was refused.
    pub reason: String,
    /// The standing after it.
    pub standing: Option<StandingView>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsentAnswer {
    /// One for each change.
    pub results: Vec<ChangeResult>,
    /// The newest ledger position.
    pub position: u64,
}

/// A request that binds as far as it restricts, and is not in the ledger yet.
#[derive(Debug)]
pub enum BegunConsent {
    /// It came before, and this was the answer.
    Repeated(Arc<ConsentAnswer>),
    /// Its records wait for the ledger.
    Bound(Box<BoundConsent>),
}

/// A request whose restrictions bind.
#[derive(Debug)]
pub struct BoundConsent {
    request: ConsentRequest,
    rules: Arc<ActiveRules>,
    /// When it came in, and what our clock said then.
    at: (Moment, Moment),
    /// How many erasures had begun or ended before it bound.
    erasures: u64,
    changes: Changes,
}

/// What is made of the changes of a request: records of those that are accepted, and what to answer to each.
#[derive(Debug)]
struct Changes {
    records: Vec<ConsentRecord>,
    results: Vec<ChangeResult>,
}

impl Engine {
    /// Records consent changes and answers when they are durable.
    ///
    /// # Errors
    /// When the request is wrong, its key was used for another body, or the ledger does not take records.
    pub fn record_consent(&self, request: ConsentRequest, now: Moment) -> Result<ConsentAnswer, EngineError> {
        self.finish_consent(self.begin_consent(request, now)?)
    }

    /// The first half of it, which waits for nothing: whatever restricts binds in memory when this returns.
    ///
    /// # Errors
    /// When the request is wrong, or its key was used for another body.
    pub fn begin_consent(&self, request: ConsentRequest, now: Moment) -> Result<BegunConsent, EngineError> {
        // A grant counts from when it came in, however long it waited for its turn; a "no" from now.
        let at = (now, self.steady(now));
        let rules = self.rules.load_full();
        validate(&request, &rules.set, at.1)?;
        if let Some(answer) = self.claim_key(&request, at.1)? {
            return Ok(BegunConsent::Repeated(answer));
        }
        let erasures = self.erasures.load(Ordering::Acquire);
        let changes = self.bind(&request, &rules.set, at);
        Ok(BegunConsent::Bound(Box::new(BoundConsent { request, rules, at, erasures, changes })))
    }

    /// The second half, which waits for the disk: the records are durable when this returns, and grants in effect.
    ///
    /// # Errors
    /// When the ledger does not take records. What restricts binds all the same.
    pub fn finish_consent(&self, begun: BegunConsent) -> Result<ConsentAnswer, EngineError> {
        let BoundConsent { request, rules, at, erasures, mut changes } = match begun {
            BegunConsent::Repeated(answer) => return Ok(ConsentAnswer::clone(&answer)),
            BegunConsent::Bound(bound) => *bound,
        };
        let _claim = self.hold_key(&request);
        // Nobody is erased between here, writing and taking effect.
        let _no_erasure = self.erasing.read().unwrap_or_else(PoisonError::into_inner);
        if self.erasures.load(Ordering::Acquire) != erasures {
            // What was bound may have been erased, and who says yes may be nobody any more.
            self.with_customer(&request.customer, |customer| customer.recorded(&changes.records));
            changes = self.bind(&request, &rules.set, at);
        }
        let position = if changes.records.is_empty() { Ok(0) } else { self.ledger.append(&changes.records) };
        match position {
            Ok(position) => Ok(self.take_effect(&request, changes, &rules.set, (position, at.1))),
            Err(error) => {
                if !matches!(error, LedgerError::Full(_)) {
                    self.trust_ledger(false);
                }
                Err(EngineError::LedgerUnavailable(error.to_string()))
            }
        }
    }

    /// One customer's standing for every declared purpose, now.
    ///
    /// # Errors
    /// When the customer id is wrong.
    pub fn standing(&self, customer: &str, now: Moment) -> Result<Vec<StandingView>, EngineError> {
        self.check_customer(customer)?;
        let active = self.rules.load();
        let now = self.steady(now);
        let standing = self.customer_as_held(customer).standing;
        let views = active.set.declared.purposes.ids().filter_map(|id| view(id, &standing, &active.set, now));
        let trusted = self.trusted();
        Ok(views.map(|view| if trusted { view } else { view.distrusted() }).collect())
    }

    /// Goes on where the ledger's records end, before the first call. The rules must know every purpose that they name.
    ///
    /// Customers come when somebody asks for them, and their standing with them.
    pub fn resume(&self, past: &Past) {
        self.next_record.fetch_max(past.sequence + 1, Ordering::AcqRel);
        past.received.map(|received| self.steady(received));
    }

    /// Makes records of what is accepted of a request, and applies those that restrict. Doing it twice is doing it once.
    fn bind(&self, request: &ConsentRequest, rules: &RuleSet, (arrived, now): (Moment, Moment)) -> Changes {
        let was_gone = self.customer_as_held(&request.customer).standing.is_gone();
        let gone = was_gone && !returns(request, rules);
        let (mut records, mut results) = (Vec::new(), Vec::new());
        for change in &request.changes {
            let purpose = rules.vocabulary.find::<PurposeId>(&change.purpose);
            let here = change.status == ConsentStatus::Returned && !was_gone;
            let refused = match refusal(request, change, rules) {
                _ if gone => Some("erased".to_owned()),
                None if here => Some("not_erased".to_owned()),
                refused => refused,
            };
            let sequence = self.next_record.fetch_add(1, Ordering::AcqRel);
            let record_id = if refused.is_some() { String::new() } else { format!("r-{:08x}-{sequence:x}", self.run) };
            results.push(ChangeResult {
                record_id: record_id.clone(),
                purpose: change.purpose.clone(),
                accepted: refused.is_none(),
                reason: refused.clone().unwrap_or_default(),
                standing: None,
            });
            if refused.is_none() {
                let terms = purpose.and_then(|id| rules.purpose(id));
                let shown = (terms.map_or(1, |terms| terms.version), terms.map(|terms| terms.basis));
                let received = if change.status.permits() { arrived } else { now };
                records.push(record(request, change, (record_id, shown), (received, sequence)));
            }
        }
        self.with_customer(&request.customer, |customer| {
            let mut restrictions = records.iter().filter(|record| !record.status.permits()).peekable();
            if restrictions.peek().is_some() {
                // What was to go before a restriction of processing is not kept by it.
                self.settle(customer, rules, now);
                self.deny(customer);
                customer.rest_mut().unrecorded += 1;
            }
            restrictions.for_each(|record| {
                let purpose = rules.vocabulary.find::<PurposeId>(&record.purpose);
                customer.standing.apply(purpose, record, 0);
            });
            self.settle(customer, rules, now);
        });
        Changes { records, results }
    }

    fn take_effect(
        &self,
        request: &ConsentRequest,
        Changes { records, mut results }: Changes,
        rules: &RuleSet,
        (position, now): (u64, Moment),
    ) -> ConsentAnswer {
        self.with_customer(&request.customer, |customer| {
            customer.recorded(&records);
            let first = position.saturating_sub(records.len() as u64);
            for (index, record) in (1..).zip(&records) {
                let purpose = rules.vocabulary.find::<PurposeId>(&record.purpose);
                customer.standing.apply(purpose, record, first + index);
            }
            for result in results.iter_mut().filter(|result| result.accepted) {
                let purpose = rules.vocabulary.find::<PurposeId>(&result.purpose);
                result.standing = purpose.and_then(|id| view(id, &customer.standing, rules, now));
            }
            let answer = ConsentAnswer { results, position: customer.standing.position() };
            if !records.is_empty() {
                customer.remember_consent(request, &answer, now);
            }
            answer
        })
    }
}

impl Customer {
    /// What was bound of a request is in the ledger now, or is bound anew.
    fn recorded(&mut self, records: &[ConsentRecord]) {
        let restricts = records.iter().any(|record| !record.status.permits());
        self.change_rest(|rest| rest.unrecorded = rest.unrecorded.saturating_sub(u32::from(restricts)));
    }
}
