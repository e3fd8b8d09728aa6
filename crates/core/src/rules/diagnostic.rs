//! What is wrong in a rule file: where, what, and how to fix it.
//!
//! Diagnostics are data; `cli::render` draws them. A span is a byte range in one file; line and column are computed
//! only when they are printed.

use crate::domain::sources::Span;
use std::fmt;

/// A stable name for a kind of mistake, shown as `T0102`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{:04}", self.0)
    }
}

crate::words! {
    /// How bad it is: an error keeps the rule set from loading, a warning does not.
    pub enum Severity {
        /// The rule set cannot be used.
        Error = "error",
        /// The rule set works, but something in it is probably a mistake.
        Warning = "warning",
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The kind of mistake, as `tactful explain` knows it.
    pub code: Code,
    /// Whether the rules still load.
    pub severity: Severity,
    /// The place of the mistake; an empty span points between two characters.
    pub span: Span,
    /// What is wrong: lowercase, no full stop, input in backticks.
    pub message: String,
    /// How to fix it.
    pub help: Option<String>,
    /// Text that would replace the span, if the fix is obvious.
    pub replacement: Option<String>,
    /// A second place with a note, such as the first of two declarations.
    pub related: Option<(Span, String)>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            span,
            message: message.into(),
            help: None,
            replacement: None,
            related: None,
        }
    }

    /// A warning at a place.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Adds how to fix it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the text that should replace the span.
    #[must_use]
    pub fn replace(mut self, replacement: impl Into<String>) -> Self {
        self.replacement = Some(replacement.into());
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn related(mut self, span: Span, note: impl Into<String>) -> Self {
        self.related = Some((span, note.into()));
        self
    }
}
