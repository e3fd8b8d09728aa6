//! Picks the best actions that score above silence and do not exclude each other, and fills their texts.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use super::answer::Chosen;
use super::contact;
use super::gate::Gate;
use super::judgement::{Counted, Judgement, Weighed, Why};
use super::request::Case;
use crate::domain::id::ChannelId;
use crate::domain::model::Action;
use crate::domain::scoring::{Score, Term};
use crate::domain::view::{Scene, View};

/// The score that an action must exceed.
pub(crate) fn threshold(scene: &Scene<'_>) -> f64 {
    scene.rules.policy.arbitration.threshold.max(0.0)
}

/// A scored action.
#[derive(Clone, Copy)]
pub(crate) struct Scored<'r> {
    pub action: &'r Action,
    pub score: Score,
}

impl<'r> Scored<'r> {
    /// `None` if the action dropped out before.
    pub fn of(judgement: &Judgement<'r>) -> Option<Self> {
        Some(Self { action: judgement.action, score: judgement.score? })
    }
}

/// Picks up to the requested number of actions above the threshold and above silence.
pub(crate) fn choose<'r>(mut judgements: Vec<Judgement<'r>>, case: Case<'r, '_>) -> Weighed<'r> {
    let Case { scene, request } = case;
    let threshold = threshold(scene);
    let mut order: SmallVec<[(usize, Scored<'r>); 8]> = SmallVec::new();
    for (index, judgement) in judgements.iter().enumerate() {
        order.extend(Scored::of(judgement).map(|scored| (index, scored)));
    }
    order.sort_unstable_by(|(_, a), (_, b)| better(a, b, scene));
    let (mut chosen, mut chosen_actions) = (SmallVec::new(), SmallVec::<[&Action; 4]>::new());
    let mut last = 0.0;
    for (index, Scored { action, score }) in order {
        let (gate, why) = if score.total <= threshold {
            (Gate::BelowThreshold, Why::Gap(threshold - score.total))
        } else if let Some(other) = chosen_actions.iter().find(|other| exclude(other, action)) {
            (Gate::Excluded, Why::Excluded(other.id))
        } else if chosen.len() >= request.max_actions {
            (Gate::Outranked, Why::Outranked(last - score.total))
        } else if let Some(dropped) = (!chosen_actions.is_empty())
            .then(|| contact::limit(action, scene, request.channel, &chosen_actions))
            .flatten()
        {
            (dropped.gate, dropped.why)
        } else {
            chosen.push(index);
            chosen_actions.push(action);
            last = score.total;
            (Gate::Chosen, Why::Chosen)
        };
        if let Some(judgement) = judgements.get_mut(index) {
            judgement.gate = gate;
            judgement.why = why;
        }
    }
    Weighed { judgements, chosen, counted: Counted::default() }
}

/// Higher score first; then higher relevance, lower intrusiveness, then the id.
pub(crate) fn better(a: &Scored<'_>, b: &Scored<'_>, scene: &Scene<'_>) -> Ordering {
    let name = |scored: &Scored<'_>| scene.rules.vocabulary.name(scored.action.id);
    by_points(&a.score, &b.score).then_with(|| name(a).cmp(name(b)))
}

fn by_points(a: &Score, b: &Score) -> Ordering {
    b.total
        .total_cmp(&a.total)
        .then(b.get(Term::Relevance).total_cmp(&a.get(Term::Relevance)))
        .then(a.intrusiveness().total_cmp(&b.intrusiveness()))
}

/// Whether two actions must not be in one answer.
pub(crate) fn exclude(a: &Action, b: &Action) -> bool {
    a.excludes.contains(&b.id) || b.excludes.contains(&a.id)
}

/// A chosen action with its text and its reasons.
pub(crate) fn put_in_words(judgement: &Judgement<'_>, channel: ChannelId, view: &View<'_>) -> Option<Chosen> {
    let action = judgement.action;
    let treatment = action.treatments.get(channel)?;
    Some(Chosen {
        action: action.id,
        content: Arc::clone(&treatment.content),
        text: treatment.text.fill(view).ok()?,
        score: judgement.score?,
        because: reasons(action, view),
    })
}

/// The reasons that are given for an action.
pub(crate) fn reasons(action: &Action, view: &View<'_>) -> SmallVec<[Arc<str>; 1]> {
    let because = action.relevance.add.iter().filter_map(|points| {
        let because = points.because.as_ref().filter(|_| points.points > 0.0)?;
        points.when.evaluate(view).truth.holds().then(|| because.fill(view).ok())?
    });
    because.collect()
}
