//! `context:` facts of this moment that a channel gives with its question.

use crate::domain::model::Shape;
use crate::domain::sources::Span;

/// A declared context fact. It is used for this decision alone and never kept with the customer.
#[derive(Debug, Clone)]
pub struct ContextFact {
    /// Its type and allowed values.
    pub shape: Shape,
    /// Where it is declared.
    pub span: Span,
}
