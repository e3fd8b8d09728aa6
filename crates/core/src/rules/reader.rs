//! Reads maps, lists and scalars of a rule file, and reports what does not fit, with the place and the fix.
//!
//! Every function returns `None` if it reported a mistake; the caller continues with the rest.

use std::fmt;

use super::code;
use super::name_kind::NameKind;
use super::shape::Shape;
use super::sink::Sink;
use super::source::{Entry, Node, NodeKind, Spanned, Style, quoted};
use crate::domain::sources::Span;
use crate::domain::time::{Moment, Period, PeriodError, TimeOfDay};
use crate::domain::value::{LARGEST_EXACT, NOT_EXACT, is_exact};
use crate::rules::diagnostic::{Code, Diagnostic};

/// The most known names that a wrong one is compared with.
const MOST_COMPARED: usize = 300;
/// The shortest word that is completed, such as `info` to `information`.
const LEAST_BEGINNING: usize = 3;
/// The most known names that a message lists.
const MOST_SHOWN: usize = 8;

/// A map without a known set of keys, such as names to declarations.
pub fn map<'n>(node: &'n Node, what: &str, sink: &Sink) -> Option<&'n [Entry]> {
    match &node.kind {
        NodeKind::Map(entries) => Some(entries),
        _ => wrong(node, Expected::Map(what), sink),
    }
}

/// A list.
pub fn list<'n>(node: &'n Node, sink: &Sink) -> Option<&'n [Node]> {
    match &node.kind {
        NodeKind::List(items) => Some(items),
        NodeKind::Text(text) if text.starts_with('-') && node.style == Style::Plain => {
            let dash = Span { end: node.span.start + 1, ..node.span };
            let problem = Diagnostic::error(code::MISSING_BLANK, dash, "missing space after `-`");
            sink.push(problem.help("write `- `").replace("- "));
            None
        }
        _ => wrong(node, Expected::List, sink),
    }
}

/// Refuses an empty list, which could mean "all" or "none"; `message` and `help` say what is wrong and what to write.
pub fn filled(node: &Node, message: &str, help: &str, sink: &Sink) -> Option<()> {
    match &node.kind {
        NodeKind::List(items) if items.is_empty() => refuse(node.span, code::EMPTY_LIST, message.into(), help, sink),
        _ => Some(()),
    }
}

/// A text. A number or a flag is not a text unless it is in quotes.
pub fn text<'n>(node: &'n Node, sink: &Sink) -> Option<&'n str> {
    match &node.kind {
        NodeKind::Text(text) => Some(text),
        _ => wrong(node, Expected::Text, sink),
    }
}

/// A text with its place.
pub fn name<'n>(node: &'n Node, sink: &Sink) -> Option<Spanned<'n>> {
    Some(Spanned { text: text(node, sink)?, span: node.span })
}

/// A list of texts, each with its place.
pub fn names<'n>(node: &'n Node, sink: &Sink) -> Option<Vec<Spanned<'n>>> {
    list(node, sink)?.iter().map(|item| name(item, sink)).collect()
}

/// A finite number between two bounds, both included.
pub fn number(node: &Node, bounds: (f64, f64), sink: &Sink) -> Option<f64> {
    let NodeKind::Number(number) = node.kind else {
        return wrong(node, Expected::Number, sink);
    };
    if number.is_finite() && (bounds.0..=bounds.1).contains(&number) {
        return Some(number);
    }
    let message = format!("{number} is not between {} and {}", bounds.0, bounds.1);
    refuse(node.span, code::BAD_NUMBER, message, "choose a number inside the bounds", sink)
}

/// A number of a fact: any that is exact.
pub fn exact(node: &Node, sink: &Sink) -> Option<f64> {
    match node.kind {
        NodeKind::Number(number) if !is_exact(number) => {
            let help = "put it in quotes, and declare the fact with `type: text`";
            refuse(node.span, code::BAD_NUMBER, format!("this number {NOT_EXACT}"), help, sink)
        }
        _ => number(node, (-LARGEST_EXACT, LARGEST_EXACT), sink),
    }
}

