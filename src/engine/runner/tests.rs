//! What comes between the run of a consent and its commit, which no caller can time from outside.

use std::sync::Arc;

use super::*;
use crate::domain::consent::ConsentStatus::{self, Given, Withdrawn};
use crate::domain::consent::Denial;
use crate::domain::id::Vocabulary;
use crate::domain::sources::{SourceFile, Sources};
use crate::engine::operations::consent::ConsentDraft;
use crate::engine::{ConsentAnswer, ConsentChange, ConsentRequest, Limits, Question, RecordConsent};
use crate::ledger::MemoryLedger;
use crate::rules::load;

const RULES: &str = "
purposes:
  advice: {basis: consent}
channels:
  web: {direction: inbound, interruption: 0}
actions:
  - {id: hello, title: Hello, kind: service, purpose: advice, relevance: {base: 60}, intrusiveness: 1, treatments: {web: {text: hi}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 0}}
  hurt: {half_life: 30 days}
  time_zone: UTC
";

const NOW: Moment = Moment(1_772_442_000_000);

fn engine() -> Engine {
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: RULES.into() }]);
    let rules = Arc::new(load(sources, &Vocabulary::default()).rule_set.unwrap());
    Engine::new(rules, Arc::new(MemoryLedger::default()), Limits { decisions: 64 << 10 }, NOW)
}

fn request(status: ConsentStatus) -> ConsentRequest {
    let change = ConsentChange::new("advice", status);
    ConsentRequest { customer: "anna".into(), changes: vec![change], ..ConsentRequest::default() }
}

fn give(engine: &Engine) {
    assert!(engine.record_consent(request(Given), NOW).unwrap().results[0].accepted);
}

/// Runs a withdrawal, lets something come before it takes effect on disk, and ends it.
fn withdraw_around(engine: &Engine, between: impl FnOnce()) -> ConsentAnswer {
    let operation = RecordConsent::new(request(Withdrawn), engine.rules(), NOW).unwrap();
    let context = engine.context(operation.rules(), NOW);
    let mut ran = sync::block_on(engine.run(&operation, &context, &mut None)).unwrap();
    between();
    assert!(sync::block_on(engine.commit(&operation, &mut ran, &context)).unwrap());
    operation.finish(ran.draft).unwrap()
}

fn denial(engine: &Engine) -> Option<Denial> {
    engine.standing("anna", NOW).unwrap().remove(0).denial
}

#[test]
fn an_erasure_waits_for_the_consents_before_it_and_removes_them() {
    let engine = engine();
    give(&engine);
    std::thread::scope(|scope| {
        let mut erasing = None;
        let answer = withdraw_around(&engine, || {
            erasing = Some(scope.spawn(|| engine.erase("anna", NOW).unwrap()));
            while !engine.revocations.is_being_erased("anna") {
                std::thread::yield_now();
            }
        });
        assert!(answer.results[0].accepted, "it came first");
        assert_eq!(erasing.unwrap().join().unwrap().records, 2);
    });
    assert_eq!(engine.consent_records("anna").unwrap().len(), 0);
    assert_eq!(denial(&engine), Some(Denial::Erased));
}

#[test]
fn a_consent_waits_for_the_erasure_of_its_customer() {
    let engine = engine();
    give(&engine);
    let (erasing, _) = sync::block_on(engine.revocations.begin_erasure("anna"));
    let operation = RecordConsent::new(request(Given), engine.rules(), NOW).unwrap();
    let mut giving = std::pin::pin!(engine.execute(&operation, NOW));
    assert!(futures_util::FutureExt::now_or_never(giving.as_mut()).is_none());
    drop(erasing);
    assert!(sync::block_on(giving).unwrap().unwrap().results[0].accepted);
}

#[test]
fn a_denial_that_comes_before_an_answer_leaves_undoes_its_contact() {
    let engine = engine();
    give(&engine);
    let question = Question { customer: "anna".into(), channel: "web".into(), ..Question::default() };
    let decide = crate::engine::Decide::new(question, engine.rules()).unwrap();
    let context = engine.context(decide.rules(), NOW);
    let ran = sync::block_on(engine.run(&decide, &context, &mut None)).unwrap();
    let contacts = || engine.customers.read("anna", |customer| customer.state.relation().contacts.len());
    assert_eq!(contacts(), Some(1));
    engine.record_consent(request(Withdrawn), NOW).unwrap();
    assert_ne!(sync::block_on(engine.epoch(&decide)), decide.relies_on(&ran.draft));
    sync::block_on(engine.undo(&decide, &ran.draft));
    assert_eq!(contacts(), Some(0));
    assert!(ran.published.is_some_and(|record| engine.decisions.get(record.id.key()).is_none()));
}

#[test]
fn a_contact_that_an_outcome_found_stays_when_its_answer_is_undone() {
    let engine = engine();
    give(&engine);
    let question = Question { customer: "anna".into(), channel: "web".into(), ..Question::default() };
    let decide = crate::engine::Decide::new(question, engine.rules()).unwrap();
    let context = engine.context(decide.rules(), NOW);
    let ran = sync::block_on(engine.run(&decide, &context, &mut None)).unwrap();
    let presented = crate::engine::OutcomeInput {
        outcome_id: "o1".into(),
        decision_id: String::new(),
        customer: "anna".into(),
        action: "hello".into(),
        channel: "web".into(),
        outcome: crate::domain::action::Outcome::Presented,
        occurred: None,
    };
    assert!(engine.record_outcomes(vec![presented], NOW).unwrap()[0].reason.is_empty());
    sync::block_on(engine.undo(&decide, &ran.draft));
    let contacts = engine.customers.read("anna", |customer| customer.state.relation().contacts.len());
    assert_eq!(contacts, Some(1));
}

#[test]
fn a_draft_of_a_refused_key_keeps_nothing() {
    let engine = engine();
    let mut keyed = request(Given);
    keyed.idempotency_key = "k".into();
    keyed.changes[0].purpose = "unknown".into();
    let operation = RecordConsent::new(keyed, engine.rules(), NOW).unwrap();
    let context = engine.context(operation.rules(), NOW);
    let ran = sync::block_on(engine.run(&operation, &context, &mut None)).unwrap();
    assert!(matches!(ran.draft, ConsentDraft::Results(..)) && ran.recording.is_none());
    assert_eq!(engine.customer_count(), 0, "a key is held only while records are on their way");
}
