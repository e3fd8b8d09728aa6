//! Other rules in the place of those in force: a purpose widened, moved to another basis, dropped or retired; other
//! actions, journeys, channels, policies.

use serde_yaml::{Mapping, Value};

use super::conduct;
use super::declarations;
use super::declared::Declared;
use super::random::Random;
use super::rules::{Rules, fill};
use super::yaml::{get, items, string, text, words};

/// Changed rules. Most load; some are refused because of the rules before them.
pub fn changed(rules: &Rules, random: &mut Random) -> Rules {
    let mut value = rules.value.clone();
    for _ in 0..random.one_of(&[1, 1, 2]) {
        let next = change(value.clone(), rules.about, random);
        // Without actions it is not a rule set.
        if !items(&next, "actions").is_empty() {
            value = next;
        }
    }
    Rules::of(value, rules.about)
}

fn change(mut value: Value, about: i64, random: &mut Random) -> Value {
    let declared = Declared::of(&value);
    let name = random.one_of(&declared.purposes).name;
    let in_use = declared.in_use();
    match random.below(13) {
        0 | 1 => raise(purpose_of(&mut value, &name)),
        2 | 3 => {
            other_basis(purpose_of(&mut value, &name), random);
            let asking = without_asks(value.clone());
            if asking != value {
                value = refill(asking, about, random);
            }
        }
        4 if in_use.len() > 1 => {
            section(&mut value, "purposes").remove(&name);
            value = refill(without_purpose(value, &name), about, random);
        }
        5 if in_use.len() > 1 => {
            purpose_of(&mut value, &name).insert("retired".into(), true.into());
            value = refill(without_purpose(value, &name), about, random);
        }
        6 => {
            // Back to life, which is refused, or a no-op.
            purpose_of(&mut value, &name).remove("retired");
        }
        7 => {
            let fresh = random.one_of(&["service", "care", "profiling.age", "duty", "marketing", "fresh"]);
            if !section(&mut value, "purposes").contains_key(fresh) {
                section(&mut value, "purposes").insert(fresh.into(), declarations::purpose(false, random));
            }
        }
        8 | 9 => value = refill(value, about, random),
        10 => {
            let policy = conduct::policy(&declared, about, random);
            value.as_mapping_mut().unwrap().insert("policy".into(), policy);
        }
        11 => terms(purpose_of(&mut value, &name), random),
        _ => value = other_facts(value, (&declared, about), random),
    }
    value
}

fn section<'v>(value: &'v mut Value, name: &str) -> &'v mut Mapping {
    value.as_mapping_mut().unwrap().get_mut(name).unwrap().as_mapping_mut().unwrap()
}

fn purpose_of<'v>(value: &'v mut Value, name: &str) -> &'v mut Mapping {
    section(value, "purposes").get_mut(name).unwrap().as_mapping_mut().unwrap()
}

fn raise(purpose: &mut Mapping) {
    let version = purpose.get("version").and_then(Value::as_u64).unwrap_or(1);
    purpose.insert("version".into(), (version + 1).into());
}

/// Another basis, most often with the version raised, as it must be.
fn other_basis(purpose: &mut Mapping, random: &mut Random) {
    let basis = random.one_of(&["consent", "explicit_consent", "contract", "public_task", "legitimate_interest"]);
    purpose.insert("basis".into(), basis.into());
    if !basis.ends_with("consent") {
        purpose.remove("expires_after");
        purpose.remove("cooling_off");
    }
    if basis == "contract" {
        purpose.remove("gpc");
    }
    if random.percent(85) {
        raise(purpose);
    }
}

fn terms(purpose: &mut Mapping, random: &mut Random) {
    let consent = purpose.get("basis").and_then(Value::as_str).is_some_and(|basis| basis.ends_with("consent"));
    match random.below(3) {
        0 if consent => drop(purpose.insert("expires_after".into(), declarations::period(random))),
        1 if consent => drop(purpose.insert("cooling_off".into(), declarations::period(random))),
        _ => drop(purpose.insert("direct_marketing".into(), random.percent(50).into())),
    }
}

/// Without actions that ask for purposes that no longer take a consent.
fn without_asks(mut value: Value) -> Value {
    let purposes = get(&value, "purposes").cloned().unwrap();
    let may_ask = |action: &Value| {
        string(action, "asks")
            .is_none_or(|asks| get(&purposes, asks).is_some_and(|terms| get(terms, "cooling_off").is_some()))
    };
    keep_actions(&mut value, may_ask);
    value
}

