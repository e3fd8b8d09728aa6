//! What nobody sees who reads a rule file: that a ` #` took the rest of a text for a comment, and characters without a
//! shape.
//!
//! Both questions need to know what a key takes, so they are asked of nodes and forms, beside `source`, which knows YAML
//! only: a comment behind a name or a number is a comment, behind a text without quotes it may be the text's own end.

use super::character;
use super::code::{COMMENT_BEHIND_TEXT, INVISIBLE_CHARACTER};
use super::shape::{Form, Name};
use super::source::{Node, NodeKind, Style, comment_behind, quoted};
use crate::domain::sources::Span;
use crate::rules::diagnostic::Diagnostic;

/// Whether a fact may have any text; where its values are listed, a comment behind one is a comment.
type FreeFact<'f> = &'f dyn Fn(Name, &str) -> bool;

/// A fact that has one of some values is as good as a name.
const LISTED: Form = Form::Name(Name::Attribute);

/// Looks through a file of one form; `free` knows the facts that tests give.
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

    /// The first character of a key or a value that nobody sees. Escapes may stand where people read; elsewhere what
    /// they come to counts.
    fn hidden(&mut self, place: Span, written: &str, what: Place) {
        let raw = self.text.get(place.start as usize..place.end as usize).unwrap_or("");
        let first = if what == Place::Text { character::first_idle } else { character::first_invisible };
        let exact = first(raw).map(|(at, c)| (part(place, at, c.len_utf8()), c));
        let decoded = || first(written).filter(|_| what != Place::Text).map(|(_, c)| (place, c));
        let Some((place, c)) = exact.or_else(decoded) else { return };
        self.found.push(what.refuse(place, c, exact.is_some()));
    }

    /// `text: Your offer #1 is waiting`: whether the ` #` was meant so cannot be told.
    fn comment(&mut self, node: &Node, written: &str) {
        let behind = comment_behind(self.text, node.span).filter(|_| node.style == Style::Plain);
        let Some(comment) = behind else { return };
        let end = u32::try_from(comment.end).unwrap_or(node.span.end);
        let rest = self.text.get(node.span.end as usize..comment.end).unwrap_or("");
        let corrected = quoted(&format!("{written}{rest}"));
        self.found.push(comment_behind_text(Span { end, ..node.span }, corrected));
    }
}

/// Where a character stands that nobody sees.
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

/// Some bytes of a longer place.
fn part(whole: Span, at: usize, length: usize) -> Span {
    let start = whole.start + u32::try_from(at).unwrap_or(0);
    Span { start, end: start + u32::try_from(length).unwrap_or(0), ..whole }
}

/// A text without quotes, and the comment behind it.
pub(super) fn comment_behind_text(place: Span, corrected: String) -> Diagnostic {
    let message = "a ` #` begins a comment here, which may have cut this text";
    let help = format!("quote the whole text: `{corrected}`; a comment gets a line of its own");
    Diagnostic::error(COMMENT_BEHIND_TEXT, place, message).help(help).replace(corrected)
}

/// Whether a key takes texts with any signs in them, a `#` among them.
fn takes_any_text(form: &Form) -> bool {
    matches!(form, Form::Text | Form::Exact | Form::Fact)
}
