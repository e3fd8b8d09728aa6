//! `tactful import`: records customers of a file in a running server. A run that was cut off goes on where it was safe.

mod line;
mod progress;
mod run;
mod send;
mod source;
mod steps;
mod types;

use std::path::{Path, PathBuf};

use clap::Args;

use super::connection::Server;
use super::{Failure, Verdict, labelled, say};
use progress::Tally;
use run::Run;

/// Record the customers of a file in a running server: consents, attributes, events, contacts, outcomes
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful import customers.jsonl\n  \
    tactful import contacts.csv --rejected to-fix.jsonl\n\n\
    Each line is a JSON object with `customer` and any of `time_zone`, `consents`, `attributes`, `events`, \
    `contacts`, `outcomes`; a row of a .csv file is the same under names of columns. docs/import.md has both.\n\n\
    What cannot be imported ends in FILE.rejected.jsonl with the reasons, in the same format: fix it there, and \
    import that file. FILE.progress says how far it came: after an interruption, the same command goes on.\n\n\
    It needs the scopes `consent`, `events`, `outcomes`, `rules` and `read`.\n\n\
    Exit code 0 if everything was imported, 1 if something was rejected, 2 if it is not done.")]
pub(super) struct Import {
    /// The file: .jsonl, or .csv
    file: PathBuf,
    /// Where rejected lines go; FILE.rejected.jsonl if left out
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// Where the progress is kept; FILE.progress if left out
    #[arg(long, value_name = "FILE")]
    progress: Option<PathBuf>,
    /// How many calls are under way at once: fewer leave the server more time for others
    #[arg(long, value_name = "NUMBER", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    at_once: u16,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

impl Import {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let beside = |given: &Option<PathBuf>, end: &str| given.clone().unwrap_or_else(|| with_end(&self.file, end));
        let rejected = beside(&self.rejected, ".rejected.jsonl");
        let progress = beside(&self.progress, ".progress");
        let run = Run {
            file: self.file.clone(),
            rejected: rejected.clone(),
            progress: progress.clone(),
            at_once: usize::from(self.at_once),
            is_shown: !self.json,
            server: &self.server,
        };
        let tally = self.server.run_over(run::CONNECTIONS, async |connections| run.all(connections).await)?;
        if self.json {
            say(&serde_json::to_string_pretty(&tally).map_err(|error| Failure::new(error.to_string()))?);
        } else {
            tell(&tally, &rejected);
        }
        Ok(if tally.rejected == 0 { Verdict::InOrder } else { Verdict::Wrong })
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}

fn tell(tally: &Tally, rejected: &Path) {
    let line = |label: &str, text: &str| say(labelled(label, text).trim_end());
    line("imported", &format!("{} lines", tally.lines));
    for (label, count) in [
        ("consents", tally.consents),
        ("attributes", tally.attributes),
        ("events", tally.events),
        ("contacts", tally.contacts),
        ("outcomes", tally.outcomes),
    ] {
        if count > 0 {
            line(label, &count.to_string());
        }
    }
    for (reason, count) in &tally.not_stored {
        let why = match reason.as_str() {
            "no_lawful_purpose" => "no lawful purpose covers it",
            "too_old" => "older than such events are kept",
            _ => "the customer was erased",
        };
        line("not stored", &format!("{count}: {why} ({reason})"));
    }
    if tally.rejected > 0 {
        line("rejected", &format!("parts of {} lines, with reasons in {}", tally.rejected, rejected.display()));
    }
}
