//! Limits are exact: against a simple model, and under parallel calls.

use std::sync::Arc;

use proptest::prelude::*;
use tactful::domain::action::Outcome;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::{Moment, Period};
use tactful::engine::{EventInput, OutcomeInput};
use tactful::rules::load;

use super::support::{ask, chosen, engine, monday, rules_of};

const RULES: &str = r#"
purposes:
  service: {basis: contract}
channels:
  web: {direction: inbound, interruption: 0, reserve_for: 10 minutes}
actions:
  - id: hello
    title: Hello
    kind: offer
    purpose: service
    relevance: {base: 50}
    intrusiveness: 1
    limits: [{at_most: 2, per: 1 hour}]
    treatments: {web: {text: Hello}}
policy:
  pressure: {half_life: 1 day, per_contact: {web: 0}}
  hurt: {half_life: 1 day}
  time_zone: Europe/Berlin
"#;

/// What one caller does next.
#[derive(Debug, Clone)]
enum Move {
    Decide,
    Report(usize, Outcome),
    Wait(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let outcome = prop_oneof![Just(Outcome::Presented), Just(Outcome::NotPresented), Just(Outcome::Accepted)];
    let one = prop_oneof![
        4 => Just(Move::Decide),
        2 => (0_usize..12, outcome).prop_map(|(index, outcome)| Move::Report(index, outcome)),
        3 => (1_i64..20 * 60_000).prop_map(Move::Wait),
    ];
    proptest::collection::vec(one, 1..60)
}

/// The same limits in their simplest form: a list of contacts.
#[derive(Default)]
struct Model {
    contacts: Vec<(String, Moment, Moment)>,
}

impl Model {
    fn allows(&self, now: Moment) -> bool {
        let counted = self.contacts.iter().filter(|(_, at, until)| now < *until && now < *at + Period(3_600_000));
        counted.count() < 2
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn limits_agree_with_the_model_at_every_millisecond(moves in moves()) {
        let rules = rules_of(RULES);
        let engine = engine(&rules);
        let mut model = Model::default();
        let mut now = monday();
        let mut made: Vec<String> = Vec::new();
        let mut decided: Vec<Moment> = Vec::new();
        let mut told: Vec<(usize, Outcome)> = Vec::new();
        for step in moves {
            match step {
                Move::Wait(milliseconds) => now = now + Period(milliseconds),
                Move::Decide => {
                    let record = engine.decide(ask("anna", "web", &[]), now).unwrap();
                    let presented = !record.decision.actions.is_empty();
                    prop_assert_eq!(presented, model.allows(now), "at {}", now);
                    if presented {
                        model.contacts.push((record.id(), now, now + Period(600_000)));
                        made.push(record.id());
                        decided.push(now);
                    }
                }
                Move::Report(index, outcome) => {
                    let Some(decision) = made.get(index) else { continue };
                    let input = OutcomeInput {
                        outcome_id: String::new(),
                        decision_id: decision.clone(),
                        customer: String::new(),
                        action: "hello".into(),
                        channel: String::new(),
                        outcome,
                        occurred: None,
                    };
                    let result = engine.record_outcomes(vec![input], now).unwrap().remove(0);
                    // Each outcome counts once, whatever came in between.
                    let repeated = told.contains(&(index, outcome));
                    prop_assert_eq!(result.reason.as_str(), if repeated { "repeated" } else { "" });
                    if repeated {
                        continue;
                    }
                    told.push((index, outcome));
                    model.contacts.retain(|(id, ..)| id != decision);
                    if outcome != Outcome::NotPresented {
                        // Whether it had lapsed or not, it counts from the moment of the decision.
                        model.contacts.push((decision.clone(), decided[index], Moment::DISTANT_FUTURE));
                    }
                }
            }
        }
    }
}

#[test]
fn parallel_calls_never_exceed_a_limit() {
    let rules = rules_of(RULES);
    let engine = Arc::new(engine(&rules));
    for round in 0..50 {
        let customer = format!("customer-{round}");
        let presented: usize = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..8)
                .map(|_| {
                    let (engine, customer) = (Arc::clone(&engine), customer.clone());
                    scope.spawn(move || {
                        (0..5)
                            .map(|_| chosen(&engine.decide(ask(&customer, "web", &[]), monday()).unwrap()).len())
                            .sum::<usize>()
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).sum()
        });
        assert_eq!(presented, 2);
    }
}

#[test]
fn a_contact_counts_with_the_kind_that_its_action_had_then() {
    let rules = |kind: &str| {
        RULES
            .replace("kind: offer", &format!("kind: {kind}"))
            .replace("    limits: [{at_most: 2, per: 1 hour}]\n", "")
            .replace("policy:", "policy:\n  limits: [{at_most: 1, per: 1 day}]")
    };
    for (then, counted) in [("offer", true), ("service", false)] {
        let engine = engine(&rules_of(&rules(then)));
        assert_eq!(chosen(&engine.decide(ask("anna", "web", &[]), monday()).unwrap()), ["hello"]);
        let source = SourceFile { path: "rules.yaml".into(), text: rules("offer") };
        assert!(!engine.reload(|names| load(Sources::new(vec![source]), names), monday()).refused());
        let again = engine.decide(ask("anna", "web", &[]), monday() + Period(60_000)).unwrap();
        assert_eq!(chosen(&again).is_empty(), counted, "a limit on offers after a contact by a {then}");
    }
}

/// Journeys follow what arrives, as it arrives (docs/operations.md); what is counted does not depend on it.
#[test]
fn late_events_count_as_if_in_time_and_move_journeys_when_they_arrive() {
    let rules = rules_of(
        r#"
purposes: {service: {basis: contract}}
events:
  visit: {purposes: [service], keep: 90 days}
  order: {purposes: [service], keep: 90 days}
channels: {web: {direction: inbound, interruption: 0}}
journeys:
  purchase:
    purpose: service
    start: {event: visit}
    stages: {looking: {moves: [{to: ordered, event: order}]}, ordered: {end: true}}
actions:
  - id: thanks
    title: Thanks
    kind: service
    purpose: service
    eligible: ['events.count("visit", "30d") == 1', 'events.last("order") > now - duration("1d")']
    relevance: {base: 50}
    intrusiveness: 1
    treatments: {web: {text: Thanks}}
policy: {pressure: {half_life: 1 day, per_contact: {web: 0}}, hurt: {half_life: 1 day}, time_zone: UTC}
"#,
    );
    let held = |order: [(&str, i64); 2]| {
        let engine = engine(&rules);
        for (kind, hours) in order {
            let occurred = Some(monday() - Period(hours * 3_600_000));
            let event = EventInput { customer: "anna".into(), kind: kind.into(), occurred, ..EventInput::default() };
            assert!(engine.record_events(vec![event], monday()).unwrap()[0].accepted);
        }
        let said = chosen(&engine.decide(ask("anna", "web", &[]), monday()).unwrap()).len();
        let view = engine.customer("anna", monday()).unwrap();
        (said, view.journeys[0].stage.clone(), view.journeys[0].entered)
    };
    let hours_ago = |hours: i64| monday() - Period(hours * 3_600_000);
    assert_eq!(held([("visit", 5), ("order", 2)]), (1, "ordered".to_owned(), hours_ago(2)));
    assert_eq!(held([("order", 2), ("visit", 5)]), (1, "looking".to_owned(), hours_ago(5)));
}
