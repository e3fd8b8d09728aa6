//! Decide, record and withdraw under a model checker, which runs the engine through thousands of schedules.
//!
//! ```sh
//! cargo test --features shuttle --test model                        # 2,000 schedules of each kind
//! SEED=7 SCHEDULES=20000 cargo test --features shuttle --test model # others, as many as you have time for
//! ```
//!
//! A decision counts as sent with the last step of `Engine::decide`: the flag that a withdrawal was acknowledged is
//! no lock of the model, so nothing can come between that step and the look at the flag.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic, wherever it stands"
)]

#[path = "model/sequence.rs"]
mod sequence;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use shuttle::thread;
use tactful::domain::consent::{ConsentRecord, ConsentStatus};
use tactful::domain::id::Vocabulary;
use tactful::domain::rule_set::RuleSet;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::Moment;
use tactful::domain::value::Value;
use tactful::engine::{AttributeChange, ConsentChange, ConsentRequest, Engine, Limits, Question};
use tactful::ledger::proof::Hash;
use tactful::ledger::{Erasure, Ledger, LedgerError, MemoryLedger};
use tactful::rules::load;

const RULES: &str = r#"
purposes:
  advice: {basis: consent}
attributes:
  customer.name: {type: text, purposes: [advice]}
channels:
  web: {direction: inbound, interruption: 0}
actions:
  - {id: hello, title: Hello, kind: service, purpose: advice, eligible: ['customer.name != "nobody"'], relevance: {base: 60}, intrusiveness: 1, treatments: {web: {text: "hi {customer.name}"}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 0}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

const NOW: Moment = Moment(1_772_442_000_000);

/// A ledger whose disk takes its time: others may run before and after every write.
#[derive(Debug, Default)]
struct SlowLedger(MemoryLedger);

impl Ledger for SlowLedger {
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        thread::yield_now();
        let position = self.0.append(records);
        thread::yield_now();
        position
    }

    fn erase(&self, customer: &str, now: Moment) -> Result<Erasure, LedgerError> {
        thread::yield_now();
        let erasure = self.0.erase(customer, now);
        thread::yield_now();
        erasure
    }

    fn erased_at(&self, customer: &str) -> Option<u64> {
        self.0.erased_at(customer)
    }

    fn size(&self) -> u64 {
        self.0.size()
    }

    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        self.0.records(customer)
    }

    fn checkpoint(&self) -> Result<String, LedgerError> {
        self.0.checkpoint()
    }

    fn receipt(&self, position: u64) -> Result<String, LedgerError> {
        self.0.receipt(position)
    }

    fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        self.0.consistency(earlier, size)
    }

    fn verifier_key(&self) -> Result<String, LedgerError> {
        self.0.verifier_key()
    }
}

fn rules_of(text: &str) -> Arc<RuleSet> {
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: text.into() }]);
    Arc::new(load(sources, &Vocabulary::default()).rule_set.unwrap())
}

fn say(engine: &Engine, status: ConsentStatus) {
    let change = ConsentChange::new("advice", status);
    let request = ConsentRequest { customer: "anna".into(), changes: vec![change], ..ConsentRequest::default() };
    engine.record_consent(request, NOW).unwrap();
}

fn tell(engine: &Engine) {
    let attributes = vec![("customer.name".to_owned(), Some(Value::Text("Anna".into())))];
    let change = AttributeChange { customer: "anna".into(), attributes, time_zone: String::new() };
    engine.set_attributes(change, NOW).unwrap();
}

/// Whether an answer uses the purpose.
fn ask(engine: &Engine, request_id: &str) -> bool {
    let question = Question {
        customer: "anna".into(),
        channel: "web".into(),
        request_id: request_id.into(),
        ..Question::default()
    };
    !engine.decide(question, NOW).unwrap().decision.actions.is_empty()
}

