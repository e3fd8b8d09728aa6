//! Calls that are not plain gRPC: Connect with JSON and protocol buffers, gRPC-Web, pages, compression, refusals.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use prost::Message as _;
use serde_json::{Value as Json, json};
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::{DecideRequest, DecideResponse};
use tactful::serve::Door;
use tactful::serve::web::cors::Origins;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic_types::StatusExt as _;

use super::support::TestServer;

/// An answer of HTTP/1.1.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.head))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Sends one request over HTTP/1.1 on a connection of its own.
async fn send(server: &TestServer, request: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    send_to(&server.address, request, headers, body).await
}

async fn send_to(address: &str, request: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let address = address.trim_start_matches("http://").to_owned();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    let request = [head.as_bytes(), body].concat();
    let answer = tokio::task::spawn_blocking(move || {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        connection.write_all(&request).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        answer
    });
    let answer = answer.await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut body = answer[end + 4..].to_vec();
    if head.contains("transfer-encoding: chunked") {
        body = unchunked(&body);
    }
    Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|bytes| bytes == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend(&bytes[end + 2..end + 2 + length]);
        bytes = &bytes[end + 4 + length..];
    }
}

const DECIDE: &str = "POST /tactful.v1.DecisionService/Decide";
const JSON: (&str, &str) = ("content-type", "application/json");

fn question() -> Json {
    json!({"customerId": "anna", "channel": "web", "context": {"topic": {"text": "speed"}}})
}

fn message() -> DecideRequest {
    DecideRequest { customer_id: "anna".into(), channel: "web".into(), ..DecideRequest::default() }
}

