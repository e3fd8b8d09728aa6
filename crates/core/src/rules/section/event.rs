//! `events:` what can happen to a customer, for which purposes it is stored and for how long.

use crate::domain::id::{EventTypeId, PurposeSet, Vocabulary, full_name};
use crate::domain::model::{Declarations, EventType, Field, LATE, LONGEST_LATE, Shape};
use crate::domain::value::Type;
use crate::rules::fields::Fields;
use crate::rules::names::{Names, intern};
use crate::rules::reader;
use crate::rules::section::attribute::shape;
use crate::rules::sink::Sink;
use crate::rules::source::{Entry, Node, NodeKind, Spanned};
use crate::rules::{code, shape};

/// Reads one event type; `repairs` is set by [`link`] when all are known.
pub fn read(entry: &Entry, vocabulary: &mut Vocabulary, declared: &mut Declarations, sink: &Sink) -> Option<EventType> {
    reader::check_id(entry.key.spanned(), false, sink)?;
    let fields = Fields::of(&entry.value, &shape::EVENT, sink)?;
    let set = fields.required("purposes").and_then(|node| Names { vocabulary, declared, sink }.purposes(node));
    let keep = fields.need("keep");
    let hurt = fields.given("hurt");
    let sensitivity = fields.given("sensitivity");
    let late = fields.given("late").unwrap_or(LATE);
    if late > LONGEST_LATE
        && let Some(node) = fields.optional("late")
    {
        let help = "an hour at most: what came before is kept that long, to follow it again";
        reader::refuse::<()>(node.span, code::BAD_DURATION, format!("{late} is too long for `late`"), help, sink);
    }
    let mut ids = Vec::new();
    if let (Some(node), Some(set)) = (fields.optional("fields"), set) {
        for field in reader::map(node, "fields", sink)? {
            let name = full_name(&entry.key.text, &field.key.text);
            let Some(read) = read_field(field, set, Names { vocabulary, declared, sink }) else { continue };
            let id = intern(vocabulary, Spanned { text: &name, span: field.key.span }, sink)?;
            declared.fields.insert(id, read);
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
        late,
        span: entry.key.span,
    })
}

/// Reads `repairs:` of one event type.
pub fn link(entry: &Entry, names: Names<'_>) -> Option<Vec<EventTypeId>> {
    let sink = names.sink;
    let NodeKind::Map(entries) = &entry.value.kind else { return None };
    let node = &entries.iter().find(|field| field.key.text == "repairs")?.value;
    let repaired = match &node.kind {
        NodeKind::List(_) => reader::names(node, sink)?,
        _ => vec![reader::name(node, sink)?],
    };
    let itself = repaired.iter().find(|name| name.text == entry.key.text);
    if let Some(Spanned { text: name, span }) = itself {
        let message = format!("`{name}` cannot repair itself");
        let help = "name the bad experiences that it ends, or give the event that ends this one a name of its own";
        return reader::refuse(*span, code::CONTRADICTION, message, help, sink);
    }
    repaired.into_iter().map(|name| names.event(name)).collect()
}

/// `page: text`, or `page: {type: text, one_of: […], purposes: […]}`.
fn read_field(entry: &Entry, event: PurposeSet, names: Names<'_>) -> Option<Field> {
    let sink = names.sink;
    reader::check_word(entry.key.spanned(), sink)?;
    let name = entry.key.text.clone();
    if let NodeKind::Text(_) = entry.value.kind {
        let kind: Type = reader::one_of(&entry.value, &Type::NAMES, sink)?;
        return Some(Field { name, shape: Shape::of(kind), purposes: event, span: entry.key.span });
    }
    let fields = Fields::of(&entry.value, &shape::FIELD, sink)?;
    let shape = shape(&fields, sink);
    let own = match fields.optional("purposes") {
        Some(node) => narrower(node, event, names)?,
        None => event,
    };
    fields.finish();
    Some(Field { name, shape: shape?, purposes: own, span: entry.key.span })
}

fn narrower(node: &Node, event: PurposeSet, names: Names<'_>) -> Option<PurposeSet> {
    let own = names.purposes(node)?;
    if own.intersection(event) == own {
        return Some(own);
    }
    let help = "a field serves the event's purposes or fewer; add the purpose to the event";
    reader::refuse(
        node.span,
        code::CONTRADICTION,
        "a field may not serve more purposes than its event".into(),
        help,
        names.sink,
    )
}
