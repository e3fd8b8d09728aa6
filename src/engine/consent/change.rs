//! Consent changes as they arrive: what is wrong with a request, what is refused of it, and the records it makes.

use super::super::EngineError;
use super::super::resolve::{Resolver, unknown};
use crate::domain::consent::record::ConsentSource;
use crate::domain::consent::{ConsentRecord, ConsentStatus};
use crate::domain::id::PurposeId;
use crate::domain::purpose::Basis;
use crate::domain::rules::RuleSet;
use crate::domain::time::Moment;

/// The most changes of one call.
const MOST_CHANGES: usize = 64;

/// Consent changes of one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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

pub fn record(
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
        resolver.occurred(&format!("changes[{index}].claimed_at"), change.claimed, now);
        if [&change.purpose, &change.notice, &change.language, &change.expression].iter().any(|text| text.len() > 4_096)
        {
            resolver.refuse(format!("changes[{index}]"), "holds a text longer than 4096 bytes");
        }
    }
    if resolver.violations.is_empty() { Ok(()) } else { Err(EngineError::Invalid(resolver.violations)) }
}

/// Why a change cannot be recorded: a stable word, and what to mend where a name is wrong.
pub fn refusal(change: &ConsentChange, purpose: Option<PurposeId>, rules: &RuleSet) -> Option<String> {
    let status = change.status;
    if matches!(status, ConsentStatus::Expired | ConsentStatus::Erased) {
        return Some("status_not_writable".into());
    }
    if status.concerns_everything() {
        return (!change.purpose.is_empty()).then(|| "concerns_every_purpose".into());
    }
    // A "no" to a purpose that the rules no longer declare still counts, in case they declare it again.
    let Some(terms) = purpose.and_then(|id| rules.purpose(id)) else {
        return (purpose.is_none() || status.permits()).then(|| unknown_purpose(&change.purpose, rules));
    };
    match status {
        ConsentStatus::Given if terms.retired => Some("purpose_retired".into()),
        ConsentStatus::Objected if terms.stops_on_objection() || terms.basis.needs_consent() => None,
        ConsentStatus::Objected => Some("basis_allows_no_objection".into()),
        ConsentStatus::Given if terms.stops_on_objection() => None,
        _ if terms.basis.needs_consent() => None,
        _ => Some("basis_needs_no_consent".into()),
    }
}

fn unknown_purpose(name: &str, rules: &RuleSet) -> String {
    let declared: Vec<&str> = rules.declared.purposes.ids().map(|id| rules.vocabulary.name(id)).collect();
    format!("unknown_purpose: {}", unknown("purpose", name, &declared))
}

/// Whether a request brings somebody back who was erased: the customer says yes to something, in person and now.
pub fn returns(request: &ConsentRequest, rules: &RuleSet) -> bool {
    let says_yes = |change: &ConsentChange| {
        let purpose = rules.vocabulary.find::<PurposeId>(&change.purpose);
        change.status == ConsentStatus::Given && refusal(change, purpose, rules).is_none()
    };
    !request.deferred && request.changes.iter().any(says_yes)
}
