//! `tactful replay`: replays a timeline of recorded calls in virtual time, through the real engine.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::table::table;
use super::{Failure, Verdict, counted, load, report, say};
use crate::domain::id::Vocabulary;
use crate::rules::diagnostic::Severity;
use crate::scenario::estimate::Estimate;
use crate::scenario::replay::{self, LoggedSummary, Summary};

/// Play a timeline of recorded calls in virtual time through the real engine
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful replay --rules examples/bank-calls/rules timeline.jsonl\n  \
    tactful replay --rules rules timeline.jsonl --json --out decisions.jsonl\n\n\
    Each line is one JSON object with `at`, `customer` and one of `event`, `consent`, `attributes`, \
    `outcome`, `decide`. docs/replay.md describes them.\n\nExit code 0 if all of it was played, 2 if not.")]
pub(super) struct Replay {
    /// The timeline, one JSON object a line, sorted by `at`; `-` reads standard input
    timeline: PathBuf,
    /// Folder with rule files
    #[arg(long, default_value = "rules", env = "TACTFUL_RULES")]
    rules: PathBuf,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Write every decision to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Replay {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let mut loaded = load(&self.rules, &Vocabulary::default())?;
        loaded.diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
        report(&loaded);
        let Some(rules) = loaded.rule_set.take() else {
            return Err(Failure::new(format!("the rules in `{}` have errors", self.rules.display())));
        };
        let mut replay = replay::Replay::new(Arc::new(rules));
        self.play(&mut replay)?;
        let summary = replay.summary();
        if self.json {
            let text = serde_json::to_string_pretty(&summary).map_err(|error| Failure::new(error.to_string()))?;
            say(&text);
        } else {
            say(&tell(&summary));
        }
        Ok(Verdict::InOrder)
    }

    fn play(&self, replay: &mut replay::Replay) -> Result<(), Failure> {
        let broken =
            |error: std::io::Error| Failure::new(format!("cannot read `{}`: {error}", self.timeline.display()));
        let (reader, size): (Box<dyn BufRead>, Option<u64>) = if self.timeline.as_os_str() == "-" {
            (Box::new(std::io::stdin().lock()), None)
        } else {
            let file = File::open(&self.timeline).map_err(broken)?;
            let size = file.metadata().map(|meta| meta.len()).ok();
            (Box::new(BufReader::new(file)), size)
        };
        let mut out = self
            .out
            .as_ref()
            .map(|path| {
                File::create(path)
                    .map(BufWriter::new)
                    .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))
            })
            .transpose()?;
        let progress = self.progress(size);
        for (number, line) in (1_u64..).zip(reader.lines()) {
            let line = line.map_err(|error| match error.kind() {
                ErrorKind::InvalidData => Failure::new(format!("{}:{number}: is not UTF-8", self.timeline.display()))
                    .help("save the timeline as UTF-8, with a byte order mark or without"),
                _ => broken(error),
            })?;
            progress.inc(line.len() as u64 + 1);
            let decided = replay
                .play(&line)
                .map_err(|why| Failure::new(format!("{}:{number}: {why}", self.timeline.display())))?;
            if let (Some(out), Some(decided)) = (&mut out, decided) {
                let text = serde_json::to_string(&decided).map_err(|error| Failure::new(error.to_string()))?;
                writeln!(out, "{text}").map_err(|error| Failure::new(format!("cannot write decisions: {error}")))?;
            }
        }
        progress.finish_and_clear();
        out.map_or(Ok(()), |mut out| {
            out.flush().map_err(|error| Failure::new(format!("cannot write decisions: {error}")))
        })
    }

    fn progress(&self, size: Option<u64>) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let style = ProgressStyle::with_template("{bar:40} {percent}%  {binary_bytes_per_sec}  {eta} left");
        style.map_or(bar.clone(), |style| bar.with_style(style))
    }
}

fn tell(summary: &Summary) -> String {
    let mut text = format!("rule set    {}\ndecisions   {}\n", summary.rule_set, summary.decisions);
    text.push_str(&format!("silence     {} ({})\n", summary.silences, share(summary.silences, summary.decisions)));
    for (reason, count) in &summary.silence_reasons {
        text.push_str(&format!("              {count:>8}  {reason}\n"));
    }
    let contacts: u64 = summary.contacts.values().sum();
    text.push_str(&format!("contacts    {contacts}\n"));
    for (action, count) in &summary.contacts {
        text.push_str(&format!("              {count:>8}  {action}\n"));
    }
    if let Some(logged) = &summary.logged {
        text.push_str(&tell_logged(logged));
    }
    text
}

fn tell_logged(logged: &LoggedSummary) -> String {
    let mut text =
        format!("\nagainst the log\n  matched         {} of {} decisions\n", logged.matched, logged.decisions);
    let contacts = share(logged.contacts_kept, logged.contacts);
    text.push_str(&format!("  contacts kept   {} of {} ({contacts})\n", logged.contacts_kept, logged.contacts));
    let reward = if logged.reward > 0.0 { 100.0 * logged.reward_kept / logged.reward } else { 0.0 };
    text.push_str(&format!("  reward kept     {} of {} ({reward:.1} %)\n", logged.reward_kept, logged.reward));
    if let Some(why) = logged.no_estimates {
        text.push_str(&format!("  no estimates: {why}\n"));
    }
    text.push_str("\nreward per decision, with 95 % intervals\n");
    let mut table = table(&["policy", "IPS", "SNIPS"]);
    for policy in &logged.policies {
        table.add_row([policy.policy.clone(), interval(policy.ips), interval(policy.snips)]);
    }
    text.push_str(&table.to_string());
    text
}

fn interval(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "undefined".to_owned(), |e| format!("{:.4} [{:.4}, {:.4}]", e.value, e.low, e.high))
}

#[expect(clippy::cast_precision_loss, reason = "counts of decisions are far below 2^52")]
fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return counted(0, "decision");
    }
    format!("{:.1} %", 100.0 * part as f64 / whole as f64)
}
