//! `events:` what can happen to a customer, for which purposes it is stored and for how long.

use crate::domain::id::{EventTypeId, FieldId, PurposeSet};
use crate::domain::model::Shape;
use crate::domain::sources::Span;
use crate::domain::time::Period;

/// A declared event type.
#[derive(Debug, Clone)]
pub struct EventType {
    /// The declared fields; an event may leave any of them out.
    pub fields: Vec<FieldId>,
    /// The purposes it may be stored for.
    pub purposes: PurposeSet,
    /// How long it is stored.
    pub keep: Period,
    /// How bad an experience it is, in points of hurt.
    pub hurt: f64,
    /// Event types whose hurt it ends.
    pub repairs: Vec<EventTypeId>,
    /// Its sensitivity, from 0 to 1.
    pub sensitivity: f64,
    /// How late it may arrive for journeys to follow it at its moment, as if it had come in order.
    pub late: Period,
    /// Where it is declared.
    pub span: Span,
}

/// How late an event may arrive if its type does not say so.
pub const LATE: Period = Period(5 * 60_000);

/// The longest that a type may say: steps of journeys are kept that long, to be undone.
pub const LONGEST_LATE: Period = Period(60 * 60_000);

/// A field of an event type.
#[derive(Debug, Clone)]
pub struct Field {
    /// The name after `event.` in expressions.
    pub name: String,
    /// Its type and allowed values.
    pub shape: Shape,
    /// The purposes it may serve: the event's, or fewer.
    pub purposes: PurposeSet,
    /// Where it is declared.
    pub span: Span,
}
