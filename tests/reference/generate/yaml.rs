//! YAML of rule files: built as values, written as text in the styles that people use.

use serde_yaml::{Mapping, Value};

use super::random::Random;

pub fn text(words: impl Into<String>) -> Value {
    Value::String(words.into())
}

pub fn texts<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Value {
    Value::Sequence(words.into_iter().map(|words| Value::String(words.into())).collect())
}

/// A map being made.
#[derive(Debug, Clone, Default)]
pub struct Map(pub Mapping);

impl Map {
    pub fn put(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.0.insert(key.into(), value.into());
        self
    }

    pub fn value(self) -> Value {
        Value::Mapping(self.0)
    }
}

/// The value behind a key of a map.
pub fn get<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    value.as_mapping()?.get(key)
}

pub fn string<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    get(value, key)?.as_str()
}

/// Keys and values of the map behind a key; nothing if there is none.
pub fn entries<'v>(value: &'v Value, key: &str) -> Vec<(String, &'v Value)> {
    let map = get(value, key).and_then(Value::as_mapping);
    map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value))).collect()
}

/// Items of the list behind a key; nothing if there is none, the thing itself if it is no list.
pub fn items<'v>(value: &'v Value, key: &str) -> Vec<&'v Value> {
    match get(value, key) {
        Some(Value::Sequence(items)) => items.iter().collect(),
        Some(other) => vec![other],
        None => Vec::new(),
    }
}

/// The texts of a list, or of one text alone.
pub fn words(value: &Value, key: &str) -> Vec<String> {
    items(value, key).into_iter().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
}

/// How a value is written: block style down to a depth, flow style below.
pub fn write(value: &Value, random: &mut Random) -> String {
    let mut written = String::new();
    let depth = random.one_of(&[0, 2, 3, 9]);
    match value {
        Value::Mapping(map) if depth > 0 => block(map, (0, depth), &mut written, random),
        other => {
            written.push_str(&flow(other, random));
            written.push('\n');
        }
    }
    written
}

fn block(map: &Mapping, (indent, depth): (usize, usize), written: &mut String, random: &mut Random) {
    for (key, value) in map {
        written.push_str(&" ".repeat(indent));
        written.push_str(&scalar(key, random));
        written.push(':');
        behind(value, (indent, depth), written, random);
    }
}

/// What stands behind a colon.
fn behind(value: &Value, (indent, depth): (usize, usize), written: &mut String, random: &mut Random) {
    match value {
        Value::Mapping(map) if depth > 1 && !map.is_empty() => {
            written.push('\n');
            block(map, (indent + 2, depth - 1), written, random);
        }
        Value::Sequence(items) if depth > 1 && !items.is_empty() => {
            written.push('\n');
            for item in items {
                written.push_str(&" ".repeat(indent + 2));
                written.push_str("- ");
                written.push_str(&flow(item, random));
                written.push('\n');
            }
        }
        other => {
            written.push(' ');
            written.push_str(&flow(other, random));
            written.push('\n');
        }
    }
}

fn flow(value: &Value, random: &mut Random) -> String {
    match value {
        Value::Mapping(map) => {
            let entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", scalar(key, random), flow(value, random))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Sequence(items) => {
            let items: Vec<String> = items.iter().map(|item| flow(item, random)).collect();
            format!("[{}]", items.join(", "))
        }
        other => scalar(other, random),
    }
}

fn scalar(value: &Value, random: &mut Random) -> String {
    match value {
        Value::String(words) => quoted(words, random),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => "null".to_owned(),
    }
}

/// A text, in quotes where it needs them and sometimes where it does not.
fn quoted(words: &str, random: &mut Random) -> String {
    let plain = words.starts_with(|first: char| first.is_ascii_lowercase())
        && words.chars().all(|letter| letter.is_ascii_lowercase() || "_.".contains(letter))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&words);
    if plain && random.percent(90) {
        words.to_owned()
    } else if !words.contains(['\n', '\t', '\r']) && random.percent(50) {
        format!("'{}'", words.replace('\'', "''"))
    } else {
        serde_json::to_string(words).unwrap()
    }
}

/// The same text for the same value: block style, and what is small in one line.
pub fn plain(value: &Value) -> String {
    let mut written = String::new();
    plain_into(value, 0, &mut written);
    written
}

fn plain_into(value: &Value, indent: usize, written: &mut String) {
    let Value::Mapping(map) = value else {
        written.push_str(&one_line(value));
        written.push('\n');
        return;
    };
    for (key, inner) in map {
        let (spaces, key, line) = (" ".repeat(indent), one_line(key), one_line(inner));
        match inner {
            Value::Mapping(map) if !map.is_empty() && line.len() > 100 => {
                written.push_str(&format!("{spaces}{key}:\n"));
                plain_into(inner, indent + 2, written);
            }
            Value::Sequence(items) if line.len() > 100 => {
                written.push_str(&format!("{spaces}{key}:\n"));
                items.iter().for_each(|item| written.push_str(&format!("{spaces}  - {}\n", one_line(item))));
            }
            _ => written.push_str(&format!("{spaces}{key}: {line}\n")),
        }
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::String(words) => {
            let plain = words.starts_with(|first: char| first.is_ascii_lowercase())
                && words.chars().all(|letter| letter.is_ascii_lowercase() || "_. ".contains(letter))
                && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&words.as_str());
            let bare = plain && !words.ends_with(' ');
            let simple = !words.contains(['\'', '\n', '\t', '\r']);
            match (bare, simple) {
                (true, _) => words.clone(),
                (_, true) => format!("'{words}'"),
                _ => serde_json::to_string(words).unwrap(),
            }
        }
        Value::Mapping(map) => {
            let entries = map.iter().map(|(key, value)| format!("{}: {}", one_line(key), one_line(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Sequence(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => "null".to_owned(),
    }
}
