//! A data folder, the processes that use it one after the other, and what they are asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use tactful::domain::consent::ConsentStatus;
use tactful::domain::id::Vocabulary;
use tactful::domain::rule_set::RuleSet;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{AttributeChange, ConsentChange, ConsentRequest, DecisionRecord, Engine, Limits, Question};
use tactful::ledger::LedgerSettings;
use tactful::node::Node;
use tactful::rules::load;
use tactful::store::StoreRecovery;

/// An offer and an ask that limits count, advice that needs a consent, and service that no limit counts.
pub const RULES: &str = r#"
purposes:
  service: {basis: contract}
  advice: {basis: consent}
attributes:
  customer.plan: {type: text, purposes: [service]}
events:
  visit: {purposes: [service], keep: 30 days}
channels:
  web: {direction: inbound, interruption: 0, reserve_for: 1 hour}
  email: {direction: outbound, interruption: 0}
  phone: {direction: inbound, interruption: 0, reserve_for: 1 hour}
  chat: {direction: inbound, interruption: 0, reserve_for: 1 hour}
actions:
  - {id: hello, title: Hello, kind: offer, purpose: service, relevance: {base: 50}, intrusiveness: 1, limits: [{at_most: 1, per: 30 days}, {after: rejected, wait: 90 days}], treatments: {web: {text: hello}, email: {text: hello}}}
  - {id: tip, title: A tip, kind: service, purpose: advice, relevance: {base: 20}, intrusiveness: 1, treatments: {phone: {text: tip}}}
  - {id: help, title: Help, kind: service, purpose: service, relevance: {base: 20}, intrusiveness: 1, treatments: {chat: {text: help}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1, phone: 1, chat: 1, email: 1}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

pub struct Home(pub tempfile::TempDir);

impl Home {
    pub fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::write(home.0.path().join("rules.yaml"), RULES).unwrap();
        home
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn data(&self) -> String {
        self.path().join("data").display().to_string()
    }

    pub fn customers(&self) -> PathBuf {
        self.path().join("data/customers")
    }

    pub fn settings(&self) -> LedgerSettings {
        LedgerSettings { reserve_bytes: 64 * 1024, ..LedgerSettings::of(&self.path().join("data")) }
    }

    pub fn open(&self, now: Moment) -> (Engine, StoreRecovery) {
        let node = Node::open(self.settings()).unwrap();
        let (rules, recovery) = (rules(&node.vocabulary), node.recovery);
        (node.engine(rules, Limits { decisions: 1 << 20 }, None, now), recovery)
    }
}

fn rules(vocabulary: &Vocabulary) -> Arc<RuleSet> {
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: RULES.into() }]);
    Arc::new(load(sources, vocabulary).rule_set.unwrap())
}

pub fn later(minutes: i64) -> Moment {
    Moment(1_772_442_000_000) + Period(minutes * 60_000)
}

/// The files of a killed process: contacts are in the contact log, and dirty customers were not flushed.
pub fn kill(engine: Engine) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(engine.wait_durable());
}

/// The files of a process that was told to stop.
pub fn stop(engine: Engine) {
    engine.write_behind().unwrap();
    engine.store().unwrap().note_head().unwrap();
}

pub fn decide(engine: &Engine, customer: &str, channel: &str, now: Moment) -> Arc<DecisionRecord> {
    let question = Question { customer: customer.into(), channel: channel.into(), ..Question::default() };
    engine.decide(question, now).unwrap()
}

pub fn says_hello(engine: &Engine, customer: &str, now: Moment) -> bool {
    !decide(engine, customer, "web", now).decision.actions.is_empty()
}

pub fn consent(engine: &Engine, customer: &str, status: ConsentStatus, now: Moment) {
    let change = ConsentChange::new("advice", status);
    let request = ConsentRequest { customer: customer.into(), changes: vec![change], ..ConsentRequest::default() };
    engine.record_consent(request, now).unwrap();
}

pub fn set_plan(engine: &Engine, customer: &str, now: Moment) {
    let attributes = vec![("customer.plan".into(), Some(Value::Text("dsl".into())))];
    let change = AttributeChange { customer: customer.into(), attributes, time_zone: String::new() };
    assert!(engine.set_attributes(change, now).unwrap().is_empty());
}

/// All files of a folder, in the order of their names.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() { found.extend(files(&entry)) } else { found.push(entry) }
    }
    found.sort();
    found
}

pub fn copy_folder(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

pub fn tactful(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tactful")).args(arguments).output().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
