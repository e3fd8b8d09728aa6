//! What a consent covers, for how long, and what ends it: the gate as an integrator and an auditor see it.

use std::sync::Arc;

use tactful::domain::action::Outcome;
use tactful::domain::consent::{ConsentRecord, ConsentStatus, Denial};
use tactful::domain::purpose::Basis;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{ActiveRules, ConsentRequest, Engine, OutcomeInput, Question};
use tactful::grpc::proto;
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::journey_service_client::JourneyServiceClient;
use tactful::ledger::{FileLedger, Ledger as _, LedgerSettings, MemoryLedger};
use tactful::rules::diagnostic::{Diagnostic, Severity};
use tactful::rules::load;

use super::support::{
    TestServer, ask, attributes, chosen, consent, engine, engine_over, event, monday, record, rules_of,
};

use ConsentStatus::{Given, Objected, Restricted, RestrictionLifted, Withdrawn};

pub const RULES: &str = r#"
purposes:
  service: {basis: contract}
  advice: {basis: consent, expires_after: 300 days}
  marketing: {basis: consent}
  marketing.ad: {basis: consent, direct_marketing: true}
  marketing.advertising: {basis: consent}
  mailing: {basis: legitimate_interest, direct_marketing: true}
  resale: {basis: legitimate_interest, gpc: objects}
attributes:
  customer.name: {type: text, purposes: [advice]}
  customer.city: {type: text, purposes: [service, advice]}
events:
  visit: {purposes: [advice], keep: 90 days, fields: {page: text}}
channels:
  web: {direction: inbound, interruption: 0, reserve_for: 30 minutes}
actions:
  - {id: hello, title: Hello, kind: offer, purpose: advice, eligible: ['customer.name != "nobody"'], relevance: {base: 60}, intrusiveness: 1, limits: [{at_most: 1, per: 30 days, outcome: presented}], treatments: {web: {text: "hi {customer.name}"}}}
  - {id: visited, title: Visited, kind: service, purpose: advice, eligible: ['events.count("visit", "90d") > 0'], relevance: {base: 50}, intrusiveness: 1, treatments: {web: {text: you came}}}
  - {id: letter, title: Letter, kind: service, purpose: mailing, relevance: {base: 40}, intrusiveness: 1, treatments: {web: {text: a letter}}}
  - {id: partner, title: Partner, kind: service, purpose: resale, relevance: {base: 30}, intrusiveness: 1, treatments: {web: {text: a partner}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 0}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

fn days(count: i64) -> Moment {
    monday() + Period(count * Period::DAY.0)
}

fn say(engine: &Engine, purpose: &str, status: ConsentStatus, at: Moment) {
    let answer = engine.record_consent(consent("anna", purpose, status), at).unwrap();
    assert!(answer.results[0].accepted, "{answer:?}");
}

/// Anna, who agreed to advice and gave her name.
fn anna() -> Engine {
    let engine = engine(&rules_of(RULES));
    say(&engine, "advice", Given, monday());
    tell(&engine, monday());
    engine
}

fn tell(engine: &Engine, at: Moment) {
    let facts = [("customer.name", Value::Text("Anna".into())), ("customer.city", Value::Text("Graz".into()))];
    engine.set_attributes(attributes("anna", &facts), at).unwrap();
    engine.record_events(vec![event("anna", "visit", &[("page", "fibre")])], at).unwrap();
}

fn reload(engine: &Engine, text: &str, at: Moment) -> Arc<ActiveRules> {
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: text.into() }]);
    engine.reload(|vocabulary| load(sources, vocabulary), at)
}

/// Everything that may be said to Anna.
fn said(engine: &Engine, at: Moment) -> Vec<String> {
    let question = Question { validate_only: true, max_actions: 9, ..ask("anna", "web", &[]) };
    let record = engine.decide(question, at).unwrap();
    chosen(&record).into_iter().map(str::to_owned).collect()
}

fn denial(engine: &Engine, purpose: &str, at: Moment) -> Option<Denial> {
    let standing = engine.standing("anna", at).unwrap();
    standing.into_iter().find(|view| view.purpose == purpose).unwrap().denial
}

