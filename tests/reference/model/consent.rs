//! What the ledger says: records, and whether a purpose may be served now.
//!
//! docs/consent.md; basis by status, and what wins over what: the decisions of 30 November 2026 (C1 to C9).

use std::cmp::Reverse;

use super::super::story::{ConsentChange, Standing};
use super::World;
use super::customer::{Customer, pass_time};
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
    /// From when it counts against other records, and its place in the order of arrival. A late yes has none: it loses
    /// against what came live at that very moment (S6).
    pub key: (i64, usize),
    /// When the customer said that a yes ends.
    pub until: Option<i64>,
    /// When it was said: a late one when it claims, others when they came.
    pub said: i64,
    pub claimed: Option<i64>,
    pub evidence: bool,
}

impl Record {
    /// When a yes ends: `valid_until`, or the purpose's `expires_after`, by the rules in force.
    fn ends(&self, purpose: &Purpose) -> Option<i64> {
        let lasts = purpose.expires_after.filter(|_| purpose.needs_consent());
        [self.until, lasts.map(|lasts| self.key.0 + lasts)].into_iter().flatten().min()
    }
}

/// What a purpose's own records say, without restriction, erasure and the state of the ledger.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Own {
    /// Usable, until the grant on which it rests ends.
    Usable(Option<i64>),
    No(&'static str),
    NoRecord,
    Expired,
    /// The yes was to another version, until it ends.
    Superseded(Option<i64>),
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
/// ledger_unavailable, which mask if the basis needs no consent and the customer cannot object as to direct marketing.
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
        Own::Superseded(_) => return denied(Effect::Drop, "superseded"),
        Own::Usable(_) => {}
    }
    let masks = !purpose.needs_consent() && !purpose.direct_marketing && !purpose.gpc_objects;
    let effect = if masks { Effect::Mask } else { Effect::Drop };
    match (world.trusted, restricted(customer)) {
        (true, false) => Ruling { effect: Effect::Use, denied_because: "" },
        (false, _) => denied(effect, "ledger_unavailable"),
        (true, true) => denied(effect, "restricted"),
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
    if let Some(no) = left_over(customer, name, purpose) {
        return Own::No(no.status.word());
    }
    if erasure_objects(customer, name, purpose) {
        return Own::No(Status::Objected.word());
    }
    if !purpose.needs_consent() {
        return Own::Usable(None);
    }
    let Some(yes) = latest_yes(customer, name) else { return Own::NoRecord };
    let ends = yes.ends(purpose);
    if yes.version != purpose.version || yes.basis != Some(purpose.basis) {
        Own::Superseded(ends)
    } else if ends.is_some_and(|ends| ends <= now) {
        Own::Expired
    } else {
        Own::Usable(ends)
    }
}

/// Whether a yes to a purpose counted by a moment; where none is needed, always.
pub fn agreed_by(world: &World, customer: &Customer, name: &str, at: i64) -> bool {
    let needs_yes = world.rules.purposes.get(name).is_none_or(|purpose| purpose.needs_consent());
    !needs_yes || latest_yes(customer, name).is_some_and(|yes| yes.key.0 <= at)
}

/// The yes that counts: the latest, by the moment from which it counts, then by arrival. Of two late ones that claim the same
/// moment, the narrower: the one that ends earlier.
fn latest_yes<'c>(customer: &'c Customer, name: &str) -> Option<&'c Record> {
    yeses(customer, name).max_by_key(|r| (r.key, Reverse((r.until.unwrap_or(i64::MAX), r.version))))
}

/// A yes is to exactly one purpose (docs/decisions/005). "After an erasure, a late or imported yes is recorded and has no
/// effect: it may be from before."
fn yeses<'c>(customer: &'c Customer, name: &str) -> impl Iterator<Item = &'c Record> {
    let counts = |r: &Record| r.live || customer.erased_at.is_none();
    customer.records.iter().filter(move |r| r.status == Status::Given && r.purpose == name && counts(r))
}

/// C3: the records that say no to this purpose or to a wider one, where such a no could be recorded for this one.
pub fn nos<'c>(customer: &'c Customer, name: &str, purpose: &Purpose) -> Vec<&'c Record> {
    if !purpose.needs_consent() && !purpose.can_be_objected_to() {
        return Vec::new();
    }
    let covers = |wider: &str| name == wider || name.strip_prefix(wider).is_some_and(|rest| rest.starts_with('.'));
    customer.records.iter().filter(|r| r.status.is_no() && covers(&r.purpose)).collect()
}

