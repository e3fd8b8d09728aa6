//! What every backend must do, as an engine over it shows: each test runs on the memory backend, on the embedded one,
//! and on PostgreSQL where this machine has it.
//!
//! A new backend implements `Place` and adds a line to `contract!`. What only a backend can show that several engines
//! share is in `shared`.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt as _;
use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus::{Given, Withdrawn};
use tactful::domain::consent::Denial;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{ConsentRequest, CustomerExport, Engine, EngineError, Limits, OutcomeInput, RecordConsent};
use tactful::ledger::FileLedger;
use tactful::rules::load;
use tactful::storage::{Backend, Embedded, MemoryBackend};
use tactful::store::CustomerStore;

use super::keeping::{Home, RULES, later};
use super::support::{StubbornLedger, ask, attributes, chosen, consent, event, monday};

/// Where a backend is: what a test may do to it.
pub(super) trait Place {
    /// Opens the backend; after a kill, with what was durable before.
    fn open(&self) -> Arc<dyn Backend>;
    /// Consent records do not become durable until the result is dropped.
    fn hold(&self) -> Held<'_>;
    /// Consent records are refused from now on, or accepted again.
    fn fail(&self, fail: bool);
    /// The process that uses the backend ends without a stop.
    fn kill(&self, engine: Engine);
}

/// Lets go of what it holds when it is dropped.
pub(super) trait Holds {}

impl<T> Holds for T {}

pub(super) type Held<'p> = Box<dyn Holds + 'p>;

#[derive(Default)]
struct InMemory(Arc<MemoryBackend>);

struct Holding(Arc<MemoryBackend>);

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.hold(false);
    }
}

impl Place for InMemory {
    fn open(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.0) as Arc<dyn Backend>
    }

    fn hold(&self) -> Held<'_> {
        self.0.hold(true);
        Box::new(Holding(Arc::clone(&self.0)))
    }

    fn fail(&self, fail: bool) {
        self.0.fail(fail);
    }

    fn kill(&self, engine: Engine) {
        drop(engine);
        self.0.kill();
    }
}

/// A data folder, and the ledger that was opened last.
struct InFiles(Home, Mutex<Option<Arc<StubbornLedger>>>);

impl Default for InFiles {
    fn default() -> Self {
        Self(Home::new(), Mutex::default())
    }
}

impl InFiles {
    fn ledger(&self) -> MutexGuard<'_, Option<Arc<StubbornLedger>>> {
        self.1.lock().unwrap()
    }
}

struct Gate(Option<std::thread::JoinHandle<()>>, std::sync::mpsc::Sender<()>);

impl Drop for Gate {
    fn drop(&mut self) {
        self.1.send(()).unwrap();
        self.0.take().unwrap().join().unwrap();
    }
}

impl Place for InFiles {
    fn open(&self) -> Arc<dyn Backend> {
        // The lock on the folder is released with the ledger that had it.
        *self.ledger() = None;
        let settings = self.0.settings();
        let opened = FileLedger::open(&settings).unwrap();
        let vault = opened.ledger.vault(&settings).unwrap();
        let store = CustomerStore::open(&settings.data, vault, &opened.ledger.erased()).unwrap().store;
        let ledger = Arc::new(StubbornLedger::over(Arc::new(opened.ledger)));
        *self.ledger() = Some(Arc::clone(&ledger));
        Arc::new(Embedded::new(ledger, Some(store)))
    }

    fn hold(&self) -> Held<'_> {
        let gate = Arc::clone(&self.ledger().as_ref().unwrap().gate);
        let ((held, is_held), (free, freed)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let keeper = std::thread::spawn(move || {
            let _gate = gate.lock().unwrap();
            held.send(()).unwrap();
            freed.recv().unwrap();
        });
        is_held.recv().unwrap();
        Box::new(Gate(Some(keeper), free))
    }

    fn fail(&self, fail: bool) {
        self.ledger().as_ref().unwrap().broken.store(fail, Ordering::SeqCst);
    }

    fn kill(&self, engine: Engine) {
        *self.ledger() = None;
        super::keeping::kill(engine);
    }
}

/// An engine over a backend.
pub(super) fn engine_over(backend: Arc<dyn Backend>, rules: &str, now: Moment) -> Engine {
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: rules.into() }]);
    let rules = Arc::new(load(sources, &backend.names().unwrap()).rule_set.unwrap());
    Engine::over(rules, backend, Limits { decisions: 4 << 20 }, now)
}

