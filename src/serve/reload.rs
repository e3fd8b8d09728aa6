//! Rules from a folder into the engine: looked at, checked, tested, and put in force whole or not at all.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::id::Vocabulary;
use crate::domain::rules::diagnostic::{Diagnostic, Severity};
use crate::domain::rules::{Loaded, RuleSet, code};
use crate::engine::{ActiveRules, Engine, Outcome};
use crate::grpc::Clock;
use crate::rule_files::{self, RuleFiles};
use crate::scenario::test::{self, Failure, RuleTest};

/// How often a folder is looked at in a row to see it twice the same, when somebody asks for a reload.
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

    /// Loads files of the folder and runs their tests. A test that fails is a mistake like any other.
    #[must_use]
    pub fn load(&self, files: RuleFiles, vocabulary: &Vocabulary) -> Loaded {
        let loaded = files.load(vocabulary);
        if self.run_tests { tested(loaded) } else { loaded }
    }
}

/// Loaded rules as they are after their tests: without a rule set where one fails.
fn tested(mut loaded: Loaded) -> Loaded {
    let Some(rules) = loaded.rule_set.take().map(Arc::new) else { return loaded };
    let (tests, found) = test::read(&loaded.tests, &rules);
    loaded.diagnostics.extend(found);
    loaded.diagnostics.extend(tests.iter().filter_map(|test| failed(test, &rules)));
    loaded.rule_set = Some(Arc::unwrap_or_clone(rules)).filter(|_| loaded.counts().0 == 0);
    loaded
}

/// What is wrong with a test, if it fails.
fn failed(test: &RuleTest, rules: &Arc<RuleSet>) -> Option<Diagnostic> {
    let failure = test.run(rules, None).failure?;
    let message = format!("the rule test `{}` fails: {}", test.name, failure.summary());
    let diagnostic = Diagnostic::error(code::FAILED_TEST, test.span, message);
    let why: Vec<&str> = match &failure {
        Failure::Differs(differences) => {
            differences.iter().flat_map(|differs| &differs.why).map(String::as_str).collect()
        }
        Failure::Refused(_) => Vec::new(),
    };
    Some(if why.is_empty() { diagnostic } else { diagnostic.help(why.join("; ")) })
}

/// Takes the files of a folder into an engine.
#[derive(Debug)]
pub struct Reloader {
    folder: RuleFolder,
    engine: Arc<Engine>,
    clock: Clock,
    /// The files that were last taken in, whatever came of it.
    taken: Mutex<RuleFiles>,
}

impl Reloader {
    /// Takes in the files of a folder from now on. `taken` were loaded already, into the rules of the engine.
    #[must_use]
    pub fn new(folder: RuleFolder, taken: RuleFiles, engine: Arc<Engine>, clock: Clock) -> Self {
        Self { folder, engine, clock, taken: Mutex::new(taken) }
    }

    /// Where the folder is.
    #[must_use]
    pub fn folder(&self) -> &RuleFolder {
        &self.folder
    }

    /// Takes in the files as they are now.
    pub fn reload(&self) -> Arc<ActiveRules> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut files = self.folder.look();
        // Several files cannot be read at one moment: what is seen twice was not changing meanwhile.
        for _ in 1..LOOKS {
            let before = std::mem::replace(&mut files, self.folder.look());
            if files == before {
                break;
            }
        }
        self.take(files, &mut taken)
    }

    /// Takes in the files if they have changed, and are as they were `before`. If they have changed and are not,
    /// somebody may still be writing: answers with the files as they are, to come back with after a while.
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

/// Says in the log what came of a reading.
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
