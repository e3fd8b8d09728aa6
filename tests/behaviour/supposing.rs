//! Simulations that suppose consents: they answer as if these were recorded, record nothing, and read nothing more.

use std::sync::Arc;

use tactful::domain::consent::ConsentStatus::{self, Expired, Given, Refused, Restricted, Revoked, Withdrawn};
use tactful::domain::decide::Explain;
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{ConsentChange, Decide, Engine, EngineError, Question};
use tactful::sync::block_on;

use super::support::{ask, attributes, consent, engine, monday, rules_of};

const RULES: &str = r#"
purposes:
  service: {basis: contract}
  personalisation: {basis: consent, expires_after: 30 days}
attributes:
  customer.name: {type: text, purposes: [service, personalisation]}
channels:
  web: {direction: inbound, interruption: 0}
actions:
  - {id: named, title: Named, kind: offer, purpose: personalisation, eligible: ['customer.name != "nobody"'], relevance: {base: 90}, intrusiveness: 1, treatments: {web: {text: "hi {customer.name}"}}}
  - {id: hello, title: Hello, kind: offer, purpose: personalisation, relevance: {base: 60}, intrusiveness: 1, treatments: {web: {text: hello}}}
  - {id: help, title: Help, kind: offer, purpose: service, relevance: {base: 50}, intrusiveness: 1, treatments: {web: {text: help}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 0}}
  hurt: {half_life: 365 days}
  time_zone: UTC
"#;

/// What would be said at a moment, if the customer had said this.
fn said(engine: &Engine, changes: &[(&str, ConsentStatus)], at: Moment) -> Result<String, EngineError> {
    said_on(engine, changes, at, monday())
}

/// What would be said at a moment, if the customer had said this before now.
fn said_on(engine: &Engine, changes: &[(&str, ConsentStatus)], at: Moment, now: Moment) -> Result<String, EngineError> {
    let question = Question { explain: Explain::Full, ..ask("anna", "web", &[]) };
    let decide = Decide::simulated(question, Arc::clone(&engine.rules().set), at, engine.rules())?;
    let changes = changes.iter().map(|(purpose, status)| ConsentChange::new(*purpose, *status)).collect();
    let record = block_on(engine.execute(&decide.supposing(changes, now)?, now))??;
    let named = |action| record.rules.vocabulary.name(action).to_owned();
    assert!(
        record.decision.actions.iter().all(|chosen| named(chosen.action) != "named" || chosen.text.contains("Anna"))
    );
    Ok(record.decision.actions.first().map_or_else(|| "silence".to_owned(), |chosen| named(chosen.action)))
}

fn name(engine: &Engine) {
    engine.set_attributes(attributes("anna", &[("customer.name", Value::Text("Anna".into()))]), monday()).unwrap();
}

#[test]
fn a_supposed_yes_and_no_count_and_nothing_is_recorded() {
    let engine = engine(&rules_of(RULES));
    let now = monday();
    assert_eq!(said(&engine, &[], now).unwrap(), "help");
    assert_eq!(said(&engine, &[("personalisation", Given)], now).unwrap(), "hello");
    assert_eq!(said(&engine, &[], now).unwrap(), "help", "nothing was recorded");
    engine.record_consent(consent("anna", "personalisation", Given), now).unwrap();
    name(&engine);
    assert_eq!(said(&engine, &[], now).unwrap(), "named");
    assert_eq!(said(&engine, &[("personalisation", Withdrawn)], now).unwrap(), "help");
    assert_eq!(said(&engine, &[], now).unwrap(), "named");
    assert_eq!(engine.ledger_records(), 1);
}

#[test]
fn what_is_supposed_counts_as_if_it_were_recorded() {
    for status in [Given, Refused, Withdrawn, Revoked, Restricted] {
        let purpose = if status == Restricted { "" } else { "personalisation" };
        let [supposing, recording] = [engine(&rules_of(RULES)), engine(&rules_of(RULES))];
        for engine in [&supposing, &recording] {
            engine.record_consent(consent("anna", "personalisation", Given), monday()).unwrap();
            name(engine);
        }
        recording.record_consent(consent("anna", purpose, status), monday()).unwrap();
        let supposed = said(&supposing, &[(purpose, status)], monday()).unwrap();
        assert_eq!(supposed, said(&recording, &[], monday()).unwrap(), "{status:?}");
    }
}

#[test]
fn a_supposed_yes_is_newer_than_every_record_and_lets_nothing_more_be_read() {
    let engine = engine(&rules_of(RULES));
    // The name is held for the service; a yes does not reach back.
    name(&engine);
    assert_eq!(said(&engine, &[("personalisation", Given)], monday()).unwrap(), "hello");
    engine.record_consent(consent("anna", "personalisation", Given), monday()).unwrap();
    name(&engine);
    engine.record_consent(consent("anna", "personalisation", Withdrawn), monday()).unwrap();
    for at in [monday() - Period::DAY, monday(), monday() + Period::DAY] {
        assert_eq!(said(&engine, &[("personalisation", Given)], at).unwrap(), "hello");
    }
}

#[test]
fn a_supposed_yes_does_not_save_data_whose_consent_expired() {
    let engine = engine(&rules_of(RULES));
    engine.record_consent(consent("anna", "personalisation", Given), monday()).unwrap();
    name(&engine);
    let expired = monday() + Period(31 * Period::DAY.0);
    // The customer was not touched since: the name is still in memory.
    assert_eq!(said_on(&engine, &[("personalisation", Given)], expired, expired).unwrap(), "hello");
}

#[test]
fn what_could_not_be_recorded_is_not_supposed() {
    let engine = engine(&rules_of(RULES));
    let refused = |changes: &[(&str, ConsentStatus)]| match said(&engine, changes, monday()) {
        Err(EngineError::Invalid(found)) => {
            found.iter().map(|one| format!("{} {}", one.field, one.description)).collect::<Vec<_>>().join("; ")
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&[("service", Given)]), "consents[0] cannot be recorded: basis_needs_no_consent");
    assert_eq!(refused(&[("service", Expired)]), "consents[0] cannot be recorded: status_not_writable");
    assert!(refused(&[("personalization", Given)]).contains("did you mean `personalisation`?"));
    let twice = refused(&[("personalisation", Given), ("personalisation", Withdrawn)]);
    assert!(twice.starts_with("consents[1] concerns the same purpose"), "{twice}");
}
