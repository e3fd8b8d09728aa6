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
        // A "no" binds from its arrival, whatever the clock of its source says.
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

/// Why a change cannot be recorded: a stable word, and how to correct a wrong name.
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
        // What the customer may object to takes every "no", in whatever words it comes.
        _ if terms.stops_on_objection() || terms.basis.needs_consent() => None,
        ConsentStatus::Objected => Some("basis_allows_no_objection".into()),
        _ => Some("basis_needs_no_consent".into()),
    }
}

fn unknown_purpose(name: &str, rules: &RuleSet) -> String {
    let declared: Vec<&str> = rules.declared.purposes.ids().map(|id| rules.vocabulary.name(id)).collect();
    format!("unknown_purpose: {}", unknown("purpose", name, &declared))
}

/// Whether a request brings an erased customer back: a yes to something, in person and now, or the word that they returned.
pub fn returns(request: &ConsentRequest, rules: &RuleSet) -> bool {
    let comes_back = |change: &ConsentChange| {
        let begins = matches!(change.status, ConsentStatus::Given | ConsentStatus::Returned);
        begins && refusal(request, change, rules).is_none()
    };
    !request.deferred && request.changes.iter().any(comes_back)
}
