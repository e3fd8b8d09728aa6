//! `context:` facts of the moment that a channel sends with its question.

use crate::domain::model::Shape;
use crate::domain::sources::Span;

/// A declared context fact. It is used for one decision and never stored.
#[derive(Debug, Clone)]
pub struct ContextFact {
    /// Its type and allowed values.
    pub shape: Shape,
    /// Where it is declared.
    pub span: Span,
}