/// Whether a no to exactly this purpose was ever recorded.
pub fn said_no(customer: &Customer, name: &str) -> bool {
    customer.records.iter().any(|r| r.status.is_no() && r.purpose == name)
}

/// "On a basis to which no no can be said, one that was recorded under the same version, when it could be said, still
/// denies" (docs/consent.md).
fn left_over<'c>(customer: &'c Customer, name: &str, purpose: &Purpose) -> Option<&'c Record> {
    if purpose.needs_consent() || purpose.can_be_objected_to() {
        return None;
    }
    let nos = customer.records.iter().filter(|r| r.status.is_no() && r.purpose == name);
    let latest = nos.max_by_key(|r| r.key)?;
    let binds = latest.status != Status::Objected && latest.version >= purpose.version;
    (binds && !yeses(customer, name).any(|yes| yes.key > latest.key)).then_some(latest)
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
        _ if purpose.retired => said_last(customer, name, purpose),
        Own::Usable(_) if restricted(customer) => "restricted",
        Own::No(word) => word,
        Own::NoRecord => "",
        Own::Expired => "expired",
        Own::Superseded(_) => "given",
        Own::Usable(_) if given.is_some() => "given",
        Own::Usable(_) => "",
    };
    standing.status = status.to_string();
    standing.until = match own {
        Own::Usable(ends) if standing.usable => ends,
        _ => None,
    };
    standing.needs_reconfirm = !customer.gone && !purpose.retired && needs_reconfirm(customer, name, purpose);
    standing
}

/// What is on record of a purpose that is over.
fn said_last(customer: &Customer, name: &str, purpose: &Purpose) -> &'static str {
    let no = binding_nos(customer, name, purpose).last().copied().or_else(|| left_over(customer, name, purpose));
    let latest = no.or_else(|| latest_yes(customer, name));
    latest.map_or("", |record| record.status.word())
}

/// "True when the no that holds may not be the customer's last word": a late yes arrived after the latest no, the purpose's
/// own or a wider one's; or every no was said before the newest yes in person.
fn needs_reconfirm(customer: &Customer, name: &str, purpose: &Purpose) -> bool {
    if !matches!(own(customer, name, purpose, i64::MIN), Own::No(_)) {
        return false;
    }
    let of_it = |r: &&Record| r.status.is_no() && r.purpose == name;
    let own_nos: Vec<&Record> = customer.records.iter().filter(of_it).collect();
    let covering = nos(customer, name, purpose);
    let all = if covering.is_empty() { own_nos } else { covering };
    let in_person = yeses(customer, name).filter(|yes| yes.live).map(|yes| yes.at).max();
    let said = all.iter().map(|no| no.said).max();
    if in_person.zip(said).is_some_and(|(yes, no)| yes > no) {
        return true;
    }
    // Without any, an erasure is the no.
    let latest = nos(customer, name, purpose).last().copied().or_else(|| left_over(customer, name, purpose));
    let place = latest.and_then(|no| customer.records.iter().position(|r| std::ptr::eq(r, no)));
    let mut after = customer.records.iter().skip(place.map_or(0, |place| place + 1));
    after.any(|r| r.status == Status::Given && r.purpose == name && !r.live)
}

