//! One line of an import as it is written, and as it is written to the file of rejected lines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// What is imported about one customer. Applied in this order: consents, attributes, events, contacts, outcomes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Line {
    /// The place in the file that rejected the line; not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Why it was rejected; not read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The customer's id.
    pub customer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<Consent>,
    /// By name; null removes one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<Outcome>,
}

/// What the customer said to one purpose, or to all.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Consent {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    pub status: String,
    /// When the customer said it.
    pub at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub until: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub evidence: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub actor: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notice: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notice_hash: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub language: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expression: String,
}

/// Something that the customer did.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Event {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channel: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Json>,
}

/// An action that another system presented.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Contact {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    pub action: String,
    pub at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channel: String,
}

/// What the customer answered to an action.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Outcome {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    pub action: String,
    pub outcome: String,
    pub at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channel: String,
}

/// One entry of a line: which list, and its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entry {
    Consent(usize),
    Attributes,
    Event(usize),
    Contact(usize),
    Outcome(usize),
}

impl Line {
    /// Reads a line of JSON.
    pub fn parse(text: &str) -> Result<Self, String> {
        // A list would be read as the fields in their order.
        if !text.trim_start().starts_with('{') {
            return Err("expected a JSON object, such as {\"customer\": \"anna\"}".into());
        }
        serde_json::from_str::<Self>(text).map(|line| Self { line: None, reasons: Vec::new(), ..line }).map_err(
            |error| {
                let why = error.to_string();
                let (what, place) = why.split_once(" at line ").unwrap_or((&why, ""));
                match place.split_once(" column ") {
                    Some((_, column)) => format!("{what}, at column {column}"),
                    None => what.to_owned(),
                }
            },
        )
    }

    /// How many of its entries have an id by which a server knows them again.
    pub fn counted(&self) -> usize {
        self.events.len() + self.contacts.len() + self.outcomes.len()
    }

    /// The line without the entries that were applied.
    pub fn only(&self, entries: &[Entry]) -> Self {
        let has_attributes = entries.contains(&Entry::Attributes);
        Self {
            customer: self.customer.clone(),
            time_zone: if has_attributes { self.time_zone.clone() } else { String::new() },
            attributes: if has_attributes { self.attributes.clone() } else { BTreeMap::new() },
            consents: chosen(&self.consents, entries, Entry::Consent),
            events: chosen(&self.events, entries, Entry::Event),
            contacts: chosen(&self.contacts, entries, Entry::Contact),
            outcomes: chosen(&self.outcomes, entries, Entry::Outcome),
            ..Self::default()
        }
    }
}

fn chosen<T: Clone>(items: &[T], entries: &[Entry], entry: fn(usize) -> Entry) -> Vec<T> {
    let chosen = items.iter().enumerate().filter(|(index, _)| entries.contains(&entry(*index)));
    chosen.map(|(_, item)| item.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_read_says_where() {
        assert_eq!(
            Line::parse("{\"customer\": 3}").unwrap_err(),
            "invalid type: integer `3`, expected a string, at column 14"
        );
        let unknown = Line::parse("{\"customer\": \"a\", \"evnts\": []}").unwrap_err();
        assert!(unknown.starts_with("unknown field `evnts`, expected one of `line`"), "{unknown}");
        assert!(
            Line::parse("[]").is_err() && Line::parse("").is_err() && Line::parse("{\"customer\": \"a\"} x").is_err()
        );
    }

    #[test]
    fn a_rejected_line_has_only_what_was_refused_and_can_be_read_again() {
        let text = r#"{"customer":"a","consents":[{"purpose":"p","status":"given","at":"x"},{"purpose":"q","status":"given","at":"x"}],
            "attributes":{"b":1},"events":[{"type":"e","at":"y"}]}"#;
        let line = Line::parse(text).unwrap();
        let left = Line { line: Some(7), reasons: vec!["no".into()], ..line.only(&[Entry::Consent(1)]) };
        let written = serde_json::to_string(&left).unwrap();
        let expected =
            r#"{"line":7,"reasons":["no"],"customer":"a","consents":[{"purpose":"q","status":"given","at":"x"}]}"#;
        assert_eq!(written, expected);
        assert_eq!(Line::parse(&written).unwrap(), line.only(&[Entry::Consent(1)]));
    }
}
