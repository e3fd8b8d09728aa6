//! Evaluates the candidates of a decision.
//!
//! An answer without an explanation needs no reason for every loser, so only the actions that the index does not rule
//! out are evaluated. The answer is the same as with all actions, silence and its reason included
//! (`tests/behaviour/index.rs`).

use super::arbitrate::{self, Boost};
use super::engagement::{self, Engaged, GATES, Views};
use super::gate::Gate;
use super::judgement::{Counted, Judgement, Weighed, Why};
use super::request::{Case, Explain, Request};
use super::{ask, choose, contact};
use crate::domain::consent::Denial;
use crate::domain::id::{ActionId, IdMap, PurposeId};
use crate::domain::index::{Failure, Truths};
use crate::domain::model::Action;
use crate::domain::scoring::{Score, Term};
use crate::domain::view::View;

/// The initial capacity for judgements.
const EXPECTED: usize = 8;

/// Evaluates every action and chooses, so that every loser has a reason.
///
/// For a full explanation there is a judgement of every action, in the order of ids; for a funnel, what dropped out
/// before the contact policy is only counted.
pub(crate) fn score_all<'r>(case: Case<'r, '_>, views: &mut Views<'r>) -> Weighed<'r> {
    let Case { scene, request } = case;
    let (rules, full) = (scene.rules, request.explain == Explain::Full);
    let mut denials: IdMap<PurposeId, Denial> = IdMap::default();
    for purpose in rules.index.purposes.iter().map(|index| index.purpose) {
        if let Some(denial) = engagement::denial(purpose, scene) {
            denials.insert(purpose, denial);
        }
    }
    let mut truths = Truths::new(&rules.index.scan);
    let mut judgements = Vec::with_capacity(if full { rules.actions.len() } else { EXPECTED });
    let mut counted = Counted::default();
    for (entry, on_channel) in rules.index.scan.entries(request.channel) {
        let consent = || denials.get(entry.purpose).map(|denial| (Gate::Consent, Why::Consent(*denial)));
        let early = engagement::not_offered(entry.offer, on_channel, case).or_else(consent);
        let failure = if early.is_some() { None } else { truths.first_failure(entry, views.of(entry.purpose)) };
        let gate = early.map(|(gate, _)| gate).or(failure.and_then(|failure| GATES.get(failure.part).copied()));
        if let Some(gate) = gate.filter(|_| !full) {
            counted.add(gate, entry.action);
            continue;
        }
        let Some(action) = rules.actions.get(entry.action) else { continue };
        let dropped_early = early.map(|(gate, why)| Judgement::dropped(action, gate, why));
        let dropped = dropped_early.or_else(|| failed(action, failure?));
        judgements.push(dropped.unwrap_or_else(|| evaluate(action, case, views, None)));
    }
    ask::score_asks(&mut judgements, case, views, None);
    Weighed { counted, ..choose::choose(judgements, case) }
}

/// The judgement of an action with a condition that does not hold.
fn failed(action: &Action, failure: Failure) -> Option<Judgement<'_>> {
    let (gate, condition) = (GATES.get(failure.part)?, action.conditions().nth(failure.place)?);
    Some(Judgement::dropped(action, *gate, Why::Condition(condition, failure.truth)))
}

