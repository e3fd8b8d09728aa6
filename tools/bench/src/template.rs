//! The templates in the files of ghz, as far as a load needs them: text with `{{…}}`, evaluated for each call. The
//! language is Go's text/template with the functions of sprig that are named here.

use std::iter::Peekable;
use std::str::Chars;

use tactful_core::domain::time::{Moment, Period};

/// The supported functions, for the error message about any other.
const KNOWN: &str = ".RequestNumber, .UUID, add, mul, mod, list, index, now, dateModify, dateInZone";

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TextTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Place(Expression),
}

#[derive(Debug, Clone, PartialEq)]
enum Expression {
    Number(i64),
    Text(String),
    RequestNumber,
    Uuid,
    Call(Function, Vec<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Function {
    Add,
    Mul,
    Mod,
    List,
    Index,
    Now,
    DateModify,
    DateInZone,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(i64),
    Text(String),
    List(Vec<Value>),
    Moment(Moment),
}

impl TextTemplate {
    /// Parses a text.
    ///
    /// # Errors
    /// When a placeholder is not closed or contains something unsupported.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (inside, after) =
                after.split_once("}}").ok_or_else(|| format!("`{text}` has `{{{{` without `}}}}`"))?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Place(place(inside).map_err(|error| format!("`{{{{{inside}}}}}` {error}"))?));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The text for call `number`.
    ///
    /// # Errors
    /// When values do not fit, such as an index beyond the end of a list.
    pub(crate) fn fill(&self, number: u64) -> Result<String, String> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled += text,
                Part::Place(expression) => match expression.value(number)? {
                    Value::Number(number) => filled += &number.to_string(),
                    Value::Text(text) => filled += &text,
                    Value::Moment(at) => filled += &at.to_string(),
                    Value::List(_) => return Err("a list is not a text: take an item with `index`".into()),
                },
            }
        }
        Ok(filled)
    }
}

fn place(inside: &str) -> Result<Expression, String> {
    let mut letters = inside.chars().peekable();
    let expression = application(&mut letters)?;
    match letters.next() {
        None => Ok(expression),
        Some(_) => Err("has a `)` too many".into()),
    }
}

/// A value, or a function with its arguments, up to a closing bracket or the end.
fn application(letters: &mut Peekable<Chars<'_>>) -> Result<Expression, String> {
    let first = operand(letters)?.ok_or("is empty")?;
    let Expression::Call(function, mut arguments) = first else {
        return match operand(letters)? {
            None => Ok(first),
            Some(_) => Err(format!("does not begin with a function; known are {KNOWN}")),
        };
    };
    while let Some(argument) = operand(letters)? {
        arguments.push(argument);
    }
    let wanted = match function {
        Function::Now => 0..=0,
        Function::Mod | Function::Index | Function::DateModify => 2..=2,
        Function::DateInZone => 3..=3,
        Function::Add | Function::Mul | Function::List => 1..=usize::MAX,
    };
    if wanted.contains(&arguments.len()) {
        Ok(Expression::Call(function, arguments))
    } else {
        Err(format!("gives {} values to a function that takes {}", arguments.len(), wanted.start()))
    }
}

/// The next value; `None` at a closing bracket or the end.
fn operand(letters: &mut Peekable<Chars<'_>>) -> Result<Option<Expression>, String> {
    while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
    Ok(Some(match letters.peek() {
        None | Some(')') => return Ok(None),
        Some('(') => {
            letters.next();
            let inner = application(letters)?;
            if letters.next() != Some(')') {
                return Err("has a `(` too many".into());
            }
            // A function in brackets is called without further arguments.
            inner
        }
        Some('`') => {
            letters.next();
            let mut text = String::new();
            loop {
                match letters.next() {
                    Some('`') => break Expression::Text(text),
                    Some(letter) => text.push(letter),
                    None => return Err("has a backquote too few".into()),
                }
            }
        }
        Some(_) => {
            let mut word = String::new();
            while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace() && !"()`".contains(*letter)) {
                word.push(letter);
            }
            self::word(&word)?
        }
    }))
}

fn word(word: &str) -> Result<Expression, String> {
    let function = match word {
        ".RequestNumber" => return Ok(Expression::RequestNumber),
        ".UUID" => return Ok(Expression::Uuid),
        "add" => Function::Add,
        "mul" => Function::Mul,
        "mod" => Function::Mod,
        "list" => Function::List,
        "index" => Function::Index,
        "now" => Function::Now,
        "dateModify" => Function::DateModify,
        "dateInZone" => Function::DateInZone,
        word => {
            let unknown = || format!("names `{word}`, which is not known here; known are {KNOWN}");
            return word.parse().map(Expression::Number).map_err(|_| unknown());
        }
    };
    Ok(Expression::Call(function, Vec::new()))
}

