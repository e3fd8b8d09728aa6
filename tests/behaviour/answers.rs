//! Batches and answers: each item stands for itself with a code, every field at fault is named, and what is wrong is an
//! error of the caller's with details.

use std::collections::HashMap;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use tactful::domain::action::Outcome::Presented;
use tactful::domain::consent::ConsentStatus as Status;
use tactful::domain::value::Value;
use tactful::engine::{EngineError, ItemCode, OutcomeInput};
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::journey_service_client::JourneyServiceClient;
use tactful::grpc::proto::privacy_service_client::PrivacyServiceClient;
use tactful::grpc::proto::rule_service_client::RuleServiceClient;
use tactful::grpc::proto::value::Kind;
use tactful::grpc::proto::{self, ConsentStatus, Outcome, ResultCode};
use tonic::Code;
use tonic::codegen::Service as _;
use tonic_types::StatusExt as _;

use super::support::{TestServer, attributes, consent, engine, event, folder, monday, rules};

const DESIGN: &str = "tests/fixtures/design";

async fn server() -> TestServer {
    TestServer::start(rules(DESIGN), folder(DESIGN)).await
}

/// The fields at fault, and the reason.
fn faults(status: &tonic::Status) -> (Vec<String>, String) {
    let details = status.get_error_details();
    let fields =
        details.bad_request().map(|bad| bad.field_violations.iter().map(|wrong| wrong.field.clone()).collect());
    (fields.unwrap_or_default(), details.error_info().map(|info| info.reason.clone()).unwrap_or_default())
}

fn stamp(seconds: i64, nanos: i32) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos })
}

fn moment(seconds: i64, nanos: i32) -> proto::Value {
    proto::Value { kind: stamp(seconds, nanos).map(Kind::Moment) }
}

fn span(seconds: i64, nanos: i32) -> proto::Value {
    proto::Value { kind: Some(Kind::Span(prost_types::Duration { seconds, nanos })) }
}

