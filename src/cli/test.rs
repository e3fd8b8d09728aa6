//! `tactful test`: runs the rule tests of a rule folder.

mod coverage;
mod junit;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use regex::Regex;
use serde_json::{Value, json};

use super::{Failure, Format, Verdict, counted, load, machine, report, say};
use crate::clock::Stopwatch;
use crate::domain::id::Vocabulary;
use crate::domain::rule_set::RuleSet;
use crate::rules::Loaded;
use crate::scenario::test::{self, Coverage, Item, RuleTest, TestFailure, TestResult};

/// Run the rule tests (`*.test.yaml`) beside the rules, in virtual time
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful test rules\n  tactful test rules --run complaint --verbose\n  \
    tactful test rules --coverage --fail-under 90 --junit tests.xml\n\n\
    docs/testing.md says how tests are written and what coverage counts.\n\n\
    Exit code 0 if all pass, 1 if one fails, the rules have errors or the coverage is too low, 2 on bad usage.")]
pub(super) struct Test {
    /// Folder with rule files and test files
    #[arg(default_value = "rules")]
    rules: PathBuf,
    /// Run only the tests whose name matches
    #[arg(long, value_name = "REGEX")]
    run: Option<Regex>,
    /// Show how much of the rules the tests exercised, and the places of the rest
    #[arg(long)]
    coverage: bool,
    /// Fail if the tests exercise less of the rules than this; shows the coverage
    #[arg(long, value_name = "PERCENT", value_parser = coverage::percent)]
    fail_under: Option<f64>,
    /// Write the results to this file as JUnit XML, for CI
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Name the tests that passed, too
    #[arg(short, long)]
    verbose: bool,
    /// How to print the result
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

/// The result of a test, and how long it took.
struct Timed {
    result: TestResult,
    took: Duration,
}

/// The results of all tests.
struct Outcome {
    results: Vec<Timed>,
    /// How many tests `--run` excluded.
    left_out: usize,
    /// The coverage, if it was requested.
    coverage: Option<Vec<Item>>,
}

impl Test {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let mut loaded = load(&self.rules, &Vocabulary::default())?;
        let rules = loaded.rule_set.take().map(Arc::new);
        if rules.is_some() {
            // Only the tests matter here; warnings about the rules are for `check`.
            loaded.diagnostics.clear();
        }
        let (tests, found) =
            rules.as_ref().map(|rules| test::read(&loaded.tests, rules, &loaded.sources)).unwrap_or_default();
        loaded.diagnostics.extend(found);
        let outcome = match rules {
            Some(rules) if loaded.counts().0 == 0 => Some(self.play(tests, &rules)?),
            _ => None,
        };
        if let Some(path) = &self.junit {
            let ran = outcome.as_ref().map(|outcome| junit::document(&outcome.results));
            let document = ran.unwrap_or_else(|| junit::broken(&loaded, &self.rules));
            let cannot = |error| Failure::new(format!("cannot write `{}`: {error}", path.display()));
            std::fs::write(path, document).map_err(cannot)?;
        }
        let low = outcome.as_ref().is_some_and(|outcome| self.is_low(outcome));
        match (self.format, &outcome) {
            (Format::Json, _) => say(&json(outcome.as_ref(), &loaded).to_string()),
            (_, Some(outcome)) => self.tell(outcome, &loaded),
            (_, None) => {
                report(&loaded);
                say(&format!("{}; no test was run", counted(loaded.counts().0, "error")));
            }
        }
        let right = outcome.is_some_and(|outcome| outcome.failed() == 0) && !low;
        Ok(if right { Verdict::InOrder } else { Verdict::Wrong })
    }

    /// Whether the coverage is below the requested minimum.
    fn is_low(&self, outcome: &Outcome) -> bool {
        outcome.coverage.as_ref().zip(self.fail_under).is_some_and(|(items, least)| coverage::share(items) < least)
    }

    fn play(&self, mut tests: Vec<RuleTest>, rules: &Arc<RuleSet>) -> Result<Outcome, Failure> {
        let all = tests.len();
        if let Some(pattern) = &self.run {
            tests.retain(|test| pattern.is_match(&test.name));
            if tests.is_empty() {
                let message = format!("no test's name matches `{pattern}`");
                return Err(Failure::new(message).help("`tactful test --verbose` names them all"));
            }
        }
        let mut coverage = (self.coverage || self.fail_under.is_some()).then(Coverage::default);
        let results = tests.iter().map(|test| {
            let watch = Stopwatch::start();
            let result = test.run(rules, coverage.as_mut());
            Timed { result, took: watch.elapsed() }
        });
        let results = results.collect();
        let coverage = coverage.map(|coverage| coverage.items(rules));
        Ok(Outcome { results, left_out: all - tests.len(), coverage })
    }

    fn tell(&self, outcome: &Outcome, loaded: &Loaded) {
        report(loaded);
        // Failures are printed last, where they are visible.
        let results = outcome.results.iter().map(|timed| &timed.result);
        let (failed, passed): (Vec<_>, Vec<_>) = results.partition(|result| result.failure.is_some());
        if self.verbose {
            passed.iter().for_each(|result| say(&format!("ok    {}", result.name)));
        }
        for result in &failed {
            let failure = result.failure.as_ref().map(ToString::to_string).unwrap_or_default();
            say(&format!("FAIL  {}\n  {}\n  {}\n", result.name, result.place, failure.replace('\n', "\n  ")));
        }
        let left_out = if outcome.left_out == 0 { String::new() } else { format!(", {} not run", outcome.left_out) };
        say(&format!("{} passed, {} failed{left_out}", passed.len(), failed.len()));
        if outcome.results.is_empty() {
            say("there are no tests yet: write them into files ending in `.test.yaml`");
        }
        if let Some(items) = &outcome.coverage {
            say(&format!("\n{}", coverage::table_of(items)));
        }
        if self.is_low(outcome) {
            say(&format!("\nless than {} % is exercised", self.fail_under.unwrap_or_default()));
        }
    }
}

impl Outcome {
    fn failed(&self) -> usize {
        self.results.iter().filter(|timed| timed.result.failure.is_some()).count()
    }
}

fn json(outcome: Option<&Outcome>, loaded: &Loaded) -> Value {
    let results: Vec<Value> = outcome.iter().flat_map(|outcome| &outcome.results).map(json_of).collect();
    let failed = outcome.map_or(0, Outcome::failed);
    json!({
        "passed": results.len() - failed,
        "failed": failed,
        "not_run": outcome.map_or(0, |outcome| outcome.left_out),
        "tests": results,
        "coverage": outcome.and_then(|outcome| outcome.coverage.as_deref()).map(coverage::json),
        "diagnostics": machine::json::list(&loaded.sources, &loaded.diagnostics),
    })
}

fn json_of(Timed { result, took }: &Timed) -> Value {
    let differences = match &result.failure {
        Some(TestFailure::Differs(differences)) => differences.as_slice(),
        _ => &[],
    };
    let differences: Vec<Value> = differences
        .iter()
        .map(|differs| {
            json!({ "field": differs.field, "expected": differs.expected, "got": differs.got, "why": differs.why })
        })
        .collect();
    json!({
        "name": result.name,
        "file": result.place.file,
        "line": result.place.line,
        "column": result.place.column,
        "seconds": took.as_secs_f64(),
        "passed": result.failure.is_none(),
        "failure": result.failure.as_ref().map(ToString::to_string),
        "differences": differences,
    })
}
