//! Collects mistakes while a rule set is read, so that all are reported and not only the first.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use super::code;
use crate::domain::sources::FileId;
use crate::rules::diagnostic::{Code, Diagnostic, Severity};

/// The most errors, and the most warnings, that are stored: more are not read at once, and printing them takes time.
pub const MOST_MISTAKES: usize = 200;

/// The collected diagnostics of all readers.
#[derive(Debug, Default)]
pub struct Sink {
    list: RefCell<Vec<Diagnostic>>,
    errors: Cell<usize>,
    warnings: Cell<usize>,
    broken: RefCell<HashSet<String>>,
    lost: RefCell<HashSet<(FileId, String)>>,
}

impl Sink {
    /// Adds a diagnostic. Beyond [`MOST_MISTAKES`], only the fact that there are more is stored.
    pub fn push(&self, diagnostic: Diagnostic) {
        let count = match diagnostic.severity {
            Severity::Error => &self.errors,
            Severity::Warning => &self.warnings,
        };
        count.set(count.get() + 1);
        if count.get() <= MOST_MISTAKES {
            self.list.borrow_mut().push(diagnostic);
        }
    }

    /// Adds several diagnostics.
    pub fn extend(&self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        diagnostics.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Whether the limit of errors is reached, so that no more are stored.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.errors.get() > MOST_MISTAKES
    }

    /// Stores a name with a wrong declaration, so that it is not also reported as unknown.
    pub fn forgive(&self, name: &str) {
        self.broken.borrow_mut().extend([name.to_owned(), format!("context.{name}")]);
    }

    /// Whether the declaration of this name is wrong.
    #[must_use]
    pub fn is_broken(&self, name: &str) -> bool {
        self.broken.borrow().contains(name)
    }

    /// Stores a word in skipped lines, a key or a name, so that it is not reported as missing.
    pub fn lose(&self, file: FileId, word: &str) {
        self.forgive(word);
        self.lost.borrow_mut().insert((file, word.to_owned()));
    }

    /// Whether the word is in skipped lines.
    #[must_use]
    pub fn is_lost(&self, file: FileId, word: &str) -> bool {
        self.lost.borrow().contains(&(file, word.to_owned()))
    }

    /// The number of errors, or of warnings.
    #[must_use]
    pub fn count(&self, code: Code) -> usize {
        self.list.borrow().iter().filter(|diagnostic| diagnostic.code == code).count()
    }

    /// Whether an error was collected.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors.get() > 0
    }

    /// Everything collected, by file and place.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut list = self.list.into_inner();
        list.sort_by_key(|diagnostic| (diagnostic.span, diagnostic.code));
        list.dedup();
        let place = list.last().map(|last| last.span).unwrap_or_default();
        let more = |kind| format!("there are more than {MOST_MISTAKES} {kind}; the others are not shown");
        let (errors, warnings) = (self.errors.get() > MOST_MISTAKES, self.warnings.get() > MOST_MISTAKES);
        let errors = errors.then(|| Diagnostic::error(code::TOO_MANY, place, more("errors")));
        let warnings = warnings.then(|| Diagnostic::warning(code::TOO_MANY, place, more("warnings")));
        list.extend(errors.into_iter().chain(warnings).map(|note| note.help("fix these first")));
        list
    }
}
