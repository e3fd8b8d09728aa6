//! Denied data is gone: from repeated answers, past decisions, simulations, histories and journeys.

use std::sync::Arc;

use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus::{Given, Objected, Refused, Restricted, Withdrawn};
use tactful::domain::consent::Denial;
use tactful::domain::decide::{Explain, Gate};
use tactful::domain::id::Vocabulary;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{Engine, EngineError, OutcomeInput, Question, RecordConsent};
use tactful::rules::{Loaded, load};
use tactful::sync::block_on;

use super::support::{StubbornLedger, ask, attributes, chosen, consent, engine, event, monday, rules_of};

const RULES: &str = r#"
purposes:
  service: {basis: contract}
  personalisation: {basis: consent, cooling_off: 90 days}
  marketing: {basis: consent, cooling_off: 90 days}
  marketing.email: {basis: consent, cooling_off: 90 days}
attributes:
  customer.name: {type: text, purposes: [personalisation]}
events:
  visit: {purposes: [personalisation], keep: 90 days}
  complaint: {purposes: [service], hurt: 40, keep: 1 year}
channels:
  web: {direction: inbound, interruption: 0}
actions:
  - id: hello
    title: Hello
    kind: offer
    purpose: personalisation
    eligible: ['customer.name != "nobody"']
    relevance: {base: 60}
    intrusiveness: 1
    treatments: {web: {text: "hi {customer.name}"}}
  - id: again
    title: Again
    kind: offer
    purpose: personalisation
    eligible: ['outcomes.count("hello", "accepted", "365d") > 0']
    relevance: {base: 90}
    intrusiveness: 1
    treatments: {web: {text: again}}
  - id: help
    title: Help
    kind: offer
    purpose: service
    relevance: {base: 50}
    intrusiveness: 1
    treatments: {web: {text: help}}
  - {id: ask, title: Ask, kind: consent_ask, asks: marketing.email, purpose: service, intrusiveness: 0, relevance: {add: [{points: 5, when: now > timestamp("2000-01-01T00:00:00Z")}]}, treatments: {web: {text: may we}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 0}}
  hurt: {half_life: 365 days}
  time_zone: UTC
"#;

fn given() -> Engine {
    let engine = engine(&rules_of(RULES));
    engine.record_consent(consent("anna", "personalisation", Given), monday()).unwrap();
    engine.set_attributes(attributes("anna", &[("customer.name", Value::Text("Anna".into()))]), monday()).unwrap();
    engine
}

fn say(engine: &Engine, purpose: &str, status: tactful::domain::consent::ConsentStatus, at: Moment) {
    let answer = engine.record_consent(consent("anna", purpose, status), at).unwrap();
    assert!(answer.results[0].accepted, "{answer:?}");
}

fn request(id: &str) -> Question {
    Question { request_id: id.into(), ..ask("anna", "web", &[]) }
}

#[test]
fn neither_a_repeated_request_nor_a_past_decision_shows_what_was_withdrawn() {
    let engine = given();
    let first = engine.decide(request("r1"), monday()).unwrap();
    assert_eq!(&*first.decision.actions[0].text, "hi Anna");
    let full = Question { explain: Explain::Full, ..request("r2") };
    engine.decide(full.clone(), monday()).unwrap();
    say(&engine, "personalisation", Withdrawn, monday());
    say(&engine, "personalisation", Given, monday());
    for question in [request("r1"), full] {
        let answer = format!("{:?}", engine.decide(question, monday()).unwrap().decision);
        assert!(!answer.contains("Anna"), "{answer}");
    }
    let past = engine.decision(&first.id(), monday()).unwrap();
    assert_eq!(chosen(&past), ["hello"]);
    assert!(!format!("{:?}", past.decision).contains("Anna"));
    let later = monday() + Period(2 * Period::DAY.0);
    assert!(matches!(engine.decision(&first.id(), later), Err(EngineError::UnknownDecision(_))));
}

#[test]
fn a_simulation_reads_no_more_than_the_rules_in_force() {
    let engine = given();
    let draft = RULES
        .replace(
            "customer.name: {type: text, purposes: [personalisation]}",
            "customer.name: {type: text, personal: false}",
        )
        .replace("purpose: personalisation", "purpose: service");
    let simulate = |at| {
        let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: draft.clone() }]);
        let rules = load(sources, &engine.rules().set.vocabulary).rule_set.unwrap();
        format!("{:?}", engine.simulate(request(""), Arc::new(rules), at, monday()).unwrap().decision)
    };
    assert!(!simulate(monday()).contains("Anna"));
    engine.record_consent(consent("anna", "", Restricted), monday()).unwrap();
    assert!(!simulate(monday() - Period::DAY).contains("Anna"));
}