/// A whole number between two bounds, both included.
pub fn whole(node: &Node, bounds: (u32, u32), sink: &Sink) -> Option<u32> {
    let number = number(node, (f64::from(bounds.0), f64::from(bounds.1)), sink)?;
    if number.fract() != 0.0 {
        return refuse(node.span, code::BAD_NUMBER, format!("{number} is not a whole number"), "round it", sink);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and between two u32")]
    Some(number as u32)
}

/// `true` or `false`.
pub fn flag(node: &Node, sink: &Sink) -> Option<bool> {
    match node.kind {
        NodeKind::Flag(flag) => Some(flag),
        _ => wrong(node, Expected::Flag, sink),
    }
}

/// A duration such as `30 days`.
pub fn period(node: &Node, sink: &Sink) -> Option<Period> {
    let written = match &node.kind {
        NodeKind::Text(text) => text.clone(),
        NodeKind::Number(number) => number.to_string(),
        _ => return wrong(node, Expected::Period, sink),
    };
    match Period::parse(&written) {
        Ok(period) => Some(period),
        Err(error) => {
            let help = match &error {
                PeriodError::NoUnit(number) => format!("say the unit: `{number} days`, `{number} hours`"),
                _ => "write a duration such as `30 days`, `2h 30m`, `13 months`".to_owned(),
            };
            let diagnostic = Diagnostic::error(code::BAD_DURATION, node.span, error.to_string()).help(help);
            sink.push(match &error {
                PeriodError::NoUnit(number) if node.style == Style::Plain => {
                    diagnostic.replace(format!("{number} days"))
                }
                _ => diagnostic,
            });
            None
        }
    }
}

/// A moment with its offset, such as `2026-03-02T10:00:00+01:00`.
pub fn moment(node: &Node, sink: &Sink) -> Option<Moment> {
    let written = text(node, sink)?;
    let help = "write a time with its offset, such as `2026-03-02T10:00:00+01:00` or `2026-03-02T09:00:00Z`";
    match Moment::parse(written) {
        Ok(moment) => Some(moment),
        Err(_) => refuse(node.span, code::BAD_TIME, format!("`{written}` is not a moment in time"), help, sink),
    }
}

/// A time of day such as `21:00`.
pub fn time_of_day(node: &Node, sink: &Sink) -> Option<TimeOfDay> {
    let help = "write hours and minutes in quotes: `\"21:00\"`";
    let NodeKind::Text(written) = &node.kind else {
        return refuse(node.span, code::BAD_TIME, "expected a time of day".to_owned(), help, sink);
    };
    TimeOfDay::parse(written)
        .or_else(|| refuse(node.span, code::BAD_TIME, format!("`{written}` is not a time of day"), help, sink))
}

/// One of a fixed set of words.
pub fn one_of<T: Copy>(node: &Node, names: &[(&'static str, T)], sink: &Sink) -> Option<T> {
    let written = text(node, sink)?;
    if let Some((_, value)) = names.iter().find(|(name, _)| *name == written) {
        return Some(*value);
    }
    let words: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    let diagnostic =
        Diagnostic::error(code::NOT_ONE_OF, node.span, format!("`{written}` is not one of {}", words.join(", ")));
    sink.push(match nearest(written, &words) {
        Some(name) => diagnostic.help(format!("did you mean `{name}`?")).replace(name),
        None => diagnostic.help("choose one of these words"),
    });
    None
}

/// Checks a declared name: letters, digits, `_`, `.` and `-`, beginning with a letter.
pub fn check_id(name: Spanned<'_>, dashes: bool, sink: &Sink) -> Option<()> {
    let Spanned { text, span } = name;
    if is_id(text, dashes) {
        return Some(());
    }
    let allowed = if dashes { "`-`, `_` and `.`" } else { "`_` and `.` (expressions read `-` as minus)" };
    let help = format!("use lowercase letters, digits, {allowed}, at most 100, beginning with a letter");
    let diagnostic = Diagnostic::error(code::BAD_ID, span, format!("`{text}` cannot be a name here")).help(help);
    let instead = text.trim().to_lowercase().replace(' ', if dashes { "-" } else { "_" });
    let instead = if dashes { instead } else { instead.replace('-', "_") };
    sink.push(if is_id(&instead, dashes) { diagnostic.replace(instead) } else { diagnostic });
    None
}

fn is_id(text: &str, dashes: bool) -> bool {
    let starts = text.split('.').all(|part| part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_'));
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.' || (dashes && c == '-');
    starts && text.len() <= 100 && text.chars().all(inside)
}

/// As [`check_id`], for a name between two dots in expressions, as in `journey.ID.stage`, which must not contain a dot.
pub fn check_word(name: Spanned<'_>, sink: &Sink) -> Option<()> {
    let Spanned { text, span } = name;
    if text.contains('.') {
        let instead = text.replace('.', "_");
        let help = format!("write `{instead}`: dots part it from its neighbours in expressions");
        let message = format!("`{text}` cannot be a name here: it has a dot");
        sink.push(Diagnostic::error(code::BAD_ID, span, message).help(help).replace(instead));
        return None;
    }
    check_id(name, false, sink)
}

/// All items, if every one could be read; all are read in any case, so that every mistake is reported.
pub fn every<T>(read: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    read.collect::<Vec<_>>().into_iter().collect()
}

/// Reports a mistake with its fix.
pub fn refuse<T>(span: Span, code: Code, message: String, help: &str, sink: &Sink) -> Option<T> {
    sink.push(Diagnostic::error(code, span, message).help(help));
    None
}

/// Reports an unknown name, and suggests the nearest known one.
pub fn unknown<'a, T>(
    name: Spanned<'_>,
    kind: &str,
    known: impl IntoIterator<Item = &'a str>,
    sink: &Sink,
) -> Option<T> {
    if sink.is_broken(name.text) {
        return None;
    }
    let diagnostic = Diagnostic::error(code::UNKNOWN_NAME, name.span, format!("no {kind} is called `{}`", name.text));
    sink.push(if sink.is_full() { diagnostic } else { suggest(diagnostic, name.text, known) });
    None
}

/// Reports a name that no rule file declares; suggests the nearest one, or says how to declare it.
pub fn undeclared<'a, T>(
    name: Spanned<'_>,
    kind: NameKind,
    known: impl IntoIterator<Item = &'a str>,
    sink: &Sink,
) -> Option<T> {
    if sink.is_broken(name.text) {
        return None;
    }
    let message = format!("no {} is called `{}`", kind.word(), name.text);
    let diagnostic = Diagnostic::error(code::UNKNOWN_NAME, name.span, message);
    sink.push(if sink.is_full() { diagnostic } else { suggest_or_declare(diagnostic, name.text, kind, known) });
    None
}

/// As [`suggest`], for a name of a kind that rule files declare: says how if no declared name is near.
pub fn suggest_or_declare<'a>(
    diagnostic: Diagnostic,
    written: &str,
    kind: NameKind,
    known: impl IntoIterator<Item = &'a str>,
) -> Diagnostic {
    let known: Vec<&str> = known.into_iter().collect();
    let how = kind.how();
    if nearest(written, &known).is_some() {
        return suggest(diagnostic, written, known);
    }
    diagnostic.help(match first_names(known) {
        names if names.is_empty() => how.to_owned(),
        names => format!("known here: {names}; or {how}"),
    })
}

/// Adds "did you mean" if a known name is near.
pub fn suggest<'a>(diagnostic: Diagnostic, written: &str, known: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(written, &known) {
        Some(name) => diagnostic.help(format!("did you mean `{name}`?")).replace(name),
        None if known.is_empty() => diagnostic,
        None => diagnostic.help(format!("known here: {}", first_names(known))),
    }
}

