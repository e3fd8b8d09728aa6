//! `tactful check`: every mistake of every rule file, at once.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, Format, Verdict, counted, load, render, report, say};
use crate::domain::id::Vocabulary;
use crate::domain::rules::diagnostic::{Diagnostic, FileId, Severity, Span};
use crate::domain::rules::rule_set::is_test;
use crate::domain::rules::{Loaded, code, source};
use crate::scenario::test;

/// Check rule files: every mistake of every file, with its place and its fix
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful check rules\n  tactful check rules --format json\n\n\
    Exit code 0 if there is no error (warnings are allowed), 1 if there is, 2 on bad usage.")]
pub(super) struct Check {
    /// Folder with rule files (`*.yaml`), or one file
    #[arg(default_value = "rules")]
    rules: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

impl Check {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let mut loaded = load(&self.rules, &Vocabulary::default())?;
        if let Some(rules) = &loaded.rule_set {
            let (_, found) = test::read(&loaded.tests, rules);
            loaded.diagnostics.extend(found);
        }
        for (id, file) in loaded.sources.iter() {
            source::read_twice(id, &file.text, &mut loaded.diagnostics);
        }
        loaded.diagnostics.extend(open_end(&loaded));
        let (errors, warnings) = loaded.counts();
        if self.format == Format::Json {
            let list = render::json(&loaded.sources, &loaded.diagnostics);
            let hash = loaded.rule_set.as_ref().filter(|_| errors == 0).map(|rules| rules.hash.clone());
            say(&serde_json::json!({ "errors": errors, "warnings": warnings, "rule_set": hash, "diagnostics": list })
                .to_string());
        } else {
            report(&loaded);
            let files = counted(loaded.sources.iter().count(), "file");
            match (errors, &loaded.rule_set) {
                (0, Some(rules)) => say(&format!(
                    "ok: {files}, {}, {}, {}; rule set {}",
                    counted(rules.actions.len(), "action"),
                    counted(rules.journeys.len(), "journey"),
                    counted(warnings, "warning"),
                    rules.hash
                )),
                _ => say(&format!("{}, {} in {files}", counted(errors, "error"), counted(warnings, "warning"))),
            }
        }
        let wrong = loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        Ok(if wrong { Verdict::Wrong } else { Verdict::InOrder })
    }
}

/// One warning for all rule files that would not be noticed if they were cut off.
fn open_end(loaded: &Loaded) -> Option<Diagnostic> {
    let rules = loaded.sources.iter().filter(|(_, file)| !is_test(&file.path) && !file.text.is_empty());
    let open: Vec<FileId> = rules.filter(|(_, file)| !source::opens(&file.text)).map(|(id, _)| id).collect();
    let (first, others) = open.split_first()?;
    let others = if others.is_empty() { String::new() } else { format!(", or any of {} others", others.len()) };
    let message = format!("nobody would notice if this file were cut off{others}");
    let place = Span { file: *first, ..Span::default() };
    let help = "begin every rule file with a line `---`, and end it with a line `...`";
    Some(Diagnostic::warning(code::OPEN_END, place, message).help(help))
}
