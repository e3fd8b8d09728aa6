//! Reads one number literal.
//!
//! All numbers are the same kind, so integers must be small enough to be exact. What follows a number without a space
//! is read, too: `3u`, `7d` and `12abc` each have their own message.

use super::{continues_name, local, safe_quote, syntax};
use crate::domain::value::is_exact;
use crate::rules::code::EXPRESSION_DURATION;
use crate::rules::diagnostic::Diagnostic;

/// Letters that people write after a number to mean a duration.
const UNITS: &[&str] = &["ms", "s", "sec", "m", "min", "h", "d", "day", "days", "w", "mo", "y"];

/// The number that begins at `start`, and its length in bytes.
pub(super) fn scan(text: &str, start: usize) -> Result<(f64, usize), Diagnostic> {
    let rest = text.get(start..).unwrap_or("");
    let (value, length) = match hexadecimal(rest) {
        Some(scanned) => scanned,
        None => decimal(rest),
    };
    let digits = rest.get(..length).unwrap_or(rest);
    let tail = rest.get(length..).unwrap_or("");
    let tail = tail.get(..tail.find(|c| !continues_name(c)).unwrap_or(tail.len())).unwrap_or("");
    if !tail.is_empty() {
        return Err(bad_tail(text, start, digits, tail));
    }
    match value {
        Some(value) => Ok((value, length)),
        None => Err(syntax(start, start + length, format!("`{digits}` is too large"))
            .help("numbers are exact up to 9007199254740991")),
    }
}

/// `0x1f`; none where the text is not hexadecimal.
fn hexadecimal(rest: &str) -> Option<(Option<f64>, usize)> {
    let body = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"))?;
    let length = body.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(body.len());
    let digits = body.get(..length).filter(|digits| !digits.is_empty())?;
    let value = digits.chars().filter_map(|c| c.to_digit(16)).fold(0.0, |sum, digit| sum * 16.0 + f64::from(digit));
    Some((exact(value), 2 + length))
}

/// `3`, `2.5`, `.5`, `1e9`.
fn decimal(rest: &str) -> (Option<f64>, usize) {
    let digits = |from: usize| {
        let tail = rest.get(from..).unwrap_or("");
        tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len())
    };
    let mut length = digits(0);
    let mut whole = true;
    if rest.get(length..).is_some_and(|tail| tail.starts_with('.')) && digits(length + 1) > 0 {
        length += 1 + digits(length + 1);
        whole = false;
    }
    if let Some(sign) = exponent_sign(rest.get(length..).unwrap_or(""))
        && digits(length + sign) > 0
    {
        length += sign + digits(length + sign);
        whole = false;
    }
    let value: Option<f64> = rest.get(..length).and_then(|number| number.parse().ok());
    (value.and_then(|value| if whole { exact(value) } else { Some(value).filter(|value| value.is_finite()) }), length)
}

/// The length of `e`, `e+` or `e-` at the start of the text.
fn exponent_sign(tail: &str) -> Option<usize> {
    let after = tail.strip_prefix(['e', 'E'])?;
    Some(if after.starts_with(['+', '-']) { 2 } else { 1 })
}

fn exact(value: f64) -> Option<f64> {
    is_exact(value).then_some(value)
}

fn bad_tail(text: &str, start: usize, digits: &str, tail: &str) -> Diagnostic {
    let end = start + digits.len() + tail.len();
    let written = format!("{digits}{tail}");
    if matches!(tail, "u" | "U") {
        return syntax(start, end, format!("`{written}` is an unsigned number, which is not needed here"))
            .help(format!("write `{digits}`"))
            .replace(digits);
    }
    if UNITS.contains(&tail) {
        let error = local(EXPRESSION_DURATION, start, end, format!("`{written}` is not a number"))
            .help(format!("write a duration as text: `duration(\"{written}\")`, or `\"{written}\"` for a window"));
        return match safe_quote(text) {
            Some(quote) => error.replace(format!("duration({quote}{written}{quote})")),
            None => error,
        };
    }
    syntax(start, end, format!("`{written}` is neither a number nor a name")).help("text stands in quotes")
}