#[tokio::test]
async fn json_over_http_1_is_a_call_like_any_other() {
    let server = TestServer::behind(Door::default()).await;
    let answer = send(&server, DECIDE, &[JSON], question().to_string().as_bytes()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{}", answer.head);
    let answer = answer.json();
    assert!(answer["decisionId"].is_string() && answer["silence"]["reason"].is_string(), "{answer}");
    // The names of the .proto files are understood, too.
    let asked = br#"{"customer_id": "anna", "channel": "web"}"#;
    assert_eq!(send(&server, DECIDE, &[JSON], asked).await.status, 200);

    let proto = send(&server, DECIDE, &[("content-type", "application/proto")], &message().encode_to_vec()).await;
    assert_eq!(proto.header("content-type"), Some("application/proto"));
    assert!(!DecideResponse::decode(proto.body.as_slice()).unwrap().decision_id.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn errors_over_json_have_a_code_a_message_and_details() {
    let server = TestServer::behind(Door::default()).await;
    let wrong = json!({"customerId": "anna", "channel": "fax"});
    let answer = send(&server, DECIDE, &[JSON], wrong.to_string().as_bytes()).await;
    let told = answer.json();
    assert_eq!((answer.status, &told["code"]), (400, &json!("invalid_argument")), "{told}");
    assert_eq!(told["details"][0]["debug"]["reason"], "UNKNOWN_CHANNEL", "{told}");
    assert!(told["message"].as_str().unwrap().contains("fax"), "{told}");

    let kind = |answer: Answer| (answer.status, answer.json()["code"].as_str().unwrap().to_owned());
    for body in ["", "{", "[]", r#"{"customer": "anna"}"#, r#"{"customerId": 7}"#, "{} {}"] {
        let answer = send(&server, DECIDE, &[JSON], body.as_bytes()).await;
        assert_eq!(kind(answer), (400, "invalid_argument".into()), "{body}");
    }
    let answer = send(&server, "POST /tactful.v1.DecisionService/Other", &[JSON], b"{}").await;
    assert_eq!(kind(answer), (501, "unimplemented".into()));
    let answer = send(&server, "POST /tactful.v1.DecisionService/WatchDecisions", &[JSON], b"{}").await;
    assert_eq!(kind(answer), (501, "unimplemented".into()));
    let late = [JSON, ("connect-timeout-ms", "0")];
    let mut question = question();
    let answer = send(&server, DECIDE, &late, question.to_string().as_bytes()).await;
    assert_eq!(kind(answer), (504, "deadline_exceeded".into()));
    question["fallback"] = "FALLBACK_SILENCE".into();
    let answer = send(&server, DECIDE, &late, question.to_string().as_bytes()).await.json();
    assert_eq!(answer["silence"]["reason"], "SILENCE_REASON_TOO_LATE", "{answer}");
    assert_eq!(server.engine.customer_count(), 0);
    server.stop().await;
}

#[tokio::test]
async fn bodies_are_compressed_both_ways_and_a_bomb_is_refused() {
    let server = TestServer::behind(Door::default()).await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let files: Vec<Json> = (0..20).map(|n| json!({"path": format!("{n}.yaml"), "text": "unknown: 1"})).collect();
    gzip.write_all(json!({"files": files}).to_string().as_bytes()).unwrap();
    let both = [JSON, ("content-encoding", "gzip"), ("accept-encoding", "br, gzip;q=0.8")];
    let check = "POST /tactful.v1.RuleService/CheckRules";
    let answer = send(&server, check, &both, &gzip.finish().unwrap()).await;
    assert_eq!((answer.status, answer.header("content-encoding")), (200, Some("gzip")), "{}", answer.head);
    let mut plain = String::new();
    flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_string(&mut plain).unwrap();
    assert!(plain.contains("19.yaml"), "{plain}");

    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..100 {
        bomb.write_all(&[b' '; 1 << 20]).unwrap();
    }
    let answer = send(&server, DECIDE, &[JSON, ("content-encoding", "gzip")], &bomb.finish().unwrap()).await;
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("out_of_range")));

    // gRPC: an answer is compressed for those who compress.
    let client = DecisionServiceClient::new(server.channel.clone()).accept_compressed(CompressionEncoding::Gzip);
    let encoding = async |mut client: DecisionServiceClient<_>| {
        let answer = client.decide(message()).await.unwrap();
        answer.metadata().get("grpc-encoding").map(|name| name.to_str().unwrap().to_owned())
    };
    assert_eq!(encoding(client.clone()).await, None);
    assert_eq!(encoding(client.send_compressed(CompressionEncoding::Gzip)).await.as_deref(), Some("gzip"));
    server.stop().await;
}

#[tokio::test]
async fn grpc_web_has_its_trailers_in_the_body() {
    let server = TestServer::behind(Door::default()).await;
    let body = message().encode_to_vec();
    let framed = [&[0, 0, 0, 0, u8::try_from(body.len()).unwrap()][..], &body].concat();
    let web = ("content-type", "application/grpc-web+proto");
    let answer = send(&server, DECIDE, &[web, ("x-grpc-web", "1")], &framed).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    let length = u32::from_be_bytes(answer.body[1..5].try_into().unwrap()) as usize;
    assert!(!DecideResponse::decode(&answer.body[5..5 + length]).unwrap().decision_id.is_empty());
    let trailers = &answer.body[5 + length..];
    assert_eq!(trailers[0], 0x80);
    assert!(String::from_utf8_lossy(trailers).contains("grpc-status:0"), "{trailers:?}");
    let refused = send(&server, "POST /tactful.v1.DecisionService/Other", &[web], &framed).await;
    assert_eq!((refused.status, refused.header("grpc-status")), (200, Some("12")), "{}", refused.head);
    server.stop().await;
}

#[tokio::test]
async fn only_pages_of_listed_origins_may_call() {
    let origins = Origins { allowed: vec!["https://shop.example".parse().unwrap()], unbound: false };
    let server = TestServer::behind(Door { origins, ..Door::default() }).await;
    let ours = ("origin", "https://shop.example");
    let asked = [ours, ("access-control-request-method", "POST")];
    let answer = send(&server, "OPTIONS /tactful.v1.DecisionService/Decide", &asked, b"").await;
    assert_eq!(answer.status, 204, "{}", answer.head);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    assert!(answer.header("access-control-allow-headers").unwrap().contains("authorization"));
    let answer = send(&server, DECIDE, &[JSON, ours], question().to_string().as_bytes()).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("https://shop.example")));
    for other in ["https://evil.example", "http://shop.example", "https://shop.example.evil", "null"] {
        let asked = [("origin", other), ("access-control-request-method", "POST")];
        let answer = send(&server, "OPTIONS /tactful.v1.DecisionService/Decide", &asked, b"").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None), "{other}");
        let answer = send(&server, DECIDE, &[JSON, ("origin", other)], question().to_string().as_bytes()).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None), "{other}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_call_is_told_what_this_is() {
    let server = TestServer::behind(Door::default()).await;
    let about = send(&server, "GET /", &[], b"").await;
    let text = String::from_utf8(about.body).unwrap();
    assert!(about.status == 200 && text.starts_with("Tactful ") && text.contains("curl"), "{text}");
    let status = async |request: &str, headers: &[(&str, &str)]| send(&server, request, headers, b"{}").await.status;
    assert_eq!(status("GET /favicon.ico", &[]).await, 404);
    assert_eq!(status("GET /tactful.v1.DecisionService/Decide", &[]).await, 405);
    for content in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/grpc"] {
        assert_eq!(status(DECIDE, &[("content-type", content)]).await, 415, "{content}");
    }
    assert_eq!(status(DECIDE, &[]).await, 415);
    server.stop().await;
}

