//! Consent asks that can gain nothing: a yes would change no answer.

use super::Found;
use crate::domain::expr::Fact;
use crate::domain::id::PurposeId;
use crate::domain::model::Action;
use crate::domain::rule_set::RuleSet;
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;

pub(super) fn lint(rules: &RuleSet) -> Vec<Found> {
    let asks = rules.actions.iter().filter_map(|(_, action)| of_ask(action, action.asks?, rules));
    asks.collect()
}

fn of_ask(ask: &Action, purpose: PurposeId, rules: &RuleSet) -> Option<Found> {
    let name = rules.vocabulary.name(purpose);
    let serving: Vec<&Action> =
        rules.actions.iter().map(|(_, action)| action).filter(|action| action.purpose == purpose).collect();
    let read = rules.facts.iter().any(|(_, entry)| matches!(entry.fact, Fact::ConsentGiven(id) if id == purpose));
    let points = ask.relevance.add.iter().any(|points| points.points > 0.0);
    let shared = |action: &&&Action| action.treatments.ids().any(|channel| ask.treatments.get(channel).is_some());
    let (message, help) = if serving.is_empty() && !read {
        let message =
            format!("a yes to `{name}` gains nothing: no action serves it, and no rule asks whether it is given");
        (message, "give some action this purpose, or do not ask")
    } else if !points && !serving.iter().any(|action| shared(&action)) {
        let message =
            format!("this asks for `{name}` where a yes gains nothing: nothing that serves it is on its channels");
        (message, "say under `add` when it is worth asking, or ask on a channel where the purpose is served")
    } else {
        return None;
    };
    let help = format!("{help}; a consent that serves nothing wears people out");
    Some(Found::of(ask.id, Diagnostic::warning(code::NOTHING_TO_GAIN, ask.span, message).help(help)))
}
