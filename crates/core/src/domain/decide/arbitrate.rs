//! The score: relevance against intrusiveness, in points (DESIGN: "A decision").
//!
//! `score = relevance × worth × (1 − personal_discount × personal) − intrusiveness`

use super::weigh::Boost;
use crate::domain::expr::Facts;
use crate::domain::id::ChannelId;
use crate::domain::model::Action;
use crate::domain::value::Truth;
use crate::domain::view::{Scene, View};

/// The score of an action and its parts, in points.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// `relevance × worth × (1 − personal_discount × personal) − intrusiveness`
    pub total: f64,
    /// How much it matters to the customer now, from 0 to 100.
    pub relevance: f64,
    /// Factor on relevance.
    pub worth: f64,
    /// The highest sensitivity among the facts it used, from 0 to 1.
    pub personal: f64,
    /// The sum of everything against it.
    pub intrusiveness: f64,
    /// Part of intrusiveness: what the channel interrupts.
    pub interruption: f64,
    /// Part of intrusiveness: recent contacts, weighted.
    pub pressure: f64,
    /// Part of intrusiveness: bad experiences, weighted; 0 for service and repair.
    pub hurt: f64,
}

/// Points of relevance, before they are weighed.
#[derive(Debug, Clone, Copy)]
struct Relevance {
    points: f64,
    personal: f64,
}

impl Relevance {
    /// Raises the sensitivity to that of the conditions that hold and of the text.
    fn with(self, action: &Action, view: &View<'_>, (channel, sensitivity): (ChannelId, f64)) -> Self {
        let said = action.treatments.get(channel).map_or(0.0, |treatment| treatment.text.shown_sensitivity(view));
        Self { personal: self.personal.max(sensitivity).max(said), ..self }
    }
}

/// The score of an action that passed every gate.
pub(crate) fn score(action: &Action, view: &View<'_>, (channel, sensitivity): (ChannelId, f64), boost: Boost) -> Score {
    let relevance = relevance(action, view, extra(action, boost));
    weigh(action, view.scene, relevance.with(action, view, (channel, sensitivity)))
}

/// The score of a consent ask, whose relevance includes its gain; `None` without a gain and without points.
pub(crate) fn score_ask(
    action: &Action,
    view: &View<'_>,
    on: (ChannelId, f64),
    (gain, boost): (f64, Boost),
) -> Option<Score> {
    let extra = gain.max(0.0) + extra(action, boost);
    let fires = || action.relevance.add.iter().any(|add| add.points > 0.0 && add.when.evaluate(view).truth.holds());
    let asks = extra > 0.0 || fires();
    asks.then(|| weigh(action, view.scene, relevance(action, view, extra).with(action, view, on)))
}

fn extra(action: &Action, boost: Boost) -> f64 {
    boost.filter(|(boosted, _)| *boosted == action.id).map_or(0.0, |(_, points)| points)
}

fn relevance(action: &Action, view: &impl Facts, extra: f64) -> Relevance {
    let mut sum = Relevance { points: action.relevance.base + extra, personal: 0.0 };
    for points in &action.relevance.add {
        let found = points.when.evaluate(view);
        if found.truth == Truth::True {
            let reason =
                points.because.as_ref().filter(|because| points.points > 0.0 && because.missing(view).is_none());
            let said = reason.map_or(0.0, |because| because.shown_sensitivity(view));
            sum.points += points.points;
            sum.personal = sum.personal.max(found.sensitivity).max(said);
        }
    }
    Relevance { points: sum.points.clamp(0.0, 100.0), ..sum }
}

fn weigh(action: &Action, scene: &Scene<'_>, relevance: Relevance) -> Score {
    let weights = scene.rules.policy.arbitration;
    let interruption = scene.interruption();
    let pressure = weights.pressure * scene.pressure();
    let hurt = if action.kind.helps() { 0.0 } else { weights.hurt * scene.hurt() };
    let personal = relevance.personal;
    let intrusiveness = action.intrusiveness + interruption + weights.personal * personal + pressure + hurt;
    let gain = relevance.points * action.worth * (1.0 - weights.personal_discount * personal);
    Score {
        total: gain - intrusiveness,
        relevance: relevance.points,
        worth: action.worth,
        personal,
        intrusiveness,
        interruption,
        pressure,
        hurt,
    }
}

/// The part of intrusiveness that all actions share, subtracted from every upper bound; slightly less, because sums are
/// rounded.
pub(crate) fn common_intrusiveness(scene: &Scene<'_>) -> f64 {
    scene.interruption() + scene.rules.policy.arbitration.pressure * scene.pressure() - 1e-6
}
