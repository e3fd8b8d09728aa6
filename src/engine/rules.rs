//! The rules in force, and how others take their place: whole, or not at all.

use crate::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::Engine;
use crate::domain::id::Vocabulary;
use crate::domain::rules::diagnostic::{Diagnostic, Sources};
use crate::domain::rules::{Loaded, RuleSet};
use crate::domain::time::Moment;

/// A rule set with how it came to be in force.
#[derive(Debug)]
pub struct ActiveRules {
    /// The rules.
    pub set: Arc<RuleSet>,
    /// Since when.
    pub since: Moment,
    /// What the last failed reload found, if it failed after this set came into force.
    pub failed: Option<FailedReload>,
}

/// What a failed reload found; the rules before it stay in force.
#[derive(Debug, Clone)]
pub struct FailedReload {
    /// Every mistake.
    pub diagnostics: Vec<Diagnostic>,
    /// The files in which they stand.
    pub sources: Sources,
}

impl ActiveRules {
    /// Rules that come into force.
    pub fn new(set: Arc<RuleSet>, since: Moment) -> Self {
        Self { set, since, failed: None }
    }
}

impl Engine {
    /// Reads rules and puts them in force in one atomic swap, or keeps those in force and remembers why.
    ///
    /// One reload at a time: the rules are read with the vocabulary of those in force, so that ids keep their meaning.
    pub fn reload(&self, read: impl FnOnce(&Vocabulary) -> Loaded, now: Moment) -> Arc<ActiveRules> {
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.steady(now);
        let current = self.rules.load_full();
        let loaded = read(&current.set.vocabulary).succeeding(&current.set, now);
        let next = match loaded.rule_set {
            Some(set) if set.hash == current.set.hash => ActiveRules::new(Arc::clone(&current.set), current.since),
            Some(set) => ActiveRules::new(Arc::new(set), now),
            None => ActiveRules {
                set: Arc::clone(&current.set),
                since: current.since,
                failed: Some(FailedReload { diagnostics: loaded.diagnostics, sources: loaded.sources }),
            },
        };
        let next = Arc::new(next);
        self.rules.store(Arc::clone(&next));
        next
    }

    /// Says whether the ledger can be trusted; while it cannot, no personal data is read.
    pub fn trust_ledger(&self, trusted: bool) {
        self.ledger_trusted.store(trusted, Ordering::Release);
    }
}
