//! A list of objects, the same for every command that prints diagnostics.

use serde_json::{Value, json};

use super::{Region, sorted};
use crate::domain::sources::Sources;
use crate::rules::diagnostic::Diagnostic;

/// Each with severity, code, message, help, file, line, column, end_line, end_column and replacement; missing values
/// are `null`.
#[must_use]
pub fn list(sources: &Sources, diagnostics: &[Diagnostic]) -> Value {
    sorted(diagnostics).into_iter().map(|diagnostic| object(sources, diagnostic)).collect()
}

fn object(sources: &Sources, diagnostic: &Diagnostic) -> Value {
    let region = Region::of(sources, diagnostic);
    json!({
        "severity": diagnostic.severity.name(),
        "code": diagnostic.code.to_string(),
        "message": diagnostic.message,
        "help": diagnostic.help,
        "file": region.path,
        "line": region.start.0,
        "column": region.start.1,
        "end_line": region.end.0,
        "end_column": region.end.1,
        "replacement": diagnostic.replacement,
    })
}
