//! What one decision costs in this process: `cargo bench --bench decide`.
//!
//! Prints a table for the sample rules and for made catalogues of 10, 100 and 1,000 actions. The time includes
//! everything but the wire: names to ids, the customer's critical section, the decision, the reservation, the log.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and may fail loudly"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tactful::domain::consent::ConsentStatus;
use tactful::domain::decide::Explain;
use tactful::domain::id::Vocabulary;
use tactful::domain::rules::diagnostic::{SourceFile, Sources};
use tactful::domain::rules::{RuleSet, load};
use tactful::domain::time::Moment;
use tactful::domain::value::Value;
use tactful::engine::{AttributeChange, ConsentChange, ConsentRequest, Engine, EventInput, Limits, Question};
use tactful::ledger::MemoryLedger;
use tactful::rule_files;

const CUSTOMERS: usize = 1_000;
const ROUNDS: usize = 20;

fn main() {
    let start = Moment::parse("2026-03-02T10:00:00+01:00").unwrap();
    println!("{:<34} {:>12} {:>12}", "one decision", "median", "slowest tenth");
    let sample = rule_files::read(Path::new("rules"), &Vocabulary::default()).rule_set.unwrap();
    measure("sample rules, 24 actions", &Arc::new(sample), Explain::Chosen, start);
    for count in [10, 100, 1_000] {
        let rules = Arc::new(made(count));
        measure(&format!("{count} actions"), &rules, Explain::Chosen, start);
        if count == 100 {
            measure(&format!("{count} actions, explained in full"), &rules, Explain::Full, start);
        }
    }
}

/// A catalogue of which about one action in a hundred fits a customer.
fn made(count: usize) -> RuleSet {
    let head = std::fs::read_to_string("tests/fixtures/design/rules.yaml").unwrap();
    let (head, rest) = head.split_once("actions:").unwrap();
    let policy = &rest[rest.find("policy:").unwrap()..];
    let topics = ["speed", "price", "contract", "outage", "moving"];
    let actions: String = (0..count)
        .map(|index| {
            let (topic, age, base) = (topics[index % 5], 18 + index % 60, 20 + index % 40);
            format!(
                "  - {{id: action-{index}, title: T, kind: offer, purpose: personalisation,\n     eligible: ['customer.contract == \"dsl\"', \
                 'customer.age >= {age} && customer.age < {}'],\n     applicable: ['context.topic == \"{topic}\"', \
                 'events.count(\"page_view\", \"7d\") >= {}'],\n     relevance: {{base: {base}}}, intrusiveness: 5, \
                 treatments: {{web: {{text: T}}}}}}\n",
                age + 10,
                index % 3
            )
        })
        .collect();
    let text = format!("{head}actions:\n{actions}{policy}");
    load(Sources::new(vec![SourceFile { path: "made.yaml".into(), text }]), &Vocabulary::default()).rule_set.unwrap()
}

fn measure(name: &str, rules: &Arc<RuleSet>, explain: Explain, start: Moment) {
    let engine =
        Engine::new(Arc::clone(rules), Arc::new(MemoryLedger::default()), Limits { decisions: 1_000 }, (1, start));
    (0..CUSTOMERS).for_each(|index| prepare(&engine, &format!("customer-{index}"), index, start));
    let mut times = Vec::with_capacity(CUSTOMERS * ROUNDS);
    for round in 0..ROUNDS {
        for index in 0..CUSTOMERS {
            let question = Question {
                customer: format!("customer-{index}"),
                channel: "web".into(),
                context: vec![("activity".into(), text("browsing")), ("topic".into(), text("speed"))],
                explain,
                ..Question::default()
            };
            let now = Moment(start.0 + i64::try_from(round).unwrap() * 60_000);
            let before = Instant::now();
            drop(engine.decide(question, now).unwrap());
            times.push(before.elapsed());
        }
    }
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_nanos() as f64 / 1_000.0;
    println!("{name:<34} {:>9.2} µs {:>9.2} µs", at(0.5), at(0.9));
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn prepare(engine: &Engine, customer: &str, index: usize, now: Moment) {
    let change = ConsentChange {
        purpose: "personalisation".into(),
        status: ConsentStatus::Given,
        notice: String::new(),
        language: String::new(),
        expression: String::new(),
        claimed: None,
        valid_until: None,
    };
    let request = ConsentRequest { customer: customer.into(), changes: vec![change], ..ConsentRequest::default() };
    engine.record_consent(request, now).unwrap();
    let attributes = vec![
        ("customer.age".to_owned(), Some(Value::Number((18 + index % 60) as f64))),
        ("customer.contract".to_owned(), Some(text("dsl"))),
    ];
    engine
        .set_attributes(AttributeChange { customer: customer.into(), attributes, time_zone: String::new() }, now)
        .unwrap();
    let event = |page: &str| EventInput {
        customer: customer.into(),
        kind: "page_view".into(),
        fields: vec![("page".into(), text(page))],
        ..EventInput::default()
    };
    let events = (0..20).map(|number| event(if number % 4 == 0 { "fibre" } else { "help" })).collect();
    engine.record_events(events, now).unwrap();
}
