//! The server over gRPC: what an integrator sees.

use std::collections::HashMap;

use tactful::domain::time::Period;
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::journey_service_client::JourneyServiceClient;
use tactful::grpc::proto::rule_service_client::RuleServiceClient;
use tactful::grpc::proto::value::Kind;
use tactful::grpc::proto::{self, ConsentStatus, Outcome, SilenceReason};
use tonic::Code;
use tonic::transport::Channel;
use tonic_types::StatusExt as _;

use super::support::{TestServer, copy, folder, rules};

const DESIGN: &str = "tests/fixtures/design";

async fn server() -> TestServer {
    TestServer::start(rules(DESIGN), folder(DESIGN)).await
}

fn text(text: &str) -> proto::Value {
    proto::Value { kind: Some(Kind::Text(text.into())) }
}

fn decide(customer: &str) -> proto::DecideRequest {
    proto::DecideRequest {
        customer_id: customer.into(),
        channel: "web".into(),
        context: HashMap::from([("topic".into(), text("speed")), ("activity".into(), text("browsing"))]),
        ..proto::DecideRequest::default()
    }
}

fn consent(customer: &str, purpose: &str, status: ConsentStatus) -> proto::RecordConsentRequest {
    proto::RecordConsentRequest {
        customer_id: customer.into(),
        changes: vec![proto::ConsentChange { purpose: purpose.into(), status: status.into(), ..Default::default() }],
        ..Default::default()
    }
}

