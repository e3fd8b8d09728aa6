//! The state of one customer: attributes, events, journeys, contacts and outcomes.
//!
//! This module does not know rules or consent: purposes are bits that its callers set and clear.

pub mod contact;
pub mod event;
pub mod fact;
pub mod known_id;
pub mod known_request;
mod relation;
pub mod state;
#[cfg(test)]
mod tests;

pub use contact::{Contact, ContactState, OutcomeEntry, OutcomeSet};
pub use event::{Events, PackedEvent, StoredEvent};
pub use fact::{Held, PackedFacts};
pub use known_id::{IdKind, KnownId, Seen};
pub use known_request::KnownRequest;
pub use relation::{JourneyState, PastStage, Relation};
pub use state::CustomerState;
