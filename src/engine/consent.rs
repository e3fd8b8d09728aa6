//! Consent changes and what follows from them.
//!
//! Order of effects: a restriction binds in memory at once and is acknowledged when it is durable; a grant
//! takes effect only when it is durable. If the ledger fails, restrictions stay and nothing is granted.

mod change;
mod gpc;
mod view;

use crate::sync::atomic::Ordering;
use std::collections::VecDeque;
use std::sync::PoisonError;

use super::resolve::hash_id;
use super::{Customer, Engine, EngineError};
use crate::domain::consent::ConsentRecord;
use crate::domain::id::PurposeId;
use crate::domain::rules::RuleSet;
use crate::domain::time::Moment;
use crate::ledger::LedgerError;

pub use change::{ConsentChange, ConsentRequest};
pub use view::StandingView;

use change::{record, refusal, returns, validate};
use view::view;

/// How many idempotency keys are remembered for one customer.
const MOST_KEYS: usize = 16;

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

/// A request whose restrictions already bind and whose records wait for the ledger.
#[derive(Debug)]
struct ConsentInFlight {
    request: ConsentRequest,
    records: Vec<(Option<PurposeId>, ConsentRecord)>,
    results: Vec<ChangeResult>,
    now: Moment,
}

/// Remembered answers by idempotency key.
pub(super) type AnsweredKeys = VecDeque<(u64, ConsentRequest, Option<ConsentAnswer>)>;

impl Engine {
    /// Records consent changes and answers when they are durable.
    ///
    /// # Errors
    /// When the request is wrong, its key was used for another body, or the ledger does not take records.
    pub fn record_consent(&self, request: ConsentRequest, now: Moment) -> Result<ConsentAnswer, EngineError> {
        // Nobody is erased between binding, writing and taking effect.
        let _no_erasure = self.erasing.read().unwrap_or_else(PoisonError::into_inner);
        // A grant counts from when it came in, however long it waited for its turn; a "no" from now.
        let (arrived, now) = (now, self.steady(now));
        let active = self.rules.load_full();
        validate(&request, &active.set, now)?;
        if let Some(answer) = self.claim_key(&request)? {
            return Ok(answer);
        }
        let waiting = self.bind_restrictions(request, &active.set, (arrived, now));
        let records: Vec<ConsentRecord> = waiting.records.iter().map(|(_, record)| record.clone()).collect();
        let position = if records.is_empty() { Ok(0) } else { self.ledger.append(&records) };
        match position {
            Ok(position) => {
                self.ledger_records.fetch_max(position, Ordering::Relaxed);
                Ok(self.take_effect(waiting, &active.set, position))
            }
            Err(error) => {
                if !matches!(error, LedgerError::Full(_)) {
                    self.trust_ledger(false);
                }
                self.give_key_back(&waiting.request);
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

    /// Folds in what the ledger holds, before the first call. The rules must know every purpose it names.
    pub fn restore(&self, records: &[(u64, ConsentRecord)]) {
        let rules = self.rules.load();
        for (position, record) in records {
            let purpose = rules.set.vocabulary.find::<PurposeId>(&record.purpose);
            self.with_customer(&record.customer, |customer| customer.standing.apply(purpose, record, *position));
            self.next_record.fetch_max(record.sequence + 1, Ordering::AcqRel);
            self.ledger_records.fetch_max(*position, Ordering::Relaxed);
            self.steady(record.received);
        }
    }

    /// Claims the idempotency key of a request, or gives the answer that it got before.
    fn claim_key(&self, request: &ConsentRequest) -> Result<Option<ConsentAnswer>, EngineError> {
        let Some(key) = hash_id("consent", &request.idempotency_key) else { return Ok(None) };
        self.with_customer(&request.customer, |customer| {
            let known = customer.consent_keys.iter().find(|(known, ..)| *known == key);
            match known.map(|(_, body, answer)| (body == request, answer)) {
                Some((true, Some(answer))) => return Ok(Some(answer.clone())),
                Some((true, None)) => return Err(EngineError::InProgress(request.idempotency_key.clone())),
                Some((false, _)) => return Err(EngineError::IdempotencyKeyReused(request.idempotency_key.clone())),
                None => {}
            }
            customer.consent_keys.truncate(MOST_KEYS - 1);
            customer.consent_keys.push_front((key, request.clone(), None));
            Ok(None)
        })
    }

    fn give_key_back(&self, request: &ConsentRequest) {
        let key = hash_id("consent", &request.idempotency_key);
        self.with_customer(&request.customer, |customer| {
            customer.consent_keys.retain(|(known, ..)| Some(*known) != key);
        });
    }

    fn bind_restrictions(
        &self,
        request: ConsentRequest,
        rules: &RuleSet,
        (arrived, now): (Moment, Moment),
    ) -> ConsentInFlight {
        let gone = self.customer_as_held(&request.customer).standing.is_gone() && !returns(&request, rules);
        let mut records = Vec::new();
        let mut results = Vec::new();
        for change in &request.changes {
            let purpose = rules.vocabulary.find::<PurposeId>(&change.purpose);
            let refused = if gone { Some("erased".to_owned()) } else { refusal(change, purpose, rules) };
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
                records.push((purpose, record(&request, change, (record_id, shown), (received, sequence))));
            }
        }
        self.with_customer(&request.customer, |customer| {
            let restrictions: Vec<_> = records.iter().filter(|(_, record)| !record.status.permits()).collect();
            if !restrictions.is_empty() {
                customer.deny();
            }
            apply(customer, restrictions.into_iter(), 0);
            self.settle(customer, rules, now);
        });
        ConsentInFlight { request, records, results, now }
    }

    fn take_effect(&self, waiting: ConsentInFlight, rules: &RuleSet, position: u64) -> ConsentAnswer {
        let ConsentInFlight { request, records, mut results, now } = waiting;
        self.with_customer(&request.customer, |customer| {
            let first = position.saturating_sub(records.len() as u64);
            for (index, record) in (1..).zip(&records) {
                apply(customer, std::iter::once(record), first + index);
            }
            for result in results.iter_mut().filter(|result| result.accepted) {
                let purpose = rules.vocabulary.find::<PurposeId>(&result.purpose);
                result.standing = purpose.and_then(|id| view(id, &customer.standing, rules, now));
            }
            let answer = ConsentAnswer { results, position: customer.standing.position() };
            let key = hash_id("consent", &request.idempotency_key);
            // Of somebody who was erased, nothing was remembered until now.
            customer.consent_keys.retain(|(known, ..)| Some(*known) != key);
            if let Some(key) = key {
                customer.consent_keys.push_front((key, request.clone(), Some(answer.clone())));
            }
            answer
        })
    }
}

fn apply<'r>(
    customer: &mut Customer,
    records: impl Iterator<Item = &'r (Option<PurposeId>, ConsentRecord)>,
    position: u64,
) {
    for (purpose, record) in records {
        customer.standing.apply(*purpose, record, position);
    }
}
