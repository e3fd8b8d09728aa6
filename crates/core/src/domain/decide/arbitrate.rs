//! Reads what an action's score is computed from: its relevance for the customer, the sensitivity of the facts it used,
//! and its intrusiveness here and now. The formula is in `domain/scoring`.

use super::engagement::Engaged;
use crate::domain::expr::Facts;
use crate::domain::id::{ActionId, ChannelId};
use crate::domain::model::{Action, Points};
use crate::domain::scoring::{self, Inputs, Score};
use crate::domain::value::Truth;
use crate::domain::view::{During, Scene, View};

/// Supposed extra points for one action, to find out whether it would be chosen with them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Boost {
    pub action: ActionId,
    /// Points added to its relevance.
    pub points: f64,
}

impl Boost {
    /// The supposed extra points of an action.
    pub fn of(boost: Option<Self>, action: &Action) -> f64 {
        boost.filter(|boost| boost.action == action.id).map_or(0.0, |boost| boost.points)
    }
}

/// Points of relevance, before they are weighed.
#[derive(Debug, Clone, Copy)]
struct Relevance {
    points: f64,
    /// The highest sensitivity among the facts that they rely on.
    personal: f64,
}

/// The score of an action that passed every gate, with `extra` points of relevance.
pub(crate) fn score(engaged: &Engaged<'_>, view: &View<'_>, channel: ChannelId, extra: f64) -> Score {
    weigh(engaged, relevance(engaged.action, view, extra), channel, view, view.scene)
}

/// The score of a consent ask, whose gain is among the `extra` points; `None` without a gain and without points.
pub(crate) fn score_ask(engaged: &Engaged<'_>, view: &View<'_>, channel: ChannelId, extra: f64) -> Option<Score> {
    let points = &engaged.action.relevance.add;
    let fires = || points.iter().any(|add| add.points > 0.0 && add.when.evaluate(view).truth.holds());
    let asks = extra > 0.0 || fires();
    asks.then(|| score(engaged, view, channel, extra))
}

/// The lowest and the highest score of an action in an interval; `sensitivity` is that of its conditions, `extra` are more
/// points of relevance, each at least and at most.
pub(crate) fn range(
    action: &Action,
    sensitivity: [f64; 2],
    during: &During<'_, '_, '_>,
    channel: ChannelId,
    extra: [f64; 2],
) -> [Score; 2] {
    let [mut least, mut most] = extra.map(|extra| Relevance { points: action.relevance.base + extra, personal: 0.0 });
    for points in &action.relevance.add {
        let found = points.when.prospect(during);
        if !found.truth.holds {
            continue;
        }
        let (said, sure) = (said(points, during.first), found.truth.is_sure());
        least.points += if sure { points.points } else { points.points.min(0.0) };
        most.points += if sure { points.points } else { points.points.max(0.0) };
        least.personal = least.personal.max(found.most).max(said);
        most.personal = if sure { most.personal.max(found.least).max(said) } else { most.personal };
    }
    let clamp = |relevance: Relevance| Relevance { points: relevance.points.clamp(0.0, 100.0), ..relevance };
    let [most_personal, least_personal] = [sensitivity[1], sensitivity[0]];
    let [first, last] = during.scenes;
    let low = Engaged { action, sensitivity: most_personal };
    let low = weigh(&low, clamp(least), channel, during.first, first);
    let high = Engaged { action, sensitivity: least_personal };
    let high = match during.last {
        Some(view) => weigh(&high, clamp(most), channel, view, last),
        None => weigh(&high, clamp(most), channel, during.first, last),
    };
    [low, high]
}

/// The score of an action at another moment, if all facts stay.
pub(crate) fn again(action: &Action, score: &Score, scene: &Scene<'_>) -> Score {
    let (weights, hurt) = (scene.rules.policy.arbitration, if action.kind.helps() { 0.0 } else { scene.hurt() });
    score.with(weights.pressure * scene.pressure(), weights.hurt * hurt)
}

/// The sensitivity of the reason that is given for points.
fn said(points: &Points, facts: &impl Facts) -> f64 {
    let reason = points.because.as_ref().filter(|because| points.points > 0.0 && because.missing(facts).is_none());
    reason.map_or(0.0, |because| because.shown_sensitivity(facts))
}

fn relevance(action: &Action, view: &impl Facts, extra: f64) -> Relevance {
    let mut sum = Relevance { points: action.relevance.base + extra, personal: 0.0 };
    for points in &action.relevance.add {
        let found = points.when.evaluate(view);
        if found.truth == Truth::True {
            sum.points += points.points;
            sum.personal = sum.personal.max(found.sensitivity).max(said(points, view));
        }
    }
    Relevance { points: sum.points.clamp(0.0, 100.0), ..sum }
}

/// Raises the sensitivity to that of the conditions that hold and of the text, by these facts; the costs are those of
/// the scene.
fn weigh(
    engaged: &Engaged<'_>,
    relevance: Relevance,
    channel: ChannelId,
    facts: &impl Facts,
    scene: &Scene<'_>,
) -> Score {
    let Engaged { action, sensitivity } = *engaged;
    let said = action.treatments.get(channel).map_or(0.0, |treatment| treatment.text.shown_sensitivity(facts));
    let inputs = Inputs {
        relevance: relevance.points,
        worth: action.worth,
        personal: relevance.personal.max(sensitivity).max(said),
        base: action.intrusiveness,
        interruption: scene.interruption(),
        pressure: scene.pressure(),
        hurt: if action.kind.helps() { 0.0 } else { scene.hurt() },
    };
    inputs.score(scene.rules.policy.arbitration)
}

/// The part of intrusiveness that all actions share, subtracted from every upper bound.
pub(crate) fn common_costs(scene: &Scene<'_>) -> f64 {
    scoring::common_costs(scene.interruption(), scene.pressure(), scene.rules.policy.arbitration)
}
