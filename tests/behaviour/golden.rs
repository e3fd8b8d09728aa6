//! Golden decisions: whole answers, with funnel, reasons and flips, as they were approved.

use tactful::domain::consent::ConsentStatus;
use tactful::domain::decide::{Explain, Gate};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{DecisionRecord, Engine, Question};

use super::support::{ask, attributes, consent, engine, event, monday, rules};

/// The answer without ids and hashes, which change with every edit.
fn shown(record: &DecisionRecord) -> String {
    let name = |action| record.rules.vocabulary.name(action).to_owned();
    let mut text = String::new();
    for chosen in &record.decision.actions {
        text +=
            &format!("{}: {:?} because {:?}\n  {:?}\n", name(chosen.action), chosen.text, chosen.because, chosen.score);
    }
    if let Some(silence) = &record.decision.silence {
        let again = silence.retry_after.map(|at| at.to_string());
        text += &format!("silence {}: {}\n  again {again:?}\n", silence.reason.name(), silence.detail);
    }
    text += &format!("valid until {}\n", record.decision.valid_until);
    for loser in record.explanation().into_iter().flat_map(|explanation| &explanation.candidates) {
        if loser.gate != Gate::Channel {
            let flip = loser.flip.as_deref().unwrap_or("-");
            text += &format!(
                "  {} at {}: {} ({}) flip: {flip}\n",
                name(loser.action),
                loser.gate.name(),
                loser.reason,
                file(loser)
            );
        }
    }
    text
}

fn file(loser: &tactful::domain::decide::Loser) -> String {
    let name = loser.rule.file.rsplit('/').next().unwrap_or("");
    format!("{name}:{}", loser.rule.line)
}

fn full(engine: &Engine, question: Question, now: Moment) -> String {
    shown(&engine.decide(Question { explain: Explain::Full, ..question }, now).unwrap())
}

#[test]
fn the_design_example_from_stranger_to_quiet() {
    let rules = rules("tests/fixtures/design");
    let engine = engine(&rules);
    let speed = [("topic", "speed"), ("activity", "browsing")];
    insta::assert_snapshot!("stranger", full(&engine, ask("anna", "web", &speed), monday()));
    engine.record_consent(consent("anna", "personalisation", ConsentStatus::Given), monday()).unwrap();
    insta::assert_snapshot!("known-but-empty", full(&engine, ask("anna", "web", &speed), monday()));
    let facts = [("customer.contract", Value::Text("dsl".into())), ("customer.age", Value::Number(34.0))];
    engine.set_attributes(attributes("anna", &facts), monday()).unwrap();
    engine.record_events(vec![event("anna", "page_view", &[("page", "fibre")])], monday()).unwrap();
    insta::assert_snapshot!("at-checkout", full(&engine, ask("anna", "web", &[("activity", "checkout")]), monday()));
    insta::assert_snapshot!("chosen", full(&engine, ask("anna", "web", &speed), monday()));
    insta::assert_snapshot!("limited", full(&engine, ask("anna", "web", &speed), monday() + Period(60_000)));
    let later = monday() + Period(40 * Period::DAY.0);
    engine.record_events(vec![event("anna", "complaint", &[])], later).unwrap();
    insta::assert_snapshot!("complained", full(&engine, ask("anna", "web", &speed), later));
}
