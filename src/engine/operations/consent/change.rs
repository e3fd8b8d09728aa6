//! Consent changes as they arrive: what makes a request invalid, which changes are refused, and the records of the
//! others. A simulation may suppose some: they are refused in the same way, and recorded nowhere.

use super::super::item::{ItemCode, code_of};
use super::super::resolve::{Resolver, unknown};
use crate::domain::consent::record::ConsentSource;
use crate::domain::consent::{ConsentRecord, ConsentStatus, NoticeHash, Standing};
use crate::domain::id::PurposeId;
use crate::domain::purpose::{Basis, Purpose};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::engine::{EngineError, FieldViolation};

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
    /// The fields that could not be read: with one of them the change is refused.
    pub wrong: Vec<FieldViolation>,
}

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the caller can do about it.
    pub code: ItemCode,
    /// A stable word, or what is wrong with it.
    pub reason: String,
}

impl Refusal {
    /// Fields of it are wrong.
    pub fn wrong(faults: &[FieldViolation]) -> Self {
        Self { code: code_of(faults), reason: EngineError::Invalid(faults.to_vec()).to_string() }
    }

    fn invalid(word: &str) -> Self {
        Self { code: ItemCode::Invalid, reason: word.to_owned() }
    }

    /// The customer was erased.
    pub fn erased() -> Self {
        Self { code: ItemCode::Erased, reason: "erased".to_owned() }
    }

    /// The customer was not erased, and so cannot return.
    pub fn not_erased() -> Self {
        Self::invalid("not_erased")
    }
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
            wrong: Vec::new(),
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
        request: None,
    }
}

/// The longest text of a change or of its source, in bytes.
const LONGEST_TEXT: usize = 4_096;

/// Refuses a request of which nothing can be recorded.
pub fn validate(request: &ConsentRequest, rules: &RuleSet) -> Result<(), EngineError> {
    let mut resolver = Resolver::new(rules);
    resolver.id("customer_id", &request.customer);
    resolver.optional_id("idempotency_key", &request.idempotency_key);
    let count = request.changes.len();
    if count == 0 || count > MOST_CHANGES {
        resolver.refuse("changes", format!("has {count} items; give 1 to {MOST_CHANGES}"));
    }
    let texts = [&request.source.channel, &request.source.actor, &request.source.evidence];
    if texts.iter().any(|text| text.len() > LONGEST_TEXT) {
        resolver.refuse("source", "holds a text longer than 4096 bytes");
    }
    resolver.optional_id("source.actor", &request.source.actor);
    for (index, change) in request.changes.iter().take(MOST_CHANGES).enumerate() {
        if let Some(first) = request.changes.iter().take(index).position(|before| before.purpose == change.purpose) {
            let what = if change.purpose.is_empty() { "every purpose" } else { "the same purpose" };
            let why = format!("concerns {what}, as changes[{first}] does; give one change for each purpose");
            resolver.refuse(format!("changes[{index}].purpose"), why);
        }
    }
    EngineError::refuse(resolver.violations)
}

/// What is wrong with the fields of a change.
pub fn faults(change: &ConsentChange, rules: &RuleSet, now: Moment) -> Vec<FieldViolation> {
    let mut resolver = Resolver { violations: change.wrong.clone(), ..Resolver::new(rules) };
    // A "no" takes effect from its arrival, whatever the clock of its source says.
    if change.status.permits() {
        resolver.occurred("claimed_at", change.claimed, now);
    }
    let ConsentChange { purpose, notice, language, expression, .. } = change;
    for (field, text) in [("purpose", purpose), ("notice", notice), ("expression", expression)] {
        if text.len() > LONGEST_TEXT {
            resolver.refuse(field, format!("is {} bytes long, at most {LONGEST_TEXT} are allowed", text.len()));
        }
    }
    if !language.is_empty() && !is_language(language) {
        resolver.refuse("language", "is not a BCP 47 tag such as `de-AT`");
    }
    resolver.violations
}

/// Whether a text has the form of a language tag (RFC 5646): parts of one to eight letters and digits, the first of
/// letters alone.
fn is_language(tag: &str) -> bool {
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = tag.split('-').next().unwrap_or_default();
    let begins =
        first.bytes().all(|byte| byte.is_ascii_alphabetic()) && (first.len() > 1 || tag.starts_with(['x', 'i']));
    begins && tag.len() <= 255 && tag.split('-').all(is_part)
}

