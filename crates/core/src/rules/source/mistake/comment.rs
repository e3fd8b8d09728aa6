//! A ` #` inside `[...]` or `{...}` that turns the rest of a value, and the closing brackets, into a comment.

use super::{Failure, Stop};
use crate::rules::code::{COMMENT_BEHIND_TEXT, COMMENT_CUT};
use crate::rules::source::line::{block_value, is_cut, line_at, line_before, quoted, trimmed, value_at};
use std::ops::Range;

/// How many lines after the opening bracket are read.
const LINES: usize = 200;

/// The value that was cut, if the parser stopped because brackets are not closed.
pub(super) fn in_brackets(failure: &Failure<'_>) -> Option<Stop> {
    let Some(open) = failure.open else { return in_brackets_above(failure) };
    let mut line = line_at(failure.text, open);
    for _ in 0..LINES {
        if let Some(hash) = taken_along(failure.slice(line.clone())) {
            return cut(failure, line.start + hash, line.end);
        }
        if line.end >= failure.at {
            return None;
        }
        line = line_at(failure.text, line.end + 1);
    }
    None
}

/// As [`in_brackets`], if the parser has not yet reported an open bracket: it is the first character on its line.
fn in_brackets_above(failure: &Failure<'_>) -> Option<Stop> {
    let line = line_before(failure.text, line_at(failure.text, failure.at).start)?;
    let hash = taken_along(failure.slice(line.clone()))?;
    let count = |signs: [char; 2]| failure.slice(line.start..line.start + hash).matches(signs).count();
    if count(['[', '{']) > count([']', '}']) { cut(failure, line.start + hash, line.end) } else { None }
}

/// A text that continues on this line after a comment line; the parser's place is the comment.
pub(super) fn between_lines(failure: &Failure<'_>, next: Range<usize>) -> Stop {
    let above = line_at(failure.text, failure.at);
    let start = block_value(failure.text, &above);
    let (first, last) = (trimmed(failure.text, start..above.end), trimmed(failure.text, next));
    let corrected = quoted(&format!("{} {}", failure.slice(first), failure.slice(last.clone())));
    let message = "a ` #` begins a comment here and cuts this text";
    let help = format!("quote the whole text: `{corrected}`; a comment gets a line of its own");
    let problem = failure.error(COMMENT_BEHIND_TEXT, start..last.end, message).help(help).replace(corrected);
    Stop::word(problem, start..last.end)
}

/// The start of a comment after a value without quotes on this line, if the comment contains a bracket or a comma.
fn taken_along(line: &str) -> Option<usize> {
    let (mut before, mut blank, mut quote) = (' ', true, None);
    for (place, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), _) => quote = Some(open).filter(|open| *open != c),
            (None, '#') if blank => {
                let comment = line.get(place..)?;
                let behind_value = !matches!(before, ' ' | ',' | '[' | '{' | ']' | '}' | ':' | '"' | '\'');
                let takes_along = comment.contains([']', '}']) || comment.trim_end().ends_with(',');
                return (behind_value && takes_along).then_some(place);
            }
            (None, '"' | '\'') if matches!(before, ',' | '[' | '{' | ':' | ' ') => quote = Some(c),
            _ => {}
        }
        blank = c.is_whitespace();
        before = if blank { before } else { c };
    }
    None
}

/// The whole value, quoted.
fn cut(failure: &Failure<'_>, hash: usize, line_end: usize) -> Option<Stop> {
    let last = trimmed(failure.text, 0..hash).end.checked_sub(1)?;
    let value = value_at(failure.text, last)?;
    let start = value.range.start;
    let end = if value.range.end > hash { value.range.end } else { hash + text_length(failure, start, hash..line_end) };
    let content = failure.slice(start..end);
    let corrected = quoted(content);
    let (code, message) = if is_cut(failure.slice(start..hash)) {
        (COMMENT_CUT, "a ` #` begins a comment and cuts this value")
    } else {
        (COMMENT_BEHIND_TEXT, "a ` #` begins a comment here and takes a bracket or a comma along")
    };
    let problem = failure.error(code, start..end, message);
    let help = format!("quote the whole value: `{corrected}`");
    Some(Stop::word(problem.help(help).replace(corrected), start..end))
}

/// The part of a comment that belongs to the text before it: up to the next key of the same map, the next item of the
/// same list, or their closing bracket.
fn text_length(failure: &Failure<'_>, start: usize, comment: Range<usize>) -> usize {
    let content = failure.slice(comment);
    let in_map = failure.slice(0..start).trim_end().ends_with(':');
    let parts = content.match_indices(',').map(|(place, _)| place);
    let ends = |place: &usize| !in_map || content.get(place + 1..).is_some_and(begins_with_key);
    let length = parts.into_iter().find(ends).unwrap_or(content.len());
    let text = content.get(..length).unwrap_or(content);
    text.trim_end_matches([']', '}', ',', ' ', '\t', '\r']).len()
}

/// Whether a text continues with ` word:`.
fn begins_with_key(text: &str) -> bool {
    let word = text.trim_start();
    let behind = word.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    behind.len() < word.len() && behind.starts_with(':')
}