impl Expression {
    fn value(&self, number: u64) -> Result<Value, String> {
        Ok(match self {
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::Text(text.clone()),
            Self::RequestNumber => Value::Number(i64::try_from(number).map_err(|error| error.to_string())?),
            Self::Uuid => Value::Text(uuid()?),
            Self::Call(function, arguments) => {
                let values = arguments.iter().map(|argument| argument.value(number)).collect::<Result<Vec<_>, _>>()?;
                call(*function, values)?
            }
        })
    }
}

fn call(function: Function, values: Vec<Value>) -> Result<Value, String> {
    use Value::{List, Moment, Number, Text};
    Ok(match (function, values.as_slice()) {
        (Function::Add, values) => Number(numbers(values)?.iter().fold(0, |sum, next| sum.wrapping_add(*next))),
        (Function::Mul, values) => Number(numbers(values)?.iter().fold(1, |product, next| product.wrapping_mul(*next))),
        (Function::Mod, [Number(number), Number(by)]) => {
            Number(number.checked_rem(*by).ok_or("`mod` by 0 has no value")?)
        }
        (Function::List, _) => List(values),
        (Function::Index, [List(items), Number(place)]) => {
            let item = usize::try_from(*place).ok().and_then(|place| items.get(place));
            item.cloned().ok_or_else(|| format!("`index {place}` of a list of {}", items.len()))?
        }
        (Function::Now, []) => Moment(now()),
        (Function::DateModify, [Text(period), Moment(at)]) => Moment(*at + duration(period)?),
        (Function::DateInZone, [Text(layout), Moment(at), Text(zone)]) => {
            if layout != "2006-01-02T15:04:05Z" || zone != "UTC" {
                return Err("only the layout `2006-01-02T15:04:05Z` in `UTC` is known here".into());
            }
            Text(at.to_string())
        }
        _ => return Err("values of another kind than the function takes".into()),
    })
}

fn numbers(values: &[Value]) -> Result<Vec<i64>, String> {
    let number = |value: &Value| match value {
        Value::Number(number) => Ok(*number),
        _ => Err("only numbers can be calculated with".to_owned()),
    };
    values.iter().map(number).collect()
}

/// The current time of the machine's clock.
#[expect(clippy::disallowed_methods, reason = "a load is sent now")]
fn now() -> Moment {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A duration as Go writes it, such as `-1h30m`.
pub(crate) fn duration(text: &str) -> Result<Period, String> {
    let parsed: Result<jiff::SignedDuration, _> = text.parse();
    let milliseconds = parsed.ok().and_then(|period| i64::try_from(period.as_millis()).ok());
    milliseconds.map(Period).ok_or_else(|| format!("`{text}` is not a duration; write it as 20s, 500ms or 1m30s"))
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
    let random = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{random:032x}");
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default());
    Ok(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_filled_as_ghz_fills_them() {
        for (template, third) in [
            ("load-{{mod .RequestNumber 2}}!", "load-1!"),
            ("{{mod (mul .RequestNumber 7919) 20000}}", "3757"),
            ("{{index (list `a` `b c` `d`) (mod .RequestNumber 2)}}", "b c"),
            ("{{add 1 (mod .RequestNumber 3) -7}}", "-6"),
            ("{{ .RequestNumber }}{{.RequestNumber}}", "33"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(TextTemplate::read(template).unwrap().fill(3).unwrap(), third, "{template}");
        }
    }

    #[test]
    fn uuids_and_moments_have_their_form() {
        let fill = |text: &str| TextTemplate::read(text).unwrap().fill(0).unwrap();
        let (one, other) = (fill("{{.UUID}}"), fill("{{.UUID}}"));
        assert_ne!(one, other);
        let groups: Vec<usize> = one.split('-').map(str::len).collect();
        assert!(
            groups == [8, 4, 4, 4, 12] && one.as_bytes()[14] == b'4' && b"89ab".contains(&one.as_bytes()[19]),
            "{one}"
        );
        let earlier = fill("{{dateInZone `2006-01-02T15:04:05Z` (dateModify `-2h` now) `UTC`}}");
        let since = now().since(Moment::parse(&earlier).unwrap()).0 - 2 * 3_600_000;
        assert!((0..60_000).contains(&since), "{earlier}");
    }

    #[test]
    fn unknown_functions_are_reported() {
        let errors =
            ["{{upper `a`}}", "{{mod 1}}", "{{mod 1 2", "{{}}", "{{(add 1}}", "{{add 1)}}", "{{`a}}", "{{1 2}}"];
        let errors = errors.map(|text| TextTemplate::read(text).unwrap_err());
        insta::assert_snapshot!(errors.join("\n"));
        for text in
            ["{{mod 1 0}}", "{{index (list `a`) 1}}", "{{add `a`}}", "{{list `a`}}", "{{dateModify `soon` now}}"]
        {
            assert!(TextTemplate::read(text).unwrap().fill(0).is_err(), "{text}");
        }
    }
}
