//! What is held about one customer: attributes, events, journeys, contacts and outcomes.
//!
//! Knows nothing of rules or consent: purposes are bits that somebody else sets and clears.

pub mod contact;
pub mod event;
pub mod fact;
mod relation;
pub mod state;
#[cfg(test)]
mod tests;

pub use contact::{Contact, ContactState, OutcomeEntry};
pub use event::{Events, PackedEvent, StoredEvent};
pub use fact::{Facts, Held};
pub use relation::{JourneyState, Relation};
pub use state::CustomerState;
