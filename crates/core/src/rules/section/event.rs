//! `events:` what can happen to a customer, for which purposes it is stored and for how long.

use super::{find, intern, purposes};
use crate::domain::id::{EventTypeId, FieldId, IdMap, PurposeId, PurposeSet, Vocabulary, full_name};
use crate::domain::model::{EventType, Field, Shape};
use crate::domain::purpose::Purpose;
use crate::domain::value::Type;
use crate::rules::reader::{self, Fields};
use crate::rules::section::attribute::shape;
use crate::rules::sink::Sink;
use crate::rules::source::{Entry, Node, NodeKind};
use crate::rules::{code, shape};

/// Reads one event type; `repairs` is set by [`link`] when all are known.
pub fn read(
    entry: &Entry,
    (vocabulary, declared): (&mut Vocabulary, &IdMap<PurposeId, Purpose>),
    fields_out: &mut IdMap<FieldId, Field>,
    sink: &Sink,
) -> Option<EventType> {
    reader::check_id(&entry.key.text, entry.key.span, false, sink)?;
    let fields = Fields::of(&entry.value, &shape::EVENT, sink)?;
    let set = fields.required("purposes").and_then(|node| purposes(node, (vocabulary, declared), sink));
    let keep = fields.required("keep").and_then(|node| reader::period(node, sink));
    let hurt = fields.optional("hurt").and_then(|node| reader::number(node, (0.0, 1_000.0), sink));
    let sensitivity = fields.optional("sensitivity").and_then(|node| reader::number(node, (0.0, 1.0), sink));
    fields.optional("repairs");
    let mut ids = Vec::new();
    if let (Some(node), Some(set)) = (fields.optional("fields"), set) {
        for field in reader::map(node, "fields", sink)? {
            let name = full_name(&entry.key.text, &field.key.text);
            let Some(read) = read_field(field, set, (vocabulary, declared), sink) else { continue };
            let id = intern(vocabulary, &name, field.key.span, sink)?;
            fields_out.insert(id, read);
            ids.push(id);
        }
    }
    fields.finish();
    Some(EventType {
        fields: ids,
        purposes: set?,
        keep: keep?,
        hurt: hurt.unwrap_or(0.0),
        repairs: Vec::new(),
        sensitivity: sensitivity.unwrap_or(0.0),
        span: entry.key.span,
    })
}

/// Reads `repairs:` of one event type.
pub fn link(
    entry: &Entry,
    (vocabulary, declared): (&Vocabulary, &IdMap<EventTypeId, EventType>),
    sink: &Sink,
) -> Option<Vec<EventTypeId>> {
    let NodeKind::Map(entries) = &entry.value.kind else { return None };
    let node = &entries.iter().find(|field| field.key.text == "repairs")?.value;
    let names = match &node.kind {
        NodeKind::List(_) => reader::texts(node, sink)?,
        _ => vec![(reader::text(node, sink)?, node.span)],
    };
    let itself = names.iter().find(|(name, _)| *name == entry.key.text);
    if let Some((name, span)) = itself {
        let message = format!("`{name}` cannot repair itself");
        let help = "name the bad experiences that it ends, or give the event that ends this one a name of its own";
        return reader::refuse(*span, code::CONTRADICTION, message, help, sink);
    }
    names.into_iter().map(|name| find(name, "event", (vocabulary, declared), sink)).collect()
}

/// `page: text`, or `page: {type: text, one_of: […], purposes: […]}`.
fn read_field(
    entry: &Entry,
    event: PurposeSet,
    declared: (&Vocabulary, &IdMap<PurposeId, Purpose>),
    sink: &Sink,
) -> Option<Field> {
    reader::check_word(&entry.key.text, entry.key.span, sink)?;
    let name = entry.key.text.clone();
    if let NodeKind::Text(_) = entry.value.kind {
        let kind: Type = reader::one_of(&entry.value, &Type::NAMES, sink)?;
        return Some(Field { name, shape: Shape::of(kind), purposes: event, span: entry.key.span });
    }
    let fields = Fields::of(&entry.value, &shape::FIELD, sink)?;
    let shape = shape(&fields, sink);
    let own = match fields.optional("purposes") {
        Some(node) => narrower(node, event, declared, sink)?,
        None => event,
    };
    fields.finish();
    Some(Field { name, shape: shape?, purposes: own, span: entry.key.span })
}

fn narrower(
    node: &Node,
    event: PurposeSet,
    declared: (&Vocabulary, &IdMap<PurposeId, Purpose>),
    sink: &Sink,
) -> Option<PurposeSet> {
    let own = purposes(node, declared, sink)?;
    if own.intersection(event) == own {
        return Some(own);
    }
    let help = "a field serves the event's purposes or fewer; add the purpose to the event";
    reader::refuse(
        node.span,
        code::CONTRADICTION,
        "a field may not serve more purposes than its event".into(),
        help,
        sink,
    )
}
