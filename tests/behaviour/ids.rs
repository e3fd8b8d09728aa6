//! Repeated ids of events, outcomes and requests: each kind on its own, thousands of a customer, and never for something
//! else.

use std::sync::Arc;

use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus;
use tactful::domain::time::{Moment, Period};
use tactful::engine::{
    ConsentAnswer, ConsentChange, ConsentRequest, DecisionRecord, Engine, EngineError, EventInput, IdsKept, ItemCode,
    ItemResult, OutcomeInput, Question,
};

use super::keeping::{Home, kill, later, stop};
use super::support::{ask, chosen, consent, engine, event, monday, rules_of};
use super::takeover::{open, outcome, rules};

fn visit(engine: &Engine, id: &str, page: &str) -> ItemResult {
    let event = EventInput { event_id: id.into(), ..event("anna", "visit", &[("page", page)]) };
    engine.record_events(vec![event], later(1)).unwrap().remove(0)
}

fn clicked(engine: &Engine, id: &str, kind: Outcome) -> ItemResult {
    let input = OutcomeInput { outcome_id: id.into(), channel: "email".into(), ..outcome("", "anna", "news", kind) };
    engine.record_outcomes(vec![input], later(1)).unwrap().remove(0)
}

/// A shop repeats an order after an hour of busy browsing.
#[test]
fn a_repetition_counts_once_after_hundreds_of_others() {
    let home = Home::new();
    let engine = open(&home, monday());
    assert_eq!(visit(&engine, "order-1", "order").code, ItemCode::Ok);
    assert_eq!(clicked(&engine, "click-1", Outcome::Clicked).code, ItemCode::Ok);
    for number in 0..300 {
        assert_eq!(visit(&engine, &format!("page-{number}"), "prices").code, ItemCode::Ok);
    }
    stop(engine);
    let engine = open(&home, later(1));
    assert_eq!(visit(&engine, "order-1", "order").code, ItemCode::Repeated);
    assert_eq!(clicked(&engine, "click-1", Outcome::Clicked).code, ItemCode::Repeated);
}

#[test]
fn an_id_is_of_its_kind_and_of_what_came_with_it_over_restarts() {
    let home = Home::new();
    let engine = open(&home, monday());
    assert_eq!(visit(&engine, "1", "prices").code, ItemCode::Ok);
    assert_eq!(clicked(&engine, "1", Outcome::Clicked).code, ItemCode::Ok, "the id of an event is none of an outcome");
    stop(engine);
    for (round, end) in [stop as fn(Engine), kill, stop].into_iter().enumerate() {
        let engine = open(&home, later(1));
        let told = [
            visit(&engine, "1", "prices"),
            visit(&engine, "1", "contract"),
            clicked(&engine, "1", Outcome::Clicked),
            clicked(&engine, "1", Outcome::Complained),
        ];
        let codes = told.each_ref().map(|result| (result.accepted, result.code));
        let (repeated, reused) = ((true, ItemCode::Repeated), (false, ItemCode::Reused));
        assert_eq!(codes, [repeated, reused, repeated, reused], "round {round}");
        assert_eq!(told[1].reason, "reused");
        let state = engine.export("anna", later(1)).unwrap().state;
        assert_eq!((state.events().len(), state.relation().outcomes.len()), (1, 1), "round {round}");
        end(engine);
    }
}

/// An outcome that only the contact log has keeps its id, and what came with it.
#[test]
fn the_id_of_a_logged_outcome_survives_a_kill() {
    let home = Home::new();
    let engine = open(&home, monday());
    visit(&engine, "v", "prices");
    engine.write_behind().unwrap();
    assert_eq!(clicked(&engine, "o", Outcome::Clicked).code, ItemCode::Ok);
    kill(engine);
    let engine = open(&home, later(1));
    assert_eq!(clicked(&engine, "o", Outcome::Clicked).code, ItemCode::Repeated);
    assert_eq!(clicked(&engine, "o", Outcome::Rejected).code, ItemCode::Reused);
}

#[test]
fn past_the_bound_the_result_and_a_metric_say_so() {
    let home = Home::new();
    let engine = open(&home, monday());
    for number in 0..4_096 {
        assert!(!visit(&engine, &number.to_string(), "prices").ids_truncated, "{number}");
    }
    assert!(!clicked(&engine, "o", Outcome::Clicked).ids_truncated, "another kind");
    assert_eq!(engine.meter().truncated_ids(), 0);
    assert!(visit(&engine, "4096", "prices").ids_truncated);
    assert_eq!(engine.meter().truncated_ids(), 1);
    assert_eq!(visit(&engine, "1", "prices").code, ItemCode::Repeated);
    assert_eq!(visit(&engine, "0", "prices").code, ItemCode::Ok, "the oldest is forgotten");
}

fn requested(engine: &Engine, id: &str, now: Moment) -> Result<Arc<DecisionRecord>, EngineError> {
    engine.decide(Question { request_id: id.into(), ..ask("anna", "web", &[]) }, now)
}

fn contacts(engine: &Engine, now: Moment) -> usize {
    engine.export("anna", now).unwrap().state.relation().contacts.len()
}

