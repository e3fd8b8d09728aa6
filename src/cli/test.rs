//! `tactful test`: runs the rule tests beside the rules.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{Failure, Format, Verdict, counted, load, render, report, say};
use crate::domain::id::Vocabulary;
use crate::scenario::test::{self, TestResult};

/// Run the rule tests (`*.test.yaml`) beside the rules, in virtual time
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful test rules\n  tactful test rules --format json\n\n\
    Exit code 0 if all pass, 1 if one fails or the rules have errors, 2 on bad usage.")]
pub(super) struct Test {
    /// Folder with rule files and test files
    #[arg(default_value = "rules")]
    rules: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

impl Test {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let mut loaded = load(&self.rules, &Vocabulary::default())?;
        let rules = loaded.rule_set.take().map(Arc::new);
        let (tests, found) = rules.as_ref().map(|rules| test::read(&loaded.tests, rules)).unwrap_or_default();
        loaded.diagnostics.extend(found);
        let (errors, _) = loaded.counts();
        let results = match &rules {
            Some(rules) if errors == 0 => test::run(&tests, rules, &loaded.sources),
            _ => Vec::new(),
        };
        let failed = results.iter().filter(|result| result.failure.is_some()).count();
        if self.format == Format::Json {
            let diagnostics = render::json(&loaded.sources, &loaded.diagnostics);
            let results: Vec<serde_json::Value> = results.iter().map(json).collect();
            let (passed, failed) = (results.len() - failed, failed);
            say(&serde_json::json!({ "passed": passed, "failed": failed, "tests": results, "diagnostics": diagnostics }).to_string());
        } else if errors > 0 {
            report(&loaded);
            say(&format!("{}; no test was run", counted(errors, "error")));
        } else {
            // Failures last, where they are seen.
            let (wrong, right): (Vec<_>, Vec<_>) = results.iter().partition(|result| result.failure.is_some());
            right.into_iter().chain(wrong).for_each(tell);
            say(&format!("{} passed, {failed} failed", results.len() - failed));
        }
        Ok(if errors > 0 || failed > 0 { Verdict::Wrong } else { Verdict::InOrder })
    }
}

fn tell(result: &TestResult) {
    match &result.failure {
        None => say(&format!("ok    {}", result.name)),
        Some(failure) => say(&format!("FAIL  {}\n  {}\n  {failure}", result.name, result.place)),
    }
}

fn json(result: &TestResult) -> serde_json::Value {
    serde_json::json!({
        "name": result.name,
        "file": result.place.file,
        "line": result.place.line,
        "column": result.place.column,
        "passed": result.failure.is_none(),
        "failure": result.failure,
    })
}
