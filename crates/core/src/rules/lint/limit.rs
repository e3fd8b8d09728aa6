//! Limits that never stop anything: they cover no action, or another limit always stops first.

use super::Found;
use crate::domain::action::Outcome;
use crate::domain::model::{Action, Limit, LimitRule, LimitScope};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Period;
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;

pub(super) fn lint(rules: &RuleSet) -> Vec<Found> {
    let of_action = |action: &Action| {
        let name = rules.vocabulary.name(action.id);
        let idle = action.limits.iter().filter_map(|limit| {
            let others = action.limits.iter().chain(&rules.policy.limits);
            let found = idle((limit, Some(action)), others, |scope| covers(scope, action))?;
            Some(Found::of(action.id, warn(limit, &format!("the limit `{}` of `{name}`", limit.label), found)))
        });
        idle.collect::<Vec<_>>()
    };
    let of_policy = rules.policy.limits.iter().filter_map(|limit| {
        let covered = |scope: &LimitScope| rules.actions.iter().any(|(_, action)| covers(scope, action));
        let found = idle((limit, None), rules.policy.limits.iter(), covered)?;
        Some(Found::from(warn(limit, &format!("the limit `{}`", limit.label), found)))
    });
    rules.actions.iter().flat_map(|(_, action)| of_action(action)).chain(of_policy).collect()
}

/// Why a limit never binds.
enum Idle<'l> {
    CoversNothing,
    Within(&'l Limit),
}

fn warn(limit: &Limit, what: &str, idle: Idle<'_>) -> Diagnostic {
    let warning = |why: &str| Diagnostic::warning(code::IDLE_LIMIT, limit.span, format!("{what} never binds: {why}"));
    match idle {
        Idle::CoversNothing => {
            warning("no action has its channels, kinds and groups").help("name others, or remove it")
        }
        Idle::Within(other) => {
            let why = format!("`{}` covers the same and always stops as early", other.label);
            warning(&why).help("make it stricter than the other, or remove it").related(other.span, "the stricter one")
        }
    }
}

fn idle<'l>(
    (limit, owner): (&Limit, Option<&Action>),
    mut others: impl Iterator<Item = &'l Limit>,
    covered: impl Fn(&LimitScope) -> bool,
) -> Option<Idle<'l>> {
    if !covered(&limit.scope) {
        return Some(Idle::CoversNothing);
    }
    // Of two equal limits, only the second is reported.
    let twin = |other: &Limit| other.span > limit.span && at_least_as_strict(limit, (other, owner));
    let stops_first =
        |other: &&Limit| other.span != limit.span && at_least_as_strict(other, (limit, owner)) && !twin(other);
    others.find(stops_first).map(Idle::Within)
}

fn covers(scope: &LimitScope, action: &Action) -> bool {
    action.treatments.ids().any(|channel| scope.covers(action.id, action.kind, action.group, Some(channel)))
}

/// Whether the first limit stops everything that the second stops: it counts a superset of the contacts, in a window at
/// least as long, and allows no more. A cool-down is a limit of one.
fn at_least_as_strict(first: &Limit, (second, owner): (&Limit, Option<&Action>)) -> bool {
    let ((count, per, outcome), (looser, shorter, other)) = (terms(first.rule), terms(second.rule));
    outcome == other && count <= looser && per >= shorter && holds_all_of(&first.scope, (&second.scope, owner))
}

fn terms(rule: LimitRule) -> (u32, Period, Outcome) {
    match rule {
        LimitRule::AtMost { count, per, outcome } => (count, per, outcome),
        LimitRule::After { outcome, wait } => (1, wait, outcome),
    }
}

/// Whether the first scope contains the second. The scope of an action's limit is that action.
fn holds_all_of(wide: &LimitScope, (narrow, owner): (&LimitScope, Option<&Action>)) -> bool {
    let action = narrow.action.and(owner);
    let kinds = action.map_or(narrow.kinds.clone(), |action| vec![action.kind]);
    let groups = action.map_or(narrow.groups.clone(), |action| action.group.into_iter().collect());
    let owned = match wide.action {
        Some(own) => narrow.action == Some(own),
        None => kinds.iter().all(|kind| wide.kinds.contains(kind)),
    };
    owned && is_within(&groups, &wide.groups) && is_within(&narrow.channels, &wide.channels)
}

/// Whether a filter is at least as strict as another; an empty one lets everything through.
fn is_within<T: PartialEq>(narrow: &[T], wide: &[T]) -> bool {
    wide.is_empty() || !narrow.is_empty() && narrow.iter().all(|item| wide.contains(item))
}
