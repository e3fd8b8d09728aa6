//! The gate: one pure function that says whether a purpose may be served now.

use super::record::ConsentStatus;
use super::standing::{Restriction, Standing};
use crate::domain::id::PurposeId;
use crate::domain::purpose::{Basis, Purpose};
use crate::domain::time::Moment;

/// What is about to happen to personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It arrives.
    Collection,
    /// It is kept.
    Storage,
    /// A rule reads it.
    Evaluation,
    /// It leaves.
    Disclosure,
}

/// Why a purpose may not be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denial {
    /// Nobody ever said yes.
    NoRecord,
    /// The customer was asked and said no.
    Refused,
    /// The customer took it back.
    Withdrawn,
    /// Somebody else ended it.
    Revoked,
    /// It ran out.
    Expired,
    /// The customer objected.
    Objected,
    /// Processing is restricted to storage.
    Restricted,
    /// The customer was erased.
    Erased,
    /// The grant was for another version of the purpose, or for one that rested on another basis.
    Superseded,
    /// The purpose is over, or the rule set does not declare it.
    Retired,
    /// The ledger cannot be trusted now.
    LedgerUnavailable,
}

impl Denial {
    /// The word for it in answers and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoRecord => "no_record",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Objected => "objected",
            Self::Restricted => "restricted",
            Self::Erased => "erased",
            Self::Superseded => "superseded",
            Self::Retired => "retired",
            Self::LedgerUnavailable => "ledger_unavailable",
        }
    }
}

/// The gate's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Allow {
        /// The basis it rests on.
        basis: Basis,
        /// The ledger record it rests on; zero where none is needed.
        position: u64,
        /// It holds until here (exclusive).
        until: Moment,
    },
    /// Stop.
    Deny(Denial),
}

impl Verdict {
    /// Whether it allows.
    #[must_use]
    pub fn allows(self) -> bool {
        matches!(self, Self::Allow { .. })
    }

    /// The reason it does not allow.
    #[must_use]
    pub fn denial(self) -> Option<Denial> {
        match self {
            Self::Allow { .. } => None,
            Self::Deny(denial) => Some(denial),
        }
    }
}

/// Whether personal data of one customer may be used for a purpose now.
///
/// No record means no. An expiry is a half-open interval: at its end the grant is gone. Where consent is needed,
/// a restriction on a wider purpose covers the narrower ones; an objection always does. What the customer agreed to have
/// kept may still be stored while processing is restricted, or while the purpose has a version not yet agreed to.
#[must_use]
pub fn lawful(standing: &Standing, id: PurposeId, purpose: &Purpose, stage: Stage, now: Moment) -> Verdict {
    if standing.is_gone() {
        return Verdict::Deny(Denial::Erased);
    }
    if purpose.retired {
        return Verdict::Deny(Denial::Retired);
    }
    if standing.is_restricted() && stage != Stage::Storage {
        return Verdict::Deny(Denial::Restricted);
    }
    if purpose.stops_on_objection() && has_objected(standing, id, purpose) {
        return Verdict::Deny(Denial::Objected);
    }
    if purpose.basis.needs_consent() {
        consented(standing, id, purpose, (stage, now))
    } else {
        match taken_back(standing, id, purpose) {
            Some(no) => Verdict::Deny(denial(no.status)),
            None => allow(purpose.basis, 0, Moment::DISTANT_FUTURE),
        }
    }
}

fn consented(standing: &Standing, id: PurposeId, purpose: &Purpose, (stage, now): (Stage, Moment)) -> Verdict {
    let binding = binding(standing, id, purpose);
    let grant = standing.grant(id).filter(|grant| binding.is_none_or(|no| grant.key > no.key));
    let Some(grant) = grant else {
        return Verdict::Deny(binding.map_or(Denial::NoRecord, |no| denial(no.status)));
    };
    let other = grant.version != purpose.version || grant.basis.is_some_and(|basis| basis != purpose.basis);
    if other && stage != Stage::Storage {
        return Verdict::Deny(Denial::Superseded);
    }
    let longest = purpose.expires_after.map_or(Moment::DISTANT_FUTURE, |period| grant.key.at + period);
    let until = grant.until.min(longest);
    if now >= until {
        return Verdict::Deny(Denial::Expired);
    }
    allow(purpose.basis, grant.position, until)
}

/// A "no" that counts though nobody is asked now: it was said to this very version, when that rested on consent. Another
/// basis does not step in for a consent that was taken back.
fn taken_back(standing: &Standing, id: PurposeId, purpose: &Purpose) -> Option<Restriction> {
    let no =
        standing.restriction(id).filter(|no| no.status != ConsentStatus::Objected && no.version >= purpose.version);
    no.filter(|no| standing.grant(id).is_none_or(|grant| grant.key <= no.key))
}

/// The latest restriction that binds a purpose, its own or a wider one's.
#[must_use]
pub fn binding(standing: &Standing, id: PurposeId, purpose: &Purpose) -> Option<Restriction> {
    let all = std::iter::once(id).chain(purpose.ancestors.iter());
    all.filter_map(|id| standing.restriction(id)).max_by_key(|no| no.key)
}

/// Whether the customer ever objected to a purpose or a wider one, and has not granted it in person since. Who was erased
/// objected to everything that an objection stops.
#[must_use]
pub fn has_objected(standing: &Standing, id: PurposeId, purpose: &Purpose) -> bool {
    let all = std::iter::once(id).chain(purpose.ancestors.iter());
    let latest = all.filter_map(|id| standing.objection(id)).max();
    match (latest, standing.registers(id).live_grant) {
        (None, None) => standing.was_erased(),
        (latest, live_grant) => latest.is_some_and(|objection| live_grant.is_none_or(|grant| grant <= objection)),
    }
}

fn allow(basis: Basis, position: u64, until: Moment) -> Verdict {
    Verdict::Allow { basis, position, until }
}

fn denial(status: ConsentStatus) -> Denial {
    match status {
        ConsentStatus::Refused => Denial::Refused,
        ConsentStatus::Withdrawn => Denial::Withdrawn,
        ConsentStatus::Revoked => Denial::Revoked,
        ConsentStatus::Objected => Denial::Objected,
        ConsentStatus::Erased => Denial::Erased,
        ConsentStatus::Restricted => Denial::Restricted,
        ConsentStatus::Expired => Denial::Expired,
        ConsentStatus::Given | ConsentStatus::RestrictionLifted => Denial::NoRecord,
    }
}
