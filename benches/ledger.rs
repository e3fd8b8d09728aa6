//! The cost of the ledger compared with its disk: `cargo bench --bench ledger [RECORDS]`.
//!
//! Prints throughput and latency of callers that wait for an engine to acknowledge a consent, and before and after that
//! of callers that append 512 bytes and wait for fdatasync: one at a time, 64 at once, and on a fixed schedule of 1,000
//! a second. Then the time and memory of a start on a ledger of a million records (or RECORDS), five per customer,
//! compared with reading and hashing its files. docs/performance/ledger.md has results.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and may fail loudly"
)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tactful::domain::consent::{ConsentRecord, ConsentStatus};
use tactful::domain::id::Vocabulary;
use tactful::domain::time::Moment;
use tactful::engine::{ConsentChange, ConsentRequest, Engine, Limits};
use tactful::ledger::{FileLedger, Ledger, LedgerSettings, OpenedLedger};
use tactful::rule_files;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The folder of a ledger that another process is to open.
const OPEN: &str = "TACTFUL_BENCH_OPEN";
const NOW: Moment = Moment(1_790_000_000_000);
const CUSTOMERS: u64 = 1_000;
const RECORDS_OF_EACH: u64 = 5;
const RATE: u32 = 1_000;
const SECONDS: u32 = 20;
/// How many customers are read after a start.
const ASKED: u64 = 1_000;

fn main() {
    if let Ok(folder) = std::env::var(OPEN) {
        return open(Path::new(&folder));
    }
    let records = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir_in("target").unwrap();
    println!("{:<46} {:>10} {:>10} {:>10} {:>10}", "", "a second", "median", "p99", "p99.9");
    let ledger = FileLedger::open(&LedgerSettings::of(&folder.path().join("acknowledged"))).unwrap().ledger;
    let engine = engine(Arc::new(ledger));
    let file = File::create(folder.path().join("bare")).unwrap();
    let consent = |number| say(&engine, number);
    let sync = |_| {
        (&file).write_all(&[7; 512]).unwrap();
        file.sync_data().unwrap();
    };
    let mut lone = Duration::ZERO;
    let mut ratios = String::new();
    for (who, measure) in CALLERS {
        let fdatasync = format!("fdatasync of 512 bytes, {who}");
        let before = show(&fdatasync, measure(&sync));
        let p99 = show(&format!("consents acknowledged, {who}"), measure(&consent));
        let disk = (before + show(&fdatasync, measure(&sync))) / 2;
        lone = if lone == Duration::ZERO { disk } else { lone };
        let times = |other: Duration| p99.as_secs_f64() / other.as_secs_f64();
        ratios += &format!("{who}: {:.2} times theirs, {:.2} times that of one caller\n", times(disk), times(lone));
    }
    print!("p99 of consents beside the p99 of fdatasync of the same callers, measured before and after:\n{ratios}");
    drop(engine);
    start_on(&folder.path().join("restarted"), records);
}

/// How long each of some works took, and all together.
struct Times {
    each: Vec<Duration>,
    all: Duration,
}

/// What is done for a number.
type Work<'w> = &'w (dyn Fn(u64) + Sync);
/// Lets callers do work, and takes the time.
type Measure = fn(Work<'_>) -> Times;
/// Who asks, and how.
const CALLERS: [(&str, Measure); 3] = [
    ("1 caller", |work| as_fast_as_possible(1, work)),
    ("1,000 a second", at_rate),
    ("64 callers", |work| as_fast_as_possible(64, work)),
];

/// Work that comes at a rate whether or not that before is done; each counts from the moment at which it was due.
fn at_rate(work: Work<'_>) -> Times {
    let (next, count) = (AtomicU64::new(0), u64::from(RATE * SECONDS));
    let (ready, begun) = (Barrier::new(64), OnceLock::new());
    let call = |caller| {
        let mut times = Vec::new();
        // The first memory of 64 threads costs the system more than the work of half a second.
        work(caller);
        ready.wait();
        let begun = *begun.get_or_init(Instant::now);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return times;
            }
            let due = begun + Duration::from_secs(1) * u32::try_from(number).unwrap() / RATE;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            work(number);
            times.push(due.elapsed());
        }
    };
    let each = at_once(64, call);
    Times { each, all: begun.get().map_or(Duration::ZERO, Instant::elapsed) }
}

fn as_fast_as_possible(callers: u64, work: Work<'_>) -> Times {
    let begun = Instant::now();
    let call = |caller| {
        let time = |round| {
            let start = Instant::now();
            work(caller * 1_000 + round);
            start.elapsed()
        };
        (0..4_000 / callers.min(8)).map(time).collect()
    };
    Times { each: at_once(callers, call), all: begun.elapsed() }
}

