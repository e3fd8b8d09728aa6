//! `tactful customer`: shows and changes what a server keeps about one customer. One file per verb.

pub(super) mod consent;
mod erase;
mod event;
mod export;
pub(super) mod outcome;
mod set;
mod show;

use clap::{Args, Subcommand};

use super::connection::Server;
use super::{Failure, Verdict, say_labelled};
use crate::domain::time::Moment;
use crate::grpc::proto::{RecordResult, ResultCode};

/// Show and change what a running server keeps about one customer
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful customer consent anna personalisation given --evidence form-4711\n  \
    tactful customer set anna customer.contract=dsl\n  tactful customer event anna page_view page=fibre\n  \
    tactful customer show anna\n\n\
    Exit code 0 if it is done, 1 if the server refused a part of it, 2 if it is not done.")]
pub(super) struct Customer {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Show(show::Show),
    Set(set::Set),
    Event(event::Event),
    Outcome(outcome::Outcome),
    Consent(Box<consent::Consent>),
    Export(export::Export),
    Erase(erase::Erase),
}

impl Customer {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let Self { verb, server } = &self;
        match verb {
            Verb::Show(show) => server.run(async |server| show.run(server).await),
            Verb::Set(set) => server.run(async |server| set.run(server).await),
            Verb::Event(event) => server.run(async |server| event.run(server).await),
            Verb::Outcome(outcome) => server.run(async |server| outcome.run(server).await),
            Verb::Consent(consent) => consent.run(server),
            Verb::Export(export) => export.run(server),
            Verb::Erase(erase) => erase.run(server),
        }
    }
}

/// What to print.
#[derive(Debug, Clone, Copy, Args)]
struct Output {
    /// Print the server's answer as JSON, as the protocol maps it
    #[arg(long)]
    json: bool,
}

/// A moment of the command line.
pub(super) fn moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text).map_err(|_| "write it as in 2026-03-02T10:00:00Z".to_owned())
}

/// Prints the result of one event or outcome for people.
fn recorded(result: &RecordResult, what: &str) {
    match (result.code(), result.accepted) {
        (ResultCode::Repeated, _) => say_labelled("repeated", &format!("{what}: counted before")),
        (_, true) => say_labelled("recorded", what),
        (_, false) => say_labelled("refused", &format!("{what}: {}", result.reason)),
    }
    for field in &result.dropped_fields {
        say_labelled("dropped", &format!("{field}: no lawful purpose covers it"));
    }
}

/// The verdict of results of which some may be refused.
fn verdict(mut accepted: impl Iterator<Item = bool>) -> Verdict {
    if accepted.all(|accepted| accepted) { Verdict::InOrder } else { Verdict::Wrong }
}
