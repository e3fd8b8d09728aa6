//! How large a rule set may be over all its files, so that no folder keeps a server busy. The limits of a single file
//! are in `source`.

use super::code;
use super::source::{self, Node, NodeKind};
use crate::domain::sources::{FileId, Sources, Span};
use crate::rules::diagnostic::Diagnostic;

/// How many bytes all files of a folder may have together.
pub const MAX_BYTES: usize = 32 << 20;
/// How many keys and values, or lines, all files may have together: about 40 for each action.
pub const MAX_VALUES: usize = 1_000_000;
/// How many actions there may be.
pub const MAX_ACTIONS: usize = 20_000;

/// The limits that are checked before any file is parsed.
pub(super) fn check(sources: &Sources) -> Option<Diagnostic> {
    let total = |measure: fn(&str) -> usize| sources.iter().map(|(_, file)| measure(&file.text)).sum::<usize>();
    let first = Span { file: FileId(0), start: 0, end: 0 };
    if total(str::len) > MAX_BYTES {
        return Some(refuse(first, &format!("more than {} MiB", MAX_BYTES >> 20)));
    }
    (total(source::count_values) > MAX_VALUES).then(|| refuse(first, &format!("more than {MAX_VALUES} keys or values")))
}

/// The number of actions in a file.
pub(super) fn count_actions(file: &Node) -> usize {
    let NodeKind::Map(entries) = &file.kind else { return 0 };
    let lists = entries.iter().filter(|entry| entry.key.text == "actions").map(|entry| match &entry.value.kind {
        NodeKind::List(items) => items.len(),
        _ => 0,
    });
    lists.sum()
}

/// More than [`MAX_ACTIONS`], noticed in this file.
pub(super) fn too_many_actions(file: &Node) -> Diagnostic {
    refuse(Span { end: file.span.start, ..file.span }, &format!("more than {MAX_ACTIONS} actions"))
}

fn refuse(place: Span, what: &str) -> Diagnostic {
    Diagnostic::error(code::TOO_MANY, place, format!("these rules have {what}")).help("leave out what no customer gets")
}
