//! Reads the YAML of one rule file into nodes with places, without knowledge of the keys.
//!
//! `node` holds the result. Each step is a child module: `guard` checks the bytes, `tree` builds nodes from the events
//! of saphyr-parser within limits of depth and number, `value` lets serde_yaml decide which plain scalars are numbers, flags or null, `traps`
//! finds what parses but is probably a mistake; `end` checks that the file is complete, and `mistake` puts the parser's
//! errors into plain words. Nothing here recurses deeper than [`MAX_DEPTH`].

mod end;
mod guard;
mod line;
mod mistake;
mod node;
mod offset;
mod place;
mod recovery;
mod traps;
mod tree;
mod value;

use crate::domain::sources::FileId;
use crate::rules::diagnostic::Diagnostic;
use crate::rules::shape::Form;
use mistake::Stop;
use recovery::Recovery;

pub use end::opens;
pub use guard::{MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, count_values};
pub use line::{comment_behind, quoted, words_around, words_in};
pub use node::{Entry, MapKey, Node, NodeKind, Reading, Spanned, Style};

/// The most times that a file is read again to find the mistakes after the first one.
const MAX_PASSES: usize = 16;
/// The most bytes that are read over all passes, so that a large broken file is refused quickly.
const MAX_BYTES_REREAD: usize = 1 << 19;

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

#[cfg(test)]
mod tests;
