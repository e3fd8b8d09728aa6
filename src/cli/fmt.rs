//! `tactful fmt`: one layout for all rule files.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Args;
use similar::TextDiff;

use super::{Failure, Verdict, color, counted, print_err, render, say, say_err};
use crate::domain::rule_set::is_test;
use crate::domain::sources::{FileId, SourceFile, Sources};
use crate::rule_files;
use crate::rules::diagnostic::{Diagnostic, Severity};
use crate::rules::format::{Refusal, format};
use crate::rules::shape::{Form, RULE_FILE};
use crate::scenario::shape::TEST_FILE;

/// Lay rule files out in one way: the order of keys, indentation, spacing; comments stay
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful fmt rules\n  tactful fmt --check rules\n  \
    tactful fmt --stdin rules/offers/fibre.yaml < rules/offers/fibre.yaml\n\n\
    A file with mistakes in its YAML is left as it is, and so is one whose meaning would change.\n\n\
    Exit code 0 if every file is laid out, 1 with `--check` if something would change or if a file has mistakes, 2 on bad usage.")]
pub(super) struct Fmt {
    /// Folders with rule files (`*.yaml`), or single files
    #[arg(default_value = "rules")]
    paths: Vec<PathBuf>,
    /// Change nothing; show what would change
    #[arg(long)]
    check: bool,
    /// Lay out standard input as if it were the file NAME, and print it
    #[arg(long, value_name = "NAME", conflicts_with = "check")]
    stdin: Option<String>,
}

impl Fmt {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        match &self.stdin {
            Some(name) => from_stdin(name),
            None => self.files(),
        }
    }

    fn files(&self) -> Result<Verdict, Failure> {
        let (mut seen, mut changed, mut refused) = (0, 0, 0);
        for path in &self.paths {
            if !path.exists() {
                let message = format!("no file or folder is called `{}`", path.display());
                return Err(Failure::new(message).help("name folders with rule files, or single files"));
            }
            let (sources, unreadable) = rule_files::look(path).sources();
            show(&sources, &unreadable);
            refused += unreadable.len();
            let readable = |id: &FileId| !unreadable.iter().any(|diagnostic| diagnostic.span.file == *id);
            for (id, file) in sources.iter().filter(|(id, _)| readable(id)) {
                seen += 1;
                match laid_out(id, file, &sources) {
                    Some(text) if text == file.text => {}
                    Some(text) => {
                        changed += 1;
                        self.change(file, &text)?;
                    }
                    None => refused += 1,
                }
            }
        }
        let files = counted(seen, "file");
        say(&match (self.check, changed) {
            (_, 0) if refused == 0 => format!("ok: {files}"),
            (true, _) => format!("{changed} of {files} would change, {refused} left alone"),
            (false, _) => format!("{changed} of {files} changed, {refused} left alone"),
        });
        Ok(if refused > 0 || self.check && changed > 0 { Verdict::Wrong } else { Verdict::InOrder })
    }

    fn change(&self, file: &SourceFile, text: &str) -> Result<(), Failure> {
        if self.check {
            let (before, after) = (&file.path, format!("{} (laid out)", file.path));
            let diff = TextDiff::from_lines(file.text.as_str(), text);
            say(diff.unified_diff().context_radius(1).header(before, &after).to_string().trim_end());
            return Ok(());
        }
        let failure = |error| Failure::new(format!("cannot write `{}`: {error}", file.path));
        replace(Path::new(&file.path), text).map_err(failure)?;
        say(&format!("changed {}", file.path));
        Ok(())
    }
}

fn from_stdin(name: &str) -> Result<Verdict, Failure> {
    let mut text = String::new();
    let failure = |error| Failure::new(format!("cannot read standard input: {error}"));
    io::stdin().read_to_string(&mut text).map_err(failure)?;
    let sources = Sources::new(vec![SourceFile { path: name.to_owned(), text }]);
    let text = sources.iter().find_map(|(id, file)| laid_out(id, file, &sources));
    let Some(text) = text else { return Ok(Verdict::Wrong) };
    drop(io::stdout().write_all(text.as_bytes()));
    Ok(Verdict::InOrder)
}

/// The new text of a file; `None`, with the reason on standard error, if the file must not be changed.
fn laid_out(id: FileId, file: &SourceFile, sources: &Sources) -> Option<String> {
    let form = Form::Map(if is_test(&file.path) { &TEST_FILE } else { &RULE_FILE });
    match format(id, &file.text, &form) {
        Ok(text) => return Some(text),
        Err(Refusal::Broken(diagnostics)) => show(sources, &diagnostics),
        Err(Refusal::Changed) => {
            let help = "please report it with the file; `tactful check` shows whether the file itself is valid";
            say_err(&format!(
                "error: `{}` is left unchanged: the new layout would change its meaning\nhelp: {help}",
                file.path
            ));
        }
    }
    None
}

fn show(sources: &Sources, diagnostics: &[Diagnostic]) {
    let errors: Vec<Diagnostic> = diagnostics.iter().filter(|d| d.severity == Severity::Error).cloned().collect();
    if !errors.is_empty() {
        print_err(&render::render(sources, &errors, color()));
    }
}

/// Replaces a file atomically, so that no reader ever sees part of it. Links are followed, permissions kept.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    if permissions.readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it may only be read"));
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".tactful-fmt-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}
