//! Every loser has a reason that names the gate and the place in the rules, and the smallest change that
//! would flip it.

use std::cmp::Ordering;

use super::{Gate, Judgement, Request, Score, Weighed, Why, flip};
use crate::domain::id::{ActionId, PurposeSet};
use crate::domain::rules::diagnostic::Location;
use crate::domain::value::Truth;
use crate::domain::view::Scene;

/// How much to explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Explain {
    /// Reasons of the chosen actions only.
    #[default]
    Chosen,
    /// Counts for each gate, and the nearest loser.
    Funnel,
    /// Every action.
    Full,
}

/// Reasons, as far as they were asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Explanation {
    /// How many actions entered each gate, and how many were left behind it.
    pub funnel: Vec<(Gate, u32, u32)>,
    /// Every action with its reason, the best first.
    pub candidates: Vec<Loser>,
}

/// One action and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loser {
    /// Which action.
    pub action: ActionId,
    /// Where it dropped out, or `chosen`.
    pub gate: Gate,
    /// Why, in words.
    pub reason: String,
    /// The place in the rules that decided it.
    pub rule: Location,
    /// Its score, where it got that far.
    pub score: Option<Score>,
    /// The smallest change found that would have chosen it; verified by deciding again.
    pub flip: Option<String>,
    /// Purposes it waits for.
    pub needs_purposes: PurposeSet,
    /// The places of the points that counted for its relevance.
    pub fired: Vec<Location>,
}

/// How many actions may be weighed to find flips; the furthest come first. A few milliseconds at most.
const FLIP_BUDGET: usize = 20_000;
/// How many times one flip may weigh them all.
const WEIGHINGS: usize = 5;

/// Explains an outcome.
pub(crate) fn explain(scene: &Scene<'_>, request: &Request<'_>, outcome: &Weighed<'_>) -> Option<Explanation> {
    match request.explain {
        Explain::Chosen => None,
        Explain::Funnel => {
            let nearest = outcome
                .judgements
                .iter()
                .filter(|judgement| judgement.gate != Gate::Chosen)
                .max_by(|a, b| nearer(a, b, scene));
            let candidates = nearest.map(|judgement| told(judgement, scene, None)).into_iter().collect();
            Some(Explanation { funnel: funnel(outcome), candidates })
        }
        Explain::Full => Some(Explanation { funnel: funnel(outcome), candidates: candidates(scene, request, outcome) }),
    }
}

fn funnel(outcome: &Weighed<'_>) -> Vec<(Gate, u32, u32)> {
    let mut left = outcome.judgements.len();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut funnel = Vec::with_capacity(Gate::ALL.len());
    for gate in Gate::ALL.into_iter().filter(|gate| *gate != Gate::Chosen) {
        let dropped = outcome.judgements.iter().filter(|judgement| judgement.gate == gate).count();
        funnel.push((gate, count(left), count(left - dropped)));
        left -= dropped;
    }
    funnel
}

fn candidates(scene: &Scene<'_>, request: &Request<'_>, outcome: &Weighed<'_>) -> Vec<Loser> {
    let mut order: Vec<&Judgement<'_>> = outcome.judgements.iter().collect();
    order.sort_by(|a, b| nearer(b, a, scene));
    let flips = FLIP_BUDGET / (outcome.judgements.len().max(1) * WEIGHINGS);
    let flip = |index: usize, judgement: &Judgement<'_>| {
        (index < flips.max(1)).then(|| flip::find(judgement, scene, request)).flatten()
    };
    let told = |(index, judgement): (usize, &Judgement<'_>)| told(judgement, scene, flip(index, judgement));
    order.into_iter().enumerate().map(told).collect()
}

fn told(judgement: &Judgement<'_>, scene: &Scene<'_>, flip: Option<String>) -> Loser {
    Loser {
        action: judgement.action.id,
        gate: judgement.gate,
        reason: reason(judgement, scene),
        rule: scene.rules.locate(judgement.span()),
        score: judgement.score,
        flip,
        needs_purposes: needs(judgement),
        fired: fired(judgement, scene),
    }
}

fn fired(judgement: &Judgement<'_>, scene: &Scene<'_>) -> Vec<Location> {
    let Judgement { action, score: Some(_), .. } = judgement else { return Vec::new() };
    let view = scene.view(action.purpose);
    let counted = action.relevance.add.iter().filter(|points| points.when.evaluate(&view).truth.holds());
    counted.map(|points| scene.rules.locate(points.when.span())).collect()
}

/// Who came nearer to being chosen: who passed more gates, then who has more points, then the id.
fn nearer(a: &Judgement<'_>, b: &Judgement<'_>, scene: &Scene<'_>) -> Ordering {
    let points = |judgement: &Judgement<'_>| judgement.score.map_or(f64::NEG_INFINITY, |score| score.total);
    let name = |judgement: &Judgement<'_>| scene.rules.vocabulary.name(judgement.action.id);
    a.gate.cmp(&b.gate).then(points(a).total_cmp(&points(b))).then_with(|| name(b).cmp(name(a)))
}

fn needs(judgement: &Judgement<'_>) -> PurposeSet {
    match judgement.why {
        Why::Consent(_) => PurposeSet::of(judgement.action.purpose),
        _ => PurposeSet::EMPTY,
    }
}

/// The reason in words. It names what the rules say, never what a withheld fact holds.
pub(crate) fn reason(judgement: &Judgement<'_>, scene: &Scene<'_>) -> String {
    let rules = scene.rules;
    let name = |id: ActionId| rules.vocabulary.name(id).to_owned();
    match judgement.why {
        Why::Group => "not one of the groups asked for".to_owned(),
        Why::Channel => "no treatment for this channel".to_owned(),
        Why::NotYet(from) => format!("begins at {from}"),
        Why::Over => "is over".to_owned(),
        Why::Consent(denial) => {
            let purpose = rules.vocabulary.name(judgement.action.purpose);
            format!("the purpose `{purpose}` may not be served: {}", denial.name().replace('_', " "))
        }
        Why::Condition(condition, truth) => {
            let state = if truth == Truth::Unknown { "cannot be told" } else { "does not hold" };
            format!("`{}` {state}", condition.text())
        }
        Why::AlreadyGiven => "the customer has already agreed".to_owned(),
        Why::AskedBefore(until) => format!("the customer said no; not before {until}"),
        Why::Asking(_) | Why::NothingToGain => "there is nothing to gain by it now".to_owned(),
        Why::NeverAskAgain => "the customer must not be asked".to_owned(),
        Why::Limit(limit, until) if judgement.gate == Gate::CoolDown => {
            format!("quiet for `{}`, until {until}", limit.label)
        }
        Why::Limit(limit, until) => format!("limit `{}` is used up until {until}", limit.label),
        Why::Quiet(Some(until)) => format!("quiet hours until {until}"),
        Why::Quiet(None) => "quiet hours".to_owned(),
        Why::Text(fact) => format!("its text needs `{fact}`, which is not known here"),
        Why::Gap(gap) => format!("lacked {gap:.1} points"),
        Why::Excluded(other) => format!("does not go together with `{}`", name(other)),
        Why::Outranked(gap) => format!("outranked by {gap:.1} points"),
        Why::Chosen => "chosen".to_owned(),
    }
}
