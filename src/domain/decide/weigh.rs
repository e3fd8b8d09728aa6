//! Judges actions and hands them on to be chosen from.
//!
//! An answer without an explanation needs no reason for every loser: the index leaves only those who may fit.
//! Both ways give the same answer, silence and its reason included (`tests/behaviour/index.rs`).

use super::arbitrate;
use super::ask;
use super::choose;
use super::contact;
use super::engagement::{self, Engaged, Views};
use super::{Gate, Judgement, Request, Weighed, Why};
use crate::domain::id::ActionId;
use crate::domain::rules::section::action::Action;
use crate::domain::view::Scene;

/// How many judgements there is room for from the start.
const EXPECTED: usize = 8;

/// Points added to the relevance of one action, for "what if".
pub(crate) type Boost = Option<(ActionId, f64)>;

/// Judges every action and picks.
pub(crate) fn everyone<'r>(
    scene: &'r Scene<'r>,
    request: &Request<'_>,
    views: &mut Views<'r>,
    boost: Boost,
) -> Weighed<'r> {
    let judged = scene.rules.actions.iter().map(|(_, action)| judge(action, (scene, request), views, boost));
    let mut judgements: Vec<Judgement<'r>> = judged.collect();
    ask::score_asks(&mut judgements, (scene, request), views, boost);
    choose::choose(judgements, scene, request.max_actions)
}

/// Judges the actions that the index does not rule out, and picks. Those that promise most come first: where one action
/// is wanted and one was found that may be said, whoever cannot come to as many points is passed over, and so is whoever
/// promises just what one with an earlier name has kept.
pub(crate) fn whoever_may_fit<'r>(scene: &'r Scene<'r>, request: &Request<'_>, views: &mut Views<'r>) -> Weighed<'r> {
    let mut judgements = Vec::with_capacity(EXPECTED);
    let (threshold, common) = (choose::threshold(scene), arbitrate::common_intrusiveness(scene));
    let mut found = f64::NEG_INFINITY;
    for index in &scene.rules.index.purposes {
        if index.lineups.get(request.channel).is_none() || engagement::denial(index.purpose, scene).is_some() {
            continue;
        }
        let view = views.of(index.purpose);
        let mut kept = None;
        for survivor in index.shard.survivors(request.channel, view) {
            if survivor.promise.points - common < found {
                break;
            }
            if kept == Some(survivor.promise) {
                continue;
            }
            let Some(action) = scene.rules.actions.get(survivor.action) else { continue };
            let judgement = engagement::out_of_question(action, scene, request).unwrap_or_else(|| {
                let known = survivor.holds.map(|sensitivity| Ok(Engaged { sensitivity }));
                fitting(action, known.unwrap_or_else(|| engagement::engage(action, view)), (scene, request), view, None)
            });
            let sayable = judgement.score.filter(|score| request.max_actions == 1 && score.total > threshold);
            if let Some(score) = sayable {
                found = found.max(score.total);
                kept = survivor.promise.is_kept(score.relevance, score.personal).then_some(survivor.promise).or(kept);
            }
            judgements.push(judgement);
        }
    }
    ask::score_asks(&mut judgements, (scene, request), views, None);
    choose::choose(judgements, scene, request.max_actions)
}

/// Judges what a silence is explained by, where it is not judged yet: of each purpose the first action by name,
/// and the next one that begins.
///
/// Whoever was ruled out by consent or by a condition came no further than others of the same purpose that were,
/// and of these the first by name counts as the nearest.
pub(crate) fn add_runners_up<'r>(
    outcome: &mut Weighed<'r>,
    scene: &'r Scene<'r>,
    request: &Request<'_>,
    views: &mut Views<'r>,
) {
    let rules = scene.rules;
    let action = |id: &ActionId| rules.actions.get(*id);
    let in_question = |action: &&'r Action| engagement::out_of_question(action, scene, request).is_none();
    let lineups = rules.index.purposes.iter().filter_map(|index| index.lineups.get(request.channel));
    let first = lineups.filter_map(|lineup| lineup.by_name.iter().filter_map(action).find(in_question));
    let later = rules.index.starts.partition_point(|(from, _)| *from <= scene.now);
    let starting = rules.index.starts.get(later..).unwrap_or(&[]).iter().filter_map(|(_, id)| action(id));
    let next = starting.filter(|action| {
        matches!(engagement::out_of_question(action, scene, request), Some(Judgement { why: Why::NotYet(_), .. }))
    });
    for action in first.chain(next.take(1)).collect::<Vec<_>>() {
        if !outcome.judgements.iter().any(|judgement| judgement.action.id == action.id) {
            outcome.judgements.push(judge(action, (scene, request), views, None));
        }
    }
}

fn judge<'r>(
    action: &'r Action,
    (scene, request): (&'r Scene<'r>, &Request<'_>),
    views: &mut Views<'r>,
    boost: Boost,
) -> Judgement<'r> {
    if let Some(dropped) = engagement::drop_early(action, scene, request) {
        return dropped;
    }
    let view = views.of(action.purpose);
    fitting(action, engagement::engage(action, view), (scene, request), view, boost)
}

/// Judges an action after the engagement policy.
fn fitting<'r>(
    action: &'r Action,
    engaged: Result<Engaged, Judgement<'r>>,
    (scene, request): (&'r Scene<'r>, &Request<'_>),
    view: &crate::domain::view::View<'r>,
    boost: Boost,
) -> Judgement<'r> {
    let engaged = match engaged {
        Ok(engaged) => engaged,
        Err(dropped) => return dropped,
    };
    if let Some(dropped) = contact::drop(action, scene, request.channel, &[]) {
        return dropped;
    }
    if action.asks.is_some() {
        return ask::pending(action, scene, engaged.sensitivity);
    }
    let text = action.treatments.get(request.channel).and_then(|treatment| treatment.text.missing(view));
    if let Some(fact) = text {
        return Judgement::dropped(action, Gate::Text, Why::Text(fact));
    }
    let score = arbitrate::score(action, view, (request.channel, engaged.sensitivity), boost);
    Judgement { action, gate: Gate::BelowThreshold, why: Why::Gap(0.0), score: Some(score) }
}
