//! Contact policy: limits over sliding windows, cool-downs, quiet hours.
//!
//! Windows are exact to the millisecond and half-open: a contact at `t` counts until just before `t + per`.

use smallvec::SmallVec;

use super::gate::Gate;
use super::judgement::{Judgement, Why};
use crate::domain::action::Outcome;
use crate::domain::id::ChannelId;
use crate::domain::model::{Action, Limit, LimitRule, LimitScope, Otherwise, QuietHours};
use crate::domain::time::{Moment, Period, first_moment};
use crate::domain::value::Possible;
use crate::domain::view::Scene;

/// Drops an action that would exceed a limit now, or in quiet hours.
pub(crate) fn drop<'r>(action: &'r Action, scene: &'r Scene<'_>, channel: ChannelId) -> Option<Judgement<'r>> {
    let is_quiet = || quiet(scene, scene, channel).holds;
    limit(action, scene, channel, &[])
        .or_else(|| is_quiet().then(|| Judgement::dropped(action, Gate::QuietHours, Why::Quiet)))
}

/// Drops an action that would exceed a limit now; `chosen` are the actions already chosen for this answer.
pub(crate) fn limit<'r>(
    action: &'r Action,
    scene: &'r Scene<'_>,
    channel: ChannelId,
    chosen: &[&Action],
) -> Option<Judgement<'r>> {
    let covers = |limit: &Limit| limit.scope.covers(action.id, action.kind, action.group, Some(channel));
    if !scene.subject.contacts.logged {
        let limit = action.limits.iter().chain(&scene.rules.policy.limits).find(|limit| covers(limit))?;
        return Some(Judgement::dropped(action, Gate::Limit, Why::Unlogged(limit)));
    }
    let own_limits = action.limits.iter().filter(|limit| covers(limit));
    let own = own_limits.filter_map(|limit| Some((limit, used_up(limit, scene, channel, chosen)?)));
    let pooled_limits = scene.rules.policy.limits.iter().zip(&scene.pooled).filter(|(limit, _)| covers(limit));
    let pooled = pooled_limits.filter_map(|(limit, alone)| {
        let count = || used_up(limit, scene, channel, chosen);
        // Earlier contacts count the same for every action that the limit covers.
        Some((limit, if chosen.is_empty() { *alone.get_or_init(count) } else { count() }?))
    });
    let (limit, until) = own.chain(pooled).max_by_key(|(_, until)| *until)?;
    scene.changes_at(until);
    let gate = if matches!(limit.rule, LimitRule::After { .. }) { Gate::CoolDown } else { Gate::Limit };
    Some(Judgement::dropped(action, gate, Why::Limit(limit, until)))
}

/// How much of a limit is used, and when a used-up one lets the next contact through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Counted in the window that ends now.
    pub used: u32,
    /// When the oldest counted contact leaves the window.
    pub refills: Option<Moment>,
}

/// How much of a limit is used now.
#[must_use]
pub fn usage(scope: &LimitScope, outcome: Outcome, per: Period, scene: &Scene<'_>) -> Usage {
    let ends = ends(scope, outcome, per, scene);
    Usage { used: u32::try_from(ends.clone().count()).unwrap_or(u32::MAX), refills: ends.min() }
}

/// Until when a limit stops the action; `None` if it does not.
fn used_up(limit: &Limit, scene: &Scene<'_>, channel: ChannelId, chosen: &[&Action]) -> Option<Moment> {
    let (LimitRule::AtMost { per: back, .. } | LimitRule::After { wait: back, .. }) = limit.rule;
    // Lost contacts may have used it up.
    let lost = scene.subject.state.relation().lost.max(scene.subject.contacts.lost);
    let lost = lost.map(|lost| lost + back).filter(|until| *until > scene.now);
    lost.max(known_to_be_used_up(limit, scene, channel, chosen))
}

