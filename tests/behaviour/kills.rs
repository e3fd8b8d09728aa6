//! A real server is killed between a decision and its outcome, and while it answers: what is counted is what is counted
//! without the kill.
//!
//! `TACTFUL_KILLS=all cargo test --test behaviour kills` kills it at each failpoint for every case, instead of some.

use std::fs;
use std::path::Path;
use std::process::Command;

use tactful::failpoint::VARIABLE;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::journey_service_client::JourneyServiceClient;
use tactful::grpc::proto::privacy_service_client::PrivacyServiceClient;
use tactful::grpc::proto::{self, Outcome};

use super::ledger::Server;
use super::rights::unzip;

/// An offer on an inbound and one on an outbound channel, with limits, cool-downs and hurt.
const RULES: &str = r#"
purposes:
  service: {basis: contract}
channels:
  web:   {direction: inbound, interruption: 0, reserve_for: 20 days}
  email: {direction: outbound, interruption: 0}
actions:
  - {id: hello, title: T, kind: offer, purpose: service, relevance: {base: 50}, intrusiveness: 1, limits: [{at_most: 1, per: 30 days}, {after: rejected, wait: 90 days}], treatments: {web: {text: t}}}
  - {id: news, title: T, kind: offer, purpose: service, relevance: {base: 50}, intrusiveness: 1, limits: [{at_most: 1, per: 28 days}, {after: complained, wait: 300 days}], treatments: {email: {text: t}}}
policy:
  pressure: {half_life: 300 days, per_contact: {web: 1, email: 2}}
  hurt: {half_life: 300 days, per_outcome: {complained: 40, rejected: 10}}
  limits: [{id: all, at_most: 3, per: 30 days, kinds: [offer]}]
  time_zone: UTC
"#;

/// One customer: an outcome, on a channel, with or without the id of its decision.
#[derive(Debug, Clone, Copy)]
struct Case {
    outcome: Outcome,
    channel: &'static str,
    action: &'static str,
    named: bool,
}

impl Case {
    fn customer(self) -> String {
        format!("{}-{}-{}", self.outcome.as_str_name(), self.action, self.named)
    }
}

/// Every outcome, inbound and outbound, with and without the id.
fn cases() -> Vec<Case> {
    let outcomes = (1..).map_while(|number| Outcome::try_from(number).ok());
    let places = outcomes.flat_map(|outcome| [("web", "hello"), ("email", "news")].map(|place| (outcome, place)));
    let named = places.flat_map(|(outcome, place)| [true, false].map(|named| (outcome, place, named)));
    named.map(|(outcome, (channel, action), named)| Case { outcome, channel, action, named }).collect()
}

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Never,
    Kill,
    Terminate,
}

/// A data folder with its rules, and the process that serves them.
struct Home {
    place: tempfile::TempDir,
    server: Option<Server>,
}

impl Home {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("rules")).unwrap();
        fs::write(place.path().join("rules/rules.yaml"), RULES).unwrap();
        Self { place, server: None }
    }

    fn rules(&self) -> std::path::PathBuf {
        self.place.path().join("rules")
    }

    /// The server; it is started if it does not run.
    fn server(&mut self) -> String {
        let (rules, place) = (self.rules(), self.place.path().to_owned());
        self.server.get_or_insert_with(|| Server::over(&rules, &place, &[])).address.clone()
    }

    /// A server that ends at a failpoint.
    fn failing(&mut self, place: &str) -> String {
        self.server = None;
        let (rules, data): (_, &Path) = (self.rules(), self.place.path());
        let server = Server::with_variables(&rules, data, &[(VARIABLE, place)]);
        let address = server.address.clone();
        self.server = Some(server);
        address
    }

    fn end(&mut self, how: End) {
        let Some(mut server) = self.server.take() else { return };
        match how {
            End::Never => self.server = Some(server),
            End::Kill => drop(server),
            End::Terminate => {
                let told = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
                assert!(told.success() && server.child.wait().unwrap().success(), "it stops cleanly");
            }
        }
    }
}

async fn decide(address: String, case: Case) -> Result<String, tonic::Status> {
    let mut client =
        DecisionServiceClient::connect(address).await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let request = proto::DecideRequest {
        customer_id: case.customer(),
        channel: case.channel.into(),
        request_id: "r-1".into(),
        ..proto::DecideRequest::default()
    };
    let answer = client.decide(request).await?.into_inner();
    let said: Vec<&str> = answer.actions.iter().map(|action| action.action_id.as_str()).collect();
    assert_eq!(said, [case.action], "{case:?}");
    Ok(answer.decision_id)
}

async fn tell(address: String, case: Case, decision: &str, id: &str) -> Result<String, tonic::Status> {
    let mut client =
        DecisionServiceClient::connect(address).await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let record = proto::OutcomeRecord {
        outcome_id: id.into(),
        decision_id: if case.named { decision.into() } else { String::new() },
        customer_id: case.customer(),
        action_id: case.action.into(),
        outcome: case.outcome.into(),
        channel: if case.named { String::new() } else { case.channel.into() },
        ..proto::OutcomeRecord::default()
    };
    let answer = client.record_outcomes(proto::RecordOutcomesRequest { outcomes: vec![record] }).await?;
    let result = answer.into_inner().results.remove(0);
    Ok(format!("{:?} {}", result.code(), result.accepted))
}

