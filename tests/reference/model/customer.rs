//! One customer: everything that happened, in the order of arrival, and the part that is still stored.
//!
//! Each held thing carries the purposes for which it was lawful when it came (docs/rules.md, "Attributes": "What was
//! collected for one purpose is not there for another"). Time passing takes purposes and things away.

use std::collections::{BTreeMap, BTreeSet};

use super::super::story::Value;
use super::consent::{Own, Record, may_be_served, own, restricted};
use super::rules::{DAY, Names};
use super::{World, journey};

#[derive(Debug, Clone, Default)]
pub struct Customer {
    pub records: Vec<Record>,
    /// When the customer was last erased, if ever.
    pub erased_at: Option<i64>,
    /// Erased, and not come back.
    pub gone: bool,
    pub attributes: BTreeMap<String, Fact>,
    pub events: Vec<Event>,
    pub journeys: BTreeMap<String, Progress>,
    /// Every step in a journey, in order.
    pub steps: Vec<Step>,
    pub contacts: Vec<Contact>,
    pub outcomes: Vec<Outcome>,
    /// The ids of events, each with what the event said.
    pub event_ids: BTreeMap<String, String>,
    pub outcome_ids: BTreeMap<String, String>,
    pub time_zone: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Fact {
    pub value: Value,
    /// Nothing where it is not personal: then every purpose may have it.
    pub purposes: Option<Names>,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub at: i64,
    pub kind: String,
    pub purposes: Names,
    pub fields: BTreeMap<String, (Value, Names)>,
    /// Its hurt was ended by a repair, for good (T1).
    pub repaired: bool,
    /// How long it is kept if its type is no longer declared.
    pub keep: i64,
}

/// Where the customer is in one journey.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The purpose for which it is followed.
    pub purpose: String,
    pub stage: String,
    pub entered: i64,
}

/// A step in a journey, which a late event may undo.
#[derive(Debug, Clone)]
pub struct Step {
    pub journey: String,
    pub purpose: String,
    pub before: Option<Progress>,
    pub until: i64,
    /// Attributes led on, and no event.
    pub looked: bool,
}

/// A step that was said, or that a decision reserved.
#[derive(Debug, Clone)]
pub struct Contact {
    pub at: i64,
    pub action: Served,
    pub channel: String,
    /// The question that chose it; nothing if another system did.
    pub decision: Option<usize>,
    /// An inbound reservation lapses then, unless an outcome confirms it.
    pub lapses: Option<i64>,
    pub confirmed: bool,
    pub taken_back: bool,
    /// The outcomes that it has had.
    pub had: BTreeSet<String>,
}

/// The action of a contact or an outcome, as it was then.
#[derive(Debug, Clone)]
pub struct Served {
    pub id: String,
    pub kind: String,
    pub group: String,
    pub purpose: String,
    /// Whether rules of its purpose may count it: it was lawful when it came, and was not taken back since (ADR 007).
    pub readable: bool,
}

/// Any outcome but `presented` and `not_presented`, which are what becomes of a contact.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub at: i64,
    pub action: Served,
    pub outcome: String,
    pub channel: String,
}

impl Contact {
    /// docs/rules.md, "How the score is made": an inbound contact that no outcome confirms counts for `reserve_for` only.
    pub fn counts_at(&self, moment: i64) -> bool {
        !self.taken_back && (self.confirmed || self.lapses.is_none_or(|lapses| moment < lapses))
    }
}

/// Time passes to `world.now`: purposes end, things are forgotten, stages time out. Between two things that happen
/// nothing else does, so it is enough to look when the next one comes, and to give stages the moments at which they
/// were due.
pub fn pass_time(world: &World, customer: &mut Customer) {
    for (name, purpose) in world.known {
        let ended = |ends: Option<i64>| ends.is_some_and(|ends| ends <= world.now);
        let kept = match own(customer, name, purpose, world.now) {
            Own::Usable(_) => true,
            Own::Superseded(ends) => !ended(ends),
            Own::No(_) | Own::NoRecord | Own::Expired => false,
        };
        if !kept {
            take_back(customer, name);
        }
    }
    narrow_to_declared(world, customer);
    let over = purposes_that_are_over(world);
    customer.journeys.retain(|_, progress| !over.contains(&progress.purpose));
    customer.steps.retain(|step| !over.contains(&step.purpose));
    // C9, and docs/consent.md: "Restriction keeps everything as it is, even what would have been forgotten by now."
    if !restricted(customer) {
        forget(world, customer);
        journey::time_out(world, customer);
    }
    end_repaired_hurt(world, customer);
}

