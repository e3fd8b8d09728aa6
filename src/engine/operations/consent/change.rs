//! Consent changes as they arrive: what makes a request invalid, which changes are refused, and the records of the
//! others.

use super::super::resolve::{Resolver, unknown};
use crate::domain::consent::record::ConsentSource;
use crate::domain::consent::{ConsentRecord, ConsentStatus, NoticeHash};
use crate::domain::id::PurposeId;
use crate::domain::purpose::Basis;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::engine::EngineError;

/// The most changes of one call.
const MOST_CHANGES: usize = 64;

/// Consent changes of one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ConsentRequest {
    /// The customer's id.
    pub customer: String,
    /// The changes, at most 64.
    pub changes: Vec<ConsentChange>,
    /// The same key with the same body counts once; with another body the request is refused.
    pub idempotency_key: String,
    /// The source of the changes, as evidence.
    pub source: ConsentSource,
    /// Whether it comes from an import or a queue instead of from the customer now.
    pub deferred: bool,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConsentChange {
    /// The purpose; empty for a change that concerns every purpose.
    pub purpose: String,
    /// The new status.
    pub status: ConsentStatus,
    /// The notice that was shown.
    pub notice: String,
    /// The SHA-256 of the notice that the person read.
    pub notice_hash: Option<NoticeHash>,
    /// The language of the notice, a BCP 47 tag.
    pub language: String,
    /// How the customer expressed it.
    pub expression: String,
    /// When the customer expressed it, by the source's clock.
    pub claimed: Option<Moment>,
    /// When a grant ends, exclusive.
    pub valid_until: Option<Moment>,
}

impl ConsentChange {
    /// A change without a notice, a claimed time or an end.
    #[must_use]
    pub fn new(purpose: impl Into<String>, status: ConsentStatus) -> Self {
        Self {
            purpose: purpose.into(),
            status,
            notice: String::new(),
            notice_hash: None,
            language: String::new(),
            expression: String::new(),
            claimed: None,
            valid_until: None,
        }
    }
}

pub fn record(
    (request, recorded_by): (&ConsentRequest, &str),
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
        notice_hash: change.notice_hash,
        language: change.language.clone(),
        expression: change.expression.clone(),
        source: request.source.clone(),
        recorded_by: recorded_by.to_owned(),
    }
}

pub fn validate(request: &ConsentRequest, rules: &RuleSet, now: Moment) -> Result<(), EngineError> {
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
        // A "no" takes effect from its arrival, whatever the clock of its source says.
        if change.status.permits() {
            resolver.occurred(&format!("changes[{index}].claimed_at"), change.claimed, now);
        }
        if let Some(first) = request.changes.iter().take(index).position(|before| before.purpose == change.purpose) {
            let what = if change.purpose.is_empty() { "every purpose" } else { "the same purpose" };
            let why = format!("concerns {what}, as changes[{first}] does; give one change for each purpose");
            resolver.refuse(format!("changes[{index}].purpose"), why);
        }
        if [&change.purpose, &change.notice, &change.language, &change.expression].iter().any(|text| text.len() > 4_096)
        {
            resolver.refuse(format!("changes[{index}]"), "holds a text longer than 4096 bytes");
        }
    }
    if resolver.violations.is_empty() { Ok(()) } else { Err(EngineError::Invalid(resolver.violations)) }
}

/// Why a change cannot be recorded: a stable word, and for a wrong name its correction.
pub fn refusal(request: &ConsentRequest, change: &ConsentChange, rules: &RuleSet) -> Option<String> {
    let (status, purpose) = (change.status, rules.vocabulary.find::<PurposeId>(&change.purpose));
    let proved = !request.source.evidence.is_empty();
    if matches!(status, ConsentStatus::Expired | ConsentStatus::Erased) {
        return Some("status_not_writable".into());
    }
    if status.concerns_everything() {
        let returned = status == ConsentStatus::Returned;
        let refused = match (returned && request.deferred, returned && !proved) {
            _ if !change.purpose.is_empty() => "concerns_every_purpose",
            (true, _) => "must_be_live",
            (_, true) => "evidence_required",
            _ => return None,
        };
        return Some(refused.into());
    }
    // A "no" to a purpose that the rules no longer declare still counts, in case they declare it again.
    let Some(terms) = purpose.and_then(|id| rules.purpose(id)) else {
        return (purpose.is_none() || status.permits()).then(|| unknown_purpose(&change.purpose, rules));
    };
    match status {
        ConsentStatus::Given if terms.retired => Some("purpose_retired".into()),
        ConsentStatus::Given if terms.basis == Basis::ExplicitConsent && request.deferred && !proved => {
            Some("evidence_required".into())
        }
        // A purpose that the customer may object to accepts every "no", in any wording.
        _ if terms.stops_on_objection() || terms.basis.needs_consent() => None,
        ConsentStatus::Objected => Some("basis_allows_no_objection".into()),
        _ => Some("basis_needs_no_consent".into()),
    }
}

fn unknown_purpose(name: &str, rules: &RuleSet) -> String {
    let declared: Vec<&str> = rules.declared.purposes.ids().map(|id| rules.vocabulary.name(id)).collect();
    format!("unknown_purpose: {}", unknown("purpose", name, &declared))
}

/// Whether a request makes an erased customer known again: a live yes in person, or the status `returned`.
pub fn returns(request: &ConsentRequest, rules: &RuleSet) -> bool {
    let comes_back = |change: &ConsentChange| {
        let begins = matches!(change.status, ConsentStatus::Given | ConsentStatus::Returned);
        begins && refusal(request, change, rules).is_none()
    };
    !request.deferred && request.changes.iter().any(comes_back)
}