#[test]
fn outcomes_without_consent_are_not_read_after_it() {
    let engine = engine(&rules_of(RULES));
    let accepted = OutcomeInput {
        outcome_id: "same".into(),
        decision_id: String::new(),
        customer: "anna".into(),
        action: "hello".into(),
        channel: "web".into(),
        outcome: Outcome::Accepted,
        occurred: None,
    };
    engine.record_outcomes(vec![accepted.clone()], monday()).unwrap();
    say(&engine, "personalisation", Given, monday());
    assert_eq!(chosen(&engine.decide(ask("anna", "web", &[]), monday()).unwrap()), ["help"]);
    let fresh = OutcomeInput { outcome_id: "other".into(), ..accepted };
    engine.record_outcomes(vec![fresh], monday()).unwrap();
    assert_eq!(chosen(&engine.decide(ask("anna", "web", &[]), monday()).unwrap()), ["again"]);
    say(&engine, "personalisation", Withdrawn, monday());
    say(&engine, "personalisation", Given, monday());
    assert_eq!(chosen(&engine.decide(ask("anna", "web", &[]), monday()).unwrap()), ["help"]);
}

#[test]
fn many_events_of_one_purpose_do_not_push_out_those_of_another() {
    let quiet = given();
    let busy = given();
    for engine in [&quiet, &busy] {
        engine.record_events(vec![event("anna", "complaint", &[])], monday()).unwrap();
    }
    busy.record_events((0..600).map(|_| event("anna", "visit", &[])).collect(), monday()).unwrap();
    for engine in [&quiet, &busy] {
        say(engine, "personalisation", Withdrawn, monday());
    }
    let answer = |engine: &Engine| format!("{:?}", engine.decide(ask("anna", "web", &[]), monday()).unwrap().decision);
    assert_eq!(answer(&quiet).replace("ledger_position", ""), answer(&busy).replace("ledger_position", ""));
}

#[test]
fn an_event_and_an_outcome_may_share_an_id() {
    let engine = given();
    let mut visit = event("anna", "visit", &[]);
    visit.event_id = "m1".into();
    engine.record_events(vec![visit], monday()).unwrap();
    let outcome = OutcomeInput {
        outcome_id: "m1".into(),
        decision_id: String::new(),
        customer: "anna".into(),
        action: "help".into(),
        channel: String::new(),
        outcome: Outcome::Rejected,
        occurred: None,
    };
    assert_eq!(engine.record_outcomes(vec![outcome], monday()).unwrap()[0].reason, "");
}

fn asked(engine: &Engine, at: Moment) -> Gate {
    let record = engine.decide(Question { explain: Explain::Full, ..ask("anna", "web", &[]) }, at).unwrap();
    let name = |id| record.rules.vocabulary.name(id).to_owned();
    let losers = &record.explanation().unwrap().candidates;
    losers.iter().find(|loser| name(loser.action) == "ask").unwrap().gate
}

#[test]
fn a_no_to_a_wider_purpose_keeps_narrower_asks_away_and_an_objection_for_good() {
    let engine = given();
    assert_ne!(asked(&engine, monday()), Gate::Ask);
    say(&engine, "marketing", Refused, monday());
    assert_eq!(asked(&engine, monday() + Period(89 * Period::DAY.0)), Gate::Ask);
    assert_ne!(asked(&engine, monday() + Period(91 * Period::DAY.0)), Gate::Ask);
    let later = monday() + Period(100 * Period::DAY.0);
    say(&engine, "marketing.email", Objected, later);
    say(&engine, "marketing.email", Withdrawn, later);
    assert_eq!(asked(&engine, later + Period(300 * Period::DAY.0)), Gate::Ask);
}

fn loaded(text: String, vocabulary: &Vocabulary) -> Loaded {
    load(Sources::new(vec![SourceFile { path: "rules.yaml".into(), text }]), vocabulary)
}

#[test]
fn a_no_to_a_purpose_that_is_not_declared_now_counts_when_it_is_again() {
    let engine = given();
    let without = RULES
        .replace("  personalisation: {basis: consent, cooling_off: 90 days}\n", "")
        .replace("[personalisation]", "[marketing]")
        .replace("purpose: personalisation", "purpose: marketing");
    assert!(!engine.reload(|vocabulary| loaded(without, vocabulary), monday()).refused());
    say(&engine, "personalisation", Withdrawn, monday());
    engine.reload(|vocabulary| loaded(RULES.into(), vocabulary), monday());
    let standing = engine.standing("anna", monday()).unwrap();
    assert!(standing.iter().all(|view| view.purpose != "personalisation" || !view.usable), "{standing:?}");
}

