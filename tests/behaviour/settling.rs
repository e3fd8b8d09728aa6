//! It makes no visible difference when a customer was last settled.

use proptest::prelude::*;
use proptest::sample::select;
use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::Period;
use tactful::domain::value::Value;
use tactful::engine::{Engine, OutcomeInput};
use tactful::rules::load;

use super::semantics::{HEAD, POLICY, happens, hours, offer};
use super::support::{ask, attributes, consent, engine, event, monday, rules_of};

/// Everything in them ends by itself after some days, and shows in what is said.
const RULES: &str = r#"
purposes:
  care:   {basis: contract}
  advice: {basis: consent, expires_after: 10 days}
attributes:
  customer.plan: {type: text, purposes: [advice]}
events:
  visit: {purposes: [advice], keep: 5 days}
  call:  {purposes: [care, advice], keep: 3 days}
channels:
  web:   {direction: inbound, interruption: 0, reserve_for: 1 day}
  email: {direction: outbound, interruption: 0}
journeys:
  trip:
    purpose: advice
    start: {event: visit}
    stages:
      begun: {moves: [{to: late, after: 2 days}]}
      late:  {moves: [{to: over, after: 2 days}]}
      over:  {end: true}
actions:
ACTIONS
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1, email: 1}}
  hurt: {half_life: 30 days}
  limits: [{at_most: 3, per: 7 days, kinds: [offer]}]
  time_zone: UTC
"#;

/// Rules that serve a purpose and keep visits for so long.
fn source((purpose, keep): (&str, &str)) -> String {
    let conditions = [
        (purpose, "service", r#"events.last("visit") > now - duration("100d")"#),
        (purpose, "service", r#"events.count("visit", "2d") >= 2"#),
        ("care", "offer", r#"events.last("call") > now - duration("100d")"#),
        (purpose, "service", r#"journey.trip.stage == "late""#),
        (purpose, "offer", r#"journey.trip.stage == "over""#),
        (purpose, "service", r#"customer.plan == "basic""#),
        ("care", "service", r#"outcomes.count("action-2", "presented", "30d") >= 1"#),
    ];
    let action = |(index, (purpose, kind, when)): (usize, &(&str, &str, &str))| {
        format!(
            "  - {{id: action-{index}, title: T, kind: {kind}, purpose: {purpose}, eligible: ['{when}'], relevance: {{base: 60}}, \
             intrusiveness: 1, treatments: {{web: {{text: T}}, email: {{text: T}}}}}}\n"
        )
    };
    let text = RULES.replace("ACTIONS\n", &conditions.iter().enumerate().map(action).collect::<String>());
    text.replace("advice", purpose).replace("keep: 5 days", &format!("keep: {keep}"))
}

#[derive(Debug, Clone)]
enum Step {
    Wait(i64),
    Event(&'static str),
    Plan,
    Consent(ConsentStatus),
    Presented,
    Rules((&'static str, &'static str)),
    Decide(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let status = select(vec![
        ConsentStatus::Given,
        ConsentStatus::Given,
        ConsentStatus::Withdrawn,
        ConsentStatus::Restricted,
        ConsentStatus::RestrictionLifted,
    ]);
    prop_oneof![
        4 => select(vec![1_i64, 11, 24, 25, 48, 72, 24 * 35, 24 * 200]).prop_map(Step::Wait),
        3 => select(vec!["visit", "call"]).prop_map(Step::Event),
        1 => Just(Step::Plan),
        2 => status.prop_map(Step::Consent),
        1 => Just(Step::Presented),
        1 => select(vec![("advice", "5 days"), ("advice", "2 days"), ("counsel", "5 days")]).prop_map(Step::Rules),
        6 => select(vec!["web", "email"]).prop_map(Step::Decide),
    ]
}

/// What a step shows.
fn play(engine: &Engine, step: &Step, hours: i64) -> String {
    let now = monday() + Period(hours * 3_600_000);
    match step {
        Step::Wait(_) => String::new(),
        Step::Event(kind) => format!("{:?}", engine.record_events(vec![event("c", kind, &[])], now)),
        Step::Plan => {
            let plan = attributes("c", &[("customer.plan", Value::Text("basic".into()))]);
            format!("{:?}", engine.set_attributes(plan, now))
        }
        Step::Consent(status) => format!("{:?}", engine.record_consent(consent("c", "advice", *status), now).is_ok()),
        Step::Presented => {
            let presented = OutcomeInput {
                outcome_id: String::new(),
                decision_id: String::new(),
                customer: "c".into(),
                action: "action-2".into(),
                channel: "web".into(),
                outcome: Outcome::Presented,
                occurred: None,
            };
            format!("{:?}", engine.record_outcomes(vec![presented], now))
        }
        Step::Rules(rules) => {
            let files = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: source(*rules) }]);
            engine.reload(|vocabulary| load(files, vocabulary), now).set.hash.clone()
        }
        Step::Decide(channel) => {
            let mut question = ask("c", channel, &[]);
            question.max_actions = 20;
            let decided = engine.decide(question, now).unwrap();
            format!("{:?}\n{:?}", decided.decision, engine.customer("c", now))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// One engine is left alone; in the other, the customer is accessed before every step.
    #[test]
    fn a_customer_settled_late_is_as_one_settled_at_once(steps in proptest::collection::vec(step(), 1..40)) {
        let rules = rules_of(&source(("advice", "5 days")));
        let (left_alone, touched) = (engine(&rules), engine(&rules));
        for engine in [&left_alone, &touched] {
            engine.record_consent(consent("c", "advice", ConsentStatus::Given), monday()).unwrap();
        }
        let mut hours = 0;
        for step in &steps {
            if let Step::Wait(more) = step {
                hours += more;
            }
            let settle = |engine: &Engine| {
                engine.set_attributes(attributes("c", &[]), monday() + Period(hours * 3_600_000)).unwrap();
            };
            settle(&touched);
            // Data that is due but not yet deleted when rules change follows the retention of the new rules, so rules
            // with a longer retention find it if the customer was not accessed since it was due.
            if matches!(step, Step::Rules(_)) {
                settle(&left_alone);
            }
            prop_assert_eq!(play(&left_alone, step, hours), play(&touched, step, hours), "{:?} in {:?}", step, steps);
        }
    }
}

#[test]
fn a_cycle_of_stages_advances_without_access() {
    let circle = "journeys:\n  round:\n    purpose: service\n    start: {event: bad}\n    stages:\n      a: {moves: [{to: b, after: 1h}]}\n      \
                  b: {moves: [{to: a, after: 90m}]}\n";
    let engine = engine(&rules_of(&format!("{HEAD}{circle}actions:\n{}{POLICY}", offer("care", "service", ""))));
    happens(&engine, "bad", monday(), monday());
    let journey = engine.customer("c", hours(10_000)).unwrap().journeys.remove(0);
    assert_eq!((journey.stage.as_str(), journey.entered), ("a", hours(10_000)));
    let journey = engine.customer("c", hours(10_001)).unwrap().journeys.remove(0);
    assert_eq!((journey.stage.as_str(), journey.entered), ("b", hours(10_001)));
}
