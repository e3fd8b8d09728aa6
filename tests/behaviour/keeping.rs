//! Customers survive the process: a clean stop or a kill, other rules, damaged or outdated files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{AttributeChange, Engine, EventInput, IdsKept, Limits, MemoryLimit, OutcomeInput, Question};
use tactful::ledger::{FileLedger, LedgerSettings};
use tactful::node::{Node, NodeError};
use tactful::rules::load;
use tactful::store::{CustomerStore, StoreError, StoreRecovery};

use super::support::{ask, attributes, chosen, consent, event, monday};

pub(super) const RULES: &str = r#"
purposes:
  service: {basis: contract}
  advice: {basis: consent}
attributes:
  customer.plan: {type: text, purposes: [service]}
  customer.name: {type: text, purposes: [advice]}
events:
  visit: {purposes: [service], keep: 30 days, fields: {page: text}}
journeys:
  buying:
    purpose: service
    start: {event: visit}
    stages:
      looking: {moves: [{to: sure, when: 'events.count("visit", "30d") >= 3'}]}
      sure: {}
channels:
  web: {direction: inbound, interruption: 0, reserve_for: 1 hour}
  phone: {direction: inbound, interruption: 0, reserve_for: 1 hour}
actions:
  - {id: hello, title: Hello, kind: offer, group: talk, purpose: service, relevance: {base: 50}, intrusiveness: 1, limits: [{at_most: 1, per: 30 days}, {after: rejected, wait: 90 days}], treatments: {web: {text: "hello"}}}
  - {id: bye, title: Bye, kind: service, purpose: advice, eligible: ['customer.name == "Anna"'], relevance: {base: 20}, intrusiveness: 1, treatments: {phone: {text: "bye {customer.name}"}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1, phone: 1}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

/// A data folder, and the processes that use it one after the other.
pub(super) struct Home(pub(super) tempfile::TempDir);

impl Home {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn settings(&self) -> LedgerSettings {
        LedgerSettings { reserve_bytes: 64 * 1024, ..LedgerSettings::of(&self.0.path().join("data")) }
    }

    fn customers(&self) -> PathBuf {
        self.0.path().join("data/customers")
    }

    pub(super) fn try_open(&self, rules: &str, now: Moment) -> Result<(Engine, StoreRecovery), StoreError> {
        let node = match Node::open(self.settings()) {
            Err(NodeError::Store(error)) => return Err(error),
            opened => opened.unwrap(),
        };
        let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: rules.into() }]);
        let rules = Arc::new(load(sources, &node.vocabulary).rule_set.unwrap());
        let recovery = node.recovery;
        Ok((node.engine(rules, Limits { decisions: 1 << 20 }, None, now), recovery))
    }

    /// The moment of the last flush.
    pub(super) fn flushed(&self) -> Option<Moment> {
        Node::open(self.settings()).unwrap().newest
    }

    pub(super) fn open(&self, now: Moment) -> Engine {
        self.try_open(RULES, now).unwrap().0
    }
}

/// The files of a killed process: contacts are in the contact log, and dirty customers were not flushed.
pub(super) fn kill(engine: Engine) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(engine.wait_durable());
}

pub(super) fn stop(engine: Engine) {
    engine.write_behind().unwrap();
}

pub(super) fn later(minutes: i64) -> Moment {
    monday() + Period(minutes * 60_000)
}

pub(super) fn says_hello(engine: &Engine, customer: &str, now: Moment) -> bool {
    !chosen(&engine.decide(ask(customer, "web", &[]), now).unwrap()).is_empty()
}

fn outcome(engine: &Engine, decision: &str, outcome: Outcome, id: &str, now: Moment) -> String {
    let input = OutcomeInput {
        outcome_id: id.into(),
        decision_id: decision.into(),
        customer: "anna".into(),
        action: "hello".into(),
        channel: String::new(),
        outcome,
        occurred: Some(now),
    };
    engine.record_outcomes(vec![input], now).unwrap().remove(0).reason
}

