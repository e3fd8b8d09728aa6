//! What a decision costs on a PostgreSQL database, beside one on files of this machine: `cargo bench --bench cluster`, or
//! with another number of decisions a line, `cargo bench --bench cluster -- 100000`.
//!
//! Every decision makes a contact, so each is stored. As many calls are in flight as the line says, each for a customer of
//! its own; the more there are, the more customers share a statement. Processor time is that of this process (engine,
//! connections and the callers) and that of all processes of the database.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark reads the clock and may fail loudly"
)]

mod database {
    #![allow(dead_code, reason = "tests use the rest")]
    include!("../tests/behaviour/postgres_server.rs");
}

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use database::{Server, run};
use tactful::domain::id::Vocabulary;
use tactful::domain::rule_set::RuleSet;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::Moment;
use tactful::engine::{Engine, Limits, Question};
use tactful::ledger::LedgerSettings;
use tactful::node::Node;
use tactful::rules::load;
use tactful::storage::migrate;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: Moment = Moment(1_772_442_000_000);
const CUSTOMERS: usize = 20_000;
const RULES: &str = r#"
purposes: {service: {basis: contract}}
channels: {web: {direction: inbound, interruption: 0, reserve_for: 1 hour}}
actions:
  - {id: hello, title: Hello, kind: service, purpose: service, relevance: {base: 50}, intrusiveness: 1, treatments: {web: {text: hello}}}
policy:
  arbitration: {weights: {pressure: 0.0}}
  pressure: {half_life: 1 day, per_contact: {web: 1}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

fn main() {
    let most = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(40_000);
    let Some(server) = Server::start() else { return };
    let home = tempfile::tempdir().unwrap();
    let address = server.schema();
    migrate(&address, &home.path().join("keys")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let embedded = [Arc::new(on_files(home.path()))];
    let nodes: Vec<_> = (0..3).map(|node| Arc::new(on_database(&address, home.path(), node))).collect();
    let bench = Bench { runtime, server, address };
    println!("{HEAD}");
    for in_flight in [1, 5, 50, 500] {
        let count = if in_flight == 1 { most / 20 } else { most };
        bench.line(("files", &embedded), (in_flight, count, CUSTOMERS));
        bench.line(("1 node", &nodes[..1]), (in_flight, count, CUSTOMERS));
        bench.line(("3 nodes", &nodes), (in_flight, count, CUSTOMERS));
    }
    bench.line(("1 node, one customer", &nodes[..1]), (9, most / 10, 1));
    bench.line(("3 nodes, one customer", &nodes), (9, most / 40, 1));
}

const HEAD: &str = "                       in flight  decisions/s   p50 ms   p99 ms  node µs  database µs  rows a statement  \
    WAL bytes  conflicts";

fn rules(vocabulary: &Vocabulary) -> Arc<RuleSet> {
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: RULES.into() }]);
    Arc::new(load(sources, vocabulary).rule_set.unwrap())
}

fn settings(home: &Path, name: &str) -> LedgerSettings {
    LedgerSettings { keys: home.join("keys"), ..LedgerSettings::of(&home.join(name)) }
}

fn on_files(home: &Path) -> Engine {
    let settings = LedgerSettings { keys: home.join("keys-of-files"), ..settings(home, "files") };
    let node = Node::open(settings).unwrap();
    let rules = rules(&node.vocabulary);
    node.engine(rules, Limits { decisions: 1 << 20 }, None, NOW)
}

fn on_database(address: &str, home: &Path, number: usize) -> Engine {
    let node = Node::open_database(address, &settings(home, &format!("node-{number}"))).unwrap();
    let rules = rules(&node.vocabulary);
    node.engine(rules, Limits { decisions: 1 << 20 }, None, NOW)
}

struct Bench {
    runtime: Runtime,
    server: Server,
    address: String,
}