pub(super) fn open(place: &dyn Place) -> Engine {
    engine_over(place.open(), RULES, monday())
}

/// Kills the process of an engine, and starts the next one at `now`.
fn again(place: &dyn Place, engine: Engine, now: Moment) -> Engine {
    place.kill(engine);
    engine_over(place.open(), RULES, now)
}

/// The actions that are said to anna.
fn said(engine: &Engine, channel: &str, now: Moment) -> Vec<String> {
    let decided = engine.decide(ask("anna", channel, &[]), now).unwrap();
    chosen(&decided).into_iter().map(str::to_owned).collect()
}

fn export(engine: &Engine, now: Moment) -> CustomerExport {
    engine.export("anna", now).unwrap()
}

fn contacts(engine: &Engine, now: Moment) -> usize {
    export(engine, now).state.relation().contacts.len()
}

fn denial(engine: &Engine, now: Moment) -> Option<Denial> {
    let standing = engine.standing("anna", now).unwrap();
    standing.into_iter().find(|view| view.purpose == "advice").unwrap().denial
}

fn tell(engine: &Engine, request: ConsentRequest, now: Moment) {
    assert!(engine.record_consent(request, now).unwrap().results[0].accepted);
}

pub(super) fn give(engine: &Engine, now: Moment) {
    tell(engine, consent("anna", "advice", Given), now);
}

/// Lets a consent wait for the disk, looks, and lets it end.
fn while_recording<T>(place: &dyn Place, engine: &Engine, request: ConsentRequest, look: impl FnOnce() -> T) -> T {
    let operation = RecordConsent::new(request, engine.rules(), later(1)).unwrap();
    let held = place.hold();
    let mut recording = pin!(engine.execute(&operation, later(1)));
    assert!(recording.as_mut().now_or_never().is_none(), "it waits until it is durable");
    let seen = look();
    drop(held);
    assert!(tactful::sync::block_on(recording).unwrap().unwrap().results[0].accepted);
    seen
}

fn a_contact_survives_a_kill(place: &dyn Place) {
    let engine = open(place);
    assert_eq!(said(&engine, "web", later(0)), ["hello"]);
    let engine = again(place, engine, later(1));
    assert_eq!((said(&engine, "web", later(1)), contacts(&engine, later(1))), (vec![], 1));
}

fn an_outcome_survives_a_kill(place: &dyn Place) {
    let engine = open(place);
    let decided = engine.decide(ask("anna", "web", &[]), later(0)).unwrap();
    let rejected = OutcomeInput {
        outcome_id: "o1".into(),
        decision_id: decided.id(),
        customer: "anna".into(),
        action: "hello".into(),
        channel: String::new(),
        outcome: Outcome::Rejected,
        occurred: None,
    };
    assert_eq!(engine.record_outcomes(vec![rejected], later(1)).unwrap()[0].reason, "");
    let engine = again(place, engine, later(2));
    let after = |days| later(0) + Period(days * Period::DAY.0);
    assert_eq!(said(&engine, "web", after(60)), [""; 0], "the limit has refilled, and the wait of 90 days has not");
    assert_eq!(said(&engine, "web", after(91)), ["hello"]);
}

fn a_repeated_request_counts_once_over_a_kill(place: &dyn Place) {
    let request = || tactful::engine::Question { request_id: "r1".into(), ..ask("anna", "web", &[]) };
    let engine = open(place);
    engine.decide(request(), later(0)).unwrap();
    engine.decide(request(), later(1)).unwrap();
    let engine = again(place, engine, later(2));
    let repeated = engine.decide(request(), later(2)).unwrap();
    assert_eq!((chosen(&repeated), contacts(&engine, later(2))), (vec!["hello"], 1));
}

fn a_consent_survives_a_kill(place: &dyn Place) {
    let engine = open(place);
    give(&engine, later(0));
    let engine = again(place, engine, later(1));
    assert_eq!(denial(&engine, later(1)), None);
    tell(&engine, consent("anna", "advice", Withdrawn), later(2));
    let engine = again(place, engine, later(3));
    assert_eq!(denial(&engine, later(3)), Some(Denial::Withdrawn));
}