fn complaint(customer: &str) -> proto::Event {
    proto::Event { customer_id: customer.into(), r#type: "complaint".into(), ..proto::Event::default() }
}

fn change(purpose: &str, status: ConsentStatus) -> proto::ConsentChange {
    proto::ConsentChange { purpose: purpose.into(), status: status.into(), ..proto::ConsentChange::default() }
}

fn request(customer: &str, changes: Vec<proto::ConsentChange>) -> proto::RecordConsentRequest {
    proto::RecordConsentRequest { customer_id: customer.into(), changes, ..proto::RecordConsentRequest::default() }
}

/// What became of each event of one batch, all of which are sent together.
#[tokio::test]
async fn each_event_of_a_batch_stands_for_itself_with_a_code() {
    let server = server().await;
    server.engine.record_consent(consent("erased", "personalisation", Status::Given), monday()).unwrap();
    server.engine.erase("erased", monday()).unwrap();
    let with = |id: &str, change: &dyn Fn(&mut proto::Event)| {
        let mut event = proto::Event { event_id: id.into(), ..complaint("eva") };
        change(&mut event);
        event
    };
    let page = |value: proto::Value| HashMap::from([("page".to_owned(), value)]);
    let view = |event: &mut proto::Event, fields| {
        event.r#type = "page_view".into();
        event.fields = fields;
    };
    let old = monday().0 / 1_000 - 800 * 86_400;
    use ResultCode::{Erased, Invalid, NoLawfulPurpose, Ok, Repeated, TooOld, UnknownName};
    let batch = [
        (with("e1", &|_| {}), Ok, ""),
        (with("e1", &|_| {}), Repeated, "repeated"),
        (with("e2", &|event| event.r#type = "complaind".into()), UnknownName, "did you mean `complaint`?"),
        (with("e3", &|event| event.channel = "fax".into()), UnknownName, "channel: no channel is called `fax`"),
        (with("e4", &|event| event.r#type = String::new()), Invalid, "type: is required"),
        (with("e5", &|event| event.customer_id = String::new()), Invalid, "customer_id: is required"),
        (with("e6", &|event| event.occurred_at = stamp(0, -1)), Invalid, "occurred_at: has nanoseconds outside"),
        (with("e7", &|event| event.occurred_at = stamp(i64::MAX, 0)), Invalid, "occurred_at: is not a moment"),
        (with("e8", &|event| view(event, page(proto::Value { kind: None }))), Invalid, "fields[page]: has no value"),
        (with("e9", &|event| view(event, page(span(1, -1)))), Invalid, "fields[page]: has nanoseconds"),
        (with("e10", &|event| view(event, HashMap::new())), NoLawfulPurpose, "no_lawful_purpose"),
        (with("e11", &|event| event.occurred_at = stamp(old, 0)), TooOld, "too_old"),
        (with("e12", &|event| event.customer_id = "erased".into()), Erased, "erased"),
        (with("e13", &|_| {}), Ok, ""),
    ];
    let events = batch.iter().map(|(event, ..)| event.clone()).collect();
    let mut journeys = JourneyServiceClient::new(server.channel.clone());
    let results = journeys.record_events(proto::RecordEventsRequest { events }).await.unwrap().into_inner().results;
    assert_eq!(results.len(), batch.len());
    for (result, (event, code, reason)) in results.iter().zip(&batch) {
        let id = &event.event_id;
        assert_eq!((result.code(), result.accepted), (*code, [Ok, Repeated].contains(code)), "{id}: {result:?}");
        assert!(result.reason.contains(reason) && (reason.is_empty() == result.reason.is_empty()), "{id}: {result:?}");
    }
    let held = server.engine.export("eva", monday()).unwrap().state;
    assert_eq!(held.events().len(), 2, "those that are accepted, and no other");
    server.stop().await;
}

#[tokio::test]
async fn each_outcome_of_a_batch_stands_for_itself_with_a_code() {
    let server = server().await;
    server.engine.erase("erased", monday()).unwrap();
    let outcome = |id: &str, outcome: i32| proto::OutcomeRecord {
        outcome_id: id.into(),
        customer_id: "olga".into(),
        action_id: "fibre-upgrade".into(),
        outcome,
        ..proto::OutcomeRecord::default()
    };
    let unknown = proto::OutcomeRecord { action_id: "nope".into(), ..outcome("o4", 1) };
    let foreign = proto::OutcomeRecord {
        decision_id: "019cae3a-5f20-7000-9d53-6a1f0c28e4b7".into(),
        ..outcome("o5", Outcome::Clicked.into())
    };
    let gone = proto::OutcomeRecord { customer_id: "erased".into(), ..outcome("o7", 1) };
    let both = proto::OutcomeRecord { customer_id: String::new(), ..outcome("o8", 0) };
    use ResultCode::{Erased, Invalid, NotFound, Ok, Repeated, UnknownName};
    let batch = [
        (outcome("o1", 1), Ok, ""),
        (outcome("o2", 0), Invalid, "outcome: is required"),
        (outcome("o3", 77), Invalid, "outcome: is required"),
        (outcome("o1", 1), Repeated, "repeated"),
        (unknown, UnknownName, "action_id: no action is called `nope`"),
        (foreign, NotFound, "unknown_contact: "),
        (outcome("o6", Outcome::NotPresented.into()), NotFound, "nothing_to_take_back"),
        (gone, Erased, "erased"),
        (both, Invalid, "outcome: is required; one of PRESENTED, CLICKED, ACCEPTED, …; customer_id: is required"),
        (outcome("o9", 2), Ok, ""),
    ];
    let outcomes = batch.iter().map(|(outcome, ..)| outcome.clone()).collect();
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let answer = decisions.record_outcomes(proto::RecordOutcomesRequest { outcomes }).await.unwrap();
    for (result, (outcome, code, reason)) in answer.into_inner().results.iter().zip(&batch) {
        let id = &outcome.outcome_id;
        assert_eq!(result.code(), *code, "{id}: {result:?}");
        assert!(result.reason.starts_with(reason), "{id}: {result:?}");
    }
    server.stop().await;
}

#[test]
fn an_item_that_cannot_be_applied_now_is_unavailable_and_worth_repeating() {
    let engine = engine(&rules(DESIGN));
    engine.trust_ledger(false);
    let told = engine.record_events(vec![event("eva", "complaint", &[])], monday()).unwrap().remove(0);
    assert_eq!((told.code, told.reason.as_str()), (ItemCode::Unavailable, "ledger_unavailable"));
    let contract = || attributes("eva", &[("customer.contract", Value::Text("dsl".into()))]);
    let refused = engine.set_attributes(contract(), monday());
    assert!(matches!(refused, Err(EngineError::NotStored(_))), "{refused:?}");
    engine.trust_ledger(true);
    assert_eq!(engine.set_attributes(contract(), monday()), Ok(vec![]));
    assert_eq!(engine.record_events(vec![event("eva", "complaint", &[])], monday()).unwrap()[0].code, ItemCode::Ok);
}

/// A "no" is not lost because of what stands beside it.
#[tokio::test]
async fn a_withdrawal_beside_wrong_changes_is_recorded() {
    let server = server().await;
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let withdrawn = change("personalisation", ConsentStatus::Withdrawn);
    let given = |with: &dyn Fn(&mut proto::ConsentChange)| {
        let mut given = change("marketing.email", ConsentStatus::Given);
        with(&mut given);
        given
    };
    let future = monday().0 / 1_000 + 86_400;
    use ResultCode::{Invalid, UnknownName};
    let beside = [
        (given(&|change| change.status = 0), Invalid, "status: is required"),
        (given(&|change| change.status = 77), Invalid, "status: is required"),
        (given(&|change| change.status = ConsentStatus::Erased.into()), Invalid, "status_not_writable"),
        (given(&|change| change.notice_hash = "5a".into()), Invalid, "notice_hash: is not a SHA-256"),
        (given(&|change| change.notice_hash = "g".repeat(64)), Invalid, "notice_hash: is not a SHA-256"),
        (given(&|change| change.language = "klingon!!".into()), Invalid, "language: is not a BCP 47 tag"),
        (given(&|change| change.language = "???".into()), Invalid, "language: "),
        (given(&|change| change.language = "de_AT".into()), Invalid, "language: "),
        (given(&|change| change.claimed_at = stamp(future, 0)), Invalid, "claimed_at: "),
        (given(&|change| change.claimed_at = stamp(1, 1_000_000_000)), Invalid, "claimed_at: has nanoseconds"),
        (given(&|change| change.valid_until = stamp(i64::MIN, 0)), Invalid, "valid_until: is not a moment"),
        (given(&|change| change.expression = "x".repeat(5_000)), Invalid, "expression: is 5000 bytes long"),
        (given(&|change| change.purpose = "marketing.mail".into()), UnknownName, "unknown_purpose: "),
        (given(&|change| change.purpose = String::new()), Invalid, "unknown_purpose: "),
    ];
    for (place, (wrong, code, reason)) in beside.into_iter().enumerate() {
        let customer = format!("customer-{place}");
        let changes = vec![withdrawn.clone(), wrong];
        let answer = consents.record_consent(request(&customer, changes)).await.unwrap().into_inner();
        let [no, other] = &answer.results[..] else { panic!("{answer:?}") };
        assert!(no.accepted && no.code() == ResultCode::Ok && !no.record_id.is_empty(), "{reason}: {no:?}");
        assert_eq!(no.standing.as_ref().unwrap().denied_code(), proto::Denial::Withdrawn);
        assert!(!other.accepted && other.code() == code && other.reason.starts_with(reason), "{reason}: {other:?}");
        assert_eq!(server.engine.consent_records(&customer).unwrap().len(), 1, "{reason}");
    }
    for language in ["", "de", "de-AT", "zh-Hant-TW", "x-klingon", "i-klingon"] {
        let given = given(&|change| change.language = language.into());
        let answer = consents.record_consent(request("languages", vec![given])).await.unwrap().into_inner();
        assert!(answer.results[0].accepted, "{language}: {answer:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_purpose_twice_in_one_request_is_refused_whole() {
    let server = server().await;
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    for second in [ConsentStatus::Given, ConsentStatus::Withdrawn] {
        let changes = vec![change("personalisation", ConsentStatus::Withdrawn), change("personalisation", second)];
        let refused = consents.record_consent(request("ida", changes)).await.unwrap_err();
        assert_eq!(faults(&refused), (vec!["changes[1].purpose".to_owned()], "INVALID_REQUEST".to_owned()));
    }
    let withdrawal = proto::WithdrawConsentRequest {
        customer_id: "ida".into(),
        purposes: vec!["personalisation".into(); 2],
        ..proto::WithdrawConsentRequest::default()
    };
    assert_eq!(consents.withdraw_consent(withdrawal).await.unwrap_err().code(), Code::InvalidArgument);
    assert!(server.engine.consent_records("ida").unwrap().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn words_have_numbers_beside_them() {
    let server = server().await;
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let asked = proto::GetConsentRequest { customer_id: "finn".into() };
    let standings = consents.get_consent(asked).await.unwrap().into_inner().standings;
    for standing in &standings {
        let word = standing.denied_code().as_str_name().trim_start_matches("DENIAL_").to_lowercase();
        assert_eq!(word, if standing.usable { "unspecified" } else { &standing.denied_because });
    }
    assert!(standings.iter().any(|standing| standing.denied_code() == proto::Denial::NoRecord));
    let question = proto::DecideRequest {
        customer_id: "finn".into(),
        channel: "web".into(),
        explain: proto::ExplainLevel::Full.into(),
        ..proto::DecideRequest::default()
    };
    let answer = DecisionServiceClient::new(server.channel.clone()).decide(question).await.unwrap().into_inner();
    let explained = answer.explanation.unwrap();
    assert!(!explained.funnel.is_empty() && !explained.candidates.is_empty());
    let gates = explained.funnel.iter().map(|gate| (gate.gate_code(), &gate.gate));
    for (code, word) in gates.chain(explained.candidates.iter().map(|lost| (lost.gate_code(), &lost.gate))) {
        assert_eq!(code.as_str_name(), format!("GATE_{}", word.to_uppercase()));
    }
    server.stop().await;
}

/// Sends bytes as a message of a method.
async fn send(server: &TestServer, path: &'static str, message: &[u8]) -> tonic::Status {
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend_from_slice(message);
    let request = http::Request::post(format!("{}{path}", server.address)).header("content-type", "application/grpc");
    let request = request.header("te", "trailers").body(tonic::body::Body::new(Full::new(Bytes::from(body)))).unwrap();
    let mut channel = server.channel.clone();
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let (parts, body) = channel.call(request).await.unwrap().into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or_default();
    let of = |headers| tonic::Status::from_header_map(headers);
    of(&parts.headers).or_else(|| of(&trailers)).unwrap()
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_mistake() {
    let server = server().await;
    let not_utf8 = [0x0a, 2, 0xff, 0xfe];
    let not_ended = [0x0a, 200, b'x'];
    let not_a_number = [0xff; 12];
    for path in [
        "/tactful.v1.DecisionService/Decide",
        "/tactful.v1.JourneyService/RecordEvents",
        "/tactful.v1.JourneyService/StreamEvents",
        "/tactful.v1.ConsentService/RecordConsent",
    ] {
        for bytes in [&not_utf8[..], &not_ended, &not_a_number] {
            let refused = send(&server, path, bytes).await;
            assert_eq!(refused.code(), Code::InvalidArgument, "{path} {bytes:?}: {refused:?}");
            assert_eq!(faults(&refused).1, "INVALID_REQUEST", "{path}");
            assert!(refused.message().starts_with("the bytes are not a message of this call"), "{refused:?}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn every_field_at_fault_is_named() {
    let server = server().await;
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let all = proto::DecideRequest {
        customer_id: "x".repeat(300),
        channel: "fax".into(),
        request_id: " r-1".into(),
        context: HashMap::from([("nope".into(), moment(0, 0)), ("topic".into(), proto::Value { kind: None })]),
        max_actions: 100,
        groups: vec!["nope".into()],
        explain: 9,
        ..proto::DecideRequest::default()
    };
    let refused = decisions.decide(all.clone()).await.unwrap_err();
    let fields = [
        "explain",
        "context[topic]",
        "customer_id",
        "request_id",
        "channel",
        "context[nope]",
        "groups[0]",
        "max_actions",
    ];
    assert_eq!(faults(&refused), (fields.map(str::to_owned).to_vec(), "INVALID_REQUEST".to_owned()));
    let simulate = proto::SimulateDecisionRequest {
        request: Some(all),
        files: Vec::new(),
        at: stamp(0, -5),
        consents: Vec::new(),
    };
    let refused = RuleServiceClient::new(server.channel.clone()).simulate_decision(simulate).await.unwrap_err();
    assert_eq!(faults(&refused).0.len(), fields.len() + 1);
    for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (253_402_300_800, 0), (-62_135_596_801, 0), (i64::MIN, 0)] {
        let request = proto::SetAttributesRequest {
            customer_id: String::new(),
            attributes: HashMap::from([("customer.age".into(), moment(seconds, nanos))]),
            time_zone: "Mars/Olympus".into(),
        };
        let refused = JourneyServiceClient::new(server.channel.clone()).set_attributes(request).await.unwrap_err();
        let fields = ["attributes[customer.age]", "customer_id", "attributes[customer.age]", "time_zone"];
        assert_eq!(faults(&refused).0, fields, "{seconds} {nanos}");
    }
    server.stop().await;
}

/// A channel that is not declared has a reason of its own, where nothing else is wrong.
#[tokio::test]
async fn only_a_wrong_channel_alone_is_an_unknown_channel() {
    let server = server().await;
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let mut reason = async |customer: &str, channel: &str| {
        let (customer_id, channel) = (customer.to_owned(), channel.to_owned());
        let request = proto::DecideRequest { customer_id, channel, ..proto::DecideRequest::default() };
        faults(&decisions.decide(request).await.unwrap_err()).1
    };
    assert_eq!(reason("anna", "fax").await, "UNKNOWN_CHANNEL");
    assert_eq!((reason("", "fax").await, reason("", "").await), ("INVALID_REQUEST".into(), "INVALID_REQUEST".into()));
    server.stop().await;
}

/// Three systems that write one address in three ways: two of the ways are refused.
#[tokio::test]
async fn ids_with_spaces_at_their_ends_or_control_characters_are_refused() {
    let server = server().await;
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let mut journeys = JourneyServiceClient::new(server.channel.clone());
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let id = |id: &str| proto::DecideRequest { customer_id: id.into(), channel: "web".into(), ..Default::default() };
    for fine in ["anna@example.com", "Anna Maria", "Zoë", "Anna@Example.com"] {
        decisions.decide(id(fine)).await.unwrap();
    }
    for (wrong, why) in [
        (" anna@example.com", "begins or ends with a space"),
        ("anna@example.com\t", "begins or ends with a space"),
        ("anna\u{a0}", "begins or ends with a space"),
        ("anna\nmaria", "has a control character"),
        ("anna\u{7f}maria", "has a control character"),
        ("anna\u{85}maria", "has a control character"),
    ] {
        let refused = decisions.decide(id(wrong)).await.unwrap_err();
        assert!(refused.message().contains(&format!("customer_id: {why}")), "{wrong:?}: {refused:?}");
        let repeated = proto::DecideRequest { request_id: wrong.into(), ..id("anna") };
        assert!(decisions.decide(repeated).await.unwrap_err().message().contains("request_id: "), "{wrong:?}");
        let events = vec![proto::Event { event_id: wrong.into(), ..complaint("anna") }, complaint(wrong)];
        for result in journeys.record_events(proto::RecordEventsRequest { events }).await.unwrap().into_inner().results
        {
            assert!(result.code() == ResultCode::Invalid && result.reason.contains(why), "{wrong:?}: {result:?}");
        }
        let outcome = proto::OutcomeRecord {
            outcome_id: wrong.into(),
            customer_id: "anna".into(),
            action_id: "fibre-upgrade".into(),
            outcome: 1,
            ..Default::default()
        };
        let outcomes = proto::RecordOutcomesRequest { outcomes: vec![outcome] };
        let result = decisions.record_outcomes(outcomes).await.unwrap().into_inner().results.remove(0);
        assert!(result.code() == ResultCode::Invalid && result.reason.contains(why), "{wrong:?}: {result:?}");
        let changes = vec![change("personalisation", ConsentStatus::Given)];
        let keyed = proto::RecordConsentRequest { idempotency_key: wrong.into(), ..request("anna", changes.clone()) };
        assert_eq!(faults(&consents.record_consent(keyed).await.unwrap_err()).0, ["idempotency_key"]);
        assert_eq!(faults(&consents.record_consent(request(wrong, changes)).await.unwrap_err()).0, ["customer_id"]);
        let asked = proto::GetCustomerRequest { customer_id: wrong.into() };
        assert_eq!(faults(&journeys.get_customer(asked).await.unwrap_err()).0, ["customer_id"]);
    }
    server.stop().await;
}

/// Ids were not always checked, and whoever has one still has every right.
#[tokio::test]
async fn a_customer_whose_id_is_refused_now_can_be_exported_and_erased() {
    let server = server().await;
    let mut privacy = PrivacyServiceClient::new(server.channel.clone());
    let export =
        proto::ExportCustomerRequest { customer_id: "anna ".into(), portable_only: false, language: String::new() };
    assert!(privacy.export_customer(export).await.is_ok());
    assert!(privacy.erase_customer(proto::EraseCustomerRequest { customer_id: "anna ".into() }).await.is_ok());
    for wrong in [String::new(), "x".repeat(257)] {
        let refused = privacy.erase_customer(proto::EraseCustomerRequest { customer_id: wrong }).await.unwrap_err();
        assert_eq!(faults(&refused).0, ["customer_id"]);
    }
    server.stop().await;
}

#[tokio::test]
async fn empty_ids_and_filters_that_match_nothing_are_refused() {
    let server = server().await;
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let empty = decisions.get_decision(proto::GetDecisionRequest::default()).await.unwrap_err();
    assert_eq!((empty.code(), faults(&empty).0), (Code::InvalidArgument, vec!["decision_id".to_owned()]));
    let mut watch = async |customer: &str, channel: &str| {
        let wanted = proto::WatchDecisionsRequest { customer_id: customer.into(), channel: channel.into() };
        decisions.watch_decisions(wanted).await.map(|_| ()).map_err(|status| faults(&status))
    };
    assert_eq!(watch("", "fax").await.unwrap_err(), (vec!["channel".to_owned()], "UNKNOWN_CHANNEL".to_owned()));
    assert_eq!(watch(&"x".repeat(300), "").await.unwrap_err().0, ["customer_id"]);
    assert!(watch("", "").await.is_ok() && watch("anna", "web").await.is_ok());
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let receipt = proto::GetReceiptRequest { record_id: String::new(), customer_id: "anna".into() };
    assert_eq!(faults(&consents.get_receipt(receipt).await.unwrap_err()).0, ["record_id"]);
    server.stop().await;
}

#[tokio::test]
async fn check_rules_needs_files_with_paths_of_their_own() {
    let server = server().await;
    let mut client = RuleServiceClient::new(server.channel.clone());
    let file = |path: &str| proto::RuleFile { path: path.into(), text: "purposes: {}".into() };
    let mut check = async |files: Vec<proto::RuleFile>| {
        client.check_rules(proto::CheckRulesRequest { files }).await.map(|_| ()).map_err(|status| faults(&status).0)
    };
    assert_eq!(check(Vec::new()).await.unwrap_err(), ["files"]);
    assert_eq!(
        check(vec![file(""), file("a.yaml"), file("a.yaml")]).await.unwrap_err(),
        ["files[0].path", "files[2].path"]
    );
    assert!(check(vec![file("a.yaml"), file("b.yaml")]).await.is_ok());
    server.stop().await;
}

#[tokio::test]
async fn a_proof_goes_from_the_earlier_ledger_to_the_later() {
    let server = server().await;
    for count in 1..=6 {
        let mut given = consent("anna", "personalisation", Status::Given);
        given.idempotency_key = count.to_string();
        server.engine.record_consent(given, monday()).unwrap();
    }
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let mut proof = async |from_size, to_size| {
        consents.get_consistency_proof(proto::GetConsistencyProofRequest { from_size, to_size }).await
    };
    let turned = proof(2, 1).await.unwrap_err();
    assert_eq!((turned.code(), faults(&turned).0), (Code::InvalidArgument, vec!["from_size".to_owned()]));
    // The ledger of this server signs nothing, as its errors say.
    assert_eq!(proof(1, 9).await.unwrap_err().code(), Code::NotFound);
    server.stop().await;
}

#[tokio::test]
async fn page_sizes_are_coerced_and_page_tokens_belong_to_their_query() {
    let server = server().await;
    for customer in ["anna", "ben"] {
        for _ in 0..3 {
            server.engine.record_consent(consent(customer, "personalisation", Status::Given), monday()).unwrap();
        }
    }
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let mut list = async |customer: &str, page_size: u32, token: &str| {
        let (customer_id, page_token) = (customer.to_owned(), token.to_owned());
        let request = proto::ListConsentRecordsRequest { customer_id, page_size, page_token };
        consents.list_consent_records(request).await.map(tonic::Response::into_inner)
    };
    for size in [0, 3, 501, u32::MAX] {
        assert_eq!(list("anna", size, "").await.unwrap().records_json_ld.len(), 3, "{size}");
    }
    let token = list("anna", 2, "").await.unwrap().next_page_token;
    assert_eq!(list("anna", 2, &token).await.unwrap().records_json_ld.len(), 1);
    for (customer, token) in [("ben", token.as_str()), ("anna", "x"), ("anna", "1"), ("anna", "1-2"), ("anna", "-")] {
        let refused = list(customer, 2, token).await.unwrap_err();
        assert_eq!((refused.code(), faults(&refused).0), (Code::InvalidArgument, vec!["page_token".to_owned()]));
    }
    server.stop().await;
}

#[tokio::test]
async fn the_details_of_errors_are_in_reflection() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest::FileContainingSymbol;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let server = server().await;
    let mut client = ServerReflectionClient::new(server.channel.clone());
    for name in ["google.rpc.BadRequest", "google.rpc.ErrorInfo", "google.rpc.RetryInfo", "google.rpc.Status"] {
        let ask = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(FileContainingSymbol(name.to_owned())),
        };
        let mut answers = client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
        let MessageResponse::FileDescriptorResponse(found) = answer else { panic!("{name}: {answer:?}") };
        let file = prost_types::FileDescriptorProto::decode(&*found.file_descriptor_proto[0]).unwrap();
        let short = name.trim_start_matches("google.rpc.");
        assert!(file.message_type.iter().any(|message| message.name() == short), "{name}");
    }
    server.stop().await;
}

/// An outcome with another customer's decision names the field.
#[test]
fn an_outcome_of_another_customers_decision_is_invalid() {
    let engine = engine(&rules(DESIGN));
    let decided = engine.decide(super::support::ask("anna", "web", &[]), monday()).unwrap();
    let outcome = OutcomeInput {
        outcome_id: String::new(),
        decision_id: decided.id(),
        customer: "ben".into(),
        action: "fibre-upgrade".into(),
        channel: String::new(),
        outcome: Presented,
        occurred: None,
    };
    let told = engine.record_outcomes(vec![outcome], monday()).unwrap().remove(0);
    assert_eq!(told.code, ItemCode::Invalid);
    assert!(told.reason.starts_with("customer_id: decision `"), "{told:?}");
}
