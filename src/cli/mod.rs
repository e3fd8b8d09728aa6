//! The command line: one file per command. The type of a command has its name, and no other module sees it: `Ledger`,
//! `Replay`, `Explain`, `Receipt`, `Checkpoint` and `Clock` may therefore share the name of what they work on.
//!
//! Exit codes: 0 done; 1 done, but with errors in the input; 2 not done.

#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic if the reader has gone: say, say_err and print_err do not"
)]

mod answer;
mod audit;
mod backup;
mod check;
mod clock;
mod completions;
mod config;
mod connection;
mod customer;
mod data;
mod decide;
mod decision;
mod explain;
mod fact;
mod fmt;
mod import;
mod init;
mod json;
mod ledger;
mod listen;
pub mod machine;
mod man;
mod open_node;
mod proof;
pub mod render;
mod replay;
mod report;
mod restore;
mod rules;
mod schema;
mod serve;
mod simulate;
mod size;
mod store;
mod table;
mod test;
mod token;

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::domain::id::Vocabulary;
use crate::rule_files;
use crate::rules::Loaded;
use crate::rules::diagnostic::Severity;

/// Picks the next step in the conversation with a customer, or says nothing.
#[derive(Debug, Parser)]
#[command(name = "tactful", version, about, propagate_version = true, max_term_width = 80)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Serve(Box<serve::Serve>),
    Decide(decide::Decide),
    Customer(customer::Customer),
    Decision(decision::Decision),
    Simulate(Box<simulate::Simulate>),
    Import(import::Import),
    Check(check::Check),
    Test(test::Test),
    Fmt(fmt::Fmt),
    Schema(schema::Schema),
    Replay(replay::Replay),
    Report(report::Report),
    Explain(explain::Explain),
    Ledger(ledger::Ledger),
    Data(data::Data),
    Proof(proof::Proof),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Store(store::Store),
    Rules(rules::Rules),
    Token(token::Token),
    Clock(clock::Clock),
    Audit(audit::Audit),
    Config(Box<config::Config>),
    Completions(completions::Completions),
    Man(man::Man),
}

/// How wide a label is, with the space behind it.
const LABEL: usize = 11;

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Failure {
    message: String,
    help: Option<String>,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The message and the help, each on a line of its own; on a terminal in lines of at most 80 columns.
    fn told(&self, to_terminal: bool) -> String {
        let width = if to_terminal { 80 } else { usize::MAX };
        let parts = [("error", Some(&self.message)), ("help", self.help.as_ref())].into_iter();
        let parts = parts.filter_map(|(label, text)| Some((label, text?)));
        parts.map(|(label, text)| render::wrap(&format!("{label}: {text}"), width) + "\n").collect()
    }
}

/// Whether the checked input is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    InOrder,
    Wrong,
}

impl Cli {
    /// Understands the command line of this process, and runs its command.
    #[must_use]
    pub fn run() -> ExitCode {
        match Self::understood().and_then(|cli| cli.command.run_privately()) {
            Ok(Verdict::InOrder) => ExitCode::SUCCESS,
            Ok(Verdict::Wrong) => ExitCode::from(1),
            Err(failure) => {
                print_err(&failure.told(std::io::stderr().is_terminal()));
                ExitCode::from(2)
            }
        }
    }

    /// The command line, over the environment, over a file of settings.
    fn understood() -> Result<Self, Failure> {
        let arguments: Vec<_> = std::env::args_os().collect();
        let (mut command, mut keys) = (Self::command(), Vec::new());
        if let Some(path) = config::named_file(&arguments) {
            (command, keys) = config::with_file(command, &path)?;
        }
        let matches = command.clone().get_matches_from(arguments);
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if let (Command::Config(config), Some(matches)) = (&mut cli.command, matches.subcommand_matches("config")) {
            config.note_origins(&command, matches, &keys);
        }
        Ok(cli)
    }
}

impl Command {
    /// Runs it. What it writes can be read by its owner only, unless it is made for others.
    fn run_privately(self) -> Result<Verdict, Failure> {
        #[cfg(unix)]
        if !matches!(
            self,
            Self::Init(_) | Self::Fmt(_) | Self::Schema(_) | Self::Test(_) | Self::Rules(_) | Self::Man(_)
        ) {
            // No thread has begun that could be writing files of its own.
            rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
        }
        self.run()
    }

    fn run(self) -> Result<Verdict, Failure> {
        match self {
            Self::Init(command) => command.run(),
            Self::Serve(command) => command.run(),
            Self::Decide(command) => command.run(),
            Self::Customer(command) => command.run(),
            Self::Decision(command) => command.run(),
            Self::Simulate(command) => command.run(),
            Self::Import(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Test(command) => command.run(),
            Self::Fmt(command) => command.run(),
            Self::Schema(command) => command.run(),
            Self::Replay(command) => command.run(),
            Self::Report(command) => command.run(),
            Self::Explain(command) => command.run(),
            Self::Ledger(command) => command.run(),
            Self::Data(command) => command.run(),
            Self::Proof(command) => command.run(),
            Self::Backup(command) => command.run(),
            Self::Restore(command) => command.run(),
            Self::Store(command) => command.run(),
            Self::Rules(command) => command.run(),
            Self::Token(command) => command.run(),
            Self::Clock(command) => command.run(),
            Self::Audit(command) => command.run(),
            Self::Config(command) => command.run(),
            Self::Completions(command) => command.run(),
            Self::Man(command) => command.run(),
        }
    }
}

/// Whether to colour the output on standard error.
fn color() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Loads rules; a missing path is wrong usage, not an error in the rules.
fn load(rules: &Path, vocabulary: &Vocabulary) -> Result<Loaded, Failure> {
    if rules.exists() { Ok(rule_files::read(rules, vocabulary)) } else { Err(no_rules(rules)) }
}

fn no_rules(path: &Path) -> Failure {
    Failure::new(format!("no file or folder is called `{}`", path.display()))
        .help("name the folder with your rule files")
}

/// Prints the diagnostics of loaded rules for people; false if there was an error.
fn report(loaded: &Loaded) -> bool {
    if !loaded.diagnostics.is_empty() {
        print_err(&render::render(&loaded.sources, &loaded.diagnostics, color()));
    }
    !loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// "1 action", "2 actions".
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A label, and beside it a text in lines that fit 80 columns, with the break after the last.
fn labelled(label: &str, text: &str) -> String {
    let lines = render::wrap(text, 80 - LABEL).replace('\n', &format!("\n{:LABEL$}", ""));
    format!("{label:<width$} {lines}\n", width = LABEL - 1)
}

/// Prints a label, and beside it a text in lines that fit 80 columns.
fn say_labelled(label: &str, text: &str) {
    say(labelled(label, text).trim_end());
}

/// Prints to standard output; a closed pipe must not cause a panic.
fn say(text: &str) {
    use std::io::Write as _;
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// Prints a line to standard error; a closed pipe must not cause a panic.
fn say_err(line: &str) {
    print_err(&format!("{line}\n"));
}

/// Prints to standard error as it is.
fn print_err(text: &str) {
    use std::io::Write as _;
    drop(std::io::stderr().write_all(text.as_bytes()));
}
