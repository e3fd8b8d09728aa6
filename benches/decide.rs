//! What one decision costs in this process: `cargo bench --bench decide`.
//!
//! The time includes everything but the wire: names to ids, the customer's critical section, the decision, the
//! reservation, the log. Catalogues of all sizes take turns, so that what else runs on the machine slows all alike; a
//! round asks about every customer once, and the median shown is that of the quietest round. The tables are written
//! to `target/decide.json` too.
//!
//! It fails when an explanation costs too much for the size of the catalogue: see [`BOUNDS`].
//!
//! `-- --only 1000 funnel withheld` asks about a thousand actions for some seconds and prints nothing, for a profiler to
//! watch. Without a word for it, nothing is explained (`none`) and all consents are `given`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and may fail loudly"
)]

#[expect(dead_code, reason = "the other benchmark measures with what stands there, too")]
mod catalogue;
#[path = "decide/world.rs"]
mod world;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tactful::domain::decide::Explain;
use tactful::domain::rule_set::RuleSet;
use tactful::domain::time::Moment;
use world::{CUSTOMERS, Situation, World};

/// The server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const EXPLAIN: [(&str, Explain); 3] = [("none", Explain::Chosen), ("funnel", Explain::Funnel), ("full", Explain::Full)];
const SITUATIONS: [Situation; 3] = [Situation::Given, Situation::Withheld, Situation::Enough];
const ROUNDS: usize = 15;
/// Ratios of medians in one row, each of the quietest round: how much is explained, the sizes, and the most it may be.
/// A funnel over ten times the actions costs little more than ten times as much; and a full explanation of a hundred no
/// more than one of a thousand, since flips, which decide again and again, are looked for no more often.
const BOUNDS: [(&str, [usize; 2], f64); 2] = [("funnel", [10_000, 1_000], 12.0), ("full", [100, 1_000], 1.0)];
/// A round ends here, whether everybody was asked about or not.
const LONGEST_ROUND: Duration = Duration::from_millis(25);
/// From round to round so much time passes, in milliseconds: what was reserved has lapsed by then.
const BETWEEN_ROUNDS: i64 = 31 * 60_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--only") {
        return watched(arguments[at + 1].parse().unwrap(), &arguments[at + 2..]);
    }
    let rules = SIZES.map(world::rules);
    let mut rows = Vec::new();
    println!("one decision, median in µs\n{:<8}{:<9}{:<22}{}", "events", "explain", "consents", heads());
    for (name, explain) in EXPLAIN {
        for situation in SITUATIONS {
            for events in [0, 20, 64] {
                rows.push(row(&rules, events, (name, explain), situation));
            }
        }
    }
    let throughput = throughput(&rules);
    let bounds = BOUNDS.map(|bound| worst(&rows, bound));
    let report =
        json!({"unit": "microseconds", "sizes": SIZES, "decisions": rows, "throughput": throughput, "bounds": bounds});
    std::fs::write("target/decide.json", serde_json::to_string_pretty(&report).unwrap()).unwrap();
    if bounds.iter().any(|bound| bound["ratio"].as_f64() > bound["most"].as_f64()) {
        eprintln!("an explanation costs more than it may");
        std::process::exit(1);
    }
}

/// The worst ratio of all rows that are bounded.
fn worst(rows: &[Json], (name, [above, below], most): (&str, [usize; 2], f64)) -> Json {
    let explained = rows.iter().filter(|row| row["explain"] == name);
    let cell = |row: &Json, size| row["medians"][SIZES.iter().position(|known| *known == size).unwrap()].as_f64();
    let ratios = explained.map(|row| cell(row, above).unwrap() / cell(row, below).unwrap());
    let ratio = ratios.fold(0.0, f64::max);
    println!("{name}, {above} actions : {below} actions: {ratio:.2} at most, and {most} is allowed");
    json!({"explain": name, "sizes": [above, below], "ratio": ratio, "most": most})
}

fn heads() -> String {
    let sizes = SIZES.map(|size| format!("{size:>10}"));
    format!("{}{:>18}", sizes.concat(), "10,000 : 1,000")
}