fn error(active: &ActiveRules) -> &Diagnostic {
    let diagnostics = &active.reading.diagnostics;
    diagnostics.iter().find(|found| found.severity == Severity::Error).unwrap()
}

#[test]
fn a_yes_covers_the_version_that_was_shown_and_nothing_is_lost_until_the_next_yes() {
    let engine = anna();
    let wider = RULES.replace("advice: {basis: consent,", "advice: {basis: consent, version: 2,");
    assert!(!reload(&engine, &wider, monday()).refused());
    assert_eq!(denial(&engine, "advice", monday()), Some(Denial::Superseded));
    assert_eq!(said(&engine, monday()), ["letter", "partner"]);
    say(&engine, "advice", Given, days(1));
    assert_eq!(said(&engine, days(1)), ["hello", "visited", "letter", "partner"]);
    reload(&engine, RULES, days(1));
    assert_eq!(denial(&engine, "advice", days(1)), Some(Denial::Superseded), "nor an earlier version");
}

#[test]
fn a_changed_basis_needs_a_new_version() {
    let engine = anna();
    let changed = RULES.replace("advice: {basis: consent,", "advice: {basis: explicit_consent,");
    let failed = &reload(&engine, &changed, monday());
    let told = error(failed);
    assert_eq!(told.message, "the basis of `advice` was `consent` in version 1, and is `explicit_consent` now");
    assert_eq!(told.help.as_deref(), Some("a changed basis needs a new version: `version: 2`"));
    assert_eq!(said(&engine, monday())[0], "hello", "the rules before stay in force");
}

/// A start on an existing ledger with other rules.
fn restarted(rules: &str, records: &[(ConsentStatus, &str, Option<Basis>)]) -> Engine {
    let written = |(sequence, (status, purpose, basis)): (u64, &(ConsentStatus, &str, Option<Basis>))| ConsentRecord {
        basis: *basis,
        ..record("anna", purpose, *status, sequence)
    };
    let (ledger, records) = (MemoryLedger::default(), (1..).zip(records).map(written).collect::<Vec<_>>());
    ledger.append(&records).unwrap();
    engine_over(ledger, &rules_of(rules))
}

#[test]
fn another_basis_does_not_step_in_for_a_consent() {
    let consent = Some(Basis::Consent);
    let explicit = RULES.replace("advice: {basis: consent,", "advice: {basis: explicit_consent,");
    let given = restarted(&explicit, &[(Given, "advice", consent)]);
    assert_eq!(denial(&given, "advice", monday()), Some(Denial::Superseded));
    let interest =
        RULES.replace("advice: {basis: consent, expires_after: 300 days}", "advice: {basis: legitimate_interest}");
    let withdrawn = restarted(&interest, &[(Given, "advice", consent), (Withdrawn, "advice", consent)]);
    assert_eq!(denial(&withdrawn, "advice", monday()), Some(Denial::Withdrawn));
    let interest = interest.replace("legitimate_interest}", "legitimate_interest, version: 2}");
    let declared_anew = restarted(&interest, &[(Given, "advice", consent), (Withdrawn, "advice", consent)]);
    assert_eq!(denial(&declared_anew, "advice", monday()), Some(Denial::Withdrawn), "nor in another version");
}

#[test]
fn a_purpose_that_is_misspelt_in_the_rules_loses_no_data() {
    let misspelt = RULES.replace("advice", "advize");
    let engine = anna();
    assert!(!reload(&engine, &misspelt, monday()).refused());
    assert_eq!(said(&engine, monday()), ["letter", "partner"]);
    tell(&engine, days(1));
    engine.sweep(days(1));
    reload(&engine, RULES, days(2));
    assert_eq!(said(&engine, days(2)), ["hello", "visited", "letter", "partner"]);

    let engine = anna();
    reload(&engine, &misspelt, monday());
    say(&engine, "advice", Withdrawn, days(1));
    reload(&engine, RULES, days(2));
    say(&engine, "advice", Given, days(2));
    assert_eq!(said(&engine, days(2)), ["letter", "partner"], "a withdrawal counts meanwhile");

    let engine = anna();
    reload(&engine, &misspelt, monday());
    engine.sweep(days(31));
    reload(&engine, RULES, days(31));
    assert_eq!(said(&engine, days(31)), ["letter", "partner"], "not for ever");
}

