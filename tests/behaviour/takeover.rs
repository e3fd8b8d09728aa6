//! Data folders that earlier versions wrote.
//!
//! The fixtures were written by the code of their version, with `write_a_fixture`, and never again. For the next
//! version, before its first change: `FIXTURE=tests/fixtures/customers/version-N cargo test --test behaviour
//! write_a_fixture -- --ignored`.

use std::fs;
use std::io;
use std::path::Path;

use tactful::backup::BackupWriter;
use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus;
use tactful::engine::{Engine, OutcomeInput, Question};

use super::keeping::{Home, RULES, anna, kill, stop};
use super::support::{ask, chosen, consent, copy, monday};

/// The rules of `keeping`, and an outbound channel.
fn rules() -> String {
    let news = "  - {id: news, title: News, kind: offer, group: talk, purpose: service, relevance: {base: 50}, intrusiveness: 1, limits: [{at_most: 1, per: 28 days}, {after: complained, wait: 1 year}], treatments: {email: {text: news}}}\n";
    let email = "  email: {direction: outbound, interruption: 0}\n";
    RULES
        .replace("channels:\n", &format!("channels:\n{email}"))
        .replace("actions:\n", &format!("actions:\n{news}"))
        .replace("per_contact: {", "per_contact: {email: 1, ")
}

fn open(home: &Home, now: tactful::domain::time::Moment) -> Engine {
    home.try_open(&rules(), now).unwrap().0
}

fn asked(engine: &Engine, customer: &str, channel: &str, request: &str) -> String {
    let question = Question { request_id: request.into(), ..ask(customer, channel, &[]) };
    let record = engine.decide(question, monday()).unwrap();
    assert_eq!(chosen(&record).len(), 1);
    record.id()
}

fn outcome(decision: &str, customer: &str, action: &str, outcome: Outcome) -> OutcomeInput {
    OutcomeInput {
        outcome_id: String::new(),
        decision_id: decision.into(),
        customer: customer.into(),
        action: action.into(),
        channel: String::new(),
        outcome,
        occurred: None,
    }
}

/// Anna is flushed, Ben is in the contact log alone, Clara was erased and came back.
#[test]
#[ignore = "writes the fixture of a version"]
fn write_a_fixture() {
    let Ok(target) = std::env::var("FIXTURE") else { return };
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join(target);
    let home = Home::new();
    let engine = open(&home, monday());
    anna(&engine);
    let mail = asked(&engine, "anna", "email", "mail-1");
    for status in [ConsentStatus::Given, ConsentStatus::Returned] {
        let mut back = consent("clara", if status == ConsentStatus::Given { "advice" } else { "" }, status);
        back.source.evidence = "contract-7".into();
        assert!(engine.record_consent(back, monday()).unwrap().results[0].accepted);
        if status == ConsentStatus::Given {
            engine.erase("clara", monday()).unwrap();
        }
    }
    let records = engine.consent_records("anna").unwrap();
    let receipt = engine.receipt("anna", &records[0].1.record_id).unwrap().1;
    let mut backup = BackupWriter::begin(&home.0.path().join("backup")).unwrap();
    engine.back_up(&mut |name: &str, bytes: Vec<u8>| backup.add(name, &bytes).map_err(io::Error::other)).unwrap();
    backup.finish().unwrap();
    stop(engine);

    let engine = open(&home, monday());
    let hello = asked(&engine, "ben", "web", "");
    let news = asked(&engine, "ben", "email", "mail-2");
    let clicked = OutcomeInput { outcome_id: "o1".into(), ..outcome(&hello, "ben", "hello", Outcome::Clicked) };
    assert!(engine.record_outcomes(vec![clicked], monday()).unwrap()[0].accepted);
    kill(engine);
    fs::remove_file(home.settings().data.join("ledger/reserve")).unwrap();
    copy(home.0.path(), &target);
    let ids = format!("anna-mail {mail}\nben-hello {hello}\nben-news {news}\n");
    fs::write(target.join("decisions"), ids).unwrap();
    fs::write(target.join("receipt"), receipt).unwrap();
}
