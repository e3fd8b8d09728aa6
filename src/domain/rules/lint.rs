//! Warnings about rules that load and work, but hold something that is probably not meant.

use std::collections::HashSet;

use super::code;
use super::diagnostic::Diagnostic;
use super::expr::Fact;
use super::rule_set::RuleSet;
use super::section::action::Action;
use crate::domain::action::ActionKind;
use crate::domain::id::{AttributeId, PurposeSet};

/// Every warning about a rule set.
#[must_use]
pub fn lint(rules: &RuleSet) -> Vec<Diagnostic> {
    let hopeless = rules.actions.iter().filter_map(|(_, action)| never_wins(action, rules));
    unused_purposes(rules).chain(unused_attributes(rules)).chain(hopeless).collect()
}

/// A purpose for which nothing is kept and nothing done.
fn unused_purposes(rules: &RuleSet) -> impl Iterator<Item = Diagnostic> {
    let declared = &rules.declared;
    let kept = declared.attributes.iter().filter_map(|(_, attribute)| attribute.purposes);
    let kept = kept.chain(declared.events.iter().map(|(_, event)| event.purposes));
    let served = rules.actions.iter().flat_map(|(_, action)| [Some(action.purpose), action.asks]).flatten();
    let served = served.chain(declared.journeys.iter().map(|(_, journey)| journey.purpose));
    let used = PurposeSet(kept.fold(0, |all, set| all | set.0) | served.fold(0, |all, id| all | PurposeSet::of(id).0));
    declared.purposes.iter().filter(move |(id, terms)| !used.contains(*id) && !terms.retired).map(|(id, _)| {
        let span = declared.purpose_spans.get(id).copied().unwrap_or_default();
        let message = format!("nobody uses the purpose `{}`", rules.vocabulary.name(id));
        let help =
            "remove it, or name it where data is declared; asking for a consent that serves nothing wears people out";
        Diagnostic::warning(code::UNUSED_PURPOSE, span, message).help(help)
    })
}

/// A personal attribute that no rule reads: data kept without a use.
fn unused_attributes(rules: &RuleSet) -> impl Iterator<Item = Diagnostic> {
    let read: HashSet<AttributeId> = rules
        .facts
        .iter()
        .filter_map(|(_, entry)| match entry.fact {
            Fact::Attribute(id) => Some(id),
            _ => None,
        })
        .collect();
    let unused = rules
        .declared
        .attributes
        .iter()
        .filter(move |(id, declared)| declared.purposes.is_some() && !read.contains(id));
    unused.map(|(id, attribute)| {
        let message = format!("no rule reads `{}`", rules.vocabulary.name(id));
        let help = "remove it: personal data without a use should not be collected";
        Diagnostic::warning(code::UNUSED_ATTRIBUTE, attribute.span, message).help(help)
    })
}

/// An action whose best score, with every point it can get, is not above silence.
fn never_wins(action: &Action, rules: &RuleSet) -> Option<Diagnostic> {
    if action.kind == ActionKind::ConsentAsk {
        return None;
    }
    let gains = action.relevance.add.iter().map(|points| points.points.max(0.0));
    let relevance = (action.relevance.base + gains.sum::<f64>()).clamp(0.0, 100.0);
    let interruptions = action.treatments.ids().filter_map(|id| {
        let interruption = &rules.declared.channels.get(id)?.interruption;
        let listed = interruption.by_activity.iter().map(|(_, points)| *points);
        Some(listed.fold(interruption.otherwise, f64::min))
    });
    let best = relevance * action.worth - action.intrusiveness - interruptions.fold(f64::INFINITY, f64::min);
    let threshold = rules.policy.arbitration.threshold;
    if best > threshold {
        return None;
    }
    let message = format!("`{}` can never win: at best it scores {best:.1}", rules.vocabulary.name(action.id));
    let help = format!("it must come above {threshold}: raise its relevance or worth, or lower its intrusiveness");
    Some(Diagnostic::warning(code::NEVER_WINS, action.span, message).help(help))
}
