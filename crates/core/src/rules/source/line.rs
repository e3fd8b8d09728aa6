//! Reads raw lines as a person would, after the parser gave up: the value at an offset, and the extent of an
//! expression. Only diagnostics depend on it.

use crate::domain::sources::Span;
use std::ops::Range;

/// The most words around a mistake that are read.
const WORDS: usize = 64;
/// The most words of skipped lines that are stored.
const WORDS_LOST: usize = 20_000;
/// Lines are read up to this length, which no expression exceeds.
const REACH: usize = 4_096;

/// A value as it was probably meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    /// Byte range, without surrounding spaces and without a trailing comment.
    pub range: Range<usize>,
    /// Whether it is inside `[...]` or `{...}`.
    pub flow: bool,
}

/// The line around an offset, without its line break.
pub(super) fn line_at(text: &str, at: usize) -> Range<usize> {
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let rest = text.get(start..).unwrap_or("");
    let line = rest.get(..rest.find('\n').unwrap_or(rest.len())).unwrap_or(rest);
    start..start + line.trim_end_matches('\r').len()
}

/// The last line before `start`, the beginning of a line, that is neither blank nor a comment.
pub(super) fn line_before(text: &str, start: usize) -> Option<Range<usize>> {
    let mut start = start;
    while start > 0 {
        let line = line_at(text, start - 1);
        let content = text.get(line.clone()).unwrap_or("").trim_start();
        if !content.is_empty() && !content.starts_with('#') {
            return Some(line);
        }
        start = line.start;
    }
    None
}

/// The text without spaces after its last line break, where readers differ about text blocks.
pub(super) fn without_last_blanks(text: &str) -> &str {
    Some(text.trim_end_matches(' ')).filter(|rest| rest.ends_with('\n')).unwrap_or(text)
}

/// The range without leading and trailing spaces.
pub(super) fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let content = text.get(range.clone()).unwrap_or("");
    let start = range.start + (content.len() - content.trim_start().len());
    start..start + content.trim().len()
}

/// The words on the lines of a place, up to a limit.
pub fn words_around(text: &str, span: Span) -> impl Iterator<Item = &str> {
    let start = line_at(text, boundary(text, span.start as usize)).start;
    let end = line_at(text, boundary(text, span.end as usize)).end;
    words(reach(text, &(start..end))).take(WORDS)
}

/// The comment that follows a scalar on its last line.
pub fn comment_behind(text: &str, scalar: Span) -> Option<Range<usize>> {
    // Only a part of the line is read: a long line would be read again for each of its scalars.
    let rest = text.get(scalar.end as usize..)?;
    let behind = rest.trim_start_matches([' ', '\t']);
    let comment = behind.starts_with('#').then(|| behind.lines().next()).flatten()?;
    let start = text.len() - behind.len();
    Some(start..start + comment.trim_end().len())
}

/// Every word of a place, up to a limit that no rule file needs.
pub fn words_in(text: &str, span: Span) -> impl Iterator<Item = &str> {
    let content = text.get(span.start as usize..span.end as usize).unwrap_or("");
    words(content).take(WORDS_LOST)
}

fn words(content: &str) -> impl Iterator<Item = &str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    content.split(move |c| !inside(c)).filter(|word| !word.is_empty())
}

/// The number of spaces at the beginning of a line.
pub(super) fn indent(text: &str, line: &Range<usize>) -> usize {
    trimmed(text, line.clone()).start - line.start
}

/// A line with the deeper lines below it, from its first character other than a space.
pub(super) fn with_children(text: &str, line: Range<usize>) -> Range<usize> {
    let own = indent(text, &line);
    let content = text.get(line.clone()).unwrap_or("");
    let start = line.start + (content.len() - content.trim_start_matches(' ').len());
    let mut end = line.end;
    while end < text.len() {
        let next = line_at(text, end + 1);
        let blank = text.get(next.clone()).unwrap_or("").trim().is_empty();
        if next.start > text.len() || next.end <= end || !blank && indent(text, &next) <= own {
            break;
        }
        end = next.end;
    }
    start..end
}

/// The value on the line of `at` whose range, read as one expression, contains `at`.
pub(super) fn value_at(text: &str, at: usize) -> Option<Value> {
    let line = line_at(text, at);
    let start = block_value(text, &line);
    if start > at || at - start > 4 * REACH {
        return None;
    }
    if text.get(start..).is_some_and(|rest| rest.starts_with(['{', '[']))
        && let Some(value) = flow_value(text, start..line.end, at)
    {
        return Some(value);
    }
    let range = start..expression_end(text, start..line.end, false);
    Some(Value { range, flow: false })
}

/// The start of the value of a block line: after the dashes and the first `key:`.
pub(super) fn block_value(text: &str, line: &Range<usize>) -> usize {
    let mut at = trimmed(text, line.clone()).start;
    while text.get(at..line.end).is_some_and(|rest| rest.starts_with("- ")) {
        at = trimmed(text, at + 1..line.end).start;
    }
    if text.get(at..).is_some_and(|rest| rest.starts_with(['{', '['])) {
        return at;
    }
    match key_end(text, at..line.end) {
        Some(colon) => trimmed(text, colon + 1..line.end).start,
        None => at,
    }
}

