//! Conditions that can never hold together.
//!
//! Conditions become alternatives of demands on single facts, as in the index; each demand is then intersected with the
//! possible values of the fact: its listed values, the channels of the action, the stages that a journey reaches.
//! Whatever the demands do not express counts as possible, so there are no false positives.

use std::collections::BTreeSet;

use super::{Found, stage};
use crate::domain::expr::{Comparison, Fact, FactEntry, FactId, NO_STAGE};
use crate::domain::index::{Allowed, Clause, Dimension, alternatives};
use crate::domain::model::{Action, Condition, Journey, MoveOn};
use crate::domain::rule_set::RuleSet;
use crate::domain::value::{Type, Value};
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;

pub(super) fn lint(rules: &RuleSet) -> Vec<Found> {
    let actions = rules.actions.iter().flat_map(|(_, action)| of_action(action, rules));
    let journeys = rules.journeys.iter().flat_map(|(_, journey)| of_journey(journey, rules)).map(Found::from);
    actions.chain(journeys).collect()
}

/// The possible values of facts, for one action or one journey.
pub(super) struct Possible<'r> {
    rules: &'r RuleSet,
    action: Option<&'r Action>,
}

impl<'r> Possible<'r> {
    pub fn of(rules: &'r RuleSet, action: Option<&'r Action>) -> Self {
        Self { rules, action }
    }

    /// Whether all of these can hold at one moment; true if unsure.
    pub fn together<'c>(&self, conditions: impl IntoIterator<Item = &'c Condition>) -> bool {
        alternatives(conditions, &self.rules.facts).iter().any(|clause| self.can_hold(clause))
    }

    fn can_hold(&self, clause: &Clause) -> bool {
        let present = |fact: FactId| {
            let compared = |dimension: &Dimension| !matches!(dimension, Dimension::Has(_)) && dimension.fact() == fact;
            clause.demands.iter().any(|(dimension, _)| compared(dimension))
        };
        clause.demands.iter().all(|(dimension, allowed)| {
            let range = match dimension {
                Dimension::Fact(fact) => self.range(*fact),
                // A compared fact has a value.
                Dimension::Has(fact) => {
                    present(*fact).then(|| Allowed::comparison(Comparison::Equal, &Value::Flag(true))).flatten()
                }
                Dimension::SinceNow(..) => None,
            };
            range.and_then(|range| range.intersection(allowed)).is_none_or(|common| !common.is_empty())
        })
    }

    /// The values that a fact can have; `None` if any.
    fn range(&self, fact: FactId) -> Option<Allowed> {
        let entry = self.rules.facts.get(fact)?;
        match &entry.fact {
            Fact::Channel => {
                let channels = self.action?.treatments.ids().map(|id| self.rules.vocabulary.name(id));
                texts(channels)
            }
            Fact::Stage(id) => {
                let reached = stage::reachable(self.rules.journeys.get(*id)?).into_iter();
                let names = reached.map(|id| self.rules.vocabulary.local_name(id));
                texts(names.chain([NO_STAGE]))
            }
            Fact::EventCount { .. } | Fact::OutcomeCount { .. } | Fact::Pressure | Fact::Hurt => {
                Allowed::comparison(Comparison::GreaterOrEqual, &Value::Number(0.0))
            }
            Fact::LocalHour => between(0.0, 23.0),
            Fact::LocalMonth => between(1.0, 12.0),
            _ => listed(entry),
        }
    }
}

fn texts<'t>(texts: impl Iterator<Item = &'t str>) -> Option<Allowed> {
    Some(Allowed::Texts(texts.map(Into::into).collect::<BTreeSet<_>>()))
}

fn listed(entry: &FactEntry) -> Option<Allowed> {
    let values = entry.one_of.as_ref().filter(|_| entry.kind == Type::Text)?;
    texts(values.iter().map(AsRef::as_ref))
}

fn between(from: f64, to: f64) -> Option<Allowed> {
    let from = Allowed::comparison(Comparison::GreaterOrEqual, &Value::Number(from))?;
    from.intersection(&Allowed::comparison(Comparison::LessOrEqual, &Value::Number(to))?)
}

fn of_action(action: &Action, rules: &RuleSet) -> Vec<Found> {
    let possible = Possible::of(rules, Some(action));
    let name = rules.vocabulary.name(action.id);
    let conditions: Vec<&Condition> = action.conditions().collect();
    if !possible.together(conditions.iter().copied()) {
        let never = format!("`{name}` can never be chosen");
        return vec![Found::of(action.id, conflict(&conditions, &possible, action, &never))];
    }
    let dead =
        action.relevance.add.iter().filter(|points| !possible.together(action.conditions().chain([&points.when])));
    let warn = |when: &Condition| {
        let other = conditions.iter().find(|other| !possible.together([**other, when]));
        let message = format!("these points of `{name}` can never count: `{}` is never true with it", when.text());
        let help = "change the condition of the points or those of the action, or remove the points";
        let warning = Diagnostic::warning(code::CONTRADICTORY_CONDITIONS, when.span(), message).help(help);
        Found::of(action.id, related(warning, other.copied()))
    };
    dead.map(|points| warn(&points.when)).collect()
}

/// The single condition, or the pair, that cannot hold.
fn conflict(conditions: &[&Condition], possible: &Possible<'_>, action: &Action, never: &str) -> Diagnostic {
    let help = "change one of the conditions, or remove the action";
    let warn = |span, message: String| Diagnostic::warning(code::CONTRADICTORY_CONDITIONS, span, message).help(help);
    if let Some(alone) = conditions.iter().find(|one| !possible.together([**one])) {
        return warn(alone.span(), format!("{never}: `{}` is never true here", alone.text()));
    }
    for (index, one) in conditions.iter().enumerate() {
        let earlier = conditions.iter().take(index).find(|earlier| !possible.together([**earlier, *one]));
        if let Some(earlier) = earlier {
            let message = format!("{never}: `{}` and `{}` are never true together", earlier.text(), one.text());
            return related(warn(one.span(), message), Some(earlier));
        }
    }
    warn(action.span, format!("{never}: its conditions are never all true"))
}

fn related(warning: Diagnostic, other: Option<&Condition>) -> Diagnostic {
    match other {
        Some(other) => warning.related(other.span(), "the other one"),
        None => warning,
    }
}

fn of_journey(journey: &Journey, rules: &RuleSet) -> Vec<Diagnostic> {
    let possible = Possible::of(rules, None);
    let moves = journey.stages.iter().flat_map(|stage| &stage.moves).filter_map(|step| match &step.on {
        MoveOn::Trigger(trigger) => Some(trigger),
        MoveOn::After(_) => None,
    });
    let conditions = journey.starts.iter().chain(moves).filter_map(|trigger| trigger.when.as_ref());
    let never = conditions.filter(|when| !possible.together([*when])).map(|when| {
        let message = format!("`{}` is never true, so this never happens", when.text());
        let help = "change the condition, or remove what depends on it";
        Diagnostic::warning(code::CONTRADICTORY_CONDITIONS, when.span(), message).help(help)
    });
    never.collect()
}

#[cfg(test)]
mod tests;