/// One line of the table, as it is written to the file.
fn row(rules: &[Arc<RuleSet>; 4], events: usize, (name, explain): (&str, Explain), situation: Situation) -> Json {
    let worlds: Vec<World> = rules.iter().map(|rules| World::new(rules, events, situation, explain)).collect();
    let mut medians = [f64::INFINITY; SIZES.len()];
    let mut ratios = Vec::with_capacity(ROUNDS);
    for round in 0..=ROUNDS {
        let times: Vec<f64> = worlds.iter().map(|world| ask_everybody(world, round)).collect();
        // The first round warms up.
        if round > 0 {
            medians.iter_mut().zip(&times).for_each(|(least, time)| *least = least.min(*time));
            ratios.push(times[3] / times[2]);
        }
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ROUNDS / 2];
    let cells: String = medians.iter().map(|median| format!("{median:>10.2}")).collect();
    println!("{events:<8}{name:<9}{:<22}{cells}{ratio:>17.2}×", situation.name());
    json!({"events": events, "explain": name, "consents": situation.name(), "medians": medians, "ratio": ratio})
}

/// The median time of a decision in one round, in microseconds.
fn ask_everybody(world: &World, round: usize) -> f64 {
    let mut times = Vec::with_capacity(CUSTOMERS);
    let now = moment(world, round);
    let begun = Instant::now();
    for question in &world.questions {
        let question = question.clone();
        let before = Instant::now();
        drop(world.engine.decide(question, now).unwrap());
        times.push(before.elapsed());
        if begun.elapsed() > LONGEST_ROUND {
            break;
        }
    }
    times.sort_unstable();
    times[times.len() / 2].as_nanos() as f64 / 1_000.0
}

fn moment(world: &World, round: usize) -> Moment {
    Moment(world.start.0 + i64::try_from(round).unwrap() * BETWEEN_ROUNDS)
}

/// Decisions a second on every core in the quietest round, the sizes taking turns.
fn throughput(rules: &[Arc<RuleSet>; 4]) -> Json {
    let worlds = [0, 3].map(|size| World::new(&rules[size], 20, Situation::Given, Explain::Chosen));
    let mut rates = [Vec::new(), Vec::new()];
    for round in 1..=ROUNDS {
        rates.iter_mut().zip(&worlds).for_each(|(rates, world)| rates.push(rate(world, round)));
    }
    let [few, many] = rates.map(|rates| rates.into_iter().fold(0.0, f64::max));
    println!("\ndecisions a second on all cores: {few:.0} with 10 actions, {many:.0} with 10,000: {:.2}×", many / few);
    json!({"10": few, "10000": many, "ratio": many / few})
}

fn rate(world: &World, round: usize) -> f64 {
    let threads = thread::available_parallelism().unwrap().get();
    let begun = Instant::now();
    thread::scope(|scope| {
        for part in world.questions.chunks(CUSTOMERS.div_ceil(threads)) {
            scope.spawn(move || {
                for turn in 0..20 {
                    for question in part {
                        let now = moment(world, round * 20 + turn);
                        drop(world.engine.decide(question.clone(), now).unwrap());
                    }
                }
            });
        }
    });
    (CUSTOMERS * 20) as f64 / begun.elapsed().as_secs_f64()
}

/// Decides again and again.
fn watched(size: usize, words: &[String]) {
    let is_given = |name: &str| words.iter().any(|word| word == name);
    let explain = EXPLAIN.iter().find(|(name, _)| is_given(name)).map_or(Explain::Chosen, |(_, explain)| *explain);
    let situation = SITUATIONS.into_iter().find(|situation| is_given(situation.name())).unwrap_or(Situation::Given);
    let world = World::new(&world::rules(size), 20, situation, explain);
    let rounds = if explain == Explain::Chosen { 200 } else { 2_000 / size.max(10) + 1 };
    for round in 0..rounds {
        let now = moment(&world, round);
        world.questions.iter().for_each(|question| drop(world.engine.decide(question.clone(), now).unwrap()));
    }
}
