//! Runs the contenders in turns, and prints the table of results.

use std::sync::Arc;
use std::thread;

use serde_json::{Value as Json, json};
use tactful_bench::load::{Calls, Load, Pace, Report};

use super::Settings;
use super::server::Server;

/// A server under a load.
pub struct Contender<'b> {
    name: &'b str,
    server: &'b Server,
    calls: &'b Arc<dyn Calls>,
    beside: Option<&'b (dyn Fn() -> Load + Sync)>,
}

impl<'b> Contender<'b> {
    pub fn new(name: &'b str, server: &'b Server, calls: &'b Arc<dyn Calls>) -> Self {
        Self { name, server, calls, beside: None }
    }

    /// With another load beside, of which nothing is reported.
    pub fn with(self, beside: &'b (dyn Fn() -> Load + Sync)) -> Self {
        Self { beside: Some(beside), ..self }
    }

    /// One turn: the report, and the server's processor time for a call in microseconds.
    fn turn(&self, pace: Pace, connections: usize) -> (Report, f64) {
        let before = self.server.processor_time();
        let report = thread::scope(|scope| {
            let beside = self.beside.map(|load| scope.spawn(|| load().run().unwrap()));
            let report = self.server.load(self.calls, pace, connections);
            beside.into_iter().for_each(|beside| assert!(beside.join().unwrap().failures.is_empty()));
            report
        });
        let spent = self.server.processor_time() - before;
        let each = spent.as_secs_f64() * 1e6 / report.made as f64;
        (report, each)
    }
}

/// What one turn showed: as many calls as the callers got, then calls on a schedule.
struct Turn {
    per_second: f64,
    processor: f64,
    /// p50, p99 and p99.9 on the schedule, in microseconds.
    times: [f64; 3],
}

/// What the turns of one contender showed.
struct Row {
    name: String,
    turns: Vec<Turn>,
}

impl Row {
    fn median(&self, of: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().map(of))
    }
}

/// Everything about contenders that were measured by turns.
pub struct Table {
    title: String,
    rate: f64,
    rows: Vec<Row>,
}

impl Table {
    pub fn measure(title: &str, settings: &Settings, contenders: &[Contender<'_>], connections: usize) -> Self {
        let mut rows: Vec<Row> =
            contenders.iter().map(|contender| Row { name: contender.name.into(), turns: Vec::new() }).collect();
        // The first turns only warm up.
        for round in 0..=settings.rounds {
            for (row, contender) in rows.iter_mut().zip(contenders) {
                let (fast, processor) = contender.turn(settings.waiting(), connections);
                let (slow, _) = contender.turn(settings.scheduled(), connections);
                let times = [50.0, 99.0, 99.9].map(|percent| slow.percentile(percent).as_secs_f64() * 1e6);
                if round > 0 {
                    row.turns.push(Turn { per_second: fast.per_second(), processor, times });
                }
            }
        }
        Self { title: title.into(), rate: settings.rate, rows }
    }

    /// The processor time of one row over that of another: the median of the rounds' ratios.
    pub fn ratio(&self, row: usize, base: usize) -> f64 {
        self.over(row, base, |turn| turn.processor)
    }

    fn over(&self, row: usize, base: usize, of: impl Fn(&Turn) -> f64) -> f64 {
        median(self.rows[row].turns.iter().zip(&self.rows[base].turns).map(|(turn, base)| of(turn) / of(base)))
    }

    pub fn print(&self) {
        println!("\n{} (times at {} calls a second)", self.title, self.rate);
        let head = ["calls/s", "ratio", "CPU µs", "ratio", "p50 µs", "p99 µs", "ratio", "p99.9 µs"];
        println!("{:<38}{}", "", head.map(|cell| format!("{cell:>10}")).concat());
        for (index, row) in self.rows.iter().enumerate() {
            let cells = [
                format!("{:.0}", row.median(|turn| turn.per_second)),
                format!("{:.2}", self.over(index, 0, |turn| turn.per_second)),
                format!("{:.1}", row.median(|turn| turn.processor)),
                format!("{:.2}", self.ratio(index, 0)),
                format!("{:.0}", row.median(|turn| turn.times[0])),
                format!("{:.0}", row.median(|turn| turn.times[1])),
                format!("{:.2}", self.over(index, 0, |turn| turn.times[1])),
                format!("{:.0}", row.median(|turn| turn.times[2])),
            ];
            println!("{:<38}{}", row.name, cells.map(|cell| format!("{cell:>10}")).concat());
        }
    }

    pub fn json(&self) -> Json {
        let row = |(index, row): (usize, &Row)| {
            json!({
                "name": row.name,
                "calls_per_second": row.median(|turn| turn.per_second),
                "processor_microseconds": row.median(|turn| turn.processor),
                "processor_over_first": self.ratio(index, 0),
                "calls_per_second_over_first": self.over(index, 0, |turn| turn.per_second),
                "p50_microseconds": row.median(|turn| turn.times[0]),
                "p99_microseconds": row.median(|turn| turn.times[1]),
                "p99_9_microseconds": row.median(|turn| turn.times[2]),
                "p99_over_first": self.over(index, 0, |turn| turn.times[1]),
            })
        };
        json!({
            "title": self.title,
            "rounds": self.rows.first().map(|row| row.turns.len()),
            "scheduled_per_second": self.rate,
            "rows": self.rows.iter().enumerate().map(row).collect::<Vec<_>>(),
        })
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
