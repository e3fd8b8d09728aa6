//! `tactful report`: counts over the decision log are those of a script over the replay's own output.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use tactful::decision_log::LogSettings;
use tactful::domain::action::Outcome;
use tactful::domain::time::{Moment, Period};
use tactful::engine::{Engine, Limits, REPORTED, Report};
use tactful::node::Node;
use tactful::rule_files;
use tactful::scenario::replay::{Decided, Replay};

use super::keeping::{Home, stop};
use super::support::{folder, monday};

const WEEK: i64 = 7 * Period::DAY.0;

/// An engine over a home with the sample rules, that explains every fifth decision.
fn engine(home: &Home, now: Moment) -> Engine {
    let node = Node::open_logging(home.settings(), LogSettings { sample: 5, ..LogSettings::default() }).unwrap();
    let rules = Arc::new(rule_files::read(&folder("rules"), &node.vocabulary).rule_set.unwrap());
    node.engine(rules, Limits::default(), None, now)
}

/// A month of customers: visits, consents, questions on two channels, and outcomes of what was said.
fn month(engine: Engine, customers: usize) -> (Engine, Vec<Decided>, Vec<String>) {
    let rules = engine.rules();
    let names = &rules.set.vocabulary;
    let channels: Vec<&str> = rules.set.declared.channels.ids().map(|id| names.name(id)).collect();
    let purposes: Vec<&str> = rules.set.declared.purposes.ids().map(|id| names.name(id)).collect();
    let mut lines: Vec<(Moment, String)> = Vec::new();
    for number in 0..customers {
        let customer = format!("customer-{number}");
        let at = |minutes: usize| monday() + Period(minutes as i64 * 60_000);
        let first = number * 7 % (28 * 24 * 60);
        for purpose in purposes.iter().filter(|_| number % 3 > 0) {
            let line = format!(r#""consent": {{"purpose": "{purpose}", "status": "given"}}"#);
            lines.push((at(first), format!(r#""customer": "{customer}", {line}"#)));
        }
        for visit in 0..3 {
            let channel = channels[(number + visit) % channels.len()];
            let line = format!(r#""customer": "{customer}", "decide": {{"channel": "{channel}"}}"#);
            lines.push((at(first + 1 + visit * 24 * 60 * 3), line));
        }
    }
    lines.sort();
    let mut replay = Replay::over(engine);
    let (mut decided, mut told) = (Vec::new(), Vec::new());
    for (number, (at, line)) in lines.iter().enumerate() {
        // Purposes that need no consent refuse one.
        let Ok(Some(found)) = replay.play(&format!(r#"{{"at": "{at}", {line}}}"#)) else { continue };
        let outcome = ["presented", "clicked", "accepted", "rejected", "complained", ""][number % 6];
        if let (Some(action), false) = (found.actions.first(), outcome.is_empty()) {
            let line = format!(
                r#"{{"at": "{at}", "customer": "{}", "outcome": {{"action": "{action}", "channel": "{}", "outcome": "{outcome}"}}}}"#,
                found.customer, found.channel
            );
            if replay.play(&line).is_ok() {
                told.push(format!("{action} {} {outcome}", found.channel));
            }
        }
        decided.push(found);
    }
    (replay.into_engine(), decided, told)
}

fn reported(engine: &Engine) -> Report {
    engine.report((Moment::DISTANT_PAST, Moment::DISTANT_FUTURE), &mut |_, _| {}).unwrap()
}

#[test]
fn a_report_equals_counts_of_the_replay() {
    let home = Home::new();
    let customers = std::env::var("CUSTOMERS").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let (engine, decided, told) = month(engine(&home, monday()), customers);
    let report = reported(&engine);
    // The script.
    let (mut said, mut silences, mut outcomes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for found in &decided {
        let at = Moment::parse(&found.at).unwrap();
        let week = monday().0.div_euclid(Period::DAY.0) * Period::DAY.0;
        let week = Moment(week + (at.0 - week).div_euclid(WEEK) * WEEK);
        for action in &found.actions {
            *said.entry((action.clone(), found.channel.clone(), week)).or_insert(0) += 1;
        }
        if let Some(reason) = found.silence {
            *silences.entry((reason.to_owned(), found.channel.clone())).or_insert(0) += 1;
        }
    }
    told.iter().for_each(|told| *outcomes.entry(told.clone()).or_insert(0) += 1);
    assert_eq!(report.decisions, decided.len() as u64);
    let rows = report.rows.iter().filter(|row| row.said > 0);
    let counted: BTreeMap<_, _> =
        rows.map(|row| ((row.action.clone(), row.channel.clone(), row.week.unwrap()), row.said)).collect();
    assert_eq!(counted, said);
    let counted: BTreeMap<_, _> =
        report.silences.iter().map(|row| ((row.reason.clone(), row.channel.clone()), row.count)).collect();
    assert_eq!(counted, silences);
    let mut counted = BTreeMap::new();
    for row in &report.rows {
        for (outcome, count) in REPORTED.iter().zip(row.outcomes).filter(|(_, count)| *count > 0) {
            *counted.entry(format!("{} {} {}", row.action, row.channel, Outcome::name(*outcome))).or_insert(0) += count;
        }
    }
    assert_eq!(counted, outcomes);
    assert!(told.len() > decided.len() / 20 && !said.is_empty() && !silences.is_empty());
    // Every action that was never said on a channel of its own is a row of zeros.
    let rules = engine.rules();
    for (id, action) in rules.set.actions.iter() {
        for channel in rules.set.declared.channels.ids().filter(|channel| action.treatments.get(*channel).is_some()) {
            let names = &rules.set.vocabulary;
            let own =
                |row: &&tactful::engine::ReportRow| row.action == names.name(id) && row.channel == names.name(channel);
            let rows: Vec<_> = report.rows.iter().filter(own).collect();
            assert!(!rows.is_empty());
            assert!(rows.iter().all(|row| row.week.is_some() == (row.said > 0 || row.outcomes != [0; 5])));
        }
    }
    // The sample: about a fifth, and every action of each decision stops at one gate.
    assert!(report.sampled * 3 < report.decisions && report.sampled * 8 > report.decisions, "{}", report.sampled);
    let stopped: u64 = report.stopped.iter().map(|row| row.count).sum();
    assert_eq!(stopped, report.sampled * rules.set.actions.len() as u64);
    let tally = engine.tally().unwrap();
    assert_eq!(tally.said.values().sum::<u64>(), said.values().sum::<u64>());
    assert_eq!(tally.stopped.values().sum::<u64>(), stopped);
    println!(
        "{} decisions, {} outcomes, {} rows, {} in the sample",
        decided.len(),
        told.len(),
        report.rows.len(),
        report.sampled
    );
    stop(engine);
}

#[test]
fn the_command_prints_a_table_csv_and_json() {
    let home = Home::new();
    let (first, decided, _) = month(engine(&home, monday()), 20);
    stop(first);
    let program = env!("CARGO_BIN_EXE_tactful");
    let (data, keys) = (home.settings().data, home.settings().keys);
    let mut child = Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:0", "--rules"])
        .arg(folder("rules"))
        .arg("--data")
        .arg(data)
        .arg("--keys")
        .arg(keys)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let listening = lines.find_map(|line| line.unwrap().strip_prefix("listening").map(str::to_owned)).unwrap();
    let server = format!("http://{}", listening.split_whitespace().next().unwrap());
    let said = |format: &str| {
        let output = Command::new(program).args(["report", "--format", format, "--server", &server]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (table, csv, json) = (said("table"), said("csv"), said("json"));
    drop(child.kill());
    drop(child.wait());
    let count = format!("{} decisions", decided.len());
    assert!(table.starts_with(&count) && table.contains("in a sample of"), "{table}");
    assert!(table.contains("(one in 100 is taken now)"), "{table}");
    assert!(csv.starts_with("action,channel,week,said,presented,presented_rate,"), "{csv}");
    assert!(csv.lines().all(|line| line.split(',').count() == 24), "{csv}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["decisions"], &json["sampleOf"]), (&decided.len().to_string().into(), &100.into()));
    assert!(
        json["rows"].as_array().unwrap().iter().any(|row| row.get("week").is_none()),
        "a row of an action never said"
    );
}