/// What is counted of a customer, without moments and ids: limits, hurt and pressure, what is said next and why not, and
/// the contacts and outcomes of the export.
async fn known(address: String, case: Case) -> Vec<String> {
    let customer_id = case.customer();
    let mut journeys = JourneyServiceClient::connect(address.clone()).await.unwrap();
    let held = journeys.get_customer(proto::GetCustomerRequest { customer_id: customer_id.clone() }).await.unwrap();
    let held = held.into_inner();
    let mut known: Vec<String> =
        held.limits.iter().map(|limit| format!("{} {} of {}", limit.limit, limit.used, limit.at_most)).collect();
    known.push(format!("hurt {:.2} pressure {:.2}", held.hurt, held.pressure));
    let question = proto::DecideRequest {
        customer_id: customer_id.clone(),
        channel: case.channel.into(),
        validate_only: true,
        explain: proto::ExplainLevel::Full.into(),
        ..proto::DecideRequest::default()
    };
    let mut decisions = DecisionServiceClient::connect(address.clone()).await.unwrap();
    let answer = decisions.decide(question).await.unwrap().into_inner();
    known.push(format!("next {:?}", answer.actions.iter().map(|action| &action.action_id).collect::<Vec<_>>()));
    let gates = answer.explanation.unwrap().candidates;
    known.extend(gates.iter().map(|lost| format!("{} {}", lost.action_id, lost.gate)));
    let mut privacy = PrivacyServiceClient::connect(address).await.unwrap();
    let request = proto::ExportCustomerRequest { customer_id, ..proto::ExportCustomerRequest::default() };
    let mut chunks = privacy.export_customer(request).await.unwrap().into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = chunks.message().await.unwrap() {
        bytes.extend(part.chunk);
    }
    let files = unzip(bytes);
    for file in ["disclosures.jsonl", "outcomes.jsonl"] {
        for line in files[file].lines() {
            let mut said: serde_json::Value = serde_json::from_str(line).unwrap();
            said.as_object_mut().unwrap().remove("at");
            known.push(format!("{file} {said}"));
        }
    }
    known
}

/// Decisions, their outcomes, and the outcomes again under another id, where the process ends after each round.
async fn story(end: End) -> Vec<(Case, String, String, Vec<String>)> {
    let (mut home, cases) = (Home::new(), cases());
    let mut ids = Vec::new();
    for case in &cases {
        ids.push(decide(home.server(), *case).await.unwrap());
    }
    let mut told = Vec::new();
    for id in ["o-1", "o-2"] {
        home.end(end);
        for (case, decision) in cases.iter().zip(&ids) {
            told.push(tell(home.server(), *case, decision, id).await.unwrap());
        }
    }
    home.end(end);
    let (first, second) = told.split_at(cases.len());
    let mut story = Vec::new();
    for ((case, first), second) in cases.into_iter().zip(first).zip(second) {
        let known = known(home.server(), case).await;
        story.push((case, first.clone(), second.clone(), known));
    }
    story
}

#[tokio::test]
async fn a_kill_between_a_decision_and_its_outcome_changes_nothing() {
    let whole = story(End::Never).await;
    for end in [End::Kill, End::Terminate] {
        for (ended, whole) in story(end).await.iter().zip(&whole) {
            assert_eq!(format!("{ended:?}"), format!("{whole:?}"), "{end:?}");
        }
    }
}

/// The process dies between the commit in memory, the log, and the answer; the caller repeats the call with its ids.
#[tokio::test]
async fn a_kill_at_a_failpoint_and_a_repetition_count_once() {
    let all = std::env::var("TACTFUL_KILLS").is_ok_and(|kills| kills == "all");
    let mut reference = Home::new();
    for (number, case) in cases().into_iter().enumerate() {
        // Each outcome once or twice, on both channels, with and without the id.
        if !all && number % 7 != 0 {
            continue;
        }
        let decision = decide(reference.server(), case).await.unwrap();
        tell(reference.server(), case, &decision, "o-1").await.unwrap();
        let expected = known(reference.server(), case).await;
        for place in ["committed", "logged"] {
            let mut home = Home::new();
            assert!(decide(home.failing(place), case).await.is_err(), "{place}: it died before it answered");
            home.end(End::Kill);
            let decision = decide(home.server(), case).await.unwrap();
            assert!(tell(home.failing(place), case, &decision, "o-1").await.is_err(), "{place}: it died again");
            home.end(End::Kill);
            tell(home.server(), case, &decision, "o-1").await.unwrap();
            assert_eq!(known(home.server(), case).await, expected, "{place} {case:?}");
        }
    }
}
