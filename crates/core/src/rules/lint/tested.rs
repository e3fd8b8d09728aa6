//! Actions that no test names under `expect`. Reported only if there are tests.

use std::collections::HashSet;

use super::Found;
use crate::domain::rule_set::RuleSet;
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;
use crate::rules::source::{Node, NodeKind};

pub(super) fn lint(rules: &RuleSet, tests: &[Node]) -> Vec<Found> {
    if tests.is_empty() {
        return Vec::new();
    }
    let named = named(tests);
    let untested = rules.actions.iter().filter(|(id, _)| !named.contains(rules.vocabulary.name(*id)));
    let warn = |name: &str, span| {
        let help = format!("write one that expects `action: {name}`, or `why_not` it");
        Diagnostic::warning(code::UNTESTED_ACTION, span, format!("no test expects anything of `{name}`")).help(help)
    };
    untested.map(|(id, action)| Found::of(id, warn(rules.vocabulary.name(id), action.span))).collect()
}

/// Every name under `expect`, as far as test files can be read here.
pub(super) fn named(tests: &[Node]) -> HashSet<&str> {
    let tests = tests.iter().filter_map(|file| value(file, "tests")).flat_map(items);
    let expectations = tests.filter_map(|test| value(test, "expect"));
    let named = expectations.flat_map(|expect| {
        let action = value(expect, "action").into_iter();
        let actions = value(expect, "actions").into_iter().flat_map(items);
        let why_not = value(expect, "why_not").into_iter().flat_map(items).filter_map(|one| value(one, "action"));
        action.chain(actions).chain(why_not).collect::<Vec<_>>()
    });
    named.filter_map(|node| if let NodeKind::Text(name) = &node.kind { Some(name.as_str()) } else { None }).collect()
}

fn value<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let NodeKind::Map(entries) = &node.kind else { return None };
    entries.iter().find(|entry| entry.key.text == key).map(|entry| &entry.value)
}

/// The items of a list; anything else is one item.
fn items(node: &Node) -> &[Node] {
    if let NodeKind::List(items) = &node.kind { items } else { std::slice::from_ref(node) }
}
