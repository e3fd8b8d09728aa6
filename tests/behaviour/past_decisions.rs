//! Past decisions over all nodes of a database: a repeated request gets them at any node, they are found by id and listed, and
//! a denial, an erasure and their age make them unreadable everywhere.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tactful::domain::consent::ConsentStatus::Withdrawn;
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{Decide, DecisionQuery, DecisionRecord, Engine, EngineError, Limits, Question, RecordConsent};
use tactful::storage::Postgres;

use super::contract::{Place, engine_over, give, open};
use super::keeping::{RULES, later};
use super::postgres::InPostgres;
use super::postgres_server::run;
use super::support::{ask, attributes, chosen, consent, event, monday};

/// Two nodes that know anna, who has given her consent and her name.
fn two(place: &InPostgres) -> [Engine; 2] {
    let engines = [open(place), open(place)];
    give(&engines[0], later(0));
    engines[0].set_attributes(attributes("anna", &[("customer.name", Value::Text("Anna".into()))]), later(0)).unwrap();
    engines
}

fn requested(engine: &Engine, id: &str, channel: &str, minute: i64) -> Result<Arc<DecisionRecord>, EngineError> {
    engine.decide(Question { request_id: id.into(), ..ask("anna", channel, &[]) }, later(minute))
}

fn list(engine: &Engine, query: DecisionQuery, minute: i64) -> Vec<Arc<DecisionRecord>> {
    tactful::sync::block_on(engine.past_decisions(query, later(minute))).unwrap().0
}

fn of(customer: &str) -> DecisionQuery {
    DecisionQuery { customer: customer.into(), most: 100, ..DecisionQuery::default() }
}

#[test]
fn a_repeated_request_gets_the_same_decision_at_another_node() {
    let Some(place) = InPostgres::new() else { return };
    let [one, other] = two(&place);
    let said = requested(&one, "r1", "web", 1).unwrap();
    assert_eq!(chosen(&said), ["hello"]);
    let silent = requested(&other, "r2", "web", 2).unwrap();
    assert!(silent.decision.silence.is_some(), "hello is said once a month");
    for engine in [&other, &one, &open(&place)] {
        for first in [&said, &silent] {
            let again = requested(engine, &first.question.request_id, "web", 3).unwrap();
            assert_eq!((again.id(), &again.decision), (first.id(), &first.decision));
            let reused = requested(engine, &first.question.request_id, "phone", 3);
            assert!(matches!(reused, Err(EngineError::RequestIdReused(_))), "{reused:?}");
        }
        assert_eq!(engine.export("anna", later(3)).unwrap().state.relation().contacts.len(), 1);
    }
}

#[test]
fn an_idempotency_key_counts_once_over_all_nodes() {
    let Some(place) = InPostgres::new() else { return };
    let [one, other] = two(&place);
    let withdraw = || {
        let mut request = consent("anna", "advice", Withdrawn);
        request.idempotency_key = "k".into();
        request
    };
    let first = one.record_consent(withdraw(), later(1)).unwrap();
    for engine in [&other, &one, &open(&place)] {
        assert_eq!(engine.record_consent(withdraw(), later(2)).unwrap().results, first.results);
        let mut reused = withdraw();
        reused.source.evidence = "another".into();
        let refused = engine.record_consent(reused, later(2));
        assert!(matches!(refused, Err(EngineError::IdempotencyKeyReused(_))), "{refused:?}");
    }
    assert_eq!(other.consent_records("anna").unwrap().len(), 2, "a yes, and one no");
}

#[test]
fn any_node_finds_a_decision_by_its_id_and_lists_it() {
    let Some(place) = InPostgres::new() else { return };
    let [one, other] = two(&place);
    let bye = one.decide(ask("anna", "phone", &[]), later(1)).unwrap();
    let hello = one.decide(ask("anna", "web", &[]), later(2)).unwrap();
    one.decide(ask("ben", "web", &[]), later(2)).unwrap();
    for first in [&bye, &hello] {
        let found = other.decision(&first.id(), later(3)).unwrap();
        assert_eq!((&found.question, &found.decision, found.at), (&first.question, &first.decision, first.at));
    }
    let ids = |found: Vec<Arc<DecisionRecord>>| found.iter().map(|record| record.id()).collect::<Vec<_>>();
    assert_eq!(ids(list(&other, of("anna"), 3)), [hello.id(), bye.id()], "the newest first");
    let web = DecisionQuery { channel: "web".into(), ..of("") };
    assert_eq!(list(&other, web, 3).len(), 2);
    let early = DecisionQuery { to: Some(later(2)), ..of("") };
    assert_eq!(ids(list(&other, early, 3)), [bye.id()]);
    let (first, next) =
        tactful::sync::block_on(other.past_decisions(DecisionQuery { most: 1, ..of("anna") }, later(3))).unwrap();
    assert_eq!(ids(first), [hello.id()]);
    assert_eq!(ids(list(&other, DecisionQuery { before: next, ..of("anna") }, 3)), [bye.id()]);
    assert_eq!(other.export("anna", later(3)).unwrap().decisions.len(), 2);
}

