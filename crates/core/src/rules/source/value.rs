//! Lets serde_yaml decide the type of a plain scalar: a number, a flag, null, or text.
//!
//! It reads only those scalars that could be anything but text, as one list, which is three times as fast as reading
//! the whole file; [`compare_readers`] does read the whole file, for a check that may take longer.

use super::line;
use super::node::{Node, NodeKind, Style};
use crate::domain::sources::Span;
use crate::rules::code::READERS_DISAGREE;
use crate::rules::diagnostic::Diagnostic;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A value as serde_yaml reads it; maps keep their order and their duplicates.
enum Second {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    List(Vec<Second>),
    Map(Vec<(Second, Second)>),
}

/// Turns plain text into numbers, flags and null as serde_yaml reads them.
pub(super) fn decide(root: &mut Node, problems: &mut Vec<Diagnostic>) {
    let span = root.span;
    let mut candidates = Vec::new();
    collect(root, &mut candidates);
    let mut list = String::new();
    for candidate in &candidates {
        if let NodeKind::Text(text) = &candidate.kind {
            list.extend(["- ", text, "\n"]);
        }
    }
    if candidates.is_empty() {
        return;
    }
    match serde_yaml::from_str::<Vec<Second>>(&list) {
        Ok(values) if values.len() == candidates.len() => {
            candidates.into_iter().zip(values).for_each(|(node, value)| assign(node, value));
        }
        Ok(_) => problems.push(disagree(span, "they count different values".to_owned())),
        Err(error) => problems.push(disagree(span, error.to_string())),
    }
}

/// Collects every plain scalar that may be something other than text.
fn collect<'n>(node: &'n mut Node, candidates: &mut Vec<&'n mut Node>) {
    let candidate = matches!(&node.kind, NodeKind::Text(text) if node.style == Style::Plain && may_be_value(text));
    if candidate {
        candidates.push(node);
        return;
    }
    match &mut node.kind {
        NodeKind::List(items) => items.iter_mut().for_each(|item| collect(item, candidates)),
        NodeKind::Map(entries) => entries.iter_mut().for_each(|entry| collect(&mut entry.value, candidates)),
        _ => {}
    }
}

/// Whether a plain scalar could be anything but text in any YAML schema.
fn may_be_value(text: &str) -> bool {
    let word = || ["true", "false", "null"].iter().any(|word| text.eq_ignore_ascii_case(word));
    match text.bytes().next() {
        Some(b'~') => text.len() == 1,
        Some(b't' | b'T' | b'f' | b'F' | b'n' | b'N') => word(),
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => {
            let number = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
            text.bytes().all(number) && text.bytes().any(|b| b.is_ascii_alphanumeric())
        }
        _ => false,
    }
}

fn assign(node: &mut Node, value: Second) {
    match value {
        Second::Null => node.kind = NodeKind::Null,
        Second::Flag(flag) => node.kind = NodeKind::Flag(flag),
        Second::Number(number) => node.kind = NodeKind::Number(number),
        Second::Text(_) | Second::List(_) | Second::Map(_) => {}
    }
}

/// Reads the whole file with serde_yaml and reports where the result differs from `node`. `node` is the result of
/// [`super::read`] for `text`, so the text is known to be harmless. Takes twice as long as reading.
pub(super) fn compare_readers(text: &str, node: &Node, diagnostics: &mut Vec<Diagnostic>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = line::without_last_blanks(text);
    // saphyr-parser adds a final line break if there is none.
    let text = if text.ends_with('\n') { Cow::Borrowed(text) } else { Cow::Owned(format!("{text}\n")) };
    match serde_yaml::from_str::<Second>(&text) {
        Ok(second) => compare(node, &second, diagnostics),
        Err(error) => diagnostics.push(disagree(node.span, error.to_string())),
    }
}

fn compare(node: &Node, second: &Second, diagnostics: &mut Vec<Diagnostic>) {
    let agree = match (&node.kind, second) {
        (NodeKind::Null, Second::Null) => true,
        (NodeKind::Flag(one), Second::Flag(two)) => one == two,
        (NodeKind::Number(one), Second::Number(two)) => one.total_cmp(two).is_eq(),
        (NodeKind::Text(one), Second::Text(two)) => one == two,
        (NodeKind::List(one), Second::List(two)) => {
            one.iter().zip(two).for_each(|(one, two)| compare(one, two, diagnostics));
            one.len() == two.len()
        }
        (NodeKind::Map(one), Second::Map(two)) => {
            one.iter().zip(two).for_each(|(one, two)| compare(&one.value, &two.1, diagnostics));
            let same_key = |two: &Second, one: &str| !matches!(two, Second::Text(text) if text != one);
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same_key(&two.0, &one.key.text))
        }
        _ => false,
    };
    if !agree {
        diagnostics.push(disagree(node.span, "one of them reads another value here".to_owned()));
    }
}

fn disagree(span: Span, why: String) -> Diagnostic {
    Diagnostic::error(READERS_DISAGREE, span, "YAML readers do not agree about this")
        .help(format!("write it more simply, with quotes around text; {why}"))
}

impl<'de> Deserialize<'de> for Second {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecondVisitor)
    }
}

struct SecondVisitor;

impl<'de> Visitor<'de> for SecondVisitor {
    type Value = Second;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Second, E> {
        Ok(Second::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Second, E> {
        Ok(Second::Flag(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Second, E> {
        Ok(Second::Number(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "all numbers of rule files are binary64")]
    fn visit_i128<E: Error>(self, value: i128) -> Result<Second, E> {
        Ok(Second::Number(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "all numbers of rule files are binary64")]
    fn visit_u128<E: Error>(self, value: u128) -> Result<Second, E> {
        Ok(Second::Number(value as f64))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Second, E> {
        self.visit_i128(i128::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Second, E> {
        self.visit_u128(u128::from(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Second, E> {
        Ok(Second::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Second, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Second::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Second, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Second::Map(map))
    }
}
