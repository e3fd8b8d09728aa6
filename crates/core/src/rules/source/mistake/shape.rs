//! Lines, colons, dashes and brackets that do not fit together.

use super::{Failure, Stop, other, sign};
use crate::rules::code::{COLON_IN_VALUE, FLOW_SPLIT, FOLDED_LINE, MISSING_BLANK, YAML_SYNTAX, YAML_UNCLOSED};
use crate::rules::source::guard::span;
use crate::rules::source::line::{
    Value, block_value, expression_end, indent, key_end, line_at, line_before, quoted, trimmed, value_at, with_children,
};
use std::ops::Range;

/// An unexpected `:`: inside a value, or on a line that became part of the value above.
pub(super) fn colon(failure: &Failure<'_>) -> Stop {
    let line = line_at(failure.text, failure.at);
    if let Some(open) = failure.open.filter(|open| *open < line.start) {
        return unclosed(failure, open);
    }
    let value = value_at(failure.text, failure.at).filter(|value| value.range.contains(&failure.at));
    if let Some(value) = value.filter(|value| value.range.start > trimmed(failure.text, line.clone()).start) {
        return split(failure, &value);
    }
    match line_before(failure.text, line.start) {
        Some(above) if indent(failure.text, &above) < indent(failure.text, &line) || is_entry(failure, &above) => {
            folded(failure, line)
        }
        Some(above) => without_colon(failure, above),
        None => other(failure),
    }
}

/// A value that YAML ends too early because of a `:`, or of a `,` or bracket in flow style.
pub(super) fn split(failure: &Failure<'_>, value: &Value) -> Stop {
    let corrected = quoted(failure.slice(value.range.clone()));
    let colon = failure.slice(failure.at..value.range.end).starts_with(':');
    let (code, message) = if colon {
        (COLON_IN_VALUE, "a `: ` inside a value makes YAML see a second key")
    } else {
        (FLOW_SPLIT, "YAML splits this value at its commas, brackets or quotes")
    };
    let problem = failure.error(code, value.range.clone(), message);
    let problem = problem.help(format!("quote the whole value: `{corrected}`")).replace(corrected);
    Stop::word(problem, value.range.clone())
}

/// A line that is indented deeper than the finished value above it.
fn folded(failure: &Failure<'_>, line: Range<usize>) -> Stop {
    let content = trimmed(failure.text, line.clone());
    let message = "this line is indented too deep: YAML reads it as part of the value above";
    let mut problem = failure.error(FOLDED_LINE, content, message);
    if let Some(above) = line_before(failure.text, line.start) {
        let start = block_value(failure.text, &above);
        let end = expression_end(failure.text, start..above.end, false);
        problem = problem.related(span(failure.file, start, end), "the value above");
        let column = entry_column(failure, &above) + 1;
        problem =
            problem.help(format!("begin it in column {column}; or to nest it there, leave the value above empty"));
    }
    Stop::comment(problem, with_children(failure.text, line))
}

/// A line that is indented deeper than the value and the comment above it; the place is the comment.
pub(super) fn after_comment(failure: &Failure<'_>) -> Stop {
    let mut next = line_at(failure.text, failure.at).end + 1;
    while next < failure.text.len() {
        let line = line_at(failure.text, next);
        if !failure.slice(line.clone()).trim().is_empty() {
            let entry = is_entry(failure, &line);
            return if entry { folded(failure, line) } else { super::comment::between_lines(failure, line) };
        }
        next = line.end + 1;
    }
    other(failure)
}

/// The parser expected a `:` and noticed on the next line.
pub(super) fn missing_colon(failure: &Failure<'_>) -> Stop {
    let line = line_at(failure.text, failure.at);
    if let Some(open) = failure.open.filter(|open| *open < line.start) {
        return unclosed(failure, open);
    }
    let at_start = failure.at <= trimmed(failure.text, line.clone()).start;
    match line_before(failure.text, line.start).filter(|_| at_start) {
        Some(above) => without_colon(failure, above),
        None => without_colon(failure, line),
    }
}

/// A line that is neither `key: value` nor `- item`.
fn without_colon(failure: &Failure<'_>, line: Range<usize>) -> Stop {
    let content = trimmed(failure.text, line.clone());
    let written = failure.slice(content.clone());
    let blank = |sign: &str, place: usize| {
        let message = format!("missing space after `{sign}`");
        let problem = failure.error(MISSING_BLANK, place..place + 1, message);
        problem.help(format!("write `{sign} `")).replace(format!("{sign} "))
    };
    let problem = match written.find(':') {
        _ if written.starts_with('-') => blank("-", content.start),
        Some(place) if !written.contains("://") => blank(":", content.start + place),
        _ => failure
            .error(YAML_SYNTAX, content, "this line has no `:`")
            .help("a line of a map is `key: value`, an item of a list is `- value`"),
    };
    Stop::comment(problem, with_children(failure.text, line))
}

