//! The gate: one pure function that says whether a purpose may be served now.

use super::record::ConsentStatus;
use super::standing::{Grant, Restriction, Standing};
use crate::domain::id::PurposeId;
use crate::domain::purpose::{Basis, Purpose};
use crate::domain::time::Moment;

/// A stage in the life of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is collected.
    Collection,
    /// It is stored.
    Storage,
    /// A rule reads it.
    Evaluation,
    /// It is disclosed.
    Disclosure,
}

crate::words! {
    /// Why a purpose may not be served.
    pub enum Denial {
        /// There is no record of a yes.
        NoRecord = "no_record",
        /// The customer was asked and said no.
        Refused = "refused",
        /// The customer withdrew the grant.
        Withdrawn = "withdrawn",
        /// The grant was ended, not by the customer.
        Revoked = "revoked",
        /// The grant expired.
        Expired = "expired",
        /// The customer objected.
        Objected = "objected",
        /// Processing is restricted to storage.
        Restricted = "restricted",
        /// The customer was erased.
        Erased = "erased",
        /// The grant was for another version of the purpose, or for one that rested on another basis.
        Superseded = "superseded",
        /// The purpose is retired, or the rule set does not declare it.
        Retired = "retired",
        /// The ledger cannot be trusted now.
        LedgerUnavailable = "ledger_unavailable",
    }
}

/// The gate's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The purpose may be served.
    Allow {
        /// The lawful basis.
        basis: Basis,
        /// Position of the ledger record that grants it; zero where none is needed.
        position: u64,
        /// It holds until here (exclusive).
        until: Moment,
    },
    /// The purpose may not be served.
    Deny(Denial),
}

impl Verdict {
    /// Whether the purpose may be served.
    #[must_use]
    pub fn allows(self) -> bool {
        matches!(self, Self::Allow { .. })
    }

    /// Why the purpose may not be served.
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
/// The strongest denial is returned: erased, then retired, then the purpose's own "no", then the restriction of
/// processing, which is returned only if nothing else denies. So a restriction never hides an objection, and lifting it
/// frees nothing that was denied meanwhile. An expiry is a half-open interval: at its end the grant is gone. Data
/// collected under a grant may still be stored while processing is restricted, or while the customer has not yet agreed
/// to the purpose's new version.
#[must_use]
pub fn lawful(standing: &Standing, id: PurposeId, purpose: &Purpose, stage: Stage, now: Moment) -> Verdict {
    if standing.is_gone() {
        return Verdict::Deny(Denial::Erased);
    }
    if purpose.retired {
        return Verdict::Deny(Denial::Retired);
    }
    let own = permitted(standing, id, purpose, stage, now);
    if own.allows() && standing.is_restricted() && stage != Stage::Storage {
        return Verdict::Deny(Denial::Restricted);
    }
    own
}

impl Verdict {
    /// The verdict while the ledger cannot be trusted: a denial keeps its reason, an allowance becomes a denial because
    /// it cannot be verified.
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

/// The verdict of the records of a purpose and of its wider purposes, without what holds for the whole customer.
fn permitted(standing: &Standing, id: PurposeId, purpose: &Purpose, stage: Stage, now: Moment) -> Verdict {
    if let Some(no) = binding(standing, id, purpose) {
        return Verdict::Deny(denial(no.status));
    }
    if erasure_binds(standing, id, purpose) {
        return Verdict::Deny(Denial::Objected);
    }
    if purpose.basis.needs_consent() {
        consented(standing.grant(id), purpose, stage, now)
    } else {
        allow(purpose.basis, 0, Moment::DISTANT_FUTURE)
    }
}

fn consented(grant: Option<Grant>, purpose: &Purpose, stage: Stage, now: Moment) -> Verdict {
    let Some(grant) = grant else { return Verdict::Deny(Denial::NoRecord) };
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

/// The latest "no" to a purpose or a wider one that nothing has ended since.
///
/// A later yes ends it, in person or imported. Only a yes in person ends an objection and, if objections stop the
/// purpose, every "no" of the customer's own: an import never resubscribes a customer who unsubscribed. On a basis that
/// takes neither a yes nor an objection, a "no" to this version from the time when it rested on consent still binds:
/// another basis does not replace a withdrawn consent.
#[must_use]
pub fn binding(standing: &Standing, id: PurposeId, purpose: &Purpose) -> Option<Restriction> {
    if standing.has_only_grants() {
        return None;
    }
    let holds = |no: &Restriction| standing.grant(id).is_none_or(|grant| grant.key <= no.key);
    if !purpose.basis.needs_consent() && !purpose.stops_on_objection() {
        let kept = |no: &Restriction| no.status != ConsentStatus::Objected && no.version >= purpose.version;
        return standing.restriction(id).filter(|no| kept(no) && holds(no));
    }
    let latest = |register: fn(&Standing, PurposeId) -> Option<Restriction>| {
        lineage(id, purpose).filter_map(|id| register(standing, id)).max()
    };
    let own = latest(if purpose.stops_on_objection() { Standing::refusal } else { Standing::objection });
    latest(Standing::restriction).filter(holds).max(own.filter(|no| stands(standing, id, no)))
}

/// Whether the "no" for which a purpose is denied may not be the customer's last word: a late yes arrived after it and could
/// not end it, or every "no" was said before the newest yes in person, and one of them arrived late.
#[must_use]
pub fn needs_reconfirm(standing: &Standing, id: PurposeId, purpose: &Purpose) -> bool {
    let late_yes = standing.registers(id).late_yes;
    match binding(standing, id, purpose) {
        Some(no) => late_yes > no.key.sequence || said_before_yes(standing, id, purpose),
        None => late_yes > 0 && erasure_binds(standing, id, purpose),
    }
}

/// Whether every "no" that concerns a purpose was said before the newest yes in person.
fn said_before_yes(standing: &Standing, id: PurposeId, purpose: &Purpose) -> bool {
    let narrow = !purpose.basis.needs_consent() && !purpose.stops_on_objection();
    let concerned = lineage(id, purpose).take(if narrow { 1 } else { usize::MAX });
    let said = concerned.filter_map(|id| standing.registers(id).said_no).max();
    standing.registers(id).live_grant.zip(said).is_some_and(|(yes, no)| yes.at > no)
}

/// Whether the customer was erased, which counts as an objection until they say yes to the purpose in person.
fn erasure_binds(standing: &Standing, id: PurposeId, purpose: &Purpose) -> bool {
    purpose.stops_on_objection() && standing.was_erased() && standing.registers(id).live_grant.is_none()
}

/// Whether the customer must never be asked for a purpose: they objected to it or to a wider one and have not said yes in
/// person since, or they were erased and an objection stops it.
#[must_use]
pub fn must_not_be_asked(standing: &Standing, id: PurposeId, purpose: &Purpose) -> bool {
    let objection = lineage(id, purpose).filter_map(|id| standing.objection(id)).max();
    objection.is_some_and(|no| stands(standing, id, &no)) || erasure_binds(standing, id, purpose)
}

/// Whether the customer has not said yes in person since a "no".
fn stands(standing: &Standing, id: PurposeId, no: &Restriction) -> bool {
    standing.registers(id).live_grant.is_none_or(|grant| grant <= no.key)
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
