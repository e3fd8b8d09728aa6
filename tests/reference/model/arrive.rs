//! What arrives about one customer: attributes, events, outcomes. Each is held for the purposes that are lawful now.

use std::collections::{BTreeMap, BTreeSet};

use unicode_normalization::UnicodeNormalization;

use super::super::story::Value;
use super::consent::{SKEW, agreed_by, may_be_served};
use super::customer::{Contact, Customer, Event, Fact, Outcome, Served, end_repaired_hurt};
use super::rules::{DAY, Declared, FactKind, Names};
use super::{World, journey};

/// Nothing: taken. Else the stable word, or "invalid".
type Taken = Result<(), &'static str>;

/// V1: texts are compared in NFC.
pub fn normal(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(text.nfc().collect()),
        Value::List(items) => Value::List(items.iter().map(|item| item.nfc().collect()).collect()),
        other => other.clone(),
    }
}

/// Whether a value is of the declared type, and one of the listed ones. No number beyond ±9,007,199,254,740,991 (docs/expressions.md, "Types").
pub fn fits(declared: &Declared, value: &Value) -> bool {
    let listed = |text: &String| declared.one_of.as_ref().is_none_or(|values| values.contains(text));
    match (declared.kind, value) {
        (FactKind::Text, Value::Text(text)) => listed(text),
        (FactKind::List, Value::List(items)) => items.len() <= 64 && items.iter().all(listed),
        (FactKind::Number, Value::Number(number)) => number.abs() <= 9_007_199_254_740_991.0,
        (FactKind::Flag, Value::Flag(_)) | (FactKind::Moment, Value::Moment(_)) => true,
        (FactKind::Duration, Value::Duration(_)) => true,
        _ => false,
    }
}

fn lawful(world: &World, customer: &Customer, declared: &Names) -> Names {
    declared.iter().filter(|purpose| may_be_served(world, customer, purpose)).cloned().collect()
}

/// "An event that happened before the yes is not used": docs/consent.md, "Order".
fn collected(world: &World, customer: &Customer, declared: &Names, at: i64) -> Names {
    let lawful = lawful(world, customer, declared);
    lawful.into_iter().filter(|purpose| agreed_by(world, customer, purpose, at)).collect()
}

/// `SetAttributes`. What no lawful purpose covers is dropped before it is stored; what was held before stays then. While the
/// ledger cannot be trusted, it is not known what covers it: then nothing is set (docs/consent.md, "Several at once").
pub fn attributes(
    world: &World,
    customer: &mut Customer,
    values: &BTreeMap<String, Option<Value>>,
    time_zone: &str,
) -> Taken {
    let values: BTreeMap<&String, Option<Value>> =
        values.iter().map(|(name, value)| (name, value.as_ref().map(normal))).collect();
    for (name, value) in &values {
        let declared = world.rules.attributes.get(*name).ok_or("invalid")?;
        if value.as_ref().is_some_and(|value| !fits(&declared.declared, value)) {
            return Err("invalid");
        }
    }
    if !time_zone.is_empty() && super::quiet::zone(time_zone).is_none() {
        return Err("invalid");
    }
    if customer.gone {
        return Ok(());
    }
    let dropped = |(name, value): (&&String, &Option<Value>)| {
        let purposes = &world.rules.attributes[*name].purposes;
        value.is_some() && purposes.as_ref().is_some_and(|declared| lawful(world, customer, declared).is_empty())
    };
    if !world.trusted && values.iter().any(dropped) {
        return Err("ledger_unavailable");
    }
    if !time_zone.is_empty() {
        customer.time_zone = Some(time_zone.to_string());
    }
    let mut seen = Seen::default();
    for (name, value) in values {
        let purposes = &world.rules.attributes[name].purposes;
        let purposes = purposes.as_ref().map(|declared| lawful(world, customer, declared));
        match &purposes {
            None => seen.by_all = true,
            Some(purposes) => seen.by.extend(purposes.iter().cloned()),
        }
        let Some(value) = value else {
            customer.attributes.remove(name);
            continue;
        };
        if purposes.as_ref().is_some_and(|purposes| purposes.is_empty()) {
            continue;
        }
        customer.attributes.insert(name.clone(), Fact { value, purposes });
    }
    journey::look(world, customer, &seen);
    Ok(())
}

