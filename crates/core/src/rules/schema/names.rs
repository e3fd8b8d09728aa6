//! The names that a rule folder declares, for completion in editors. They are read from the YAML alone, so that an
//! unfinished rule does not hide the names of the others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{MOMENT, PERIOD};
use crate::domain::model::ACTIVITY;
use crate::domain::value::Type;
use crate::rules::shape::{Form, Name};
use crate::rules::source::{Entry, Node, NodeKind};

/// Declared names by what they name.
#[derive(Debug, Default)]
pub struct Names {
    known: BTreeMap<Name, BTreeSet<String>>,
    facts: BTreeMap<(Name, String), Vec<Fact>>,
}

/// The values that a fact may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fact {
    kind: Type,
    one_of: Option<Vec<String>>,
}

impl Names {
    /// Adds what a file declares.
    pub fn add(&mut self, node: &Node, form: &Form) {
        match (&node.kind, form) {
            (NodeKind::Text(name), Form::NewName(kind)) => self.insert(*kind, name),
            (NodeKind::List(items), _) => {
                form.item().into_iter().for_each(|form| items.iter().for_each(|item| self.add(item, form)));
            }
            (NodeKind::Map(entries), _) => entries.iter().for_each(|entry| self.add_entry(entry, form)),
            _ => {}
        }
    }

    fn add_entry(&mut self, entry: &Entry, form: &Form) {
        if let Form::NewNames(kind, _) = form {
            self.insert(*kind, &entry.key.text);
            if let Some(fact) = Fact::of(&entry.value) {
                self.add_fact(*kind, &entry.key.text, fact);
            }
        }
        if let Some(form) = form.behind(&entry.key.text) {
            self.add(&entry.value, form);
        }
    }

    fn add_fact(&mut self, kind: Name, name: &str, fact: Fact) {
        if kind == Name::Context && name == ACTIVITY {
            fact.one_of.iter().flatten().for_each(|value| self.insert(Name::Activity, value));
        }
        let facts = self.facts.entry((kind, name.to_owned())).or_default();
        if !facts.contains(&fact) {
            facts.push(fact);
        }
    }

    fn insert(&mut self, kind: Name, name: &str) {
        self.known.entry(kind).or_default().insert(name.to_owned());
    }

    /// The names of one kind, in alphabetical order.
    pub(super) fn of(&self, kind: Name) -> Vec<&str> {
        self.known.get(&kind).into_iter().flatten().map(String::as_str).collect()
    }

    /// The values that a fact may have; fields of several events may share a name.
    pub(super) fn facts(&self, kind: Name, name: &str) -> &[Fact] {
        self.facts.get(&(kind, name.to_owned())).map_or(&[], Vec::as_slice)
    }
}

impl Fact {
    /// A declaration such as `{type: text, one_of: [a, b]}`, or a type alone.
    fn of(node: &Node) -> Option<Self> {
        let named = |node: &Node| match &node.kind {
            NodeKind::Text(text) => Type::named(text),
            _ => None,
        };
        let NodeKind::Map(entries) = &node.kind else { return Some(Self { kind: named(node)?, one_of: None }) };
        let behind = |key: &str| entries.iter().find(|entry| entry.key.text == key).map(|entry| &entry.value);
        Some(Self { kind: named(behind("type")?)?, one_of: behind("one_of").and_then(texts) })
    }

    pub(super) fn schema(&self, reference: impl Fn(&str) -> Value) -> Value {
        let text = self.one_of.as_ref().map_or_else(|| json!({ "type": "string" }), |values| json!({ "enum": values }));
        match self.kind {
            Type::Text => text,
            Type::Number => json!({ "type": "number" }),
            Type::Flag => json!({ "type": "boolean" }),
            Type::Moment => reference(MOMENT),
            Type::Duration => reference(PERIOD),
            Type::List => json!({ "type": "array", "items": text }),
        }
    }
}

fn texts(node: &Node) -> Option<Vec<String>> {
    let NodeKind::List(items) = &node.kind else { return None };
    let text = |item: &Node| match &item.kind {
        NodeKind::Text(text) => Some(text.clone()),
        _ => None,
    };
    items.iter().map(text).collect()
}