/// Everything that makes fibre fit, once consent is given.
async fn fill(server: &TestServer, customer: &str) {
    let mut journeys = JourneyServiceClient::new(server.channel.clone());
    let attributes = HashMap::from([
        ("customer.contract".into(), text("dsl")),
        ("customer.age".into(), proto::Value { kind: Some(Kind::Number(34.0)) }),
    ]);
    let request = proto::SetAttributesRequest { customer_id: customer.into(), attributes, time_zone: String::new() };
    journeys.set_attributes(request).await.unwrap();
    let fields = HashMap::from([("page".into(), text("fibre"))]);
    let event = proto::Event { customer_id: customer.into(), r#type: "page_view".into(), fields, ..Default::default() };
    journeys.record_events(proto::RecordEventsRequest { events: vec![event] }).await.unwrap();
}

#[tokio::test]
async fn an_action_that_needs_consent_appears_and_disappears_with_it() {
    let server = server().await;
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    fill(&server, "anna").await;
    let before = decisions.decide(decide("anna")).await.unwrap().into_inner();
    assert_eq!(before.silence.unwrap().reason(), SilenceReason::NoConsent);

    let given =
        consents.record_consent(consent("anna", "personalisation", ConsentStatus::Given)).await.unwrap().into_inner();
    assert!(
        given.results[0].accepted && given.results[0].standing.as_ref().unwrap().usable && given.ledger_position == 1
    );
    fill(&server, "anna").await;
    let with = decisions.decide(decide("anna")).await.unwrap().into_inner();
    assert_eq!(with.actions[0].action_id, "fibre-upgrade");
    assert_eq!(with.actions[0].because, ["you asked about speed"]);
    assert_eq!((with.purposes_used, with.ledger_position), (vec!["personalisation".to_owned()], 1));

    consents.record_consent(consent("anna", "personalisation", ConsentStatus::Withdrawn)).await.unwrap();
    let after = decisions.decide(decide("anna")).await.unwrap().into_inner();
    assert_eq!(after.silence.unwrap().reason(), SilenceReason::NoConsent);
    let mut journeys = JourneyServiceClient::new(server.channel.clone());
    let held =
        journeys.get_customer(proto::GetCustomerRequest { customer_id: "anna".into() }).await.unwrap().into_inner();
    assert!(held.journeys.is_empty() && !held.attributes.contains_key("customer.age"), "{held:?}");

    consents.record_consent(consent("anna", "personalisation", ConsentStatus::Given)).await.unwrap();
    let again =
        journeys.get_customer(proto::GetCustomerRequest { customer_id: "anna".into() }).await.unwrap().into_inner();
    assert!(again.journeys.is_empty(), "a new grant brings nothing back: {again:?}");
    server.stop().await;
}

#[tokio::test]
async fn two_hundred_parallel_calls_present_a_limited_action_once() {
    let server = server().await;
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    consents.record_consent(consent("bea", "personalisation", ConsentStatus::Given)).await.unwrap();
    fill(&server, "bea").await;
    let calls = (0..200).map(|_| {
        let mut client = DecisionServiceClient::new(server.channel.clone());
        tokio::spawn(async move {
            loop {
                match client.decide(decide("bea")).await {
                    Ok(answer) => return answer.into_inner().actions.len(),
                    // On a machine that others keep busy; a call that is refused counts nothing.
                    Err(status) => assert_eq!(status.code(), Code::ResourceExhausted, "{status}"),
                }
            }
        })
    });
    let mut presented = 0;
    for call in calls.collect::<Vec<_>>() {
        presented += call.await.unwrap();
    }
    assert_eq!(presented, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_repeated_request_is_answered_the_same_until_consent_is_gone() {
    let server = server().await;
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    consents.record_consent(consent("cem", "personalisation", ConsentStatus::Given)).await.unwrap();
    fill(&server, "cem").await;
    let request = proto::DecideRequest { request_id: "r-1".into(), ..decide("cem") };
    let first = decisions.decide(request.clone()).await.unwrap().into_inner();
    let second = decisions.decide(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, second);
    let past = decisions
        .get_decision(proto::GetDecisionRequest { decision_id: first.decision_id.clone() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!((past.decision.as_ref(), past.request.as_ref()), (Some(&first), Some(&request)));

    let other = proto::DecideRequest { channel: "phone".into(), ..request.clone() };
    let refused = decisions.decide(other).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));

    consents.record_consent(consent("cem", "personalisation", ConsentStatus::Withdrawn)).await.unwrap();
    let after = decisions.decide(request).await.unwrap().into_inner();
    assert!(after.actions.is_empty(), "a personal answer is not repeated after the withdrawal");
    server.stop().await;
}

fn reason(status: &tonic::Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

#[tokio::test]
async fn wrong_requests_name_the_field_and_the_fix_and_change_nothing() {
    let server = server().await;
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let long = "x".repeat(300);
    let cases = [
        (
            proto::DecideRequest { customer_id: String::new(), ..decide("d") },
            "customer_id",
            "is required",
            "INVALID_REQUEST",
        ),
        (proto::DecideRequest { customer_id: long, ..decide("d") }, "customer_id", "at most 256", "INVALID_REQUEST"),
        (
            proto::DecideRequest { channel: "wbe".into(), ..decide("d") },
            "channel",
            "did you mean `web`?",
            "UNKNOWN_CHANNEL",
        ),
        (
            proto::DecideRequest { channel: String::new(), ..decide("d") },
            "channel",
            "the rules declare",
            "UNKNOWN_CHANNEL",
        ),
        (with_context("topc", text("speed")), "context[topc]", "did you mean `topic`?", "INVALID_REQUEST"),
        (with_context("activity", text("sleeping")), "context[activity]", "must be one of", "INVALID_REQUEST"),
        (with_context("topic", proto::Value { kind: None }), "context[topic]", "has no value", "INVALID_REQUEST"),
        (
            with_context("topic", proto::Value { kind: Some(Kind::Number(f64::NAN)) }),
            "context[topic]",
            "finite",
            "INVALID_REQUEST",
        ),
        (with_context("topic", text(&"x".repeat(5_000))), "context[topic]", "too long", "INVALID_REQUEST"),
        (proto::DecideRequest { max_actions: 21, ..decide("d") }, "max_actions", "at most 20", "INVALID_REQUEST"),
        (
            proto::DecideRequest { groups: vec!["nope".into()], ..decide("d") },
            "groups[0]",
            "no action has",
            "INVALID_REQUEST",
        ),
        (proto::DecideRequest { explain: 9, ..decide("d") }, "explain", "not a known", "INVALID_REQUEST"),
    ];
    for (request, field, words, why) in cases {
        let status = decisions.decide(request).await.unwrap_err();
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        let named =
            violations.iter().any(|violation| violation.field == field && violation.description.contains(words));
        assert!(named, "{field}: {violations:?}");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, why));
        assert!(status.details().len() <= 4_096);
    }
    assert_eq!(server.engine.customer_count(), 0);
    server.stop().await;
}

fn with_context(name: &str, value: proto::Value) -> proto::DecideRequest {
    proto::DecideRequest { context: HashMap::from([(name.into(), value)]), ..decide("d") }
}

#[tokio::test]
async fn errors_stay_small_however_much_is_wrong() {
    let server = server().await;
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let context = (0..60).map(|index| (format!("wrong_{index}_{}", "x".repeat(150)), text("x"))).collect();
    let status = decisions.decide(proto::DecideRequest { context, ..decide("d") }).await.unwrap_err();
    assert!(status.details().len() <= 4_096 && status.message().len() <= 1_024, "{}", status.details().len());
    server.stop().await;
}

#[tokio::test]
async fn wrong_items_are_refused_one_by_one_and_the_others_applied() {
    let server = server().await;
    let mut journeys = JourneyServiceClient::new(server.channel.clone());
    let event = |kind: &str, id: &str| proto::Event {
        event_id: id.into(),
        customer_id: "eva".into(),
        r#type: kind.into(),
        ..Default::default()
    };
    let mut late = event("complaint", "e4");
    late.occurred_at = Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 });
    let events = vec![
        event("complaint", "e1"),
        event("complaind", "e2"),
        event("complaint", "e1"),
        event("page_view", "e3"),
        late,
    ];
    let results = journeys.record_events(proto::RecordEventsRequest { events }).await.unwrap().into_inner().results;
    let told: Vec<(bool, &str)> = results.iter().map(|result| (result.accepted, result.reason.as_str())).collect();
    assert_eq!(told[0], (true, ""));
    assert!(!told[1].0 && told[1].1.contains("did you mean `complaint`?"));
    assert_eq!(told[2], (true, "repeated"));
    assert_eq!(told[3], (false, "no_lawful_purpose"));
    assert!(!told[4].0 && told[4].1.contains("in the future"));
    let held =
        journeys.get_customer(proto::GetCustomerRequest { customer_id: "eva".into() }).await.unwrap().into_inner();
    assert!((held.hurt - 40.0).abs() < 1e-9, "{held:?}");
    let hurt: Vec<_> = held.bad_experiences.iter().map(|one| (&*one.event_type, one.points, one.repaired)).collect();
    assert_eq!(hurt, [("complaint", 40.0, false)]);
    server.stop().await;
}

