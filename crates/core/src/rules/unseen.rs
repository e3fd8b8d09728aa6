//! Finds what a reader of a rule file cannot see: a ` #` that turned the rest of a text into a comment, and invisible
//! characters.
//!
//! Both need to know what a key takes, so they are checked on nodes and forms and not in `source`, which knows only
//! YAML: a comment after a name or a number is a comment; after a text without quotes it may be the end of the text.

use super::character;
use super::code::{COMMENT_BEHIND_TEXT, INVISIBLE_CHARACTER};
use super::shape::{Form, Name};
use super::source::{Node, NodeKind, Style, comment_behind, quoted};
use crate::domain::sources::Span;
use crate::rules::diagnostic::Diagnostic;

/// Whether a fact may have any text; if its values are listed, a comment after one is a comment.
type FreeFact<'f> = &'f dyn Fn(Name, &str) -> bool;

/// A fact with listed values is treated like a name.
const LISTED: Form = Form::Name(Name::Attribute);

/// Checks a file of one form; `free` has the facts that tests set.
pub fn check(text: &str, root: &Node, form: &Form, free: FreeFact<'_>) -> Vec<Diagnostic> {
    let mut walk = Walk { text, free, found: Vec::new() };
    walk.node(root, form);
    walk.found
}

struct Walk<'t> {
    text: &'t str,
    free: FreeFact<'t>,
    found: Vec<Diagnostic>,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node, form: &Form) {
        match &node.kind {
            NodeKind::List(items) => {
                let inner = if matches!(form, Form::Fact) { Some(form) } else { form.item() };
                inner.into_iter().for_each(|form| items.iter().for_each(|item| self.node(item, form)));
            }
            NodeKind::Map(entries) => {
                for entry in entries {
                    self.hidden(entry.key.span, &entry.key.text, Place::Key);
                    let Some(inner) = form.behind(&entry.key.text) else { continue };
                    let listed = matches!((form, inner), (Form::Names(kind, _), Form::Fact) if !(self.free)(*kind, &entry.key.text));
                    self.node(&entry.value, if listed { &LISTED } else { inner });
                }
            }
            NodeKind::Text(written) => {
                self.hidden(node.span, written, Place::of(form));
                if takes_any_text(form) {
                    self.comment(node, written);
                }
            }
            _ => {}
        }
    }

    /// Reports the first invisible character of a key or a value. Escapes are allowed in texts for people; in other
    /// values the decoded character counts.
    fn hidden(&mut self, place: Span, written: &str, what: Place) {
        let raw = self.text.get(place.start as usize..place.end as usize).unwrap_or("");
        let first = if what == Place::Text { character::first_idle } else { character::first_invisible };
        let exact = first(raw).map(|(at, c)| (part(place, at, c.len_utf8()), c));
        let decoded = || first(written).filter(|_| what != Place::Text).map(|(_, c)| (place, c));
        let Some((place, c)) = exact.or_else(decoded) else { return };
        self.found.push(what.refuse(place, c, exact.is_some()));
    }

    /// `text: Your offer #1 is waiting`: the ` #` may or may not begin a comment.
    fn comment(&mut self, node: &Node, written: &str) {
        let behind = comment_behind(self.text, node.span).filter(|_| node.style == Style::Plain);
        let Some(comment) = behind else { return };
        let end = u32::try_from(comment.end).unwrap_or(node.span.end);
        let rest = self.text.get(node.span.end as usize..comment.end).unwrap_or("");
        let corrected = quoted(&format!("{written}{rest}"));
        self.found.push(comment_behind_text(Span { end, ..node.span }, corrected));
    }
}

/// The kinds of places for an invisible character.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Key,
    Expression,
    /// A name, a word, a time, or a text that is compared.
    Value,
    /// A text that people read.
    Text,
}

impl Place {
    fn of(form: &Form) -> Self {
        match form {
            Form::Text => Self::Text,
            Form::Condition => Self::Expression,
            _ => Self::Value,
        }
    }

    fn refuse(self, place: Span, c: char, exact: bool) -> Diagnostic {
        let (within, escape) = (self.name(), character::escape(c));
        let message = format!("an invisible character, {}, stands in this {within}", character::described(c));
        let problem = Diagnostic::error(INVISIBLE_CHARACTER, place, message);
        let plain = if character::is_space(c) { "write a plain space" } else { "remove it" };
        let problem = match self {
            Self::Key | Self::Value => problem.help(plain),
            Self::Expression => problem.help(format!("{plain}; where a text means it, write `{escape}`")),
            Self::Text => {
                problem.help(format!("{plain}; where it is needed, write its escape inside \"...\": `{escape}`"))
            }
        };
        if exact { problem.replace(if character::is_space(c) { " " } else { "" }) } else { problem }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Expression => "expression",
            Self::Value => "value",
            Self::Text => "text",
        }
    }
}

/// A part of a longer place.
fn part(whole: Span, at: usize, length: usize) -> Span {
    let start = whole.start + u32::try_from(at).unwrap_or(0);
    Span { start, end: start + u32::try_from(length).unwrap_or(0), ..whole }
}

/// A text without quotes, and the comment after it.
pub(super) fn comment_behind_text(place: Span, corrected: String) -> Diagnostic {
    let message = "a ` #` begins a comment here, which may have cut this text";
    let help = format!("quote the whole text: `{corrected}`; a comment gets a line of its own");
    Diagnostic::error(COMMENT_BEHIND_TEXT, place, message).help(help).replace(corrected)
}

/// Whether a key takes texts with any characters, `#` included.
fn takes_any_text(form: &Form) -> bool {
    matches!(form, Form::Text | Form::Exact | Form::Fact)
}
