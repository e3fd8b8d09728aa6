//! `attributes:` what may be known about a customer, and for which purposes.

use crate::domain::model::{Attribute, Shape};
use compact_str::CompactString;

use crate::domain::value::{Type, normal};
use crate::rules::diagnostic::Diagnostic;
use crate::rules::fields::Fields;
use crate::rules::names::Names;
use crate::rules::reader;
use crate::rules::sink::Sink;
use crate::rules::source::{Entry, Node};
use crate::rules::{code, shape};

/// Reads one attribute.
pub fn read(entry: &Entry, names: Names<'_>) -> Option<Attribute> {
    let sink = names.sink;
    let name = &entry.key.text;
    reader::check_id(entry.key.spanned(), false, sink)?;
    if !name.starts_with("customer.") {
        let instead = format!("customer.{name}");
        let message = format!("an attribute's name begins with `customer.`; `{name}` does not");
        let diagnostic = Diagnostic::error(code::BAD_ID, entry.key.span, message);
        sink.push(diagnostic.help(format!("call it `{instead}`")).replace(instead));
        return None;
    }
    let fields = Fields::of(&entry.value, &shape::ATTRIBUTE, sink)?;
    let shape = shape(&fields, sink);
    let personal = fields.optional("personal").map(|node| (node, reader::flag(node, sink)));
    let named = fields.optional("purposes").and_then(|node| names.purposes(node).map(|set| (node, set)));
    let has_purposes = fields.optional("purposes").is_some();
    let sensitivity = fields.given("sensitivity");
    fields.finish();
    let purposes = match (personal, named) {
        (Some((node, Some(false))), Some(_)) => {
            let help = "remove `personal: false`, or remove the purposes";
            reader::refuse(node.span, code::CONTRADICTION, "not personal, yet it names purposes".into(), help, sink)?
        }
        (Some((_, Some(false))), None) => None,
        (_, Some((_, set))) => Some(set),
        (_, None) if has_purposes => return None,
        (_, None) => {
            let help = "say `personal: false`, or name its `purposes`: there is no default";
            return reader::refuse(
                entry.key.span,
                code::NO_DEFAULT_ALLOWED,
                format!("`{name}` does not say what it may be used for"),
                help,
                sink,
            );
        }
    };
    Some(Attribute { shape: shape?, purposes, sensitivity: sensitivity.unwrap_or(0.0), span: entry.key.span })
}

/// Reads `type:` and `one_of:`.
pub fn shape(fields: &Fields<'_>, sink: &Sink) -> Option<Shape> {
    let kind = fields.need("type")?;
    let Some(node) = fields.optional("one_of") else {
        return Some(Shape::of(kind));
    };
    if !matches!(kind, Type::Text | Type::List) {
        let help = "remove `one_of`, or make it a `text`";
        return reader::refuse(node.span, code::CONTRADICTION, format!("a {kind} cannot have `one_of`"), help, sink);
    }
    let values = allowed(node, sink)?;
    Some(Shape { kind, one_of: Some(values) })
}

fn allowed(node: &Node, sink: &Sink) -> Option<Vec<CompactString>> {
    let help = "list the values, or leave `one_of` out to allow any";
    reader::filled(node, "an empty `one_of` allows nothing", help, sink)?;
    let values = reader::names(node, sink)?;
    Some(values.into_iter().map(|value| normal(value.text).into()).collect())
}