#[tokio::test]
async fn an_unconfirmed_contact_lapses_and_a_confirmed_one_stays() {
    let server = server().await;
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    consents.record_consent(consent("finn", "personalisation", ConsentStatus::Given)).await.unwrap();
    fill(&server, "finn").await;
    let presents = |response: &proto::DecideResponse| response.actions.len();
    assert_eq!(presents(decisions.decide(decide("finn")).await.unwrap().get_ref()), 1);
    let limited = decisions.decide(decide("finn")).await.unwrap().into_inner();
    assert_eq!(limited.silence.unwrap().reason(), SilenceReason::ContactLimit);
    server.pass(Period(31 * 60_000));
    let again = decisions.decide(decide("finn")).await.unwrap().into_inner();
    assert_eq!(presents(&again), 1);
    let outcome = proto::OutcomeRecord {
        outcome_id: "o-1".into(),
        decision_id: again.decision_id,
        action_id: "fibre-upgrade".into(),
        outcome: Outcome::Presented.into(),
        ..Default::default()
    };
    let results = decisions
        .record_outcomes(proto::RecordOutcomesRequest { outcomes: vec![outcome.clone(), outcome] })
        .await
        .unwrap();
    let results = results.into_inner().results;
    assert!(results[0].accepted && results[1].reason == "repeated");
    server.pass(Period(29 * 86_400_000));
    let still = decisions.decide(decide("finn")).await.unwrap().into_inner();
    let silence = still.silence.unwrap();
    assert_eq!(silence.reason(), SilenceReason::ContactLimit);
    assert!(silence.retry_after.is_some());
    server.stop().await;
}

