//! Diagnostics for other programs, one format per file. docs/diagnostics.md shows them.

pub mod github;
pub mod json;
pub mod sarif;

use crate::domain::sources::Sources;
use crate::rules::diagnostic::Diagnostic;

/// The place of a diagnostic: lines and columns from 1, columns in characters, the end exclusive.
struct Region {
    path: String,
    start: (u32, u32),
    end: (u32, u32),
}

impl Region {
    fn of(sources: &Sources, diagnostic: &Diagnostic) -> Self {
        let (start, end) = (sources.locate(diagnostic.span), sources.locate_end(diagnostic.span));
        Self { path: start.file, start: (start.line, start.column), end: (end.line, end.column) }
    }
}

/// Sorted by file and place.
fn sorted(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|diagnostic| (diagnostic.span, diagnostic.code));
    sorted
}
