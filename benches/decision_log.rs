//! What the decision log costs: `cargo bench --bench decision_log`, or with another number of entries in the large log,
//! `cargo bench --bench decision_log -- 10000000`.
//!
//! Two engines over data folders of their own, one with the log and one without, take turns of 5,000 decisions with the
//! rules of `rules/`. The processor time of the calling thread and of the whole process (the log's thread included, until
//! everything is written) is compared pair by pair. Then a large log is filled, and decisions are read from it by id. At
//! last, decisions with full explanations show what the newest decisions take of memory (`explained=100000`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark reads the clock and may fail loudly"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use tactful::decision_log::{
    ActionValues, DecisionLog, DecisionValues, LogSettings, Loggable, LoggedDecision, LoggedValue,
};
use tactful::domain::consent::ConsentStatus;
use tactful::domain::consent::record::ConsentSource;
use tactful::domain::decide::Explain;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{ConsentChange, ConsentRequest, DecisionId, Engine, Limits, MemoryLimit, Question};
use tactful::ledger::{FileLedger, LedgerSettings};
use tactful::node::Node;
use tactful::rule_files;
use tactful::rules::load;
use tactful::storage::Embedded;
use tactful::store::CustomerStore;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: Moment = Moment(1_772_442_000_000);
const CUSTOMERS: usize = 2_000;
const BATCH: usize = 5_000;
const PAIRS: usize = 30;

fn main() {
    let entries = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let engines = [engine(folders[0].path(), false), engine(folders[1].path(), true)];
    let mut differences = [Vec::new(), Vec::new()];
    let mut at = 0;
    for pair in 0..=PAIRS {
        let mut took = [[0.0; 2]; 2];
        for turn in 0..2 {
            let which = (pair + turn) % 2;
            took[which] = batch(&engines[which], at);
        }
        at += BATCH;
        // The first pair warms up.
        if pair > 0 {
            (0..2).for_each(|clock| differences[clock].push(took[1][clock] - took[0][clock]));
        }
    }
    let [thread, process] = differences.map(|mut of| {
        of.sort_by(f64::total_cmp);
        of[of.len() / 2]
    });
    let (counts, _) = engines[1].decision_log_counts().unwrap();
    let written = counts.written.load(Ordering::Relaxed);
    let bytes = counts.bytes.load(Ordering::Relaxed) as f64 / written as f64;
    println!("log on − off, processor time a decision, median of {PAIRS} pairs");
    println!("{:<40} {thread:>8.2} µs", "on the call's thread");
    println!("{:<40} {process:>8.2} µs", "in all");
    println!("{:<40} {bytes:>8.0} bytes, lost {}", "a decision on disk", counts.lost.load(Ordering::Relaxed));
    large(folders[2].path(), entries);
    let count = std::env::args().find_map(|argument| argument.strip_prefix("explained=")?.parse().ok());
    explained(count.unwrap_or(2_000));
}

fn engine(folder: &Path, logs: bool) -> Engine {
    let settings = LedgerSettings::of(&folder.join("data"));
    let ledger = FileLedger::open(&settings).unwrap().ledger;
    let opened = CustomerStore::open(&settings.data, ledger.vault(&settings).unwrap(), &[]).unwrap();
    let open = || {
        DecisionLog::open(
            &settings.data_folder(),
            ledger.file_keys(),
            LogSettings::default(),
            (&[], &|_| Ok(Vec::new())),
        )
        .unwrap()
    };
    let log = logs.then(|| open().log);
    let rules = rule_files::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/rules")), &opened.vocabulary);
    let rules = Arc::new(rules.rule_set.unwrap());
    let backend = Embedded::new(Arc::new(ledger), Some(opened.store)).logging(log);
    let engine = Engine::over(rules, Arc::new(backend), Limits::default(), NOW);
    for number in 0..CUSTOMERS {
        let rules = engine.rules();
        let purposes = rules.set.declared.purposes.iter().filter(|(_, purpose)| purpose.basis.needs_consent());
        let changes = purposes.map(|(id, _)| ConsentChange::new(rules.set.vocabulary.name(id), ConsentStatus::Given));
        let request = ConsentRequest {
            customer: name(number),
            changes: changes.collect(),
            idempotency_key: String::new(),
            deferred: false,
            source: ConsentSource::default(),
        };
        if !request.changes.is_empty() && number < 200 {
            engine.record_consent(request, NOW).unwrap();
        }
    }
    engine
}