/// Which journeys see that attributes were recorded: those for whose purpose one is kept.
#[derive(Default)]
pub struct Seen {
    pub by_all: bool,
    pub by: Names,
}

pub struct NewEvent<'a> {
    pub id: &'a str,
    pub kind: &'a str,
    pub occurred: Option<i64>,
    pub fields: &'a BTreeMap<String, Value>,
}

/// `RecordEvents`, one event.
pub fn event(world: &World, customer: &mut Customer, new: &NewEvent) -> Taken {
    let declared = world.rules.events.get(new.kind).ok_or("invalid")?;
    let at = when(world, new.occurred)?;
    let mut fields = BTreeMap::new();
    for (name, value) in new.fields {
        let (field, value) = (declared.fields.get(name).ok_or("invalid")?, normal(value));
        if !fits(&field.declared, &value) {
            return Err("invalid");
        }
        let purposes = collected(world, customer, &field.purposes, at);
        if !purposes.is_empty() {
            fields.insert(name.clone(), (value, purposes));
        }
    }
    if customer.gone {
        return Err("erased");
    }
    let kept: BTreeMap<&String, Value> = new.fields.iter().map(|(name, value)| (name, normal(value))).collect();
    let body = format!("{} {kept:?}", new.kind);
    match customer.event_ids.get(new.id) {
        Some(known) if *known == body => return Ok(()),
        Some(_) => return Err("reused"),
        None => {}
    }
    let purposes = collected(world, customer, &declared.purposes, at);
    if purposes.is_empty() {
        // Nothing can be known to be lawful then.
        return Err(if world.trusted { "no_lawful_purpose" } else { "ledger_unavailable" });
    }
    if at + declared.keep <= world.now {
        return Err("too_old");
    }
    if !new.id.is_empty() {
        customer.event_ids.insert(new.id.to_string(), body);
    }
    let kind = new.kind.to_string();
    customer.events.push(Event { at, kind, purposes, fields, repaired: false, keep: declared.keep });
    // A repair that is known already ends the hurt at once, so that journeys do not see it.
    end_repaired_hurt(world, customer);
    journey::follow(world, customer, at);
    Ok(())
}

/// "When; now if unset. More than 5 minutes in the future is refused." Up to that, the source's clock is ahead of ours.
fn when(world: &World, occurred: Option<i64>) -> Result<i64, &'static str> {
    match occurred {
        Some(at) if at > world.now + SKEW => Err("invalid"),
        Some(at) => Ok(at.min(world.now)),
        None => Ok(world.now),
    }
}

pub struct NewOutcome<'a> {
    pub id: &'a str,
    pub decision: Option<usize>,
    pub action: &'a str,
    pub outcome: &'a str,
    pub channel: &'a str,
    pub occurred: Option<i64>,
}

const OUTCOMES: [&str; 9] = [
    "presented",
    "clicked",
    "accepted",
    "rejected",
    "not_now",
    "already_done",
    "dismissed",
    "complained",
    "not_presented",
];

/// `RecordOutcomes`, one outcome.
pub fn outcome(world: &World, customer: &mut Customer, new: &NewOutcome) -> Taken {
    if !OUTCOMES.contains(&new.outcome) {
        return Err("invalid");
    }
    let at = when(world, new.occurred)?;
    let channel = new.channel.is_empty() || world.rules.channels.contains_key(new.channel);
    match new.decision {
        None if !channel || world.rules.action(new.action).is_none() => return Err("invalid"),
        _ => {}
    }
    if customer.gone {
        return Err("erased");
    }
    let body = format!("{:?} {} {} {}", new.decision, new.action, new.channel, new.outcome);
    match customer.outcome_ids.get(new.id) {
        Some(known) if *known == body => return Ok(()),
        Some(_) => return Err("reused"),
        None => {}
    }
    match (belongs_to(world, customer, new, at), new.decision) {
        // "Each outcome counts once for each decision and action" (proto, `OutcomeRecord`).
        (Some(place), _) if customer.contacts[place].had.contains(new.outcome) => return Ok(()),
        (Some(place), _) => of_a_contact(world, customer, new, (place, at)),
        (None, _) if new.outcome == "not_presented" => return Err("nothing_to_take_back"),
        (None, Some(_)) => return Err("invalid"),
        (None, None) => of_another_system(world, customer, new, at)?,
    }
    if !new.id.is_empty() {
        customer.outcome_ids.insert(new.id.to_string(), body);
    }
    Ok(())
}

