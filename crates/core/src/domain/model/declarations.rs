//! What rule files declare: everything that expressions may name.

use crate::domain::id::{
    ActionId, AttributeId, ChannelId, ContextId, EventTypeId, FieldId, GroupId, IdMap, JourneyId, PurposeId, StageId,
};
use crate::domain::model::{Attribute, Channel, ContextFact, EventType, Field};
use crate::domain::purpose::Purpose;
use crate::domain::sources::Span;

/// Everything that expressions may name.
#[derive(Debug, Clone, Default)]
pub struct Declarations {
    /// Purposes.
    pub purposes: IdMap<PurposeId, Purpose>,
    /// Where purposes are declared.
    pub purpose_spans: IdMap<PurposeId, Span>,
    /// Customer attributes.
    pub attributes: IdMap<AttributeId, Attribute>,
    /// Context facts.
    pub context: IdMap<ContextId, ContextFact>,
    /// Event types.
    pub events: IdMap<EventTypeId, EventType>,
    /// Fields of event types.
    pub fields: IdMap<FieldId, Field>,
    /// Channels.
    pub channels: IdMap<ChannelId, Channel>,
    /// The parts of journeys that expressions can read.
    pub journeys: IdMap<JourneyId, JourneyHead>,
    /// The parts of actions that expressions can name.
    pub actions: IdMap<ActionId, ActionHead>,
    /// Groups of actions.
    pub groups: IdMap<GroupId, ()>,
}

/// A journey's name, purpose and stages.
#[derive(Debug, Clone)]
pub struct JourneyHead {
    /// The purpose whose data it may use, and whose actions may read it.
    pub purpose: PurposeId,
    /// The sensitivity of its stage, from 0 to 1.
    pub sensitivity: f64,
    /// Its stages in the order written; the first is where it starts.
    pub stages: Vec<(String, StageId)>,
    /// Where it is declared.
    pub span: Span,
}

/// An action's name and purpose.
#[derive(Debug, Clone)]
pub struct ActionHead {
    /// The purpose it serves.
    pub purpose: PurposeId,
    /// Where it is declared.
    pub span: Span,
}