fn at_once(callers: u64, call: impl Fn(u64) -> Vec<Duration> + Sync) -> Vec<Duration> {
    let call = &call;
    thread::scope(|scope| {
        let callers: Vec<_> = (0..callers).map(|caller| scope.spawn(move || call(caller))).collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    })
}

fn show(what: &str, Times { mut each, all }: Times) -> Duration {
    each.sort_unstable();
    let at = |thousandth: usize| each[each.len() * thousandth / 1_000];
    let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1_000.0);
    let rate = each.len() as f64 / all.as_secs_f64();
    println!("{what:<46} {rate:>10.0} {:>10} {:>10} {:>10}", ms(at(500)), ms(at(990)), ms(at(999)));
    at(990)
}

fn engine(ledger: Arc<dyn Ledger>) -> Engine {
    let rules = rule_files::read(Path::new("tests/fixtures/design"), &Vocabulary::default()).rule_set.unwrap();
    Engine::new(Arc::new(rules), ledger, Limits::default(), NOW)
}

/// A yes or a no of one of the customers.
fn say(engine: &Engine, number: u64) {
    let change = ConsentChange {
        purpose: "personalisation".into(),
        status: if number.is_multiple_of(3) { ConsentStatus::Withdrawn } else { ConsentStatus::Given },
        notice: "notices/personalisation-v2.md".into(),
        notice_hash: None,
        language: "de".into(),
        expression: "ticked".into(),
        claimed: None,
        valid_until: None,
        wrong: Vec::new(),
    };
    let customer = format!("customer-{}", number % CUSTOMERS);
    let request = ConsentRequest { customer, changes: vec![change], ..ConsentRequest::default() };
    assert!(engine.record_consent(request, NOW).unwrap().results[0].accepted);
}

/// Writes a ledger, and lets a process of its own open it.
fn start_on(data: &Path, records: u64) {
    let ledger = FileLedger::open(&LedgerSettings::of(data)).unwrap().ledger;
    let customers = (records / RECORDS_OF_EACH).max(1);
    for start in (0..records).step_by(512) {
        let batch = (start..(start + 512).min(records)).map(|number| record(number, number % customers));
        ledger.append(&batch.collect::<Vec<_>>()).unwrap();
    }
    drop(ledger);
    let opened = Command::new(std::env::current_exe().unwrap()).env(OPEN, data).status().unwrap();
    assert!(opened.success());
}

/// What a server does with its ledger when it starts, and the most memory it took.
fn open(data: &Path) {
    let hashed = read_and_hash(&data.join("ledger"));
    let start = Instant::now();
    let OpenedLedger { ledger, summary, .. } = FileLedger::open(&LedgerSettings::of(data)).unwrap();
    let (opened, count) = (start.elapsed(), ledger.size());
    let engine = engine(Arc::new(ledger));
    engine.resume(&summary);
    let start = Instant::now();
    let customers = (0..ASKED).map(|number| format!("customer-{}", number * 7_919 % (count / RECORDS_OF_EACH).max(1)));
    let known =
        customers.filter(|customer| engine.standing(customer, NOW).unwrap().iter().any(|view| view.position > 0));
    assert_eq!(known.count(), ASKED as usize);
    let asked = start.elapsed() / u32::try_from(ASKED).unwrap();
    let memory = |what: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or("?").trim().to_owned();
        line.trim_end_matches(" kB").parse().map_or(0, |kilobytes: u64| kilobytes / 1_024)
    };
    println!(
        "{count} records: opened in {:.2} s, {:.1} times as long as reading and hashing them on one core; the standing of \
         a customer in {:.0} µs; {} MiB at most, {} MiB after",
        opened.as_secs_f64(),
        opened.as_secs_f64() / hashed.as_secs_f64(),
        asked.as_secs_f64() * 1e6,
        memory("VmHWM:"),
        memory("VmRSS:"),
    );
}

/// How long it takes to read the segments and hash them.
fn read_and_hash(folder: &Path) -> Duration {
    let start = Instant::now();
    let (mut hash, mut part) = (Sha256::new(), vec![0; 1 << 20]);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "segment") {
            let mut file = File::open(path).unwrap();
            while let length @ 1.. = file.read(&mut part).unwrap() {
                hash.update(&part[..length]);
            }
        }
    }
    std::hint::black_box(hash.finalize());
    start.elapsed()
}

fn record(number: u64, customer: u64) -> ConsentRecord {
    let status = if number.is_multiple_of(3) { ConsentStatus::Withdrawn } else { ConsentStatus::Given };
    ConsentRecord {
        record_id: format!("r-{number}"),
        customer: format!("customer-{customer}").into(),
        purpose: "personalisation".into(),
        notice: "notices/personalisation-v2.md".into(),
        language: "de".into(),
        expression: "ticked".into(),
        ..ConsentRecord::new(status, NOW, number)
    }
}
