//! Silence: why nothing is said, and what came nearest.

use super::answer::{Silence, SilenceReason};
use super::explain::reason;
use super::gate::Gate;
use super::judgement::{Judgement, Weighed, Why};
use super::nearness::{nearer, nearness_of};
use crate::domain::id::ChannelId;
use crate::domain::view::Scene;

/// Explains a silence by the action that came nearest.
pub(crate) fn explain(scene: &Scene<'_>, channel: ChannelId, outcome: &Weighed<'_>) -> Silence {
    let nearest = outcome.judgements.iter().max_by(|a, b| nearer(a, b, scene));
    let reason_code = overall(scene, nearest.map_or(0, |judgement| nearness_of(judgement, scene)));
    let said = nearest.filter(|judgement| judgement.gate > Gate::Dates);
    let detail = said.map_or_else(
        || "no action is offered on this channel now".to_owned(),
        |judgement| {
            let name = scene.rules.vocabulary.name(judgement.action.id);
            format!("nearest was `{name}`: {}", reason(judgement, scene, channel))
        },
    );
    let gap = |judgement: &Judgement<'_>| match judgement.why {
        Why::Gap(gap) => gap,
        _ => 0.0,
    };
    Silence {
        reason: reason_code,
        detail,
        nearest: said.map(|judgement| (judgement.action.id, gap(judgement))),
        retry_after: None,
    }
}

fn overall(scene: &Scene<'_>, nearest: u8) -> SilenceReason {
    if !(scene.subject.ledger_trusted && scene.subject.contacts.logged) {
        return SilenceReason::Degraded;
    }
    if scene.subject.standing.is_restricted() {
        return SilenceReason::Restricted;
    }
    match nearest {
        6 => SilenceReason::BelowThreshold,
        5 => SilenceReason::ContactLimit,
        4 => SilenceReason::QuietHours,
        3 => SilenceReason::NoConsent,
        _ => SilenceReason::NothingEligible,
    }
}
