//! What the ledger costs beside the disk it stands on: `cargo bench --bench ledger [RECORDS]`.
//!
//! Prints the disk's own fdatasync, appends by 1 and by 64 callers with their ratio to it, and how long a ledger of a
//! million records (or RECORDS) takes to open.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and may fail loudly"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tactful::domain::consent::record::ConsentSource;
use tactful::domain::consent::{ConsentRecord, ConsentStatus};
use tactful::domain::time::Moment;
use tactful::ledger::{FileLedger, Ledger as _, LedgerSettings};

const ROUNDS: u64 = 2_000;
const CUSTOMERS: u64 = 1_000;

fn main() {
    let records = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir_in(".").unwrap();
    let settings = LedgerSettings::of(&folder.path().join("data"));
    let probe = probe(folder.path());
    println!("{:<34} {:>12} {:>10} {:>10} {:>12}", "", "a second", "median", "p99", "p99 / probe");
    let probe_p99 = show("fdatasync of 512 bytes", &probe, sum(&probe), Duration::ZERO);
    let ledger = FileLedger::open(&settings).unwrap().ledger;
    for callers in [1, 64] {
        let start = Instant::now();
        let times: Vec<Duration> = std::thread::scope(|scope| {
            let call = |caller| {
                let ledger = &ledger;
                move || {
                    let append = |round| {
                        let start = Instant::now();
                        ledger.append(&[record(caller * ROUNDS + round)]).unwrap();
                        start.elapsed()
                    };
                    (0..ROUNDS / 8).map(append).collect::<Vec<_>>()
                }
            };
            let callers: Vec<_> = (0..callers).map(|caller| scope.spawn(call(caller))).collect();
            callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
        });
        show(&format!("consents acknowledged, {callers} callers"), &times, start.elapsed(), probe_p99);
    }
    for start in (0..records).step_by(512) {
        ledger.append(&(start..(start + 512).min(records)).map(record).collect::<Vec<_>>()).unwrap();
    }
    drop(ledger);
    let start = Instant::now();
    let opened = FileLedger::open(&settings).unwrap();
    println!("{} records open in {:.2} s", opened.records.len(), start.elapsed().as_secs_f64());
}

/// What the disk itself takes to make a frame's worth of bytes durable.
fn probe(folder: &Path) -> Vec<Duration> {
    let mut file = File::create(folder.join("probe")).unwrap();
    let write = |_| {
        let start = Instant::now();
        file.write_all(&[7; 512]).unwrap();
        file.sync_data().unwrap();
        start.elapsed()
    };
    (0..ROUNDS / 4).map(write).collect()
}

fn sum(times: &[Duration]) -> Duration {
    times.iter().sum()
}

fn show(what: &str, times: &[Duration], took: Duration, probe: Duration) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let rate = times.len() as f64 / took.as_secs_f64();
    let ratio = if probe.is_zero() { 1.0 } else { p99.as_secs_f64() / probe.as_secs_f64() };
    let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1_000.0);
    println!("{what:<34} {rate:>12.0} {:>10} {:>10} {ratio:>12.2}", ms(median), ms(p99));
    p99
}

fn record(number: u64) -> ConsentRecord {
    ConsentRecord {
        record_id: format!("r-{number}"),
        customer: format!("customer-{}", number % CUSTOMERS).into(),
        purpose: "personalisation".into(),
        version: 1,
        basis: None,
        status: if number.is_multiple_of(3) { ConsentStatus::Withdrawn } else { ConsentStatus::Given },
        received: Moment(1_790_000_000_000),
        sequence: number,
        claimed: None,
        deferred: false,
        valid_until: None,
        notice: "notices/personalisation-v2.md".into(),
        language: "de".into(),
        expression: "ticked".into(),
        source: ConsentSource::default(),
    }
}