fn a_grant_takes_effect_when_it_is_durable(place: &dyn Place) {
    let engine = open(place);
    let before = while_recording(place, &engine, consent("anna", "advice", Given), || denial(&engine, later(1)));
    assert_eq!((before, denial(&engine, later(2))), (Some(Denial::NoRecord), None));
}

fn a_restriction_takes_effect_at_once(place: &dyn Place) {
    let engine = open(place);
    give(&engine, later(0));
    let withdrawal = consent("anna", "advice", Withdrawn);
    let before = while_recording(place, &engine, withdrawal, || denial(&engine, later(1)));
    assert_eq!((before, denial(&engine, later(2))), (Some(Denial::Withdrawn), Some(Denial::Withdrawn)));
    assert_eq!(engine.consent_records("anna").unwrap().len(), 2);
}

fn a_restriction_that_is_refused_stays_in_effect(place: &dyn Place) {
    let engine = open(place);
    give(&engine, later(0));
    place.fail(true);
    let refused = engine.record_consent(consent("anna", "advice", Withdrawn), later(1));
    assert!(matches!(refused, Err(EngineError::LedgerUnavailable(_))), "{refused:?}");
    place.fail(false);
    engine.trust_ledger(true);
    assert_eq!(denial(&engine, later(2)), Some(Denial::Withdrawn));
    engine.sweep(later(3));
    assert_eq!(denial(&engine, later(3)), Some(Denial::Withdrawn));
}

fn a_grant_that_is_refused_has_no_effect(place: &dyn Place) {
    let engine = open(place);
    place.fail(true);
    assert!(engine.record_consent(consent("anna", "advice", Given), later(1)).is_err());
    place.fail(false);
    engine.trust_ledger(true);
    assert_eq!(denial(&engine, later(2)), Some(Denial::NoRecord));
    assert_eq!(engine.ledger_records(), 0);
}

fn attributes_survive_a_stop(place: &dyn Place) {
    let engine = open(place);
    give(&engine, later(0));
    engine.set_attributes(attributes("anna", &[("customer.name", Value::Text("Anna".into()))]), later(1)).unwrap();
    engine.write_behind().unwrap();
    let engine = again(place, engine, later(2));
    assert_eq!(said(&engine, "phone", later(2)), ["bye"]);
}

fn an_erased_customer_does_not_come_back(place: &dyn Place) {
    let engine = open(place);
    give(&engine, later(0));
    engine.set_attributes(attributes("anna", &[("customer.name", Value::Text("Anna".into()))]), later(1)).unwrap();
    engine.write_behind().unwrap();
    engine.erase("anna", later(2)).unwrap();
    let gone = |engine: &Engine, now| (denial(engine, now), export(engine, now).records.unwrap().len());
    assert_eq!(gone(&engine, later(3)), (Some(Denial::Erased), 0));
    let engine = again(place, engine, later(4));
    assert_eq!(gone(&engine, later(4)), (Some(Denial::Erased), 0));
    assert_eq!(said(&engine, "phone", later(4)), [""; 0]);
}

fn a_name_keeps_its_id(place: &dyn Place) {
    let engine = open(place);
    assert_eq!(said(&engine, "web", later(0)), ["hello"]);
    place.kill(engine);
    // An action whose id sorts before, so that a vocabulary that begins again would number it as the old one.
    let rules = RULES.replace("actions:\n", "actions:\n  - {id: aaa, title: A, kind: service, purpose: service, relevance: {base: 1}, intrusiveness: 0, treatments: {phone: {text: a}}}\n");
    let engine = engine_over(place.open(), &rules, later(1));
    assert_eq!(said(&engine, "web", later(1)), [""; 0], "the contact is still one of hello");
}

fn data_past_its_time_is_deleted_where_no_call_loads_it(place: &dyn Place) {
    let engine = open(place);
    assert_eq!(engine.record_events(vec![event("anna", "visit", &[("page", "a")])], later(0)).unwrap()[0].reason, "");
    engine.write_behind().unwrap();
    let events = |backend: &dyn Backend| {
        let stored = backend.read("anna").customer.unwrap();
        stored.map_or(0, |stored| stored.state.events().len())
    };
    place.kill(engine);
    let backend = place.open();
    assert_eq!(events(&*backend), 1);
    let after = later(0) + Period(31 * Period::DAY.0);
    let engine = engine_over(Arc::clone(&backend), RULES, after);
    engine.purge_expired_batch(after);
    engine.write_behind().unwrap();
    assert_eq!(events(&*backend), 0);
}

