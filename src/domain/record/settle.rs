//! What time does: grants run out, facts grow too old, stages time out, reservations lapse.
//!
//! It is done when a customer is next touched, with the moments at which it was due, so that nobody can
//! tell whether it was done at once or late.

use super::{Terms, journey};
use crate::domain::consent::Stage;
use crate::domain::customer::CustomerState;
use crate::domain::id::PurposeSet;
use crate::domain::time::Period;

/// Contacts and outcomes are kept at least this long, for pressure, cool-downs and the last of something.
const SHORTEST_MEMORY: Period = Period(400 * 86_400_000);

/// Brings a customer's state up to now.
pub fn settle(state: &mut CustomerState, terms: Terms<'_>) {
    if terms.ledger_trusted {
        purge(state, terms, terms.lawful(Stage::Storage));
    }
    forget_old_contacts(state, terms);
    journey::pass_time(state, terms);
}

/// Clears the purposes that may no longer be served; what has none left is gone for good.
fn purge(state: &mut CustomerState, terms: Terms<'_>, lawful: PurposeSet) {
    let declared = &terms.rules.declared;
    state.attributes.retain(|(id, held)| {
        held.purposes = held.purposes.intersection(lawful);
        let personal = declared.attributes.get(*id).is_none_or(|attribute| attribute.purposes.is_some());
        !personal || !held.purposes.is_empty()
    });
    state.events.retain(|event| {
        event.purposes = event.purposes.intersection(lawful);
        event.fields.retain(|(.., purposes)| {
            *purposes = purposes.intersection(lawful);
            !purposes.is_empty()
        });
        let keep = declared.events.get(event.kind).map_or(Period::ZERO, |kind| kind.keep);
        !event.purposes.is_empty() && terms.now.since(event.at) < keep
    });
    state.journeys.retain(|journey| lawful.contains(journey.purpose));
}

fn forget_old_contacts(state: &mut CustomerState, terms: Terms<'_>) {
    let oldest = terms.now - terms.rules.horizon.max(SHORTEST_MEMORY);
    state.contacts.retain(|contact| contact.at > oldest && contact.counts(terms.now));
    state.outcomes.retain(|entry| entry.at > oldest);
}