fn name(number: usize) -> String {
    format!("cust-{number:010}")
}

/// Decides for the next customers; the processor time of this thread and of the process for each decision, in
/// microseconds.
fn batch(engine: &Engine, from: usize) -> [f64; 2] {
    let channel = engine.rules().set.declared.channels.ids().next().unwrap();
    let channel = engine.rules().set.vocabulary.name(channel).to_owned();
    let before = [ClockId::ThreadCPUTime, ClockId::ProcessCPUTime].map(nanoseconds);
    for number in from..from + BATCH {
        let customer = name(number % CUSTOMERS).as_str().into();
        let question = Question { customer, channel: channel.as_str().into(), ..Question::default() };
        engine.decide(question, NOW + Period(number as i64)).unwrap();
    }
    let thread = nanoseconds(ClockId::ThreadCPUTime) - before[0];
    futures_executor::block_on(engine.wait_logged());
    let process = nanoseconds(ClockId::ProcessCPUTime) - before[1];
    // Not measured: the same for both.
    engine.write_behind().unwrap();
    [thread, process].map(|time| time as f64 / 1_000.0 / BATCH as f64)
}

fn nanoseconds(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// A decision of usual size.
#[derive(Debug)]
struct Made(String, u64);

fn id(number: u64) -> [u8; 16] {
    let at = NOW.0 as u64 + number / 20;
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&at.to_be_bytes()[2..]);
    bytes[8..].copy_from_slice(&mixed.to_be_bytes());
    bytes
}

impl Loggable for Made {
    fn customer(&self) -> &str {
        &self.0
    }

