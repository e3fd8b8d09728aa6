//! What counts as personal, what is possible, what presses.

use std::collections::BTreeMap;

use super::super::super::story::{Answer, ConsentChange, Question, Reply, Step, Value, What};
use super::super::Model;
use super::rules;

const RULES: &str = r#"
purposes:
  service: {basis: contract}
  advice: {basis: consent, cooling_off: 10 days}
attributes:
  customer.near: {type: text, purposes: [service], sensitivity: 0.1}
  customer.far: {type: text, purposes: [service, advice], sensitivity: 0.9}
context:
  topic: {type: text, personal: false}
events:
  visit: {fields: {page: text}, purposes: [advice], keep: 10 days, sensitivity: 0.4}
channels:
  web: {direction: inbound, interruption: 0, reserve_for: 30 minutes}
actions:
  - id: either
    title: E
    kind: service
    purpose: service
    eligible: [{any: [customer.near == "é", customer.far == "b"]}]
    relevance: {base: 50, add: [{points: 1, when: context.topic == "x", because: "of {customer.far|what you have}"}]}
    intrusiveness: 0
    treatments: {web: {text: "{customer.near|nothing}"}}
  - id: line
    title: L
    kind: service
    purpose: service
    eligible: ['customer.near == "é" || customer.far == "b"']
    relevance: {base: 50}
    intrusiveness: 0
    treatments: {web: {content: a}}
  - id: advised
    title: A
    kind: offer
    purpose: advice
    eligible:
      - consent.given("advice")
      - events.count("visit", "5d", event.page == "p") >= 2
      - context.topic != customer.far
      - '!(context.topic == "y" && customer.far == "b")'
    relevance: {base: 80}
    intrusiveness: 0
    treatments: {web: {content: a}}
  - {id: ask, title: Ask, kind: consent_ask, purpose: service, asks: advice, intrusiveness: 0, treatments: {web: {content: a}}}
policy:
  pressure: {half_life: 1 day, per_contact: {web: 4}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

const NOW: i64 = 1_770_000_000_000;
const HOUR: i64 = 3_600_000;

fn play(model: &mut Model, at: i64, what: What) -> Reply {
    model.play(&Step { at, customer: "anna".to_string(), what }, 0)
}

fn say(model: &mut Model, status: &str) {
    let change = ConsentChange { purpose: "advice".into(), status: status.into(), claimed: None, valid_until: None };
    let said = play(model, NOW, What::Consent { changes: vec![change], deferred: false, evidence: false });
    assert_eq!(said, Reply::Consent(vec![None]));
}

fn ask(model: &Model, at: i64, topic: &str) -> Answer {
    let context = BTreeMap::from([("topic".to_string(), Value::Text(topic.to_string()))]);
    let context = if topic.is_empty() { BTreeMap::new() } else { context };
    model.decide("anna", &Question { channel: "web".into(), max_actions: 9, context, ..Question::default() }, at)
}

#[test]
fn the_least_personal_entry_counts_and_every_fact_of_a_line() {
    let mut model = Model::new(&rules(RULES)).unwrap();
    // Texts are compared in Unicode's form C.
    let text = |text: &str| Some(Value::Text(text.to_string()));
    let mut values = BTreeMap::from([("customer.near".to_string(), text("e\u{301}"))]);
    play(&mut model, NOW, What::Attributes { values: values.clone(), time_zone: String::new() });
    let personal =
        |model: &Model, action: &str, topic: &str| ask(model, NOW, topic).candidates[action].score.unwrap().personal;
    assert_eq!((personal(&model, "either", "x"), personal(&model, "line", "x")), (0.1, 0.9));
    values.insert("customer.far".to_string(), text("b"));
    play(&mut model, NOW, What::Attributes { values, time_zone: String::new() });
    // Told, the reason shows what is known.
    assert_eq!((personal(&model, "either", ""), personal(&model, "either", "x")), (0.1, 0.9));
    let told = ask(&model, NOW, "x").chosen.into_iter().find(|chosen| chosen.action == "either").unwrap();
    assert_eq!((told.because, told.text), (vec!["of b".to_string()], "é".to_string()));
}

#[test]
fn a_gain_takes_the_consent_as_given_and_needs_what_the_channel_must_say() {
    let model = Model::new(&rules(RULES)).unwrap();
    let relevance = |topic: &str| ask(&model, NOW, topic).candidates["ask"].score.map(|score| score.relevance);
    // 80 × (1 − 0.5 × 0.9) − 20 × 0.9
    assert!((relevance("x").unwrap() - 26.0).abs() < 1e-9);
    assert!(relevance("y").is_some());
    assert_eq!(relevance(""), None);
}

#[test]
fn a_withdrawal_deletes_events_and_a_lapse_removes_pressure() {
    let mut model = Model::new(&rules(RULES)).unwrap();
    say(&mut model, "given");
    let values = BTreeMap::from([("customer.far".to_string(), Some(Value::Text("q".to_string())))]);
    play(&mut model, NOW, What::Attributes { values, time_zone: String::new() });
    let fields = BTreeMap::from([("page".to_string(), Value::Text("p".to_string()))]);
    for occurred in [None, Some(NOW)] {
        let (id, kind) = (String::new(), "visit".to_string());
        play(&mut model, NOW, What::Event { id, kind, occurred, fields: fields.clone() });
    }
    let at = NOW + HOUR;
    let answer = play(
        &mut model,
        at,
        What::Decide(Question {
            channel: "web".into(),
            context: BTreeMap::from([("topic".into(), Value::Text("x".into()))]),
            ..Question::default()
        }),
    );
    let Reply::Answer(answer) = answer else { panic!("{answer:?}") };
    assert_eq!((answer.chosen[0].action.as_str(), answer.purposes_used.len()), ("advised", 1));
    let pressure = |at: i64| ask(&model, at, "x").candidates["advised"].score.unwrap().pressure;
    assert!((pressure(at + HOUR / 4) - 4.0 * 0.5_f64.powf(0.25 / 24.0)).abs() < 1e-9);
    assert_eq!(pressure(at + HOUR / 2), 0.0);
    let change = ConsentChange { purpose: "advice".into(), status: "revoked".into(), claimed: None, valid_until: None };
    play(&mut model, at, What::Consent { changes: vec![change], deferred: false, evidence: false });
    assert!(model.held("anna", at).events.is_empty());
    assert_eq!(ask(&model, at + 10 * 24 * HOUR - 1, "x").candidates["ask"].gate, "ask");
    assert_eq!(ask(&model, at + 10 * 24 * HOUR, "x").candidates["ask"].gate, "chosen");
}
