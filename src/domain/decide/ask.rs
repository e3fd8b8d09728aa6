//! Asking for consent is a step like any other: it must be worth it to the customer.
//!
//! `gain(P) = best score if P were given − best score now`, never below 0, computed only from what may be
//! seen: personal facts stay unknown, so a condition on them counts as possible and points for them do not
//! count. After a "no" nobody asks again for the purpose's cooling-off time; after an objection, never.

use super::arbitrate::{self, Score};
use super::engagement::{self, Views};
use super::{Gate, Judgement, Request, Why};
use crate::domain::consent::{Denial, Stage, binding, has_objected};
use crate::domain::id::{ActionId, PurposeId};
use crate::domain::rules::section::action::Action;
use crate::domain::view::Scene;

/// Whether the ask may be made at all; its score follows when all others are known.
pub(crate) fn pending<'r>(action: &'r Action, scene: &Scene<'_>) -> Judgement<'r> {
    let drop = |why| Judgement::dropped(action, Gate::Ask, why);
    let Some(purpose) = action.asks else { return drop(Why::NeverAskAgain) };
    match scene.verdict(purpose, Stage::Evaluation).denial() {
        None => drop(Why::AlreadyGiven),
        Some(Denial::NoRecord | Denial::Expired | Denial::Superseded) => asked(action, purpose, scene),
        Some(Denial::Refused | Denial::Withdrawn) => asked(action, purpose, scene),
        Some(_) => drop(Why::NeverAskAgain),
    }
}

fn asked<'r>(action: &'r Action, purpose: PurposeId, scene: &Scene<'_>) -> Judgement<'r> {
    let drop = |why| Judgement::dropped(action, Gate::Ask, why);
    let standing = scene.subject.standing;
    let Some(terms) = scene.rules.purpose(purpose) else { return drop(Why::NeverAskAgain) };
    if has_objected(standing, purpose, terms) {
        return drop(Why::NeverAskAgain);
    }
    let until = binding(standing, purpose, terms).zip(terms.cooling_off).map(|(no, wait)| no.key.at + wait);
    match until.filter(|until| *until > scene.now) {
        Some(until) => drop(Why::AskedBefore(until)),
        None => Judgement { action, gate: Gate::BelowThreshold, why: Why::Gap(0.0), score: None },
    }
}

/// Scores every pending ask by what it would gain over the best that can be said now.
pub(crate) fn score_asks<'r>(
    judgements: &mut [Judgement<'r>],
    scene: &'r Scene<'r>,
    request: &Request<'_>,
    (views, boost): (&mut Views<'r>, Option<(ActionId, f64)>),
) {
    let best_now =
        judgements.iter().filter_map(|judgement| judgement.score).map(|score| score.total).fold(0.0, f64::max);
    for index in 0..judgements.len() {
        let Some((action, purpose)) = judgements.get(index).and_then(pending_ask) else { continue };
        let possible = judgements.iter().filter(|other| waits_for(other, purpose));
        let best_then = possible.filter_map(|other| possible_score(other.action, scene, request, views));
        let gain = best_then.map(|score| score.total).fold(best_now, f64::max) - best_now;
        let score = arbitrate::score_ask(action, views.of(action.purpose), (request.channel, gain), boost);
        if let Some(judgement) = judgements.get_mut(index) {
            *judgement = match score.relevance > 0.0 {
                true => Judgement { score: Some(score), ..judgement.clone() },
                false => Judgement::dropped(action, Gate::Ask, Why::NothingToGain),
            };
        }
    }
}

fn pending_ask<'r>(judgement: &Judgement<'r>) -> Option<(&'r Action, PurposeId)> {
    let pending = judgement.gate == Gate::BelowThreshold && judgement.score.is_none();
    judgement.action.asks.filter(|_| pending).map(|purpose| (judgement.action, purpose))
}

/// Dropped for want of this very consent.
fn waits_for(judgement: &Judgement<'_>, purpose: PurposeId) -> bool {
    judgement.gate == Gate::Consent && judgement.action.purpose == purpose && judgement.action.asks.is_none()
}

/// The score an action would have, as far as that can be told without the data it waits for.
fn possible_score<'r>(
    action: &'r Action,
    scene: &'r Scene<'r>,
    request: &Request<'_>,
    views: &mut Views<'r>,
) -> Option<Score> {
    let view = views.of(action.purpose);
    let engaged = engagement::might_engage(action, view)?;
    if super::contact::drop(action, scene, request.channel, &[]).is_some() {
        return None;
    }
    Some(arbitrate::score(action, view, (request.channel, engaged.sensitivity), None))
}
