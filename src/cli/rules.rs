//! `tactful rules`: rules that are kept in a database, for nodes that follow them.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::open_node::no_database;
use super::{Failure, Verdict, counted, no_rules, report, say};
use crate::domain::id::Vocabulary;
use crate::serve::reload::RuleFolder;
use crate::storage::{PublishedRules, Revision, write_published};

/// Publish rules to the nodes of a database, go back to earlier ones, or show them
#[derive(Debug, Args)]
pub(super) struct Rules {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Publish(Publish),
    Rollback(Rollback),
    Show(Show),
}

impl Rules {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        match self.command {
            Command::Publish(command) => command.run(),
            Command::Rollback(command) => command.run(),
            Command::Show(command) => command.run(),
        }
    }
}

/// The database.
#[derive(Debug, Args)]
struct Place {
    /// Address of the database
    #[arg(long, value_name = "URL", env = "TACTFUL_STORE", hide_env_values = true)]
    store: String,
}

impl Place {
    fn open(&self) -> Result<PublishedRules, Failure> {
        PublishedRules::open(&self.store).map_err(|error| no_database(&error))
    }
}

/// Check rules, run their tests, and make them the newest revision
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful rules publish rules --store postgres://tactful@db/tactful\n\n\
    Nodes that were started with `--published-rules` take them within a few seconds.\n\n\
    Exit code 0 if they are published, 1 if they have errors, 2 on bad usage.")]
struct Publish {
    /// Folder with rule files (`*.yaml`)
    #[arg(default_value = "rules")]
    rules: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Publish rules without running their tests (`*.test.yaml`)
    #[arg(long)]
    skip_tests: bool,
}

impl Publish {
    fn run(self) -> Result<Verdict, Failure> {
        if !self.rules.is_dir() {
            return Err(no_rules(&self.rules));
        }
        let folder = RuleFolder { path: self.rules, run_tests: !self.skip_tests };
        let files = folder.look();
        let loaded = folder.load(files.clone(), &Vocabulary::default());
        let Some(set) = loaded.rule_set.clone().map(Arc::new) else {
            report(&loaded);
            return Ok(Verdict::Wrong);
        };
        let (revision, is_new) =
            self.place.open()?.publish(&set.hash, files.below_folder()).map_err(|error| no_database(&error))?;
        let already = if is_new { "" } else { " already" };
        say(&format!("published  revision {revision}{already}, {}", set.hash));
        Ok(Verdict::InOrder)
    }
}

/// Make the files of an earlier revision the newest revision
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful rules rollback --store postgres://tactful@db/tactful\n  \
    tactful rules rollback --to 7 --store postgres://tactful@db/tactful\n\n\
    Exit code 0 if it is done, 2 if not.")]
struct Rollback {
    /// The number of the revision; the one before the newest if left out
    #[arg(long, value_name = "REVISION")]
    to: Option<i64>,
    #[command(flatten)]
    place: Place,
}

impl Rollback {
    fn run(self) -> Result<Verdict, Failure> {
        let mut published = self.place.open()?;
        let wrong = |error| no_database(&error);
        let revisions = published.list().map_err(wrong)?;
        let newest = revisions.last().map_or("", |newest| newest.hash.as_str());
        let is_meant = |revision: &&Revision| match self.to {
            Some(number) => revision.number == number,
            None => revision.hash != newest,
        };
        let Some(found) = revisions.iter().rev().filter(|revision| revision.files > 0).find(is_meant) else {
            return Err(Failure::new("there is no such published revision").help("`tactful rules show` lists them"));
        };
        let files = published.files(found.number).map_err(wrong)?;
        let (revision, is_new) = published.publish(&found.hash, files).map_err(wrong)?;
        let already = if is_new { "" } else { " already" };
        say(&format!("published  revision {revision}{already}, the files of {}, {}", found.number, found.hash));
        Ok(Verdict::InOrder)
    }
}

/// List revisions, or write the files of one into a folder
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful rules show --store postgres://tactful@db/tactful\n  \
    tactful rules show 7 --out rules-7 --store postgres://tactful@db/tactful\n\n\
    Exit code 0 if it is done, 2 if not.")]
struct Show {
    /// The number of a revision
    revision: Option<i64>,
    /// Folder to write its files into; without it, their names are printed
    #[arg(long, value_name = "FOLDER", requires = "revision")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Show {
    fn run(self) -> Result<Verdict, Failure> {
        let published = self.place.open()?;
        let Some(number) = self.revision else {
            for Revision { number, hash, since, files } in published.list().map_err(|error| no_database(&error))? {
                let files = match files {
                    0 => "from a folder of a node".to_owned(),
                    files => counted(usize::try_from(files).unwrap_or(usize::MAX), "file"),
                };
                say(&format!("{number:>8}  {hash}  {since} UTC  {files}"));
            }
            return Ok(Verdict::InOrder);
        };
        let files = published.files(number).map_err(|error| no_database(&error))?;
        if files.is_empty() {
            return Err(Failure::new(format!("revision {number} was not published"))
                .help("`tactful rules show` lists the revisions"));
        }
        match &self.out {
            Some(folder) => {
                write_published(folder, &files)
                    .map_err(|error| Failure::new(format!("`{}` cannot be written: {error}", folder.display())))?;
                say(&format!("written    {} into {}", counted(files.len(), "file"), folder.display()));
            }
            None => files.iter().for_each(|(path, _)| say(path)),
        }
        Ok(Verdict::InOrder)
    }
}
