//! Rules from a folder into the engine: read, checked, tested, and put in force as a whole or not at all.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::domain::id::Vocabulary;
use crate::domain::rule_set::RuleSet;
use crate::engine::{ActiveRules, Engine, Outcome};
use crate::rule_files::{self, RuleFiles};
use crate::rules::diagnostic::{Diagnostic, Severity};
use crate::rules::{Loaded, code};
use crate::scenario::test::{self, RuleTest, TestFailure};

/// How often a requested reload reads the folder until two reads agree.
const LOOKS: usize = 10;

/// The folder with the rule files.
#[derive(Debug, Clone)]
pub struct RuleFolder {
    /// Where it is; it may be one file.
    pub path: PathBuf,
    /// Whether its rule tests must pass.
    pub run_tests: bool,
}

impl RuleFolder {
    /// The files as they are now.
    #[must_use]
    pub fn look(&self) -> RuleFiles {
        rule_files::look(&self.path)
    }

    /// Loads files of the folder and runs their tests. A failing test is an error like any other.
    #[must_use]
    pub fn load(&self, files: RuleFiles, vocabulary: &Vocabulary) -> Loaded {
        let loaded = files.load(vocabulary);
        if self.run_tests { tested(loaded) } else { loaded }
    }
}

/// Loaded rules after their tests: without a rule set if one fails.
fn tested(mut loaded: Loaded) -> Loaded {
    let Some(rules) = loaded.rule_set.take().map(Arc::new) else { return loaded };
    let (tests, found) = test::read(&loaded.tests, &rules, &loaded.sources);
    loaded.diagnostics.extend(found);
    loaded.diagnostics.extend(tests.iter().filter_map(|test| failed(test, &rules)));
    loaded.rule_set = Some(Arc::unwrap_or_clone(rules)).filter(|_| loaded.counts().0 == 0);
    loaded
}

/// The diagnostic of a test, if it fails.
fn failed(test: &RuleTest, rules: &Arc<RuleSet>) -> Option<Diagnostic> {
    let failure = test.run(rules, None).failure?;
    let message = format!("the rule test `{}` fails: {}", test.name, failure.summary());
    let diagnostic = Diagnostic::error(code::FAILED_TEST, test.span, message);
    let why: Vec<&str> = match &failure {
        TestFailure::Differs(differences) => {
            differences.iter().flat_map(|differs| &differs.why).map(String::as_str).collect()
        }
        TestFailure::Refused(_) => Vec::new(),
    };
    Some(if why.is_empty() { diagnostic } else { diagnostic.help(why.join("; ")) })
}

/// Loads the files of a folder into an engine.
#[derive(Debug)]
pub struct Reloader {
    folder: RuleFolder,
    engine: Arc<Engine>,
    clock: Clock,
    /// The files that were last loaded, whatever the outcome.
    taken: Mutex<RuleFiles>,
}

impl Reloader {
    /// A reloader for a folder. `taken` are the files that the engine's rules were loaded from.
    #[must_use]
    pub fn new(folder: RuleFolder, taken: RuleFiles, engine: Arc<Engine>, clock: Clock) -> Self {
        Self { folder, engine, clock, taken: Mutex::new(taken) }
    }

    /// The folder that is reloaded.
    #[must_use]
    pub fn folder(&self) -> &RuleFolder {
        &self.folder
    }

    /// Loads the files as they are now.
    pub fn reload(&self) -> Arc<ActiveRules> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut files = self.folder.look();
        // Several files cannot be read atomically: if two reads agree, the files did not change in between.
        for _ in 1..LOOKS {
            let before = std::mem::replace(&mut files, self.folder.look());
            if files == before {
                break;
            }
        }
        self.take(files, &mut taken)
    }

    /// Loads the files if they have changed and are the same as `before`. If they have changed but differ from
    /// `before`, they may still be being written: returns the current files, to call again with after a while.
    pub fn reload_settled(&self, before: Option<&RuleFiles>) -> Option<RuleFiles> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let files = self.folder.look();
        if files == *taken {
            return None;
        }
        if Some(&files) != before {
            return Some(files);
        }
        self.take(files, &mut taken);
        None
    }

    fn take(&self, files: RuleFiles, taken: &mut RuleFiles) -> Arc<ActiveRules> {
        taken.clone_from(&files);
        let failed_before = self.engine.rules().refused();
        let active = self.engine.reload(|vocabulary| self.folder.load(files, vocabulary), self.clock.now());
        tell(&active, failed_before);
        active
    }
}

/// Logs the result of a read.
fn tell(active: &ActiveRules, failed_before: bool) {
    let (rule_set, reading) = (active.set.hash.as_str(), &active.reading);
    match reading.outcome {
        Outcome::Changed => tracing::info!(rule_set, actions = active.set.actions.len(), "rules changed"),
        Outcome::Unchanged if failed_before => tracing::info!(rule_set, "the rule files are in order again"),
        Outcome::Unchanged => {}
        Outcome::Refused => {
            let errors = || reading.diagnostics.iter().filter(|found| found.severity == Severity::Error);
            let first =
                errors().next().map(|error| format!("{}: {}", reading.sources.locate(error.span), error.message));
            tracing::warn!(rule_set, errors = errors().count(), first, "{active}");
        }
    }
}
