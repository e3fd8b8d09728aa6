//! Repeated ids of events and outcomes: each kind on its own, thousands of a customer, and never for something else.

use tactful::domain::action::Outcome;
use tactful::engine::{Engine, EventInput, ItemCode, ItemResult, OutcomeInput};

use super::keeping::{Home, kill, later, stop};
use super::support::{event, monday};
use super::takeover::{open, outcome};

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