/// The known name that was probably meant.
///
/// A common root, as in `customer.age`, does not count. Only names of about the same length are compared, and only some
/// of them: a list may be long, and many names may be wrong.
#[must_use]
pub fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let root = written.split_once('.').map_or("", |(root, _)| root);
    let in_common =
        |name: &str| if name.split_once('.').is_some_and(|(other, _)| other == root) { root.len() } else { 0 };
    let allowed = |name: &str| ((name.len().max(written.len()) - in_common(name)) / 3).max(1);
    let alike = known.iter().filter(|name| name.len().abs_diff(written.len()) <= allowed(name));
    let near = alike.take(MOST_COMPARED).map(|name| (strsim::damerau_levenshtein(written, name), *name));
    let near = near.filter(|(distance, name)| *distance <= allowed(name)).min().map(|(_, name)| name);
    near.or_else(|| {
        let mut longer = known.iter().filter(|name| written.len() >= LEAST_BEGINNING && name.starts_with(written));
        longer.next().filter(|_| longer.next().is_none()).copied()
    })
}

/// The first names of a list in alphabetical order, and the number of the others.
#[must_use]
pub fn first_names(mut names: Vec<&str>) -> String {
    let more = names.len().saturating_sub(MOST_SHOWN);
    if more > 0 {
        names.select_nth_unstable(MOST_SHOWN);
        names.truncate(MOST_SHOWN);
    }
    names.sort_unstable();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Expected<'w> {
    Number,
    Flag,
    Text,
    List,
    Period,
    /// A map, and what it describes, as "an action".
    Map(&'w str),
}

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "expected a number",
            Self::Flag => "expected `true` or `false`",
            Self::Text => "expected a text",
            Self::List => "expected a list, with `- ` before each item or in `[` `]`",
            Self::Period => "expected a duration such as `30 days`",
            Self::Map(what) => return write!(f, "{what} must be a map of `key: value` lines"),
        })
    }
}