#[tokio::test]
async fn too_much_metadata_is_refused_with_the_limit() {
    let server = TestServer::behind(Door::default()).await;
    let mut client = DecisionServiceClient::new(server.channel.clone());
    let mut request = tonic::Request::new(message());
    request.metadata_mut().insert("x-much", "a".repeat(16 * 1024).parse().unwrap());
    let refused = client.decide(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("at most 16384"), "{refused}");
    assert_eq!(refused.get_error_details().error_info().unwrap().reason, "METADATA_TOO_LARGE");
    client.decide(message()).await.unwrap();
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn the_console_is_served_with_a_strict_policy() {
    let server = TestServer::behind(Door::default()).await;
    let page = send(&server, "GET /console/", &[], b"").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{}", page.head);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let html = String::from_utf8(page.body.clone()).unwrap();
    assert!(!html.contains("<style") && !html.contains("style=") && !html.contains("<script>"), "{html}");

    let tag = page.header("etag").unwrap().to_owned();
    let known = send(&server, "GET /console/", &[("if-none-match", &format!("\"other\", W/{tag}"))], b"").await;
    assert_eq!((known.status, known.body.len()), (304, 0), "{}", known.head);
    let packed = send(&server, "GET /console/console.js", &[("accept-encoding", "br, gzip")], b"").await;
    assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")), "{}", packed.head);
    let mut script = String::new();
    flate2::read::GzDecoder::new(packed.body.as_slice()).read_to_string(&mut script).unwrap();
    let plain = send(&server, "GET /console/console.js?x", &[], b"").await;
    assert_eq!(plain.body, script.as_bytes());
    assert!(packed.body.len() < 150 * 1024, "{} bytes", packed.body.len());

    let moved = send(&server, "GET /console", &[], b"").await;
    assert_eq!((moved.status, moved.header("location")), (308, Some("/console/")));
    for path in ["/console/other.js", "/console/../Cargo.toml", "/console/console.js/", "/console//index.html"] {
        assert_eq!(send(&server, &format!("GET {path}"), &[], b"").await.status, 404, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_console_may_call_its_own_server_and_the_card_may_be_embedded() {
    let admin = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let operators = format!("http://{}", admin.local_addr().unwrap());
    let origins = Origins { allowed: vec!["https://desk.example".parse().unwrap()], unbound: false };
    let server = TestServer::behind(Door { origins, admin: Some(admin), ..Door::default() }).await;
    for (address, own) in [(&server.address, 200), (&operators, 403)] {
        let headers = [JSON, ("origin", server.address.as_str())];
        let answer = send_to(address, DECIDE, &headers, question().to_string().as_bytes()).await;
        assert_eq!(answer.status, own, "a page of {} at {address}", server.address);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let card = send(&server, "GET /console/card.html", &[], b"").await;
    let policy = card.header("content-security-policy").unwrap();
    assert!(policy.ends_with("frame-ancestors 'self' https://desk.example"), "{policy}");
    // What the console asks is answered on the admin listener alone, and so is the console.
    assert_eq!(send(&server, "GET /console/", &[], b"").await.status, 404);
    assert_eq!(send_to(&operators, "GET /console/", &[], b"").await.status, 200);
    server.stop().await;
}
