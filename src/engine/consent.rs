//! Consent changes and what follows from them.
//!
//! Order of effects: a restriction takes effect in memory at once and is acknowledged when it is durable; a grant takes
//! effect only when it is durable. If the ledger fails, restrictions stay in effect and no grant takes effect.

mod change;
mod gpc;
mod repetition;
mod view;

use crate::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::{ActiveRules, Customer, Engine, EngineError};
use crate::domain::consent::{ConsentRecord, ConsentStatus};
use crate::domain::id::PurposeId;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::ledger::{LedgerError, RecordSummary};

pub use change::{ConsentChange, ConsentRequest};
pub(super) use gpc::suppose_objection;
pub use repetition::Remembered;
pub use view::StandingView;

use change::{record, refusal, returns, validate};
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
    /// Why it was refused, a stable word; empty if it was accepted.
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

/// A request whose restrictions are in effect and which is not in the ledger yet.
#[derive(Debug)]
pub enum BegunConsent {
    /// A repetition: the answer that the first request got.
    Repeated(Arc<ConsentAnswer>),
    /// A new request: its records wait for the ledger.
    Bound(Box<BoundConsent>),
}

/// A request whose restrictions are in effect.
#[derive(Debug)]
pub struct BoundConsent {
    request: ConsentRequest,
    rules: Arc<ActiveRules>,
    /// When the request arrived, and the engine's clock at that moment.
    at: (Moment, Moment),
    /// The count of begun and ended erasures before the restrictions took effect.
    erasures: u64,
    changes: Changes,
}

/// The outcome of a request's changes: the records of the accepted ones, and the answer to each.
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

    /// The first half, which does not wait: the restrictions are in effect in memory when this returns.
    ///
    /// # Errors
    /// When the request is wrong, or its key was used for another body.
    pub fn begin_consent(&self, request: ConsentRequest, now: Moment) -> Result<BegunConsent, EngineError> {
        // A grant counts from its arrival, however long it waited for its turn; a "no" counts from now.
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

    /// The second half, which waits for the disk: when this returns, the records are durable and the grants in effect.
    ///
    /// # Errors
    /// When the ledger does not take records. Restrictions stay in effect.
    pub fn finish_consent(&self, begun: BegunConsent) -> Result<ConsentAnswer, EngineError> {
        let BoundConsent { request, rules, at, erasures, mut changes } = match begun {
            BegunConsent::Repeated(answer) => return Ok(ConsentAnswer::clone(&answer)),
            BegunConsent::Bound(bound) => *bound,
        };
        let _claim = self.hold_key(&request);
        // No erasure can happen between this check, the write and the effect.
        let _no_erasure = self.erasing.read().unwrap_or_else(PoisonError::into_inner);
        if self.erasures.load(Ordering::Acquire) != erasures {
            // An erasure may have removed the restrictions, and a yes may now come from an erased customer.
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
    /// When the customer id is invalid.
    pub fn standing(&self, customer: &str, now: Moment) -> Result<Vec<StandingView>, EngineError> {
        self.check_customer(customer)?;
        let active = self.rules.load();
        let now = self.steady(now);
        let standing = self.customer_as_held(customer).standing;
        let views = active.set.declared.purposes.ids().filter_map(|id| view(id, &standing, &active.set, now));
        let trusted = self.trusted();
        Ok(views.map(|view| if trusted { view } else { view.distrusted() }).collect())
    }

    /// Continues after the last record of the ledger, before the first call. The rules must know every purpose that the
    /// records name.
    ///
    /// Customers and their standing are loaded on first use.
    pub fn resume(&self, summary: &RecordSummary) {
        self.next_record.fetch_max(summary.last_sequence + 1, Ordering::AcqRel);
        if let Some(received) = summary.last_received {
            self.steady(received);
        }
    }

    /// Makes records of the accepted changes and applies those that restrict. Idempotent.
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
                // Data that was due for deletion before a restriction of processing is not preserved by the
                // restriction.
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
    /// Applies the records of a request that is in the ledger now, including restrictions that an erasure removed.
    fn recorded(&mut self, records: &[ConsentRecord]) {
        let restricts = records.iter().any(|record| !record.status.permits());
        self.change_rest(|rest| rest.unrecorded = rest.unrecorded.saturating_sub(u32::from(restricts)));
    }
}
