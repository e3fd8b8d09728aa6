//! The fields of a map of a known shape: which keys are there, which are missing, and what stands behind them.

use super::code;
use super::reader;
use super::scalar::{self, Scalar};
use super::shape::{Form, Shape};
use super::sink::Sink;
use super::source::{Entry, Node, NodeKind};
use crate::domain::sources::Span;
use crate::rules::diagnostic::Diagnostic;

/// What was read; `None` where a mistake was reported.
pub type Read<T> = Option<T>;

/// The fields of one map of a known shape.
#[derive(Debug)]
pub struct Fields<'n> {
    shape: &'static Shape,
    span: Span,
    entries: &'n [Entry],
    sink: &'n Sink,
}

impl<'n> Fields<'n> {
    /// The fields of a map. Reports required keys that are missing.
    pub fn of(node: &'n Node, shape: &'static Shape, sink: &'n Sink) -> Option<Self> {
        Self::needing(node, shape, None, sink)
    }

    /// The fields of a map with one more required key than its shape has.
    pub fn needing(node: &'n Node, shape: &'static Shape, more: Option<&str>, sink: &'n Sink) -> Option<Self> {
        let NodeKind::Map(entries) = &node.kind else { return reader::wrong_map(node, shape, sink) };
        let fields = Self { shape, span: node.span, entries, sink };
        let required = shape.keys.iter().filter(|key| key.required).map(|key| key.name);
        fields.refuse_missing(required.chain(more));
        Some(fields)
    }

    /// The value of an optional key.
    pub fn optional(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key.text == key).map(|entry| &entry.value)
    }

    /// The value of a key that is required here, even if its shape does not say so.
    pub fn required(&self, key: &str) -> Option<&'n Node> {
        let found = self.optional(key);
        if found.is_none() && !self.shape.key(key).is_some_and(|key| key.required) {
            self.refuse_missing([key].into_iter());
        }
        found
    }

    /// The value of a key that must be there.
    pub fn need<T: Scalar>(&self, key: &str) -> Option<T> {
        self.read(key, self.required(key)?)
    }

    /// The value of a key that may be left out.
    pub fn may<T: Scalar>(&self, key: &str) -> Read<Option<T>> {
        self.optional(key).map_or(Some(None), |node| self.read(key, node).map(Some))
    }

    /// The value of a key, if it is there and right: a wrong one is reported, and reads as if it were left out.
    pub fn given<T: Scalar>(&self, key: &str) -> Option<T> {
        self.may(key).flatten()
    }

    fn read<T: Scalar>(&self, key: &str, node: &Node) -> Option<T> {
        scalar::read(node, self.form(key)?, self.sink)
    }

    /// The value of one name or word in the map behind a key.
    pub fn entry<T: Scalar>(&self, key: &str, node: &Node) -> Option<T> {
        scalar::read(node, self.form(key)?.behind("")?, self.sink)
    }

    fn form(&self, key: &str) -> Option<&'static Form> {
        let known = self.shape.key(key);
        debug_assert!(known.is_some(), "`{key}` is not a key of {}", self.shape.what);
        known.map(|key| &key.form)
    }

    /// The value of a key that may be left out, read with `read`.
    pub fn may_with<T>(&self, key: &str, read: impl FnOnce(&'n Node) -> Option<T>) -> Read<Option<T>> {
        self.optional(key).map_or(Some(None), |node| read(node).map(Some))
    }

    /// The items of a list that may be left out, each read with `read`; every wrong one is reported.
    pub fn list_with<T>(&self, key: &str, read: impl FnMut(&'n Node) -> Option<T>) -> Option<Vec<T>> {
        let Some(node) = self.optional(key) else { return Some(Vec::new()) };
        reader::every(reader::list(node, self.sink)?.iter().map(read))
    }

    /// Reports every unknown key.
    pub fn finish(self) {
        self.unknown().for_each(|entry| self.refuse_key(entry));
    }

    fn unknown(&self) -> impl Iterator<Item = &'n Entry> {
        self.entries.iter().filter(|entry| self.shape.key(&entry.key.text).is_none())
    }

    fn refuse_key(&self, entry: &Entry) {
        let message = format!("{} has no key `{}`", self.shape.what, entry.key.text);
        let diagnostic = Diagnostic::error(code::UNKNOWN_KEY, entry.key.span, message);
        let full = self.sink.is_full();
        self.sink.push(if full {
            diagnostic
        } else {
            reader::suggest(diagnostic, &entry.key.text, self.shape.names())
        });
    }

    /// Reports which of these keys are missing, as one mistake, at the first entry. A misspelt key is reported
    /// separately; a key in skipped lines is not reported.
    fn refuse_missing<'k>(&self, keys: impl Iterator<Item = &'k str>) {
        let mut missing: Vec<&str> = keys.filter(|key| self.optional(key).is_none()).collect();
        missing.retain(|key| {
            let misspelt = self.unknown().find(|entry| reader::nearest(&entry.key.text, &[key]).is_some());
            misspelt.inspect(|entry| self.refuse_key(entry)).is_none() && !self.sink.is_lost(self.span.file, key)
        });
        let Some((last, others)) = missing.split_last() else { return };
        let what = self.shape.what;
        let (message, help) = match others.join("`, `") {
            none if none.is_empty() => (format!("`{last}` is missing from {what}"), format!("add `{last}: ...`")),
            others => {
                (format!("`{others}` and `{last}` are missing from {what}"), "add a line for each of them".into())
            }
        };
        let span = self.entries.first().map_or(self.span, |entry| entry.key.span);
        self.sink.push(Diagnostic::error(code::MISSING_KEY, span, message).help(help));
    }
}
