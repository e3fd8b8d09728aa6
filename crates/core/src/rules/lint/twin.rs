//! Actions that fit in exactly the same cases.

use std::collections::HashMap;

use super::Found;
use crate::domain::model::Action;
use crate::domain::rule_set::RuleSet;
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;

/// Reports, among actions with the same kind, group, purpose and conditions and a common channel, all but the first.
/// Actions without conditions are not reported: they are meant for everybody.
pub(super) fn lint(rules: &RuleSet) -> Vec<Found> {
    let mut by_key: HashMap<_, Vec<&Action>> = HashMap::new();
    let mut found = Vec::new();
    let mut actions: Vec<&Action> = rules.actions.iter().map(|(_, action)| action).collect();
    actions.sort_by_key(|action| action.span);
    for action in actions.into_iter().filter(|action| action.conditions().next().is_some()) {
        let mut conditions: Vec<_> = action.conditions().map(|condition| condition.text()).collect();
        conditions.sort_unstable();
        let season = (action.from, action.until);
        let key = (action.kind, action.group, action.purpose, action.asks, season, conditions);
        let earlier = by_key.entry(key).or_default();
        if let Some(twin) =
            earlier.iter().find(|twin| twin.treatments.ids().any(|id| action.treatments.get(id).is_some()))
        {
            let (one, other) = (rules.vocabulary.name(action.id), rules.vocabulary.name(twin.id));
            let message = format!("`{one}` fits exactly when `{other}` does");
            let help = "say what sets them apart, or make them one; where one is meant to follow the other, \
                        write `allow: [T0311]`";
            let warning = Diagnostic::warning(code::EQUAL_CONDITIONS, action.span, message).help(help);
            found.push(Found::of(action.id, warning.related(twin.span, "has the same conditions")));
        }
        earlier.push(action);
    }
    found
}
