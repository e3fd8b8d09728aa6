//! What is a little simpler than a step, or than a set of rules.

use serde_yaml::{Mapping, Value};

use crate::story::{Question, Step, What};

/// Steps that are simpler than one, in one thing each.
pub fn step(step: &Step) -> Vec<Step> {
    let mut simpler = Vec::new();
    match &step.what {
        What::Consent { changes, deferred, evidence } => {
            for place in (0..changes.len()).filter(|_| changes.len() > 1) {
                let mut changes = changes.clone();
                changes.remove(place);
                simpler.push(What::Consent { changes, deferred: *deferred, evidence: *evidence });
            }
            for place in 0..changes.len() {
                for clear in [true, false] {
                    let mut changes = changes.clone();
                    let change = &mut changes[place];
                    if clear {
                        change.claimed = None
                    } else {
                        change.valid_until = None
                    }
                    simpler.push(What::Consent { changes, deferred: *deferred, evidence: *evidence });
                }
            }
            simpler.push(What::Consent { changes: changes.clone(), deferred: false, evidence: *evidence });
        }
        What::Event { id, kind, occurred, fields } => {
            for name in fields.keys() {
                let mut fields = fields.clone();
                fields.remove(name);
                simpler.push(What::Event { id: id.clone(), kind: kind.clone(), occurred: *occurred, fields });
            }
            let (kind, fields) = (kind.clone(), fields.clone());
            simpler.push(What::Event { id: id.clone(), kind: kind.clone(), occurred: None, fields: fields.clone() });
            simpler.push(What::Event { id: String::new(), kind, occurred: *occurred, fields });
        }
        What::Attributes { values, time_zone } => {
            for name in values.keys() {
                let mut values = values.clone();
                values.remove(name);
                simpler.push(What::Attributes { values, time_zone: time_zone.clone() });
            }
            simpler.push(What::Attributes { values: values.clone(), time_zone: String::new() });
        }
        What::Outcome { decision, action, outcome, channel, occurred, id } => {
            let with = |id: &str, channel: &str, occurred| What::Outcome {
                id: id.to_owned(),
                decision: *decision,
                action: action.clone(),
                outcome: outcome.clone(),
                channel: channel.to_owned(),
                occurred,
            };
            simpler.extend([with("", channel, *occurred), with(id, "", *occurred), with(id, channel, None)]);
        }
        What::Decide(question) => simpler.extend(questions(question).map(What::Decide)),
        What::Erase | What::Reload(_) | What::Restart | What::Trust(_) => {}
    }
    simpler.into_iter().filter(|what| *what != step.what).map(|what| Step { what, ..step.clone() }).collect()
}

fn questions(question: &Question) -> impl Iterator<Item = Question> {
    let fewer = question.context.keys().map(|name| {
        let mut simpler = question.clone();
        simpler.context.remove(name);
        simpler
    });
    let mut simpler: Vec<Question> = fewer.collect();
    let usual = question.clone();
    simpler.push(Question { groups: Vec::new(), ..usual.clone() });
    simpler.push(Question { max_actions: 0, ..usual.clone() });
    simpler.push(Question { gpc: false, ..usual.clone() });
    simpler.push(Question { rehearsal: true, ..usual });
    simpler.into_iter()
}

/// Rules that are simpler than others, in one thing each: the largest things first.
pub fn rules(rules: &Value) -> Vec<Value> {
    let mut places = Vec::new();
    find(rules, &mut Vec::new(), &mut places);
    places.sort_by_key(Vec::len);
    let names = names(rules).into_iter().map(|name| purged(rules, &name));
    let without = places.iter().filter_map(|place| changed(rules, place, None));
    let expressions = places.iter().flat_map(|place| {
        let parts = at(rules, place).and_then(Value::as_str).map(parts).unwrap_or_default();
        parts.into_iter().filter_map(|part| changed(rules, place, Some(part.into()))).collect::<Vec<_>>()
    });
    names.chain(without).chain(expressions).filter(|simpler| simpler != rules).collect()
}

/// A key or a place on the way to a part.
#[derive(Debug, Clone)]
pub enum Way {
    Key(Value),
    Place(usize),
}

