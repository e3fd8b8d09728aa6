//! Quotes that are not closed, closed too early, or hold a wrong escape.

use super::{Failure, Stop, other, shape, sign};
use crate::rules::code::{YAML_SYNTAX, YAML_UNCLOSED};
use crate::rules::source::line::{Value, line_at, line_before, trimmed, value_at};

/// How many lines back an unclosed quote is searched.
const LINES_BACK: usize = 200;
/// Characters with which an expression continues after a text.
const OPERATORS: &[&str] = &["==", "!=", "<", ">", "&&", "||", "?", "+", "-", "*", "/", "%", "in ", ".", "]", ")"];

/// Something follows a closing quote; the parser's place is after the quote and spaces.
pub(super) fn trailing(failure: &Failure<'_>) -> Stop {
    let closing = failure.slice(0..failure.at).trim_end().len().saturating_sub(1);
    let quote = failure.slice(closing..closing + 1);
    let Some(value) = value_at(failure.text, closing) else { return opened_above(failure, quote) };
    let content = failure.slice(value.range.clone());
    if !content.starts_with(quote) {
        return if value.flow { shape::split(failure, &value) } else { other(failure) };
    }
    if value.range.start == closing {
        return opened_above(failure, quote);
    }
    let behind = failure.slice(failure.at..value.range.end).trim_start();
    if OPERATORS.iter().any(|operator| behind.starts_with(operator)) {
        return sign::whole(failure.file, failure.text, &value);
    }
    closed_early(failure, quote, &value)
}

/// `'it's'`, `"say "hi""`.
fn closed_early(failure: &Failure<'_>, quote: &str, value: &Value) -> Stop {
    let content = failure.slice(value.range.clone());
    let problem =
        failure.error(YAML_SYNTAX, value.range.clone(), format!("this text continues after its closing `{quote}`"));
    let (problem, other_quote) = match quote {
        "'" => (problem.help("inside '...' an apostrophe is written twice; or use \"...\""), '"'),
        _ => (problem.help("inside \"...\" a quote is written `\\\"`; or use '...'"), '\''),
    };
    let inner = content.strip_prefix(quote).and_then(|inner| inner.strip_suffix(quote));
    let inner = inner.filter(|inner| !inner.contains([other_quote, '\\']));
    let problem = match inner {
        Some(inner) => problem.replace(format!("{other_quote}{inner}{other_quote}")),
        None => problem,
    };
    Stop::word(problem, value.range.clone())
}

/// A quote on an earlier line was closed by the first quote of this one.
fn opened_above(failure: &Failure<'_>, quote: &str) -> Stop {
    let mut line = line_at(failure.text, failure.at);
    for _ in 0..LINES_BACK {
        let Some(above) = line_before(failure.text, line.start) else { break };
        let content = failure.slice(above.clone());
        if content.matches(quote).count() % 2 == 1
            && let Some(place) = content.rfind(quote)
        {
            return unclosed(failure, above.start + place);
        }
        line = above;
    }
    other(failure)
}

/// A quote that is never closed.
pub(super) fn unclosed(failure: &Failure<'_>, at: usize) -> Stop {
    let line = line_at(failure.text, at);
    let range = trimmed(failure.text, at..line.end.max(at));
    let quote = failure.slice(at..at + 1);
    let problem = failure.error(YAML_UNCLOSED, range.clone(), format!("this text is never closed with `{quote}`"));
    let problem = problem.help("close it on the same line; an expression that begins with a text is quoted as a whole");
    let flow = failure.open.is_some() || value_at(failure.text, at).is_some_and(|value| value.flow);
    if flow { Stop::here(problem) } else { Stop::word(problem, range) }
}

/// A backslash inside `"..."` with a letter that YAML does not know.
pub(super) fn escape(failure: &Failure<'_>) -> Stop {
    let line = line_at(failure.text, failure.at);
    let content = failure.slice(failure.at..line.end);
    let mut characters = content.char_indices().skip(1);
    let mut wrong = None;
    let mut end = content.len();
    while let Some((place, c)) = characters.next() {
        match c {
            '"' => {
                end = place + 1;
                break;
            }
            '\\' => {
                let escaped = characters.next().map_or(' ', |(_, escaped)| escaped);
                if wrong.is_none() && !"0abtnvfre \"/\\N_LP".contains(escaped) {
                    wrong = content.get(place..place + 1 + escaped.len_utf8());
                }
            }
            _ => {}
        }
    }
    let scalar = content.get(..end).unwrap_or(content);
    let range = failure.at..failure.at + scalar.len();
    let message = format!("`{}` is not an escape of \"...\" in YAML", wrong.unwrap_or("\\"));
    let problem = failure.error(YAML_SYNTAX, range.clone(), message).help("inside '...' a backslash stands for itself");
    let inner = scalar.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
    let problem = match inner.filter(|inner| !inner.contains(['\'', '"'])) {
        Some(inner) => problem.replace(format!("'{inner}'")),
        None => problem,
    };
    Stop::word(problem, range)
}
