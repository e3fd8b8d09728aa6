//! The rights of a customer: to get all data, and to have all data erased.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::sync::atomic::Ordering;

use tactful::domain::action::Outcome;
use tactful::domain::consent::{ConsentStatus, Denial};
use tactful::domain::decide::Explain;
use tactful::domain::time::Period;
use tactful::domain::value::Value;
use tactful::engine::{Engine, EngineError, ItemCode, OutcomeInput, Question};
use tactful::grpc::proto;
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::privacy_service_client::PrivacyServiceClient;

use tonic::transport::Channel;

use super::consent::RULES;
use super::support::{StubbornLedger, TestServer, ask, attributes, chosen, consent, engine, event, monday, rules_of};

use ConsentStatus::{Given, Objected, Withdrawn};

fn say(engine: &Engine, purpose: &str, status: ConsentStatus) -> tactful::engine::ChangeResult {
    engine.record_consent(consent("anna", purpose, status), monday()).unwrap().results.remove(0)
}

fn tell(engine: &Engine) -> Vec<String> {
    let facts = [("customer.name", Value::Text("Anna".into())), ("customer.city", Value::Text("Graz".into()))];
    let dropped = engine.set_attributes(attributes("anna", &facts), monday()).unwrap();
    engine.record_events(vec![event("anna", "visit", &[("page", "fibre")])], monday()).unwrap();
    dropped
}

fn denial(engine: &Engine, purpose: &str) -> Option<Denial> {
    let standing = engine.standing("anna", monday()).unwrap();
    standing.into_iter().find(|view| view.purpose == purpose).unwrap().denial
}

fn presented(customer: &str, decision: &str) -> OutcomeInput {
    OutcomeInput {
        outcome_id: String::new(),
        decision_id: decision.into(),
        customer: customer.into(),
        action: "hello".into(),
        channel: String::new(),
        outcome: Outcome::Presented,
        occurred: None,
    }
}

/// Anna, with a consent, facts, a question and an answer.
fn known(engine: &Engine) -> String {
    assert!(say(engine, "advice", Given).accepted);
    tell(engine);
    let question = Question { request_id: "r1".into(), explain: Explain::Full, ..ask("anna", "web", &[]) };
    let decided = engine.decide(question, monday()).unwrap();
    assert_eq!(chosen(&decided), ["hello"]);
    decided.id()
}

#[test]
fn an_erasure_leaves_nothing_and_nothing_brings_anything_back() {
    let engine = engine(&rules_of(RULES));
    let decision = known(&engine);
    let erased = engine.erase("anna", monday()).unwrap();
    assert_eq!((erased.position, erased.records, engine.customer_count()), (2, 1, 0));
    assert_eq!(engine.ledger_records(), 2, "the erasure is a record too");
    let again = engine.erase("anna", monday()).unwrap();
    assert_eq!((again.position, again.records), (2, 0), "erasing twice is erasing once");
    assert!(matches!(engine.decision(&decision, monday()), Err(EngineError::UnknownDecision(_))));
    assert!(engine.consent_records("anna").unwrap().is_empty());
    assert_eq!(denial(&engine, "service"), Some(Denial::Erased));

    // Records that other systems kept and send again.
    assert_eq!(tell(&engine), ["customer.name", "customer.city"]);
    let event = engine.record_events(vec![event("anna", "visit", &[])], monday()).unwrap();
    assert_eq!((event[0].code, event[0].reason.as_str()), (ItemCode::Erased, "erased"));
    for (customer, decision) in [("anna", ""), ("", decision.as_str())] {
        assert!(!engine.record_outcomes(vec![presented(customer, decision)], monday()).unwrap()[0].accepted);
    }
    for status in [Withdrawn, Objected] {
        assert_eq!(say(&engine, "advice", status).reason, "erased");
    }
    let mut import = consent("anna", "advice", Given);
    import.deferred = true;
    assert_eq!(engine.record_consent(import, monday()).unwrap().results[0].reason, "erased");
    let question = Question { request_id: "r1".into(), ..ask("anna", "web", &[]) };
    let silent = engine.decide(question, monday()).unwrap();
    assert!(chosen(&silent).is_empty() && silent.id().is_empty(), "{silent:?}");
    assert_eq!((engine.customer_count(), engine.consent_records("anna").unwrap().len()), (0, 0));
}

