//! The replay and the server are the same engine: one timeline, the same answers.

use std::collections::HashMap;

use tactful::domain::time::Moment;
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::journey_service_client::JourneyServiceClient;
use tactful::grpc::proto::value::Kind;
use tactful::grpc::proto::{self, ConsentStatus};
use tactful::scenario::replay::Replay;

use super::support::{TestServer, folder, rules};

const DESIGN: &str = "tests/fixtures/design";

/// A step that both the replay and the server can take.
enum Step {
    Consent(&'static str, ConsentStatus),
    Contract(&'static str),
    Event(&'static str),
    PageView(&'static str),
    Decide(&'static str, &'static str),
}

fn story() -> Vec<(i64, &'static str, Step)> {
    use ConsentStatus::{Given, Withdrawn};
    let hour = 3_600_000;
    let day = 24 * hour;
    vec![
        (0, "anna", Step::Decide("web", "speed")),
        (1, "anna", Step::Consent("personalisation", Given)),
        (2, "anna", Step::Contract("dsl")),
        (3, "anna", Step::PageView("fibre")),
        (hour, "anna", Step::Decide("web", "speed")),
        (hour + 5, "anna", Step::Decide("web", "speed")),
        (2 * hour, "bob", Step::Consent("personalisation", Given)),
        (2 * hour, "bob", Step::Contract("dsl")),
        (2 * hour, "bob", Step::PageView("fibre")),
        (2 * hour, "bob", Step::Event("complaint")),
        (3 * hour, "bob", Step::Decide("phone", "price")),
        (day, "bob", Step::Event("complaint_resolved")),
        (20 * day, "bob", Step::Decide("phone", "speed")),
        (21 * day, "anna", Step::Consent("personalisation", Withdrawn)),
        (21 * day, "anna", Step::Decide("web", "speed")),
        (33 * day, "bob", Step::Decide("phone", "speed")),
        (60 * day, "bob", Step::Decide("phone", "speed")),
    ]
}

fn line(at: Moment, customer: &str, step: &Step) -> String {
    let what = match step {
        Step::Consent(purpose, status) => {
            let status = status.as_str_name().trim_start_matches("CONSENT_STATUS_").to_lowercase();
            serde_json::json!({ "consent": { "purpose": purpose, "status": status } })
        }
        Step::Contract(contract) => {
            serde_json::json!({ "attributes": { "customer.contract": contract, "customer.age": 40 } })
        }
        Step::Event(kind) => serde_json::json!({ "event": { "type": kind } }),
        Step::PageView(page) => serde_json::json!({ "event": { "type": "page_view", "fields": { "page": page } } }),
        Step::Decide(channel, topic) => {
            serde_json::json!({ "decide": { "channel": channel, "context": { "topic": topic, "activity": "browsing" } } })
        }
    };
    let mut line = what;
    line["at"] = at.to_string().into();
    line["customer"] = customer.into();
    line.to_string()
}

fn text(text: &str) -> proto::Value {
    proto::Value { kind: Some(Kind::Text(text.into())) }
}

async fn call(server: &TestServer, customer: &str, step: &Step) -> Option<Vec<String>> {
    let customer_id = customer.to_owned();
    match step {
        Step::Consent(purpose, status) => {
            let change =
                proto::ConsentChange { purpose: (*purpose).into(), status: (*status).into(), ..Default::default() };
            let request = proto::RecordConsentRequest { customer_id, changes: vec![change], ..Default::default() };
            ConsentServiceClient::new(server.channel.clone()).record_consent(request).await.unwrap();
        }
        Step::Contract(contract) => {
            let age = proto::Value { kind: Some(Kind::Number(40.0)) };
            let attributes =
                HashMap::from([("customer.contract".into(), text(contract)), ("customer.age".into(), age)]);
            let request = proto::SetAttributesRequest { customer_id, attributes, time_zone: String::new() };
            JourneyServiceClient::new(server.channel.clone()).set_attributes(request).await.unwrap();
        }
        Step::Event(kind) => record(server, customer_id, kind, HashMap::new()).await,
        Step::PageView(page) => {
            record(server, customer_id, "page_view", HashMap::from([("page".into(), text(page))])).await
        }
        Step::Decide(channel, topic) => {
            let context = HashMap::from([("topic".into(), text(topic)), ("activity".into(), text("browsing"))]);
            let request =
                proto::DecideRequest { customer_id, channel: (*channel).into(), context, ..Default::default() };
            let answer = DecisionServiceClient::new(server.channel.clone()).decide(request).await.unwrap().into_inner();
            return Some(answer.actions.into_iter().map(|action| action.action_id).collect());
        }
    }
    None
}

async fn record(server: &TestServer, customer_id: String, kind: &str, fields: HashMap<String, proto::Value>) {
    let event = proto::Event { customer_id, r#type: kind.into(), fields, ..Default::default() };
    let request = proto::RecordEventsRequest { events: vec![event] };
    JourneyServiceClient::new(server.channel.clone()).record_events(request).await.unwrap();
}

#[tokio::test]
async fn a_timeline_gives_the_same_answers_replayed_and_served() {
    let rules = rules(DESIGN);
    let server = TestServer::start(rules.clone(), folder(DESIGN)).await;
    let mut replay = Replay::new(rules);
    let start = Moment::parse("2026-03-02T09:00:00Z").unwrap();
    let (mut replayed, mut served) = (Vec::new(), Vec::new());
    for (offset, customer, step) in story() {
        let at = Moment(start.0 + offset);
        server.set_time(at);
        served.extend(call(&server, customer, &step).await);
        replayed.extend(replay.play(&line(at, customer, &step)).unwrap().map(|decided| decided.actions));
    }
    assert_eq!(replayed, served);
    assert!(served.iter().any(Vec::is_empty) && served.iter().any(|actions| !actions.is_empty()));
    server.stop().await;
}

#[test]
fn a_wrong_line_is_refused_with_its_reason() {
    let cases = [
        ("{", "does not end on its line"),
        (r#"{"customer": "a", "decide": {"channel": "web"}}"#, "needs `at`"),
        (r#"{"at": "2026-03-02T09:00:00Z", "decide": {"channel": "web"}}"#, "needs `customer`"),
        (r#"{"at": "yesterday", "customer": "a", "decide": {"channel": "web"}}"#, "not a moment"),
        (r#"{"at": "2026-03-02T09:00:00Z", "customer": "a"}"#, "expected one of"),
        (r#"{"at": "2026-03-02T09:00:00Z", "customer": "a", "decide": {"channel": "wbe"}}"#, "did you mean `web`"),
        (
            r#"{"at": "2026-03-02T09:00:00Z", "customer": "a", "event": {"type": "order", "fields": {"x": 1}}}"#,
            "fields[x]",
        ),
        (
            r#"{"at": "2026-03-02T09:00:00Z", "customer": "a", "attributes": {"customer.age": "old"}}"#,
            "must be a number",
        ),
        (r#"{"at": "2026-03-02T09:00:00Z", "customer": "a", "wat": 1}"#, "unknown field `wat`"),
        (
            r#"{"at": "2026-03-02T09:00:00Z", "customer": "a", "decide": {"channel": "web", "logged": {"propensity": 0}}}"#,
            "above 0",
        ),
    ];
    for (line, words) in cases {
        let why = Replay::new(rules(DESIGN)).play(line).unwrap_err();
        assert!(why.contains(words), "{line}: {why}");
    }
    let mut replay = Replay::new(rules(DESIGN));
    replay.play(r#"{"at": "2026-03-02T09:00:00Z", "customer": "a", "decide": {"channel": "web"}}"#).unwrap();
    let early =
        replay.play(r#"{"at": "2026-03-02T08:59:59Z", "customer": "a", "decide": {"channel": "web"}}"#).unwrap_err();
    assert!(early.contains("earlier"), "{early}");
}
