//! Picks the best actions that score above silence and do not exclude each other, and fills their texts.

use std::cmp::Ordering;
use std::sync::Arc;

use smallvec::SmallVec;

use super::arbitrate::Score;
use super::{Chosen, Counted, Gate, Judgement, Weighed, Why, contact};
use crate::domain::id::ChannelId;
use crate::domain::model::Action;
use crate::domain::time::{Moment, Period};
use crate::domain::view::{Scene, View};

/// The score that an action must exceed.
pub(crate) fn threshold(scene: &Scene<'_>) -> f64 {
    scene.rules.policy.arbitration.threshold.max(0.0)
}

/// Picks up to `max` actions above the threshold and above silence.
pub(crate) fn choose<'r>(mut judgements: Vec<Judgement<'r>>, scene: &'r Scene<'r>, max: usize) -> Weighed<'r> {
    let threshold = threshold(scene);
    let scored = judgements.iter().enumerate();
    let scored = scored.filter_map(|(index, judgement)| Some((index, judgement.score?, judgement.action)));
    let mut order: SmallVec<[(usize, Score, &'r Action); 8]> = scored.collect();
    order.sort_unstable_by(|a, b| better((a.1, a.2), (b.1, b.2), scene));
    let (mut chosen, mut besides) = (SmallVec::new(), SmallVec::<[&Action; 4]>::new());
    let mut last = 0.0;
    for (index, score, action) in order {
        let (gate, why) = if score.total <= threshold {
            (Gate::BelowThreshold, Why::Gap(threshold - score.total))
        } else if let Some(other) = besides.iter().find(|other| exclude(other, action)) {
            (Gate::Excluded, Why::Excluded(other.id))
        } else if chosen.len() >= max {
            (Gate::Outranked, Why::Outranked(last - score.total))
        } else if let Some(dropped) =
            (!besides.is_empty()).then(|| contact::drop(action, scene, channel(scene)?, &besides)).flatten()
        {
            (dropped.gate, dropped.why)
        } else {
            chosen.push(index);
            besides.push(action);
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
pub(crate) fn better((a, action_a): (Score, &Action), (b, action_b): (Score, &Action), scene: &Scene<'_>) -> Ordering {
    let name = |action: &Action| scene.rules.vocabulary.name(action.id);
    b.total
        .total_cmp(&a.total)
        .then(b.relevance.total_cmp(&a.relevance))
        .then(a.intrusiveness.total_cmp(&b.intrusiveness))
        .then_with(|| name(action_a).cmp(name(action_b)))
}

fn exclude(a: &Action, b: &Action) -> bool {
    a.excludes.contains(&b.id) || b.excludes.contains(&a.id)
}

fn channel(scene: &Scene<'_>) -> Option<ChannelId> {
    scene.situation.channel
}

/// A chosen action with its text and its reasons.
pub(crate) fn put_in_words(judgement: &Judgement<'_>, channel: ChannelId, view: &View<'_>) -> Option<Chosen> {
    let action = judgement.action;
    let treatment = action.treatments.get(channel)?;
    let because = action.relevance.add.iter().filter_map(|points| {
        let because = points.because.as_ref().filter(|_| points.points > 0.0)?;
        points.when.evaluate(view).truth.holds().then(|| because.fill(view).ok())?
    });
    Some(Chosen {
        action: action.id,
        content: Arc::clone(&treatment.content),
        text: treatment.text.fill(view).ok()?,
        score: judgement.score?,
        because: because.collect(),
    })
}

/// How long the answer may be used: until a reservation lapses, a grant it relies on ends, an action's dates end, or
/// quiet hours begin or end; a day at most.
pub(crate) fn valid_until(scene: &Scene<'_>, on: ChannelId, outcome: &Weighed<'_>) -> Moment {
    let mut until = scene.now + Period::DAY;
    let mut limit = |moment: Option<Moment>| until = until.min(moment.unwrap_or(until));
    let reserve = scene.rules.declared.channels.get(on).and_then(|channel| channel.reserve_for);
    limit(reserve.filter(|_| !outcome.chosen.is_empty()).map(|period| scene.now + period));
    limit(contact::quiet_hours(scene, on).map(|quiet| quiet.next_change(scene.now, scene.zone())));
    for judgement in outcome.chosen.iter().filter_map(|index| outcome.judgements.get(*index)) {
        limit(judgement.action.until);
        if let crate::domain::consent::Verdict::Allow { until, .. } =
            scene.verdict(judgement.action.purpose, crate::domain::consent::Stage::Disclosure)
        {
            limit(Some(until));
        }
    }
    until
}