fn stage(engine: &Engine, now: Moment) -> Option<String> {
    engine.customer("anna", now).unwrap().journeys.first().map(|journey| journey.stage.clone())
}

fn visit(engine: &Engine, id: &str, now: Moment) -> String {
    visit_of(engine, "anna", id, now)
}

fn visit_of(engine: &Engine, customer: &str, id: &str, now: Moment) -> String {
    let event = EventInput { event_id: id.into(), ..event(customer, "visit", &[("page", "prices")]) };
    engine.record_events(vec![event], now).unwrap().remove(0).reason
}

/// Anna has a plan, a name that she agreed to, a zone, two visits and one contact.
pub(super) fn anna(engine: &Engine) {
    engine.record_consent(consent("anna", "advice", ConsentStatus::Given), monday()).unwrap();
    let facts = [("customer.plan", Value::Text("dsl".into())), ("customer.name", Value::Text("Anna".into()))];
    let change = AttributeChange { time_zone: "Asia/Tokyo".into(), ..attributes("anna", &facts) };
    assert!(engine.set_attributes(change, monday()).unwrap().is_empty());
    visit(engine, "v1", monday());
    visit(engine, "v2", monday());
    assert!(says_hello(engine, "anna", monday()));
}

#[test]
fn everything_that_is_known_of_a_customer_survives_a_restart() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    let before = engine.export("anna", later(1)).unwrap();
    stop(engine);

    let engine = home.open(later(1));
    assert_eq!(engine.customer_count(), 0, "customers are loaded on first use");
    let after = engine.export("anna", later(1)).unwrap();
    assert!(after.state == before.state && after.standings == before.standings);
    assert_eq!(before.state.relation().zone.as_ref().unwrap().iana_name(), Some("Asia/Tokyo"));
    assert_eq!(chosen(&engine.decide(ask("anna", "phone", &[]), later(1)).unwrap()), ["bye"]);
    assert!(!says_hello(&engine, "anna", later(1)), "the contact of before counts");
    assert!(says_hello(&engine, "anna", later(61)), "and lapses as it would have");
    assert_eq!(visit(&engine, "v2", later(2)), "repeated");
    assert_eq!(visit(&engine, "v3", later(2)), "");
    assert_eq!(stage(&engine, later(2)).as_deref(), Some("sure"), "three visits over two processes");
}

/// They are not looked for on disk at each question, and are no customers.
#[tokio::test]
async fn a_visitor_of_whom_nothing_is_known_stays_in_memory_until_the_next_sweep() {
    let home = Home::new();
    let engine = home.open(monday());
    let question = Question { validate_only: true, ..ask("nobody", "web", &[]) };
    engine.decide_async(question, monday()).await.unwrap();
    assert_eq!(engine.customer_count(), 1);
    engine.sweep(monday());
    assert_eq!(engine.customer_count(), 0);
}

#[test]
fn customers_of_version_1_are_read() {
    let home = Home::new();
    copy_folder(Path::new("tests/fixtures/customers/version-1"), home.0.path());
    let engine = home.open(later(1));
    let anna = engine.customer("anna", later(1)).unwrap();
    let (plan, name) = (Value::Text("dsl".into()), Value::Text("Anna".into()));
    assert_eq!(anna.attributes, [("customer.plan".to_owned(), plan), ("customer.name".to_owned(), name)]);
    assert_eq!((anna.journeys[0].stage.as_str(), anna.journeys[0].entered), ("looking", monday()));
    let state = engine.export("anna", later(1)).unwrap().state;
    assert_eq!((state.events().len(), state.relation().contacts.len()), (2, 1));
    assert_eq!(state.relation().zone.as_ref().unwrap().iana_name(), Some("Asia/Tokyo"));
    assert_eq!(visit(&engine, "v2", later(1)), "repeated");
    // Ben's contact was made by a process that was killed.
    assert!(!says_hello(&engine, "anna", later(1)) && !says_hello(&engine, "ben", later(1)));
}