/// docs/consent.md, "Withdrawal clears the purpose from every stored fact", and a new yes does not bring it back. A
/// journey is deleted at once.
fn take_back(customer: &mut Customer, purpose: &str) {
    for fact in customer.attributes.values_mut() {
        fact.purposes.as_mut().map(|purposes| purposes.remove(purpose));
    }
    for event in &mut customer.events {
        event.purposes.remove(purpose);
        for (_, purposes) in event.fields.values_mut() {
            purposes.remove(purpose);
        }
    }
    customer.journeys.retain(|_, progress| progress.purpose != purpose);
    customer.steps.retain(|step| step.purpose != purpose);
    let contacts = customer.contacts.iter_mut().map(|contact| &mut contact.action);
    for served in contacts.chain(customer.outcomes.iter_mut().map(|outcome| &mut outcome.action)) {
        served.readable &= served.purpose != purpose;
    }
}

/// A fact that the rules declare no more, or no more for a purpose, is not there for it any more. What is held for a
/// purpose that is missing from the rules waits for it.
fn narrow_to_declared(world: &World, customer: &mut Customer) {
    let narrow = |purposes: &mut Names, declared: Option<&Names>| {
        purposes.retain(|name| {
            declared.is_some_and(|declared| declared.contains(name) || world.missing.contains_key(name))
        });
    };
    for (name, fact) in &mut customer.attributes {
        let declared = world.rules.attributes.get(name);
        let is_personal = declared.is_none_or(|declared| declared.purposes.is_some());
        if is_personal {
            narrow(fact.purposes.get_or_insert_default(), declared.and_then(|declared| declared.purposes.as_ref()));
        }
    }
    for event in &mut customer.events {
        let declared = world.rules.events.get(&event.kind);
        narrow(&mut event.purposes, declared.map(|declared| &declared.purposes));
        for (name, (_, purposes)) in &mut event.fields {
            let field = declared.and_then(|declared| declared.fields.get(name));
            narrow(purposes, field.map(|field| &field.purposes));
        }
    }
}

/// Retired, or missing from the rules for 30 days.
fn purposes_that_are_over(world: &World) -> Names {
    let retired = world.rules.purposes.iter().filter(|(_, purpose)| purpose.retired).map(|(name, _)| name);
    let missing = world.missing.iter().filter(|(_, since)| world.now >= **since + 30 * DAY).map(|(name, _)| name);
    retired.chain(missing).cloned().collect()
}

/// docs/consent.md, "How long things are kept".
fn forget(world: &World, customer: &mut Customer) {
    for purpose in purposes_that_are_over(world) {
        take_back(customer, &purpose);
    }
    customer.attributes.retain(|name, fact| {
        let is_personal = world.rules.attributes.get(name).is_none_or(|declared| declared.purposes.is_some());
        !is_personal || fact.purposes.as_ref().is_some_and(|purposes| !purposes.is_empty())
    });
    customer.events.retain(|event| !event.purposes.is_empty() && event.at + keep(world, event) > world.now);
    for event in &mut customer.events {
        event.fields.retain(|_, (_, purposes)| !purposes.is_empty());
    }
    let kept = world.rules.contacts_are_kept();
    // What does not count any more is kept for 30 days, for outcomes of its decision.
    let goes = |contact: &Contact| match contact.lapses {
        _ if contact.taken_back => contact.at + kept.min(30 * DAY),
        Some(lapses) if !contact.confirmed => lapses.max(contact.at + 30 * DAY).min(contact.at + kept),
        _ => contact.at + kept,
    };
    customer.contacts.retain(|contact| goes(contact) > world.now);
    customer.outcomes.retain(|outcome| outcome.at + kept > world.now);
}

pub fn keep(world: &World, event: &Event) -> i64 {
    world.rules.events.get(&event.kind).map_or(event.keep, |declared| declared.keep)
}

/// Whether some purpose may use the event now (ADR 011).
pub fn usable(world: &World, customer: &Customer, event: &Event) -> bool {
    event.purposes.iter().any(|purpose| may_be_served(world, customer, purpose))
}

/// T1: a repair that is held and usable ends the hurt of earlier experiences, for good. Earlier by the time of the
/// events; within one millisecond by arrival.
pub fn end_repaired_hurt(world: &World, customer: &mut Customer) {
    let mut ended = Vec::new();
    for (place, bad) in customer.events.iter().enumerate() {
        for (later, repair) in customer.events.iter().enumerate() {
            let repairs = world.rules.events.get(&repair.kind).is_some_and(|kind| kind.repairs.contains(&bad.kind));
            let after = repair.at > bad.at || repair.at == bad.at && later > place;
            if repairs && after && usable(world, customer, repair) {
                ended.push(place);
            }
        }
    }
    for place in ended {
        customer.events[place].repaired = true;
    }
}

/// `EraseCustomer`: everything that is held goes, contacts and ids, too.
pub fn erase(customer: &mut Customer, now: i64) {
    *customer = Customer { erased_at: Some(now), gone: true, ..Customer::default() };
}
