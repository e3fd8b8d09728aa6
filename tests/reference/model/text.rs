//! Texts with facts: docs/rules.md, "Texts with facts".

use super::super::story::Value;
use super::expression::{evaluate::evaluate, parse::parse};
use super::rules::{Part, Template};
use super::view::View;

/// `You have {customer.speed|some} Mbit/s`, taken apart.
pub fn template(text: &str) -> Result<Template, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let close = rest[open..].find('}').ok_or_else(|| format!("`{text}` has a brace without its end"))? + open;
        parts.push(Part::Words(rest[..open].to_string()));
        let inside = &rest[open + 1..close];
        let (fact, words) = match inside.split_once('|') {
            Some((fact, words)) => (fact, Some(words.to_string())),
            None => (inside, None),
        };
        parts.push(Part::Fact(parse(fact.trim())?, words));
        rest = &rest[close + 1..];
    }
    parts.push(Part::Words(rest.to_string()));
    Ok(Template { parts })
}

/// The text with its facts; nothing where a fact without words behind a bar is not known.
pub fn fill(template: &Template, view: &View) -> Option<String> {
    let mut filled = String::new();
    for part in &template.parts {
        match part {
            Part::Words(words) => filled.push_str(words),
            Part::Fact(fact, words) => match (evaluate(fact, view), words) {
                (Some(value), _) => filled.push_str(&written(&value)),
                (None, Some(words)) => filled.push_str(words),
                (None, None) => return None,
            },
        }
    }
    Some(filled)
}

/// "Numbers are written plainly (`100`, `10.5`), lists with commas, moments in UTC."
fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => format!("{number}"),
        Value::Flag(flag) => flag.to_string(),
        Value::Moment(at) => jiff::Timestamp::from_millisecond(*at).map_or(String::new(), |moment| moment.to_string()),
        Value::Duration(length) => duration(*length),
        Value::List(items) => items.join(", "),
    }
}

/// A duration with its two largest units, `2 days 3 h`.
fn duration(length: i64) -> String {
    let mut words = Vec::new();
    let mut rest = length.unsigned_abs();
    for (unit, size) in [("day", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)] {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            words.push(format!("{count} {unit}{}", if unit == "day" && count > 1 { "s" } else { "" }));
        }
    }
    words.truncate(2);
    let sign = if length < 0 { "-" } else { "" };
    if words.is_empty() { "0 s".to_string() } else { format!("{sign}{}", words.join(" ")) }
}