/// Evaluates the actions that the index does not rule out, and chooses.
///
/// Branch and bound, where one action is wanted: an action's promise is an upper bound of its score, the highest bounds
/// come first, and what cannot reach the best score found so far is not evaluated. On a tie the lower id wins, so among
/// equal upper bounds the search ends with the first action by id that reaches it.
///
/// An action with supposed extra points is evaluated first; if it drops out before it is scored, the others are not
/// evaluated.
pub(crate) fn score_candidates<'r>(case: Case<'r, '_>, views: &mut Views<'r>, boost: Option<Boost>) -> Weighed<'r> {
    let Case { scene, request } = case;
    let mut judgements = Vec::with_capacity(EXPECTED);
    let (threshold, common) = (choose::threshold(scene), arbitrate::common_costs(scene));
    let mut found = f64::NEG_INFINITY;
    let boosted = boost.and_then(|boost| scene.rules.actions.get(boost.action));
    if let Some(action) = boosted {
        let judgement = evaluate(action, case, views, boost);
        found = sayable(&judgement, request, threshold).map_or(found, |score| score.total);
        let dropped = judgement.gate < Gate::BelowThreshold;
        judgements.push(judgement);
        if dropped {
            return choose::choose(judgements, case);
        }
    }
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
            if kept == Some(survivor.promise) || boost.is_some_and(|boost| boost.action == survivor.action) {
                continue;
            }
            let Some(action) = scene.rules.actions.get(survivor.action) else { continue };
            let judgement = engagement::out_of_question(action, case).unwrap_or_else(|| {
                let known = survivor.holds.map(|sensitivity| Ok(Engaged { action, sensitivity }));
                match known.unwrap_or_else(|| engagement::engage(action, view)) {
                    Ok(engaged) => evaluate_engaged(&engaged, case, view, 0.0),
                    Err(dropped) => dropped,
                }
            });
            if let Some(score) = sayable(&judgement, request, threshold) {
                found = found.max(score.total);
                // One that ends leaves its place to another.
                let is_kept = survivor.promise.is_kept(score.get(Term::Relevance), score.personal);
                kept = if is_kept && action.until.is_none() { Some(survivor.promise) } else { kept };
            }
            judgements.push(judgement);
        }
    }
    ask::score_asks(&mut judgements, case, views, boost);
    choose::choose(judgements, case)
}

/// The score that others have to reach: if one action is wanted, that of the best one so far that may be presented.
fn sayable(judgement: &Judgement<'_>, request: &Request<'_>, threshold: f64) -> Option<Score> {
    judgement.score.filter(|score| request.max_actions == 1 && score.total > threshold)
}

/// Evaluates the actions that explain a silence, unless they have been: of each purpose the first action by id.
///
/// Actions of one purpose that consent or a condition ruled out came equally near, and of these the first by id counts
/// as the nearest.
pub(crate) fn add_runners_up<'r>(outcome: &mut Weighed<'r>, case: Case<'r, '_>, views: &mut Views<'r>) {
    let Case { scene, request } = case;
    let rules = scene.rules;
    let action = |id: &ActionId| rules.actions.get(*id);
    let in_question = |action: &&'r Action| engagement::out_of_question(action, case).is_none();
    let lineups = rules.index.purposes.iter().filter_map(|index| index.lineups.get(request.channel));
    let first = lineups.filter_map(|lineup| lineup.by_name.iter().filter_map(action).find(in_question));
    for action in first.collect::<Vec<_>>() {
        if !outcome.judgements.iter().any(|judgement| judgement.action.id == action.id) {
            let judgement = evaluate(action, case, views, None);
            outcome.counted.take(judgement.gate);
            outcome.judgements.push(judgement);
        }
    }
}

/// Evaluates an action independently of all others.
pub(crate) fn evaluate<'r>(
    action: &'r Action,
    case: Case<'r, '_>,
    views: &mut Views<'r>,
    boost: Option<Boost>,
) -> Judgement<'r> {
    if let Some(dropped) = engagement::drop_early(action, case) {
        return dropped;
    }
    let view = views.of(action.purpose);
    match engagement::engage(action, view) {
        Ok(engaged) => evaluate_engaged(&engaged, case, view, Boost::of(boost, action)),
        Err(dropped) => dropped,
    }
}

/// Evaluates the gates after the engagement policy, with `extra` points of relevance.
fn evaluate_engaged<'r>(engaged: &Engaged<'r>, case: Case<'r, '_>, view: &View<'r>, extra: f64) -> Judgement<'r> {
    let (action, channel) = (engaged.action, case.request.channel);
    if let Some(dropped) = contact::drop(action, case.scene, channel) {
        return dropped;
    }
    if action.asks.is_some() {
        return ask::pending(engaged, case.scene);
    }
    let text = action.treatments.get(channel).and_then(|treatment| treatment.text.missing(view));
    if let Some(fact) = text {
        return Judgement::dropped(action, Gate::Text, Why::Text(fact));
    }
    let score = arbitrate::score(engaged, view, channel, extra);
    Judgement { action, gate: Gate::BelowThreshold, why: Why::Gap(0.0), score: Some(score) }
}
