//! What hostile rule files cost: `cargo bench --bench hostile`.
//!
//! Every input is written to a folder, read and drawn as `tactful check` does. The table shows milliseconds (the
//! fastest of three), the peak of memory above what was in use before, and the result; an input over the limits is
//! marked `OVER`, and the exit code is 1. `cargo test` runs the same inputs without a clock: none may panic, none may
//! take more memory than the limit, and each must be refused or loaded as the table here says.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and may fail loudly"
)]

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use tactful::cli::render::render;
use tactful::domain::id::Vocabulary;
use tactful::rule_files;

#[path = "hostile/inputs.rs"]
mod inputs;
use inputs::Verdict;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MOST_TIME: Duration = Duration::from_millis(100);
const MOST_MEBIBYTES: f32 = 64.0;

fn main() -> ExitCode {
    let timed = std::env::args().any(|argument| argument == "--bench");
    println!("{:<44} {:>8} {:>8}  came of it", "hostile input", "ms", "MiB");
    let mut over = 0;
    for input in inputs::all() {
        let folder = tempfile::tempdir().unwrap();
        (input.write)(folder.path());
        let run = (0..if timed { 3 } else { 1 }).map(|_| measure(folder.path())).min_by_key(|run| run.time).unwrap();
        let slow = timed && run.time > MOST_TIME;
        let wrong = run.loaded != (input.verdict == Verdict::Loads);
        let bad = slow || run.mebibytes > MOST_MEBIBYTES || wrong;
        over += usize::from(bad);
        let mark = if bad { "OVER" } else { "" };
        println!("{:<44} {:>8.1} {:>8.1}  {} {mark}", input.name, millis(run.time), run.mebibytes, run.outcome);
    }
    println!("{over} over {} ms, {MOST_MEBIBYTES} MiB or not as expected", millis(MOST_TIME));
    if over == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Run {
    time: Duration,
    mebibytes: f32,
    loaded: bool,
    outcome: String,
}

fn measure(folder: &Path) -> Run {
    let vocabulary = Vocabulary::default();
    let before = MEMORY.current_usage_as_mb();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    let loaded = rule_files::read(folder, &vocabulary);
    let drawn = render(&loaded.sources, &loaded.diagnostics, false);
    let time = start.elapsed();
    let mebibytes = MEMORY.peak_usage_as_mb() - before;
    let (errors, warnings) = loaded.counts();
    let first = drawn.lines().next().unwrap_or("").chars().take(60).collect::<String>();
    let outcome = format!("{errors} errors, {warnings} warnings; {first}");
    Run { time, mebibytes, loaded: loaded.rule_set.is_some(), outcome }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
