//! `journeys:` a customer's progress, in stages.

use crate::domain::expr::{FactTable, NO_STAGE};
use crate::domain::id::{EventTypeId, StageId, Vocabulary, full_name};
use crate::domain::model::{Declarations, Journey, JourneyHead, JourneyStage, Move, MoveOn, Trigger};
use crate::rules::expr::Scope;
use crate::rules::fields::Fields;
use crate::rules::names::{Names, intern};
use crate::rules::reader;
use crate::rules::section::condition;
use crate::rules::sink::Sink;
use crate::rules::source::{Entry, Node, NodeKind, Spanned};
use crate::rules::{code, shape};

/// Reads a journey's name, purpose and stages, so that expressions can name them.
pub fn read_head(
    entry: &Entry,
    vocabulary: &mut Vocabulary,
    declared: &Declarations,
    sink: &Sink,
) -> Option<JourneyHead> {
    let name = &entry.key.text;
    reader::check_word(entry.key.spanned(), sink)?;
    let fields = Fields::of(&entry.value, &shape::JOURNEY, sink)?;
    let names = Names { vocabulary, declared, sink };
    let purpose = fields.required("purpose").and_then(|node| names.purpose(reader::name(node, sink)?));
    let sensitivity = fields.given("sensitivity");
    let mut stages = Vec::new();
    for stage in reader::map(fields.required("stages")?, "stages", sink)? {
        reader::check_id(stage.key.spanned(), true, sink)?;
        if stage.key.text == NO_STAGE {
            let help = "choose another name";
            return reader::refuse(
                stage.key.span,
                code::BAD_ID,
                "`none` is the stage of a journey not begun".into(),
                help,
                sink,
            );
        }
        let full = full_name(name, &stage.key.text);
        let id = intern(vocabulary, Spanned { text: &full, span: stage.key.span }, sink)?;
        stages.push((stage.key.text.clone(), id));
    }
    if stages.is_empty() {
        let help = "a journey has at least one stage";
        return reader::refuse(entry.key.span, code::EMPTY_LIST, format!("`{name}` has no stages"), help, sink);
    }
    Some(JourneyHead { purpose: purpose?, sensitivity: sensitivity.unwrap_or(0.0), stages, span: entry.key.span })
}

/// Reads the rest of a journey.
pub fn read(entry: &Entry, head: &JourneyHead, scope: Scope<'_>, facts: &mut FactTable) -> Option<Journey> {
    let sink = scope.sink;
    let fields = Fields::of(&entry.value, &shape::JOURNEY, sink)?;
    let again_after = fields.given("again_after");
    let starts = fields.required("start").and_then(|node| starts(node, scope, facts));
    let node = fields.required("stages");
    fields.finish();
    let stages = stages(node?, head, scope, facts);
    Some(Journey { starts: starts?, stages: stages?, again_after })
}

fn starts(node: &Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<Vec<Trigger>> {
    reader::filled(node, "without a start it never begins", "name the events that begin it", scope.sink)?;
    let items = match &node.kind {
        NodeKind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let read = |item: &Node, facts: &mut FactTable| {
        let fields = Fields::of(item, &shape::START, scope.sink)?;
        fields.required("event")?;
        let trigger = trigger(&fields, scope, facts);
        fields.finish();
        trigger
    };
    let starts: Vec<Option<Trigger>> = items.iter().map(|item| read(item, facts)).collect();
    starts.into_iter().collect()
}

fn trigger(fields: &Fields<'_>, scope: Scope<'_>, facts: &mut FactTable) -> Option<Trigger> {
    let event = fields.may_with("event", |node| known_event(node, scope))?;
    let when = fields.may_with("when", |node| condition::read(node, Scope { event, ..scope }, facts))?;
    Some(Trigger { event, when })
}

fn known_event(node: &Node, scope: Scope<'_>) -> Option<EventTypeId> {
    let name = reader::name(node, scope.sink)?;
    let id = scope.names().event(name)?;
    let name = name.text;
    let purposes = scope.declared.events.get(id)?.purposes;
    if purposes.contains(scope.purpose) {
        return Some(id);
    }
    let own = scope.vocabulary.name(scope.purpose);
    let message = format!("a journey for `{own}` may not follow `{name}`, which is not kept for it");
    let help = format!("add `{own}` to the purposes of `{name}` if the notice covers it");
    reader::refuse(node.span, code::EXPRESSION_PURPOSE, message, &help, scope.sink)
}

fn stages(node: &Node, head: &JourneyHead, scope: Scope<'_>, facts: &mut FactTable) -> Option<Vec<JourneyStage>> {
    let entries = reader::map(node, "stages", scope.sink)?;
    let read: Vec<Option<JourneyStage>> =
        entries.iter().zip(&head.stages).map(|(entry, (_, id))| stage(entry, *id, head, scope, facts)).collect();
    read.into_iter().collect()
}

fn stage(
    entry: &Entry,
    id: StageId,
    head: &JourneyHead,
    scope: Scope<'_>,
    facts: &mut FactTable,
) -> Option<JourneyStage> {
    let sink = scope.sink;
    let fields = Fields::of(&entry.value, &shape::STAGE, sink)?;
    let goal = fields.given("goal").unwrap_or(false);
    let end = fields.given("end").unwrap_or(false);
    let moves = fields.list_with("moves", |item| read_move(item, head, scope, facts));
    fields.finish();
    Some(JourneyStage { id, moves: moves?, goal, end, span: entry.key.span })
}

fn read_move(node: &Node, head: &JourneyHead, scope: Scope<'_>, facts: &mut FactTable) -> Option<Move> {
    let sink = scope.sink;
    let fields = Fields::of(node, &shape::MOVE, sink)?;
    let to = fields.required("to").and_then(|node| stage_named(node, head, sink));
    let after = fields.may("after");
    let trigger = trigger(&fields, scope, facts);
    fields.finish();
    let on = match (after?, trigger?) {
        (Some(after), Trigger { event: None, when: None }) => MoveOn::After(after),
        (None, trigger) if trigger.event.is_some() || trigger.when.is_some() => MoveOn::Trigger(trigger),
        _ => {
            let help =
                "write `{to: lapsed, after: 30 days}`, or `{to: ordered, event: order}`, with `when` if you like";
            return reader::refuse(
                node.span,
                code::MISSING_KEY,
                "a move has either `after`, or `event` and `when`".into(),
                help,
                sink,
            );
        }
    };
    Some(Move { to: to?, on, span: node.span })
}

fn stage_named(node: &Node, head: &JourneyHead, sink: &Sink) -> Option<StageId> {
    let name = reader::name(node, sink)?;
    let found = head.stages.iter().find(|(stage, _)| stage == name.text).map(|(_, id)| *id);
    found.or_else(|| {
        reader::unknown(name, "stage of this journey", head.stages.iter().map(|(stage, _)| stage.as_str()), sink)
    })
}
