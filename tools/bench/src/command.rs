//! The command: puts load on a running server and checks its latencies.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde_json::{Value as Json, json};

use crate::config::Config;
use crate::load::{Failures, Load, LoadError, Report};
use crate::template;

/// Put load on a running server and judge its answers and times
#[derive(Debug, Parser)]
#[command(name = "tactful-bench", version, max_term_width = 100)]
#[command(after_help = "Examples:\n  tactful-bench --config ghz/decide.json --budget p99=20ms\n  \
    tactful-bench --config ghz/mixed.json --config ghz/mixed/events.json --duration 10s --format json\n\n\
    Reads the files of ghz (https://ghz.sh), with the functions of their templates that it names if you use another.\n\
    With `rps`, calls are sent on schedule, and a call's time begins when it was due.\n\
    The load leaves customers, consents and contacts in the server: do not use one that serves.\n\n\
    Exit code 0 if every call succeeded within the budgets, 1 if not, 2 if there was no load.")]
pub struct Bench {
    /// A file of ghz; several are run at once
    #[arg(long, required = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// The server; overrides the file
    #[arg(long, value_name = "HOST:PORT")]
    host: Option<String>,
    /// How long calls are sent, such as 10s; overrides the file
    #[arg(long, value_name = "TIME")]
    duration: Option<String>,
    /// The most that a percentile of each run may be, as p99=20ms; may be repeated
    #[arg(long, value_name = "PERCENTILE=TIME", value_parser = budget)]
    budget: Vec<Budget>,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// Why there was no load, or no report of it.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file is missing, or is not a load.
    #[error("{}: {why}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The load could not start.
    #[error("{0}\nhelp: start a server with `tactful serve`, or name it with --host")]
    Load(#[from] LoadError),
    /// The report could not be written.
    #[error("the report cannot be written: {0}")]
    Write(#[from] std::io::Error),
}

/// The limit of a percentile.
#[derive(Debug, Clone)]
struct Budget {
    percent: f64,
    most: Duration,
}

/// The percentiles that are printed.
const SHOWN: [f64; 4] = [50.0, 95.0, 99.0, 99.9];
/// A machine that sends less than this share of the requested rate is too busy for it.
const ENOUGH: f64 = 0.9;

impl Bench {
    /// Runs the load and writes its report; true if every call succeeded within the budgets.
    ///
    /// # Errors
    /// When the load cannot start, or the report cannot be written.
    pub fn run(self, out: &mut impl Write) -> Result<bool, BenchError> {
        let configs = self.config.iter().map(|path| self.read(path)).collect::<Result<Vec<_>, _>>()?;
        let (configs, loads): (Vec<Config>, Vec<Load>) = configs.into_iter().unzip();
        let reports = run_at_once(loads)?;
        let faults: Vec<String> = reports.iter().flat_map(|report| self.faults(report)).collect();
        match self.format {
            Format::Human => print(out, &configs, &reports, &faults)?,
            Format::Json => writeln!(out, "{:#}", json(&reports, &faults))?,
        }
        Ok(faults.is_empty())
    }

    fn read(&self, path: &Path) -> Result<(Config, Load), BenchError> {
        let wrong = |why: String| BenchError::Config { path: path.to_owned(), why };
        let mut config = Config::read(path).map_err(wrong)?;
        if let Some(host) = &self.host {
            config.at(host);
        }
        if let Some(duration) = &self.duration {
            config.lasting(duration);
        }
        let load = config.load().map_err(wrong)?;
        Ok((config, load))
    }

    /// The violations of a run.
    fn faults(&self, report: &Report) -> Vec<String> {
        let name = &report.name;
        let mut faults = Vec::new();
        if report.calls() == 0 {
            faults.push(format!("{name}: no call was counted"));
        }
        for Failures { code, count, message } in &report.failures {
            faults.push(format!("{name}: {} failed with {code:?}: {message}", counted_calls(*count)));
        }
        for Budget { percent, most } in &self.budget {
            let found = report.percentile(*percent);
            if found > *most {
                faults.push(format!("{name}: p{percent} is {}, the budget {}", shown(found), shown(*most)));
            }
        }
        faults
    }
}

/// Runs each load on a separate thread.
fn run_at_once(loads: Vec<Load>) -> Result<Vec<Report>, BenchError> {
    let reports: Vec<Result<Report, LoadError>> = std::thread::scope(|scope| {
        let running: Vec<_> = loads.into_iter().map(|load| scope.spawn(|| load.run())).collect();
        let ended =
            running.into_iter().map(|load| load.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.collect()
    });
    Ok(reports.into_iter().collect::<Result<_, _>>()?)
}

fn print(out: &mut impl Write, configs: &[Config], reports: &[Report], faults: &[String]) -> std::io::Result<()> {
    let mut table = table(&["run", "calls", "failed", "per second", "p50", "p95", "p99", "p99.9", "slowest"]);
    for report in reports {
        let mut cells = vec![report.name.clone(), report.calls().to_string(), report.failed().to_string()];
        cells.push(format!("{:.0}", report.per_second()));
        cells.extend(SHOWN.iter().chain(&[100.0]).map(|percent| shown(report.percentile(*percent))));
        table.add_row(cells);
    }
    writeln!(out, "{table}")?;
    for (config, report) in configs.iter().zip(reports) {
        if let Some(rate) = config.rate().filter(|rate| report.per_second() < rate * ENOUGH) {
            let (name, sent) = (&report.name, report.per_second());
            writeln!(out, "note: {name}: {sent:.0} calls a second were answered, {rate} were requested")?;
        }
    }
    for fault in faults {
        writeln!(out, "FAILED: {fault}")?;
    }
    Ok(())
}

/// A table that fits a terminal of 80 columns, without lines between its rows.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    let style = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
    table.load_style(style).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(80);
    }
    table.set_header(header.to_vec());
    table
}

fn json(reports: &[Report], faults: &[String]) -> Json {
    let run = |report: &Report| {
        let times =
            SHOWN.iter().map(|percent| (format!("p{percent}"), milliseconds(report.percentile(*percent)).into()));
        let mut times: serde_json::Map<String, Json> = times.collect();
        times.insert("slowest".into(), milliseconds(report.percentile(100.0)).into());
        json!({
            "name": report.name,
            "calls": report.calls(),
            "failed": report.failed(),
            "seconds": report.lasted.as_secs_f64(),
            "per_second": report.per_second(),
            "milliseconds": times,
            "failures": report.failures.iter().map(failures).collect::<Json>(),
        })
    };
    json!({"runs": reports.iter().map(run).collect::<Json>(), "faults": faults})
}

fn failures(failures: &Failures) -> Json {
    json!({"code": format!("{:?}", failures.code), "count": failures.count, "first_message": failures.message})
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn shown(time: Duration) -> String {
    format!("{:.2} ms", milliseconds(time))
}

fn counted_calls(count: u64) -> String {
    format!("{count} call{}", if count == 1 { "" } else { "s" })
}

fn budget(text: &str) -> Result<Budget, String> {
    let wrong = || format!("`{text}` is not a budget; write it as p99=20ms");
    let (percentile, most) = text.split_once('=').ok_or_else(wrong)?;
    let percent = percentile.strip_prefix('p').and_then(|percent| percent.parse::<f64>().ok());
    let percent = percent.filter(|percent| (0.0..=100.0).contains(percent)).ok_or_else(wrong)?;
    let most = u64::try_from(template::duration(most)?.0).map_err(|_| wrong())?;
    Ok(Budget { percent, most: Duration::from_millis(most) })
}
