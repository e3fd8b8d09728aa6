//! What the ledger says: records, and whether a purpose may be served now.
//!
//! docs/consent.md; basis by status, and what wins over what: the decisions of 30 November 2026 (C1 to C9).

use super::super::story::{ConsentChange, Standing};
use super::World;
use super::customer::Customer;
use super::rules::{Basis, MINUTE, Purpose};

/// A source's clock may be wrong by this much (docs/consent.md, "Order").
pub const SKEW: i64 = 5 * MINUTE;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Status {
    Given,
    Refused,
    Withdrawn,
    Revoked,
    Objected,
    Restricted,
    RestrictionLifted,
    Returned,
}

impl Status {
    fn named(word: &str) -> Option<Status> {
        Some(match word {
            "given" => Status::Given,
            "refused" => Status::Refused,
            "withdrawn" => Status::Withdrawn,
            "revoked" => Status::Revoked,
            "objected" => Status::Objected,
            "restricted" => Status::Restricted,
            "restriction_lifted" => Status::RestrictionLifted,
            "returned" => Status::Returned,
            _ => return None,
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            Status::Given => "given",
            Status::Refused => "refused",
            Status::Withdrawn => "withdrawn",
            Status::Revoked => "revoked",
            Status::Objected => "objected",
            Status::Restricted => "restricted",
            Status::RestrictionLifted => "restriction_lifted",
            Status::Returned => "returned",
        }
    }

    fn is_no(self) -> bool {
        matches!(self, Status::Refused | Status::Withdrawn | Status::Revoked | Status::Objected)
    }

    fn concerns_everything(self) -> bool {
        matches!(self, Status::Restricted | Status::RestrictionLifted | Status::Returned)
    }

    fn permits(self) -> bool {
        matches!(self, Status::Given | Status::RestrictionLifted | Status::Returned)
    }
}

/// One change of one customer, as the ledger keeps it. The customer's list of them is in the order of arrival.
#[derive(Debug, Clone)]
pub struct Record {
    /// Empty where the status concerns everything.
    pub purpose: String,
    pub status: Status,
    pub version: u64,
    pub basis: Option<Basis>,
    pub live: bool,
    /// When it arrived.
    pub at: i64,
    /// From when it counts against other records.
    pub key: i64,
    /// When a yes ends.
    pub until: Option<i64>,
    /// A browser said it, by `Sec-GPC: 1`.
    pub by_browser: bool,
}

/// What a purpose's own records say, without restriction, erasure and the state of the ledger.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Own {
    /// Usable, until the grant on which it rests ends.
    Usable(Option<i64>),
    No(&'static str),
    NoRecord,
    Expired,
    Superseded,
}

/// C1: what may be said and read for a purpose, from the least to the most that is denied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect {
    Use,
    /// Said, without personal data.
    Mask,
    /// Not said, not read.
    Drop,
    /// The customer was erased.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ruling {
    pub effect: Effect,
    /// Empty where the purpose may be served.
    pub denied_because: &'static str,
}

/// Whether this purpose may be served now, and if not, why. C1: erased; retired; the purpose's own no; restricted and
/// ledger_unavailable, which mask where the basis needs no consent and nobody can object as to direct marketing.
pub fn ruling(world: &World, customer: &Customer, name: &str) -> Ruling {
    let denied = |effect, denied_because| Ruling { effect, denied_because };
    if customer.gone {
        return denied(Effect::Gone, "erased");
    }
    // "A purpose that is missing from reloaded rules is withheld too" (docs/rules.md, "Purposes").
    let Some(purpose) = world.rules.purposes.get(name) else { return denied(Effect::Drop, "missing") };
    if purpose.retired {
        return denied(Effect::Drop, "retired");
    }
    match own(customer, name, purpose, world.now) {
        Own::No(word) => return denied(Effect::Drop, word),
        Own::NoRecord if !world.trusted => return denied(Effect::Drop, "ledger_unavailable"),
        Own::NoRecord => return denied(Effect::Drop, "no_record"),
        Own::Expired => return denied(Effect::Drop, "expired"),
        Own::Superseded => return denied(Effect::Drop, "superseded"),
        Own::Usable(_) => {}
    }
    let masks = !purpose.needs_consent() && !purpose.direct_marketing && !purpose.gpc_objects;
    match (world.trusted, restricted(customer)) {
        (true, false) => Ruling { effect: Effect::Use, denied_because: "" },
        (false, _) if masks => denied(Effect::Mask, "ledger_unavailable"),
        (true, true) if masks => denied(Effect::Mask, "restricted"),
        (_, true) => denied(Effect::Drop, "restricted"),
        (false, false) => denied(Effect::Drop, "ledger_unavailable"),
    }
}

pub fn may_be_served(world: &World, customer: &Customer, name: &str) -> bool {
    ruling(world, customer, name).effect == Effect::Use
}