#[test]
fn a_retired_purpose_is_over_at_once_and_for_good() {
    let engine = anna();
    let retired = RULES
        .replace("advice: {basis: consent, expires_after: 300 days}", "advice: {basis: consent, retired: true}")
        .replace("[advice]", "[service]")
        .replace("[service, advice]", "[service]")
        .replace("purpose: advice", "purpose: service");
    let active = reload(&engine, &retired, monday());
    assert!(!active.refused(), "{:?}", active.reading);
    assert_eq!(denial(&engine, "advice", monday()), Some(Denial::Retired));
    let answer = engine.record_consent(consent("anna", "advice", Given), monday()).unwrap();
    assert_eq!(answer.results[0].reason, "purpose_retired");
    let held = engine.customer("anna", monday()).unwrap().attributes;
    assert_eq!(held, [("customer.city".to_owned(), Value::Text("Graz".into()))], "what it alone was kept for is gone");
    let back = reload(&engine, RULES, monday());
    assert_eq!(error(&back).message, "the purpose `advice` was retired");
    let used = load(
        Sources::new(vec![SourceFile {
            path: "rules.yaml".into(),
            text: RULES.replace("advice: {basis: consent,", "advice: {retired: true, basis: consent,"),
        }]),
        &tactful::domain::id::Vocabulary::default(),
    );
    assert!(used.diagnostics.iter().any(|told| told.message.contains("is retired, so nothing may be done")));
}

#[test]
fn a_no_reaches_down_by_whole_names_and_though_the_wider_purpose_is_dropped() {
    let engine = anna();
    say(&engine, "marketing.ad", Given, monday());
    say(&engine, "marketing.advertising", Given, monday());
    say(&engine, "marketing.ad", Withdrawn, monday());
    assert_eq!(denial(&engine, "marketing.advertising", monday()), None);
    say(&engine, "marketing", Withdrawn, monday());
    assert_eq!(denial(&engine, "marketing.advertising", monday()), Some(Denial::Withdrawn));
    let without = RULES.replace("  marketing: {basis: consent}\n", "");
    assert!(!reload(&engine, &without, monday()).refused());
    assert_eq!(denial(&engine, "marketing.advertising", monday()), Some(Denial::Withdrawn));
}

#[test]
fn an_objection_to_direct_marketing_ends_only_with_a_later_yes_in_person() {
    let engine = anna();
    assert_eq!(denial(&engine, "mailing", monday()), None);
    say(&engine, "mailing", Objected, days(1));
    let imported = |claimed| {
        let mut request = consent("anna", "mailing", Given);
        request.deferred = true;
        request.changes[0].claimed = Some(claimed);
        request
    };
    for request in [imported(monday()), imported(days(2))] {
        assert!(engine.record_consent(request, days(2)).unwrap().results[0].accepted);
        assert_eq!(denial(&engine, "mailing", days(2)), Some(Denial::Objected));
    }
    let unsubscribed = engine.record_consent(consent("anna", "mailing", Withdrawn), days(2)).unwrap();
    assert!(unsubscribed.results[0].accepted, "an unsubscribe counts, whatever the basis");
    assert_eq!(denial(&engine, "mailing", days(2)), Some(Denial::Withdrawn));
    say(&engine, "mailing", Given, days(3));
    assert_eq!(denial(&engine, "mailing", days(3)), None);
    say(&engine, "mailing", Objected, days(3));
    assert_eq!(denial(&engine, "mailing", days(3)), Some(Denial::Objected), "in one moment, the no wins");
}

