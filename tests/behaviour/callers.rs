//! What is allowed to one caller, and what the log says of one call.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::{DecideRequest, WithdrawConsentRequest};
use tactful::serve::Door;
use tactful::serve::identity::tokens::random;
use tactful::serve::identity::{Identities, IdentitySettings};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use super::door::{entry, write};
use super::support::{TestServer, folder};

fn question() -> DecideRequest {
    DecideRequest { customer_id: "anna".into(), channel: "web".into(), validate_only: true, ..DecideRequest::default() }
}

#[tokio::test]
async fn a_caller_with_a_rate_is_told_when_to_come_back_and_may_always_withdraw() {
    let files = tempfile::tempdir().unwrap();
    let [bounded, free] = [random().unwrap(), random().unwrap()];
    let scopes = ["decide".to_owned(), "withdraw".to_owned()];
    let text = entry(&bounded, &scopes, "rate = 1\nburst = 3") + &entry(&free, &scopes, "");
    let tokens = write(files.path(), "tokens.toml", &text);
    let identities = Identities::new(IdentitySettings { tokens: Some(tokens), ..IdentitySettings::default() });
    let server = TestServer::behind(Door { identities: Some(Arc::new(identities.unwrap())), ..Door::default() }).await;
    let request = |token: &str| {
        let mut request = Request::new(question());
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    };
    let mut client = DecisionServiceClient::new(server.channel.clone());
    let mut refused = None;
    for made in 0..50 {
        match client.decide(request(&bounded)).await {
            Ok(_) => {}
            Err(status) => {
                refused = Some((made, status));
                break;
            }
        }
    }
    let (made, status) = refused.unwrap();
    assert!(made >= 3 && status.code() == Code::ResourceExhausted, "{made}: {status}");
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "RATE_LIMITED");
    assert!(details.retry_info().unwrap().retry_delay.unwrap().as_secs() < 1);
    let mut withdrawal = Request::new(WithdrawConsentRequest { customer_id: "anna".into(), ..Default::default() });
    withdrawal.metadata_mut().insert("authorization", format!("Bearer {bounded}").parse().unwrap());
    ConsentServiceClient::new(server.channel.clone()).withdraw_consent(withdrawal).await.unwrap();
    for _ in 0..20 {
        client.decide(request(&free)).await.unwrap();
    }
    server.stop().await;
}

#[tokio::test]
async fn the_log_has_a_line_for_each_call_with_its_trace_if_it_is_asked_to() {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
    command.args([
        "serve",
        "--rules",
        "rules",
        "--listen",
        "127.0.0.1:0",
        "--log-format",
        "json",
        "--log-level",
        "debug",
    ]);
    command.arg("--data").arg(data.path().join("data")).current_dir(folder("."));
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines().map(Result::unwrap);
    let listening = lines.into_iter().find(|line| line.starts_with("listening")).unwrap();
    let address = format!("http://{}", listening.split_whitespace().nth(1).unwrap());
    let mut client = DecisionServiceClient::connect(address).await.unwrap();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for flags in ["01", "00"] {
        let mut request = Request::new(question());
        let parent = format!("00-{trace}-00f067aa0ba902b7-{flags}");
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
        client.decide(request).await.unwrap();
        let line = log.find(|line| line.contains("Decide")).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["method"], "tactful.v1.DecisionService/Decide", "{line}");
        assert_eq!((&line["status"], &line["level"]), (&"Ok".into(), &"DEBUG".into()), "{line}");
        assert!(line["micros"].as_u64().is_some() && !line.to_string().contains("anna"), "{line}");
        assert_eq!(line["span"]["trace_id"] == trace, flags == "01", "{line}");
    }
    server.kill().unwrap();
    server.wait().unwrap();
}
