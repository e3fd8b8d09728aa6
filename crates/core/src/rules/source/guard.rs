//! The checks before parsing: size, characters, tabs, emptiness, directives.

use crate::domain::sources::{FileId, Span};
use crate::rules::character;
use crate::rules::code::{
    CONTROL_CHARACTER, DIRECTIVE, EMPTY_FILE, FILE_TOO_LARGE, INVISIBLE_CHARACTER, NESTED_TOO_DEEP, TAB_INDENT,
    TOO_MANY_NODES,
};
use crate::rules::diagnostic::{Code, Diagnostic};

/// The largest rule file, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// How many keys and values, or lines, a file may have.
pub const MAX_NODES: usize = 60_000;
/// How deep lists and maps may nest.
pub const MAX_DEPTH: usize = 64;
/// The most mistakes that are reported for one file.
pub(super) const MAX_PROBLEMS: usize = 100;
/// The most mistakes that are reported here.
const ENOUGH: usize = 20;

/// The mistake of a text that is not parsed at all.
pub(super) const ENDS_READING: [Code; 3] = [FILE_TOO_LARGE, TOO_MANY_NODES, EMPTY_FILE];

/// All mistakes that prevent parsing.
pub(super) fn check(file: FileId, text: &str) -> Vec<Diagnostic> {
    if text.len() > MAX_FILE_BYTES {
        return vec![too_large(file, text.len())];
    }
    if count_values(text) > MAX_NODES {
        return vec![too_many(span(file, 0, 0))];
    }
    let mut problems = Vec::new();
    check_characters(file, text, &mut problems);
    check_lines(file, text, &mut problems);
    if problems.is_empty() && is_empty(text) {
        problems
            .push(Diagnostic::error(EMPTY_FILE, span(file, 0, 0), "this file is empty").help("fill it or remove it"));
    }
    problems
}

fn too_large(file: FileId, bytes: usize) -> Diagnostic {
    let message = format!("this file has {bytes} bytes, more than {MAX_FILE_BYTES}");
    Diagnostic::error(FILE_TOO_LARGE, span(file, 0, 0), message)
        .help("split it: sections of the same name in several files are merged")
}

/// The approximate number of keys and values, or lines, of a text. Lines bound the values in block style, `,` and `:`
/// those in flow style, where the parser buffers a whole collection before its first event.
pub fn count_values(text: &str) -> usize {
    let count = |signs: fn(u8) -> bool| text.bytes().filter(|byte| signs(*byte)).count();
    count(|byte| matches!(byte, b',' | b':')).max(count(|byte| byte == b'\n'))
}

/// More than [`MAX_NODES`].
pub(super) fn too_many(place: Span) -> Diagnostic {
    let message = format!("this file has more than {MAX_NODES} keys, values or lines");
    Diagnostic::error(TOO_MANY_NODES, place, message).help("split it into several files")
}

/// Nested deeper than [`MAX_DEPTH`].
pub(super) fn too_deep(place: Span) -> Diagnostic {
    Diagnostic::error(NESTED_TOO_DEEP, place, format!("lists and maps nest more than {MAX_DEPTH} levels deep"))
        .help("no rule needs more: look for brackets that are not meant")
}

/// Finds characters that YAML forbids, that YAML 1.1 and 1.2 read differently, or that hide other text.
fn check_characters(file: FileId, text: &str, problems: &mut Vec<Diagnostic>) {
    if text.bytes().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')) {
        return;
    }
    let (mut previous, mut returns) = ('\n', 0);
    for (offset, c) in text.char_indices() {
        let lone_return = previous == '\r' && c != '\n';
        returns += usize::from(lone_return);
        if lone_return && returns == 1 {
            problems.push(bad_character(file, offset - 1, '\r'));
        }
        if is_forbidden(c) && !(c == '\u{feff}' && offset == 0) {
            problems.push(bad_character(file, offset, c));
        }
        if problems.len() >= ENOUGH {
            return;
        }
        previous = c;
    }
    if previous == '\r' && returns == 0 {
        problems.push(bad_character(file, text.len() - 1, '\r'));
    }
}

fn is_forbidden(c: char) -> bool {
    match c {
        '\n' | '\r' | '\t' | ' '..='~' => false,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => c.is_control(),
    }
}

fn bad_character(file: FileId, offset: usize, c: char) -> Diagnostic {
    let message = match c {
        '\0' => "a NUL byte stands here".to_owned(),
        '\r' => "a lone carriage return stands here".to_owned(),
        _ => format!("an invisible character, {}, stands here", character::described(c)),
    };
    let problem = Diagnostic::error(CONTROL_CHARACTER, span(file, offset, offset + c.len_utf8()), message);
    match c {
        '\r' => problem.help("end lines with a line feed, or with a carriage return and a line feed"),
        _ => problem.help("remove it; where it is needed, write its escape inside \"...\", such as `\\u200e`"),
    }
}

/// Finds tabs in the indentation and after dashes, and directives.
fn check_lines(file: FileId, text: &str, problems: &mut Vec<Diagnostic>) {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let blanks = line.len() - line.trim_start_matches([' ', '\t', '-']).len();
        let indent = line.get(..blanks).unwrap_or("");
        if let Some(tab) = indent.find('\t') {
            let message = "a tab cannot indent a line in YAML";
            let place = span(file, offset + tab, offset + tab + 1);
            problems.push(Diagnostic::error(TAB_INDENT, place, message).help("indent with spaces"));
        }
        if line.starts_with('%') {
            problems.push(directive(file, offset, line.trim_end().len()));
        }
        if problems.len() >= ENOUGH {
            return;
        }
        offset += line.len();
    }
}

/// An invisible character where a line is indented: YAML takes it for the beginning of a key or a text.
pub(super) fn hidden_indent(file: FileId, text: &str) -> Option<Diagnostic> {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let at = line.len() - line.trim_start_matches([' ', '-']).len();
        let first = line.get(at..).and_then(|rest| rest.chars().next());
        if let Some(c) = first.filter(|c| character::is_invisible(*c) && !(offset == 0 && *c == '\u{feff}')) {
            let place = span(file, offset + at, offset + at + c.len_utf8());
            let name = character::described(c);
            let message = format!("an invisible character, {name}, stands where this line is indented");
            return Some(Diagnostic::error(INVISIBLE_CHARACTER, place, message).help("indent with plain spaces"));
        }
        offset += line.len();
    }
    None
}

fn directive(file: FileId, offset: usize, length: usize) -> Diagnostic {
    Diagnostic::error(DIRECTIVE, span(file, offset, offset + length), "a line cannot begin with `%`")
        .help("YAML directives are not needed here: remove the line")
}

/// Whether there is nothing but spaces, comments and document marks.
fn is_empty(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || matches!(line, "---" | "..."))
}

/// A byte range as a span.
pub(super) fn span(file: FileId, start: usize, end: usize) -> Span {
    let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Span { file, start: narrow(start), end: narrow(end) }
}
