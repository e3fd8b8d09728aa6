//! What it costs to find the rules that fit, by the index, by a walk, and in other engines: `cargo bench --bench rules`.
//!
//! The same rules and facts for all (`catalogue/`), evaluation alone. The other engines are measured by a program
//! of their own (`benches/peers`), which is built at the first run; `-- --alone` leaves them out. Every engine must
//! find as many fitting rules as every other, or the run fails.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and may fail loudly"
)]

mod catalogue;

use std::process::Command;
use std::time::Instant;

use catalogue::{Customer, Rule, measure};
use tactful::domain::consent::Standing;
use tactful::domain::customer::CustomerState;
use tactful::domain::id::{ChannelId, ContextId, Vocabulary};
use tactful::domain::rule_set::RuleSet;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::Moment;
use tactful::domain::value::Value;
use tactful::domain::view::{Contacts, Scene, Situation, Subject};
use tactful::rules::load;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const ROUNDS: usize = 50;
/// How often the rules are loaded.
const LOADS: usize = 5;

fn main() {
    let peers = !std::env::args().any(|argument| argument == "--alone");
    let mut rows: Vec<(String, Vec<f64>)> = Vec::new();
    let mut loading = Vec::new();
    for size in SIZES {
        let rules = catalogue::rules(size);
        let load = || {
            let files = files(&rules);
            let before = Instant::now();
            let rules = loaded(files);
            (before.elapsed().as_secs_f64() * 1_000.0, rules)
        };
        let mut loads: Vec<(f64, RuleSet)> = (0..LOADS).map(|_| load()).collect();
        loads.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (median, rules) = loads.swap_remove(LOADS / 2);
        loading.push(median);
        let mut results =
            vec![("tactful, index".to_owned(), indexed(&rules)), ("tactful, walk".to_owned(), walked(&rules))];
        results.extend(if peers { others(size) } else { Vec::new() });
        let fitting = results[0].1.1;
        assert!(fitting > 0 || size < 1_000, "no rule fits any customer");
        for (name, (nanoseconds, found)) in results {
            assert_eq!(found, fitting, "{name} finds other rules than the index, of {size}");
            match rows.iter_mut().find(|(known, _)| *known == name) {
                Some((_, times)) => times.push(nanoseconds),
                None => rows.push((name, vec![nanoseconds])),
            }
        }
    }
    print(&rows, &loading);
}

fn print(rows: &[(String, Vec<f64>)], loading: &[f64]) {
    println!("\nfinding the rules that fit one customer, median in µs");
    println!("{:<18}{:>12}{:>12}{:>12}{:>12}{:>22}", "rules", 10, 100, "1,000", "10,000", "1,000: index faster");
    let index = &rows[0].1;
    for (name, times) in rows {
        let cells: String = times.iter().map(|time| format!("{:>12.3}", time / 1_000.0)).collect();
        println!("{name:<18}{cells}{:>21.0}×", times[2] / index[2]);
    }
    let cells: String = loading.iter().map(|time| format!("{time:>12.1}")).collect();
    println!("{:<18}{cells}", "load all, in ms");
    println!("\nindex, 10,000 rules over 1,000: {:.1}×", index[3] / index[2]);
    let best = rows[2..].iter().min_by(|a, b| a.1[2].total_cmp(&b.1[2]));
    if let Some((name, times)) = best {
        println!("index over the best of the others ({name}) at 1,000 rules: {:.0}× faster", times[2] / index[2]);
    }
}