/// One call of `RecordConsent`. Nothing is recorded where the whole call is refused (`None`): one purpose twice (C6). A
/// permission claimed more than five minutes ahead is refused by itself (C7).
pub fn record_all(
    world: &World,
    customer: &mut Customer,
    changes: &[ConsentChange],
    (deferred, evidence): (bool, bool),
) -> Option<Vec<Option<String>>> {
    for (place, change) in changes.iter().enumerate() {
        if changes.iter().skip(place + 1).any(|other| other.purpose == change.purpose) {
            return None;
        }
    }
    let mut results = Vec::new();
    let source = Source { live: !deferred, evidence };
    // A call that brings the customer back does so for all its changes.
    let was_gone = customer.gone;
    let begins = |change: &&ConsentChange| ["given", "returned"].contains(&change.status.as_str()) && source.live;
    let returns = changes.iter().filter(begins).any(|change| refusal(world, change, &source).is_none());
    for change in changes {
        let needless = change.status == "returned" && !was_gone;
        results.push(match refusal(world, change, &source) {
            _ if was_gone && !returns => Some("erased"),
            None if needless => Some("not_erased"),
            refused => refused,
        });
    }
    // "A deferred change with the purpose, status, claimed_at and source.evidence of a deferred record is a repetition."
    let is_known = |change: &ConsentChange| {
        let same =
            |r: &Record| (r.purpose.as_str(), r.status.word()) == (change.purpose.as_str(), change.status.as_str());
        let known = |r: &Record| !r.live && r.claimed == change.claimed && r.evidence == evidence && same(r);
        deferred && change.claimed.is_some() && customer.records.iter().any(known)
    };
    let new = |(change, refused): &(&ConsentChange, &Option<&str>)| refused.is_none() && !is_known(change);
    let taken: Vec<_> = changes.iter().zip(&results).filter(new).collect();
    let first = customer.records.len();
    let record = |(place, (change, _)): (usize, (&ConsentChange, _))| Record {
        evidence,
        ..record(world, change, (!deferred, first + place + 1))
    };
    let records: Vec<Record> = taken.into_iter().enumerate().map(record).collect();
    // Every no binds, and takes away what it takes away, before a yes has its effect.
    customer.gone &= records.is_empty();
    customer.records.extend(records.iter().filter(|record| !record.status.permits()).cloned());
    pass_time(world, customer);
    customer.records.truncate(first);
    customer.records.extend(records);
    Some(results.into_iter().map(|refused| refused.map(str::to_string)).collect())
}

struct Source {
    live: bool,
    evidence: bool,
}

/// C2, C5: why one change is refused.
fn refusal(world: &World, change: &ConsentChange, source: &Source) -> Option<&'static str> {
    let ahead = change.claimed.is_some_and(|claimed| claimed > world.now + SKEW);
    if ahead && Status::named(&change.status).is_some_and(Status::permits) {
        return Some("claimed_at");
    }
    let Some(status) = Status::named(&change.status) else { return Some("status_not_writable") };
    if status.concerns_everything() {
        if !change.purpose.is_empty() {
            return Some("concerns_every_purpose");
        }
        return match status {
            Status::Returned if !source.live => Some("must_be_live"),
            Status::Returned if !source.evidence => Some("evidence_required"),
            _ => None,
        };
    }
    let Some(purpose) = world.rules.purposes.get(&change.purpose) else {
        // A no to a purpose that the rules lack counts, should they declare it again.
        let taken = status.is_no() && world.known.contains_key(&change.purpose);
        return (!taken).then_some("unknown_purpose");
    };
    // A no is taken whatever became of the purpose.
    if purpose.retired && status == Status::Given {
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
    None
}

/// docs/consent.md, "Order": what arrives live counts from its arrival; a late yes from the moment it claims, less five
/// minutes; a late no from its arrival.
fn record(world: &World, change: &ConsentChange, (live, arrival): (bool, usize)) -> Record {
    let now = world.now;
    let status = Status::named(&change.status).expect("a refusal names every other status");
    let purpose = world.rules.purposes.get(&change.purpose);
    let late = !live && status.permits();
    Record {
        purpose: change.purpose.clone(),
        status,
        version: purpose.map_or(0, |purpose| purpose.version),
        basis: purpose.map(|purpose| purpose.basis),
        live,
        at: now,
        said: change.claimed.filter(|_| !live).map_or(now, |claimed| claimed.min(now)),
        claimed: change.claimed,
        evidence: true,
        key: if late { (change.claimed.unwrap_or(now).min(now) - SKEW, 0) } else { (now, arrival) },
        until: change.valid_until.filter(|_| status == Status::Given),
    }
}

/// docs/consent.md, "Global Privacy Control": recorded as an objection once, where none is on record, before the call is
/// served.
pub fn browser_objects(world: &World, customer: &mut Customer) {
    for (name, purpose) in &world.rules.purposes {
        let before = customer.records.iter().any(|r| r.status == Status::Objected && r.purpose == *name);
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
            said: world.now,
            claimed: None,
            evidence: true,
            key: (world.now, customer.records.len() + 1),
            until: None,
        });
    }
}
