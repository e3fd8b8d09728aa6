//! Items of a batch: each is applied or refused by itself.

use super::resolve::Resolver;
use crate::engine::EngineError;

/// The most items of one call.
pub const MOST_ITEMS: usize = 1_000;

/// The result of one item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemResult {
    /// Whether it was applied, now or before.
    pub accepted: bool,
    /// Why it was refused: a stable word, or for an invalid item what is wrong with it.
    pub reason: String,
    /// Fields that were dropped because no purpose covers them now.
    pub dropped_fields: Vec<String>,
}

impl ItemResult {
    pub(super) fn applied() -> Self {
        Self { accepted: true, ..Self::default() }
    }

    pub(super) fn repeated() -> Self {
        Self { accepted: true, reason: "repeated".into(), dropped_fields: Vec::new() }
    }

    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }

    pub(super) fn wrong(resolver: Resolver<'_>) -> Self {
        Self::refused(EngineError::Invalid(resolver.violations).to_string())
    }
}

/// Refuses a batch that is empty or has more than 1,000 items.
///
/// # Errors
/// With the name of the field.
pub fn bounded(field: &str, count: usize) -> Result<(), EngineError> {
    match count {
        0 => Err(EngineError::field(field, "is empty; give at least one")),
        count if count > MOST_ITEMS => {
            let description = format!("has {count} items, at most {MOST_ITEMS} are allowed; split the call");
            Err(EngineError::field(field, description))
        }
        _ => Ok(()),
    }
}
