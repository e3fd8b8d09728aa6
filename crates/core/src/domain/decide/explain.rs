//! Every loser has a reason that names the gate and the place in the rules, and the smallest change that
//! would flip it.

use std::cell::Cell;

use super::answer::{Explanation, Loser};
use super::engagement::Views;
use super::gate::Gate;
use super::judgement::{Judgement, Weighed, Why};
use super::nearness::{nearer, nearness_of};
use super::request::{Case, Explain, Request};
use super::{contact, flip, weigh};
use crate::domain::customer::{Contact, ContactState};
use crate::domain::id::{ActionId, ChannelId, PurposeSet};
use crate::domain::sources::Location;
use crate::domain::time::Moment;
use crate::domain::value::Truth;
use crate::domain::view::Scene;

/// For how many actions a flip is searched; those that came nearest come first.
const MOST_FLIPS: usize = 64;
/// The search for flips ends after this many evaluations: a few milliseconds at most.
const MOST_EVALUATIONS: usize = 20_000;

/// Explains an outcome.
pub(crate) fn explain<'r>(case: Case<'r, '_>, outcome: &Weighed<'r>, views: &mut Views<'r>) -> Option<Explanation> {
    let candidates = match case.request.explain {
        Explain::Chosen => return None,
        Explain::Funnel => {
            let nearest = nearest(case, outcome, views);
            nearest.map(|judgement| loser(&judgement, None, (case.request, views))).into_iter().collect()
        }
        Explain::Full => candidates(case.request, outcome, views),
    };
    Some(Explanation { funnel: funnel(outcome), candidates })
}

fn funnel(outcome: &Weighed<'_>) -> Vec<(Gate, u32, u32)> {
    let mut dropped = outcome.counted.gates;
    for judgement in &outcome.judgements {
        if let Some(count) = dropped.get_mut(judgement.gate as usize) {
            *count += 1;
        }
    }
    let mut left: u32 = dropped.iter().sum();
    let mut funnel = Vec::with_capacity(Gate::ALL.len());
    for (gate, dropped) in Gate::ALL.into_iter().zip(dropped).filter(|(gate, _)| *gate != Gate::Chosen) {
        funnel.push((gate, left, left - dropped));
        left -= dropped;
    }
    funnel
}

/// The loser that came nearest.
fn nearest<'r>(case: Case<'r, '_>, outcome: &Weighed<'r>, views: &mut Views<'r>) -> Option<Judgement<'r>> {
    let action = outcome.counted.nearest.and_then(|(_, id)| case.scene.rules.actions.get(id));
    let counted = action.map(|action| weigh::evaluate(action, case, views, None));
    let losers = outcome.judgements.iter().filter(|judgement| judgement.gate != Gate::Chosen);
    losers.cloned().chain(counted).max_by(|a, b| nearer(a, b, case.scene))
}

/// Every action: the chosen ones, then those that came nearest. Judgements come in order of ids, and the sort is stable.
fn candidates<'r>(request: &Request<'_>, outcome: &Weighed<'r>, views: &mut Views<'r>) -> Vec<Loser> {
    let (scene, mut nearest) = (views.scene(), [const { Vec::new() }; 8]);
    for judgement in &outcome.judgements {
        let place = if judgement.gate == Gate::Chosen { 7 } else { nearness_of(judgement, scene) };
        if let Some(same) = nearest.get_mut(usize::from(place)) {
            same.push(judgement);
        }
    }
    nearest.iter_mut().for_each(|same| same.sort_by(|a, b| points(b).total_cmp(&points(a))));
    let order = nearest.into_iter().rev().flatten();
    let cost = Cell::new(0);
    let mut losers = Vec::with_capacity(outcome.judgements.len());
    for (index, judgement) in order.enumerate() {
        let sought = index < MOST_FLIPS && cost.get() < MOST_EVALUATIONS;
        let flip = sought.then(|| flip::find(judgement, views, request, &cost)).flatten();
        losers.push(loser(judgement, flip, (request, views)));
    }
    losers
}