#[tokio::test]
async fn rules_are_checked_simulated_and_reloaded_whole_or_not_at_all() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("rules.yaml");
    copy(&folder(DESIGN), temporary.path());
    let good = std::fs::read_to_string(&path).unwrap();
    let server = TestServer::start(rules(&temporary.path().display().to_string()), temporary.path().to_owned()).await;
    let mut client = RuleServiceClient::new(server.channel.clone());
    let before = client.get_rule_set(proto::GetRuleSetRequest {}).await.unwrap().into_inner();
    assert_eq!((before.actions, before.channels.len(), before.last_reload_failed), (1, 3, false));

    std::fs::write(&path, good.replace("customer.age >= 18", "customer.aeg >= 18")).unwrap();
    let reload = client.reload_rules(proto::ReloadRulesRequest {}).await.unwrap().into_inner();
    let told = &reload.diagnostics[0];
    assert!(
        told.message.contains("customer.aeg") && told.help.contains("customer.age") && told.line > 1 && told.column > 1,
        "{told:?}"
    );
    let kept = client.get_rule_set(proto::GetRuleSetRequest {}).await.unwrap().into_inner();
    assert_eq!((kept.rule_set, kept.last_reload_failed), (before.rule_set.clone(), true));

    std::fs::write(&path, good.replace("base: 35", "base: 36")).unwrap();
    let reload = client.reload_rules(proto::ReloadRulesRequest {}).await.unwrap().into_inner();
    let errors = reload.diagnostics.iter().filter(|found| found.severity() == proto::Severity::Error).count();
    assert_eq!((reload.outcome(), errors), (proto::ReloadOutcome::Changed, 0), "{reload:#?}");
    assert_ne!(reload.rule_set, before.rule_set);

    let path = "notices/personalisation-v2.md".to_owned();
    let notice = proto::RuleFile { path, text: "We use what contract you have.".into() };
    let file = |text: String| vec![proto::RuleFile { path: "draft.yaml".into(), text }, notice.clone()];
    let checked =
        client.check_rules(proto::CheckRulesRequest { files: file("purposes: 3\nwat: 1".into()) }).await.unwrap();
    assert!(checked.get_ref().diagnostics.len() >= 2 && checked.get_ref().rule_set.is_empty());
    let draft = good.replace("purpose: personalisation\n    eligible", "purpose: service\n    eligible");
    let request = proto::SimulateDecisionRequest {
        request: Some(decide("gül")),
        files: file(draft),
        at: None,
        consents: Vec::new(),
    };
    let simulated = client.simulate_decision(request).await.unwrap().into_inner();
    assert!(simulated.decision.is_some() || !simulated.diagnostics.is_empty());
    assert_eq!(server.engine.customer_count(), 0);
    server.stop().await;
}

