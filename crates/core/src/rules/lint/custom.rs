//! The policy's own lints, evaluated for every action.

use crate::rules::section::lint::Lints;
use std::borrow::Cow;
use std::collections::HashSet;

use compact_str::CompactString;

use super::{Found, tested};
use crate::domain::expr::{Fact, FactId, FactTable, Facts, Property};
use crate::domain::model::Action;
use crate::domain::rule_set::RuleSet;
use crate::domain::value::{Operand, Texts, Truth, normal};
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;
use crate::rules::section::lint::PolicyLint;
use crate::rules::source::Node;

pub(super) fn lint(rules: &RuleSet, lints: &Lints, tests: &[Node]) -> Vec<Found> {
    if lints.list.is_empty() {
        return Vec::new();
    }
    let named = tested::named(tests);
    let of_action = |action| {
        let seen = Seen::of(action, rules, lints, &named);
        let broken = lints.list.iter().filter(|lint| lint.when.evaluate(&seen).truth.holds());
        broken.map(|lint| warn(action, lint, rules)).collect::<Vec<_>>()
    };
    rules.actions.iter().flat_map(|(_, action)| of_action(action)).collect()
}

fn warn(action: &Action, lint: &PolicyLint, rules: &RuleSet) -> Found {
    let message = format!("`{}`: {}", rules.vocabulary.name(action.id), lint.message);
    let warning =
        Diagnostic { severity: lint.severity, ..Diagnostic::warning(code::POLICY_LINT, action.span, message) };
    Found::of(action.id, warning.related(lint.span, "the policy's lint"))
}

/// An action as lints see it.
struct Seen<'r> {
    action: &'r Action,
    rules: &'r RuleSet,
    facts: &'r FactTable,
    title: Cow<'r, str>,
    channels: Vec<CompactString>,
    tested: bool,
}

impl<'r> Seen<'r> {
    fn of(action: &'r Action, rules: &'r RuleSet, lints: &'r Lints, named: &HashSet<&str>) -> Self {
        let channels = action.treatments.ids().map(|id| rules.vocabulary.name(id).into()).collect();
        let tested = named.contains(rules.vocabulary.name(action.id));
        let title = normal(&action.title);
        Self { action, rules, facts: &lints.facts, title, channels, tested }
    }

    #[expect(clippy::cast_precision_loss, reason = "an action has far fewer conditions and limits than 2^52")]
    fn property(&self, property: Property) -> Operand<'_> {
        let (action, vocabulary) = (self.action, &self.rules.vocabulary);
        match property {
            Property::Id => Operand::Text(vocabulary.name(action.id)),
            Property::Title => Operand::Text(&self.title),
            Property::Kind => Operand::Text(action.kind.name()),
            Property::Group => Operand::Text(action.group.map_or("", |id| vocabulary.name(id))),
            Property::Purpose => Operand::Text(vocabulary.name(action.purpose)),
            Property::Asks => Operand::Text(action.asks.map_or("", |id| vocabulary.name(id))),
            Property::Base => Operand::Number(action.relevance.base),
            Property::MostRelevance => Operand::Number(action.relevance.most()),
            Property::Worth => Operand::Number(action.worth),
            Property::Intrusiveness => Operand::Number(action.intrusiveness),
            Property::Channels => Operand::List(Texts::Given(&self.channels)),
            Property::Conditions => Operand::Number(action.conditions().count() as f64),
            Property::Limits => Operand::Number(action.limits.len() as f64),
            Property::HasEnd => Operand::Flag(action.until.is_some()),
            Property::HasTest => Operand::Flag(self.tested),
        }
    }
}

impl Facts for Seen<'_> {
    fn read(&self, fact: FactId) -> Operand<'_> {
        match self.facts.get(fact).map(|entry| &entry.fact) {
            Some(Fact::Action(property)) => self.property(*property),
            _ => Operand::Unknown,
        }
    }

    fn has(&self, _fact: FactId) -> Truth {
        Truth::Unknown
    }
}
