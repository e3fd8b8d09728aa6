//! YAML into the structs of `rules`: docs/rules.md, "How files work".
//!
//! Only what the model needs is checked; the engine's own checks have tests of their own.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value as Yaml};
use unicode_normalization::UnicodeNormalization;

use super::super::story::RuleFiles;
use super::actions;
use super::expression::{Condition, parse::parse};
use super::rules::{
    Attribute, Basis, Channel, Declared, EventType, FactKind, Field, Interruption, Journey, MINUTE, Move, Names,
    Purpose, QuietHours, Rules, Stage, Start,
};
use super::units::{length, time_of_day};

type Read<T> = Result<T, String>;

/// All rule files, put together. Tests (`*.test.yaml`) and hidden files are left out.
pub fn read(files: &RuleFiles) -> Read<Rules> {
    let mut all = Mapping::new();
    for (path, text) in files {
        let hidden = path.split('/').any(|part| part.starts_with('.'));
        if hidden || path.ends_with(".test.yaml") || !(path.ends_with(".yaml") || path.ends_with(".yml")) {
            continue;
        }
        match serde_yaml::from_str(text).map_err(|error| format!("{path}: {error}"))? {
            Yaml::Mapping(sections) => merge(&mut all, sections)?,
            Yaml::Null => {}
            _ => return Err(format!("{path}: not a map of sections")),
        }
    }
    let section = |name: &str| all.get(name).cloned().unwrap_or(Yaml::Mapping(Mapping::new()));
    let rules = Rules {
        purposes: entries(&section("purposes"), purpose)?,
        attributes: entries(&section("attributes"), attribute)?,
        context: entries(&section("context"), declared)?,
        events: entries(&section("events"), event_type)?,
        channels: entries(&section("channels"), channel)?,
        journeys: entries(&section("journeys"), journey)?,
        actions: list(all.get("actions"), actions::action)?,
        policy: actions::policy(&section("policy"))?,
    };
    check(&rules)?;
    Ok(rules)
}

/// "Sections of the same name in several files are put together. No name may be declared twice."
fn merge(into: &mut Mapping, from: Mapping) -> Read<()> {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (None, value) => {
                into.insert(key, value);
            }
            (Some(Yaml::Sequence(before)), Yaml::Sequence(more)) => before.extend(more),
            (Some(Yaml::Mapping(before)), Yaml::Mapping(more)) => merge(before, more)?,
            (Some(_), _) => return Err(format!("{key:?} is declared twice")),
        }
    }
    Ok(())
}

/// Names that must be declared: purposes, and one action for each id.
fn check(rules: &Rules) -> Read<()> {
    let known = |purpose: &String| match rules.purposes.get(purpose) {
        Some(found) if !found.retired => Ok(()),
        _ => Err(format!("`{purpose}` is not a purpose that can be named")),
    };
    rules.attributes.values().filter_map(|a| a.purposes.as_ref()).flatten().try_for_each(known)?;
    rules.events.values().flat_map(|event| &event.purposes).try_for_each(known)?;
    rules.journeys.values().map(|journey| &journey.purpose).try_for_each(known)?;
    rules.actions.iter().map(|action| &action.purpose).try_for_each(known)?;
    rules.actions.iter().filter_map(|action| action.asks.as_ref()).try_for_each(known)?;
    if rules.channels.is_empty() || rules.actions.is_empty() || rules.purposes.is_empty() {
        return Err("`purposes`, `channels` and `actions` must be somewhere".to_string());
    }
    // An event that repairs itself is refused (decisions of 30 November 2026, T1).
    match rules.events.iter().find(|(name, event)| event.repairs.contains(*name)) {
        Some((name, _)) => Err(format!("`{name}` repairs itself")),
        None => Ok(()),
    }
}

