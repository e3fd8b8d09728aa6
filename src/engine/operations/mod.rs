//! What can happen to a customer: one file and one type an operation.

mod attributes;
pub(super) mod consent;
mod decide;
mod erase;
mod events;
mod item;
mod look;
mod outcomes;
pub(super) mod resolve;

pub use attributes::{AttributeChange, SetAttributes};
pub use consent::{
    ChangeResult, ConsentAnswer, ConsentChange, ConsentRequest, GpcObjection, KnownRecords, RecordConsent, Remembered,
    StandingView, Standings, came_with, may_repeat,
};
pub(super) use decide::is_readable;
pub use decide::{Decide, MOST_ACTIONS, Question, Snapshot};
pub use erase::{CustomerExport, ErasedCustomer, SignedHead};
pub use events::{EventInput, RecordEvent};
pub(super) use item::bounded;
pub use item::{ItemCode, ItemResult, Sent};
pub use look::{CustomerView, ExperienceView, GetCustomer, JourneyView, LimitView, OutcomeView, ShowDecision};
pub use outcomes::{OutcomeInput, RecordOutcome};