impl Bench {
    /// Makes decisions, and prints what they cost.
    fn line(&self, (name, nodes): (&str, &[Arc<Engine>]), (in_flight, count, customers): (usize, usize, usize)) {
        // Every customer is in the memory of its node before the measurement.
        self.decide(nodes, (in_flight.max(50), customers.max(50), customers));
        let before = self.costs(nodes);
        let began = Instant::now();
        let mut took = self.decide(nodes, (in_flight, count, customers));
        let seconds = began.elapsed().as_secs_f64();
        let after = self.costs(nodes);
        took.sort_unstable();
        let each = |index: usize| after[index] - before[index];
        let per = |index: usize| each(index) / count as f64;
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize] as f64 / 1e6;
        let rows = if each(3) > 0.0 { each(4) / each(3) } else { 0.0 };
        println!(
            "{name:<23}{in_flight:>9}{:>13.0}{:>9.3}{:>9.3}{:>9.1}{:>13.1}{rows:>18.1}{:>11.0}{:>11.3}",
            count as f64 / seconds,
            at(0.5),
            at(0.99),
            per(0),
            per(1),
            per(2),
            per(5)
        );
    }

    /// Processor time here and of the database in microseconds, bytes of its log, statements, rows and conflicts.
    fn costs(&self, nodes: &[Arc<Engine>]) -> [f64; 6] {
        let log = run(&self.address, "SELECT pg_current_wal_lsn() - '0/0'")[0].parse().unwrap();
        let counts = nodes.iter().filter_map(|node| node.database_counts());
        let sum = |of: fn(&tactful::storage::DatabaseCounts) -> u64| counts.clone().map(of).sum::<u64>() as f64;
        [
            ticks("self").0,
            database_time(&self.server),
            log,
            sum(|counts| counts.statements.load(Ordering::Relaxed)),
            sum(|counts| counts.rows.load(Ordering::Relaxed)),
            sum(|counts| counts.conflicts.load(Ordering::Relaxed)),
        ]
    }

    /// Returns how long each decision took, in nanoseconds.
    fn decide(&self, nodes: &[Arc<Engine>], (in_flight, count, customers): (usize, usize, usize)) -> Vec<u64> {
        let next = Arc::new(AtomicUsize::new(0));
        let callers = (0..in_flight).map(|caller| {
            let (nodes, next) = (nodes.to_vec(), Arc::clone(&next));
            self.runtime.spawn(async move {
                let mut took = Vec::new();
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    // A caller has customers of its own.
                    let number =
                        if customers == 1 { 0 } else { caller + in_flight * (took.len() % (customers / in_flight)) };
                    let node = &nodes[if customers == 1 { caller } else { number } % nodes.len()];
                    let began = Instant::now();
                    let decided = node.decide_async(question(number), NOW).await;
                    decided.unwrap();
                    took.push(began.elapsed().as_nanos() as u64);
                }
                took
            })
        });
        let callers: Vec<_> = callers.collect();
        self.runtime.block_on(async {
            let mut took = Vec::new();
            for caller in callers {
                took.extend(caller.await.unwrap());
            }
            took
        })
    }
}

fn question(number: usize) -> Question {
    Question { customer: format!("customer-{number}").into(), channel: "web".into(), ..Question::default() }
}

/// The processor time of a process in microseconds, with that of its ended children, and its parent.
fn ticks(process: &str) -> (f64, u32) {
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { return (0.0, 0) };
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = fields[11..15].iter().map(|field| field.parse::<f64>().unwrap()).sum();
    (ticks * 10_000.0, fields[1].parse().unwrap())
}

/// The processor time of all processes of a server in microseconds.
fn database_time(server: &Server) -> f64 {
    let main = fs::read_to_string(server.folder.join("data/postmaster.pid")).unwrap();
    let main: u32 = main.lines().next().unwrap().parse().unwrap();
    let names = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let processes = names.filter(|name| name.parse::<u32>().is_ok()).map(|name| (ticks(&name), name));
    let belong = processes.filter(|((_, parent), name)| *parent == main || *name == main.to_string());
    belong.map(|((time, _), _)| time).sum()
}