#[tokio::test]
async fn watchers_see_decisions_and_the_server_stops_with_one_open() {
    let server = server().await;
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let wanted = proto::WatchDecisionsRequest { customer_id: "hugo".into(), channel: String::new() };
    let mut feed = decisions.watch_decisions(wanted).await.unwrap().into_inner();
    decisions.decide(decide("ida")).await.unwrap();
    let made = decisions.decide(decide("hugo")).await.unwrap().into_inner();
    let seen = feed.message().await.unwrap().unwrap().decision.unwrap();
    assert_eq!(seen.decision.unwrap(), made);
    let unknown = decisions.get_decision(proto::GetDecisionRequest { decision_id: "d-1-1".into() }).await.unwrap_err();
    assert_eq!((unknown.code(), reason(&unknown)), (Code::NotFound, "UNKNOWN_DECISION".to_owned()));
    drop(decisions);
    server.stop().await;
    assert!(feed.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_slow_watcher_is_told_how_many_decisions_it_missed() {
    let server = server().await;
    // A connection with room for less than one decision, until the client reads.
    let narrow = Channel::from_shared(server.address.clone()).unwrap().initial_stream_window_size(16);
    let mut watcher = DecisionServiceClient::new(narrow.connect().await.unwrap());
    let mut feed = watcher.watch_decisions(proto::WatchDecisionsRequest::default()).await.unwrap().into_inner();
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    for number in 0..1_500 {
        decisions.decide(decide(&format!("customer-{number}"))).await.unwrap();
    }
    let (mut seen, mut missed) = (0, 0);
    loop {
        let next = feed.message().await.unwrap().unwrap();
        (seen, missed) = (seen + 1, missed + next.missed);
        if next.decision.unwrap().request.unwrap().customer_id == "customer-1499" {
            break;
        }
    }
    assert_eq!(seen + missed, 1_500, "{seen} seen");
    assert!(missed > 0, "the watcher was not slow");
    drop(feed);
    server.stop().await;
}

#[tokio::test]
async fn health_and_both_reflections_answer() {
    use tonic_reflection::pb::{v1, v1alpha};
    let server = server().await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(server.channel.clone());
    for service in ["", "tactful.v1.DecisionService", "tactful.v1.ConsentService", "tactful.decision_log"] {
        let request = tonic_health::pb::HealthCheckRequest { service: service.into() };
        assert_eq!(health.check(request).await.unwrap().get_ref().status, 1, "{service}");
    }
    let names =
        ["tactful.v1.DecisionService", "tactful.v1.JourneyService", "tactful.v1.RuleService", "grpc.health.v1.Health"];
    let ask = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(server.channel.clone());
    let mut answers = client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
    let listed = format!("{:?}", answers.message().await.unwrap().unwrap());
    assert!(names.iter().all(|name| listed.contains(name)), "{listed}");
    let ask = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(server.channel.clone());
    let mut answers = client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
    let listed = format!("{:?}", answers.message().await.unwrap().unwrap());
    assert!(names.iter().all(|name| listed.contains(name)), "{listed}");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_of_events_is_answered_message_by_message() {
    let server = server().await;
    let mut journeys = JourneyServiceClient::new(server.channel.clone());
    let message = |kind: &str| proto::RecordEventsRequest {
        events: vec![proto::Event { customer_id: "jo".into(), r#type: kind.into(), ..Default::default() }],
    };
    let sent = tokio_stream::iter([message("complaint"), message("nonsense"), message("order")]);
    let mut answers = journeys.stream_events(sent).await.unwrap().into_inner();
    let mut accepted = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        accepted.push(answer.results[0].accepted);
    }
    assert_eq!(accepted, [true, false, true]);
    server.stop().await;
}

#[tokio::test]
async fn a_withdrawal_has_an_rpc_of_its_own_that_never_grants() {
    let server = server().await;
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    consents.record_consent(consent("anna", "personalisation", ConsentStatus::Given)).await.unwrap();
    let mut withdraw = async |purposes: &[&str], status: ConsentStatus| {
        let request = proto::WithdrawConsentRequest {
            customer_id: "anna".into(),
            purposes: purposes.iter().map(|purpose| (*purpose).to_owned()).collect(),
            status: status.into(),
            source: None,
        };
        consents.withdraw_consent(request).await.map(tonic::Response::into_inner)
    };
    let one = withdraw(&["personalisation"], ConsentStatus::Unspecified).await.unwrap();
    let standing = one.results[0].standing.as_ref().unwrap();
    assert!(one.results[0].accepted && !standing.usable && standing.status() == ConsentStatus::Withdrawn);
    let all = withdraw(&[], ConsentStatus::Objected).await.unwrap();
    assert!(!all.results.is_empty() && all.results.iter().all(|result| result.accepted), "{all:?}");
    assert!(all.ledger_position > one.ledger_position);
    assert!(withdraw(&[], ConsentStatus::Restricted).await.unwrap().results[0].accepted);
    for (purposes, status) in [
        (&["personalisation"][..], ConsentStatus::Given),
        (&[], ConsentStatus::RestrictionLifted),
        (&[], ConsentStatus::Returned),
        (&["personalisation"], ConsentStatus::Restricted),
        (&["personalisation"; 65], ConsentStatus::Withdrawn),
    ] {
        assert_eq!(withdraw(purposes, status).await.unwrap_err().code(), Code::InvalidArgument, "{status:?}");
    }
    server.stop().await;
}