/// The offset of the colon that ends a key at the beginning of the range.
pub(super) fn key_end(text: &str, range: Range<usize>) -> Option<usize> {
    let content = reach(text, &range);
    let quoted = content.chars().next().filter(|c| matches!(c, '"' | '\''));
    let skip = match quoted {
        Some(quote) => 2 + content.get(1..)?.find(quote)?,
        None => 0,
    };
    let rest = content.get(skip..)?;
    let colon = rest
        .match_indices(':')
        .map(|(place, _)| place)
        .find(|place| rest.get(place + 1..).is_some_and(|after| after.is_empty() || after.starts_with([' ', '\t'])))?;
    Some(range.start + skip + colon)
}

/// Walks a flow collection from the range's start to the value that contains `at`.
fn flow_value(text: &str, range: Range<usize>, at: usize) -> Option<Value> {
    let mut here = range.start;
    let mut in_map = Vec::new();
    while here < range.end && here <= at {
        here = trimmed(text, here..range.end).start;
        match text.get(here..range.end)?.chars().next()? {
            bracket @ ('{' | '[') => in_map.push(bracket == '{'),
            '}' | ']' => {
                in_map.pop();
            }
            ',' => {}
            _ if in_map.is_empty() => return None,
            _ => {
                let start = match key_end(text, here..range.end).filter(|_| in_map.last() == Some(&true)) {
                    Some(colon) => trimmed(text, colon + 1..range.end).start,
                    None => here,
                };
                if text.get(start..).is_some_and(|rest| start > here && rest.starts_with(['{', '['])) {
                    here = start;
                    continue;
                }
                let end = expression_end(text, start..range.end, true);
                if (start..=end).contains(&at) {
                    return Some(Value { range: start..end, flow: true });
                }
                here = end.max(here + 1);
                continue;
            }
        }
        here += 1;
    }
    None
}

/// The end of an expression at the range's start: outside brackets and quotes it ends at ` #`, and in flow style at
/// `,`, `]` or `}`.
pub(super) fn expression_end(text: &str, range: Range<usize>, flow: bool) -> usize {
    let content = reach(text, &range);
    let mut scan = Scan::default();
    let mut end = content.len();
    for (place, c) in content.char_indices() {
        let closes = matches!(c, ',' | ']' | '}') && flow || c == '#' && scan.after_blank;
        if closes && scan.is_balanced() {
            end = place;
            break;
        }
        scan.step(c);
    }
    range.start + content.get(..end).unwrap_or("").trim_end().len()
}

/// The range's text, cut at [`REACH`] to bound the cost of a hostile line.
fn reach<'t>(text: &'t str, range: &Range<usize>) -> &'t str {
    let near = range.start..range.end.min(boundary(text, range.start.saturating_add(REACH)));
    text.get(near).unwrap_or("")
}

/// The last character boundary that is not behind `at`.
pub(super) fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Whether a text opens a bracket or a quote that it does not close; only brackets and quotes of
/// expressions count, not the apostrophe in `today's`.
pub(super) fn is_cut(content: &str) -> bool {
    let mut scan = Scan::default();
    content.chars().for_each(|c| scan.step(c));
    !scan.is_balanced()
}

/// The brackets and quotes that are open in a walk over an expression.
#[derive(Default)]
struct Scan {
    depth: usize,
    quote: Option<char>,
    escaped: bool,
    after_blank: bool,
    /// Whether the previous character is one that a quote cannot directly follow.
    after_word: bool,
    word: String,
}

impl Scan {
    fn is_balanced(&self) -> bool {
        self.depth == 0 && self.quote.is_none()
    }

    fn step(&mut self, c: char) {
        if let Some(quote) = self.quote {
            if c == quote && !self.escaped {
                self.quote = None;
                self.after_word = true;
            }
            self.escaped = c == '\\' && !self.escaped;
            return;
        }
        match c {
            '"' | '\'' if !self.after_word || matches!(self.word.as_str(), "in" | "r") => self.quote = Some(c),
            '(' | '[' | '{' => self.depth += 1,
            ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.remember(c);
    }

    fn remember(&mut self, c: char) {
        if c.is_alphanumeric() || c == '_' {
            if self.after_blank {
                self.word.clear();
            }
            self.word.push(c);
            self.after_word = true;
        } else if !c.is_whitespace() {
            self.word.clear();
            self.after_word = matches!(c, ')' | ']' | '}' | '.' | '%');
        }
        self.after_blank = c.is_whitespace();
    }
}

/// The text as one quoted YAML scalar.
pub fn quoted(content: &str) -> String {
    if content.contains('\'') && !content.contains(['"', '\\']) {
        return format!("\"{content}\"");
    }
    format!("'{}'", content.replace('\'', "''"))
}
