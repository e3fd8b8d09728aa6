//! What a rule set declares, as far as expressions and histories need to know, read from its YAML.

use serde_yaml::Value;
use tactful::domain::time::{Moment, Period};

use super::yaml::{entries, get, items, string, words};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Flag,
    Moment,
    Duration,
    List,
}

impl Kind {
    pub const NAMES: [(&'static str, Self); 6] = [
        ("text", Self::Text),
        ("number", Self::Number),
        ("flag", Self::Flag),
        ("moment", Self::Moment),
        ("duration", Self::Duration),
        ("list", Self::List),
    ];
}

/// Type and listed values of a fact.
#[derive(Debug, Clone)]
pub struct Shape {
    pub kind: Kind,
    pub one_of: Option<Vec<String>>,
}

impl Purpose {
    /// Whether customers may be asked for it.
    pub fn is_asked(&self) -> bool {
        self.basis.ends_with("consent") && !self.retired
    }
}

/// An attribute, a context fact or a field of an event.
#[derive(Debug, Clone)]
pub struct Fact {
    pub name: String,
    pub shape: Shape,
    /// Nothing where it is not personal.
    pub purposes: Option<Vec<String>>,
}

#[derive(Debug, Clone)]
pub struct Purpose {
    pub name: String,
    pub basis: String,
    pub retired: bool,
    pub gpc: bool,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub name: String,
    pub fields: Vec<Fact>,
    pub purposes: Vec<String>,
    pub keep: i64,
}

#[derive(Debug, Clone)]
pub struct Journey {
    pub name: String,
    pub purpose: String,
    pub stages: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct Action {
    pub id: String,
    pub purpose: String,
    pub group: Option<String>,
}

/// What a rule set declares.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    pub purposes: Vec<Purpose>,
    pub attributes: Vec<Fact>,
    pub context: Vec<Fact>,
    pub events: Vec<Event>,
    pub channels: Vec<String>,
    pub journeys: Vec<Journey>,
    pub actions: Vec<Action>,
    pub zone: String,
    /// Times of day at which quiet hours begin or end.
    pub quiet: Vec<String>,
    /// How long journeys may stay in a stage.
    pub waits: Vec<i64>,
    /// Outcomes that limits, cool-downs or hurt name.
    pub outcomes: Vec<String>,
    /// Every duration that is written somewhere.
    pub periods: Vec<i64>,
    /// Every moment that is written somewhere.
    pub moments: Vec<i64>,
    /// Every text in quotes and every number of an expression.
    pub texts: Vec<String>,
    pub numbers: Vec<f64>,
}

impl Declared {
    pub fn of(rules: &Value) -> Self {
        let mut declared = Self {
            purposes: entries(rules, "purposes").into_iter().map(purpose).collect(),
            attributes: facts(rules, "attributes"),
            context: facts(rules, "context"),
            events: entries(rules, "events").into_iter().map(event).collect(),
            channels: entries(rules, "channels").into_iter().map(|(name, _)| name).collect(),
            journeys: entries(rules, "journeys").into_iter().map(journey).collect(),
            actions: items(rules, "actions").into_iter().filter_map(action).collect(),
            zone: get(rules, "policy").and_then(|policy| string(policy, "time_zone")).unwrap_or("UTC").to_owned(),
            ..Self::default()
        };
        for (_, channel) in entries(rules, "channels") {
            let quiet = get(channel, "quiet_hours").into_iter();
            let times = quiet.flat_map(|quiet| ["from", "to"].map(|key| string(quiet, key).map(str::to_owned)));
            declared.quiet.extend(times.flatten());
        }
        let journeys = entries(rules, "journeys").into_iter();
        let stages = journeys.flat_map(|(_, journey)| entries(journey, "stages"));
        let moves = stages.flat_map(|(_, stage)| items(stage, "moves"));
        let waits = moves.filter_map(|way| Period::parse(string(way, "after")?).ok());
        declared.waits = waits.map(|wait| wait.0).collect();
        declared.outcomes = outcomes(rules);
        declared.collect(rules);
        declared
    }

    /// Purposes that may be named.
    pub fn in_use(&self) -> Vec<String> {
        self.purposes.iter().filter(|purpose| !purpose.retired).map(|purpose| purpose.name.clone()).collect()
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::String(words) => self.collect_words(words),
            Value::Sequence(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Mapping(map) => map.values().for_each(|value| self.collect(value)),
            _ => {}
        }
    }

    fn collect_words(&mut self, words: &str) {
        for (index, part) in words.split(['"', '\'']).enumerate() {
            let quoted = index % 2 == 1;
            if let Ok(Period(length)) = Period::parse(part) {
                self.periods.push(length);
            } else if let Ok(Moment(at)) = Moment::parse(part) {
                self.moments.push(at);
            } else if quoted {
                self.texts.push(part.to_owned());
            } else {
                let numbers = part.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
                self.numbers.extend(numbers.filter_map(|number| number.parse::<f64>().ok()));
            }
        }
    }
}

fn outcomes(rules: &Value) -> Vec<String> {
    let policy = get(rules, "policy");
    let limits = items(rules, "actions").into_iter().chain(policy).flat_map(|owner| items(owner, "limits"));
    let named = limits.flat_map(|limit| ["outcome", "after"].map(|key| string(limit, key).map(str::to_owned)));
    let hurt = policy.and_then(|policy| get(policy, "hurt")).into_iter();
    let hurts = hurt.flat_map(|hurt| entries(hurt, "per_outcome")).map(|(name, _)| name);
    named.flatten().chain(hurts).collect()
}

fn purpose((name, value): (String, &Value)) -> Purpose {
    Purpose {
        name,
        basis: string(value, "basis").unwrap_or("").to_owned(),
        retired: get(value, "retired").and_then(Value::as_bool).unwrap_or(false),
        gpc: get(value, "gpc").is_some(),
    }
}

fn shape(value: &Value) -> Shape {
    let name = value.as_str().or_else(|| string(value, "type")).unwrap_or("text");
    let kind = Kind::NAMES.iter().find(|(known, _)| *known == name).map_or(Kind::Text, |(_, kind)| *kind);
    Shape { kind, one_of: get(value, "one_of").map(|_| words(value, "one_of")) }
}

fn facts(rules: &Value, section: &str) -> Vec<Fact> {
    let fact = |(name, value): (String, &Value)| {
        let purposes = get(value, "purposes").map(|_| words(value, "purposes"));
        Fact { name, shape: shape(value), purposes }
    };
    entries(rules, section).into_iter().map(fact).collect()
}

fn event((name, value): (String, &Value)) -> Event {
    let purposes = words(value, "purposes");
    let field = |(name, value): (String, &Value)| {
        let own = get(value, "purposes").map_or_else(|| purposes.clone(), |_| words(value, "purposes"));
        Fact { name, shape: shape(value), purposes: Some(own) }
    };
    let keep = string(value, "keep").and_then(|keep| Period::parse(keep).ok()).map_or(0, |keep| keep.0);
    Event { name, fields: entries(value, "fields").into_iter().map(field).collect(), purposes: purposes.clone(), keep }
}

fn journey((name, value): (String, &Value)) -> Journey {
    let stages = entries(value, "stages").into_iter().map(|(name, _)| name).collect();
    Journey { name, purpose: string(value, "purpose").unwrap_or("").to_owned(), stages }
}

fn action(value: &Value) -> Option<Action> {
    Some(Action {
        id: string(value, "id")?.to_owned(),
        purpose: string(value, "purpose").unwrap_or("").to_owned(),
        group: string(value, "group").map(str::to_owned),
    })
}
