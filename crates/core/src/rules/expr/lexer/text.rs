//! Reads one text literal: `"..."`, `'...'`, the same thrice for several lines, and raw ones.
//!
//! Escapes are those of the CEL language definition, section "String and Bytes Values".

use super::syntax;
use crate::rules::diagnostic::Diagnostic;

/// The text whose opening quote is at `start`, and the offset after its closing quote.
pub(super) fn scan(text: &str, start: usize, raw: bool) -> Result<(String, usize), Diagnostic> {
    let rest = text.get(start..).unwrap_or("");
    let delimiter = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|d| rest.starts_with(d)).unwrap_or("\"");
    let mut value = String::new();
    let mut at = start + delimiter.len();
    loop {
        let tail = text.get(at..).unwrap_or("");
        if tail.starts_with(delimiter) {
            return Ok((value, at + delimiter.len()));
        }
        match tail.chars().next() {
            None => return Err(unclosed(start, text.len(), delimiter)),
            Some('\n' | '\r') if delimiter.len() == 1 => return Err(unclosed(start, at, delimiter)),
            Some('\\') if !raw => {
                let (decoded, length) = escape(tail).map_err(|length| bad_escape(text, at, length))?;
                value.push(decoded);
                at += length;
            }
            Some(plain) => {
                value.push(plain);
                at += plain.len_utf8();
            }
        }
    }
}

/// The character behind an escape and the escape's length; the length of what is wrong otherwise.
fn escape(tail: &str) -> Result<(char, usize), usize> {
    let Some(letter) = tail.chars().nth(1) else { return Err(1) };
    let simple = match letter {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' | '?' | '"' | '\'' | '`' => letter,
        'x' | 'X' => return numbered(tail, 2, 2, 16),
        'u' => return numbered(tail, 2, 4, 16),
        'U' => return numbered(tail, 2, 8, 16),
        '0'..='3' => return numbered(tail, 1, 3, 8),
        _ => return Err(1 + letter.len_utf8()),
    };
    Ok((simple, 2))
}

/// An escape that gives a character's number in `count` digits after `skip` bytes.
fn numbered(tail: &str, skip: usize, count: usize, radix: u32) -> Result<(char, usize), usize> {
    let digits = tail.get(skip..skip + count).filter(|digits| digits.chars().all(|c| c.is_digit(radix)));
    let number = digits.and_then(|digits| u32::from_str_radix(digits, radix).ok());
    number.and_then(char::from_u32).map(|decoded| (decoded, skip + count)).ok_or(skip)
}

fn bad_escape(text: &str, at: usize, length: usize) -> Diagnostic {
    let written = text.get(at..at + length).unwrap_or("\\");
    let error = syntax(at, at + length, format!("`{written}` is not an escape"));
    match written.chars().nth(1) {
        Some('x' | 'X' | 'u' | 'U' | '0'..='9') => {
            error.help("write `\\xhh`, `\\uhhhh`, `\\Uhhhhhhhh` or three octal digits, for a character that exists")
        }
        _ => error
            .help(format!("write `\\{written}` for a backslash, or a raw text: `r\"...\"`"))
            .replace(format!("\\{written}")),
    }
}

fn unclosed(start: usize, end: usize, delimiter: &str) -> Diagnostic {
    syntax(start, end, format!("this text is never closed with `{delimiter}`"))
        .help("in YAML, a `'` inside '...' is written twice, and a `\"` inside \"...\" as `\\\"`")
}
