//! Warnings about rules that load and work, but probably contain a mistake. One file for each family.
//!
//! A lint reports "never" only if it is certain. An action can silence a lint with `allow`.

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
use super::source::Node;
use crate::domain::id::{ActionId, IdMap};
use crate::domain::rule_set::RuleSet;
use crate::rules::diagnostic::Code;
use crate::rules::section::lint::Lints;

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

/// The parts of rule files that only lints read.
#[derive(Debug, Default)]
pub struct Notes {
    /// The policy's own lints.
    pub lints: Lints,
    /// The codes of the warnings that each action allows.
    pub allowed: IdMap<ActionId, Vec<Code>>,
}

/// Every warning about a rule set and the test files beside it, except those that actions allow.
#[must_use]
pub fn lint(rules: &RuleSet, notes: &Notes, tests: &[Node]) -> Vec<Diagnostic> {
    let families =
        [unused::lint, stage::lint, contradiction::lint, score::lint, ask::lint, limit::lint, twin::lint].into_iter();
    let found = families.flat_map(|family| family(rules));
    let found = found.chain(tested::lint(rules, tests)).chain(custom::lint(rules, &notes.lints, tests));
    let allowed = |found: &Found| {
        let codes = found.action.and_then(|id| notes.allowed.get(id));
        let diagnostic = &found.diagnostic;
        diagnostic.severity == Severity::Warning && codes.is_some_and(|codes| codes.contains(&diagnostic.code))
    };
    found.filter(|found| !allowed(found)).map(|found| found.diagnostic).collect()
}

#[cfg(test)]
mod tests;
