//! `tactful schema`: a JSON Schema with which editors complete and check rule files.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, Verdict, color, print_err, render, say};
use crate::domain::rule_set::is_test;
use crate::domain::sources::Sources;
use crate::rule_files;
use crate::rules::diagnostic::{Diagnostic, Severity};
use crate::rules::schema::{Names, schema};
use crate::rules::shape::{Form, RULE_FILE};
use crate::rules::source;
use crate::scenario::shape::TEST_FILE;

/// Print a JSON Schema of rule files, for editors to complete and check while you write
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful schema > rules.schema.json\n  \
    tactful schema rules --output rules/.schema/rules.schema.json\n  \
    tactful schema rules --tests --output rules/.schema/tests.schema.json\n\n\
    Then name it in the first line of a file:\n  # yaml-language-server: $schema=../.schema/rules.schema.json\n\n\
    Exit code 0 if it was printed, 1 if the YAML of a rule file has mistakes, 2 on bad usage.")]
pub(super) struct Schema {
    /// Folder with rule files: only the names it declares are completed and accepted
    pub(super) rules: Option<PathBuf>,
    /// The schema of test files (`*.test.yaml`) instead
    #[arg(long)]
    pub(super) tests: bool,
    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

impl Schema {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let names = match &self.rules {
            None => None,
            Some(rules) if !rules.exists() => {
                let message = format!("no file or folder is called `{}`", rules.display());
                return Err(Failure::new(message).help("name the folder with your rule files"));
            }
            Some(rules) => {
                let (sources, mut diagnostics) = rule_files::look(rules).sources();
                let names = names(&sources, &mut diagnostics);
                if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
                    print_err(&render::render(&sources, &diagnostics, color()));
                    return Ok(Verdict::Wrong);
                }
                Some(names)
            }
        };
        let schema = schema(if self.tests { &TEST_FILE } else { &RULE_FILE }, names.as_ref());
        let text = format!("{schema:#}");
        match &self.output {
            None => say(&text),
            Some(path) => fs::write(path, text + "\n")
                .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?,
        }
        Ok(Verdict::InOrder)
    }
}

fn names(sources: &Sources, diagnostics: &mut Vec<Diagnostic>) -> Names {
    let mut names = Names::default();
    for (id, file) in sources.iter().filter(|(_, file)| !is_test(&file.path)) {
        let already = diagnostics.iter().any(|diagnostic| diagnostic.span.file == id);
        let node = if already { None } else { source::read(id, &file.text, diagnostics) };
        node.iter().for_each(|node| names.add(node, &Form::Map(&RULE_FILE)));
    }
    names
}
