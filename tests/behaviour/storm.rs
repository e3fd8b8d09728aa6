//! Rules that change all the time, under load: every decision is made by one complete rule set.
//!
//! Sixty reloads by default. `TACTFUL_STORM_SECONDS=30` makes it twenty reloads a second for so long; with
//! `--nocapture` it prints what it counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::rule_service_client::RuleServiceClient;
use tactful::grpc::proto::{self, DecideRequest, DecideResponse, ExplainLevel, ReloadOutcome};
use tonic::transport::Channel;

use super::support::{TestServer, rules};
use super::versions::{VERSIONS, write};

const CLIENTS: usize = 4;

fn question(customer: String) -> DecideRequest {
    let explain = ExplainLevel::Full.into();
    DecideRequest { customer_id: customer, channel: "web".into(), max_actions: 2, explain, ..DecideRequest::default() }
}

/// An answer without what differs from question to question.
fn comparable(response: DecideResponse) -> DecideResponse {
    DecideResponse { decision_id: String::new(), ..response }
}

/// What each version answers when nothing else is going on, by its hash.
async fn expected() -> HashMap<String, DecideResponse> {
    let mut expected = HashMap::new();
    for version in 0..VERSIONS {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), version);
        let server = TestServer::start(rules(&folder.path().display().to_string()), folder.path().to_owned()).await;
        let mut client = DecisionServiceClient::new(server.channel.clone());
        let answer = client.decide(question("quiet".into())).await.unwrap().into_inner();
        drop(client);
        expected.insert(answer.rule_set.clone(), comparable(answer));
        server.stop().await;
    }
    expected
}

/// Asks about one customer after another until stopped; returns how many decisions each rule set made.
async fn ask(
    channel: Channel,
    client: usize,
    expected: Arc<HashMap<String, DecideResponse>>,
    stop: Arc<AtomicBool>,
) -> BTreeMap<String, u64> {
    let mut decisions = DecisionServiceClient::new(channel);
    let mut made = BTreeMap::new();
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let answer = decisions.decide(question(format!("c{client}-{number}"))).await.unwrap().into_inner();
        let set = answer.rule_set.clone();
        assert_eq!(Some(&comparable(answer)), expected.get(&set), "an answer that no rule set gives alone");
        *made.entry(set).or_default() += 1;
    }
    made
}

#[test]
fn versions_differ_in_all_that_a_decision_shows() {
    let answers = tokio::runtime::Runtime::new().unwrap().block_on(expected());
    assert_eq!(answers.len(), VERSIONS);
    let parts = |answer: &DecideResponse| {
        let [common, only] = answer.actions.as_slice() else { panic!("{answer:#?}") };
        let candidates = &answer.explanation.as_ref().unwrap().candidates;
        let never = candidates.iter().find(|candidate| candidate.gate == "eligible").unwrap();
        [
            common.text.clone(),
            common.content.clone(),
            common.because.join(", "),
            format!("{:?}", common.score),
            only.action_id.clone(),
            never.action_id.clone(),
            format!("line {}", never.rule_line),
        ]
    };
    let all: Vec<_> = answers.values().map(parts).collect();
    for (place, part) in all.iter().enumerate().flat_map(|(place, parts)| parts.iter().map(move |part| (place, part))) {
        assert!(all.iter().enumerate().all(|(other, parts)| other == place || !parts.contains(part)), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_decision_is_made_by_one_complete_rule_set() {
    let seconds: Option<u64> = std::env::var("TACTFUL_STORM_SECONDS").ok().map(|seconds| seconds.parse().unwrap());
    let expected = Arc::new(expected().await);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 0);
    let server = TestServer::start(rules(&folder.path().display().to_string()), folder.path().to_owned()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = (0..CLIENTS)
        .map(|client| tokio::spawn(ask(server.channel.clone(), client, Arc::clone(&expected), Arc::clone(&stop))));
    let clients: Vec<_> = clients.collect();

    let mut rule_service = RuleServiceClient::new(server.channel.clone());
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    let mut refused = 0;
    let reloads = seconds.map_or(60, |seconds| usize::try_from(seconds).unwrap() * 20);
    for reload in 1..=reloads {
        if seconds.is_some() {
            pace.tick().await;
        }
        write(folder.path(), reload % VERSIONS);
        let broken = reload % 7 == 0;
        if broken {
            std::fs::write(folder.path().join("base.yaml"), "purposes: [").unwrap();
        }
        let answer = rule_service.reload_rules(proto::ReloadRulesRequest {}).await.unwrap().into_inner();
        let wanted = if broken { ReloadOutcome::Refused } else { ReloadOutcome::Changed };
        assert_eq!(answer.outcome(), wanted, "{answer:#?}");
        refused += u32::from(broken);
        let next = decisions.decide(question(format!("after-{reload}"))).await.unwrap().into_inner();
        assert_eq!(next.rule_set, answer.rule_set, "a decision after the reload was made by other rules");
        assert_eq!(expected.get(&next.rule_set), Some(&comparable(next)));
    }
    stop.store(true, Ordering::SeqCst);
    let mut made: BTreeMap<String, u64> = BTreeMap::new();
    for client in clients {
        for (set, count) in client.await.unwrap() {
            *made.entry(set).or_default() += count;
        }
    }
    println!("{reloads} reloads, {refused} of them refused; decisions by rule set, none of them mixed: {made:#?}");
    assert!(made.values().sum::<u64>() > 0, "no decision was made");
    drop((rule_service, decisions));
    server.stop().await;
}
