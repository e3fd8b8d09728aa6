//! `attributes:` what may be known about a customer, and for which purposes.

use compact_str::CompactString;

use crate::domain::id::PurposeSet;
use crate::domain::sources::Span;
use crate::domain::value::{Type, Value};

/// A declared attribute.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// Its type and allowed values.
    pub shape: Shape,
    /// The purposes it may serve; `None` if it is not personal.
    pub purposes: Option<PurposeSet>,
    /// Its sensitivity, from 0 to 1.
    pub sensitivity: f64,
    /// Where it is declared.
    pub span: Span,
}

/// The values that a fact may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The type of every value.
    pub kind: Type,
    /// The only texts it may be, if they are listed.
    pub one_of: Option<Vec<CompactString>>,
}

impl Shape {
    /// A shape without a list of values.
    #[must_use]
    pub fn of(kind: Type) -> Self {
        Self { kind, one_of: None }
    }

    /// Why a value does not fit; `None` if it fits.
    #[must_use]
    pub fn refuses(&self, value: &Value) -> Option<String> {
        if value.kind() != self.kind {
            return Some(format!("must be a {}, not a {}", self.kind, value.kind()));
        }
        let allowed = self.one_of.as_ref()?;
        let fits = match value {
            Value::Text(text) => allowed.contains(text),
            Value::List(items) => items.iter().all(|item| allowed.contains(item)),
            _ => true,
        };
        (!fits).then(|| format!("must be one of {}", allowed.join(", ")))
    }
}
