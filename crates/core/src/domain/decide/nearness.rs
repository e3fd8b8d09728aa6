//! How near an action came to being said, for the reason of a silence and for the order of an explanation.

use std::cmp::Ordering;

use super::ask;
use super::gate::Gate;
use super::judgement::Judgement;
use crate::domain::view::Scene;

/// Which action came nearer to being said: by its gate, then by points, then by id.
pub(crate) fn nearer(a: &Judgement<'_>, b: &Judgement<'_>, scene: &Scene<'_>) -> Ordering {
    let points = |judgement: &Judgement<'_>| judgement.score.map_or(f64::NEG_INFINITY, |score| score.total);
    let name = |judgement: &Judgement<'_>| scene.rules.vocabulary.name(judgement.action.id);
    let by_gate = nearness_of(a, scene).cmp(&nearness_of(b, scene));
    by_gate.then(points(a).total_cmp(&points(b))).then_with(|| name(b).cmp(name(a)))
}

/// How near an action came. An ask that cannot be made, since the customer has agreed or must not be asked, came no
/// nearer than its gate, whatever stopped it before.
pub(crate) fn nearness_of(judgement: &Judgement<'_>, scene: &Scene<'_>) -> u8 {
    let later = matches!(judgement.gate, Gate::Limit | Gate::CoolDown | Gate::QuietHours);
    if later && ask::is_closed(judgement.action, scene) {
        return Gate::Ask.nearness();
    }
    judgement.gate.nearness()
}

/// Equal for all that give a silence the same reason.
pub(crate) fn class(nearness: u8) -> u8 {
    if nearness < Gate::Consent.nearness() { 0 } else { nearness }
}
