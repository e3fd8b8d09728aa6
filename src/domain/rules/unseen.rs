//! What nobody sees who reads a rule file: that a ` #` took the rest of a text for a comment.
//!
//! Both questions need to know what a key takes, so they are asked of nodes and forms, beside `source`, which knows YAML
//! only: a comment behind a name or a number is a comment, behind a text without quotes it may be the text's own end.

use super::code::COMMENT_BEHIND_TEXT;
use super::diagnostic::{Diagnostic, Span};
use super::shape::{Form, Name};
use super::source::{Node, NodeKind, Style, comment_behind, quoted};

/// Whether a fact may have any text; where its values are listed, a comment behind one is a comment.
type FreeFact<'f> = &'f dyn Fn(Name, &str) -> bool;

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
                    let Some(inner) = form.behind(&entry.key.text) else { continue };
                    match (form, inner) {
                        (Form::Names(kind, _), Form::Fact) if !(self.free)(*kind, &entry.key.text) => {}
                        _ => self.node(&entry.value, inner),
                    }
                }
            }
            NodeKind::Text(written) if takes_any_text(form) => self.comment(node, written),
            _ => {}
        }
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
