//! What can be wrong with a call, grouped by what the caller can do about it.

use crate::domain::customer::KnownRequest;

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldViolation {
    /// The field, such as `context[topic]` or `events[3].type`.
    pub field: String,
    /// What is wrong and how to fix it.
    pub description: String,
    /// Whether it names something that the rules do not declare.
    pub unknown_name: bool,
}

impl FieldViolation {
    /// A wrong field.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into(), unknown_name: false }
    }

    /// A field that names something that the rules do not declare.
    pub fn unknown(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { unknown_name: true, ..Self::new(field, description) }
    }
}

/// Why a call was refused. Nothing was applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The request is wrong.
    #[error("{}", summary(.0))]
    Invalid(Vec<FieldViolation>),
    /// The request id was used for another request.
    #[error("request id `{0}` was used for another request")]
    RequestIdReused(String),
    /// The idempotency key was used for another body.
    #[error("idempotency key `{0}` was used with another body")]
    IdempotencyKeyReused(String),
    /// The first call with this key is still in progress.
    #[error("the call with idempotency key `{0}` is still under way; ask again for its answer")]
    InProgress(String),
    /// The answer to a repeated request is not in memory; the engine looks for it in the decision log.
    #[error("the answer to this request is not in memory")]
    NotInMemory(KnownRequest),
    /// A consent request was repeated; the engine makes the answer of the records that it made first.
    #[error("the request was repeated")]
    ConsentRepeated,
    /// The customer's consent records changed while they were compared with a late change.
    #[error("the customer's consent records changed meanwhile; ask again")]
    RecordsChanged,
    /// No decision with this id is kept.
    #[error("no decision `{0}` is kept; decisions stay readable as long as the decision log keeps them")]
    UnknownDecision(String),
    /// The ledger holds no such record, or no such proof.
    #[error("{0}")]
    UnknownRecord(String),
    /// The ledger does not take records now; restrictions are in effect in memory.
    #[error("the consent ledger does not take records now: {0}; restrictions bind already, grants do not")]
    LedgerUnavailable(String),
    /// The decision log cannot be read now.
    #[error("the decision log cannot be read now: {0}")]
    LogUnavailable(String),
    /// The customer cannot be stored now; nothing was counted.
    #[error("the customer cannot be stored now: {0}")]
    NotStored(String),
    /// The customer cannot be read now.
    #[error("the customer cannot be read now: {0}")]
    NotReadable(String),
    /// Contacts and outcomes cannot be logged now: a killed process would forget them.
    #[error("contacts and outcomes cannot be logged now; send it again, it counts once")]
    NotLogged,
    /// There is nothing to copy, or it cannot be copied.
    #[error("no backup can be made: {0}")]
    BackupUnavailable(String),
    /// The operation ended by a defect of the engine.
    #[error("the call failed unexpectedly")]
    Failed,
}

impl EngineError {
    /// Refuses what has wrong fields.
    ///
    /// # Errors
    /// With all of them.
    pub fn refuse(violations: Vec<FieldViolation>) -> Result<(), Self> {
        if violations.is_empty() { Ok(()) } else { Err(Self::Invalid(violations)) }
    }

    /// One wrong field.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldViolation::new(field, description)])
    }
}

fn summary(violations: &[FieldViolation]) -> String {
    let told = violations.iter().take(3).map(|wrong| format!("{}: {}", wrong.field, wrong.description));
    let told = told.collect::<Vec<_>>().join("; ");
    match violations.len().saturating_sub(3) {
        0 => told,
        more => format!("{told}; and {more} more"),
    }
}