/// RESTRICTED holds until a later RESTRICTION_LIFTED; equal keys: the no wins (S6).
pub fn restricted(customer: &Customer) -> bool {
    let latest = |status| customer.records.iter().filter(|r| r.status == status).map(|r| r.key).max();
    match (latest(Status::Restricted), latest(Status::RestrictionLifted)) {
        (Some(restricted), Some(lifted)) => restricted >= lifted,
        (restricted, None) => restricted.is_some(),
        (None, Some(_)) => false,
    }
}

/// C1, C2, C3, C5: the purpose's own verdict.
pub fn own(customer: &Customer, name: &str, purpose: &Purpose, now: i64) -> Own {
    if let Some(no) = binding_nos(customer, name, purpose).last() {
        return Own::No(no.status.word());
    }
    if erasure_objects(customer, name, purpose) {
        return Own::No(Status::Objected.word());
    }
    if !purpose.needs_consent() {
        return Own::Usable(None);
    }
    let Some(yes) = latest_yes(customer, name) else { return Own::NoRecord };
    if yes.until.is_some_and(|until| until <= now) {
        Own::Expired
    } else if yes.version != purpose.version || yes.basis != Some(purpose.basis) {
        Own::Superseded
    } else {
        Own::Usable(yes.until)
    }
}

/// The yes that counts: the latest, by the moment from which it counts, then by arrival. A late yes from before an
/// erasure is none: it would bring back what was erased.
fn latest_yes<'c>(customer: &'c Customer, name: &str) -> Option<&'c Record> {
    let after_erasure = |r: &&Record| r.live || customer.erased_at.is_none_or(|erased| r.key > erased);
    yeses(customer, name).filter(after_erasure).max_by_key(|r| r.key)
}

/// A yes is to exactly one purpose (docs/decisions/005).
fn yeses<'c>(customer: &'c Customer, name: &str) -> impl Iterator<Item = &'c Record> {
    customer.records.iter().filter(move |r| r.status == Status::Given && r.purpose == name)
}

/// C3: the records that say no to this purpose or to a wider one, where such a no could be recorded for this one.
pub fn nos<'c>(customer: &'c Customer, name: &str, purpose: &Purpose) -> Vec<&'c Record> {
    if !purpose.needs_consent() && !purpose.can_be_objected_to() {
        return Vec::new();
    }
    let covers = |wider: &str| name == wider || name.strip_prefix(wider).is_some_and(|rest| rest.starts_with('.'));
    customer.records.iter().filter(|r| r.status.is_no() && covers(&r.purpose)).collect()
}

/// The nos that no later yes to exactly this purpose has ended, in the order of arrival.
pub fn binding_nos<'c>(customer: &'c Customer, name: &str, purpose: &Purpose) -> Vec<&'c Record> {
    let ended = |no: &&Record| {
        let in_person = ends_only_in_person(no, purpose);
        // Equal keys: the no wins (S6).
        yeses(customer, name).any(|yes| yes.key > no.key && (yes.live || !in_person))
    };
    nos(customer, name, purpose).into_iter().filter(|no| !ended(no)).collect()
}

/// C2: an objection; and a refusal or a withdrawal of what can be objected to. A revocation ends with any later yes.
fn ends_only_in_person(no: &Record, purpose: &Purpose) -> bool {
    match no.status {
        Status::Objected => true,
        Status::Refused | Status::Withdrawn => purpose.can_be_objected_to(),
        _ => false,
    }
}

/// C5: an erasure counts as an objection, until a yes in person to exactly this purpose.
pub fn erasure_objects(customer: &Customer, name: &str, purpose: &Purpose) -> bool {
    customer.erased_at.is_some() && purpose.can_be_objected_to() && !yeses(customer, name).any(|yes| yes.live)
}

/// C4: an objection that binds, or an erasure that counts as one.
pub fn objected(customer: &Customer, name: &str, purpose: &Purpose) -> bool {
    let objections = binding_nos(customer, name, purpose);
    objections.iter().any(|no| no.status == Status::Objected) || erasure_objects(customer, name, purpose)
}

/// proto, `Standing`.
pub fn standing(world: &World, customer: &Customer, name: &str) -> Standing {
    let ruling = ruling(world, customer, name);
    let mut standing = Standing {
        usable: ruling.effect == Effect::Use,
        denied_because: ruling.denied_because.to_string(),
        ..Standing::default()
    };
    let Some(purpose) = world.rules.purposes.get(name) else { return standing };
    let own = own(customer, name, purpose, world.now);
    let given = latest_yes(customer, name);
    let status = match own {
        _ if customer.gone => "erased",
        Own::No(word) => word,
        Own::NoRecord => "",
        Own::Expired => "expired",
        Own::Superseded => "given",
        Own::Usable(_) if restricted(customer) => "restricted",
        Own::Usable(_) if given.is_some() => "given",
        Own::Usable(_) => "",
    };
    standing.status = status.to_string();
    standing.until = given.filter(|_| status == "given" && purpose.needs_consent()).and_then(|yes| yes.until);
    standing.needs_reconfirm = late_yes_lost(customer, name, purpose);
    standing
}