/// Customers of both versions lie side by side, whenever a process is killed.
#[test]
fn a_store_of_version_1_is_taken_over_though_it_is_killed_again_and_again() {
    let home = Home::new();
    copy_folder(Path::new("tests/fixtures/customers/version-1"), home.0.path());
    let events = |engine: &Engine, minute| {
        let state = engine.export("anna", later(minute)).unwrap().state;
        state.events().newest_first().map(|event| (event.at, event.repaired)).collect::<Vec<_>>()
    };
    let before = events(&home.open(later(1)), 1);
    assert_eq!(before.len(), 2);
    for minute in 2..5 {
        let engine = home.open(later(minute));
        assert_eq!(events(&engine, minute), before);
        kill(engine);
    }
    let engine = home.open(later(5));
    assert_eq!(visit(&engine, "v9", later(5)), "");
    engine.write_behind().unwrap();
    kill(engine);
    assert_eq!(events(&home.open(later(6)), 6).len(), 3);
}

#[test]
fn counted_contacts_survive_a_kill() {
    let home = Home::new();
    let engine = home.open(monday());
    assert!(says_hello(&engine, "anna", monday()));
    let told = engine.decide(ask("ben", "web", &[]), monday()).unwrap();
    assert_eq!(outcome(&engine, "", Outcome::Rejected, "o1", monday()), "");
    drop(told);
    kill(engine);

    let (engine, recovery) = home.try_open(RULES, later(1)).unwrap();
    assert_eq!((recovery.replayed, recovery.damaged), (5, 0), "two contacts, an id, and an outcome with its contact");
    assert!(!says_hello(&engine, "anna", later(1)) && !says_hello(&engine, "ben", later(1)));
    assert_eq!(outcome(&engine, "", Outcome::Rejected, "o1", later(1)), "repeated");
    assert!(says_hello(&engine, "ben", later(61)), "it was not confirmed");
    assert!(!says_hello(&engine, "anna", later(60 * 24 * 60)), "the cool-down of the rejection still runs");
    kill(engine);
    assert!(!says_hello(&home.open(later(62)), "ben", later(62)));
}

#[test]
fn a_repeated_request_counts_once_whatever_process_answers_it() {
    let home = Home::new();
    let question = || Question { request_id: "r1".into(), ..ask("anna", "web", &[]) };
    let engine = home.open(monday());
    assert_eq!(chosen(&engine.decide(question(), monday()).unwrap()), ["hello"]);
    kill(engine);
    for minute in 1..4 {
        let engine = home.open(later(minute));
        assert_eq!(chosen(&engine.decide(question(), later(minute)).unwrap()), ["hello"]);
        assert_eq!(engine.export("anna", later(minute)).unwrap().state.relation().contacts.len(), 1);
        kill(engine);
    }
}

#[test]
fn other_rules_read_the_customers_of_those_before_them() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    stop(engine);
    // Numbers of names must not move: something new comes first, and a stage, a channel and an action are gone.
    let other = RULES
        .replace("attributes:\n", "attributes:\n  customer.age: {type: number, purposes: [service]}\n")
        .replace("events:\n", "events:\n  alarm: {purposes: [service], keep: 1 year}\n")
        .replace("{to: sure, when: 'events.count(\"visit\", \"30d\") >= 3'}", "{to: done, event: alarm}")
        .replace("      looking:", "      waiting: {moves: [{to: looking, event: alarm}]}\n      looking:")
        .replace("      sure: {}", "      done: {end: true}");
    let other: String =
        other.lines().filter(|line| !line.contains("id: bye")).map(|line| format!("{line}\n")).collect();
    let (engine, _) = home.try_open(&other, later(1)).unwrap();
    assert_eq!(stage(&engine, later(1)).as_deref(), Some("looking"));
    let known = engine.customer("anna", later(1)).unwrap().attributes;
    assert!(known.contains(&("customer.plan".into(), Value::Text("dsl".into()))), "{known:?}");
    assert!(!says_hello(&engine, "anna", later(1)));
    visit(&engine, "v3", later(1));
    stop(engine);
    // A name that is declared again is known again.
    let engine = home.open(later(2));
    assert_eq!(engine.export("anna", later(2)).unwrap().state.events().len(), 3);
    assert!(!says_hello(&engine, "anna", later(2)));
}

