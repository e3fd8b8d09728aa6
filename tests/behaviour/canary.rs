//! After an erasure, no file, log, error or later answer of a real server contains data of the customer.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tactful::grpc::proto;
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::journey_service_client::JourneyServiceClient;
use tactful::grpc::proto::privacy_service_client::PrivacyServiceClient;
use tactful::ledger::proof::{Checkpoint, Hash, Receipt, TreeHead, VerifyingKey, consistency_holds};
use tonic::transport::Channel;

use super::consent::RULES;
use super::support::{copy, files};

const CANARY: &str = "kanarienvogel";

/// A server process over a folder of its own: rules, data, keys and everything it writes to its terminal.
struct Server {
    child: Child,
    channel: Channel,
    closed: bool,
}

impl Server {
    async fn start(home: &Path, run: &str) -> Self {
        Self::start_with(home, run, &[]).await
    }

    async fn start_with(home: &Path, run: &str, flags: &[&str]) -> Self {
        let log = fs::File::create(home.join(format!("stderr-{run}"))).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tactful"))
            .args(["serve", "--rules", "rules", "--data", "data", "--listen", "127.0.0.1:0"])
            .args(flags)
            .current_dir(home)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !said.lines().any(|line| line.starts_with("try")) {
            assert!(lines.read_line(&mut said).unwrap() > 0, "{said}");
        }
        fs::write(home.join(format!("stdout-{run}")), &said).unwrap();
        let address = said.lines().find_map(|line| line.strip_prefix("listening")).unwrap();
        let address = format!("http://{}", address.split_whitespace().next().unwrap());
        let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
        Self { child, channel, closed: said.contains("NOT AVAILABLE") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn text(text: &str) -> proto::Value {
    proto::Value { kind: Some(proto::value::Kind::Text(text.into())) }
}

fn decide(customer: &str) -> proto::DecideRequest {
    proto::DecideRequest {
        customer_id: customer.into(),
        channel: "web".into(),
        explain: proto::ExplainLevel::Full.into(),
        max_actions: 9,
        ..Default::default()
    }
}

fn yes(customer: &str, evidence: &str) -> proto::RecordConsentRequest {
    let change = proto::ConsentChange {
        purpose: "advice".into(),
        status: proto::ConsentStatus::Given.into(),
        notice: format!("{evidence}-notice"),
        expression: format!("{evidence}-expression"),
        ..Default::default()
    };
    let source =
        proto::ConsentSource { evidence: evidence.into(), actor: format!("{evidence}-actor"), ..Default::default() };
    proto::RecordConsentRequest {
        customer_id: customer.into(),
        changes: vec![change],
        idempotency_key: format!("{evidence}-key"),
        source: Some(source),
    }
}

/// Puts a canary into every place that a caller can write to; returns the record's id.
async fn place(server: &Server, customer: &str) -> String {
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let mut journeys = JourneyServiceClient::new(server.channel.clone());
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let recorded = consents.record_consent(yes(customer, CANARY)).await.unwrap().into_inner();
    let attributes = [("customer.name".to_owned(), text(CANARY)), ("customer.city".to_owned(), text(CANARY))];
    let request = proto::SetAttributesRequest {
        customer_id: customer.into(),
        attributes: attributes.into(),
        time_zone: String::new(),
    };
    journeys.set_attributes(request).await.unwrap();
    let visit = proto::Event {
        event_id: format!("{CANARY}-event"),
        customer_id: customer.into(),
        r#type: "visit".into(),
        fields: [("page".to_owned(), text(CANARY))].into(),
        ..Default::default()
    };
    journeys.record_events(proto::RecordEventsRequest { events: vec![visit] }).await.unwrap();
    let decided = decisions.decide(decide(customer)).await.unwrap().into_inner();
    assert!(decided.actions[0].text.contains(CANARY));
    recorded.results[0].record_id.clone()
}

/// Everything that a server answers about a customer, errors included.
async fn ask(server: &Server, customer: &str, record_id: &str) -> String {
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let mut journeys = JourneyServiceClient::new(server.channel.clone());
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let mut privacy = PrivacyServiceClient::new(server.channel.clone());
    let customer_id = || customer.to_owned();
    let mut told = vec![
        format!("{:?}", decisions.decide(decide(customer)).await),
        format!("{:?}", consents.get_consent(proto::GetConsentRequest { customer_id: customer_id() }).await),
        format!("{:?}", journeys.get_customer(proto::GetCustomerRequest { customer_id: customer_id() }).await),
    ];
    let request = proto::ListConsentRecordsRequest { customer_id: customer_id(), ..Default::default() };
    told.push(format!("{:?}", consents.list_consent_records(request).await));
    let request = proto::GetReceiptRequest { customer_id: customer_id(), record_id: record_id.into() };
    told.push(format!("{:?}", consents.get_receipt(request).await));
    let request =
        proto::ExportCustomerRequest { customer_id: customer_id(), portable_only: false, ..Default::default() };
    let mut stream = privacy.export_customer(request).await.unwrap().into_inner();
    while let Some(part) = stream.message().await.unwrap() {
        told.push(String::from_utf8_lossy(&part.chunk).into_owned());
    }
    // The caller knows the id, so an answer may contain it.
    told.join("\n").replace(customer, "CUSTOMER")
}

fn holds(path: &Path, needle: &str) -> bool {
    fs::read(path).unwrap().windows(needle.len()).any(|window| window == needle.as_bytes())
}

fn tree_head(checkpoint: &Checkpoint) -> TreeHead {
    TreeHead { size: checkpoint.size, root: checkpoint.root }
}

async fn head(server: &Server) -> (String, VerifyingKey) {
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let head = consents.get_checkpoint(proto::GetCheckpointRequest {}).await.unwrap().into_inner();
    (head.checkpoint, VerifyingKey::parse(head.verifier_key.trim()).unwrap())
}

#[tokio::test]
async fn an_erased_customer_is_in_no_file_log_error_or_answer_and_every_proof_stays_valid() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    fs::create_dir(home.join("rules")).unwrap();
    fs::write(home.join("rules/rules.yaml"), RULES).unwrap();
    let customer = format!("{CANARY}-id");

    let server = Server::start(home, "first").await;
    let record = place(&server, &customer).await;
    assert!(ask(&server, &customer, &record).await.contains(CANARY), "it can be seen before");
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let other = consents.record_consent(yes("bea", "form-1")).await.unwrap().into_inner();
    let receipt = |customer: &str, record: &str| proto::GetReceiptRequest {
        customer_id: customer.into(),
        record_id: record.into(),
    };
    let saved = consents.get_receipt(receipt(&customer, &record)).await.unwrap().into_inner();
    assert!(saved.record_json_ld.contains("dpv:ConsentGiven"));
    let (before, key) = head(&server).await;
    copy(&home.join("data"), &home.join("backup"));

    let mut privacy = PrivacyServiceClient::new(server.channel.clone());
    let erased = privacy.erase_customer(proto::EraseCustomerRequest { customer_id: customer.clone() }).await.unwrap();
    assert_eq!(erased.into_inner().records_shredded, 1);
    let answers = ask(&server, &customer, &record).await;
    assert!(!answers.contains(CANARY), "{answers}");

    // The ledger continues, and every proof still verifies, even the erased customer's own.
    let (after, _) = head(&server).await;
    let (earlier, later) = (Checkpoint::open(&before, &key).unwrap(), Checkpoint::open(&after, &key).unwrap());
    assert_eq!((earlier.size, later.size), (2, 3));
    let sizes = proto::GetConsistencyProofRequest { from_size: 2, to_size: 3 };
    let hashes = consents.get_consistency_proof(sizes).await.unwrap().into_inner().hashes;
    let path: Vec<Hash> = hashes.iter().map(|hash| Hash(hash.as_slice().try_into().unwrap())).collect();
    assert!(consistency_holds(tree_head(&earlier), tree_head(&later), &path));
    assert!(Receipt::open(&saved.tlog_proof, &key).is_ok(), "the receipt that the customer kept still opens");
    let others = consents.get_receipt(receipt("bea", &other.results[0].record_id)).await.unwrap().into_inner();
    assert!(Receipt::open(&others.tlog_proof, &key).is_ok());
    let beyond = proto::GetConsistencyProofRequest { from_size: 2, to_size: 9 };
    assert_eq!(consents.get_consistency_proof(beyond).await.unwrap_err().code(), tonic::Code::NotFound);
    drop(server);

    // Neither another start nor an earlier copy brings anything back.
    let server = Server::start(home, "second").await;
    assert!(!server.closed);
    let answers = ask(&server, &customer, &record).await;
    assert!(!answers.contains(CANARY) && answers.contains("erased"), "{answers}");
    assert!(ask(&server, "bea", &other.results[0].record_id).await.contains("form-1"));
    drop(server);
    fs::remove_dir_all(home.join("data")).unwrap();
    copy(&home.join("backup"), &home.join("data"));
    let server = Server::start(home, "restored").await;
    let answers = ask(&server, &customer, &record).await;
    assert!(!answers.contains(CANARY) && !answers.contains("usable: true"), "{answers}");
    drop(server);

    let found: Vec<PathBuf> = files(home).into_iter().filter(|path| holds(path, CANARY)).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// A request with a token.
fn bearing<T>(request: T, token: &str) -> tonic::Request<T> {
    let mut request = tonic::Request::new(request);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_and_no_personal_value_is_in_a_file_a_log_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    fs::create_dir(home.join("rules")).unwrap();
    fs::write(home.join("rules/rules.yaml"), RULES).unwrap();
    let new = ["token", "new", "--tokens", "tokens.toml", "--name", "shop", "--scope", "decide", "--scope", "privacy"];
    let made = Command::new(env!("CARGO_BIN_EXE_tactful")).args(new).current_dir(home).output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let token = made.split_whitespace().find(|word| word.starts_with("tct_")).unwrap().to_owned();
    let flags = ["--tokens", "tokens.toml", "--audit", "audit", "--metrics", "127.0.0.1:0"];
    let server = Server::start_with(home, "1", &flags).await;
    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    let mut privacy = PrivacyServiceClient::new(server.channel.clone());
    let wrong = format!("tct_{CANARY}");
    let question = proto::DecideRequest { channel: "web".into(), ..decide(CANARY) };
    let answers = [
        decisions.decide(bearing(question.clone(), &wrong)).await.unwrap_err(),
        decisions.decide(bearing(question.clone(), &format!("{token}x"))).await.unwrap_err(),
    ];
    assert!(answers.iter().all(|refused| refused.code() == tonic::Code::Unauthenticated), "{answers:?}");
    assert!(!format!("{answers:?}").contains(&token) && !format!("{answers:?}").contains(CANARY), "{answers:?}");
    decisions.decide(bearing(question, &token)).await.unwrap();
    let erasure = proto::EraseCustomerRequest { customer_id: CANARY.into() };
    privacy.erase_customer(bearing(erasure, &token)).await.unwrap();
    drop(server);
    assert!(files(&home.join("audit")).iter().any(|file| holds(file, "EraseCustomer")));
    for file in files(home) {
        assert!(!holds(&file, &token), "{} holds the token", file.display());
        assert!(!holds(&file, CANARY), "{} holds a personal value", file.display());
    }
}
