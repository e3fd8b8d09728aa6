//! A process with eight writers is killed at random moments, repeatedly.
//!
//! 200 times; `TACTFUL_KILLS=1000 cargo test --test ledger_crash kill` for a longer run.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tactful::domain::consent::ConsentStatus;
use tactful::domain::id::Vocabulary;
use tactful::domain::time::Moment;
use tactful::engine::{Engine, Limits};
use tactful::ledger::{FileLedger, Ledger as _, LedgerSettings, OpenedLedger};
use tactful::rule_files;

use super::random::Random;
use super::{everything, record};

/// Tells this program to be the one that is killed.
const FOLDER: &str = "TACTFUL_KILL_FOLDER";
const WRITERS: u64 = 8;
/// A ledger is replaced after this many kills, so that opening it stays fast.
const KILLS_PER_LEDGER: u64 = 20;

fn settings(folder: &Path) -> LedgerSettings {
    LedgerSettings { segment_bytes: 20_000, reserve_bytes: 128 * 1024, ..LedgerSettings::of(&folder.join("data")) }
}

/// How many records of each writer there are.
fn counts(opened: &OpenedLedger) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (_, held) in everything(&opened.ledger) {
        let count: &mut u64 = counts.entry(held.customer.to_string()).or_default();
        *count += 1;
        assert_eq!(held.sequence, *count, "{} lost a record", held.customer);
    }
    counts
}

/// The process that is killed: each writer has a customer of its own, who gives and withdraws in turn.
#[test]
fn writers() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let opened = FileLedger::open(&settings(Path::new(&folder))).unwrap();
    let counts = counts(&opened);
    let ledger = opened.ledger;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (ledger, customer) = (&ledger, format!("customer-{writer}"));
            let begun = counts.get(&customer).copied().unwrap_or(0);
            scope.spawn(move || {
                for number in begun + 1.. {
                    println!("try {customer} {number}");
                    ledger.append(&[record(&customer, number)]).unwrap();
                    println!("acknowledged {customer} {number}");
                }
            });
        }
    });
}

/// What a process said before it was killed: for each customer the last record that was acknowledged, and tried.
fn killed(folder: &Path, after: usize) -> BTreeMap<String, (u64, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::writers", "--nocapture", "--test-threads", "1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut heard = 0;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    if after == 0 {
        child.kill().unwrap();
    }
    while let Some(Ok(line)) = lines.next() {
        let words: Vec<&str> = line.split(' ').collect();
        let (Some(at), true) = (words.iter().position(|word| *word == "try" || *word == "acknowledged"), true) else {
            continue;
        };
        let [verb, customer, number] = words[at..] else { continue };
        let entry = said.entry(customer.to_owned()).or_default();
        let number = number.parse().unwrap();
        if verb == "try" {
            entry.1 = number
        } else {
            entry.0 = number
        }
        heard += usize::from(verb == "acknowledged");
        if heard == after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    said
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_withdrawn_is_used() {
    let kills: u64 = std::env::var("TACTFUL_KILLS").map_or(200, |kills| kills.parse().unwrap());
    let rules = rule_files::read(Path::new("tests/fixtures/design"), &Vocabulary::default()).rule_set.unwrap();
    let rules = Arc::new(rules);
    let mut random = Random(7);
    let (mut folder, mut total) = (tempfile::tempdir().unwrap(), 0);
    let mut before: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for kill in 0..kills {
        if kill % KILLS_PER_LEDGER == 0 {
            total += before.values().map(|(acknowledged, _)| acknowledged).sum::<u64>();
            (folder, before) = (tempfile::tempdir().unwrap(), BTreeMap::new());
        }
        before.extend(killed(folder.path(), random.below(40)));
        let opened = FileLedger::open(&settings(folder.path())).unwrap_or_else(|error| panic!("kill {kill}: {error}"));
        let held = counts(&opened);
        let ledger = Arc::new(opened.ledger);
        let engine = Engine::new(Arc::clone(&rules), ledger, Limits { decisions: 1 }, Moment(1_000));
        engine.resume(&opened.summary);
        for (customer, (acknowledged, tried)) in &mut before {
            let count = held.get(customer).copied().unwrap_or(0);
            assert!((*acknowledged..=*tried).contains(&count), "kill {kill}: {customer} has {count} of {acknowledged}");
            let last = record(customer, count).status;
            let standings = engine.standing(customer, Moment(2_000)).unwrap();
            let used = standings.iter().any(|view| view.purpose == "personalisation" && view.usable);
            assert_eq!(used, count > 0 && last == ConsentStatus::Given, "kill {kill}: {customer} after {count}");
            *acknowledged = count;
            *tried = count;
        }
    }
    total += before.values().map(|(acknowledged, _)| acknowledged).sum::<u64>();
    writeln!(std::io::stderr(), "{kills} kills, {total} records acknowledged, none lost").unwrap();
}
