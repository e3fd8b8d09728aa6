//! Asking for consent: docs/rules.md, "Asking for consent"; the decisions of 30 November 2026, C4, S2, S4.

use super::consent::{Status, binding_nos, may_be_served, objected, restricted};
use super::customer::Customer;
use super::expression::{
    evaluate::{evaluate, truth},
    possible::{lacks_open_fact, possible},
};
use super::rules::{Action, Part, Points, Template};
use super::score::{Weight, score};
use super::view::{View, personal};
use super::{World, text};

/// Why the customer is not asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unasked {
    /// They agreed, or objected; the data is restricted; the ledger cannot be trusted.
    Never,
    /// They said no, and the cooling-off ends then.
    Until(i64),
}

/// C4: whether this customer may be asked for a purpose now.
pub fn unasked(world: &World, customer: &Customer, asked: &str) -> Option<Unasked> {
    let purpose = world.rules.purposes.get(asked)?;
    let agreed = may_be_served(world, customer, asked);
    if agreed || customer.gone || restricted(customer) || !world.trusted || objected(customer, asked, purpose) {
        return Some(Unasked::Never);
    }
    let said_no = binding_nos(customer, asked, purpose).into_iter().rev().find(|no| no.status != Status::Objected)?;
    let until = said_no.at + purpose.cooling_off.unwrap_or(0);
    (world.now < until).then_some(Unasked::Until(until))
}

/// S4: the best score that is possible if the purpose were given, less the best score now, at least 0.
///
/// `open` are the actions that could be said on this channel now: the asked-for groups, the season and the contact policy
/// let them pass.
pub fn gain(view: &View, asked: &str, open: &[&Action], best_now: f64) -> f64 {
    let view = View { purpose: asked, readable: false, given: Some(asked), ..view.clone() };
    let of_purpose = open.iter().filter(|action| action.purpose == asked && action.asks.is_none());
    let scores = of_purpose.filter_map(|action| possible_score(&view, action));
    (scores.fold(0.0, f64::max) - best_now).max(0.0)
}

/// What an action could score. Conditions on what is withheld count as possible, points on it do not count.
fn possible_score(view: &View, action: &Action) -> Option<f64> {
    let is_possible = |condition: &_| possible(condition, view);
    let mut most_personal: f64 = 0.0;
    for condition in action.conditions().into_iter().flat_map(|(_, conditions)| conditions) {
        if !is_possible(condition) {
            return None;
        }
        most_personal = most_personal.max(personal(condition, view, &is_possible));
    }
    let treatment = action.treatments.get(&view.question?.channel)?;
    for part in &treatment.text.parts {
        if matches!(part, Part::Fact(fact, None) if lacks_open_fact(fact, view)) {
            return None;
        }
    }
    let fired = fired(view, action);
    let points: f64 = fired.iter().map(|points| points.points).sum();
    let most_personal =
        most_personal.max(personal_points(view, &fired)).max(personal_text(view, &treatment.text.parts));
    let relevance = (action.base + points).clamp(0.0, 100.0);
    Some(score(view, action, Weight { relevance, personal: most_personal }).total)
}

/// The points whose `when` is true.
pub fn fired<'a>(view: &View, action: &'a Action) -> Vec<&'a Points> {
    action.add.iter().filter(|points| truth(&points.when, view) == Some(true)).collect()
}

/// S1, S1b: points that fired count their `when`, and the facts of their `because` where it is told.
pub fn personal_points(view: &View, fired: &[&Points]) -> f64 {
    let is_true = |condition: &_| truth(condition, view) == Some(true);
    let of_when = fired.iter().map(|points| personal(&points.when, view, &is_true));
    let of_because = told(view, fired).into_iter().map(|(because, _)| personal_text(view, &because.parts));
    of_when.chain(of_because).fold(0.0, f64::max)
}

/// The reasons that are told, with their words: points above 0 that fired, and every fact is known or has words that
/// stand in for it.
pub fn told<'a>(view: &View, fired: &[&'a Points]) -> Vec<(&'a Template, String)> {
    let reasons = fired.iter().filter(|points| points.points > 0.0).filter_map(|points| points.because.as_ref());
    reasons.filter_map(|because| Some((because, text::fill(because, view)?))).collect()
}

/// S1: `{x}` counts x; `{x|words}` counts x only where x is known.
pub fn personal_text(view: &View, parts: &[Part]) -> f64 {
    let each = parts.iter().map(|part| match part {
        Part::Fact(fact, None) => view.sensitivity(fact),
        Part::Fact(fact, Some(_)) if evaluate(fact, view).is_some() => view.sensitivity(fact),
        _ => 0.0,
    });
    each.fold(0.0, f64::max)
}
