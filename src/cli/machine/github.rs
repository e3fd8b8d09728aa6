//! Workflow commands of GitHub Actions, which become annotations at the lines of a pull request.
//!
//! <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>

use super::{Region, sorted};
use crate::domain::sources::Sources;
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;

/// One command per line.
#[must_use]
pub fn commands(sources: &Sources, diagnostics: &[Diagnostic]) -> String {
    sorted(diagnostics).into_iter().map(|diagnostic| command(sources, diagnostic) + "\n").collect()
}

fn command(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let Region { path, start, end } = Region::of(sources, diagnostic);
    let title = code::explain(diagnostic.code).map_or("", |(title, _)| title);
    let title = format!("{}: {title}", diagnostic.code);
    let help = diagnostic.help.as_ref().map_or(String::new(), |help| format!("\nhelp: {help}"));
    let message = data(&format!("{}{help}", diagnostic.message));
    // GitHub accepts columns only within one line, and its last column is inclusive.
    let columns = match end.1.checked_sub(1) {
        Some(last) if start.0 == end.0 => format!(",col={},endColumn={}", start.1, last.max(start.1)),
        _ => String::new(),
    };
    let place = format!("file={},line={},endLine={}{columns}", property(&path), start.0, end.0);
    format!("::{} {place},title={}::{message}", diagnostic.severity.name(), property(&title))
}

/// Escapes characters that would end a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes characters that would end a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
