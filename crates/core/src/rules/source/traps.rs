//! Finds text that YAML accepts but that is probably a mistake, or that other YAML readers read differently.

use super::guard::{MAX_PROBLEMS, span};
use super::line::{comment_behind, expression_end, is_cut, line_at, quoted, trimmed};
use super::node::{Entry, MapKey, Node, NodeKind, Style};
use crate::domain::sources::Span;
use crate::rules::code::{
    AMBIGUOUS_BOOLEAN, AMBIGUOUS_NUMBER, COLON_IN_VALUE, COMMENT_CUT, FLOW_SPLIT, FOLDED_LINE, MISSING_BLANK,
};
use crate::rules::diagnostic::Diagnostic;
use crate::rules::shape::Form;

/// The words that YAML 1.1 reads as true or false (yaml.org/type/bool.html), in lower case.
const BOOLEANS: &[&str] = &["y", "yes", "n", "no", "on", "off"];

/// Operators that no key contains.
const EXPRESSION_SIGNS: &[&str] = &["==", "!=", " ? ", "&&", "||", "<", ">"];

/// Keys whose texts often contain a comma, used if the form of the file is unknown.
const TEXT_KEYS: &[&str] = &["text", "because", "title", "name", "message", "content"];

/// Walks the tree of `text`; `form` has the forms of its values, if known.
pub(super) fn check(text: &str, root: &Node, form: Option<&Form>, problems: &mut Vec<Diagnostic>) {
    Walk { text, problems }.node(root, false, form);
}

struct Walk<'t, 'p> {
    text: &'t str,
    problems: &'p mut Vec<Diagnostic>,
}

impl<'t> Walk<'t, '_> {
    fn node(&mut self, node: &Node, flow: bool, form: Option<&Form>) {
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        match &node.kind {
            NodeKind::List(items) => {
                let form = form.and_then(Form::item);
                items.iter().for_each(|item| self.node(item, node.style == Style::Flow, form));
            }
            NodeKind::Map(entries) => self.entries(entries, node.style == Style::Flow, form),
            _ if node.style == Style::Plain => self.plain(node, flow, form),
            _ => {}
        }
    }

    fn entries(&mut self, entries: &[Entry], flow: bool, form: Option<&Form>) {
        let mut rest = entries;
        while let [entry, others @ ..] = rest {
            let behind = form.and_then(|form| form.behind(&entry.key.text));
            let rests = others.iter().take_while(|other| flow && is_rest(entry, other, form)).count();
            if let Some(last) = rests.checked_sub(1).and_then(|last| others.get(last)) {
                self.comma(entry.value.span, last.key.span);
            } else {
                if !self.slice(entry.key.span).starts_with(['"', '\'']) {
                    self.key(&entry.key, entry, flow);
                }
                self.node(&entry.value, flow, behind);
            }
            rest = others.get(rests..).unwrap_or(&[]);
        }
    }

    /// `{text: Stay until two, free for you}`: a comma ends a text without quotes.
    fn comma(&mut self, first: Span, last: Span) {
        let place = Span { end: last.end, ..first };
        let corrected = quoted(self.slice(place));
        let message = "inside `{...}` a comma ends a text without quotes; what follows is read as a key";
        let help = format!("quote the whole text: `{corrected}`");
        self.problems.push(Diagnostic::error(FLOW_SPLIT, place, message).help(help).replace(corrected));
    }

    /// A word that some readers read as true or false: the fix depends on what the key takes.
    fn boolean(&mut self, place: Span, written: &str, form: Option<&Form>) {
        let flag = ["y", "yes", "on"].iter().any(|word| word.eq_ignore_ascii_case(written)).to_string();
        let text = format!("\"{written}\"");
        let (help, fix) = match form {
            Some(Form::Flag | Form::False) => (format!("write `{flag}`"), flag),
            Some(Form::Fact) | None => (format!("quote it: `{text}`; a flag is written `{flag}`"), text),
            Some(_) => (format!("quote it: `{text}`"), text),
        };
        let message = format!("some YAML readers take `{written}` for true or false");
        self.problems.push(Diagnostic::error(AMBIGUOUS_BOOLEAN, place, message).help(help).replace(fix));
    }

    fn key(&mut self, key: &MapKey, entry: &Entry, flow: bool) {
        if is_one_of(&key.text, BOOLEANS) || is_one_of(&key.text, &["true", "false", "null", "~"]) {
            let message = format!("YAML readers do not agree what the key `{}` is", key.text);
            self.quote(key.span, Diagnostic::error(AMBIGUOUS_BOOLEAN, key.span, message));
        }
        let lonely = flow && entry.value.kind == NodeKind::Null && entry.value.span.start == entry.value.span.end;
        if let Some(place) = key.text.find(':').filter(|_| lonely && entry.value.span.start >= key.span.end) {
            let at = key.span.start as usize + place;
            let problem = Diagnostic::error(MISSING_BLANK, span(key.span.file, at, at + 1), "missing space after `:`");
            self.problems.push(problem.help("write `: `").replace(": "));
        } else if lonely {
            self.cut(key.span);
        } else if key.text != "<<" && EXPRESSION_SIGNS.iter().any(|sign| key.text.contains(sign)) {
            self.expression_as_key(key, flow);
        }
    }

    /// `- a ? b : c` is a map in YAML; no key of a rule file contains an operator.
    fn expression_as_key(&mut self, key: &MapKey, flow: bool) {
        let start = key.span.start as usize;
        let end = expression_end(self.text, start..line_at(self.text, start).end, flow);
        let whole = span(key.span.file, start, end.max(key.span.end as usize));
        let corrected = quoted(self.slice(whole));
        let message = "a `: ` makes YAML read a key and a value here";
        let problem = Diagnostic::error(COLON_IN_VALUE, whole, message);
        self.problems.push(problem.help(format!("quote the whole expression: `{corrected}`")).replace(corrected));
    }

    fn plain(&mut self, node: &Node, flow: bool, form: Option<&Form>) {
        let written = self.slice(node.span);
        if is_one_of(written, BOOLEANS) {
            return self.boolean(node.span, written, form);
        }
        if is_ambiguous_number(written) {
            return self.number(node.span, written);
        }
        if flow { self.cut(node.span) } else { self.block_plain(node.span, written) }
    }

    fn quote(&mut self, place: Span, problem: Diagnostic) {
        let corrected = format!("\"{}\"", self.slice(place));
        self.problems.push(problem.help(format!("quote it: `{corrected}`")).replace(corrected));
    }

    fn number(&mut self, place: Span, written: &str) {
        let message = format!("YAML readers do not agree which number, if any, `{written}` is");
        let problem = Diagnostic::error(AMBIGUOUS_NUMBER, place, message);
        if written.contains(':') {
            return self.quote(place, problem);
        }
        self.problems.push(problem.help("write it as a plain decimal number; or quote it if it is text"));
    }

    /// In flow style: an expression that YAML ended at a comma or bracket of its own.
    fn cut(&mut self, place: Span) {
        if !is_cut(self.slice(place)) {
            return;
        }
        let comment = comment_behind(self.text, place);
        let start = place.start as usize;
        let end = expression_end(self.text, start..line_at(self.text, start).end, true).max(place.end as usize);
        let corrected = quoted(self.text.get(start..end).unwrap_or(""));
        let place = span(place.file, start, end);
        let problem = match comment {
            Some(_) => Diagnostic::error(COMMENT_CUT, place, "a ` #` begins a comment and cuts this value"),
            None => Diagnostic::error(FLOW_SPLIT, place, "YAML splits this value at its commas, brackets or quotes"),
        };
        let help = format!("quote the whole value: `{corrected}`");
        self.problems.push(problem.help(help).replace(corrected));
    }

    /// In block style: a comment that cuts an expression, and lines that were folded into the value.
    fn block_plain(&mut self, place: Span, written: &str) {
        if let Some(behind) = comment_behind(self.text, place).filter(|_| is_cut(written)) {
            let start = place.start as usize;
            let whole = span(place.file, start, expression_end(self.text, start..behind.end, false));
            let corrected = quoted(self.slice(whole));
            let problem = Diagnostic::error(COMMENT_CUT, whole, "a ` #` begins a comment and cuts this value");
            let help = format!("quote the whole value: `{corrected}`");
            self.problems.push(problem.help(help).replace(corrected));
        }
        let mut offset = place.start as usize;
        for (number, line) in written.split_inclusive('\n').enumerate() {
            if number > 0 && line.trim_start().starts_with("- ") {
                self.melted(place, offset, line);
            }
            offset += line.len();
        }
    }

    fn melted(&mut self, value: Span, offset: usize, line: &str) {
        let content = trimmed(self.text, offset..offset + line.len());
        let first = line_at(self.text, value.start as usize);
        let above = trimmed(self.text, value.start as usize..first.end);
        let message = "this line is indented too deep: YAML reads it as part of the value above";
        let problem = Diagnostic::error(FOLDED_LINE, span(value.file, content.start, content.end), message)
            .related(span(value.file, above.start, above.end), "the value above");
        self.problems.push(problem.help("indent it like the line above, or quote the value if it has two lines"));
    }

    fn slice(&self, place: Span) -> &'t str {
        self.text.get(place.start as usize..place.end as usize).unwrap_or("")
    }
}

