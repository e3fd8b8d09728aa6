//! Where mistakes are collected while a rule set is read, so that every one is reported and not the first.

use std::cell::RefCell;
use std::collections::HashSet;

use super::diagnostic::{Diagnostic, FileId, Severity};

/// Collects diagnostics from everybody who reads.
#[derive(Debug, Default)]
pub struct Sink {
    list: RefCell<Vec<Diagnostic>>,
    broken: RefCell<HashSet<String>>,
    lost: RefCell<HashSet<(FileId, String)>>,
}

impl Sink {
    /// Adds one.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.list.borrow_mut().push(diagnostic);
    }

    /// Adds several.
    pub fn extend(&self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        self.list.borrow_mut().extend(diagnostics);
    }

    /// Remembers a name whose declaration is wrong, so that nobody reports it as unknown besides.
    pub fn forgive(&self, name: &str) {
        self.broken.borrow_mut().extend([name.to_owned(), format!("context.{name}")]);
    }

    /// Whether the declaration of this name is wrong.
    #[must_use]
    pub fn is_broken(&self, name: &str) -> bool {
        self.broken.borrow().contains(name)
    }

    /// Remembers a word that stands where a file could not be read: a key or a name, so that nobody misses it.
    pub fn lose(&self, file: FileId, word: &str) {
        self.forgive(word);
        self.lost.borrow_mut().insert((file, word.to_owned()));
    }

    /// Whether the word stands where the file could not be read.
    #[must_use]
    pub fn is_lost(&self, file: FileId, word: &str) -> bool {
        self.lost.borrow().contains(&(file, word.to_owned()))
    }

    /// Whether an error was collected.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.borrow().iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Everything collected, by file and place.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut list = self.list.into_inner();
        list.sort_by_key(|diagnostic| (diagnostic.span, diagnostic.code));
        list.dedup();
        list
    }
}
