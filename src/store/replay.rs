//! Replays entries of the contact log on stored customers, after an unclean stop.

use super::codec::{StoredContact, StoredCustomer};
use super::contact_log::LoggedChange;
use crate::domain::customer::contact::DecisionKey;
use crate::domain::customer::state::MOST_REQUESTS;
use crate::domain::customer::{Contact, ContactState, IdKind, KnownId, KnownRequest, OutcomeEntry};
use crate::domain::id::ActionId;

/// Applies one logged change. Idempotent: the stored customer may already have it.
pub fn apply(stored: &mut StoredCustomer, change: &LoggedChange) {
    match change {
        LoggedChange::SeenId(id) => {
            stored.state.remember(KnownId::without_body(IdKind::Outcome, *id), usize::MAX);
        }
        LoggedChange::KnownId(bytes) => {
            stored.state.remember(KnownId::from_bytes(*bytes), usize::MAX);
        }
        LoggedChange::Request(request) => {
            stored.state.remember_request(request.known(), MOST_REQUESTS);
        }
        LoggedChange::KnownRequest(bytes) => {
            stored.state.remember_request(KnownRequest::from_bytes(*bytes), MOST_REQUESTS);
        }
        LoggedChange::Withdrawn { decision, action } => stored.state.change_relation(|relation| {
            relation.withdraw(DecisionKey(*decision), action.map(ActionId));
        }),
        LoggedChange::Outcome(outcome) => {
            let Some(entry) = outcome.entry() else { return };
            let relation = stored.state.relation_mut();
            // The purposes that may read it can have become fewer since it was logged.
            let is_same = |held: &OutcomeEntry| OutcomeEntry { readable: held.readable, ..entry } == *held;
            if !relation.outcomes.iter().any(is_same) {
                relation.add_outcome(entry);
            }
        }
        LoggedChange::ContactV2(contact) => apply_contact(stored, &contact.clone().into()),
        LoggedChange::Contact(contact) => apply_contact(stored, contact),
    }
}

/// Applies a logged contact, unless the stored one has had more outcomes, and so is newer.
fn apply_contact(stored: &mut StoredCustomer, logged: &StoredContact) {
    let Some(contact) = logged.contact() else { return };
    let relation = stored.state.relation_mut();
    let identity = |contact: &Contact| (contact.decision, contact.action, contact.at);
    let is_same = |held: &Contact| identity(held) == identity(&contact);
    let age = |contact: &Contact| (contact.outcomes.0.count_ones(), contact.state == ContactState::Counted);
    match relation.contacts.iter_mut().find(|held| is_same(held)) {
        Some(held) if age(held) >= age(&contact) => {}
        // The purposes that may read it can have become fewer since it was logged.
        Some(held) => *held = Contact { readable: held.readable, ..contact },
        None => relation.add_contact(contact),
    }
}
