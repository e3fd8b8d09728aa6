//! What arrives about one customer: attributes, events, outcomes. Each is held for the purposes that are lawful now.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use super::super::story::Value;
use super::consent::{SKEW, may_be_served};
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

/// `SetAttributes`. What no lawful purpose covers is dropped before it is stored; what was held before stays then.
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
        let purposes = lawful(world, customer, &field.purposes);
        if !purposes.is_empty() {
            fields.insert(name.clone(), (value, purposes));
        }
    }
    if customer.event_ids.contains(new.id) {
        return Ok(());
    }
    let purposes = lawful(world, customer, &declared.purposes);
    if purposes.is_empty() {
        return Err("no_lawful_purpose");
    }
    if at + declared.keep <= world.now {
        return Err("too_old");
    }
    if !new.id.is_empty() {
        customer.event_ids.insert(new.id.to_string());
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
        Some(decision) => chosen_by(world, customer, new, decision)?,
        None if channel && world.rules.action(new.action).is_some() => {}
        None => return Err("invalid"),
    }
    if customer.gone {
        return Err("no_lawful_purpose");
    }
    if customer.outcome_ids.contains(new.id) {
        return Ok(());
    }
    match new.decision {
        Some(decision) => of_a_decision(customer, new, decision, at)?,
        None => of_another_system(world, customer, new, at)?,
    }
    if !new.id.is_empty() {
        customer.outcome_ids.insert(new.id.to_string());
    }
    Ok(())
}

/// Whether the decision is known, and chose the action. "Decisions are kept for a day" (proto, `GetDecision`).
fn chosen_by(world: &World, customer: &Customer, new: &NewOutcome, decision: usize) -> Taken {
    let chose = |c: &&Contact| c.decision == Some(decision) && c.action.id == new.action;
    let chosen = customer.contacts.iter().find(chose).filter(|contact| world.now < contact.at + DAY);
    chosen.map(|_| ()).ok_or("invalid")
}

/// An outcome confirms the contact that the decision reserved, also after it lapsed, and from the moment of the decision
/// (ADR 008); NOT_PRESENTED takes it back.
fn of_a_decision(customer: &mut Customer, new: &NewOutcome, decision: usize, at: i64) -> Taken {
    let contacts = &mut customer.contacts;
    let chosen = contacts.iter_mut().find(|c| c.decision == Some(decision) && c.action.id == new.action);
    let Some(contact) = chosen else { return Err("invalid") };
    if new.outcome == "not_presented" {
        contact.taken_back = true;
        return Ok(());
    }
    contact.confirmed = true;
    contact.taken_back = false;
    let (action, channel) = (contact.action.clone(), contact.channel.clone());
    let outcome = new.outcome.to_string();
    if new.outcome != "presented" {
        customer.outcomes.push(Outcome { at, action, outcome, channel });
    }
    Ok(())
}

/// S7: an outcome without a decision. `presented` counts a contact of its own, another system's; the others are recorded;
/// `not_presented` takes back the newest contact that a decision made of the action.
fn of_another_system(world: &World, customer: &mut Customer, new: &NewOutcome, at: i64) -> Taken {
    let action = world.rules.action(new.action).ok_or("invalid")?;
    if new.outcome == "not_presented" {
        return take_back_newest(world, customer, new, at);
    }
    let action = served(world, customer, action);
    let (channel, outcome) = (new.channel.to_string(), new.outcome.to_string());
    if outcome == "presented" {
        let (lapses, confirmed, taken_back) = (None, true, false);
        customer.contacts.push(Contact { at, action, channel, decision: None, lapses, confirmed, taken_back });
    } else {
        customer.outcomes.push(Outcome { at, action, outcome, channel });
    }
    Ok(())
}

/// S7: on that channel, if one is named; that still counts, and was made at most 30 days before the outcome and not after
/// it.
fn take_back_newest(world: &World, customer: &mut Customer, new: &NewOutcome, at: i64) -> Taken {
    let made = customer.contacts.iter_mut().filter(|contact| {
        let here = new.channel.is_empty() || contact.channel == new.channel;
        let lately = (at - 30 * DAY..=at).contains(&contact.at);
        contact.decision.is_some() && contact.action.id == new.action && here && lately && contact.counts_at(world.now)
    });
    let newest = made.max_by_key(|contact| contact.at).ok_or("nothing_to_take_back")?;
    newest.taken_back = true;
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
    customer.contacts.push(Contact {
        at: world.now,
        action: served(world, customer, action),
        channel: channel.to_string(),
        decision: Some(number),
        lapses,
        confirmed: false,
        taken_back: false,
    });
}