fn keep_actions(value: &mut Value, keep: impl Fn(&Value) -> bool) {
    if let Some(Value::Sequence(actions)) = value.as_mapping_mut().unwrap().get_mut("actions") {
        actions.retain(keep);
    }
}

/// Without everything that is there for one purpose alone.
fn without_purpose(mut value: Value, name: &str) -> Value {
    for section in ["attributes", "events"] {
        let Some(Value::Mapping(facts)) = value.as_mapping_mut().unwrap().get_mut(section) else { continue };
        facts.retain(|_, fact| narrow(fact, name));
        facts.values_mut().for_each(|fact| {
            if let Some(Value::Mapping(fields)) = fact.as_mapping_mut().and_then(|fact| fact.get_mut("fields")) {
                fields.retain(|_, field| narrow(field, name));
            }
        });
    }
    if let Some(Value::Mapping(journeys)) = value.as_mapping_mut().unwrap().get_mut("journeys") {
        journeys.retain(|_, journey| string(journey, "purpose") != Some(name));
    }
    let other = |action: &Value| string(action, "purpose") != Some(name) && string(action, "asks") != Some(name);
    keep_actions(&mut value, other);
    value
}

/// Takes a purpose from a fact; false if it has no other.
fn narrow(fact: &mut Value, name: &str) -> bool {
    let Some(Value::Sequence(purposes)) = fact.as_mapping_mut().and_then(|fact| fact.get_mut("purposes")) else {
        return true;
    };
    purposes.retain(|purpose| purpose.as_str() != Some(name));
    !purposes.is_empty()
}

/// New journeys and actions over what is declared, and a policy that fits them.
fn refill(mut value: Value, about: i64, random: &mut Random) -> Value {
    let events: Vec<String> = Declared::of(&value).events.into_iter().map(|event| event.name).collect();
    if let Some(Value::Mapping(known)) = value.as_mapping_mut().unwrap().get_mut("events") {
        for event in known.values_mut().filter_map(Value::as_mapping_mut) {
            let repaired = words(&Value::Mapping(event.clone()), "repairs");
            if !repaired.iter().all(|name| events.contains(name)) {
                event.remove("repairs");
            }
        }
    }
    if get(&value, "events").and_then(Value::as_mapping).is_some_and(Mapping::is_empty) {
        value.as_mapping_mut().unwrap().remove("events");
    }
    let filled = fill(&value, about, random);
    let policy = conduct::policy(&Declared::of(&filled), about, random);
    let mut filled = filled;
    filled.as_mapping_mut().unwrap().insert("policy".into(), policy);
    filled
}

/// Changed events (retention, hurt, purposes), changed purposes of attributes, and new channels.
fn other_facts(mut value: Value, (declared, about): (&Declared, i64), random: &mut Random) -> Value {
    let in_use = declared.in_use();
    match random.below(4) {
        0 => {
            if let Some(name) = random.some_of(&declared.events).map(|event| event.name) {
                let event = section(&mut value, "events").get_mut(&name).unwrap().as_mapping_mut().unwrap();
                event.insert("hurt".into(), declarations::points(60, random));
                event.insert("keep".into(), text("2 years"));
            }
        }
        1 => {
            if let Some(name) = random.some_of(&declared.events).map(|event| event.name) {
                let others: Vec<String> =
                    declared.events.iter().map(|event| event.name.clone()).filter(|other| *other != name).collect();
                let event = section(&mut value, "events").get_mut(&name).unwrap().as_mapping_mut().unwrap();
                event.remove("repairs");
                if let Some(other) = random.some_of(&others) {
                    event.insert("repairs".into(), other.into());
                }
            }
        }
        2 => {
            if let Some(name) = random.some_of(&declared.attributes).map(|fact| fact.name) {
                let fact = section(&mut value, "attributes").get_mut(&name).unwrap().as_mapping_mut().unwrap();
                fact.remove("personal");
                let purposes = super::yaml::texts(random.subset(&in_use));
                fact.insert("purposes".into(), purposes);
                value = refill(value, about, random);
            }
        }
        _ => {
            let name = random.one_of(&declared.channels);
            let channel = section(&mut value, "channels").get_mut(&name).unwrap().as_mapping_mut().unwrap();
            channel.remove("quiet_hours");
            channel.insert("interruption".into(), declarations::points(10, random));
        }
    }
    value
}
