//! `tactful report`: what was said and what became of it, over the decision log of a running server.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use super::connection::{Connection, Server, refused};
use super::render::wrap;
use super::table::whole;
use super::{Failure, Verdict, answer, counted, json, say};
use crate::domain::time::Moment;
use crate::grpc::proto::decision_service_client::DecisionServiceClient;
use crate::grpc::proto::{self, GetReportRequest};
use crate::grpc::timestamp;

/// Report what was said and what became of it: by action, channel and week
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful report --from 2026-03-02T00:00:00Z\n  \
    tactful report --format csv > report.csv\n\n\
    A week begins on Monday, 00:00 UTC; a decision and an outcome count in the week of their own time. Rates are shares of \
    `said` of the same row, with 95 % intervals (Wilson). It needs the scope `read`.\n\n\
    Exit code 0 if it is done, 2 if not.")]
pub(super) struct Report {
    /// Only from this moment on, such as 2026-03-02T00:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = Moment::parse)]
    from: Option<Moment>,
    /// Only before this moment
    #[arg(long, value_name = "MOMENT", value_parser = Moment::parse)]
    to: Option<Moment>,
    /// How it is printed
    #[arg(long, value_enum, default_value = "table")]
    format: Form,
    #[command(flatten)]
    server: Server,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Tables for people
    Table,
    /// One table, a row for each action, channel and week
    Csv,
    /// Everything, as the protocol maps it
    Json,
}

impl Report {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        self.server.run(async |server| self.fetch(server).await)
    }

    async fn fetch(&self, server: Connection) -> Result<Verdict, Failure> {
        let request = GetReportRequest { from: self.from.map(timestamp), to: self.to.map(timestamp) };
        let refused = |status| refused(&status);
        let asked = DecisionServiceClient::new(server).get_report(request).await;
        let (mut answers, bar) = (asked.map_err(refused)?.into_inner(), progress());
        while let Some(answer) = answers.message().await.map_err(refused)? {
            match answer.report {
                None => {
                    bar.set_length(answer.bytes_total);
                    bar.set_position(answer.bytes_read);
                }
                Some(report) => {
                    bar.finish_and_clear();
                    self.print(&report)?;
                    return Ok(Verdict::InOrder);
                }
            }
        }
        Err(Failure::new("the server ended the report before it was complete").help("ask for it again"))
    }

    fn print(&self, report: &proto::Report) -> Result<(), Failure> {
        match self.format {
            Form::Table => say(human(report).trim_end()),
            Form::Csv => say(csv(report).trim_end()),
            Form::Json => json::print("Report", report)?,
        }
        Ok(())
    }
}

/// A bar on a terminal only.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {percent}%  {binary_bytes_per_sec}  {eta} left");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

/// The day on which a row's week begins.
fn week(row: &proto::ReportRow) -> String {
    let begins = answer::moment(row.week.as_ref()).map(|at| at.to_string());
    begins.and_then(|at| at.get(..10).map(str::to_owned)).unwrap_or_default()
}

/// How often something came of it, and the share of what was said.
fn share(what: &str, count: u64, rate: Option<&proto::Rate>) -> String {
    match rate {
        Some(proto::Rate { value, low, high }) if count > 0 => {
            format!("  {what:<10} {count:>7}  {:>5.1} % [{:.1}, {:.1}]\n", value * 100.0, low * 100.0, high * 100.0)
        }
        _ if count > 0 => format!("  {what:<10} {count:>7}\n"),
        _ => String::new(),
    }
}

/// What was said in one week, and what came of it.
fn block(row: &proto::ReportRow) -> String {
    let week = week(row);
    let week = if week.is_empty() { week } else { format!(", week of {week}") };
    let channel = if row.channel.is_empty() { String::new() } else { format!(" on {}", row.channel) };
    let mut text = format!("{}{channel}{week}\n  said       {:>7}\n", row.action_id, row.said);
    for (what, count, rate) in [
        ("presented", row.presented, &row.presented_rate),
        ("clicked", row.clicked, &row.clicked_rate),
        ("accepted", row.accepted, &row.accepted_rate),
        ("rejected", row.rejected, &row.rejected_rate),
        ("complained", row.complained, &row.complained_rate),
    ] {
        text.push_str(&share(what, count, rate.as_ref()));
    }
    text
}

fn human(report: &proto::Report) -> String {
    let proto::Report { rows, silences, stopped, decisions, sampled, overwritten, sample_of } = report;
    let of_all = counted(usize::try_from(*decisions).unwrap_or(usize::MAX), "decision");
    let mut text = format!("{of_all}; shares of `said` with 95 % intervals\n\n");
    let (quiet, said): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.week.is_none());
    said.into_iter().for_each(|row| text.push_str(&block(row)));
    let mut never: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    quiet.into_iter().for_each(|row| never.entry(&row.action_id).or_default().push(&row.channel));
    let mut table = whole(&["never said", "channels"], 1);
    never.into_iter().for_each(|(action, channels)| _ = table.add_row([action, &channels.join(", ")]));
    if !table.is_empty() {
        text.push_str(&format!("\n{table}\n"));
    }
    if !silences.is_empty() {
        let mut table = whole(&["silence", "channel", "decisions"], 3);
        silences.iter().for_each(|row| _ = table.add_row([&row.reason, &row.channel, &row.count.to_string()]));
        text.push_str(&format!("\n{table}\n"));
    }
    let count = usize::try_from(*sampled).unwrap_or(usize::MAX);
    let mut sample = format!("Where actions stopped, in a sample of {}", counted(count, "decision"));
    match *sample_of {
        0 => sample.push_str(" (none is taken now)"),
        every => sample.push_str(&format!(" (one in {every} is taken now)")),
    }
    if *overwritten > 0 {
        sample.push_str(&format!(", of which {overwritten} are not readable any more after a denial"));
    }
    text.push_str(&format!("\n{}\n", wrap(&sample, 80)));
    if !stopped.is_empty() {
        let mut table = whole(&["action", "channel", "gate", "decisions"], 4);
        for row in stopped {
            table.add_row([&row.action_id, &row.channel, &row.gate, &row.count.to_string()]);
        }
        text.push_str(&format!("\n{table}\n"));
    }
    text
}

/// One row for each action, channel and week. Ids have no character that needs quotes.
fn csv(report: &proto::Report) -> String {
    let counts = ["presented", "clicked", "accepted", "rejected", "complained"];
    let head = counts.map(|name| format!("{name},{name}_rate,{name}_low,{name}_high")).join(",");
    let mut text = format!("action,channel,week,said,{head}\n");
    for row in &report.rows {
        let outcomes = [
            (row.presented, &row.presented_rate),
            (row.clicked, &row.clicked_rate),
            (row.accepted, &row.accepted_rate),
            (row.rejected, &row.rejected_rate),
            (row.complained, &row.complained_rate),
        ];
        let outcomes = outcomes.map(|(count, rate)| match rate {
            Some(proto::Rate { value, low, high }) => format!("{count},{value:.6},{low:.6},{high:.6}"),
            None => format!("{count},,,"),
        });
        let outcomes = outcomes.join(",");
        text.push_str(&format!("{},{},{},{},{outcomes}\n", row.action_id, row.channel, week(row), row.said));
    }
    text
}
