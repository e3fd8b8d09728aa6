//! The gate: one pure function that says whether a purpose may be served now.

use super::record::{ConsentStatus, OrderKey};
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
/// The strongest denial is the answer: erased, then retired, then the purpose's own "no", and only where the purpose could
/// be served otherwise the restriction of processing. So a restriction never hides an objection, and lifting it frees
/// nothing that was denied meanwhile. An expiry is a half-open interval: at its end the grant is gone. What the customer
/// agreed to have kept may still be stored while processing is restricted, or while the purpose has a version not yet
/// agreed to.
#[must_use]
pub fn lawful(standing: &Standing, id: PurposeId, purpose: &Purpose, stage: Stage, now: Moment) -> Verdict {
    if standing.is_gone() {
        return Verdict::Deny(Denial::Erased);
    }
    if purpose.retired {
        return Verdict::Deny(Denial::Retired);
    }
    let own = permitted(standing, id, purpose, (stage, now));
    if own.allows() && standing.is_restricted() && stage != Stage::Storage {
        return Verdict::Deny(Denial::Restricted);
    }
    own
}

impl Verdict {
    /// The same while the ledger cannot be trusted: what it denies stays denied for its own reason, everything else is
    /// denied because nobody can tell.
    #[must_use]
    pub fn distrusted(self) -> Self {
        match self {
            Self::Allow { .. } | Self::Deny(Denial::Restricted | Denial::NoRecord) => {
                Self::Deny(Denial::LedgerUnavailable)
            }
            Self::Deny(denial) => Self::Deny(denial),
        }
    }
}

/// What the records of a purpose and of the wider ones say, whatever holds for the whole customer.
fn permitted(standing: &Standing, id: PurposeId, purpose: &Purpose, (stage, now): (Stage, Moment)) -> Verdict {
    if purpose.stops_on_objection() && has_objected(standing, id, purpose) {
        return Verdict::Deny(objection_name(standing, id, purpose));
    }
    if purpose.basis.needs_consent() {
        consented(standing, id, purpose, (stage, now))
    } else {
        match revoked(standing, id, purpose) {
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

/// A "no" that counts though nobody is asked for a yes: a later yes ends it, in person or imported. Where an objection is
/// possible, the purpose was revoked, or a wider one. Elsewhere it was said to this very version when that rested on
/// consent: another basis does not step in for a consent that was taken back.
fn revoked(standing: &Standing, id: PurposeId, purpose: &Purpose) -> Option<Restriction> {
    let no = if purpose.stops_on_objection() {
        binding(standing, id, purpose)
    } else {
        standing.restriction(id).filter(|no| no.status != ConsentStatus::Objected && no.version >= purpose.version)
    };
    no.filter(|no| standing.grant(id).is_none_or(|grant| grant.key <= no.key))
}

/// The latest "no" to a purpose or a wider one, of any kind; a later yes may have ended it.
#[must_use]
pub fn binding(standing: &Standing, id: PurposeId, purpose: &Purpose) -> Option<Restriction> {
    lineage(id, purpose).filter_map(|id| standing.restriction(id)).max_by_key(|no| no.key)
}

/// Whether a customer's own "no" to a purpose or a wider one, or their erasure, stops what an objection stops. Only a yes in
/// person, given since, ends it: an import never brings back who unsubscribed.
#[must_use]
pub fn has_objected(standing: &Standing, id: PurposeId, purpose: &Purpose) -> bool {
    stands(standing, id, lineage(id, purpose).filter_map(|id| standing.refusal(id)).max().map(|no| no.key))
        || standing.was_erased() && standing.registers(id).live_grant.is_none()
}

/// Whether the customer must never be asked for a purpose: they objected to it or to a wider one and have not said yes in
/// person since, or they were erased and an objection stops it.
#[must_use]
pub fn must_not_be_asked(standing: &Standing, id: PurposeId, purpose: &Purpose) -> bool {
    stands(standing, id, lineage(id, purpose).filter_map(|id| standing.objection(id)).max())
        || purpose.stops_on_objection() && standing.was_erased() && standing.registers(id).live_grant.is_none()
}

fn stands(standing: &Standing, id: PurposeId, no: Option<OrderKey>) -> bool {
    no.is_some_and(|no| standing.registers(id).live_grant.is_none_or(|grant| grant <= no))
}

/// The word for what an objection stops: the latest "no", unless a late yes has ended just that one.
fn objection_name(standing: &Standing, id: PurposeId, purpose: &Purpose) -> Denial {
    let revoked = revoked(standing, id, purpose).map(|no| (no.key, no.status));
    let refused = lineage(id, purpose).filter_map(|id| standing.refusal(id)).max().map(|no| (no.key, no.status));
    revoked.max(refused).map_or(Denial::Objected, |(_, status)| denial(status))
}

/// A purpose and the wider ones.
fn lineage(id: PurposeId, purpose: &Purpose) -> impl Iterator<Item = PurposeId> {
    std::iter::once(id).chain(purpose.ancestors.iter())
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
        ConsentStatus::Given | ConsentStatus::RestrictionLifted | ConsentStatus::Returned => Denial::NoRecord,
    }
}