fn find(value: &Value, way: &mut Vec<Way>, places: &mut Vec<Vec<Way>>) {
    match value {
        Value::Mapping(map) => {
            for (key, inner) in map {
                way.push(Way::Key(key.clone()));
                places.push(way.clone());
                find(inner, way, places);
                way.pop();
            }
        }
        Value::Sequence(items) => {
            for (place, inner) in items.iter().enumerate() {
                way.push(Way::Place(place));
                places.push(way.clone());
                find(inner, way, places);
                way.pop();
            }
        }
        _ => {}
    }
}

pub fn at<'v>(value: &'v Value, way: &[Way]) -> Option<&'v Value> {
    way.iter().try_fold(value, |value, step| match step {
        Way::Key(key) => value.as_mapping()?.get(key),
        Way::Place(place) => value.as_sequence()?.get(*place),
    })
}

/// The same with another value in a place, or with none.
pub fn changed(value: &Value, way: &[Way], to: Option<Value>) -> Option<Value> {
    let mut whole = value.clone();
    let (last, before) = way.split_last()?;
    let inner = before.iter().try_fold(&mut whole, |value, step| match step {
        Way::Key(key) => value.as_mapping_mut()?.get_mut(key),
        Way::Place(place) => value.as_sequence_mut()?.get_mut(*place),
    })?;
    match (last, to) {
        (Way::Key(key), None) => drop(inner.as_mapping_mut()?.remove(key)),
        (Way::Key(key), Some(to)) => drop(inner.as_mapping_mut()?.insert(key.clone(), to)),
        (Way::Place(place), None) => drop(inner.as_sequence_mut()?.remove(*place)),
        (Way::Place(place), Some(to)) => inner.as_sequence_mut()?[*place] = to,
    }
    Some(whole)
}

/// Everything that is declared.
fn names(rules: &Value) -> Vec<String> {
    let sections = ["channels", "purposes", "events", "attributes", "context", "journeys"];
    let of = |section: &&str| rules.as_mapping().and_then(|map| map.get(*section)).and_then(Value::as_mapping);
    let keys = sections.iter().filter_map(of).flat_map(Mapping::keys).filter_map(Value::as_str).map(str::to_owned);
    keys.collect()
}

/// The same without a name, wherever it stands alone.
fn purged(value: &Value, name: &str) -> Value {
    match value {
        Value::Mapping(map) => {
            let kept = map.iter().filter(|(key, inner)| key.as_str() != Some(name) && inner.as_str() != Some(name));
            Value::Mapping(kept.map(|(key, inner)| (key.clone(), purged(inner, name))).collect())
        }
        Value::Sequence(items) => {
            let names = |item: &&Value| {
                let serves = |key: &str| item.as_mapping().and_then(|map| map.get(key)).and_then(Value::as_str);
                item.as_str() != Some(name) && !["purpose", "asks", "event"].iter().any(|key| serves(key) == Some(name))
            };
            Value::Sequence(items.iter().filter(names).map(|item| purged(item, name)).collect())
        }
        other => other.clone(),
    }
}

/// Parts of an expression that may stand for the whole, and other texts that are simpler.
fn parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    if text.contains(' ') || text.contains('(') || text.contains('!') {
        parts.extend(["true".to_owned(), "false".to_owned()]);
        for sign in [" && ", " || ", " ? ", " : "] {
            parts.extend(text.split(sign).filter(|part| *part != text).map(str::to_owned));
        }
        parts.extend(brackets(text));
        parts.extend(text.strip_prefix('!').map(str::to_owned));
    }
    if text.contains('{') {
        parts.push("text".into());
        let facts = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
        parts.extend(facts.map(|(fact, _)| format!("{{{fact}}}")));
    }
    parts.retain(|part| part.len() < text.len());
    parts.dedup();
    parts
}

/// What stands in brackets.
fn brackets(text: &str) -> Vec<String> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for (place, letter) in text.char_indices() {
        match letter {
            '(' => open.push(place + 1),
            ')' => found.extend(open.pop().and_then(|start| text.get(start..place)).map(str::to_owned)),
            _ => {}
        }
    }
    found
}
