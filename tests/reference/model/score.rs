//! The score: docs/rules.md, "How the score is made".

use super::super::story::{Score, Value};
use super::World;
use super::customer::{Customer, keep, usable};
use super::expression::{Expr, evaluate::evaluate};
use super::rules::{Action, Interruption};
use super::view::View;

/// What of an action is used: how relevant it is, and how personal what was used for it.
#[derive(Debug, Clone, Copy)]
pub struct Weight {
    pub relevance: f64,
    pub personal: f64,
}

/// score         = relevance × worth × (1 − personal_discount × personal) − intrusiveness
/// intrusiveness = base + interruption + 20 × personal + pressure + hurt, of which the last three by the policy's weights
pub fn score(view: &View, action: &Action, weight: Weight) -> Score {
    let (world, policy) = (view.world, &view.world.rules.policy);
    let interruption = interruption(view);
    let pressure = policy.weight_of_pressure * pressure(world, view.customer, world.now);
    let hurt = hurt_of(view, action, world.now);
    let of_personal = policy.weight_of_personal * weight.personal;
    let intrusiveness = action.intrusiveness + interruption + of_personal + pressure + hurt;
    let total = weight.relevance * action.worth * (1.0 - policy.personal_discount * weight.personal) - intrusiveness;
    Score {
        total,
        relevance: weight.relevance,
        worth: action.worth,
        personal: weight.personal,
        intrusiveness,
        interruption,
        pressure,
        hurt,
    }
}

fn hurt_of(view: &View, action: &Action, moment: i64) -> f64 {
    if action.helps() { 0.0 } else { view.world.rules.policy.weight_of_hurt * hurt(view.world, view.customer, moment) }
}

/// pressure = Σ weight of the contact's channel × ½ ^ (age / half-life), over all contacts
pub fn pressure(world: &World, customer: &Customer, moment: i64) -> f64 {
    let policy = &world.rules.policy;
    let contacts = customer.contacts.iter().filter(|contact| contact.counts_at(moment));
    let weights = contacts.map(|contact| {
        // Where another system did not say the channel, the heaviest counts.
        let heaviest = policy.per_contact.values().copied().fold(0.0, f64::max);
        let weight = policy.per_contact.get(&contact.channel).copied().unwrap_or(heaviest);
        weight * half(moment - contact.at, policy.pressure_half_life)
    });
    weights.fold(0.0, |sum, weight| sum + weight)
}

/// hurt = Σ points of the experience × ½ ^ (age / half-life), while nothing has repaired it. An experience counts for
/// everybody as long as one of its purposes may be served, and until it is forgotten; an outcome hurts until time ends it.
pub fn hurt(world: &World, customer: &Customer, moment: i64) -> f64 {
    let policy = &world.rules.policy;
    let held = customer.events.iter().filter(|event| !event.repaired && usable(world, customer, event));
    let events = held.filter(|event| event.at + keep(world, event) > moment).map(|event| {
        let points = world.rules.events.get(&event.kind).map_or(0.0, |kind| kind.hurt);
        points * half(moment - event.at, policy.hurt_half_life)
    });
    let presented = customer.contacts.iter().filter(|contact| contact.counts_at(moment));
    let presented = presented.map(|contact| ("presented", contact.at));
    let others = customer.outcomes.iter().map(|outcome| (outcome.outcome.as_str(), outcome.at));
    let outcomes = presented.chain(others).map(|(outcome, at)| {
        let points = policy.per_outcome.get(outcome).copied().unwrap_or(0.0);
        points * half(moment - at, policy.hurt_half_life)
    });
    events.chain(outcomes).fold(0.0, |sum, points| sum + points)
}

fn half(age: i64, half_life: i64) -> f64 {
    0.5_f64.powf(age as f64 / half_life as f64)
}

/// docs/rules.md, "Channels": by the value of `context.activity`, or `default`; "without a `default`, the highest number
/// counts where the activity is not listed or not known".
fn interruption(view: &View) -> f64 {
    let channel = view.question.and_then(|question| view.world.rules.channels.get(&question.channel));
    match channel.map(|channel| &channel.interruption) {
        None => 0.0,
        Some(Interruption::Always(points)) => *points,
        Some(Interruption::ByActivity { points, default }) => {
            let activity = evaluate(&Expr::Fact("context.activity".to_string()), view);
            let listed = match &activity {
                Some(Value::Text(activity)) => points.get(activity),
                _ => None,
            };
            let highest = points.values().copied().fold(0.0, f64::max);
            listed.copied().or(*default).unwrap_or(highest)
        }
    }
}