/// A line that fits neither the surrounding list nor the surrounding map.
pub(super) fn misfit(failure: &Failure<'_>) -> Stop {
    let line = line_at(failure.text, failure.at);
    let content = trimmed(failure.text, line.clone());
    let start = block_value(failure.text, &line);
    let opens = failure.slice(start..line.end).starts_with(['[', '{', '"', '\'']);
    if opens && start < failure.at {
        let range = trimmed(failure.text, start..line.end);
        return sign::whole(failure.file, failure.text, &Value { range, flow: false });
    }
    let dash = failure.slice(content.clone()).starts_with("- ");
    let message = if !fits_above(failure, &line) {
        "this line begins in a column that fits no line above"
    } else if dash {
        "a list item stands where a key is due"
    } else {
        "a key stands where a list item is due"
    };
    let problem = failure.error(YAML_SYNTAX, content, message);
    let problem = problem.help("all entries of a list, and all keys of a map, begin in the same column");
    Stop::comment(problem, with_children(failure.text, line))
}

/// Whether an open list or map above begins in the column of the line.
fn fits_above(failure: &Failure<'_>, line: &Range<usize>) -> bool {
    let column = indent(failure.text, line);
    let mut start = line.start;
    while let Some(above) = line_before(failure.text, start) {
        let (first, key) = (indent(failure.text, &above), entry_column(failure, &above));
        if first == column || key == column {
            return true;
        }
        if first < column {
            return false;
        }
        start = above.start;
    }
    false
}

/// A bracket is not closed, is closed with the wrong one, or the value inside is cut.
pub(super) fn bracket(failure: &Failure<'_>) -> Stop {
    let value = value_at(failure.text, failure.at);
    if let Some(value) =
        value.filter(|value| value.flow && value.range.contains(&failure.at) && value.range.start < failure.at)
    {
        return split(failure, &value);
    }
    let here = failure.slice(failure.at..failure.at + 1);
    let line = line_at(failure.text, failure.at);
    match failure.open {
        Some(open) if open < line.start || here.trim().is_empty() => unclosed(failure, open),
        Some(open) if matches!(here, "]" | "}") => {
            let opening = failure.slice(open..open + 1);
            let message = format!("`{opening}` is closed with `{here}`");
            let closing = closing(opening);
            let problem = failure.error(YAML_UNCLOSED, failure.at..failure.at + 1, message);
            let problem = problem.help(format!("close it with `{closing}`")).replace(closing);
            Stop::here(problem.related(span(failure.file, open, open + 1), "opened here"))
        }
        _ if here == "," => {
            let problem = failure.error(YAML_SYNTAX, failure.at..failure.at + 1, "a value is missing before this `,`");
            Stop::here(problem)
        }
        _ => other(failure),
    }
}

/// A bracket that is never closed. Reading continues if it was clearly meant for one line.
pub(super) fn unclosed(failure: &Failure<'_>, open: usize) -> Stop {
    let line = line_at(failure.text, open);
    let opening = failure.slice(open..open + 1);
    let message = format!("this `{opening}` is never closed");
    let help = format!("add the missing `{}`", closing(opening));
    let problem = failure.error(YAML_UNCLOSED, open..open + 1, message).help(help);
    let below = failure.slice(line.end..failure.text.len()).trim_start_matches(['\n', '\r']);
    let next = line_at(failure.text, failure.text.len() - below.len());
    let one_line = below.is_empty() || indent(failure.text, &next) <= indent(failure.text, &line);
    if one_line { Stop::word(problem, trimmed(failure.text, open..line.end)) } else { Stop::here(problem) }
}

fn closing(opening: &str) -> &'static str {
    if opening == "[" { "]" } else { "}" }
}

/// `key: - item`.
pub(super) fn list_on_line(failure: &Failure<'_>) -> Stop {
    let line = line_at(failure.text, failure.at);
    let range = trimmed(failure.text, failure.at..line.end);
    let item = failure.slice(range.clone()).trim_start_matches('-').trim_start();
    let help = format!("put `- {item}` on the next line, or write `[{item}]`; a negative number has no space");
    Stop::word(
        failure.error(YAML_SYNTAX, range.clone(), "a list cannot begin on the line of its key").help(help),
        range,
    )
}

/// Whether a line is `key: value` or `- item`.
fn is_entry(failure: &Failure<'_>, line: &Range<usize>) -> bool {
    let content = trimmed(failure.text, line.clone());
    failure.slice(content.clone()).starts_with("- ") || key_end(failure.text, content).is_some()
}

/// The column in which the key of a line begins, after its dashes.
fn entry_column(failure: &Failure<'_>, line: &Range<usize>) -> usize {
    let content = failure.slice(line.clone());
    content.len() - content.trim_start_matches([' ', '-']).len()
}
