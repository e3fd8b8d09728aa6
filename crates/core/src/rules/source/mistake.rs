//! Puts the YAML parser's errors into plain words, with the place that a person would point at.
//!
//! The parser's own text is matched in one table, [`explain`]; each kind of mistake is a function in a child module. An
//! error that no row matches is shown with the parser's message.

mod comment;
mod quote;
mod shape;
mod sign;

use super::guard::{span, too_deep};
use super::line::{boundary, line_at, trimmed};
use crate::domain::sources::FileId;
use crate::rules::code::{EMPTY_FILE, MISSING_BLANK, TAB_INDENT, YAML_SYNTAX, YAML_UNCLOSED};
use crate::rules::diagnostic::{Code, Diagnostic};
use std::ops::Range;

pub(super) use sign::sign;

/// Where and why the parser stopped.
pub(super) struct Failure<'t> {
    pub file: FileId,
    /// The whole text of the file.
    pub text: &'t str,
    /// The parser's own message.
    pub info: &'t str,
    /// The byte at which the parser stopped.
    pub at: usize,
    /// The innermost unclosed `[` or `{`.
    pub open: Option<usize>,
}

/// A mistake at which the parser stopped.
pub(super) struct Stop {
    pub diagnostic: Diagnostic,
    /// The range to overwrite, and the filler, so that reading can continue.
    pub blank: Option<(Range<usize>, &'static str)>,
}

impl Stop {
    /// Nothing after it can be read.
    pub fn here(diagnostic: Diagnostic) -> Self {
        Self { diagnostic, blank: None }
    }

    /// Reading can continue as if the range were a plain word.
    fn word(diagnostic: Diagnostic, range: Range<usize>) -> Self {
        Self { diagnostic, blank: Some((range, "x")) }
    }

    /// Reading can continue as if the range, the rest of a line or more, were a comment.
    fn comment(diagnostic: Diagnostic, range: Range<usize>) -> Self {
        Self { diagnostic, blank: Some((range, "#")) }
    }
}

/// The mistake behind a parser's error.
pub(super) fn explain(failure: &Failure<'_>) -> Stop {
    let has = |words: &[&str]| words.iter().any(|word| failure.info.contains(word));
    if has(&["recursion limit"]) {
        let end = boundary(failure.text, failure.at + 1);
        return Stop::here(too_deep(span(failure.file, failure.at, end)));
    }
    if let Some(stop) = comment::in_brackets(failure) {
        return stop;
    }
    if has(&["unknown anchor", "unexpected character", "expected comment or line break", "a tag", "anchor or alias"]) {
        return sign(failure.file, failure.text, failure.at);
    }
    if has(&["trailing content after"]) {
        return quote::trailing(failure);
    }
    if has(&["end of stream", "indentation in quoted", "document indicator"]) {
        return quote::unclosed(failure, failure.at);
    }
    if has(&["quoted scalar, did not", "escape"]) {
        return quote::escape(failure);
    }
    if has(&["mapping values are not allowed", "placement of ':'"]) {
        return shape::colon(failure);
    }
    if has(&["simple key"]) {
        return shape::missing_colon(failure);
    }
    if has(&["did not find expected key", "expected '-' indicator"]) {
        return shape::misfit(failure);
    }
    if has(&["',' or", "flow construct", "node content", "eof"]) {
        return shape::bracket(failure);
    }
    match failure.open {
        Some(open) if has(&["invalid indentation"]) => shape::unclosed(failure, open),
        _ => explain_rare(failure, has),
    }
}

fn explain_rare(failure: &Failure<'_>, has: impl Fn(&[&str]) -> bool) -> Stop {
    if has(&["comment intercepting"]) {
        return shape::after_comment(failure);
    }
    if has(&["block sequence entries"]) {
        return shape::list_on_line(failure);
    }
    if has(&["misplaced bracket"]) {
        let closing = failure.slice(failure.at..failure.at + 1);
        let place = failure.at..failure.at + 1;
        let problem = failure.error(YAML_UNCLOSED, place, format!("this `{closing}` closes nothing"));
        return Stop::here(problem.help("remove it").replace(""));
    }
    if has(&["comments must be separated"]) {
        return missing_blank_before_comment(failure);
    }
    if has(&["tab", "valid YAML whitespace"])
        && let Some(stop) = tab(failure)
    {
        return stop;
    }
    other(failure)
}

/// A file without a document.
pub(super) fn nothing(file: FileId) -> Diagnostic {
    Diagnostic::error(EMPTY_FILE, span(file, 0, 0), "this file is empty").help("fill it or remove it")
}

fn missing_blank_before_comment(failure: &Failure<'_>) -> Stop {
    let line = line_at(failure.text, failure.at);
    let hash = failure.slice(failure.at..line.end).find('#').map_or(failure.at, |place| failure.at + place);
    let problem = failure.error(MISSING_BLANK, hash..hash + 1, "missing space before `#`");
    Stop::here(problem.help("a comment begins with ` #`").replace(" #"))
}

/// A tab on the line, up to the parser's place.
fn tab(failure: &Failure<'_>) -> Option<Stop> {
    let line = line_at(failure.text, failure.at);
    let place = line.start + failure.slice(line.start..failure.at.min(line.end)).rfind('\t')?;
    let problem = failure.error(TAB_INDENT, place..place + 1, "a tab stands where YAML needs spaces");
    Some(Stop { diagnostic: problem.help("write a space").replace(" "), blank: Some((place..place + 1, " ")) })
}

fn other(failure: &Failure<'_>) -> Stop {
    let line = line_at(failure.text, failure.at);
    let range = trimmed(failure.text, failure.at.min(line.end)..line.end);
    let message = format!("this is not valid YAML: {}", failure.info.to_lowercase());
    Stop::here(failure.error(YAML_SYNTAX, range, message))
}

impl Failure<'_> {
    fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or("")
    }

    fn error(&self, code: Code, range: Range<usize>, message: impl Into<String>) -> Diagnostic {
        let (start, end) = (boundary(self.text, range.start), boundary(self.text, range.end));
        Diagnostic::error(code, span(self.file, start, end.max(start)), message)
    }
}
