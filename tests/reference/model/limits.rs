//! Limits and cool-downs: docs/rules.md, "Limits and cool-downs".

use super::World;
use super::customer::{Customer, Served};
use super::rules::{Action, Limit, helps};

/// What stops an action, and until when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    pub cool_down: bool,
    pub until: i64,
}

/// All limits and cool-downs that stop an action on a channel now: its own, and those of the policy that cover it.
pub fn stops(world: &World, customer: &Customer, action: &Action, channel: &str) -> Vec<Stop> {
    let own = action.limits.iter().map(|limit| (limit, Some(action)));
    let of_policy = world.rules.policy.limits.iter().map(|limit| (limit, None));
    let of_policy = of_policy.filter(|(limit, _)| covers(limit, &action.kind, &action.group));
    let here = own.chain(of_policy).filter(|(limit, _)| on_channel(limit, channel));
    here.filter_map(|(limit, of)| stop(limit, &counted(world, customer, limit, of))).collect()
}

/// "At most n in any window": it ends when enough have left the window that there is room for one. A cool-down ends a
/// while after the latest outcome.
fn stop(limit: &Limit, ends: &[i64]) -> Option<Stop> {
    let until = match limit.at_most {
        Some(most) => ends.len().checked_sub(most).and_then(|place| ends.get(place)),
        None => ends.last(),
    };
    until.map(|until| Stop { cool_down: limit.at_most.is_none(), until: *until })
}

/// How much of a limit is used.
pub fn used(world: &World, customer: &Customer, limit: &Limit, of: Option<&Action>) -> usize {
    counted(world, customer, limit, of).len()
}

/// Whether a limit of the policy covers a step. Where it does not name kinds, it covers all but `service` and `repair`.
fn covers(limit: &Limit, kind: &str, group: &str) -> bool {
    let of_kind = limit.kinds.as_ref().map_or(!helps(kind), |kinds| kinds.contains(kind));
    of_kind && limit.groups.as_ref().is_none_or(|groups| groups.contains(group))
}

/// `channels`: counts and stops on these only. A contact of which another system did not say the channel counts.
fn on_channel(limit: &Limit, channel: &str) -> bool {
    channel.is_empty() || limit.channels.as_ref().is_none_or(|channels| channels.contains(channel))
}

/// What a limit counts now: for each the moment from which it no longer counts, the earliest first. The window slides:
/// what is exactly as old as the window does not count. A reservation counts until it lapses. Each counts with the kind and
/// the group that its action had then.
fn counted(world: &World, customer: &Customer, limit: &Limit, of: Option<&Action>) -> Vec<i64> {
    let mine = |served: &Served| match of {
        Some(action) => served.id == action.id,
        None => covers(limit, &served.kind, &served.group),
    };
    let contacts = customer.contacts.iter().filter(|contact| contact.counts_at(world.now));
    let contacts = contacts.filter(|_| limit.outcome == "presented").map(|contact| {
        let lapses = contact.lapses.filter(|_| !contact.confirmed).unwrap_or(i64::MAX);
        (&contact.action, &contact.channel, lapses.min(contact.at + limit.length))
    });
    let outcomes = customer.outcomes.iter().filter(|outcome| outcome.outcome == limit.outcome);
    let outcomes = outcomes.map(|outcome| (&outcome.action, &outcome.channel, outcome.at + limit.length));
    let counted = contacts.chain(outcomes).filter(|(served, channel, _)| mine(served) && on_channel(limit, channel));
    let mut ends: Vec<i64> = counted.map(|(_, _, end)| end).filter(|end| *end > world.now).collect();
    ends.sort_unstable();
    ends
}
