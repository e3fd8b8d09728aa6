//! Checks that a file is complete. A file that begins with `---` must end with `...`, YAML's own document marks, so
//! that truncation at any byte is detected: the rest is often valid YAML without the last limits and conditions.

use super::guard::span;
use super::line::{line_before, trimmed};
use crate::domain::sources::FileId;
use crate::rules::code::CUT_OFF;
use crate::rules::diagnostic::Diagnostic;

/// Whether the first line with content is `---`.
pub fn opens(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().map(str::trim_end).find(|line| !line.is_empty() && !line.trim_start().starts_with('#'));
    first.is_some_and(|line| is_mark(line, "---"))
}

/// The mistake of a file that begins with `---` and does not end with `...`.
pub(super) fn check(file: FileId, text: &str) -> Option<Diagnostic> {
    let last = line_before(text, text.len()).map(|line| trimmed(text, line.start..line.end))?;
    let closes = text.get(last.clone()).is_some_and(|line| is_mark(line, "...") && starts_line(text, last.start));
    if closes || !opens(text) {
        return None;
    }
    let message = "this file begins with `---` and does not end with `...`: it may have been cut off";
    let help = "see whether something is missing; then end it with a line `...`";
    Some(Diagnostic::error(CUT_OFF, span(file, last.end, last.end), message).help(help).replace("\n..."))
}

fn is_mark(line: &str, mark: &str) -> bool {
    line.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

fn starts_line(text: &str, at: usize) -> bool {
    at == 0 || text.get(..at).is_some_and(|before| before.ends_with('\n'))
}
