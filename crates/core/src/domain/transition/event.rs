//! Records events.

use super::{Terms, journey};
use crate::domain::consent::Stage;
use crate::domain::customer::{CustomerState, KnownId, PackedEvent, Seen};
use crate::domain::id::{EventTypeId, FieldId, PurposeId, PurposeSet};
use crate::domain::time::Moment;
use crate::domain::value::Value;

/// An event as it arrives, with names resolved and types checked.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its id; nothing if it has none.
    pub id: Option<KnownId>,
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
    /// Stored.
    Kept {
        /// Fields that were dropped, because no purpose covers them now.
        dropped: Vec<FieldId>,
    },
    /// Seen before; it counts once.
    Repeated,
    /// Another event had its id.
    Reused,
    /// Dropped: no purpose covers it now.
    NoLawfulPurpose,
    /// Dropped: it is older than the retention of its type.
    TooOld,
}

/// The purposes for which something that happened at a moment may be stored: those that are lawful now, and where that
/// needs a yes, only if it counted by then.
fn collected(terms: Terms<'_>, at: Moment) -> PurposeSet {
    let agreed = |id: &PurposeId| {
        let needs_yes = terms.rules.purpose(*id).is_none_or(|purpose| purpose.basis.needs_consent());
        !needs_yes || terms.standing.grant(*id).is_some_and(|yes| yes.key.at <= at)
    };
    terms.lawful(Stage::Collection).iter().filter(agreed).collect()
}

/// Records one event and moves the journeys that follow it. The caller remembers its id.
pub fn record_event(state: &mut CustomerState, event: NewEvent, terms: Terms<'_>) -> Recorded {
    let Some(kind) = terms.rules.declared.events.get(event.kind) else { return Recorded::NoLawfulPurpose };
    // A repeated event is recognised even if it is no longer stored.
    match event.id.map_or(Seen::New, |id| state.seen(id)) {
        Seen::New => {}
        Seen::Before => return Recorded::Repeated,
        Seen::WithAnother => return Recorded::Reused,
    }
    let lawful = collected(terms, event.at);
    let purposes = kind.purposes.intersection(lawful);
    if purposes.is_empty() {
        return Recorded::NoLawfulPurpose;
    }
    if terms.now.since(event.at) >= kind.keep {
        return Recorded::TooOld;
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
    Recorded::Kept { dropped }
}
