//! Reads the YAML of one rule file into nodes with places, without knowledge of the keys.
//!
//! Each step is a child module: `guard` checks the bytes, `tree` builds nodes from the events of saphyr-parser within
//! limits of depth and number, `value` lets serde_yaml decide which plain scalars are numbers, flags or null, `traps`
//! finds what parses but is probably a mistake; `end` checks that the file is complete, and `mistake` puts the parser's
//! errors into plain words. Nothing here recurses deeper than [`MAX_DEPTH`].

mod end;
mod guard;
mod line;
mod mistake;
mod offset;
mod place;
mod recovery;
mod traps;
mod tree;
mod value;

use crate::domain::sources::{FileId, Span};
use crate::rules::diagnostic::Diagnostic;
use crate::rules::shape::Form;
use mistake::Stop;
use recovery::Recovery;

pub use end::opens;
pub use guard::{MAX_FILE_BYTES, MAX_NODES, count_values};
pub use line::{comment_behind, quoted, words_around, words_in};
pub use tree::MAX_DEPTH;

/// The most mistakes that are reported for one file.
const MAX_PROBLEMS: usize = 100;
/// The most times that a file is read again to find the mistakes after the first one.
const MAX_PASSES: usize = 16;
/// The most bytes that are read over all passes, so that a large broken file is refused quickly.
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
    /// `~`, `null`, or an empty value.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// Any number.
    Number(f64),
    /// Text, decoded.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order it is written; no key occurs twice.
    Map(Vec<Entry>),
}

/// One line of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key and its place.
    pub key: Key,
    /// What the key holds; `Null` if the line ends after the key.
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

/// The result of reading one file.
#[derive(Debug)]
pub struct Reading {
    /// The tree, as far as it could be read.
    pub node: Option<Node>,
    /// Lines that were skipped because of mistakes with an unknown extent.
    pub lost: Vec<Span>,
    /// Every mistake that was found.
    pub found: Vec<Diagnostic>,
}

/// Reads one file. Returns `None` if there is no tree; pushes every mistake it can find.
///
/// If there are mistakes, the node is the readable rest of the file, so that names declared in it stay known. Other
/// errors within the span of a T00xx mistake are consequential.
pub fn read(file: FileId, text: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let mut reading = read_as(file, text, None);
    diagnostics.append(&mut reading.found);
    reading.node
}

/// As [`read`], for a file of a known form: for a key that takes a text, no flag is offered as a fix.
pub fn read_as(file: FileId, text: &str, form: Option<&Form>) -> Reading {
    let refused = guard::check(file, text);
    if refused.iter().any(|problem| guard::ENDS_READING.contains(&problem.code)) {
        return Reading { node: None, lost: Vec::new(), found: refused };
    }
    let passes = (MAX_BYTES_REREAD / text.len().max(1)).clamp(1, MAX_PASSES);
    let mut recovery = Recovery::new(file, text, line::without_last_blanks(text), refused);
    for _ in 0..passes {
        let mut problems = Vec::new();
        let outcome = tree::build(file, &recovery.patched, &mut problems).map(|mut node| {
            value::decide(&mut node, &mut problems);
            traps::check(&recovery.patched, &node, form, &mut problems);
            node
        });
        match outcome {
            Ok(node) => {
                recovery.add(problems);
                if recovery.found.is_empty() {
                    recovery.found.extend(end::check(file, text));
                }
                return recovery.finish(Some(node));
            }
            Err(stop) => {
                let stop = guard::hidden_indent(file, &recovery.patched).map_or(stop, Stop::here);
                if !recovery.pass_over(stop) {
                    break;
                }
            }
        }
    }
    recovery.finish(None)
}

/// Reads one file with a second YAML reader, too, and reports where the two disagree. Takes three times as long as
/// [`read`]; a file with mistakes is not read again.
pub fn read_twice(file: FileId, text: &str, diagnostics: &mut Vec<Diagnostic>) {
    let mut mistakes = Vec::new();
    if let Some(node) = read(file, text, &mut mistakes).filter(|_| mistakes.is_empty()) {
        value::compare_readers(text, &node, diagnostics);
    }
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
