//! Lays a rule file out: keys in the order of the table in `shape`, an indentation of two spaces, at most one blank
//! line in a row, single spaces. Nothing else changes.
//!
//! Scalars and comments are copied, never rewritten. `layout` attaches every comment to its entry, `write` writes the
//! entries. Then the result is read and compared with the original: it is returned only if both mean the same and no
//! comment is lost.

mod layout;
mod write;

use super::shape::Form;
use super::source::{self, Entry, Node, NodeKind};
use crate::domain::sources::FileId;
use crate::rules::diagnostic::{Diagnostic, Severity};

/// Why a file is left unchanged.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// Its YAML has mistakes, so its meaning is unknown.
    Broken(Vec<Diagnostic>),
    /// The new layout would change the meaning, which is a bug of this module.
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

/// Whether two nodes are equal except for their places, and for the order of keys where it has no meaning.
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
