//! A process that contacts customers is killed at random moments, repeatedly: no limit is exceeded, journeys lose at
//! most a second, and the store opens every time.
//!
//! 100 times; `TACTFUL_KILLS=1000 cargo test --test ledger_crash customers` for a longer run.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tactful::clock::Clock;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::Moment;
use tactful::engine::{Engine, EventInput, Limits, Question};
use tactful::ledger::LedgerSettings;
use tactful::node::Node;
use tactful::rules::load;
use tactful::serve::write_behind::WriteBehind;

use super::random::Random;

/// Tells this program to be the one that is killed.
const FOLDER: &str = "TACTFUL_KILL_CUSTOMERS";
/// The customers it contacts.
const GROUP: &str = "TACTFUL_KILL_GROUP";
const SPEAKERS: usize = 4;
const CUSTOMERS: usize = 400;
const AT_MOST: usize = 3;
/// This many processes contact the same customers.
const KILLS_PER_GROUP: u64 = 5;
/// Tells it what time it is: no two processes begin at the same.
const TIME: &str = "TACTFUL_KILL_TIME";

const RULES: &str = r#"
purposes:
  service: {basis: contract}
events:
  step: {purposes: [service], keep: 30 days}
channels:
  web: {direction: outbound, interruption: 0}
actions:
  - {id: hello, title: Hello, kind: offer, purpose: service, relevance: {base: 50}, intrusiveness: 1, limits: [{at_most: 3, per: 30 days}], treatments: {web: {text: hello}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 0}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

fn open(folder: &Path, now: Moment) -> Arc<Engine> {
    let settings = LedgerSettings { reserve_bytes: 64 * 1024, ..LedgerSettings::of(&folder.join("data")) };
    let node = Node::open(settings).unwrap();
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: RULES.into() }]);
    let rules = Arc::new(load(sources, &node.vocabulary).rule_set.unwrap());
    Arc::new(node.engine(rules, Limits { decisions: 1 }, None, now))
}

/// The process that is killed.
#[test]
fn speakers() {
    let (Ok(folder), Ok(group)) = (std::env::var(FOLDER), std::env::var(GROUP)) else { return };
    let now = Moment(std::env::var(TIME).unwrap().parse().unwrap());
    let engine = open(Path::new(&folder), now);
    let walker = format!("walker-{group}");
    println!("\nopened {walker} {}", engine.export(&walker, now).unwrap().state.events().len());
    let _writing = WriteBehind::start(&engine, Clock(Arc::new(move || now))).unwrap();
    std::thread::scope(|scope| {
        for speaker in 0..SPEAKERS {
            let (engine, group, walker) = (&engine, &group, &walker);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let mut random = Random(speaker as u64 ^ u64::from(std::process::id()) << 8);
                loop {
                    let customer = format!("customer-{group}-{}", random.below(CUSTOMERS));
                    let question =
                        Question { customer: customer.as_str().into(), channel: "web".into(), ..Question::default() };
                    let answer = engine.decide(question, now).unwrap();
                    runtime.block_on(engine.wait_durable());
                    if !answer.decision.actions.is_empty() {
                        println!("\ntold {customer} 1");
                    }
                    if speaker == 0 {
                        let event =
                            EventInput { customer: walker.clone(), kind: "step".into(), ..EventInput::default() };
                        engine.record_events(vec![event], now).unwrap();
                        println!("\nwalked {walker} 1");
                    }
                }
            });
        }
    });
}

/// What became known of one group of customers.
#[derive(Default)]
struct Group {
    told: BTreeMap<String, usize>,
    /// When each step was acknowledged, of processes that are gone now only those that were kept.
    steps: Vec<Instant>,
}

impl Group {
    /// Lets a process run until it has printed this many lines; true if it had opened the store by then.
    fn speak(&mut self, folder: &Path, kill: u64, lines: usize) -> bool {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "customers::speakers", "--nocapture", "--test-threads", "1"])
            .env(FOLDER, folder)
            .env(GROUP, (kill / KILLS_PER_GROUP).to_string())
            .env(TIME, time(kill).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut opened, mut killed) = (false, None);
        for (heard, line) in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).enumerate() {
            if heard == lines {
                child.kill().unwrap();
                killed = Some(now());
            }
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["told", who, _] => *self.told.entry(who.to_owned()).or_default() += 1,
                ["walked", ..] => self.steps.push(now()),
                ["opened", who, kept] => {
                    opened = true;
                    let kept: usize = kept.parse().unwrap();
                    // There is room for 256 of them.
                    assert!(kept >= self.steps.len().min(256), "{who} has walked back to {kept}");
                    self.steps.resize(kept, now());
                }
                _ => {}
            }
        }
        child.wait().unwrap();
        // What was acknowledged in the last second may be lost.
        let killed = killed.expect("it ended by itself");
        self.steps.retain(|at| killed.saturating_duration_since(*at) > Duration::from_secs(1));
        opened
    }
}

/// A second later at every kill.
fn time(kill: u64) -> i64 {
    1_772_442_000_000 + i64::try_from(kill).unwrap() * 1_000
}

#[expect(clippy::disallowed_methods, reason = "a second is what is promised")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn no_limit_is_exceeded_and_journeys_are_at_most_a_second_behind() {
    let kills: u64 = std::env::var("TACTFUL_KILLS").map_or(100, |kills| kills.parse().unwrap());
    let mut random = Random(11);
    let folder = tempfile::tempdir().unwrap();
    let (mut group, mut told, mut opened) = (Group::default(), 0, 0);
    for kill in 0..kills {
        if kill % KILLS_PER_GROUP == 0 {
            group = Group::default();
        }
        // Every now and then one lives for some seconds.
        let lines = if kill % 20 == 7 { 2_000 } else { 10 + random.below(150) };
        opened += u64::from(group.speak(folder.path(), kill, lines));
        let over = group.told.iter().find(|(_, count)| **count > AT_MOST);
        assert!(over.is_none(), "kill {kill}: {over:?} are more than {AT_MOST}");
        told += if (kill + 1) % KILLS_PER_GROUP == 0 { group.told.values().sum() } else { 0 };
    }
    open(folder.path(), Moment(time(kills)));
    assert!(opened > kills / 2, "killed before it opened, {opened} of {kills} times not");
    writeln!(std::io::stderr(), "{kills} kills, {opened} of them at work, {told} contacts told, no limit exceeded")
        .unwrap();
}
