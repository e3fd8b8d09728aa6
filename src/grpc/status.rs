//! Engine errors as gRPC statuses with google.rpc details, at most 4 KB together.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::engine::EngineError;

/// The domain of every ErrorInfo.
pub const DOMAIN: &str = "tactful";
/// How many bytes of violations an answer may carry.
const MOST_BYTES: usize = 3_000;

/// The status of an engine error.
pub fn status(error: &EngineError) -> Status {
    let (code, reason) = match error {
        EngineError::Invalid(violations) if violations.iter().all(|violation| violation.field == "channel") => {
            (Code::InvalidArgument, "UNKNOWN_CHANNEL")
        }
        EngineError::Invalid(_) => (Code::InvalidArgument, "INVALID_REQUEST"),
        EngineError::RequestIdReused(_) => (Code::AlreadyExists, "REQUEST_ID_REUSED"),
        EngineError::IdempotencyKeyReused(_) => (Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED"),
        EngineError::InProgress(_) | EngineError::RecordsChanged => (Code::Aborted, "IN_PROGRESS"),
        EngineError::UnknownDecision(_) => (Code::NotFound, "UNKNOWN_DECISION"),
        EngineError::UnknownRecord(_) => (Code::NotFound, "UNKNOWN_RECORD"),
        EngineError::LedgerUnavailable(_) => (Code::Unavailable, "LEDGER_UNAVAILABLE"),
        EngineError::LogUnavailable(_) => (Code::Unavailable, "LOG_UNAVAILABLE"),
        EngineError::NotStored(_) => (Code::Unavailable, "NOT_STORED"),
        EngineError::NotReadable(_) => (Code::Unavailable, "NOT_READABLE"),
        EngineError::NotLogged => (Code::Unavailable, "NOT_LOGGED"),
        EngineError::BackupUnavailable(_) => (Code::Unavailable, "BACKUP_UNAVAILABLE"),
        EngineError::Failed | EngineError::NotInMemory(_) | EngineError::ConsentRepeated => (Code::Internal, "FAILED"),
    };
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    if let EngineError::Invalid(violations) = error {
        details.set_bad_request(fitting(violations));
    }
    Status::with_error_details(code, shorten(&error.to_string(), 512), details)
}

/// The status of a call that is refused before anything was looked at. The message is for people, the reason is stable.
pub fn refusal(code: Code, reason: &str, message: &str) -> Status {
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new()))
}

/// The status for one invalid field, found during conversion.
pub fn wrong_field(field: &str, description: &str) -> Status {
    status(&EngineError::field(field, description))
}

fn fitting(violations: &[crate::engine::FieldViolation]) -> Vec<FieldViolation> {
    let mut room = MOST_BYTES;
    let mut fitting = Vec::new();
    for violation in violations {
        let (field, description) = (shorten(&violation.field, 200), shorten(&violation.description, 400));
        let Some(rest) = room.checked_sub(field.len() + description.len() + 8) else { break };
        room = rest;
        fitting.push(FieldViolation::new(field, description));
    }
    fitting
}

fn shorten(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most - 3).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or(""))
}