fn wrong<T>(node: &Node, expected: Expected<'_>, sink: &Sink) -> Option<T> {
    sink.push(with_fix(wrong_type(node, expected), node, expected));
    None
}

fn wrong_type(node: &Node, expected: Expected<'_>) -> Diagnostic {
    let found = match &node.kind {
        NodeKind::Null => "nothing".to_owned(),
        NodeKind::Flag(flag) => format!("the flag `{flag}`"),
        NodeKind::Number(number) if is_exact(*number) => format!("the number `{number}`"),
        NodeKind::Number(_) => "a number".to_owned(),
        NodeKind::Text(text) => format!("the text `{}`", text.chars().take(40).collect::<String>()),
        NodeKind::List(_) => "a list".to_owned(),
        NodeKind::Map(_) => "a map".to_owned(),
    };
    Diagnostic::error(code::WRONG_TYPE, node.span, format!("{expected}, found {found}"))
}

/// Refuses a value instead of a map. Many maps have one main key, so the fix is a map with this key.
pub(super) fn wrong_map<T>(node: &Node, shape: &Shape, sink: &Sink) -> Option<T> {
    let written = match (&node.kind, shape.key(shape.alone)) {
        (NodeKind::Number(number), Some(key)) if key.form.takes_number() => number.to_string(),
        (NodeKind::Text(text), Some(key)) if !key.form.takes_number() => {
            let plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.'));
            if plain { text.clone() } else { quoted(text) }
        }
        _ => return wrong(node, Expected::Map(shape.what), sink),
    };
    let others = shape.keys.iter().filter(|key| key.required && key.name != shape.alone);
    let others: String = others.map(|key| format!(", {}: ...", key.name)).collect();
    let corrected = format!("{{{}: {written}{others}}}", shape.alone);
    let problem = wrong_type(node, Expected::Map(shape.what)).help(format!("write `{corrected}`"));
    sink.push(if others.is_empty() { problem.replace(corrected) } else { problem });
    None
}

/// Adds a fix for a value of the wrong type, if there is a plain one.
fn with_fix(diagnostic: Diagnostic, node: &Node, expected: Expected<'_>) -> Diagnostic {
    // A number with more digits may have been rounded.
    let written = (node.span.end - node.span.start) as usize;
    let fits = |text: &String| written < 16 && text.len() == written;
    let unquoted = |text: &str| match expected {
        Expected::Number => text.parse::<f64>().is_ok_and(f64::is_finite),
        Expected::Flag => matches!(text, "true" | "false"),
        _ => false,
    };
    let shown = match &node.kind {
        NodeKind::Null => return diagnostic.help("write the value, or remove the line"),
        NodeKind::Text(text) if unquoted(text) => {
            return diagnostic.help("without quotes").replace(text);
        }
        NodeKind::Text(_) if expected == Expected::List => {
            return diagnostic.help("write it on the next line, behind `- `");
        }
        NodeKind::Number(number) => Some(number.to_string()),
        NodeKind::Flag(flag) => Some(flag.to_string()),
        _ => None,
    };
    match shown.filter(|_| expected == Expected::Text) {
        Some(shown) if fits(&shown) => diagnostic.help("put it in quotes").replace(format!("\"{shown}\"")),
        Some(_) => diagnostic.help("put it in quotes"),
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_long_lists_are_cut() {
        let names: Vec<String> = (0..10_000).rev().map(|number| format!("attribute_{number:05}")).collect();
        let mut known: Vec<&str> = names.iter().map(String::as_str).collect();
        known.push("age");
        assert_eq!(nearest("aeg", &known), Some("age"), "only names of its length are compared");
        assert_eq!(nearest("customer.age", &["customer.sex"]), None, "the root in common does not count");
        assert_eq!(nearest("customer.agee", &["customer.age"]), Some("customer.age"));
        assert_eq!(nearest("info", &["offer", "information"]), Some("information"));
        assert_eq!(nearest("in", &["offer", "information"]), None, "too short to guess");
        assert_eq!(nearest("con", &["contract", "contact"]), None, "more than one");
        assert_eq!(nearest("something else entirely and far longer", &known), None);
        let listed = first_names(known);
        assert!(listed.starts_with("age, attribute_00000, attribute_00001, "), "{listed}");
        assert!(listed.ends_with("attribute_00006 and 9993 more"), "{listed}");
        assert_eq!(first_names(vec!["b", "a"]), "a, b");
    }
}