fn loser<'r>(
    judgement: &Judgement<'r>,
    flip: Option<String>,
    (request, views): (&Request<'_>, &mut Views<'r>),
) -> Loser {
    let scene = views.scene();
    Loser {
        action: judgement.action.id,
        gate: judgement.gate,
        reason: reason(judgement, scene, request.channel),
        rule: scene.rules.locate(judgement.span()),
        score: judgement.score,
        flip,
        needs_purposes: needs(judgement),
        fired: fired(judgement, views),
    }
}

fn fired<'r>(judgement: &Judgement<'r>, views: &mut Views<'r>) -> Vec<Location> {
    let Judgement { action, score: Some(_), .. } = judgement else { return Vec::new() };
    let view = views.of(action.purpose);
    let counted = action.relevance.add.iter().filter(|points| points.when.evaluate(view).truth.holds());
    counted.map(|points| view.scene.rules.locate(points.when.span())).collect()
}

fn points(judgement: &Judgement<'_>) -> f64 {
    judgement.score.map_or(f64::NEG_INFINITY, |score| score.total)
}

fn needs(judgement: &Judgement<'_>) -> PurposeSet {
    match judgement.why {
        Why::Consent(_) => PurposeSet::of(judgement.action.purpose),
        _ => PurposeSet::EMPTY,
    }
}

/// The reason in words. It quotes the rules, never the value of a withheld fact.
pub(crate) fn reason(judgement: &Judgement<'_>, scene: &Scene<'_>, channel: ChannelId) -> String {
    let rules = scene.rules;
    let name = |id: ActionId| rules.vocabulary.name(id).to_owned();
    match judgement.why {
        Why::Group => "not one of the groups asked for".to_owned(),
        Why::Channel => "no treatment for this channel".to_owned(),
        Why::NotYet(from) => format!("begins at {}", scene.shown(from)),
        Why::Over => "is over".to_owned(),
        Why::Consent(denial) => {
            let purpose = rules.vocabulary.name(judgement.action.purpose);
            format!("the purpose `{purpose}` may not be served: {}", denial.name().replace('_', " "))
        }
        Why::Condition(condition, truth) => {
            let state = if truth == Truth::Unknown { "is unknown" } else { "does not hold" };
            format!("`{}` {state}", condition.text())
        }
        Why::AlreadyGiven => "the customer has already agreed".to_owned(),
        Why::AskedBefore(until) => format!("the customer said no; not before {}", scene.shown(until)),
        Why::Asking(_) | Why::NothingToGain => "there is nothing to gain by it now".to_owned(),
        Why::NeverAskAgain => "the customer must not be asked".to_owned(),
        Why::Limit(limit, until) if judgement.gate == Gate::CoolDown => {
            format!("cool-down `{}` until {}", limit.label, ends(until, scene))
        }
        Why::Limit(limit, until) => format!("limit `{}` is used up until {}", limit.label, ends(until, scene)),
        Why::Unlogged(limit) => format!("limit `{}` cannot count it: contacts cannot be logged now", limit.label),
        Why::Quiet => match contact::quiet_end(scene, channel) {
            Some(until) => format!("quiet hours until {}", scene.shown(until)),
            None => "quiet hours".to_owned(),
        },
        Why::Text(fact) => format!("its text needs `{fact}`, which is not known here"),
        Why::Gap(gap) => format!("lacked {gap:.1} points"),
        Why::Excluded(other) => format!("excluded by `{}`", name(other)),
        Why::Outranked(gap) => format!("outranked by {gap:.1} points"),
        Why::Chosen => "chosen".to_owned(),
    }
}

/// The end of a limit. It may come before the end of its window: what nobody confirms does not count for long.
fn ends(until: Moment, scene: &Scene<'_>) -> String {
    let lapses = |contact: &Contact| contact.state == ContactState::Reserved { until };
    let reserved = scene.subject.state.relation().contacts.iter().any(lapses);
    let why = if reserved { ", when a step that no outcome has confirmed stops counting" } else { "" };
    format!("{}{why}", scene.shown(until))
}
