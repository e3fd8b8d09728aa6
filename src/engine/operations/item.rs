//! Items of a batch: each is applied or refused by itself.

use crate::engine::{EngineError, FieldViolation};

/// The most items of one call.
pub const MOST_ITEMS: usize = 1_000;

tactful_core::words! {
    /// What became of one item of a batch.
    pub enum ItemCode {
        /// It was applied.
        Ok = "ok",
        /// It was applied before, and counts once.
        Repeated = "repeated",
        /// A field of it is wrong.
        Invalid = "invalid",
        /// It names something that the rules do not declare.
        UnknownName = "unknown_name",
        /// No purpose covers it.
        NoLawfulPurpose = "no_lawful_purpose",
        /// It is older than what is kept.
        TooOld = "too_old",
        /// Its id was used for something else.
        Reused = "reused",
        /// What it belongs to does not exist.
        NotFound = "not_found",
        /// The customer was erased.
        Erased = "erased",
        /// It cannot be applied now.
        Unavailable = "unavailable",
    }
}

/// An item as it was sent, and what could not be read of it.
#[derive(Debug, Clone)]
pub struct Sent<T> {
    /// The item, as far as it could be read.
    pub item: T,
    /// The fields that could not be read: with one of them the item is refused.
    pub wrong: Vec<FieldViolation>,
}

impl<T> From<T> for Sent<T> {
    fn from(item: T) -> Self {
        Self { item, wrong: Vec::new() }
    }
}

/// The result of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemResult {
    /// Whether it was applied, now or before.
    pub accepted: bool,
    /// What became of it.
    pub code: ItemCode,
    /// Why it was refused: a stable word, or for an invalid item what is wrong with it.
    pub reason: String,
    /// Fields that were dropped because no purpose covers them now.
    pub dropped_fields: Vec<String>,
    /// Whether an older id had to be forgotten for that of this item: a repetition of it would count again.
    pub ids_truncated: bool,
}

impl ItemResult {
    pub(super) fn applied() -> Self {
        Self { accepted: true, ..Self::refused(ItemCode::Ok, "") }
    }

    pub(super) fn repeated() -> Self {
        Self { accepted: true, ..Self::refused(ItemCode::Repeated, "repeated") }
    }

    pub(super) fn refused(code: ItemCode, reason: impl Into<String>) -> Self {
        Self { accepted: false, code, reason: reason.into(), dropped_fields: Vec::new(), ids_truncated: false }
    }

    /// Refused with a word that is that of its code.
    pub(super) fn because(code: ItemCode) -> Self {
        Self::refused(code, code.name())
    }

    pub(super) fn wrong(violations: Vec<FieldViolation>) -> Self {
        let code = code_of(&violations);
        Self::refused(code, EngineError::Invalid(violations).to_string())
    }

    /// An item that could not be stored, where others of its batch could.
    ///
    /// # Errors
    /// When nothing of the batch can be logged: all of it must be sent again.
    pub fn failed(error: EngineError) -> Result<Self, EngineError> {
        match error {
            EngineError::NotLogged => Err(error),
            error => Ok(Self::refused(ItemCode::Unavailable, error.to_string())),
        }
    }
}

/// Whether only names are wrong, which other rules may declare.
pub(super) fn code_of(violations: &[FieldViolation]) -> ItemCode {
    let names = violations.iter().all(|violation| violation.unknown_name);
    if names { ItemCode::UnknownName } else { ItemCode::Invalid }
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
