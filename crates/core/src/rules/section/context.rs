//! `context:` facts of the moment that a channel sends with its question.

use crate::domain::model::ContextFact;
use crate::rules::fields::Fields;
use crate::rules::reader;
use crate::rules::section::attribute::shape;
use crate::rules::sink::Sink;
use crate::rules::source::Entry;
use crate::rules::{code, shape};

/// Reads one context fact.
pub fn read(entry: &Entry, sink: &Sink) -> Option<ContextFact> {
    reader::check_id(entry.key.spanned(), false, sink)?;
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