/// A request counts once for a day, said or silent, whatever ends the process; then its id is free again.
#[test]
fn a_request_counts_once_for_a_day_over_restarts() {
    const DAY: i64 = 24 * 60;
    let home = Home::new();
    let engine = open(&home, monday());
    let said = requested(&engine, "said", monday()).unwrap();
    assert_eq!(chosen(&said), ["hello"]);
    let silent = requested(&engine, "silent", later(1)).unwrap();
    assert!(silent.decision.silence.is_some());
    stop(engine);
    for (at, end) in [(2, stop as fn(Engine)), (90, kill), (DAY - 1, stop)] {
        let engine = open(&home, later(at));
        for first in [&said, &silent] {
            let id = first.question.request_id.as_str();
            let again = requested(&engine, id, later(at)).unwrap();
            assert_eq!((again.id(), &again.decision), (first.id(), &first.decision), "{id} after {at} minutes");
            let other = Question { max_actions: 2, ..first.question.clone() };
            let refused = engine.decide(other, later(at));
            assert!(matches!(refused, Err(EngineError::RequestIdReused(_))), "{id} after {at} minutes");
        }
        assert_eq!(contacts(&engine, later(at)), 1);
        end(engine);
    }
    let engine = open(&home, later(DAY));
    assert_ne!(requested(&engine, "said", later(DAY)).unwrap().id(), said.id());
    let engine = engine.keeping_ids(IdsKept { period: Period(60_000), ..IdsKept::default() });
    let other = Question { max_actions: 2, ..silent.question.clone() };
    assert!(engine.decide(other, later(DAY)).is_ok(), "forgotten, by the setting");
}

#[test]
fn the_newest_requests_of_a_customer_are_known() {
    let home = Home::new();
    let engine = open(&home, monday());
    let requests = |engine: &Engine| {
        let first = requested(engine, "0", monday()).unwrap();
        let others: Vec<_> = (1..40).map(|number| requested(engine, &number.to_string(), monday()).unwrap()).collect();
        assert!(others.iter().all(|record| !record.ids_truncated));
        first
    };
    let first = requests(&engine);
    assert_eq!(requested(&engine, "0", later(9)).unwrap().id(), first.id(), "more than 32 are known");
    let engine = engine.keeping_ids(IdsKept { most: 40, ..IdsKept::default() });
    assert!(requested(&engine, "40", later(9)).unwrap().ids_truncated);
    assert_eq!(engine.meter().truncated_ids(), 1);
    assert_ne!(requested(&engine, "0", later(9)).unwrap().id(), first.id(), "the oldest is forgotten");
}

/// Without the log, and when memory has gone on to other decisions, the answer is made again in the place of the first.
#[test]
fn a_request_whose_answer_is_kept_nowhere_is_answered_again_and_counts_once() {
    let engine = engine(&rules_of(&rules()));
    let first = requested(&engine, "r", monday()).unwrap();
    assert_eq!(requested(&engine, "r", later(1)).unwrap().id(), first.id());
    // Memory keeps sixteen megabytes of others.
    for number in 0..20_000 {
        engine.decide(ask(&format!("other-{number}"), "web", &[]), later(1)).unwrap();
    }
    let again = requested(&engine, "r", later(2)).unwrap();
    assert!(again.replaced && again.id() != first.id());
    assert_eq!((chosen(&again), contacts(&engine, later(2))), (vec!["hello"], 1));
    let other = Question { max_actions: 2, ..first.question.clone() };
    assert!(matches!(engine.decide(other, later(2)), Err(EngineError::RequestIdReused(_))));
}

fn keyed(key: &str, changes: &[(&str, ConsentStatus)]) -> ConsentRequest {
    let changes = changes.iter().map(|(purpose, status)| ConsentChange::new(*purpose, *status)).collect();
    ConsentRequest { idempotency_key: key.into(), changes, ..consent("anna", "advice", ConsentStatus::Given) }
}

/// The key of a consent request is as durable as its records, and its answer is made of them.
#[test]
fn an_idempotency_key_counts_once_over_kills_and_after_many_others() {
    use ConsentStatus::{Given, Withdrawn};
    let home = Home::new();
    let engine = open(&home, monday());
    let request = || keyed("k", &[("advice", Given), ("advise", Given)]);
    let first = engine.record_consent(request(), monday()).unwrap();
    assert_eq!(first.results.iter().map(|result| result.accepted).collect::<Vec<_>>(), [true, false]);
    kill(engine);
    let engine = open(&home, later(1));
    for number in 0..20 {
        let status = if number % 2 == 0 { Withdrawn } else { Given };
        engine.record_consent(keyed(&format!("k-{number}"), &[("advice", status)]), later(1)).unwrap();
    }
    kill(engine);
    let engine = open(&home, later(2));
    let again = engine.record_consent(request(), later(2)).unwrap();
    let told = |answer: &ConsentAnswer| -> Vec<_> {
        let told = answer.results.iter();
        told.map(|result| (result.record_id.clone(), result.accepted, result.code, result.reason.clone())).collect()
    };
    assert_eq!(told(&again), told(&first));
    assert_eq!(engine.consent_records("anna").unwrap().len(), 21, "nothing was appended");
    let reused = engine.record_consent(keyed("k", &[("advice", Withdrawn)]), later(2));
    assert!(matches!(reused, Err(EngineError::IdempotencyKeyReused(_))), "{reused:?}");
    let a_day_later = later(2) + Period::DAY;
    assert_ne!(told(&engine.record_consent(request(), a_day_later).unwrap()), told(&first));
}
