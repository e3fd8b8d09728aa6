//! Lays a rule file out anew: keys in the order of the table in `shape`, two blanks of indentation, at most one
//! blank line in a row, one blank where one is enough. Nothing else changes.
//!
//! Scalars and comments are copied as they stand, never made anew. `layout` hands every comment to the entry that
//! it belongs to, `write` puts the entries down again. Then the result is read and held against the original: it is
//! given out only if both mean the same and no comment is lost.

mod layout;
mod write;

use super::shape::Form;
use super::source::{self, Entry, Node, NodeKind};
use crate::domain::sources::FileId;
use crate::rules::diagnostic::{Diagnostic, Severity};

/// Why a file is left as it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// Its YAML has mistakes; what it means is not known.
    Broken(Vec<Diagnostic>),
    /// The new layout would mean something else. That is a mistake of this module, not of the file.
    Changed,
}

/// The same file in its one layout; `form` is that of a rule file or of a test file.
///
/// # Errors
/// When its YAML has mistakes.
pub fn format(file: FileId, text: &str, form: &Form) -> Result<String, Refusal> {
    let mut found = Vec::new();
    let node = source::read(file, text, &mut found);
    found.retain(|diagnostic| diagnostic.severity == Severity::Error);
    let Some(node) = node.filter(|_| found.is_empty()) else { return Err(Refusal::Broken(found)) };
    let Some(whole) = layout::document(text, &node) else { return Ok(text.to_owned()) };
    let formatted = write::document(whole, form);
    let formatted = if text.contains("\r\n") { formatted.replace('\n', "\r\n") } else { formatted };
    if means_the_same(text, &node, &formatted, form) { Ok(formatted) } else { Err(Refusal::Changed) }
}

fn means_the_same(text: &str, node: &Node, formatted: &str, form: &Form) -> bool {
    let mut found = Vec::new();
    let Some(again) = source::read(FileId::default(), formatted, &mut found) else { return false };
    found.iter().all(|diagnostic| diagnostic.severity != Severity::Error)
        && same(node, &again, Some(form))
        && sorted_comments(text, node) == sorted_comments(formatted, &again)
}

fn sorted_comments<'t>(text: &'t str, node: &Node) -> Vec<&'t str> {
    let mut texts: Vec<&str> = layout::comments(text, node).iter().map(|comment| comment.text).collect();
    texts.sort_unstable();
    texts
}

/// Whether two nodes are equal but for their places, and for the order of keys where it means nothing.
fn same(one: &Node, two: &Node, form: Option<&Form>) -> bool {
    match (&one.kind, &two.kind) {
        (NodeKind::List(one), NodeKind::List(two)) => {
            let form = form.and_then(Form::item);
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two, form))
        }
        (NodeKind::Map(one), NodeKind::Map(two)) => {
            let sorted = |entries| in_order(entries, form.and_then(Form::shape).is_some());
            let pair = |(one, two): (&Entry, &Entry)| {
                let form = form.and_then(|form| form.behind(&one.key.text));
                one.key.text == two.key.text && same(&one.value, &two.value, form)
            };
            one.len() == two.len() && sorted(one).into_iter().zip(sorted(two)).all(pair)
        }
        (one, two) => one == two,
    }
}

fn in_order(entries: &[Entry], free: bool) -> Vec<&Entry> {
    let mut entries: Vec<&Entry> = entries.iter().collect();
    if free {
        entries.sort_unstable_by(|one, two| one.key.text.cmp(&two.key.text));
    }
    entries
}

#[cfg(test)]
mod tests;
