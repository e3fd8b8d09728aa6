//! How often one decision allocates. Not how much: that is for benchmarks.

#![allow(clippy::unwrap_used, reason = "a test that fails should panic")]

use std::path::Path;
use std::sync::Arc;

use allocation_counter::measure;
use tactful::domain::consent::ConsentStatus;
use tactful::domain::id::Vocabulary;
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{ConsentChange, ConsentRequest, Engine, Limits, Question};
use tactful::ledger::MemoryLedger;
use tactful::rule_files;

/// From the question to the answer, for the sample rules: the record, the contact, what was judged, the facts that were
/// read, and one to find the moments that the answer names.
const ALLOWED: u64 = 6;

fn question() -> Question {
    let text = |text: &str| Value::Text(text.into());
    Question {
        customer: "customer-000001".into(),
        channel: "web".into(),
        context: [("activity".into(), text("browsing")), ("topic".into(), text("speed"))].into(),
        ..Question::default()
    }
}

#[test]
fn a_decision_allocates_no_more_than_necessary() {
    let rules = rule_files::read(Path::new("rules"), &Vocabulary::default()).rule_set.unwrap();
    let now = Moment::parse("2026-03-02T10:00:00+01:00").unwrap();
    let limits = Limits { decisions: 1 };
    let engine = Engine::new(Arc::new(rules), Arc::new(MemoryLedger::default()), limits, now);
    let given = ConsentChange::new("personalisation", ConsentStatus::Given);
    let given =
        ConsentRequest { customer: question().customer.into(), changes: vec![given], ..ConsentRequest::default() };
    engine.record_consent(given, now).unwrap();
    // Others, so that each of the parts in which the newest decisions are kept has room for one.
    for other in 0..1_000 {
        engine.decide(Question { customer: format!("customer-{other}").into(), ..question() }, now).unwrap();
    }
    let asked = |turn: i64| {
        // What was reserved the turn before has lapsed.
        let now = now + Period(turn * 31 * 60_000);
        let mut answer = None;
        let question = question();
        let made = measure(|| answer = Some(engine.decide(question, now).unwrap())).count_total;
        (made, answer.unwrap())
    };
    // The first ones make room for the customer, and for what is remembered.
    (0..8).for_each(|turn| drop(asked(turn)));
    let (made, answer) = asked(8);
    println!("{made} allocations; {:?}", answer.decision);
    assert!(!answer.decision.actions.is_empty(), "a decision that says nothing measures little: {:?}", answer.decision);
    assert!(
        made <= ALLOWED,
        "a decision made {made} allocations, {ALLOWED} are allowed. Find the new ones with `valgrind --tool=dhat` or a debugger \
         at malloc, and borrow, share or reuse instead; if one is worth it, say what for where ALLOWED stands, and raise it."
    );
    assert!(made == ALLOWED, "a decision makes {made} allocations now: lower ALLOWED to that, so that it stays so");
}