#[test]
fn a_grant_that_waits_for_the_disk_neither_counts_early_nor_beats_a_later_no() {
    let (engine, ledger) = StubbornLedger::under(rules_of(RULES));
    let usable = || {
        let standing = engine.standing("anna", monday() + Period(5)).unwrap();
        standing.iter().any(|view| view.purpose == "personalisation" && view.usable)
    };
    let mut grant = consent("anna", "personalisation", Given);
    grant.idempotency_key = "k".into();
    std::thread::scope(|scope| {
        let held = ledger.gate.lock().unwrap();
        let first = scope.spawn(|| engine.record_consent(grant.clone(), monday()).unwrap());
        ledger.wait_for(1);
        assert!(!usable(), "a grant takes effect only when it is durable");
        let no = scope.spawn(|| {
            engine.record_consent(consent("anna", "personalisation", Withdrawn), monday() + Period(1)).unwrap()
        });
        ledger.wait_for(2);
        let repeated = engine.record_consent(grant.clone(), monday() + Period(2));
        assert!(matches!(repeated, Err(EngineError::InProgress(_))), "{repeated:?}");
        drop(held);
        first.join().unwrap();
        no.join().unwrap();
    });
    engine.record_consent(grant, monday() + Period(3)).unwrap();
    assert!(!usable(), "a repeated grant is the same grant, and the no came after it");
}

fn denial(engine: &Engine, purpose: &str) -> Option<Denial> {
    let standing = engine.standing("anna", monday()).unwrap();
    standing.into_iter().find(|view| view.purpose == purpose).unwrap().denial
}

#[test]
fn a_no_is_recorded_while_another_customer_is_being_erased() {
    let (engine, ledger) = StubbornLedger::under(rules_of(RULES));
    say(&engine, "personalisation", Given, monday());
    std::thread::scope(|scope| {
        let held = ledger.erasing.lock().unwrap();
        let erasure = scope.spawn(|| engine.erase("bea", monday()).unwrap());
        ledger.wait_for(2);
        let withdrawal = consent("anna", "personalisation", Withdrawn);
        let withdrawal = RecordConsent::new(withdrawal, engine.rules(), monday()).unwrap();
        assert!(block_on(engine.execute(&withdrawal, monday())).unwrap().unwrap().results[0].accepted);
        assert_eq!(denial(&engine, "personalisation"), Some(Denial::Withdrawn));
        drop(held);
        erasure.join().unwrap();
    });
    assert_eq!(engine.consent_records("anna").unwrap().len(), 2);
}

#[test]
fn an_idempotency_key_is_remembered_for_a_day_and_only_where_something_was_accepted() {
    let engine = engine(&rules_of(RULES));
    let keyed = |purpose, status| {
        let mut request = consent("anna", purpose, status);
        request.idempotency_key = "k".into();
        request
    };
    let record = |request, at| engine.record_consent(request, at);
    assert!(!record(keyed("personalisatoin", Given), monday()).unwrap().results[0].accepted);
    engine.sweep(monday());
    assert_eq!(engine.customer_count(), 0, "a request that is refused leaves nothing");

    let first = record(keyed("personalisation", Given), monday()).unwrap();
    let almost = monday() + Period(Period::DAY.0 - 1);
    engine.sweep(almost);
    assert_eq!(record(keyed("personalisation", Given), almost).unwrap(), first);
    let other = record(keyed("personalisation", Withdrawn), almost);
    assert!(matches!(other, Err(EngineError::IdempotencyKeyReused(_))), "{other:?}");
    assert_eq!(engine.ledger_records(), 1);
    assert!(record(keyed("personalisation", Withdrawn), monday() + Period::DAY).unwrap().results[0].accepted);
    assert_eq!(engine.ledger_records(), 2);
}

#[test]
fn a_call_that_ends_badly_gives_its_idempotency_key_back() {
    let (engine, ledger) = StubbornLedger::under(rules_of(RULES));
    let mut grant = consent("anna", "personalisation", Given);
    grant.idempotency_key = "k".into();
    let fails = std::panic::AssertUnwindSafe(|| {
        let _held = ledger.gate.lock().unwrap();
        panic!("the test breaks the ledger");
    });
    assert!(std::panic::catch_unwind(fails).is_err());
    let call = engine.record_consent(grant.clone(), monday());
    assert!(matches!(call, Err(EngineError::LedgerUnavailable(_))), "the ledger's writer panics now: {call:?}");
    ledger.gate.clear_poison();
    assert!(engine.record_consent(grant, monday()).unwrap().results[0].accepted);
}

#[test]
fn decisions_are_forgotten_after_a_day() {
    let engine = given();
    let decided = Arc::downgrade(&engine.decide(ask("anna", "web", &[]), monday()).unwrap());
    engine.sweep(monday() + Period(Period::DAY.0 - 1));
    assert!(decided.upgrade().is_some());
    engine.sweep(monday() + Period::DAY);
    assert!(decided.upgrade().is_none());
}
