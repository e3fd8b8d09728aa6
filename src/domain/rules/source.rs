//! Reads the YAML of one rule file into nodes that know their place; what the keys mean is not known here.
//!
//! Four steps, each a child module: `guard` looks at the bytes, `tree` builds nodes from the events of
//! saphyr-parser within limits of depth and number, `value` lets serde_yaml say which plain scalars are
//! numbers, flags or nothing, `traps` finds what parses and is probably not meant; `end` sees whether the text
//! is whole, and `mistake` puts the parser's errors into plain words. Nothing here recurses deeper than [`MAX_DEPTH`].

mod end;
mod guard;
mod line;
mod mistake;
mod offset;
mod place;
mod traps;
mod tree;
mod value;

use crate::domain::rules::diagnostic::{Diagnostic, FileId, Span};
use crate::domain::rules::shape::Form;
use std::ops::Range;

pub use end::opens;
pub use guard::{MAX_FILE_BYTES, MAX_NODES, count_values};
pub use line::{comment_behind, quoted, words_around};
pub use tree::MAX_DEPTH;

/// At most so many mistakes are reported of one file.
const MAX_PROBLEMS: usize = 100;
/// At most so often is a file read again to find the mistakes behind the first one.
const MAX_PASSES: usize = 16;
/// At most so many bytes are read over all passes, so that a large broken file is refused quickly.
const MAX_BYTES_REREAD: usize = 1 << 19;

/// One value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands; of a block list or map, from its first entry to the end of its last.
    pub span: Span,
    /// What it is.
    pub kind: NodeKind,
    /// How it is written.
    pub style: Style,
}

/// The kinds of values.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// `~`, `null`, or nothing at all.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// Any number.
    Number(f64),
    /// Text, decoded.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order it is written; no key stands twice.
    Map(Vec<Entry>),
}

/// One line of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

/// A key with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key's text, decoded.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// How a value is written: scalars in any style but `Flow`; lists and maps in `Block` or `Flow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In `'...'`.
    SingleQuoted,
    /// In `"..."`.
    DoubleQuoted,
    /// A text after `|` or `>`; a list or map by indentation.
    Block,
    /// In `[...]` or `{...}`.
    Flow,
}

/// Reads one file. Gives nothing where nothing can be lowered; pushes every mistake it can find.
///
/// Beside mistakes the node is what could be saved: it stands for the file so that names declared in it stay
/// known. Whatever is wrong within the span of a T00xx mistake is only its echo.
pub fn read(file: FileId, text: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    read_as(file, text, None, diagnostics)
}

/// As [`read`], of a file of a known form: where a key takes a text, no flag is offered as a fix.
pub fn read_as(file: FileId, text: &str, form: Option<&Form>, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let refused = guard::check(file, text);
    if !refused.is_empty() {
        diagnostics.extend(refused);
        return None;
    }
    let mut found = Vec::new();
    let node = read_guarded(file, text, form, &mut found);
    if found.is_empty() {
        found.extend(end::check(file, text));
    }
    found.sort_by_key(|diagnostic| diagnostic.span);
    found.truncate(MAX_PROBLEMS);
    diagnostics.append(&mut found);
    node
}

/// Reads; where the parser stops, blanks out the mistake (at its length, so that places stay true) and
/// reads again, to report the next one too.
fn read_guarded(file: FileId, text: &str, form: Option<&Form>, found: &mut Vec<Diagnostic>) -> Option<Node> {
    let passes = (MAX_BYTES_REREAD / text.len().max(1)).clamp(1, MAX_PASSES);
    let mut patched = line::without_last_blanks(text).to_owned();
    let mut blanked: Vec<Range<usize>> = Vec::new();
    for _ in 0..passes {
        let mut problems = Vec::new();
        let outcome = tree::build(file, &patched, &mut problems).map(|mut node| {
            value::decide(&mut node, &mut problems);
            traps::check(&patched, &node, form, &mut problems);
            node
        });
        let about_text = |problem: &Diagnostic| !blanked.iter().any(|range| overlaps(range, problem.span));
        match outcome {
            Ok(node) => {
                found.extend(problems.into_iter().filter(about_text));
                return Some(node);
            }
            Err(stop) => {
                let hidden = guard::hidden_indents(file, text);
                if !hidden.is_empty() {
                    found.extend(hidden);
                    return None;
                }
                found.extend(Some(stop.diagnostic).filter(about_text));
                let (range, filler) = stop.blank?;
                blank(&mut patched, &range, filler)?;
                blanked.push(range);
            }
        }
    }
    None
}

/// Overwrites a range; none where that would change nothing.
fn blank(text: &mut String, range: &Range<usize>, filler: &str) -> Option<()> {
    let filling = filler.repeat(range.len());
    if text.get(range.clone())? == filling {
        return None;
    }
    text.replace_range(range.clone(), &filling);
    Some(())
}

/// Reads one file with a second YAML reader besides, and reports where the two disagree. Takes three times as long
/// as [`read`]; of a file with mistakes nothing more is said.
pub fn read_twice(file: FileId, text: &str, diagnostics: &mut Vec<Diagnostic>) {
    let mut mistakes = Vec::new();
    if let Some(node) = read(file, text, &mut mistakes).filter(|_| mistakes.is_empty()) {
        value::compare_readers(text, &node, diagnostics);
    }
}

fn overlaps(range: &Range<usize>, span: Span) -> bool {
    (span.start as usize) < range.end && range.start < span.end as usize
}

impl Node {
    /// Maps a byte range within this scalar's text to the file, where `source` is the file's text. Exact
    /// unless the scalar is double-quoted with escapes, or not a scalar; then the whole node.
    #[must_use]
    pub fn inner_span(&self, source: &str, start: usize, end: usize) -> Span {
        place::inner(self, source, start, end).unwrap_or(self.span)
    }
}

#[cfg(test)]
mod tests;