fn purpose(yaml: &Yaml) -> Read<Purpose> {
    let basis = match text(yaml.get("basis"))?.as_str() {
        "consent" => Basis::Consent,
        "explicit_consent" => Basis::ExplicitConsent,
        "contract" => Basis::Contract,
        "legal_obligation" => Basis::LegalObligation,
        "vital_interest" => Basis::VitalInterest,
        "public_task" => Basis::PublicTask,
        "legitimate_interest" => Basis::LegitimateInterest,
        other => return Err(format!("`{other}` is not a basis")),
    };
    Ok(Purpose {
        basis,
        direct_marketing: flag(yaml.get("direct_marketing")),
        expires_after: optional(yaml.get("expires_after"), span)?,
        cooling_off: optional(yaml.get("cooling_off"), span)?,
        version: yaml.get("version").and_then(Yaml::as_u64).unwrap_or(1),
        gpc_objects: yaml.get("gpc").is_some(),
        retired: flag(yaml.get("retired")),
    })
}

/// `text`, or `{type: text, one_of: [a, b]}`.
pub fn declared(yaml: &Yaml) -> Read<Declared> {
    let kind = match yaml {
        Yaml::String(kind) => kind.clone(),
        _ => text(yaml.get("type"))?,
    };
    let kind = match kind.as_str() {
        "text" => FactKind::Text,
        "number" => FactKind::Number,
        "flag" => FactKind::Flag,
        "moment" => FactKind::Moment,
        "duration" => FactKind::Duration,
        "list" => FactKind::List,
        other => return Err(format!("`{other}` is not a type")),
    };
    let one_of = optional(yaml.get("one_of"), names)?;
    Ok(Declared { kind, one_of: one_of.map(|values| values.iter().map(|value| value.nfc().collect()).collect()) })
}

fn attribute(yaml: &Yaml) -> Read<Attribute> {
    let purposes = match yaml.get("personal") {
        Some(Yaml::Bool(false)) => None,
        _ => Some(names(yaml.get("purposes").ok_or("an attribute names its purposes")?)?),
    };
    Ok(Attribute { declared: declared(yaml)?, purposes, sensitivity: number(yaml.get("sensitivity"), 0.0)? })
}

fn event_type(yaml: &Yaml) -> Read<EventType> {
    let purposes = names(yaml.get("purposes").ok_or("an event names its purposes")?)?;
    let field = |yaml: &Yaml| {
        let own = match yaml {
            Yaml::Mapping(_) => optional(yaml.get("purposes"), names)?,
            _ => None,
        };
        Ok(Field { declared: declared(yaml)?, purposes: own.unwrap_or_else(|| purposes.clone()) })
    };
    Ok(EventType {
        fields: optional(yaml.get("fields"), |fields| entries(fields, field))?.unwrap_or_default(),
        purposes: purposes.clone(),
        hurt: number(yaml.get("hurt"), 0.0)?,
        repairs: optional(yaml.get("repairs"), names)?.unwrap_or_default(),
        keep: span(yaml.get("keep").ok_or("an event says how long it is kept")?)?,
        sensitivity: number(yaml.get("sensitivity"), 0.0)?,
        late: optional(yaml.get("late"), span)?.unwrap_or(5 * MINUTE),
    })
}

fn channel(yaml: &Yaml) -> Read<Channel> {
    let interruption = match yaml.get("interruption") {
        Some(Yaml::Mapping(map)) => {
            let points = entries(&Yaml::Mapping(map.clone()), |yaml| number(Some(yaml), 0.0))?;
            let default = points.get("default").copied();
            Interruption::ByActivity { points, default }
        }
        other => Interruption::Always(number(other, 0.0)?),
    };
    let quiet_hours = |yaml: &Yaml| {
        Ok(QuietHours {
            from: time_of_day(&text(yaml.get("from"))?)?,
            to: time_of_day(&text(yaml.get("to"))?)?,
            wait: text(yaml.get("otherwise"))? == "wait",
        })
    };
    Ok(Channel {
        inbound: text(yaml.get("direction"))? == "inbound",
        interruption,
        quiet_hours: optional(yaml.get("quiet_hours"), quiet_hours)?,
        reserve_for: optional(yaml.get("reserve_for"), span)?.unwrap_or(30 * MINUTE),
    })
}

