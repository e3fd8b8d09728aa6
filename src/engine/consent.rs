//! Consent changes and what follows from them.
//!
//! Order of effects: a restriction binds in memory at once and is acknowledged when it is durable; a grant
//! takes effect only when it is durable. If the ledger fails, restrictions stay and nothing is granted.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::resolve::{Resolver, hash_id};
use super::{Customer, Engine, EngineError};
use crate::domain::consent::record::ConsentSource;
use crate::domain::consent::{ConsentRecord, ConsentStatus, Denial, Stage, Standing, Verdict, binding, lawful};
use crate::domain::id::{PurposeId, Vocabulary};
use crate::domain::purpose::Basis;
use crate::domain::rules::RuleSet;
use crate::domain::time::Moment;
use crate::ledger::LedgerError;

/// The most changes of one call.
const MOST_CHANGES: usize = 64;
/// How many idempotency keys are remembered for one customer.
const MOST_KEYS: usize = 16;

/// Consent changes of one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsentRequest {
    /// Whose.
    pub customer: String,
    /// What changes.
    pub changes: Vec<ConsentChange>,
    /// The same key with the same body counts once; with another body it is refused.
    pub idempotency_key: String,
    /// Where it came from.
    pub source: ConsentSource,
    /// It comes from an import or a queue rather than from the customer now.
    pub deferred: bool,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentChange {
    /// Which purpose; empty for what concerns everything.
    pub purpose: String,
    /// What changes.
    pub status: ConsentStatus,
    /// Notice that was shown.
    pub notice: String,
    /// Its language.
    pub language: String,
    /// How it was expressed.
    pub expression: String,
    /// When the source says it happened.
    pub claimed: Option<Moment>,
    /// A grant ends here.
    pub valid_until: Option<Moment>,
}

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