#[test]
fn the_ledger_alone_says_what_may_be_used() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    stop(engine);
    let copy = home.0.path().join("copy");
    copy_folder(&home.customers(), &copy);
    let engine = home.open(later(1));
    engine.record_consent(consent("anna", "advice", ConsentStatus::Withdrawn), later(1)).unwrap();
    stop(engine);
    // Customers as they were before the withdrawal, under the ledger of now.
    fs::remove_dir_all(home.customers()).unwrap();
    copy_folder(&copy, &home.customers());
    let engine = home.open(later(2));
    assert!(chosen(&engine.decide(ask("anna", "phone", &[]), later(2)).unwrap()).is_empty());
    let known = engine.export("anna", later(2)).unwrap().state;
    assert_eq!(known.attributes().iter().count(), 1, "the name is purged, the plan stays");
}

#[test]
fn who_was_erased_does_not_come_back_from_any_copy() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    assert!(says_hello(&engine, "ben", monday()));
    stop(engine);
    let copy = home.0.path().join("copy");
    copy_folder(&home.customers(), &copy);
    let engine = home.open(later(1));
    engine.erase("anna", later(1)).unwrap();
    kill(engine);
    assert!(home.open(later(2)).export("anna", later(2)).unwrap().state.is_empty());

    for comes_back in [false, true] {
        fs::remove_dir_all(home.customers()).unwrap();
        copy_folder(&copy, &home.customers());
        let (engine, recovery) = home.try_open(RULES, later(3)).unwrap();
        assert_eq!(recovery.erased, 1, "and no other customer");
        if comes_back {
            engine.record_consent(consent("anna", "advice", ConsentStatus::Given), later(3)).unwrap();
        }
        assert!(engine.export("anna", later(3)).unwrap().state.is_empty());
        assert!(!says_hello(&engine, "ben", later(3)), "the others of the bucket stay");
        stop(engine);
    }
    // A customer who returned is a new one, and stored as such.
    let engine = home.open(later(4));
    visit(&engine, "v1", later(4));
    stop(engine);
    assert_eq!(home.open(later(5)).export("anna", later(5)).unwrap().state.events().len(), 1);
}

#[test]
fn expired_data_is_deleted_without_access() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    stop(engine);
    let month = monday() + Period(31 * Period::DAY.0);
    let engine = home.open(month);
    engine.purge_expired_batch(month);
    assert_eq!(engine.write_behind().unwrap(), 1);
    drop(engine);
    assert!(home.open(monday()).export("anna", monday()).unwrap().state.events().is_empty());
}

