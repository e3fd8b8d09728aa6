//! A consent ask is an action like any other: it must be worth it to the customer.
//!
//! `gain(P) = best score if P were given − best score now`, never below 0, computed without withheld data: personal
//! facts stay unknown, so a condition that some of their values make true counts as possible, points that depend on
//! them do not count, and an action whose text needs a fact that no consent can bring is left out. After a "no" the
//! customer is not asked again for the purpose's cooling-off time; after an objection, never.

use super::arbitrate::{self, Boost};
use super::engagement::{self, Engaged, Views};
use super::gate::Gate;
use super::judgement::{Judgement, Why};
use super::request::Case;
use crate::domain::consent::{Denial, Stage, binding, must_not_be_asked};
use crate::domain::id::PurposeId;
use crate::domain::model::Action;
use crate::domain::scoring::Score;
use crate::domain::view::{Scene, View};

/// Whether the ask may be made at all; it is scored after all other actions.
pub(crate) fn pending<'r>(engaged: &Engaged<'r>, scene: &Scene<'_>) -> Judgement<'r> {
    let action = engaged.action;
    let drop = |why| Judgement::dropped(action, Gate::Ask, why);
    let Some(purpose) = action.asks else { return drop(Why::NeverAskAgain) };
    match scene.verdict(purpose, Stage::Evaluation).denial() {
        None => drop(Why::AlreadyGiven),
        Some(
            Denial::NoRecord
            | Denial::Expired
            | Denial::Superseded
            | Denial::Refused
            | Denial::Withdrawn
            | Denial::Revoked,
        ) => asked(engaged, purpose, scene),
        Some(_) => drop(Why::NeverAskAgain),
    }
}

fn asked<'r>(engaged: &Engaged<'r>, purpose: PurposeId, scene: &Scene<'_>) -> Judgement<'r> {
    let Engaged { action, sensitivity } = *engaged;
    let drop = |why| Judgement::dropped(action, Gate::Ask, why);
    let standing = scene.subject.standing;
    let Some(terms) = scene.rules.purpose(purpose) else { return drop(Why::NeverAskAgain) };
    let stored_only = standing.is_restricted() || !scene.subject.ledger_trusted;
    if stored_only || must_not_be_asked(standing, purpose, terms) {
        return drop(Why::NeverAskAgain);
    }
    let until = binding(standing, purpose, terms).zip(terms.cooling_off).map(|(no, wait)| no.key.at + wait);
    match until.filter(|until| *until > scene.now) {
        Some(until) => drop(Why::AskedBefore(until)),
        None => Judgement { action, gate: Gate::BelowThreshold, why: Why::Asking(sensitivity), score: None },
    }
}

/// Scores every pending ask by what it would gain over the best that can be said now.
pub(crate) fn score_asks<'r>(
    judgements: &mut [Judgement<'r>],
    case: Case<'r, '_>,
    views: &mut Views<'r>,
    boost: Option<Boost>,
) {
    let scores = judgements.iter().filter_map(|judgement| judgement.score);
    let best_now = scores.map(|score| score.total).fold(0.0, f64::max);
    for judgement in judgements {
        let (action, Why::Asking(sensitivity)) = (judgement.action, judgement.why) else { continue };
        let Some(purpose) = action.asks else { continue };
        let gain = best_then(purpose, best_now, case, views) - best_now;
        let (view, channel) = (views.of(action.purpose), case.request.channel);
        let extra = gain.max(0.0) + Boost::of(boost, action);
        let score = arbitrate::score_ask(&Engaged { action, sensitivity }, view, channel, extra);
        let text = action.treatments.get(channel).and_then(|treatment| treatment.text.missing(view));
        *judgement = match (score, text) {
            (None, _) => Judgement::dropped(action, Gate::Ask, Why::NothingToGain),
            (_, Some(fact)) => Judgement::dropped(action, Gate::Text, Why::Text(fact)),
            (score, None) => Judgement { action, gate: Gate::BelowThreshold, why: Why::Gap(0.0), score },
        };
    }
}

/// The best score if the purpose were given, and at least the best score now. Actions with the highest upper bound come
/// first; the search ends when no upper bound exceeds the best score found.
fn best_then<'r>(purpose: PurposeId, best_now: f64, case: Case<'r, '_>, views: &mut Views<'r>) -> f64 {
    let Case { scene, request } = case;
    let lineup = scene.rules.index.of(purpose).and_then(|index| index.lineups.get(request.channel));
    let common = arbitrate::common_costs(scene);
    let supposing;
    let view = if scene.rules.consents_read.contains(purpose) {
        supposing = scene.view(purpose).granting(purpose);
        &supposing
    } else {
        views.of(purpose)
    };
    let mut best = best_now;
    for (action, promise) in lineup.into_iter().flat_map(|lineup| &lineup.by_promise) {
        if promise - common <= best {
            break;
        }
        let action = scene.rules.actions.get(*action);
        let score = action.and_then(|action| possible_score(action, case, view));
        best = best.max(score.map_or(best, |score| score.total));
    }
    best
}

/// The score an action would have, computed without the data that the consent would bring.
fn possible_score<'r>(action: &'r Action, case: Case<'r, '_>, view: &View<'r>) -> Option<Score> {
    let Case { scene, request } = case;
    if engagement::out_of_question(action, case).is_some() {
        return None;
    }
    let engaged = engagement::might_engage(action, view)?;
    if action.asks.is_some() || super::contact::drop(action, scene, request.channel, &[]).is_some() {
        return None;
    }
    let never_known = |fact| !engagement::is_personal(fact, scene);
    let text = &action.treatments.get(request.channel)?.text;
    if text.missing_where(view, never_known).is_some() {
        return None;
    }
    Some(arbitrate::score(&engaged, view, request.channel, 0.0))
}
