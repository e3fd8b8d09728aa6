//! The smallest change that would have chosen an action, found gate by gate and verified by deciding again.
//!
//! A change supposes other facts, another moment or more relevance, never a consent and never withheld data. The answer
//! lists exactly what was supposed when the action was chosen.

use std::cell::Cell;

use super::arbitrate::Boost;
use super::engagement::Views;
use super::gate::Gate;
use super::judgement::{Judgement, Why};
use super::request::{Case, Request};
use super::suppose::{Change, World};
use super::{contact, solve, weigh};
use crate::domain::model::Action;

/// How many changes one flip may hold.
const MOST_CHANGES: usize = 4;
/// How many ways to pass one gate are tried.
const MOST_WAYS: usize = 8;
/// By how many points of relevance the points that are told are more than the gap, at least.
const LEAST_MARGIN: f64 = 0.001;

/// Searches for the smallest change that chooses the action, and returns it in words. Adds the evaluated actions to
/// `cost`.
pub(crate) fn find<'r>(
    judgement: &Judgement<'r>,
    views: &mut Views<'r>,
    request: &Request<'_>,
    cost: &Cell<usize>,
) -> Option<String> {
    let action = judgement.action;
    let mut ways = ways(judgement, views, request);
    if ways.is_empty() {
        return None;
    }
    let search = Search { action, request, cost };
    let mut world = World::new(views.scene(), action.purpose);
    for _ in 0..MOST_CHANGES {
        let (next, now) = search.first_possible(world, ways)?;
        match now {
            Again::Chosen => return Some(next.words()),
            Again::Dropped(more) => (world, ways) = (next, more),
        }
    }
    None
}

/// The result for an action in a supposed world.
enum Again {
    Chosen,
    /// It was not chosen; these changes may let it pass more gates.
    Dropped(Vec<Change>),
}

/// The search for one flip.
struct Search<'s> {
    action: &'s Action,
    request: &'s Request<'s>,
    /// Actions evaluated so far, for all flips.
    cost: &'s Cell<usize>,
}

impl Search<'_> {
    /// Applies the first possible change to a world, and returns the result for the action.
    fn first_possible<'w>(&self, world: World<'w>, ways: Vec<Change>) -> Option<(World<'w>, Again)> {
        let mut kept = Some(world);
        let mut ways = ways.into_iter().take(MOST_WAYS).peekable();
        while let Some(change) = ways.next() {
            // The world is copied only if another change may have to be tried in it.
            let world = if ways.peek().is_some() { kept.clone() } else { kept.take() };
            let Some(next) = world.and_then(|world| world.supposing(change, self.cost)) else { continue };
            if let Some(now) = self.evaluate_again(&next) {
                return Some((next, now));
            }
        }
        None
    }

    /// Decides again, with all other actions that may score higher. `None` if a supposition does not hold in this
    /// world.
    fn evaluate_again(&self, world: &World<'_>) -> Option<Again> {
        let Self { action, request, cost } = self;
        let scene = world.scene();
        let mut views = Views::new(&scene);
        if !world.holds(views.of(action.purpose)) {
            return None;
        }
        let boost = Boost { action: action.id, points: world.points() };
        let outcome = weigh::score_candidates(Case { scene: &scene, request }, &mut views, Some(boost));
        cost.set(cost.get() + outcome.judgements.len() + views.uses());
        let now = outcome.judgements.iter().find(|judgement| judgement.action.id == action.id)?;
        Some(if now.gate == Gate::Chosen { Again::Chosen } else { Again::Dropped(ways(now, &mut views, request)) })
    }
}

/// Changes that each pass the gate at which the action dropped out, or fulfil a part of it.
fn ways<'r>(judgement: &Judgement<'r>, views: &mut Views<'r>, request: &Request<'_>) -> Vec<Change> {
    match judgement.why {
        Why::Condition(condition, _) => {
            let values = solve::satisfy(condition, views.of(judgement.action.purpose));
            values.into_iter().map(|(fact, value)| Change::Fact(fact, value)).collect()
        }
        Why::NotYet(at) | Why::Limit(_, at) | Why::AskedBefore(at) => vec![Change::Moment(at)],
        Why::Quiet => contact::quiet_end(views.scene(), request.channel).map(Change::Moment).into_iter().collect(),
        Why::Gap(gap) | Why::Outranked(gap) => points(judgement, gap).map(Change::Points).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The points of relevance that close a gap, in tenths.
fn points(judgement: &Judgement<'_>, gap: f64) -> Option<f64> {
    let missing = judgement.score?.relevance_for(gap);
    // A tenth of a point more than the gap, so that a tie does not count as a win; and one more where a thousandth decides.
    let tenths = ((missing + LEAST_MARGIN) * 10.0).floor() + 1.0;
    Some(tenths / 10.0)
}
