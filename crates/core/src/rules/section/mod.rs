//! The sections of rule files: each file reads YAML into types of [`crate::domain::model`].
//!
//! Names are declared before expressions are compiled, so the order of files and sections does not matter.

pub mod action;
pub mod attribute;
pub mod channel;
pub mod condition;
pub mod context;
pub mod event;
pub mod journey;
pub mod limit;
pub mod lint;
pub mod policy;
pub mod purpose;
pub mod template;

use super::reader;
use super::sink::Sink;
use super::source::Node;
use crate::domain::id::{Id, IdMap, PurposeId, PurposeSet, Vocabulary};
use crate::domain::purpose::Purpose;
use crate::domain::sources::Span;

/// The id of a name; reports too many names.
pub(super) fn intern<I: Id>(vocabulary: &mut Vocabulary, name: &str, span: Span, sink: &Sink) -> Option<I> {
    match vocabulary.intern(name) {
        Ok(id) => Some(id),
        Err(full) => reader::refuse(
            span,
            super::code::TOO_MANY,
            full.to_string(),
            "use fewer, or reuse earlier names; a name keeps its number in the data folder, so that no customer is misread",
            sink,
        ),
    }
}

/// Looks up a declared name.
pub(super) fn find<I: Id, T>(
    (name, span): (&str, Span),
    kind: &str,
    (vocabulary, declared): (&Vocabulary, &IdMap<I, T>),
    sink: &Sink,
) -> Option<I> {
    let id = vocabulary.find::<I>(name).filter(|id| declared.get(*id).is_some());
    id.or_else(|| reader::unknown((name, span), kind, declared.ids().map(|id| vocabulary.name(id)), sink))
}

/// Looks up a purpose for use, so not a retired one.
pub(super) fn find_purpose(
    (name, span): (&str, Span),
    (vocabulary, declared): (&Vocabulary, &IdMap<PurposeId, Purpose>),
    sink: &Sink,
) -> Option<PurposeId> {
    let id = find((name, span), "purpose", (vocabulary, declared), sink)?;
    if declared.get(id).is_some_and(|purpose| purpose.retired) {
        let message = format!("the purpose `{name}` is retired, so nothing may be done for it");
        return reader::refuse(span, super::code::CONTRADICTION, message, "name a purpose that is in use", sink);
    }
    Some(id)
}

/// A list of purposes, at least one.
pub(super) fn purposes(
    node: &Node,
    (vocabulary, declared): (&Vocabulary, &IdMap<PurposeId, Purpose>),
    sink: &Sink,
) -> Option<PurposeSet> {
    let help = "name at least one purpose; no purpose would mean that the data may never be used";
    reader::filled(node, "this list of purposes is empty", help, sink)?;
    reader::texts(node, sink)?.into_iter().map(|name| find_purpose(name, (vocabulary, declared), sink)).collect()
}
