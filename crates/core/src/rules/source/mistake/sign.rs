//! Values that begin with a reserved YAML indicator.

use super::Stop;
use crate::domain::sources::FileId;
use crate::rules::code::{ALIAS, ANCHOR, RESERVED_START, TAG};
use crate::rules::diagnostic::{Code, Diagnostic};
use crate::rules::source::guard::span;
use crate::rules::source::line::{Value, expression_end, line_at, quoted, value_at};

/// Types that YAML itself has tags for.
const YAML_TYPES: &[&str] = &["!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!!binary", "!!set"];

/// Binary operators, which cannot begin an expression.
const OPERATORS: &[&str] = &["||", "&&", ">=", ">", "* ", "|"];

/// The mistake at the indicator `at`: either an expression was meant, or a tag, an anchor or an alias.
pub(in super::super) fn sign(file: FileId, text: &str, at: usize) -> Stop {
    let value = value_at(text, at).filter(|value| value.range.start == at && value.range.end > at);
    let line = line_at(text, at);
    let range = match &value {
        Some(value) => value.range.clone(),
        None => at..expression_end(text, at..line.end.max(at), false),
    };
    let content = text.get(range.clone()).unwrap_or("");
    match value {
        Some(value) if is_expression(content) => whole(file, text, &value),
        _ => device(file, content, range),
    }
}

/// A value that must be quoted from its first to its last character.
pub(super) fn whole(file: FileId, text: &str, value: &Value) -> Stop {
    let content = text.get(value.range.clone()).unwrap_or("");
    let corrected = quoted(content);
    let first = content.chars().next().unwrap_or(' ');
    let message = match first {
        '!' => "YAML reads a leading `!` as a tag".to_owned(),
        '&' => "YAML reads a leading `&` as an anchor".to_owned(),
        '*' => "YAML reads a leading `*` as an alias".to_owned(),
        '|' | '>' => format!("YAML reads a leading `{first}` as the head of a text block"),
        '[' | '{' => format!("YAML takes the leading `{first}...` for the whole value"),
        '"' | '\'' => "YAML takes the text in quotes for the whole value".to_owned(),
        _ => format!("a value cannot begin with `{first}` in YAML"),
    };
    let problem = Diagnostic::error(RESERVED_START, span(file, value.range.start, value.range.end), message);
    let problem = match OPERATORS.iter().find(|operator| content.starts_with(**operator)) {
        Some(operator) => {
            problem.help(format!("an expression begins with a value: say what stands before `{}`", operator.trim()))
        }
        None => problem.help(format!("quote the whole expression: `{corrected}`")).replace(corrected),
    };
    Stop::word(problem, value.range.clone())
}

fn is_expression(content: &str) -> bool {
    let operators = ["==", "!=", "<", ">", "&&", "||", "(", " in ", " + ", " - ", " * ", " / "];
    let operates = |text: &str| operators.iter().any(|operator| text.contains(operator));
    match content.chars().next() {
        Some('!') => {
            let word = content.split([' ', ',']).next().unwrap_or("");
            let custom = content.chars().nth(1).is_some_and(char::is_uppercase);
            !YAML_TYPES.contains(&word) && (!custom || operates(content))
        }
        Some('&' | '*') => operates(content),
        _ => true,
    }
}

/// A tag, an anchor or an alias that was meant as such.
fn device(file: FileId, content: &str, range: std::ops::Range<usize>) -> Stop {
    let word = content.split([' ', ',', ']', '}', ':']).next().unwrap_or(content);
    let (code, message, help): (Code, _, _) = match content.chars().next() {
        Some('&') => (ANCHOR, "anchor", "write the value out wherever it is needed"),
        Some('*') => (ALIAS, "alias", "write the value out wherever it is needed"),
        Some('!') => (TAG, "tag", "remove it; a text is marked by quotes"),
        _ => (RESERVED_START, "leading sign", "put the value in quotes"),
    };
    let place = span(file, range.start, range.start + word.len());
    let problem = Diagnostic::error(code, place, format!("rule files have no {message} such as `{word}`")).help(help);
    Stop::word(problem, range.start..range.start + word.len())
}
