//! Which keys, words, facts, functions and operators of the documents rule sets hold, counted.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::Value;
use tactful::rules::shape::{CONDITION_GROUP, Form, RULE_FILE, Shape};

/// What can stand in an expression, as docs/expressions.md lists it.
const PARTS: [&str; 50] = [
    "customer.",
    "context.",
    "event.",
    ".stage",
    ".entered",
    ".in_stage_for",
    "channel",
    "pressure",
    "hurt",
    "now",
    "local.hour",
    "local.weekday",
    "local.month",
    "local.date",
    "events.count(",
    "events.last(",
    "outcomes.count(",
    "outcomes.last(",
    "consent.given(",
    " && ",
    " || ",
    "!",
    " == ",
    " != ",
    " < ",
    " <= ",
    " > ",
    " >= ",
    " in [",
    " in customer.",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    "-customer.",
    " ? ",
    "has(",
    "size(",
    ".size()",
    ".startsWith(",
    ".endsWith(",
    ".contains(",
    ".matches(",
    ".exists(",
    ".all(",
    "duration(",
    "timestamp(",
    "r\"",
    "\"\"\"",
];

/// How many rule sets hold each thing.
#[derive(Debug, Default, Clone)]
pub struct Coverage(pub BTreeMap<String, usize>);

impl Coverage {
    /// Everything that the documents name, with nothing counted.
    pub fn expected() -> Self {
        let mut coverage = Self::default();
        coverage.expect_shape("", &RULE_FILE);
        coverage.expect_shape("condition", &CONDITION_GROUP);
        for part in PARTS {
            coverage.0.insert(format!("expression {part}"), 0);
        }
        // Lints are said of rules and decide nothing.
        coverage.0.retain(|name, _| !name.contains("lints") && !name.contains(".allow "));
        // A contact presses and does not hurt.
        coverage.0.remove(".policy.hurt.per_outcome.presented");
        for name in ["text {fact}", "text {fact|words}"] {
            coverage.0.insert(name.into(), 0);
        }
        coverage
    }

    fn expect_shape(&mut self, path: &str, shape: &'static Shape) {
        for key in shape.keys {
            let path = format!("{path}.{}", key.name);
            self.0.insert(path.clone(), 0);
            self.expect_form(&path, &key.form);
        }
    }

    fn expect_form(&mut self, path: &str, form: &'static Form) {
        match form {
            Form::Word(words) => self.0.extend(words().into_iter().map(|word| (format!("{path} {word}"), 0))),
            Form::Flag => self.0.extend([true, false].iter().map(|flag| (format!("{path} {flag}"), 0))),
            Form::List(form, _) | Form::Names(_, form) | Form::NewNames(_, form) => self.expect_form(path, form),
            Form::Words(words, form) => {
                self.0.extend(words().into_iter().map(|word| (format!("{path}.{word}"), 0)));
                self.expect_form(path, form);
            }
            Form::Map(shape) => self.expect_shape(path, shape),
            Form::Either(forms) => forms.iter().for_each(|form| self.expect_form(path, form)),
            _ => {}
        }
    }

    /// Counts one rule set.
    pub fn count(&mut self, rules: &Value) {
        let mut found = BTreeSet::new();
        look("", rules, &RULE_FILE_FORM, &mut found);
        for (name, count) in &mut self.0 {
            *count += usize::from(found.contains(name));
        }
    }

    pub fn missing(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, count)| **count == 0).map(|(name, _)| name.as_str()).collect()
    }
}

static RULE_FILE_FORM: Form = Form::Map(&RULE_FILE);

fn look(path: &str, value: &Value, form: &'static Form, found: &mut BTreeSet<String>) {
    match (value, form) {
        (_, Form::Condition) => look_condition(value, found),
        (Value::String(word), Form::Word(_)) => found.extend([format!("{path} {word}")]),
        (Value::Bool(flag), Form::Flag) => found.extend([format!("{path} {flag}")]),
        (Value::String(words), Form::Text) => look_text(words, found),
        (value, Form::Either(forms)) => forms.iter().for_each(|form| look(path, value, form, found)),
        (Value::Sequence(items), Form::List(form, _)) => items.iter().for_each(|item| look(path, item, form, found)),
        (Value::Mapping(map), Form::Names(_, form) | Form::NewNames(_, form)) => {
            map.values().for_each(|value| look(path, value, form, found));
        }
        (Value::Mapping(map), Form::Words(..)) => {
            found.extend(map.keys().filter_map(Value::as_str).map(|word| format!("{path}.{word}")));
        }
        (Value::Mapping(map), Form::Map(shape)) => {
            for (key, value) in map {
                let Some(key) = key.as_str().and_then(|key| shape.key(key)) else { continue };
                let path = format!("{path}.{}", key.name);
                found.insert(path.clone());
                look(&path, value, &key.form, found);
            }
        }
        _ => {}
    }
}

fn look_condition(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Mapping(map) => {
            for (key, value) in map {
                found.insert(format!("condition.{}", key.as_str().unwrap_or("")));
                value.as_sequence().into_iter().flatten().for_each(|inner| look_condition(inner, found));
            }
        }
        Value::String(words) => {
            let parts = PARTS.iter().filter(|part| words.contains(*part));
            found.extend(parts.map(|part| format!("expression {part}")));
        }
        _ => {}
    }
}

fn look_text(words: &str, found: &mut BTreeSet<String>) {
    for inside in words.split('{').skip(1).filter_map(|rest| rest.split_once('}')) {
        let name = if inside.0.contains('|') { "text {fact|words}" } else { "text {fact}" };
        found.insert(name.into());
    }
}