/// Runs each test on each backend.
macro_rules! contract {
    ($($test:ident)*) => {
        mod memory {
            $(#[test] fn $test() { super::$test(&super::InMemory::default()); })*
        }
        mod embedded {
            $(#[test] fn $test() { super::$test(&super::InFiles::default()); })*
        }
        mod postgres {
            $(#[test] fn $test() { super::super::postgres::on_postgres(super::$test); })*
        }
    };
}

contract! {
    a_contact_survives_a_kill
    an_outcome_survives_a_kill
    a_repeated_request_counts_once_over_a_kill
    a_consent_survives_a_kill
    a_grant_takes_effect_when_it_is_durable
    a_restriction_takes_effect_at_once
    a_restriction_that_is_refused_stays_in_effect
    a_grant_that_is_refused_has_no_effect
    attributes_survive_a_stop
    an_erased_customer_does_not_come_back
    a_name_keeps_its_id
    data_past_its_time_is_deleted_where_no_call_loads_it
}

/// Two engines over one backend.
mod shared {
    use super::*;

    /// Two engines that both have anna in memory.
    fn two(place: &dyn Place) -> [Engine; 2] {
        let engines = [open(place), open(place)];
        give(&engines[0], later(0));
        engines.iter().for_each(|engine| assert_eq!(denial(engine, later(1)), None));
        engines
    }

    fn a_limit_holds_over_both(place: &dyn Place) {
        let [one, other] = two(place);
        assert_eq!(said(&one, "web", later(2)), ["hello"]);
        assert_eq!(said(&other, "web", later(3)), [""; 0], "the other engine's copy is stale, and it must notice");
    }

    fn a_silence_rests_on_no_stale_copy(place: &dyn Place) {
        let [one, other] = two(place);
        let name = [("customer.name", Value::Text("Anna".into()))];
        assert_eq!(said(&other, "phone", later(1)), [""; 0]);
        one.set_attributes(attributes("anna", &name), later(2)).unwrap();
        assert_eq!(said(&other, "phone", later(3)), ["bye"]);
    }

    fn a_contact_counts_once_when_its_decision_runs_again(place: &dyn Place) {
        let [one, other] = two(place);
        one.record_events(vec![event("anna", "visit", &[("page", "a")])], later(2)).unwrap();
        assert_eq!(said(&other, "web", later(3)), ["hello"]);
        assert_eq!([contacts(&one, later(4)), contacts(&other, later(4))], [1, 1]);
    }

    fn a_restriction_is_not_lost_by_a_conflict(place: &dyn Place) {
        let [one, other] = two(place);
        one.record_events(vec![event("anna", "visit", &[("page", "a")])], later(1)).unwrap();
        let withdraw = RecordConsent::new(consent("anna", "advice", Withdrawn), other.rules(), later(1)).unwrap();
        let held = place.hold();
        let mut withdrawing = pin!(other.execute(&withdraw, later(1)));
        assert!(withdrawing.as_mut().now_or_never().is_none());
        drop(held);
        // The copy was stale, so the records were refused; this loads the customer again, before they are repeated.
        assert_eq!(denial(&other, later(1)), Some(Denial::Withdrawn));
        assert_eq!(one.consent_records("anna").unwrap().len(), 1);
        assert!(tactful::sync::block_on(withdrawing).unwrap().unwrap().results[0].accepted);
        assert_eq!([&one, &other].map(|engine| denial(engine, later(2))), [Some(Denial::Withdrawn); 2]);
        assert_eq!(one.consent_records("anna").unwrap().len(), 2);
    }

    fn a_denial_undoes_the_contact_of_an_answer_under_way(place: &dyn Place) {
        let [one, _] = two(place);
        let name = [("customer.name", Value::Text("Anna".into()))];
        one.set_attributes(attributes("anna", &name), later(1)).unwrap();
        let (question, rules) = (ask("anna", "phone", &[]), one.rules());
        let decide = tactful::engine::Decide::new(question, rules.clone()).unwrap();
        let withdraw = RecordConsent::new(consent("anna", "advice", Withdrawn), rules, later(2)).unwrap();
        let held = place.hold();
        let mut deciding = pin!(one.execute(&decide, later(2)));
        assert!(deciding.as_mut().now_or_never().is_none());
        let mut withdrawing = pin!(one.execute(&withdraw, later(2)));
        assert!(withdrawing.as_mut().now_or_never().is_none());
        drop(held);
        let decided = tactful::sync::block_on(deciding).unwrap().unwrap();
        assert!(tactful::sync::block_on(withdrawing).unwrap().is_ok());
        assert_eq!((chosen(&decided), contacts(&one, later(3))), (vec![], 0));
        assert_eq!(contacts(&open(place), later(3)), 0);
    }

    macro_rules! on_each {
        ($($test:ident)*) => {
            mod memory {
                $(#[test] fn $test() { super::$test(&super::InMemory::default()); })*
            }
            mod postgres {
                $(#[test] fn $test() { super::super::super::postgres::on_postgres(super::$test); })*
            }
        };
    }

    on_each! {
        a_limit_holds_over_both
        a_silence_rests_on_no_stale_copy
        a_contact_counts_once_when_its_decision_runs_again
        a_restriction_is_not_lost_by_a_conflict
        a_denial_undoes_the_contact_of_an_answer_under_way
    }
}

/// Backends with a fault, each of which a test of the contract detects.
mod faulty {
    use tactful::domain::id::Vocabulary;
    use tactful::ledger::{Erasure, Ledger, LedgerError};
    use tactful::storage::{Cache, Page, Pending, Stored, Transaction};
    use tactful::store::StoreError;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Fault {
        AcknowledgesBeforeDurable,
        AcceptsStaleVersions,
        ForgetsTheLog,
    }

    #[derive(Debug)]
    struct Faulty(Arc<MemoryBackend>, Fault);

    impl Backend for Faulty {
        fn read(&self, customer: &str) -> Stored {
            self.0.read(customer)
        }

        fn commit<'b>(&'b self, transaction: Transaction<'_>) -> Pending<'b> {
            match self.1 {
                Fault::AcknowledgesBeforeDurable => {
                    drop(self.0.commit(transaction));
                    Pending::Done
                }
                Fault::AcceptsStaleVersions => {
                    transaction.customer.hold(self.0.read(transaction.id).held);
                    self.0.commit(transaction)
                }
                Fault::ForgetsTheLog if !transaction.log.is_empty() => Pending::Done,
                Fault::ForgetsTheLog => self.0.commit(transaction),
            }
        }

        fn erase(&self, customer: &str, now: Moment, cache: Cache<'_>) -> Result<Erasure, LedgerError> {
            self.0.erase(customer, now, cache)
        }

        fn ledger(&self) -> &Arc<dyn Ledger> {
            self.0.ledger()
        }

        fn is_shared(&self) -> bool {
            true
        }

        fn names(&self) -> Result<Vocabulary, StoreError> {
            self.0.names()
        }

        fn store_names(&self, names: &Vocabulary) -> Result<(), StoreError> {
            self.0.store_names(names)
        }

        fn page(&self, from: &[u8], most: usize) -> Result<Page, StoreError> {
            self.0.page(from, most)
        }
    }

    struct FaultyPlace(InMemory, Fault);

    impl Place for FaultyPlace {
        fn open(&self) -> Arc<dyn Backend> {
            Arc::new(Faulty(Arc::clone(&self.0.0), self.1))
        }

        fn hold(&self) -> Held<'_> {
            self.0.hold()
        }

        fn fail(&self, fail: bool) {
            self.0.fail(fail);
        }

        fn kill(&self, engine: Engine) {
            self.0.kill(engine);
        }
    }

    fn place(fault: Fault) -> FaultyPlace {
        FaultyPlace(InMemory::default(), fault)
    }

    #[test]
    #[should_panic(expected = "it waits until it is durable")]
    fn acknowledged_before_durable() {
        a_grant_takes_effect_when_it_is_durable(&place(Fault::AcknowledgesBeforeDurable));
    }

    #[test]
    #[should_panic(expected = "it must notice")]
    fn stale_version_accepted() {
        let place = place(Fault::AcceptsStaleVersions);
        let [one, other] = [open(&place), open(&place)];
        give(&one, later(0));
        assert_eq!([&one, &other].map(|engine| denial(engine, later(1))), [None; 2]);
        assert_eq!(said(&one, "web", later(2)), ["hello"]);
        assert_eq!(said(&other, "web", later(3)), [""; 0], "the other engine's copy is stale, and it must notice");
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn contacts_forgotten() {
        a_contact_survives_a_kill(&place(Fault::ForgetsTheLog));
    }
}