#[test]
fn a_yes_in_person_starts_again() {
    let engine = engine(&rules_of(RULES));
    let decision = known(&engine);
    engine.erase("anna", monday()).unwrap();
    assert!(say(&engine, "advice", Given).accepted);
    assert_eq!((denial(&engine, "advice"), denial(&engine, "service")), (None, None));
    assert_eq!(denial(&engine, "mailing"), Some(Denial::Objected), "direct marketing waits for a yes of its own");
    assert!(engine.customer("anna", monday()).unwrap().attributes.is_empty());
    assert!(engine.decision(&decision, monday()).is_err());
    assert!(tell(&engine).is_empty());
    assert_eq!(
        chosen(&engine.decide(ask("anna", "web", &[]), monday()).unwrap()),
        ["hello"],
        "limits start again, too"
    );
    assert!(say(&engine, "mailing", Given).accepted);
    assert_eq!(denial(&engine, "mailing"), None);
    engine.sweep(monday());
    assert_eq!(engine.erase("anna", monday()).unwrap().records, 2);
    assert_eq!(denial(&engine, "advice"), Some(Denial::Erased));
}

#[test]
fn a_yes_that_is_under_way_does_not_outlive_the_erasure() {
    let (engine, ledger) = StubbornLedger::under(rules_of(RULES));
    std::thread::scope(|scope| {
        let held = ledger.gate.lock().unwrap();
        let grant = scope.spawn(|| say(&engine, "advice", Given));
        ledger.wait_for(1);
        let erasure = scope.spawn(|| engine.erase("anna", monday()).unwrap());
        drop(held);
        assert!(grant.join().unwrap().accepted);
        assert_eq!(erasure.join().unwrap().records, 1);
    });
    assert_eq!(denial(&engine, "advice"), Some(Denial::Erased));
}

#[test]
fn an_erasure_takes_effect_and_is_reported_if_the_disk_fails() {
    let (engine, ledger) = StubbornLedger::under(rules_of(RULES));
    let decision = known(&engine);
    ledger.broken.store(true, Ordering::SeqCst);
    assert!(matches!(engine.erase("anna", monday()), Err(EngineError::LedgerUnavailable(_))));
    assert_eq!(denial(&engine, "advice"), Some(Denial::Erased), "which is more than an untrusted ledger");
    engine.trust_ledger(true);
    assert_eq!(denial(&engine, "advice"), Some(Denial::Erased));
    assert!(engine.decision(&decision, monday()).is_err());
    tell(&engine);
    assert!(engine.export("anna", monday()).unwrap().state.is_empty());
    ledger.broken.store(false, Ordering::SeqCst);
    assert_eq!(engine.erase("anna", monday()).unwrap().records, 1);
}

/// The files of an archive.
pub fn unzip(bytes: Vec<u8>) -> BTreeMap<String, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    let mut read = |name: &String| {
        let mut text = String::new();
        archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        (name.clone(), text)
    };
    names.iter().map(&mut read).collect()
}

async fn exported(server: &TestServer, portable_only: bool) -> BTreeMap<String, String> {
    let mut client = PrivacyServiceClient::new(server.channel.clone());
    let request = proto::ExportCustomerRequest { customer_id: "anna".into(), portable_only, ..Default::default() };
    let mut stream = client.export_customer(request).await.unwrap().into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        assert!(part.chunk.len() <= 64 * 1024);
        bytes.extend(part.chunk);
    }
    unzip(bytes)
}

