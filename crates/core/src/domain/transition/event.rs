//! Records events.

use super::{Terms, journey};
use crate::domain::consent::Stage;
use crate::domain::customer::{CustomerState, PackedEvent};
use crate::domain::id::{EventTypeId, FieldId};
use crate::domain::time::Moment;
use crate::domain::value::Value;

/// An event as it arrives, with names resolved and types checked.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Hash of its id; nothing if it has none.
    pub id: Option<u64>,
    /// The declared type of the event.
    pub kind: EventTypeId,
    /// The moment of the event, not of its arrival.
    pub at: Moment,
    /// The fields that were sent, each checked against its declaration.
    pub fields: Vec<(FieldId, Value)>,
}

/// The result of recording an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// Stored; these fields were dropped, because no purpose covers them now.
    Kept(Vec<FieldId>),
    /// Seen before; it counts once.
    Repeated,
    /// Dropped: no purpose covers it now.
    NoLawfulPurpose,
    /// Dropped: it is older than the retention of its type.
    TooOld,
}

/// Records one event and moves the journeys that follow it.
pub fn record_event(state: &mut CustomerState, event: NewEvent, terms: Terms<'_>) -> Recorded {
    let Some(kind) = terms.rules.declared.events.get(event.kind) else { return Recorded::NoLawfulPurpose };
    // A repeated event is recognised even if it is no longer stored.
    if event.id.is_some_and(|id| state.has_seen(id)) {
        return Recorded::Repeated;
    }
    let lawful = terms.lawful(Stage::Collection);
    let purposes = kind.purposes.intersection(lawful);
    if purposes.is_empty() {
        return Recorded::NoLawfulPurpose;
    }
    if terms.now.since(event.at) >= kind.keep {
        return Recorded::TooOld;
    }
    if let Some(id) = event.id {
        state.first_seen(id);
    }
    let mut packed = PackedEvent::new(event.kind, event.at, purposes);
    let mut dropped = Vec::new();
    for (id, value) in event.fields {
        let allowed = terms.rules.declared.fields.get(id).map(|field| field.purposes.intersection(lawful));
        match allowed.filter(|purposes| !purposes.is_empty()) {
            Some(purposes) => packed.add(id, &value, purposes),
            None => dropped.push(id),
        }
    }
    let repairs = |repair: EventTypeId, hurt: EventTypeId| {
        terms.rules.declared.events.get(repair).is_some_and(|kind| kind.repairs.contains(&hurt))
    };
    // Stored events repair a late one; of two with the same moment, the later arrival repairs.
    let late =
        state.events().newest_first().take_while(|held| held.at > event.at).any(|held| repairs(held.kind, event.kind));
    if late {
        packed.set_repaired();
    }
    if !kind.repairs.is_empty() {
        state.repair_events(|held| held.at <= event.at && kind.repairs.contains(&held.kind));
    }
    state.add_event(&packed);
    journey::follow(state, Some(packed.read()), purposes, terms);
    Recorded::Kept(dropped)
}