fn journey(yaml: &Yaml) -> Read<Journey> {
    let start =
        |yaml: &Yaml| Ok(Start { event: text(yaml.get("event"))?, when: optional(yaml.get("when"), condition)? });
    let a_move = |yaml: &Yaml| {
        Ok(Move {
            to: text(yaml.get("to"))?,
            event: optional(yaml.get("event"), |yaml| text(Some(yaml)))?,
            when: optional(yaml.get("when"), condition)?,
            after: optional(yaml.get("after"), span)?,
        })
    };
    let mut stages = Vec::new();
    for (id, stage) in yaml.get("stages").and_then(Yaml::as_mapping).ok_or("a journey has stages")? {
        stages.push(Stage {
            id: text(Some(id))?,
            moves: list(stage.get("moves"), a_move)?,
            ends: flag(stage.get("goal")) || flag(stage.get("end")),
        });
    }
    Ok(Journey {
        purpose: text(yaml.get("purpose"))?,
        sensitivity: number(yaml.get("sensitivity"), 0.0)?,
        start: list(yaml.get("start"), start)?,
        again_after: optional(yaml.get("again_after"), span)?,
        stages,
    })
}

/// One expression, or one of `any:`, `all:`, `none:`. docs/rules.md, "Conditions".
pub fn condition(yaml: &Yaml) -> Read<Condition> {
    let Yaml::Mapping(map) = yaml else { return Ok(Condition::One(parse(&text(Some(yaml))?)?)) };
    let mut held = Vec::new();
    for (key, entries) in map {
        let entries = list(Some(entries), condition)?;
        held.push(match key.as_str() {
            Some("all") => Condition::All(entries),
            Some("any") => Condition::Any(entries),
            Some("none") => Condition::None(entries),
            _ => return Err(format!("{key:?} puts no conditions together")),
        });
    }
    if held.len() == 1 { Ok(held.remove(0)) } else { Ok(Condition::All(held)) }
}

/// Each entry of a section.
pub fn entries<T>(yaml: &Yaml, read: impl Fn(&Yaml) -> Read<T>) -> Read<BTreeMap<String, T>> {
    let mut all = BTreeMap::new();
    for (name, entry) in yaml.as_mapping().ok_or("not a map")? {
        let name = text(Some(name))?;
        let entry = read(entry).map_err(|error| format!("{name}: {error}"))?;
        all.insert(name, entry);
    }
    Ok(all)
}

/// A list; one thing alone is a list of one, and nothing is an empty list.
pub fn list<T>(yaml: Option<&Yaml>, read: impl Fn(&Yaml) -> Read<T>) -> Read<Vec<T>> {
    match yaml {
        None | Some(Yaml::Null) => Ok(Vec::new()),
        Some(Yaml::Sequence(items)) => items.iter().map(read).collect(),
        Some(one) => Ok(vec![read(one)?]),
    }
}

pub fn names(yaml: &Yaml) -> Read<Names> {
    Ok(list(Some(yaml), |item| text(Some(item)))?.into_iter().collect())
}

pub fn optional<T>(yaml: Option<&Yaml>, read: impl Fn(&Yaml) -> Read<T>) -> Read<Option<T>> {
    match yaml {
        None | Some(Yaml::Null) => Ok(None),
        Some(yaml) => read(yaml).map(Some),
    }
}

pub fn text(yaml: Option<&Yaml>) -> Read<String> {
    match yaml {
        Some(Yaml::String(text)) => Ok(text.clone()),
        Some(Yaml::Number(number)) => Ok(number.to_string()),
        Some(Yaml::Bool(flag)) => Ok(flag.to_string()),
        other => Err(format!("{other:?} is not a text")),
    }
}

pub fn number(yaml: Option<&Yaml>, default: f64) -> Read<f64> {
    match yaml {
        None => Ok(default),
        Some(yaml) => yaml.as_f64().ok_or_else(|| format!("{yaml:?} is not a number")),
    }
}

pub fn span(yaml: &Yaml) -> Read<i64> {
    length(&text(Some(yaml))?)
}

fn flag(yaml: Option<&Yaml>) -> bool {
    yaml.and_then(Yaml::as_bool).unwrap_or(false)
}