#[test]
fn a_damaged_customer_is_not_contacted_again() {
    let home = Home::new();
    let engine = home.open(monday());
    anna(&engine);
    stop(engine);
    let copy = home.0.path().join("copy");
    copy_folder(&home.customers(), &copy);
    let files: Vec<PathBuf> = files(&copy).into_iter().filter(|path| fs::metadata(path).unwrap().len() > 0).collect();
    let mut strict = 0;
    for flip in 0..24_usize {
        fs::remove_dir_all(home.customers()).unwrap();
        copy_folder(&copy, &home.customers());
        let path = home.customers().join(files[flip % files.len()].strip_prefix(&copy).unwrap());
        let mut bytes = fs::read(&path).unwrap();
        let at = flip.wrapping_mul(7_919) % bytes.len();
        bytes[at] ^= 1 << (flip % 8);
        fs::write(&path, bytes).unwrap();
        // One flipped bit stops no start.
        let engine = home.open(later(1));
        assert!(!says_hello(&engine, "anna", later(1)), "byte {at} of {}", path.display());
        strict += usize::from(engine.export("anna", later(1)).unwrap().unreadable.is_some());
    }
    println!("24 flipped bits: {strict} strict");
    assert!(strict > 0);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_store_that_lost_its_end_says_so_and_closes_all_limits() {
    let stopped_when_due = |engine: Engine| {
        engine.write_due().unwrap();
        kill(engine);
    };
    for end in [stop, stopped_when_due] {
        let home = Home::new();
        stop(home.open(monday()));
        let copy = home.0.path().join("copy");
        copy_folder(&home.customers().join("records"), &copy);
        let engine = home.open(later(1));
        anna(&engine);
        end(engine);
        fs::remove_dir_all(home.customers().join("records")).unwrap();
        copy_folder(&copy, &home.customers().join("records"));
        let (engine, recovery) = home.try_open(RULES, later(2)).unwrap();
        assert!(recovery.flushes > 0, "{recovery:?}");
        assert!(!says_hello(&engine, "anna", later(2)) && !says_hello(&engine, "ben", later(2)));
    }
}

#[test]
fn a_number_means_the_same_name_after_a_kill() {
    let (one_more, two_more) = (with_action(RULES, "more"), with_action(&with_action(RULES, "more"), "other"));
    let home = Home::new();
    let engine = home.open(monday());
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: one_more }]);
    engine.reload(|names| load(sources, names), monday());
    assert_eq!(chosen(&engine.decide(ask("anna", "web", &[]), monday()).unwrap()), ["more"]);
    kill(engine);
    let (engine, _) = home.try_open(&two_more, later(1)).unwrap();
    for expected in ["other", "hello"] {
        assert_eq!(chosen(&engine.decide(ask("anna", "web", &[]), later(1)).unwrap()), [expected], "not `more`");
    }
}

/// The rules with an action that wins over all others, once.
fn with_action(rules: &str, id: &str) -> String {
    let action = format!(
        "  - {{id: {id}, title: More, kind: offer, purpose: service, relevance: {{base: 90}}, intrusiveness: 1, limits: [{{at_most: 1, per: 30 days}}], treatments: {{web: {{text: more}}}}}}\n"
    );
    rules.replace("actions:\n", &format!("actions:\n{action}"))
}

#[test]
fn a_customer_with_only_contacts_is_flushed_later_and_not_lost() {
    let home = Home::new();
    let engine = home.open(monday());
    ["anna", "ben", "dora"].iter().for_each(|who| assert_eq!(visit_of(&engine, who, "v1", monday()), ""));
    stop(engine);
    let engine = home.open(monday());
    let waiting = |engine: &Engine| engine.store().unwrap().contact_log().dirty_customers();
    assert!(says_hello(&engine, "anna", monday()) && says_hello(&engine, "ben", monday()));
    assert!(says_hello(&engine, "emil", monday()), "a customer that the store has never seen");
    assert_eq!(visit_of(&engine, "anna", "v2", monday()), "");
    assert_eq!((engine.write_due().unwrap(), waiting(&engine)), (2, 2), "anna and emil; ben waits, and anna's turn");
    engine.erase("clara", monday()).unwrap();
    assert_eq!(waiting(&engine), 0, "an erasure leaves nothing in the contact log");
    assert!(says_hello(&engine, "dora", later(1)));
    kill(engine);
    let (engine, recovery) = home.try_open(RULES, later(2)).unwrap();
    assert_eq!(recovery.replayed, 1, "dora");
    assert!(["anna", "ben", "dora", "emil"].iter().all(|who| !says_hello(&engine, who, later(2))));
}

