//! Warnings about rules that load and work, but hold something that is probably not meant. One file a family.
//!
//! A lint that says "never" is sure of it: what it cannot tell, it leaves alone. An action may silence one with `allow`.

mod ask;
mod contradiction;
mod custom;
mod limit;
mod score;
mod stage;
mod tested;
mod twin;
mod unused;

use super::diagnostic::{Diagnostic, Severity};
use super::rule_set::RuleSet;
use super::source::Node;
use crate::domain::id::ActionId;

/// A warning, and the action that it is about, if it is about one.
struct Found {
    action: Option<ActionId>,
    diagnostic: Diagnostic,
}

impl Found {
    fn of(action: ActionId, diagnostic: Diagnostic) -> Self {
        Self { action: Some(action), diagnostic }
    }
}

impl From<Diagnostic> for Found {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { action: None, diagnostic }
    }
}

/// Every warning about a rule set and the test files beside it, but for those that actions allow.
#[must_use]
pub fn lint(rules: &RuleSet, tests: &[Node]) -> Vec<Diagnostic> {
    let families =
        [unused::lint, stage::lint, contradiction::lint, score::lint, ask::lint, limit::lint, twin::lint].into_iter();
    let found = families.flat_map(|family| family(rules));
    let found = found.chain(tested::lint(rules, tests)).chain(custom::lint(rules, tests));
    let allowed = |found: &Found| {
        let action = found.action.and_then(|id| rules.actions.get(id));
        let diagnostic = &found.diagnostic;
        diagnostic.severity == Severity::Warning && action.is_some_and(|action| action.allow.contains(&diagnostic.code))
    };
    found.filter(|found| !allowed(found)).map(|found| found.diagnostic).collect()
}

#[cfg(test)]
mod tests;