/// Runs a model in many schedules, which `SEED` draws. A decision of a debug build needs more than the small stacks that
/// are the default.
fn explore(model: impl Fn() + Send + Sync + Clone + 'static) {
    let mut config = shuttle::Config::default();
    config.stack_size = 1 << 20;
    let (seed, count) = (number("SEED", 1), usize::try_from(number("SCHEDULES", 2_000) / 2).unwrap());
    let random = shuttle::scheduler::RandomScheduler::new_from_seed(seed, count);
    shuttle::Runner::new(random, config.clone()).run(model.clone());
    shuttle::Runner::new(shuttle::scheduler::PctScheduler::new_from_seed(seed, 3, count), config).run(model);
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Anna agreed and told her name; then decisions meet what ends that. Counts the schedules in which an answer used the
/// purpose, so that a model in which none ever does is noticed.
fn check(end: impl Fn(&Engine) + Send + Sync + Copy + 'static) {
    let (rules, used) = (rules_of(RULES), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&used);
    let model = move || {
        let ledger = Arc::new(SlowLedger::default());
        let engine = Arc::new(Engine::new(Arc::clone(&rules), ledger, Limits { decisions: 1 << 20 }, NOW));
        say(&engine, ConsentStatus::Given);
        tell(&engine);
        let acknowledged = Arc::new(AtomicBool::new(false));
        let ending = {
            let (engine, acknowledged) = (Arc::clone(&engine), Arc::clone(&acknowledged));
            thread::spawn(move || {
                end(&engine);
                acknowledged.store(true, Ordering::SeqCst);
            })
        };
        let asking = ["r1", "r1", "r2"].map(|request_id| {
            let (engine, acknowledged) = (Arc::clone(&engine), Arc::clone(&acknowledged));
            let counted = Arc::clone(&counted);
            thread::spawn(move || {
                let uses = ask(&engine, request_id);
                let late = acknowledged.load(Ordering::SeqCst);
                assert!(!(uses && late), "an answer was sent after the acknowledgement, and uses the purpose");
                counted.fetch_add(usize::from(uses), Ordering::SeqCst);
            })
        });
        tell(&engine);
        ending.join().unwrap();
        asking.into_iter().for_each(|asked| asked.join().unwrap());
        assert!(!ask(&engine, "r1") && !ask(&engine, "r2"));
    };
    explore(model);
    assert!(used.load(Ordering::SeqCst) > 0, "in no schedule did a decision come first");
}

#[test]
fn no_answer_sent_after_a_withdrawal_was_acknowledged_uses_the_purpose() {
    check(|engine| say(engine, ConsentStatus::Withdrawn));
}

#[test]
fn no_answer_sent_after_an_erasure_was_acknowledged_uses_anything() {
    check(|engine| drop(engine.erase("anna", NOW).unwrap()));
}

/// A withdrawal, an erasure and a yes in person at once: whatever their order, what stands is what the ledger says.
#[test]
fn the_order_of_the_ledger_is_the_order_of_the_engine() {
    let rules = rules_of(RULES);
    let model = move || {
        let ledger = Arc::new(SlowLedger::default());
        let start = || {
            let ledger = Arc::clone(&ledger) as Arc<dyn Ledger>;
            Engine::new(Arc::clone(&rules), ledger, Limits { decisions: 1 << 20 }, NOW)
        };
        let engine = Arc::new(start());
        say(&engine, ConsentStatus::Given);
        let calls: [fn(&Engine); 3] = [
            |engine| say(engine, ConsentStatus::Withdrawn),
            |engine| drop(engine.erase("anna", NOW).unwrap()),
            |engine| say(engine, ConsentStatus::Given),
        ];
        let calls = calls.map(|call| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || call(&engine))
        });
        calls.into_iter().for_each(|call| call.join().unwrap());
        let restarted = start();
        let usable = |engine: &Engine| engine.standing("anna", NOW).unwrap()[0].usable;
        assert_eq!(usable(&engine), usable(&restarted), "{:?}", ledger.records("anna"));
    };
    explore(model);
}
