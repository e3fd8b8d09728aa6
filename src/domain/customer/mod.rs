//! What is held about one customer: attributes, events, journeys, contacts and outcomes.
//!
//! Knows nothing of rules or consent: purposes are bits that somebody else sets and clears.

pub mod contact;
pub mod event;
pub mod state;

pub use contact::{Contact, ContactState, OutcomeEntry};
pub use event::{EventHistory, StoredEvent};
pub use state::{CustomerState, Held, JourneyState};