/// One purpose's standing, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct StandingView {
    /// Which purpose.
    pub purpose: String,
    /// What stands; nothing if nothing was ever recorded.
    pub status: Option<ConsentStatus>,
    /// Whether the purpose may be served now.
    pub usable: bool,
    /// Its lawful basis.
    pub basis: &'static str,
    /// Since when the status stands.
    pub since: Option<Moment>,
    /// Until when a grant holds.
    pub until: Option<Moment>,
    /// The ledger record that decides it.
    pub position: u64,
    /// A late grant lost against a restriction; ask the customer again.
    pub needs_reconfirm: bool,
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
            Ok(position) => Ok(self.take_effect(waiting, &active.set, position)),
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
        let active = self.rules.load();
        let mut resolver = Resolver::new(&active.set);
        resolver.id("customer_id", customer);
        if !resolver.violations.is_empty() {
            return Err(EngineError::Invalid(resolver.violations));
        }
        let now = self.steady(now);
        let standing = self.customers.read(customer, |held| held.standing.clone()).unwrap_or_default();
        Ok(active.set.declared.purposes.ids().filter_map(|id| view(id, &standing, &active.set, now)).collect())
    }

    /// Folds in what the ledger holds, before the first call. The rules must know every purpose it names.
    pub fn restore(&self, records: &[(u64, ConsentRecord)]) {
        let rules = self.rules.load();
        for (position, record) in records {
            let purpose = rules.set.vocabulary.find::<PurposeId>(&record.purpose);
            self.customers.update(&record.customer, |customer| customer.standing.apply(purpose, record, *position));
            self.next_record.fetch_max(record.sequence + 1, Ordering::AcqRel);
            self.steady(record.received);
        }
    }

    /// Claims the idempotency key of a request, or gives the answer that it got before.
    fn claim_key(&self, request: &ConsentRequest) -> Result<Option<ConsentAnswer>, EngineError> {
        let Some(key) = hash_id("consent", &request.idempotency_key) else { return Ok(None) };
        self.customers.update(&request.customer, |customer| {
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
        self.customers.update(&request.customer, |customer| {
            customer.consent_keys.retain(|(known, ..)| Some(*known) != key);
        });
    }

    fn bind_restrictions(
        &self,
        request: ConsentRequest,
        rules: &RuleSet,
        (arrived, now): (Moment, Moment),
    ) -> ConsentInFlight {
        let mut records = Vec::new();
        let mut results = Vec::new();
        for change in &request.changes {
            let purpose = rules.vocabulary.find::<PurposeId>(&change.purpose);
            let refused = refusal(change, purpose, rules);
            let sequence = self.next_record.fetch_add(1, Ordering::AcqRel);
            let record_id = if refused.is_some() { String::new() } else { format!("r-{:08x}-{sequence:x}", self.run) };
            results.push(ChangeResult {
                record_id: record_id.clone(),
                purpose: change.purpose.clone(),
                accepted: refused.is_none(),
                reason: refused.unwrap_or("").to_owned(),
                standing: None,
            });
            if refused.is_none() {
                let terms = purpose.and_then(|id| rules.purpose(id));
                let shown = (terms.map_or(1, |terms| terms.version), terms.map(|terms| terms.basis));
                let received = if change.status.permits() { arrived } else { now };
                records.push((purpose, record(&request, change, (record_id, shown), (received, sequence))));
            }
        }
        self.customers.update(&request.customer, |customer| {
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
        self.customers.update(&request.customer, |customer| {
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
            if let Some(claimed) = customer.consent_keys.iter_mut().find(|(known, ..)| Some(*known) == key) {
                claimed.2 = Some(answer.clone());
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

fn record(
    request: &ConsentRequest,
    change: &ConsentChange,
    (record_id, (version, basis)): (String, (u32, Option<Basis>)),
    (now, sequence): (Moment, u64),
) -> ConsentRecord {
    ConsentRecord {
        record_id,
        customer: request.customer.as_str().into(),
        purpose: change.purpose.as_str().into(),
        version,
        basis,
        status: change.status,
        received: now,
        sequence,
        claimed: change.claimed,
        deferred: request.deferred,
        valid_until: change.valid_until,
        notice: change.notice.clone(),
        language: change.language.clone(),
        expression: change.expression.clone(),
        source: request.source.clone(),
    }
}

fn validate(request: &ConsentRequest, rules: &RuleSet, now: Moment) -> Result<(), EngineError> {
    let mut resolver = Resolver::new(rules);
    resolver.id("customer_id", &request.customer);
    resolver.optional_id("idempotency_key", &request.idempotency_key);
    let count = request.changes.len();
    if count == 0 || count > MOST_CHANGES {
        resolver.refuse("changes", format!("has {count} items; give 1 to {MOST_CHANGES}"));
    }
    let texts = [&request.source.channel, &request.source.actor, &request.source.evidence];
    if texts.iter().any(|text| text.len() > 4_096) {
        resolver.refuse("source", "holds a text longer than 4096 bytes");
    }
    resolver.optional_id("source.actor", &request.source.actor);
    for (index, change) in request.changes.iter().take(MOST_CHANGES).enumerate() {
        resolver.occurred(&format!("changes[{index}].claimed_at"), change.claimed, now);
        if [&change.purpose, &change.notice, &change.language, &change.expression].iter().any(|text| text.len() > 4_096)
        {
            resolver.refuse(format!("changes[{index}]"), "holds a text longer than 4096 bytes");
        }
    }
    if resolver.violations.is_empty() { Ok(()) } else { Err(EngineError::Invalid(resolver.violations)) }
}

/// Why a change cannot be recorded, in a stable word.
fn refusal(change: &ConsentChange, purpose: Option<PurposeId>, rules: &RuleSet) -> Option<&'static str> {
    let status = change.status;
    if matches!(status, ConsentStatus::Expired | ConsentStatus::Erased) {
        return Some("status_not_writable");
    }
    if status.concerns_everything() {
        return (!change.purpose.is_empty()).then_some("concerns_every_purpose");
    }
    // A "no" to a purpose that the rules no longer declare still counts, in case they declare it again.
    let Some(terms) = purpose.and_then(|id| rules.purpose(id)) else {
        return (purpose.is_none() || status.permits()).then_some("unknown_purpose");
    };
    match status {
        ConsentStatus::Objected if terms.stops_on_objection() || terms.basis.needs_consent() => None,
        ConsentStatus::Objected => Some("basis_allows_no_objection"),
        ConsentStatus::Given if terms.stops_on_objection() => None,
        _ if terms.basis.needs_consent() => None,
        _ => Some("basis_needs_no_consent"),
    }
}

fn view(id: PurposeId, standing: &Standing, rules: &RuleSet, now: Moment) -> Option<StandingView> {
    let terms = rules.purpose(id)?;
    let registers = standing.registers(id);
    let verdict = lawful(standing, id, terms, Stage::Evaluation, now);
    let latest_no = binding(standing, id, terms).map(|no| (no.key, no.status, no.position));
    let latest_yes = registers.grant.map(|yes| (yes.key, ConsentStatus::Given, yes.position));
    let deciding = latest_no.max(latest_yes.filter(|yes| latest_no.is_none_or(|no| yes.0 > no.0)));
    let status = match verdict {
        Verdict::Deny(Denial::Expired) => Some(ConsentStatus::Expired),
        Verdict::Deny(Denial::Restricted) => Some(ConsentStatus::Restricted),
        Verdict::Deny(Denial::Objected) => Some(ConsentStatus::Objected),
        _ => deciding.map(|(_, status, _)| status),
    };
    let late_yes_lost = latest_yes.zip(latest_no).is_some_and(|(yes, no)| yes.2 > no.2 && yes.0 <= no.0);
    let until = match verdict {
        Verdict::Allow { until, .. } if until < Moment::DISTANT_FUTURE => Some(until),
        _ => None,
    };
    Some(StandingView {
        purpose: purpose_name(id, &rules.vocabulary),
        status,
        usable: verdict.allows(),
        basis: terms.basis.name(),
        since: deciding.map(|(key, ..)| key.at),
        until,
        position: deciding.map_or(0, |(.., position)| position),
        needs_reconfirm: !verdict.allows() && late_yes_lost,
    })
}

fn purpose_name(id: PurposeId, vocabulary: &Vocabulary) -> String {
    vocabulary.name(id).to_owned()
}
