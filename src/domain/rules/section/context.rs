//! `context:` facts of this moment that a channel gives with its question.

use super::attribute::{Shape, shape};
use crate::domain::rules::code;
use crate::domain::rules::diagnostic::Span;
use crate::domain::rules::reader::{self, Fields};
use crate::domain::rules::shape;
use crate::domain::rules::sink::Sink;
use crate::domain::rules::source::Entry;

/// A declared context fact. It is used for this decision alone and never kept with the customer.
#[derive(Debug, Clone)]
pub struct ContextFact {
    /// Its type and allowed values.
    pub shape: Shape,
    /// Where it is declared.
    pub span: Span,
}

/// Reads one context fact.
pub fn read(entry: &Entry, sink: &Sink) -> Option<ContextFact> {
    reader::check_id(&entry.key.text, entry.key.span, false, sink)?;
    let fields = Fields::of(&entry.value, &shape::CONTEXT, sink)?;
    let shape = shape(&fields, sink);
    let personal = fields.optional("personal").map(|node| (node, reader::flag(node, sink)));
    fields.finish();
    let help = "say `personal: false`: what a channel says of the moment must not be personal data. \
                Send personal facts as attributes, where consent is checked";
    match personal {
        Some((_, Some(false))) => {}
        Some((_, None)) => return None,
        Some((node, Some(true))) => {
            return reader::refuse(
                node.span,
                code::NO_DEFAULT_ALLOWED,
                "context cannot be personal".into(),
                help,
                sink,
            );
        }
        None => {
            let message = format!("`{}` does not say whether it is personal", entry.key.text);
            return reader::refuse(entry.key.span, code::NO_DEFAULT_ALLOWED, message, help, sink);
        }
    }
    Some(ContextFact { shape: shape?, span: entry.key.span })
}