    fn describe(&self, entry: &mut dyn FnMut(LoggedDecision, &DecisionValues<'_>)) {
        let at = NOW.0 + (self.1 / 20) as i64;
        let (channel, actions, purposes) = (1, vec![(self.1 % 50) as u16], 3);
        let logged = LoggedDecision { id: id(self.1), at, channel, actions, purposes, ..LoggedDecision::default() };
        let said = ActionValues {
            content: "banner/fibre-2026".into(),
            text: "Fibre is available at your address: 250 Mbit/s for the price of your old line.".into(),
            because: vec!["you asked about speed".into()],
            ..ActionValues::default()
        };
        let context = vec![("topic".into(), LoggedValue::Text("speed".into()))];
        let values = DecisionValues { context, max_actions: 1, actions: vec![said], ..DecisionValues::default() };
        entry(logged, &values);
    }
}

fn large(folder: &Path, entries: u64) {
    let settings = LedgerSettings::of(&folder.join("data"));
    let ledger = FileLedger::open(&settings).unwrap().ledger;
    let keep = LogSettings { bytes: u64::MAX, ..LogSettings::default() };
    let log =
        DecisionLog::open(&settings.data_folder(), ledger.file_keys(), keep, (&[], &|_| Ok(Vec::new()))).unwrap().log;
    let (start, processor) = (Instant::now(), nanoseconds(ClockId::ProcessCPUTime));
    for number in 0..entries {
        log.decided(Arc::new(Made(name(number as usize % 1_000_000), number)));
        if number % 50_000 == 49_999 {
            assert!(futures_executor::block_on(log.done()));
        }
    }
    assert!(futures_executor::block_on(log.done()));
    let processor = (nanoseconds(ClockId::ProcessCPUTime) - processor) as f64 / 1_000.0 / entries as f64;
    let (filled, bytes) = (start.elapsed().as_secs_f64(), log.counts().bytes.load(Ordering::Relaxed));
    let lost = log.counts().lost.load(Ordering::Relaxed);
    println!("{entries} entries in {filled:.0} s, {processor:.2} µs of processor time each, lost {lost}");
    println!("{:<40} {:>8.0} bytes", "an entry", bytes as f64 / entries as f64);
    println!("{:<40} {:>8.2} MiB", "the index in memory", log.index_memory() as f64 / f64::from(1 << 20));
    let mut took: Vec<f64> = (0..5_000_u64)
        .map(|number| {
            let wanted = DecisionId::of_bytes(id(number.wrapping_mul(0x2545_F491_4F6C_DD1D) % entries));
            let start = Instant::now();
            assert!(log.decision(wanted.at(), wanted.key().0).unwrap().is_some());
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    percentiles("a decision by its id", &mut took);
    let mut took: Vec<f64> = (0..500)
        .map(|number| {
            let customer = name(number * 1_999 % 1_000_000);
            let wanted = tactful::decision_log::Wanted {
                customer: Some(&customer),
                from: Moment::DISTANT_PAST,
                to: Moment::DISTANT_FUTURE,
                before: None,
                most: 50,
            };
            let start = Instant::now();
            log.decisions(wanted, &|_| true).unwrap();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    percentiles("a page of a customer's decisions", &mut took);
    drop(log);
    let start = Instant::now();
    let log = DecisionLog::open(&settings.data_folder(), ledger.file_keys(), keep, (&[], &|_| Ok(Vec::new()))).unwrap();
    println!("{:<40} {:>8.2} s, {:?}", "opened in", start.elapsed().as_secs_f64(), log.damaged);
}

fn percentiles(what: &str, took: &mut [f64]) {
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!("{what:<40} {:>8.0} µs p50, {:.0} µs p99", at(0.5), at(0.99));
}

/// Rules with 1,000 actions, of which a few fit a topic.
fn many_actions() -> String {
    let mut text = "purposes:\n  service: {basis: contract}\ncontext:\n  topic: {type: text, personal: false}\nchannels:\n  web: {direction: inbound, interruption: 1, reserve_for: 1 second}\nactions:\n".to_owned();
    for index in 0..1_000 {
        let topic = ["speed", "price", "contract", "outage", "moving"][index % 5];
        text += &format!(
            "  - {{id: action-{index}, title: T, kind: offer, purpose: service, applicable: ['context.topic == \"{topic}\"'], relevance: {{base: {}}}, intrusiveness: 5, treatments: {{web: {{text: T}}}}}}\n",
            20 + index % 40
        );
    }
    text + "policy:\n  pressure: {half_life: 7 days, per_contact: {web: 1}}\n  hurt: {half_life: 30 days}\n  time_zone: UTC\n"
}

/// Decisions with full explanations over 1,000 actions, each for another customer, with `--max-memory 512MiB` and what a
/// server does beside them: how much memory the process takes.
fn explained(count: usize) {
    const MOST: u64 = 512 << 20;
    let folder = tempfile::tempdir().unwrap();
    let node = Node::open(LedgerSettings::of(&folder.path().join("data"))).unwrap();
    let files = vec![SourceFile { path: "made.yaml".into(), text: many_actions() }];
    let rules = Arc::new(load(Sources::new(files), &node.vocabulary).rule_set.unwrap());
    let engine = node.engine(rules, Limits::default(), Some(MemoryLimit::of_process(MOST)), NOW);
    let (mut most, start) = (0, Instant::now());
    for number in 0..count {
        let question = Question {
            customer: name(number).as_str().into(),
            channel: "web".into(),
            request_id: format!("r-{number}").as_str().into(),
            context: [("topic".into(), Value::Text("speed".into()))].into_iter().collect(),
            explain: Explain::Full,
            ..Question::default()
        };
        let record = engine.decide(question, NOW + Period(number as i64)).unwrap();
        assert_eq!(record.explanation().unwrap().candidates.len(), 1_000);
        if number % 200 == 199 {
            engine.write_due().unwrap();
            most = most.max(resident());
        }
    }
    println!("{count} decisions with full explanations over 1,000 actions in {:.0} s", start.elapsed().as_secs_f64());
    println!("{:<40} {:>8.0} MiB of 512", "most resident memory", most as f64 / f64::from(1 << 20));
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}
