//! Unused declarations: purposes that would be asked for in vain, and personal data without a use.

use std::collections::HashSet;

use super::Found;
use crate::domain::expr::Fact;
use crate::domain::id::{AttributeId, EventTypeId, FieldId, PurposeSet};
use crate::domain::model::{MoveOn, Trigger};
use crate::domain::rule_set::RuleSet;
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;

pub(super) fn lint(rules: &RuleSet) -> Vec<Found> {
    let read = Read::of(rules);
    let found = purposes(rules).into_iter().chain(attributes(rules, &read)).chain(events(rules, &read));
    found.map(Found::from).collect()
}

/// What rules read.
#[derive(Default)]
struct Read {
    attributes: HashSet<AttributeId>,
    events: HashSet<EventTypeId>,
    fields: HashSet<FieldId>,
}

impl Read {
    fn of(rules: &RuleSet) -> Self {
        let mut read = Self::default();
        for (_, entry) in rules.facts.iter() {
            match &entry.fact {
                Fact::Attribute(id) => drop(read.attributes.insert(*id)),
                Fact::EventField(id) => drop(read.fields.insert(*id)),
                Fact::EventCount { event, .. } | Fact::EventLast { event, .. } => drop(read.events.insert(*event)),
                _ => {}
            }
        }
        for (_, journey) in rules.journeys.iter() {
            let moves = journey.stages.iter().flat_map(|stage| &stage.moves).filter_map(|step| match &step.on {
                MoveOn::Trigger(trigger) => Some(trigger),
                MoveOn::After(_) => None,
            });
            read.events.extend(journey.starts.iter().chain(moves).filter_map(|trigger: &Trigger| trigger.event));
        }
        for (id, event) in
            rules.declared.events.iter().filter(|(_, event)| event.hurt > 0.0 || !event.repairs.is_empty())
        {
            read.events.extend(event.repairs.iter().copied().chain([id]));
        }
        read
    }
}

/// A purpose without data, without actions, and without conditions on its consent.
fn purposes(rules: &RuleSet) -> Vec<Diagnostic> {
    let declared = &rules.declared;
    let kept = declared.attributes.iter().filter_map(|(_, attribute)| attribute.purposes);
    let kept = kept.chain(declared.events.iter().map(|(_, event)| event.purposes));
    let served = rules.actions.iter().flat_map(|(_, action)| [Some(action.purpose), action.asks]).flatten();
    let served = served.chain(declared.journeys.iter().map(|(_, journey)| journey.purpose));
    let asked = rules.facts.iter().filter_map(|(_, entry)| match &entry.fact {
        Fact::ConsentGiven(purpose) => Some(*purpose),
        _ => None,
    });
    let served = served.chain(asked);
    let used = kept.fold(served.collect::<PurposeSet>(), PurposeSet::union);
    let unused = declared.purposes.iter().filter(|(id, terms)| !used.contains(*id) && !terms.retired).map(|(id, _)| {
        let span = declared.purpose_spans.get(id).copied().unwrap_or_default();
        let message = format!("nothing uses the purpose `{}`", rules.vocabulary.name(id));
        let help =
            "remove it, or name it where data is declared; asking for a consent that serves nothing wears people out";
        Diagnostic::warning(code::UNUSED_PURPOSE, span, message).help(help)
    });
    unused.collect()
}

/// A personal attribute that no rule reads.
fn attributes(rules: &RuleSet, read: &Read) -> Vec<Diagnostic> {
    let personal = rules.declared.attributes.iter().filter(|(_, declared)| declared.purposes.is_some());
    let unused = personal.filter(|(id, _)| !read.attributes.contains(id)).map(|(id, attribute)| {
        let message = format!("no rule reads `{}`", rules.vocabulary.name(id));
        let help = "remove it: personal data without a use should not be collected";
        Diagnostic::warning(code::UNUSED_ATTRIBUTE, attribute.span, message).help(help)
    });
    unused.collect()
}

/// An event that no rule follows, or a field of one that no rule reads.
fn events(rules: &RuleSet, read: &Read) -> Vec<Diagnostic> {
    let help = "remove it: personal data without a use should not be collected";
    let mut found = Vec::new();
    for (id, event) in rules.declared.events.iter() {
        let name = rules.vocabulary.name(id);
        if !read.events.contains(&id) {
            let message = format!("no rule follows the event `{name}`");
            found.push(Diagnostic::warning(code::UNUSED_EVENT, event.span, message).help(help));
            continue;
        }
        let fields = event.fields.iter().filter(|id| !read.fields.contains(id));
        found.extend(fields.filter_map(|id| rules.declared.fields.get(*id)).map(|field| {
            let message = format!("no rule reads the field `{}` of `{name}`", field.name);
            Diagnostic::warning(code::UNUSED_EVENT, field.span, message).help(help)
        }));
    }
    found
}