/// The contact of the decision and the action; without a decision the newest of the action that is open: on that channel,
/// if one is named, of the 30 days before, and without this outcome. What is taken back must count, and be a decision's.
fn belongs_to(world: &World, customer: &Customer, new: &NewOutcome, at: i64) -> Option<usize> {
    let is_open = |contact: &Contact| {
        let here = new.channel.is_empty() || contact.channel == new.channel;
        let lately = (at - 30 * DAY..=at).contains(&contact.at);
        let had = contact.had.contains(new.outcome) || contact.had.contains("not_presented");
        let returns = new.outcome != "not_presented" || contact.decision.is_some() && contact.counts_at(world.now);
        here && lately && !had && returns
    };
    let of_action = customer.contacts.iter().enumerate().filter(|(_, contact)| contact.action.id == new.action);
    let meant = of_action.filter(|(_, contact)| match new.decision {
        Some(decision) => contact.decision == Some(decision),
        None => is_open(contact),
    });
    meant.max_by_key(|(_, contact)| contact.at).map(|(place, _)| place)
}

/// An outcome confirms its contact, also after it lapsed, and from the moment of the contact (ADR 008); NOT_PRESENTED
/// takes it back.
fn of_a_contact(world: &World, customer: &mut Customer, new: &NewOutcome, (place, at): (usize, i64)) {
    let mut action = customer.contacts[place].action.clone();
    let lawful = may_be_served(world, customer, &action.purpose);
    action.readable = lawful && (action.readable || world.rules.action(&action.id).is_some());
    let contact = &mut customer.contacts[place];
    contact.had.insert(new.outcome.to_string());
    contact.taken_back = new.outcome == "not_presented";
    contact.confirmed = !contact.taken_back;
    let channel = if contact.channel.is_empty() { new.channel.to_string() } else { contact.channel.clone() };
    if !["presented", "not_presented"].contains(&new.outcome) {
        customer.outcomes.push(Outcome { at, action, outcome: new.outcome.to_string(), channel });
    }
}

/// S7: an outcome that belongs to no contact of ours. `presented` counts a contact of its own, another system's; the others
/// are recorded.
pub fn of_another_system(world: &World, customer: &mut Customer, new: &NewOutcome, at: i64) -> Taken {
    let action = world.rules.action(new.action).ok_or("invalid")?;
    let action = served(world, customer, action);
    let (channel, outcome) = (new.channel.to_string(), new.outcome.to_string());
    if outcome == "presented" {
        let (lapses, confirmed, taken_back, had) = (None, true, false, BTreeSet::from([outcome]));
        customer.contacts.push(Contact { at, action, channel, decision: None, lapses, confirmed, taken_back, had });
    } else {
        customer.outcomes.push(Outcome { at, action, outcome, channel });
    }
    Ok(())
}

pub fn served(world: &World, customer: &Customer, action: &super::rules::Action) -> Served {
    Served {
        id: action.id.clone(),
        kind: action.kind.clone(),
        group: action.group.clone(),
        purpose: action.purpose.clone(),
        readable: may_be_served(world, customer, &action.purpose),
    }
}

/// A decision presents a step: its contact counts at once.
pub fn reserve(
    world: &World,
    customer: &mut Customer,
    action: &super::rules::Action,
    (channel, number): (&str, usize),
) {
    let declared = &world.rules.channels[channel];
    let lapses = declared.inbound.then_some(world.now + declared.reserve_for);
    // "The newest 32 that do not count any more" (docs/operations.md).
    let lapsed = customer.contacts.iter().filter(|contact| !contact.counts_at(world.now)).count();
    for _ in 32..lapsed {
        let over = customer.contacts.iter().enumerate().filter(|(_, contact)| !contact.counts_at(world.now));
        if let Some((oldest, _)) = over.min_by_key(|(_, contact)| contact.at) {
            customer.contacts.remove(oldest);
        }
    }
    customer.contacts.push(Contact {
        at: world.now,
        action: served(world, customer, action),
        channel: channel.to_string(),
        decision: Some(number),
        lapses,
        confirmed: false,
        taken_back: false,
        had: BTreeSet::new(),
    });
}
