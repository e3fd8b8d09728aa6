//! The rules in force, and how a reload replaces them: atomically, or not at all.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::Engine;
use crate::domain::id::Vocabulary;
use crate::domain::rule_set::RuleSet;
use crate::domain::sources::Sources;
use crate::domain::time::Moment;
use crate::rules::diagnostic::{Diagnostic, Severity};
use crate::rules::{Loaded, code};

/// A rule set in force, and the result of the last read of the files.
#[derive(Debug)]
pub struct ActiveRules {
    /// The rules.
    pub set: Arc<RuleSet>,
    /// How many rule sets were in force so far, this one included.
    pub(super) number: NonZeroU32,
    /// When it came into force.
    pub since: Moment,
    /// The last read of the files; these rules may be older than it.
    pub reading: Reading,
}

/// The result of a read of the rule files.
#[derive(Debug, Clone)]
pub struct Reading {
    /// When the files were read.
    pub at: Moment,
    /// The outcome.
    pub outcome: Outcome,
    /// All errors if the files were refused, otherwise warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that the diagnostics refer to.
    pub sources: Sources,
}

tactful_core::words! {
    /// The outcome of a read of the rule files.
    pub enum Outcome {
        /// Other rules are in force now.
        Changed = "changed",
        /// The files are the rules already in force.
        Unchanged = "unchanged",
        /// The files have errors or fail their tests: the rules in force stay.
        Refused = "refused",
    }
}

impl ActiveRules {
    /// Rules that come into force, without diagnostics of their files.
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

/// One sentence, such as "running 3f2a90bc since 2026-03-02 14:02 UTC; the files on disk have 2 errors".
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

/// The rules in force, and who waits for others.
#[derive(Debug)]
pub(super) struct RulesInForce {
    active: ArcSwap<ActiveRules>,
    reloading: Mutex<()>,
    readings: watch::Sender<Arc<ActiveRules>>,
}

impl RulesInForce {
    /// The first rules.
    pub fn new(rules: Arc<RuleSet>, since: Moment) -> Self {
        let active = Arc::new(ActiveRules::new(rules, since));
        let readings = watch::Sender::new(Arc::clone(&active));
        Self { active: ArcSwap::new(active), reloading: Mutex::new(()), readings }
    }

    /// The rules in force.
    pub fn current(&self) -> Arc<ActiveRules> {
        self.active.load_full()
    }
}

impl Engine {
    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> Arc<ActiveRules> {
        self.rules.current()
    }

    /// Reads rules and puts them in force in one atomic swap, or keeps the current ones and remembers why.
    ///
    /// Only one reload runs at a time: rules are read with the vocabulary of those in force, so that ids keep their
    /// meaning.
    pub fn reload(&self, read: impl FnOnce(&Vocabulary) -> Loaded, now: Moment) -> Arc<ActiveRules> {
        let _one_at_a_time = self.rules.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.clock.steady(now);
        let current = self.rules.current();
        // Another engine may have stored names since.
        let stored = self.storage.backend().is_shared().then(|| self.storage.backend().names());
        let (names, unread) = match stored {
            None => (None, false),
            Some(Ok(names)) => (Some(names), false),
            Some(Err(_)) => (None, true),
        };
        let loaded = read(names.as_ref().unwrap_or(&current.set.vocabulary)).succeeding(&current.set, at);
        let Loaded { mut rule_set, diagnostics, sources, .. } = loaded;
        if let Some(set) = rule_set.as_ref().filter(|set| set.hash != current.set.hash) {
            let begun = if unread { Err("the stored names cannot be read".into()) } else { self.try_rules(set) };
            if let Err(error) = begun {
                tracing::error!(error, "the rules cannot be put in force; those before stay");
                rule_set = None;
            }
        }
        let kept = || (Arc::clone(&current.set), current.number, current.since);
        let ((set, number, since), outcome) = match rule_set {
            Some(set) if set.hash != current.set.hash => {
                ((Arc::new(set), current.number.saturating_add(1), at), Outcome::Changed)
            }
            Some(_) => (kept(), Outcome::Unchanged),
            None => (kept(), Outcome::Refused),
        };
        let next = Arc::new(ActiveRules { set, number, since, reading: Reading { at, outcome, diagnostics, sources } });
        self.rules.active.store(Arc::clone(&next));
        self.meter.reading(outcome);
        self.rules.readings.send_replace(Arc::clone(&next));
        next
    }

    fn try_rules(&self, rules: &RuleSet) -> Result<(), String> {
        self.begin_rules(rules).map_err(|error| error.to_string())
    }

    /// The rules in force after each read of the files; a receiver may skip all but the latest.
    #[must_use]
    pub fn readings(&self) -> watch::Receiver<Arc<ActiveRules>> {
        self.rules.readings.subscribe()
    }
}
