//! The rules in force, and how others take their place: whole, or not at all.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError};

use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::Engine;
use crate::domain::id::Vocabulary;
use crate::domain::rules::diagnostic::{Diagnostic, Severity, Sources};
use crate::domain::rules::{Loaded, RuleSet, code};
use crate::domain::time::Moment;
use crate::sync::atomic::Ordering;

/// A rule set with how it came to be in force.
#[derive(Debug)]
pub struct ActiveRules {
    /// The rules.
    pub set: Arc<RuleSet>,
    /// How many rule sets were in force by then.
    pub(super) number: NonZeroU32,
    /// Since when.
    pub since: Moment,
    /// The last reading of the files, of which these rules may be older.
    pub reading: Reading,
}

/// What a reading of the rule files found.
#[derive(Debug, Clone)]
pub struct Reading {
    /// When.
    pub at: Moment,
    /// What came of it.
    pub outcome: Outcome,
    /// Every mistake if it was refused, otherwise warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// The files in which they stand.
    pub sources: Sources,
}

/// What came of reading the rule files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Other rules are in force.
    Changed,
    /// They are the rules in force.
    Unchanged,
    /// They have errors or fail their tests: the rules in force stay.
    Refused,
}

impl Outcome {
    /// Every outcome with its word.
    pub const NAMES: [(&'static str, Self); 3] =
        [("changed", Self::Changed), ("unchanged", Self::Unchanged), ("refused", Self::Refused)];
}

impl ActiveRules {
    /// Rules that come into force, with nothing to say about their files.
    pub fn new(set: Arc<RuleSet>, since: Moment) -> Self {
        let (diagnostics, sources) = (Vec::new(), Sources::default());
        let reading = Reading { at: since, outcome: Outcome::Changed, diagnostics, sources };
        Self { set, number: NonZeroU32::MIN, since, reading }
    }

    /// Whether the files were read since and could not be used.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.reading.outcome == Outcome::Refused
    }
}

/// In one sentence: "running 3f2a90bc since 2026-03-02 14:02 UTC; the files on disk have 2 errors".
impl fmt::Display for ActiveRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.local(&TimeZone::UTC);
        write!(f, "running {} since {} {:02}:{:02} UTC", self.set.name(), since.date, since.hour, since.minute)?;
        if !self.refused() {
            return Ok(());
        }
        let errors = || self.reading.diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let plural = if errors().count() == 1 { "" } else { "s" };
        if errors().all(|error| error.code == code::FAILED_TEST) {
            write!(f, "; the files on disk fail {} rule test{plural}", errors().count())
        } else {
            write!(f, "; the files on disk have {} error{plural}", errors().count())
        }
    }
}

impl Engine {
    /// Reads rules and puts them in force in one atomic swap, or keeps those in force and remembers why.
    ///
    /// One reload at a time: the rules are read with the vocabulary of those in force, so that ids keep their meaning.
    pub fn reload(&self, read: impl FnOnce(&Vocabulary) -> Loaded, now: Moment) -> Arc<ActiveRules> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.steady(now);
        let current = self.rules.load_full();
        let Loaded { rule_set, diagnostics, sources, .. } = read(&current.set.vocabulary).succeeding(&current.set, at);
        let kept = || (Arc::clone(&current.set), current.number, current.since);
        let ((set, number, since), outcome) = match rule_set {
            Some(set) if set.hash != current.set.hash => {
                self.store_names(&set.vocabulary);
                ((Arc::new(set), current.number.saturating_add(1), at), Outcome::Changed)
            }
            Some(_) => (kept(), Outcome::Unchanged),
            None => (kept(), Outcome::Refused),
        };
        let next = Arc::new(ActiveRules { set, number, since, reading: Reading { at, outcome, diagnostics, sources } });
        self.rules.store(Arc::clone(&next));
        self.meter.reading(outcome);
        self.readings.send_replace(Arc::clone(&next));
        next
    }

    /// The rules in force after every reading of the files; the latest is enough.
    #[must_use]
    pub fn readings(&self) -> watch::Receiver<Arc<ActiveRules>> {
        self.readings.subscribe()
    }

    /// Says whether the ledger can be trusted; while it cannot, no personal data is read.
    pub fn trust_ledger(&self, trusted: bool) {
        if self.ledger_trusted.swap(trusted, Ordering::AcqRel) && !trusted {
            tracing::error!("the consent ledger cannot be relied on: no personal data is used");
        }
    }
}