/// Why a change cannot be recorded.
pub fn refusal(request: &ConsentRequest, change: &ConsentChange, rules: &RuleSet) -> Option<Refusal> {
    let (status, purpose) = (change.status, rules.vocabulary.find::<PurposeId>(&change.purpose));
    let proved = !request.source.evidence.is_empty();
    if matches!(status, ConsentStatus::Expired | ConsentStatus::Erased) {
        return Some(Refusal::invalid("status_not_writable"));
    }
    if status.concerns_everything() {
        let returned = status == ConsentStatus::Returned;
        let refused = match (returned && request.deferred, returned && !proved) {
            _ if !change.purpose.is_empty() => "concerns_every_purpose",
            (true, _) => "must_be_live",
            (_, true) => "evidence_required",
            _ => return None,
        };
        return Some(Refusal::invalid(refused));
    }
    // A "no" to a purpose that the rules no longer declare still counts, in case they declare it again.
    let Some(terms) = purpose.and_then(|id| rules.purpose(id)) else {
        return (purpose.is_none() || status.permits()).then(|| unknown_purpose(&change.purpose, rules));
    };
    if let Some(wrong) = another_notice(change, terms, rules).filter(|_| status == ConsentStatus::Given) {
        return Some(Refusal::wrong(&[wrong]));
    }
    let refused = match status {
        ConsentStatus::Given if terms.retired => "purpose_retired",
        ConsentStatus::Given if terms.basis == Basis::ExplicitConsent && request.deferred && !proved => {
            "evidence_required"
        }
        // A purpose that the customer may object to accepts every "no", in any wording.
        _ if terms.stops_on_objection() || terms.basis.needs_consent() => return None,
        ConsentStatus::Objected => "basis_allows_no_objection",
        _ => "basis_needs_no_consent",
    };
    Some(Refusal::invalid(refused))
}

/// What is wrong with a yes to another text than the one that the purpose declares.
fn another_notice(change: &ConsentChange, terms: &Purpose, rules: &RuleSet) -> Option<FieldViolation> {
    let (read, declared) = (change.notice_hash?, rules.notice(terms)?);
    if read == declared.hash {
        return None;
    }
    let path = &declared.path;
    let why = match rules.notices.by_hash(read) {
        Some(other) => format!("is that of `{}`, and the purpose declares `{path}`", other.path),
        None => format!("is not that of `{path}`, which the purpose declares"),
    };
    Some(FieldViolation::new("notice_hash", why))
}

/// The hash of the notice that the customer read: as stated, or that of the declared notice if the change names it.
pub fn notice_hash(change: &ConsentChange, terms: Option<&Purpose>, rules: &RuleSet) -> Option<NoticeHash> {
    let declared = || terms.and_then(|terms| rules.notice(terms)).filter(|declared| declared.path == change.notice);
    change.notice_hash.or_else(|| declared().map(|declared| declared.hash))
}

fn unknown_purpose(name: &str, rules: &RuleSet) -> Refusal {
    let declared: Vec<&str> = rules.declared.purposes.ids().map(|id| rules.vocabulary.name(id)).collect();
    let code = if name.is_empty() { ItemCode::Invalid } else { ItemCode::UnknownName };
    Refusal { code, reason: format!("unknown_purpose: {}", unknown("purpose", name, &declared)) }
}

/// Whether an accepted change makes an erased customer known again: a live yes in person, or the status `returned`.
pub fn returns(request: &ConsentRequest, change: &ConsentChange) -> bool {
    !request.deferred && matches!(change.status, ConsentStatus::Given | ConsentStatus::Returned)
}

/// The records that a customer's changes would make at a moment, each newer than all that are known.
///
/// # Errors
/// When a change could not be recorded, or a purpose has two.
pub fn supposed(
    customer: &str,
    changes: Vec<ConsentChange>,
    rules: &RuleSet,
    at: Moment,
) -> Result<Vec<ConsentRecord>, EngineError> {
    let source = ConsentSource { evidence: "supposed".into(), ..ConsentSource::default() };
    let request = ConsentRequest { customer: customer.into(), changes, source, ..ConsentRequest::default() };
    let mut resolver = Resolver::new(rules);
    resolver.few("consents", request.changes.len());
    for (index, change) in request.changes.iter().enumerate() {
        let field = format!("consents[{index}]");
        for fault in faults(change, rules, at) {
            resolver.refuse(format!("{field}.{}", fault.field), fault.description);
        }
        if let Some(Refusal { reason, .. }) = refusal(&request, change, rules) {
            resolver.refuse(field, format!("cannot be recorded: {reason}"));
        } else if request.changes.iter().take(index).any(|before| before.purpose == change.purpose) {
            resolver.refuse(field, "concerns the same purpose as another; give one change for each purpose");
        }
    }
    EngineError::refuse(resolver.violations)?;
    let terms = |change: &ConsentChange| rules.vocabulary.find(&change.purpose).and_then(|id| rules.purpose(id));
    let shown = |change| terms(change).map_or((1, None), |terms| (terms.version, Some(terms.basis)));
    let made = |change| record((&request, ""), change, (String::new(), shown(change)), (at, u64::MAX));
    Ok(request.changes.iter().map(made).collect())
}

/// Applies supposed records to a copy of a customer.
pub fn suppose(standing: &mut Standing, records: &[ConsentRecord], rules: &RuleSet) {
    for record in records {
        standing.apply(rules.vocabulary.find(&record.purpose), record, 0);
    }
}