#[test]
fn after_a_denial_the_database_has_no_older_value() {
    let Some(place) = InPostgres::new() else { return };
    let [one, other] = two(&place);
    let said = requested(&one, "r1", "phone", 1).unwrap();
    assert_eq!(chosen(&said), ["bye"]);
    one.decide(ask("ben", "web", &[]), later(1)).unwrap();
    other.record_consent(consent("anna", "advice", Withdrawn), later(2)).unwrap();
    let count = |what: &str| run(&place.address, &format!("SELECT count({what}) FROM decision"));
    assert_eq!([count("*"), count("sealed")], [["2"], ["1"]]);
    for engine in [&one, &other, &open(&place)] {
        let found = engine.decision(&said.id(), later(3)).unwrap();
        assert_eq!((chosen(&found), found.decision.actions[0].text.as_ref()), (vec!["bye"], ""));
        assert_ne!(requested(engine, "r1", "phone", 3).unwrap().id(), said.id());
    }
}

#[test]
fn a_decision_that_a_denial_undid_is_not_kept() {
    let Some(place) = InPostgres::new() else { return };
    let [one, other] = two(&place);
    let decide = Decide::new(ask("anna", "phone", &[]), one.rules()).unwrap();
    let withdraw = RecordConsent::new(consent("anna", "advice", Withdrawn), one.rules(), later(2)).unwrap();
    one.customer("anna", later(1)).unwrap();
    let held = place.hold();
    let mut deciding = pin!(one.execute(&decide, later(2)));
    assert!(deciding.as_mut().now_or_never().is_none());
    let mut withdrawing = pin!(one.execute(&withdraw, later(2)));
    assert!(withdrawing.as_mut().now_or_never().is_none());
    drop(held);
    assert_eq!(chosen(&tactful::sync::block_on(deciding).unwrap().unwrap()), [""; 0]);
    tactful::sync::block_on(withdrawing).unwrap().unwrap();
    assert_eq!(list(&other, DecisionQuery { action: "bye".into(), ..of("anna") }, 3).len(), 0);
}

#[test]
fn an_erasure_leaves_no_decision() {
    let Some(place) = InPostgres::new() else { return };
    let [one, other] = two(&place);
    let said = requested(&one, "r1", "web", 1).unwrap();
    one.decide(ask("ben", "web", &[]), later(1)).unwrap();
    other.erase("anna", later(2)).unwrap();
    assert_eq!(run(&place.address, "SELECT count(*) FROM decision"), ["1"]);
    assert!(matches!(open(&place).decision(&said.id(), later(3)), Err(EngineError::UnknownDecision(_))));
    assert!(list(&other, of("anna"), 3).is_empty());
}

#[test]
fn decisions_are_removed_when_they_are_too_old() {
    let Some(place) = InPostgres::new() else { return };
    let node = |days: i64| {
        let keys = place.keys();
        let backend = Postgres::open(&place.address, &keys, keys.parent().unwrap_or(Path::new(""))).unwrap();
        backend.keep_decisions(Period(days * Period::DAY.0));
        backend
    };
    let engine = engine_over(Arc::new(node(36_500)), RULES, monday());
    engine.decide(ask("anna", "web", &[]), Moment(1)).unwrap();
    let kept = || run(&place.address, "SELECT count(*) FROM decision");
    assert_eq!(kept(), ["1"]);
    let backend = node(1);
    while kept() != ["0"] {}
    drop(backend);
}

#[test]
fn a_decision_that_ran_again_is_kept_once() {
    let Some(place) = InPostgres::new() else { return };
    let [one, other] = two(&place);
    one.customer("anna", later(1)).unwrap();
    other.customer("anna", later(1)).unwrap();
    one.record_events(vec![event("anna", "visit", &[("page", "a")])], later(2)).unwrap();
    let said = other.decide(ask("anna", "web", &[]), later(3)).unwrap();
    assert_eq!(chosen(&said), ["hello"]);
    assert_eq!(run(&place.address, "SELECT count(*) FROM decision"), ["1"], "the stale copy's is not kept");
}

/// However much is decided meanwhile, a request that is repeated before its answer has left gets that answer.
#[test]
fn a_request_that_is_repeated_under_way_gets_the_same_decision() {
    let Some(place) = InPostgres::new() else { return };
    drop(two(&place));
    // Memory keeps one of each shard.
    let one = Engine::over(open(&place).rules().set.clone(), place.open(), Limits { decisions: 1 }, monday());
    let decide = |id: &str, customer: &str| {
        Decide::new(Question { request_id: id.into(), ..ask(customer, "web", &[]) }, one.rules()).unwrap()
    };
    one.set_attributes(attributes("ben", &[("customer.plan", Value::Text("big".into()))]), later(1)).unwrap();
    assert_eq!(chosen(&one.decide(ask("ben", "web", &[]), later(1)).unwrap()), ["hello"]);
    one.customer("anna", later(1)).unwrap();
    let request = decide("r1", "anna");
    let held = place.hold();
    let mut first = pin!(one.execute(&request, later(2)));
    assert!(first.as_mut().now_or_never().is_none());
    let other = decide("", "ben");
    for _ in 0..200 {
        // Their answers are never waited for.
        drop(pin!(one.execute(&other, later(2))).now_or_never());
    }
    let mut second = pin!(one.execute(&request, later(2)));
    assert!(second.as_mut().now_or_never().is_none());
    drop(held);
    let first = tactful::sync::block_on(first).unwrap().unwrap();
    assert_eq!(tactful::sync::block_on(second).unwrap().unwrap().id(), first.id());
    assert_eq!(one.export("anna", later(3)).unwrap().state.relation().contacts.len(), 1);
}