#[test]
fn a_restriction_keeps_everything_and_uses_nothing() {
    let engine = anna();
    say(&engine, "", Restricted, days(1));
    assert_eq!(said(&engine, days(1)), Vec::<String>::new());
    tell(&engine, days(1));
    engine.sweep(days(100));
    say(&engine, "", RestrictionLifted, days(100));
    assert_eq!(said(&engine, days(100))[0], "hello", "nothing was purged");
    assert!(!said(&engine, days(100)).contains(&"visited".to_owned()), "its time to be kept was over");

    say(&engine, "", Restricted, days(101));
    say(&engine, "advice", Withdrawn, days(102));
    let kept = engine.export("anna", days(102)).unwrap().state.attributes().iter().count();
    assert_eq!(kept, 2, "it is still there, for the customer to have");
    say(&engine, "advice", Given, days(103));
    say(&engine, "", RestrictionLifted, days(104));
    assert!(!said(&engine, days(104)).contains(&"hello".to_owned()), "a new yes brings nothing back");
}

#[test]
fn a_clock_that_steps_back_revives_nothing_not_even_over_a_restart() {
    let engine = anna();
    assert_eq!(denial(&engine, "advice", days(300)), Some(Denial::Expired));
    assert_eq!(denial(&engine, "advice", monday()), Some(Denial::Expired));

    let mut short = consent("anna", "advice", Given);
    short.changes[0].valid_until = Some(days(10));
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let opened = FileLedger::open(&LedgerSettings::of(&folder.path().join("data"))).unwrap();
        let engine = engine_over(opened.ledger, &rules_of(RULES));
        engine.resume(&opened.summary);
        engine
    };
    let before = start();
    before.record_consent(short, monday()).unwrap();
    before.record_consent(consent("bea", "advice", Given), days(10)).unwrap();
    drop(before);
    assert_eq!(denial(&start(), "advice", days(9)), Some(Denial::Expired));
}

#[test]
fn a_step_that_waits_is_gated_again() {
    let engine = anna();
    let request = Question { request_id: "r1".into(), ..ask("anna", "web", &[]) };
    let decided = engine.decide(request.clone(), monday()).unwrap();
    assert_eq!((chosen(&decided), decided.decision.valid_until > monday()), (vec!["hello"], true));
    say(&engine, "advice", Withdrawn, days(0));
    let queued = engine.decision(&decided.id(), monday()).unwrap();
    assert!(queued.decision.valid_until <= monday(), "a check before sending shows that it has ended");
    assert_eq!(&*queued.decision.actions[0].text, "");
    assert!(!chosen(&engine.decide(request, monday()).unwrap()).contains(&"hello"));
    let outcome = OutcomeInput {
        outcome_id: "o1".into(),
        decision_id: decided.id(),
        customer: "anna".into(),
        action: "hello".into(),
        channel: String::new(),
        outcome: Outcome::Presented,
        occurred: None,
    };
    assert!(engine.record_outcomes(vec![outcome], monday()).unwrap()[0].accepted);
    say(&engine, "advice", Given, days(1));
    tell(&engine, days(1));
    assert!(!said(&engine, days(1)).contains(&"hello".to_owned()), "it was said, so the limit counts it");
    assert!(said(&engine, days(31)).contains(&"hello".to_owned()));
}

#[test]
fn what_ran_out_unnoticed_is_not_shown_either() {
    let engine = anna();
    let decided = engine.decide(ask("anna", "web", &[]), days(300) - Period(1)).unwrap();
    assert_eq!(&*decided.decision.actions[0].text, "hi Anna");
    assert_eq!(&*engine.decision(&decided.id(), days(300)).unwrap().decision.actions[0].text, "");
}

#[test]
fn a_misspelt_purpose_is_named_with_the_one_that_was_meant() {
    let answer = anna().record_consent(consent("anna", "advise", Given), monday()).unwrap();
    let result = &answer.results[0];
    assert!(!result.accepted && result.record_id.is_empty());
    assert_eq!(result.reason, "unknown_purpose: no purpose is called `advise`; did you mean `advice`?");
}

fn with_signal<T>(message: T, value: &'static str) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("sec-gpc", value.parse().unwrap());
    request
}

