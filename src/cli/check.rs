//! `tactful check`: reports all mistakes of all rule files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Failure, Verdict, counted, load, machine, report, say};
use crate::domain::id::Vocabulary;
use crate::domain::rule_set::is_test;
use crate::domain::sources::{FileId, Span};
use crate::rules::diagnostic::{Diagnostic, Severity};
use crate::rules::{Loaded, code, source};
use crate::scenario::test;

/// Check rule files: every mistake in every file, with its place and its fix
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful check rules\n  tactful check rules --format json\n  tactful check rules --format github\n\n\
    Exit code 0 if there is no error (warnings are allowed), 1 if there is, 2 on bad usage."
)]
pub(super) struct Check {
    /// Folder with rule files (`*.yaml`), or one file
    #[arg(default_value = "rules")]
    rules: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

/// How diagnostics are printed; docs/diagnostics.md shows each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with the lines they are about
    Human,
    /// For programs: one object
    Json,
    /// For GitHub Actions: notes beside the lines of a pull request
    Github,
    /// For code scanning and editors: SARIF 2.1.0
    Sarif,
}

impl Check {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let mut loaded = load(&self.rules, &Vocabulary::default())?;
        if let Some(rules) = &loaded.rule_set {
            let (_, found) = test::read(&loaded.tests, rules, &loaded.sources);
            loaded.diagnostics.extend(found);
        }
        let sound = loaded.sources.iter().filter(|_| loaded.rule_set.is_some());
        for (id, file) in sound {
            source::read_twice(id, &file.text, &mut loaded.diagnostics);
        }
        loaded.diagnostics.extend(open_end(&loaded));
        match self.format {
            Format::Human => tell(&loaded),
            Format::Json => say(&summary(&loaded).to_string()),
            Format::Github => machine::github::commands(&loaded.sources, &loaded.diagnostics).lines().for_each(say),
            Format::Sarif => say(&machine::sarif::log(&loaded.sources, &loaded.diagnostics).to_string()),
        }
        let wrong = loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        Ok(if wrong { Verdict::Wrong } else { Verdict::InOrder })
    }
}

fn tell(loaded: &Loaded) {
    report(loaded);
    let (errors, warnings) = loaded.counts();
    let (files, warnings) = (counted(loaded.sources.iter().count(), "file"), counted(warnings, "warning"));
    match loaded.rule_set.as_ref().filter(|_| errors == 0) {
        Some(rules) => {
            let (actions, journeys) =
                (counted(rules.actions.len(), "action"), counted(rules.journeys.len(), "journey"));
            say(&format!("ok: {files}, {actions}, {journeys}, {warnings}; rule set {}", rules.hash));
        }
        None => say(&format!("{}, {warnings} in {files}", counted(errors, "error"))),
    }
}

fn summary(loaded: &Loaded) -> serde_json::Value {
    let (errors, warnings) = loaded.counts();
    let hash = loaded.rule_set.as_ref().filter(|_| errors == 0).map(|rules| rules.hash.clone());
    let diagnostics = machine::json::list(&loaded.sources, &loaded.diagnostics);
    serde_json::json!({ "errors": errors, "warnings": warnings, "rule_set": hash, "diagnostics": diagnostics })
}

/// One warning for all rule files whose truncation would not be detected.
fn open_end(loaded: &Loaded) -> Option<Diagnostic> {
    let rules = loaded.sources.iter().filter(|(_, file)| !is_test(&file.path) && !file.text.is_empty());
    let open: Vec<FileId> = rules.filter(|(_, file)| !source::opens(&file.text)).map(|(id, _)| id).collect();
    let (first, others) = open.split_first()?;
    let others = if others.is_empty() { String::new() } else { format!(", or any of {} others", others.len()) };
    let message = format!("it would go unnoticed if this file were cut off{others}");
    let place = Span { file: *first, ..Span::default() };
    let help = "begin every rule file with a line `---`, and end it with a line `...`";
    Some(Diagnostic::warning(code::OPEN_END, place, message).help(help))
}