#[tokio::test]
async fn the_whole_archive_holds_everything_even_what_may_not_be_used() {
    let server = TestServer::start(rules_of(RULES), "none".into()).await;
    let decision = known(&server.engine);
    say(&server.engine, "mailing", Objected);
    say(&server.engine, "", ConsentStatus::Restricted);
    let files = exported(&server, false).await;
    let profile: serde_json::Value = serde_json::from_str(&files["profile.json"]).unwrap();
    assert_eq!(profile["attributes"]["customer.name"]["value"], "Anna");
    assert_eq!(profile["attributes"]["customer.city"]["kept_for"], serde_json::json!(["service", "advice"]));
    assert!(files["events.jsonl"].contains(r#""page":"fibre""#));
    assert!(files["decisions.jsonl"].contains(&decision) && files["decisions.jsonl"].contains("hi Anna"));
    assert!(files["decisions.jsonl"].contains("would_change_it"), "with what spoke against the others");
    assert!(files["disclosures.jsonl"].contains(r#""to_channel":"web""#));
    assert!(files["standings.jsonl"].contains(r#""why_not":"restricted""#));
    let consents: Vec<&String> = files.keys().filter(|name| name.starts_with("consents/")).collect();
    assert_eq!(consents.len(), 3, "{consents:?}");
    assert!(files["consents/00000001.jsonld"].contains("dpv:ConsentGiven"));
    assert!(files["README.txt"].contains("decisions.jsonl") && !files["README.txt"].contains("Art. 20"));

    let portable = exported(&server, true).await;
    let told = portable.values().cloned().collect::<String>();
    assert!(told.contains("Anna") && told.contains("Graz") && told.contains("fibre") && told.contains("Art. 20"));
    assert!(!portable.contains_key("decisions.jsonl") && !portable.contains_key("disclosures.jsonl"));
    assert!(!portable["profile.json"].contains("journeys"));
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_shown_of_an_erased_customer() {
    let server = TestServer::start(rules_of(RULES), "none".into()).await;
    let mut privacy = PrivacyServiceClient::new(server.channel.clone());
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let wanted = proto::WatchDecisionsRequest::default();
    let mut feed = decisions.watch_decisions(wanted).await.unwrap().into_inner();
    known(&server.engine);
    let request = || proto::EraseCustomerRequest { customer_id: "anna".into() };
    let erased = privacy.erase_customer(request()).await.unwrap().into_inner();
    assert_eq!((erased.ledger_position, erased.records_shredded), (2, 1));
    // The watcher may have been shown the decision before it was erased; from then on it is not shown.
    let decided = server.engine.decide(ask("anna", "web", &[]), monday()).unwrap();
    assert!(decided.id().is_empty());
    server.engine.decide(ask("bea", "web", &[]), monday()).unwrap();
    loop {
        let seen = feed.message().await.unwrap().unwrap().decision.unwrap();
        match seen.request.unwrap().customer_id.as_str() {
            "bea" => break,
            _ => assert_eq!(seen.decision.unwrap().actions[0].action_id, "hello"),
        }
    }
    let files = exported(&server, false).await;
    assert!(!files.values().any(|text| text.contains("Anna") || text.contains("Graz")), "{files:?}");
    let refused = privacy.erase_customer(proto::EraseCustomerRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    server.stop().await;
}

#[tokio::test]
async fn a_stalled_watcher_is_not_sent_customers_erased_meanwhile() {
    let server = TestServer::start(rules_of(RULES), "none".into()).await;
    // A connection with room for less than one decision, until the client reads.
    let narrow = Channel::from_shared(server.address.clone()).unwrap().initial_stream_window_size(16);
    let mut watcher = DecisionServiceClient::new(narrow.connect().await.unwrap());
    let mut feed = watcher.watch_decisions(proto::WatchDecisionsRequest::default()).await.unwrap().into_inner();
    known(&server.engine);
    for _ in 0..100 {
        server.engine.decide(ask("anna", "web", &[]), monday()).unwrap();
    }
    let mut privacy = PrivacyServiceClient::new(server.channel.clone());
    let request = |customer: &str| proto::EraseCustomerRequest { customer_id: customer.into() };
    // The server has its turns, and could send.
    for other in 0..20 {
        privacy.erase_customer(request(&format!("other-{other}"))).await.unwrap();
    }
    privacy.erase_customer(request("anna")).await.unwrap();
    server.engine.decide(ask("bea", "web", &[]), monday()).unwrap();
    let mut sent = 0;
    loop {
        let seen = feed.message().await.unwrap().unwrap().decision.unwrap();
        match seen.request.unwrap().customer_id.as_str() {
            "bea" => break,
            _ => sent += 1,
        }
    }
    assert!(sent <= 2, "{sent} decisions came after the erasure; no more than two can have been on their way");
    drop(feed);
    server.stop().await;
}

#[tokio::test]
async fn records_come_in_pages_newest_first() {
    let server = TestServer::start(rules_of(RULES), "none".into()).await;
    for count in 0..7_i64 {
        let status = if count % 2 == 0 { Given } else { Withdrawn };
        server.engine.record_consent(consent("anna", "advice", status), monday() + Period(count + 1)).unwrap();
    }
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let mut request =
        proto::ListConsentRecordsRequest { customer_id: "anna".into(), page_size: 3, ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let page = consents.list_consent_records(request.clone()).await.unwrap().into_inner();
        pages.push(page.records_json_ld);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    let created = |text: &String| {
        let record: serde_json::Value = serde_json::from_str(text).unwrap();
        record["dct:created"].as_str().unwrap().to_owned()
    };
    let moments: Vec<String> = pages.concat().iter().map(created).collect();
    assert!(moments.windows(2).all(|pair| pair[0] > pair[1]), "{moments:?}");
    server.stop().await;
}
