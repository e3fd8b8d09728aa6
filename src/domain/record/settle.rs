//! What time does: grants run out, facts grow too old, stages time out, reservations lapse.
//!
//! It is done when a customer is next touched, with the moments at which it was due, so that nobody can
//! tell whether it was done at once or late.

use std::cell::Cell;

use super::{Terms, journey};
use crate::domain::consent::{Stage, lawful};
use crate::domain::customer::{CustomerState, StoredEvent};
use crate::domain::id::PurposeSet;
use crate::domain::rules::RuleSet;
use crate::domain::time::Period;

/// Contacts and outcomes are kept at least this long, for pressure, cool-downs and the last of something.
const SHORTEST_MEMORY: Period = Period(400 * 86_400_000);

/// Brings a customer's state up to now. True if something may no longer be read that could be read before.
pub fn settle(state: &mut CustomerState, terms: Terms<'_>) -> bool {
    // What the standing denies is purged whether or not the ledger can be trusted: a denial needs no proof.
    let lawful = Terms { ledger_trusted: true, ..terms }.lawful(Stage::Storage).union(withheld(terms));
    let purged = withhold(state, terms.rules, (lawful, terms.standing.is_restricted()));
    forget_what_is_old(state, terms);
    journey::pass_time(state, terms);
    purged
}

/// Purposes that the rules have dropped, for which nothing may be used and nothing is purged yet.
fn withheld(terms: Terms<'_>) -> PurposeSet {
    let kept = terms.rules.dropped.iter().filter(|(id, dropped)| {
        let stored = lawful(terms.standing, *id, &dropped.terms, Stage::Storage, terms.now).allows();
        dropped.is_withheld(terms.now) && stored
    });
    kept.map(|(id, _)| id).collect()
}

/// Clears every purpose but the lawful ones, and those that a fact is no longer declared for; what has none left is
/// gone for good, unless processing is restricted: then it stays, for nobody to read, until that ends. True if that took
/// anything away.
pub fn withhold(state: &mut CustomerState, rules: &RuleSet, (lawful, restricted): (PurposeSet, bool)) -> bool {
    let declared = &rules.declared;
    let dropped: PurposeSet = rules.dropped.ids().collect();
    let purged = Cell::new(false);
    let narrow = |purposes: PurposeSet, allowed: PurposeSet| {
        let left = purposes.intersection(allowed);
        purged.set(purged.get() || left != purposes);
        (restricted || !left.is_empty()).then_some(left)
    };
    state.retain_attributes(|id, purposes| match declared.attributes.get(id).map(|attribute| attribute.purposes) {
        Some(None) => Some(purposes),
        Some(Some(now)) => narrow(purposes, lawful.intersection(now.union(dropped))),
        None => narrow(purposes, PurposeSet::EMPTY),
    });
    let of_event = |event: StoredEvent<'_>| {
        let now = declared.events.get(event.kind).map_or(PurposeSet::EMPTY, |kind| kind.purposes.union(dropped));
        narrow(event.purposes, lawful.intersection(now))
    };
    let of_field = |id, purposes| {
        let now = declared.fields.get(id).map_or(PurposeSet::EMPTY, |field| field.purposes.union(dropped));
        narrow(purposes, lawful.intersection(now))
    };
    state.retain_events(of_event, of_field);
    state.change_relation(|relation| {
        relation.forgotten_events.take_if(|(_, purposes)| purposes.intersection(lawful).is_empty());
        let contacts = relation.contacts.iter_mut().map(|contact| &mut contact.readable);
        for readable in contacts.chain(relation.outcomes.iter_mut().map(|entry| &mut entry.readable)) {
            let left = readable.intersection(lawful);
            purged.set(purged.get() || left != *readable);
            *readable = left;
        }
        let journeys = relation.journeys.len();
        relation.journeys.retain(|journey| lawful.contains(journey.purpose));
        purged.set(purged.get() || relation.journeys.len() < journeys);
    });
    purged.get()
}

fn forget_what_is_old(state: &mut CustomerState, terms: Terms<'_>) {
    let keep = |kind| terms.rules.declared.events.get(kind).map_or(Period::ZERO, |kind| kind.keep);
    let restricted = terms.standing.is_restricted();
    let young = |event: StoredEvent<'_>| restricted || terms.now.since(event.at) < keep(event.kind);
    state.retain_events(|event| young(event).then_some(event.purposes), |_, purposes| Some(purposes));
    let oldest = terms.now - terms.rules.horizon.max(SHORTEST_MEMORY);
    state.change_relation(|relation| {
        relation.contacts.retain(|contact| contact.at > oldest && contact.counts(terms.now));
        relation.outcomes.retain(|entry| entry.at > oldest);
    });
}