/// "True when a late yes lost to an earlier no and the customer may want to be asked again."
fn late_yes_lost(customer: &Customer, name: &str, purpose: &Purpose) -> bool {
    let Some(no) = binding_nos(customer, name, purpose).last().copied() else { return false };
    let mut after = customer.records.iter().skip_while(|r| !std::ptr::eq(*r, no)).skip(1);
    after.any(|r| r.status == Status::Given && r.purpose == name && !r.live)
}

/// One call of `RecordConsent`. Nothing is recorded where the whole call is refused (`None`): one purpose twice (C6), or
/// a permission claimed more than five minutes ahead (C7).
pub fn record_all(
    world: &World,
    customer: &mut Customer,
    changes: &[ConsentChange],
    (deferred, evidence): (bool, bool),
) -> Option<Vec<Option<String>>> {
    for (place, change) in changes.iter().enumerate() {
        let twice = changes.iter().skip(place + 1).any(|other| other.purpose == change.purpose);
        let permits = Status::named(&change.status).is_some_and(Status::permits);
        let ahead = change.claimed.is_some_and(|claimed| claimed > world.now + SKEW);
        if twice || permits && ahead {
            return None;
        }
    }
    let mut results = Vec::new();
    for change in changes {
        let source = Source { live: !deferred, evidence };
        match refusal(world, customer, change, &source) {
            Some(reason) => results.push(Some(reason.to_string())),
            None => {
                let status = Status::named(&change.status).expect("a refusal names every other status");
                record(world, customer, change, (status, !deferred));
                results.push(None);
            }
        }
    }
    Some(results)
}

struct Source {
    live: bool,
    evidence: bool,
}

/// C2, C5: why one change is refused.
fn refusal(world: &World, customer: &Customer, change: &ConsentChange, source: &Source) -> Option<&'static str> {
    let Some(status) = Status::named(&change.status) else { return Some("status_not_writable") };
    if status.concerns_everything() {
        if !change.purpose.is_empty() {
            return Some("concerns_every_purpose");
        }
        return match status {
            Status::Returned if !source.evidence => Some("evidence_required"),
            Status::Returned if !source.live => Some("must_be_live"),
            Status::Returned => (!customer.gone).then_some("not_erased"),
            _ => customer.gone.then_some("erased"),
        };
    }
    let Some(purpose) = world.rules.purposes.get(&change.purpose) else { return Some("unknown_purpose") };
    if purpose.retired {
        return Some("purpose_retired");
    }
    if !purpose.needs_consent() && !purpose.can_be_objected_to() {
        return Some(match status {
            Status::Objected => "basis_allows_no_objection",
            _ => "basis_needs_no_consent",
        });
    }
    let late_yes = status == Status::Given && !source.live;
    if late_yes && purpose.basis == Basis::ExplicitConsent && !source.evidence {
        return Some("evidence_required");
    }
    let in_person = status == Status::Given && source.live;
    let waits = late_yes && erasure_objects(customer, &change.purpose, purpose);
    (customer.gone && !in_person || waits).then_some("erased")
}

/// docs/consent.md, "Order": what arrives live counts from its arrival; a late yes from the moment it claims, less five
/// minutes; a late no from its arrival. C5: a yes in person, or a return, begins anew.
fn record(world: &World, customer: &mut Customer, change: &ConsentChange, (status, live): (Status, bool)) {
    let now = world.now;
    let purpose = world.rules.purposes.get(&change.purpose);
    let key = if live || !status.permits() { now } else { change.claimed.unwrap_or(now).min(now) - SKEW };
    let lasts = purpose.filter(|purpose| purpose.needs_consent()).and_then(|purpose| purpose.expires_after);
    let until = [change.valid_until, lasts.map(|lasts| key + lasts)].into_iter().flatten().min();
    customer.gone = false;
    customer.records.push(Record {
        purpose: change.purpose.clone(),
        status,
        version: purpose.map_or(0, |purpose| purpose.version),
        basis: purpose.map(|purpose| purpose.basis),
        live,
        at: now,
        key,
        until: until.filter(|_| status == Status::Given),
        by_browser: false,
    });
}

/// docs/consent.md, "Global Privacy Control": recorded as an objection once, before the call is served.
pub fn browser_objects(world: &World, customer: &mut Customer) {
    for (name, purpose) in &world.rules.purposes {
        let before = customer.records.iter().any(|r| r.by_browser && r.purpose == *name);
        if !purpose.gpc_objects || purpose.retired || before || customer.gone {
            continue;
        }
        customer.records.push(Record {
            purpose: name.clone(),
            status: Status::Objected,
            version: purpose.version,
            basis: Some(purpose.basis),
            live: true,
            at: world.now,
            key: world.now,
            until: None,
            by_browser: true,
        });
    }
}
