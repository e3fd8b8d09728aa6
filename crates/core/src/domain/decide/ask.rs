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
use super::pass::{Gates, pass};
use super::request::{Case, Request};
use crate::domain::consent::{Denial, Stage, binding, must_not_be_asked};
use crate::domain::id::PurposeId;
use crate::domain::model::Action;
use crate::domain::scoring::Score;
use crate::domain::view::{During, Scene};

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
        Some(until) => {
            scene.changes_at(until);
            drop(Why::AskedBefore(until))
        }
        None => Judgement { action, gate: Gate::BelowThreshold, why: Why::Asking(sensitivity), score: None },
    }
}

/// Whether the customer has agreed already or must not be asked, so that the ask cannot be made, whatever its gates say.
pub(crate) fn is_closed(action: &Action, scene: &Scene<'_>) -> bool {
    let closed = |why: Why<'_>| matches!(why, Why::AlreadyGiven | Why::NeverAskAgain);
    action.asks.is_some() && closed(pending(&Engaged { action, sensitivity: 0.0 }, scene).why)
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
        let [_, best_then] = best_then(case.request, &During::at(views.of(purpose)));
        let gain = best_then - best_now;
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

/// The best score that is possible if the purpose that reads were given, from the first moment to the last: at least, and
/// at most. Actions with the highest upper bound come first; the search ends when no upper bound exceeds the best score
/// found.
pub(crate) fn best_then(request: &Request<'_>, during: &During<'_, '_, '_>) -> [f64; 2] {
    let During { first, last, .. } = *during;
    let (rules, purpose) = (first.scene.rules, first.purpose);
    let lineup = rules.index.of(purpose).and_then(|index| index.lineups.get(request.channel));
    let common = arbitrate::common_costs(during.scenes[1]);
    let supposing;
    let mut during = During { open: Some(engagement::could_be_told), ..*during };
    if rules.consents_read.contains(purpose) {
        let last = last.map(|last| last.scene.view(purpose).granting(purpose));
        supposing = (first.scene.view(purpose).granting(purpose), last);
        during = During { first: &supposing.0, last: supposing.1.as_ref(), ..during };
    }
    let mut best = [0.0_f64; 2];
    for (action, promise) in lineup.into_iter().flat_map(|lineup| &lineup.by_promise) {
        if promise - common <= best[1] {
            break;
        }
        let Some(action) = rules.actions.get(*action) else { continue };
        if let Some((sure, low, high)) = possible_score(action, request, &during) {
            best[1] = best[1].max(high.total);
            best[0] = if sure { best[0].max(low.total) } else { best[0] };
        }
    }
    best
}

/// The lowest and the highest score that an action can have, without the data that the consent would bring, and whether
/// it surely has one.
fn possible_score(action: &Action, request: &Request<'_>, during: &During<'_, '_, '_>) -> Option<(bool, Score, Score)> {
    let mut gates = Gates::default();
    let sensitivity = pass(action, request, during, &mut gates, false)?;
    let never_known = |fact| !engagement::is_personal(fact, during.first.scene);
    let text = &action.treatments.get(request.channel)?.text;
    if text.missing_where(during.first, never_known).is_some() {
        return None;
    }
    let known = During { open: None, ..*during };
    let [low, high] = arbitrate::range(action, sensitivity, &known, request.channel, [0.0; 2]);
    Some((!gates.any(|_| true), low, high))
}