fn is_one_of(written: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(written))
}

/// Whether a key without a value is the rest of the previous text, which a comma cut.
fn is_rest(entry: &Entry, other: &Entry, form: Option<&Form>) -> bool {
    let text = matches!(&entry.value.kind, NodeKind::Text(text) if !is_cut(text)) && entry.value.style == Style::Plain;
    let nothing = other.value.kind == NodeKind::Null && other.value.span.start == other.value.span.end;
    let is_key = match form {
        Some(form) => form.behind(&other.key.text).is_some(),
        None => !other.key.text.contains(' ') && !TEXT_KEYS.contains(&entry.key.text.as_str()),
    };
    text && nothing && !is_key && !other.key.text.contains(':')
}

/// Numbers that YAML 1.1 and 1.2 read differently: `010`, `0o10`, `0b1`, `1_000`, `21:00`, `1e3`, `.inf`.
fn is_ambiguous_number(written: &str) -> bool {
    let digits = written.strip_prefix(['-', '+']).unwrap_or(written);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return is_one_of(digits, &[".inf", ".nan"]);
    }
    let lower = digits.to_ascii_lowercase();
    let all = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_digit() || more.contains(c));
    let zero_led = lower.len() > 1 && lower.starts_with('0') && all(&lower, "_");
    let radix = |prefix: &str| lower.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && all(rest, "_"));
    let grouped = lower.contains('_') && all(&lower, "_.");
    let clock = lower.contains(':') && all(&lower, ":._") && !lower.ends_with(':');
    let exponent = !lower.contains('.')
        && lower.split_once('e').is_some_and(|(whole, power)| {
            let power = power.strip_prefix(['-', '+']).unwrap_or(power);
            all(whole, "") && !power.is_empty() && all(power, "")
        });
    zero_led || radix("0o") || radix("0b") || grouped || clock || exponent
}