#[tokio::test]
async fn a_browser_signal_objects_once_and_a_later_yes_holds() {
    let server = TestServer::start(rules_of(RULES), "none".into()).await;
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let mut journeys = JourneyServiceClient::new(server.channel.clone());
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let decide = || proto::DecideRequest {
        customer_id: "anna".into(),
        channel: "web".into(),
        max_actions: 9,
        ..Default::default()
    };
    let steps = |answer: tonic::Response<proto::DecideResponse>| -> Vec<String> {
        answer.into_inner().actions.into_iter().map(|action| action.action_id).collect()
    };
    for no_signal in ["0", "true", "1 "] {
        assert!(steps(decisions.decide(with_signal(decide(), no_signal)).await.unwrap()).contains(&"partner".into()));
    }
    let answers = (0..8).map(|_| {
        let (mut client, request) = (decisions.clone(), with_signal(decide(), "1"));
        tokio::spawn(async move { client.decide(request).await.unwrap() })
    });
    for answer in answers.collect::<Vec<_>>() {
        assert_eq!(steps(answer.await.unwrap()), ["letter"], "the very answer obeys, and only for what opts in");
    }
    let reader = consents.clone();
    let records = || async {
        let request = proto::ListConsentRecordsRequest { customer_id: "anna".into(), ..Default::default() };
        reader.clone().list_consent_records(request).await.unwrap().into_inner().records_json_ld
    };
    let written = records().await;
    assert_eq!(written.len(), 1);
    assert!(written[0].contains("eu-gdpr:A21") && written[0].contains("Sec-GPC: 1"), "{written:?}");
    let change = proto::ConsentChange {
        purpose: "resale".into(),
        status: proto::ConsentStatus::Given.into(),
        ..Default::default()
    };
    server.pass(Period(1));
    let yes = proto::RecordConsentRequest { customer_id: "anna".into(), changes: vec![change], ..Default::default() };
    assert!(consents.record_consent(yes).await.unwrap().into_inner().results[0].accepted);
    assert!(steps(decisions.decide(with_signal(decide(), "1")).await.unwrap()).contains(&"partner".into()));
    assert_eq!(records().await.len(), 2);

    let visit = proto::Event { customer_id: "bea".into(), r#type: "visit".into(), ..Default::default() };
    let request = proto::RecordEventsRequest { events: vec![visit] };
    journeys.record_events(with_signal(request, "1")).await.unwrap();
    let denied = async |customer: &str| {
        let asked = proto::GetConsentRequest { customer_id: customer.into() };
        let standings = reader.clone().get_consent(asked).await.unwrap().into_inner().standings;
        let resale = standings.into_iter().find(|standing| standing.purpose == "resale").unwrap();
        (resale.usable, resale.denied_because)
    };
    assert_eq!(denied("bea").await, (false, "objected".into()));
    // Two browsers' headers that a proxy has joined, and what only looks like it.
    for (customer, value, objects) in [("dora", "1, 1", true), ("emil", "0,1", true), ("finn", "11", false)] {
        let question = proto::DecideRequest { customer_id: customer.into(), ..decide() };
        let rehearsal = proto::DecideRequest { validate_only: true, ..question.clone() };
        let rehearsed = steps(decisions.decide(with_signal(rehearsal, value)).await.unwrap());
        assert_eq!(rehearsed.contains(&"partner".into()), !objects, "{value}: decided as if it were recorded");
        assert_eq!(denied(customer).await, (true, String::new()), "a rehearsal records nothing");
        decisions.decide(with_signal(question, value)).await.unwrap();
        assert_eq!(denied(customer).await.0, !objects, "{value}");
    }
    server.stop().await;
}

#[test]
fn imports_may_not_backdate_over_a_no() {
    let engine = anna();
    say(&engine, "advice", Withdrawn, days(1));
    let mut late: ConsentRequest = consent("anna", "advice", Given);
    late.deferred = true;
    late.changes[0].claimed = Some(days(1));
    assert!(engine.record_consent(late, days(2)).unwrap().results[0].accepted);
    let standing = engine.standing("anna", days(2)).unwrap();
    let advice = standing.iter().find(|view| view.purpose == "advice").unwrap();
    assert!(!advice.usable && advice.needs_reconfirm, "{advice:?}");
}
