//! Silence: why nothing is said, what came nearest, and when to ask again.

use super::answer::{Silence, SilenceReason};
use super::choose::{Scored, better, threshold};
use super::explain::reason;
use super::gate::Gate;
use super::judgement::{Judgement, Weighed, Why};
use crate::domain::time::{Moment, Period};
use crate::domain::view::Scene;

/// Explains a silence by the action that came nearest.
pub(crate) fn explain(scene: &Scene<'_>, outcome: &Weighed<'_>) -> Silence {
    let nearest = outcome.judgements.iter().max_by(|a, b| {
        let points = |judgement: &Judgement<'_>| judgement.score.map_or(f64::NEG_INFINITY, |score| score.total);
        let name = |judgement: &Judgement<'_>| scene.rules.vocabulary.name(judgement.action.id);
        rank(a.gate).cmp(&rank(b.gate)).then(points(a).total_cmp(&points(b))).then(name(b).cmp(name(a)))
    });
    let reason_code = overall(scene, nearest.map(|judgement| judgement.gate));
    let said = nearest.filter(|judgement| judgement.gate > Gate::Dates);
    let detail = said.map_or_else(
        || "no action is offered on this channel now".to_owned(),
        |judgement| {
            format!("nearest was `{}`: {}", scene.rules.vocabulary.name(judgement.action.id), reason(judgement, scene))
        },
    );
    let gap = |judgement: &Judgement<'_>| match judgement.why {
        Why::Gap(gap) => gap,
        _ => 0.0,
    };
    Silence {
        reason: reason_code,
        detail,
        nearest: said.map(|judgement| (judgement.action.id, gap(judgement))),
        retry_after: retry_after(scene, outcome),
    }
}

/// The order of nearness: scored actions, then those that only the contact policy stopped, then those without consent.
fn rank(gate: Gate) -> u8 {
    match gate {
        Gate::BelowThreshold | Gate::Excluded | Gate::Outranked | Gate::Chosen => 6,
        Gate::Limit | Gate::CoolDown => 5,
        Gate::QuietHours => 4,
        Gate::Consent => 3,
        Gate::Text | Gate::Ask => 2,
        Gate::Eligible | Gate::Applicable | Gate::Suitable => 1,
        Gate::Group | Gate::Channel | Gate::Dates => 0,
    }
}

fn overall(scene: &Scene<'_>, furthest: Option<Gate>) -> SilenceReason {
    if !scene.subject.ledger_trusted {
        return SilenceReason::Degraded;
    }
    if scene.subject.standing.is_restricted() {
        return SilenceReason::Restricted;
    }
    match furthest {
        Some(Gate::BelowThreshold) => SilenceReason::BelowThreshold,
        Some(Gate::Limit | Gate::CoolDown) => SilenceReason::ContactLimit,
        Some(Gate::QuietHours) => SilenceReason::QuietHours,
        Some(Gate::Consent) => SilenceReason::NoConsent,
        _ => SilenceReason::NothingEligible,
    }
}

/// For how many of the best scored actions the decay is computed.
const BEST: usize = 8;

/// The earliest of: a limit allows another contact, a cool-down or quiet hours end, an action's dates begin, and
/// pressure and hurt have decayed enough for one of the best scored actions.
fn retry_after(scene: &Scene<'_>, outcome: &Weighed<'_>) -> Option<Moment> {
    let waits = outcome.judgements.iter().filter_map(|judgement| match judgement.why {
        Why::NotYet(at) | Why::Limit(_, at) | Why::AskedBefore(at) => Some(at),
        Why::Quiet(at) => at,
        _ => None,
    });
    let below = outcome.judgements.iter().filter(|judgement| judgement.gate == Gate::BelowThreshold);
    let mut scored: Vec<_> = below.filter_map(Scored::of).collect();
    scored.sort_by(|a, b| better(a, b, scene));
    let faded = scored.into_iter().take(BEST).filter_map(|scored| faded(scene, scored));
    waits.chain(faded).filter(|at| *at > scene.now).min()
}

/// A sum of points that is above the threshold by no more than this may be above it by rounding alone. Nothing is lost by
/// that: after twenty half-lives, a thousand times as much is left of a point.
const ROUNDING: f64 = 1e-9;

/// When pressure and hurt will have decayed enough for an action, if everything else stays. They only fall, so the
/// moment is found by bisection over twenty half-lives.
fn faded(scene: &Scene<'_>, Scored { action, score }: Scored<'_>) -> Option<Moment> {
    let weights = scene.rules.policy.arbitration;
    let threshold = threshold(scene);
    if score.total_under(0.0, 0.0, weights) <= threshold + ROUNDING {
        return None;
    }
    let enough = |at: Moment| {
        let hurt = if action.kind.helps() { 0.0 } else { scene.hurt_at(at) };
        score.total_under(scene.pressure_at(at), hurt, weights) > threshold
    };
    let half_life = scene.rules.policy.pressure.half_life.0.max(scene.rules.policy.hurt.half_life.0);
    let (mut early, mut late) = (0_i64, half_life.saturating_mul(20));
    if !enough(scene.now + Period(late)) {
        return None;
    }
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        if enough(scene.now + Period(middle)) { late = middle } else { early = middle }
    }
    Some(scene.now + Period(late))
}