/// Rule files of a thousand rules each.
fn files(rules: &[Rule]) -> Sources {
    let action = |(index, rule): (usize, &Rule)| {
        let Rule { plan, age: (from, to), topic, regions: [a, b], spend } = rule;
        format!(
            "  - id: rule-{index}\n    title: T\n    kind: information\n    purpose: service\n    eligible:\n      \
             - 'context.plan == \"{plan}\"'\n      - 'context.age >= {from} && context.age < {to}'\n      \
             - 'context.topic == \"{topic}\"'\n      - 'context.region in [\"{a}\", \"{b}\"]'\n      \
             - 'context.spend >= {spend}'\n    relevance: {{base: 10}}\n    intrusiveness: 1\n    \
             treatments: {{web: {{text: T}}}}\n"
        )
    };
    let facts = [("plan", "text"), ("age", "number"), ("topic", "text"), ("region", "text"), ("spend", "number")];
    let context = facts.map(|(name, kind)| format!("  {name}: {{type: {kind}, personal: false}}\n")).concat();
    let head = format!(
        "purposes: {{service: {{basis: contract}}}}\ncontext:\n{context}channels: {{web: {{direction: inbound, interruption: 1}}}}\n\
         policy:\n  limits: []\n  pressure: {{half_life: 7 days, per_contact: {{web: 1}}}}\n  hurt: {{half_life: 7 days}}\n  \
         time_zone: UTC\n"
    );
    let actions: Vec<String> = rules.iter().enumerate().map(action).collect();
    let parts = actions.chunks(1_000).map(|part| format!("actions:\n{}", part.concat()));
    let file = |(number, text)| SourceFile { path: format!("rules-{number}.yaml"), text };
    Sources::new(std::iter::once(head).chain(parts).enumerate().map(file).collect())
}

fn loaded(files: Sources) -> RuleSet {
    let loaded = load(files, &Vocabulary::default());
    loaded.rule_set.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics.first()))
}

fn indexed(rules: &RuleSet) -> (f64, usize) {
    let channel: ChannelId = rules.vocabulary.find("web").unwrap();
    over_customers(rules, |scene| {
        let mut fitting = 0;
        for index in &rules.index.purposes {
            let view = scene.view(index.purpose);
            for survivor in index.shard.survivors(channel, &view) {
                let holds = || {
                    let mut conditions = rules.actions.get(survivor.action).unwrap().conditions();
                    conditions.all(|condition| condition.evaluate(&view).truth.holds())
                };
                fitting += usize::from(survivor.holds.is_some() || holds());
            }
        }
        fitting
    })
}

fn walked(rules: &RuleSet) -> (f64, usize) {
    over_customers(rules, |scene| {
        let view = scene.view(rules.vocabulary.find("service").unwrap());
        let fits = |action: &tactful::domain::model::Action| {
            action.conditions().all(|condition| condition.evaluate(&view).truth.holds())
        };
        rules.actions.iter().filter(|(_, action)| fits(action)).count()
    })
}

fn over_customers(rules: &RuleSet, mut fitting: impl FnMut(&Scene<'_>) -> usize) -> (f64, usize) {
    let contexts: Vec<Vec<(ContextId, Value)>> =
        catalogue::customers().iter().map(|customer| context(rules, customer)).collect();
    let (state, standing) = (CustomerState::default(), Standing::default());
    let subject = Subject { state: &state, standing: &standing, ledger_trusted: true, contacts: Contacts::default() };
    let scenes: Vec<Scene<'_>> = contexts
        .iter()
        .map(|context| Scene::new(rules, subject, Situation { context, channel: None }, Moment(1_772_442_000_000)))
        .collect();
    measure(ROUNDS, |customer| fitting(&scenes[customer]))
}

fn context(rules: &RuleSet, customer: &Customer) -> Vec<(ContextId, Value)> {
    let Customer { plan, age, topic, region, spend } = customer;
    let values = [
        ("plan", Value::Text((*plan).into())),
        ("age", Value::Number(*age as f64)),
        ("topic", Value::Text((*topic).into())),
        ("region", Value::Text(region.as_str().into())),
        ("spend", Value::Number(*spend as f64)),
    ];
    values.into_iter().map(|(name, value)| (rules.vocabulary.find(name).unwrap(), value)).collect()
}

/// Runs the other engines; builds them at the first run.
fn others(size: usize) -> Vec<(String, (f64, usize))> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/Cargo.toml");
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers");
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--release", "--quiet", "--manifest-path", manifest, "--target-dir", target, "--"]);
    let output = command.arg(size.to_string()).stderr(std::process::Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "the other engines cannot be run; `-- --alone` leaves them out");
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(' ').collect();
        (cells[0].to_owned(), (cells[1].parse().unwrap(), cells[2].parse().unwrap()))
    };
    String::from_utf8(output.stdout).unwrap().lines().map(row).collect()
}