fn known_to_be_used_up(limit: &Limit, scene: &Scene<'_>, channel: ChannelId, chosen: &[&Action]) -> Option<Moment> {
    match limit.rule {
        LimitRule::AtMost { count, per, outcome } => {
            let ends = ends(&limit.scope, outcome, per, scene);
            let covers = |action: &&&Action| limit.scope.covers(action.id, action.kind, action.group, Some(channel));
            let extra = if outcome == Outcome::Presented { chosen.iter().filter(covers).count() } else { 0 };
            let over = (ends.clone().count() + extra).checked_sub(count as usize)?;
            let mut ordered: SmallVec<[Moment; 8]> = ends.collect();
            ordered.sort_unstable();
            Some(ordered.get(over).copied().unwrap_or(scene.now + per))
        }
        LimitRule::After { outcome, wait } => {
            let covers = |action: &&&Action| limit.scope.covers(action.id, action.kind, action.group, Some(channel));
            if outcome == Outcome::Presented && chosen.iter().any(|action| covers(&action)) {
                return Some(scene.now + wait);
            }
            let ends = occurrences(&limit.scope, outcome, scene).map(|(at, lapses)| (at + wait).min(lapses));
            ends.max().filter(|until| *until > scene.now)
        }
    }
}

/// When each counted occurrence leaves the window.
fn ends<'s>(
    scope: &'s LimitScope,
    outcome: Outcome,
    per: Period,
    scene: &'s Scene<'_>,
) -> impl Iterator<Item = Moment> + Clone + 's {
    let counted = occurrences(scope, outcome, scene).map(move |(at, lapses)| (at + per).min(lapses));
    counted.filter(|end| *end > scene.now)
}

/// Every occurrence of an outcome within a scope, with the moment at which it lapses, if it does.
fn occurrences<'s>(
    scope: &'s LimitScope,
    outcome: Outcome,
    scene: &'s Scene<'_>,
) -> impl Iterator<Item = (Moment, Moment)> + Clone + 's {
    let now = scene.now;
    let presented = outcome == Outcome::Presented;
    let relation = scene.subject.state.relation();
    let counted = relation.contacts.iter().filter(move |contact| presented && contact.counts(now));
    let contacts = counted
        .filter(|contact| scope.covers(contact.action, contact.kind, contact.group, contact.channel))
        .map(|contact| (contact.at, contact.lapses()));
    let named = relation.outcomes.iter().filter(move |entry| !presented && entry.outcome == outcome);
    let outcomes = named
        .filter(|entry| scope.covers(entry.action, entry.kind, entry.group, entry.channel))
        .map(|entry| (entry.at, Moment::DISTANT_FUTURE));
    contacts.chain(outcomes)
}

/// Whether it can be quiet on the channel from the moment of the first scene to that of the last.
pub(crate) fn quiet(first: &Scene<'_>, last: &Scene<'_>, channel: ChannelId) -> Possible {
    let Some(quiet) = quiet_hours(first, channel) else { return Possible::TRUE.not() };
    first.changes_at(quiet.next_edge(first.now, first.local()));
    quiet.cover(first.local(), last.local())
}

/// When quiet hours end, if the channel waits for that. Two days: a change of the clocks may skip one end.
pub(crate) fn quiet_end(scene: &Scene<'_>, channel: ChannelId) -> Option<Moment> {
    let quiet = quiet_hours(scene, channel).filter(|quiet| quiet.otherwise == Otherwise::Wait)?;
    let local = |at: Moment| at.local(scene.zone());
    let last = scene.now + Period(3 * Period::DAY.0);
    first_moment(scene.now, last, &mut |from, to| {
        let begins = local(from);
        quiet.cover(&begins, &local(to)).fails.then(|| quiet.next_edge(from, &begins))
    })
}

/// The channel's quiet hours.
pub(crate) fn quiet_hours(scene: &Scene<'_>, channel: ChannelId) -> Option<QuietHours> {
    scene.rules.declared.channels.get(channel)?.quiet_hours
}
