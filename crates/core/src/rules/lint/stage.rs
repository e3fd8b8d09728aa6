//! Stages of a journey that cannot be reached, or cannot be left.

use std::collections::HashSet;

use super::Found;
use crate::domain::id::StageId;
use crate::domain::model::{Journey, JourneyStage};
use crate::domain::rule_set::RuleSet;
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;

pub(super) fn lint(rules: &RuleSet) -> Vec<Found> {
    let found = rules.journeys.iter().flat_map(|(_, journey)| of_journey(journey, rules));
    found.map(Found::from).collect()
}

fn of_journey(journey: &Journey, rules: &RuleSet) -> Vec<Diagnostic> {
    let reached = reachable(journey);
    let name = |stage: &JourneyStage| rules.vocabulary.local_name(stage.id);
    let warn = |stage: &JourneyStage, message: String, help: &str| {
        Diagnostic::warning(code::UNREACHABLE_STAGE, stage.span, message).help(help)
    };
    let lost = journey.stages.iter().filter(|stage| !reached.contains(&stage.id)).map(|stage| {
        warn(stage, format!("no move leads to the stage `{}`", name(stage)), "add a move to it, or remove it")
    });
    let stuck = |stage: &&JourneyStage| !stage.goal && !stage.end && stage.moves.iter().all(|step| step.to == stage.id);
    let stuck = journey.stages.iter().filter(stuck).map(|stage| {
        let help = "add a move to another stage, or say `end: true` or `goal: true`";
        warn(stage, format!("no move leaves the stage `{}`", name(stage)), help)
    });
    lost.chain(stuck).collect()
}

/// The stages that moves lead to, from the first one on.
pub(super) fn reachable(journey: &Journey) -> HashSet<StageId> {
    let mut open: Vec<StageId> = journey.stages.first().map(|stage| stage.id).into_iter().collect();
    let mut reached: HashSet<StageId> = open.iter().copied().collect();
    while let Some(id) = open.pop() {
        let moves = journey.stage(id).into_iter().flat_map(|stage| &stage.moves);
        open.extend(moves.map(|step| step.to).filter(|to| reached.insert(*to)));
    }
    reached
}