#[test]
fn a_withdrawn_contact_stays_withdrawn_after_a_kill() {
    let home = Home::new();
    let engine = home.open(monday());
    let told = engine.decide(ask("anna", "web", &[]), monday()).unwrap();
    assert_eq!(outcome(&engine, &told.id(), Outcome::NotPresented, "o1", monday()), "");
    kill(engine);
    assert!(says_hello(&home.open(later(1)), "anna", later(1)), "it was not presented");
}

#[test]
fn an_id_that_is_used_again_later_takes_nothing_back() {
    let home = Home::new();
    let rules = RULES.replace("{at_most: 1, per: 30 days}", "{at_most: 2, per: 30 days}");
    let question = || Question { request_id: "home".into(), ..ask("anna", "web", &[]) };
    let engine = home.try_open(&rules, monday()).unwrap().0;
    let engine = engine.keeping_ids(IdsKept { period: Period(10 * 60_000), ..IdsKept::default() });
    for minute in [0, 11] {
        assert_eq!(chosen(&engine.decide(question(), later(minute)).unwrap()), ["hello"]);
        engine.write_due().unwrap();
    }
    kill(engine);
    let engine = home.try_open(&rules, later(12)).unwrap().0;
    assert!(!says_hello(&engine, "anna", later(12)), "both count");
}

#[test]
fn an_evicted_customer_returns_unchanged_and_a_denial_stays() {
    let home = Home::new();
    let engine = home.open(monday());
    let engine = bounded(engine, &home, MemoryLimit { bytes: 1, in_use: more_and_more });
    anna(&engine);
    engine.record_consent(consent("anna", "advice", ConsentStatus::Withdrawn), monday()).unwrap();
    engine.write_due().unwrap();
    for number in 0..400 {
        assert!(says_hello(&engine, &format!("stranger-{number}"), later(1)));
        if number % 100 == 99 {
            engine.write_due().unwrap();
        }
    }
    assert!(engine.customer_count() < 401, "a customer was evicted");
    assert!(!says_hello(&engine, "anna", later(2)));
    assert!(chosen(&engine.decide(ask("anna", "phone", &[]), later(2)).unwrap()).is_empty());
    for number in 0..400 {
        assert!(!says_hello(&engine, &format!("stranger-{number}"), later(2)), "{number} was forgotten");
    }
}

#[test]
fn dirty_customers_are_flushed_at_once_from_three_quarters_of_the_memory_on() {
    let waiting = |in_use: fn() -> Option<u64>| {
        let home = Home::new();
        let engine = bounded(home.open(monday()), &home, MemoryLimit { bytes: 1_000, in_use });
        visit(&engine, "v1", monday());
        engine.write_due().unwrap();
        assert!(says_hello(&engine, "anna", monday()));
        engine.write_due().unwrap();
        engine.store().unwrap().contact_log().dirty_customers()
    };
    assert_eq!((waiting(|| Some(700)), waiting(|| Some(800))), (1, 0));
}

/// Memory that only grows.
fn more_and_more() -> Option<u64> {
    static IN_USE: AtomicU64 = AtomicU64::new(0);
    Some(IN_USE.fetch_add(1_000, Ordering::Relaxed))
}

/// The same with a limit.
fn bounded(engine: Engine, home: &Home, most: MemoryLimit) -> Engine {
    drop(engine);
    let settings = home.settings();
    let opened = FileLedger::open(&settings).unwrap();
    let vault = opened.ledger.vault(&settings).unwrap();
    let store = CustomerStore::open(&settings.data, vault, &[]).unwrap();
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: RULES.into() }]);
    let rules = Arc::new(load(sources, &store.vocabulary).rule_set.unwrap());
    Engine::new(rules, Arc::new(opened.ledger), Limits { decisions: 10 }, monday()).with_store(store.store, Some(most))
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}
