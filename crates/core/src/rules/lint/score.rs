//! Actions whose best score is not above silence.

use super::Found;
use crate::domain::action::ActionKind;
use crate::domain::id::ChannelId;
use crate::domain::model::{Action, Condition};
use crate::domain::rule_set::RuleSet;
use crate::domain::scoring::Inputs;
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;

pub(super) fn lint(rules: &RuleSet) -> Vec<Found> {
    rules.actions.iter().flat_map(|(_, action)| of_action(action, rules)).collect()
}

fn of_action(action: &Action, rules: &RuleSet) -> Vec<Found> {
    if action.kind == ActionKind::ConsentAsk {
        return Vec::new();
    }
    let name = rules.vocabulary.name(action.id);
    let threshold = rules.policy.arbitration.threshold;
    let help = format!("it must come above {threshold}: raise its relevance or worth, or lower its intrusiveness");
    let warn = |span, message: String| {
        Found::of(action.id, Diagnostic::warning(code::NEVER_WINS, span, message).help(help.clone()))
    };
    let scores: Vec<(ChannelId, f64)> =
        action.treatments.ids().filter_map(|id| Some((id, best(action, id, rules)?))).collect();
    let hopeless = |score: f64| score <= threshold;
    let most = scores.iter().map(|(_, score)| *score).fold(f64::NEG_INFINITY, f64::max);
    if !scores.is_empty() && hopeless(most) {
        return vec![warn(action.span, format!("`{name}` can never win: at best it scores {most:.1}"))];
    }
    let lost = scores.iter().filter(|(_, score)| hopeless(*score)).filter_map(|(id, score)| {
        let channel = rules.vocabulary.name(*id);
        let message = format!("`{name}` can never win on `{channel}`: at best it scores {score:.1} there");
        Some(warn(action.treatments.get(*id)?.span, message))
    });
    lost.collect()
}

/// The best possible score: with every point, at the least interruption of the channel, without pressure and hurt.
fn best(action: &Action, channel: ChannelId, rules: &RuleSet) -> Option<f64> {
    let used = action.conditions().filter_map(Condition::constant_sensitivity);
    let personal = used.fold(action.treatments.get(channel)?.text.sensitivity, f64::max);
    let interruption = &rules.declared.channels.get(channel)?.interruption;
    let listed = interruption.by_activity.iter().map(|(_, points)| *points);
    let least = listed.fold(interruption.otherwise, f64::min);
    let inputs = Inputs { interruption: least, ..Inputs::at_best(action, personal) };
    Some(inputs.score(rules.policy.arbitration).total)
}
