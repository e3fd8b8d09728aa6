//! How a server stops: what it cannot finish or keep it says, with another exit code, and nothing holds it up for long.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::journey_service_client::JourneyServiceClient;
use tactful::grpc::proto::{Event, RecordEventsRequest, SilenceReason, WatchDecisionsRequest};
use tactful::serve::CUSTOMERS_HEALTH;
use tokio_stream::StreamExt as _;
use tonic::Code;

use super::home::{Home, files};
use super::server_process::ServerProcess;

/// The first bytes of a connection of HTTP/2: the preface, and empty settings.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A connection that never answers what the server sends.
pub fn greeted(address: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(GREETING).unwrap();
    // The server has greeted, too.
    connection.read_exact(&mut [0; 9]).unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_and_idle_connections_do_not_hold_a_stop() {
    let home = Home::new();
    let server = ServerProcess::start(home.path()).await;
    // They never answer what the server sends.
    let idle: Vec<TcpStream> = (0..3).map(|_| greeted(&server.address)).collect();
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let event = Event { customer_id: "anna".into(), r#type: "visit".into(), ..Event::default() };
    sender.send(RecordEventsRequest { events: vec![event] }).await.unwrap();
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut results =
        JourneyServiceClient::new(server.channel.clone()).stream_events(stream).await.unwrap().into_inner();
    assert!(results.next().await.unwrap().is_ok());
    let mut watching = DecisionServiceClient::new(server.channel.clone());
    let mut decisions = watching.watch_decisions(WatchDecisionsRequest::default()).await.unwrap().into_inner();
    server.signal(Signal::TERM);
    let ended = results.next().await.unwrap().unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable, "{ended}");
    assert!(decisions.next().await.is_none());
    let (status, said, took) = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(took < Duration::from_secs(6), "calls in progress would have 8 s, and there are none: {took:?}");
    drop((idle, sender));
}

/// A call of Decide whose message never comes.
fn half_a_call(address: &str) -> TcpStream {
    let mut connection = greeted(address);
    let header = |name: &str, value: &str| {
        let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        [&[0][..], &text(name), &text(value)].concat()
    };
    let block = [
        header(":method", "POST"),
        header(":scheme", "http"),
        header(":path", "/tactful.v1.DecisionService/Decide"),
        header(":authority", "tactful"),
        header("content-type", "application/grpc"),
        header("te", "trailers"),
    ]
    .concat();
    let length = u32::try_from(block.len()).unwrap().to_be_bytes();
    let frame = [&length[1..], &[1, 4, 0, 0, 0, 1], &block].concat();
    connection.write_all(&frame).unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_server_at_once() {
    let home = Home::new();
    let server = ServerProcess::start(home.path()).await;
    let _half = half_a_call(&server.address);
    assert!(server.says("anna", "web").await.is_some());
    server.signal(Signal::TERM);
    // It stops: with the first signal it is not ready any more.
    server.until_health("", false).await;
    server.signal(Signal::INT);
    let (status, said, took) = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("ended at once by a second signal"), "{said}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let server = ServerProcess::start(home.path()).await;
    assert_eq!(server.says("anna", "web").await, None, "its contact was logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_cut_off_are_told_by_another_exit_code() {
    let home = Home::new();
    let server = ServerProcess::start(home.path()).await;
    let half = half_a_call(&server.address);
    assert!(server.says("anna", "web").await.is_some());
    server.signal(Signal::TERM);
    let (status, said, _) = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("error: stopped, but 1 calls were cut off"), "{said}");
    drop(half);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_exceeds_no_limit_and_heals_without_a_restart() {
    let home = Home::new();
    let server = ServerProcess::start(home.path()).await;
    for customer in ["anna", "ben"] {
        assert_eq!(server.says(customer, "web").await.as_deref(), Some("hello"));
    }
    server.fill_disk(Some(0));
    for customer in ["carl", "dora", "emil"] {
        let silence = server.decide(customer, "web").await.silence.unwrap();
        assert_eq!(silence.reason(), SilenceReason::Degraded, "{silence:?}");
        assert_eq!(server.says(customer, "chat").await.as_deref(), Some("help"), "no limit counts it");
    }
    server.until_health(CUSTOMERS_HEALTH, false).await;
    server.fill_disk(None);
    let told = server.until_said("web", "hello").await;
    server.until_health(CUSTOMERS_HEALTH, true).await;
    assert_eq!(server.says("carl", "web").await.as_deref(), Some("hello"), "what was not said does not count");
    server.fill_disk(Some(0));
    assert_eq!(server.says("fred", "web").await, None);
    server.kill();
    let server = ServerProcess::start(home.path()).await;
    for customer in ["anna", "ben", "carl", &told] {
        assert_eq!(server.says(customer, "web").await, None, "{customer} was told before");
    }
    assert_eq!(server.says("fred", "web").await.as_deref(), Some("hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_on_a_full_disk_says_what_is_not_stored() {
    let home = Home::new();
    let server = ServerProcess::start(home.path()).await;
    server.fill_disk(Some(0));
    let event = Event { customer_id: "anna".into(), r#type: "visit".into(), ..Event::default() };
    let mut events = JourneyServiceClient::new(server.channel.clone());
    let results = events.record_events(RecordEventsRequest { events: vec![event] }).await.unwrap().into_inner();
    assert!(results.results[0].accepted);
    server.signal(Signal::TERM);
    let (status, said, _) = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("error: stopped, but 1 customers could not be stored"), "{said}");
}

/// Every attempt to begin a file of the decision log fails: its empty files would fill a disk's list of files, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_no_empty_files_behind() {
    let home = Home::new();
    let server = ServerProcess::start(home.path()).await;
    assert!(server.says("anna", "web").await.is_some());
    server.fill_disk(Some(0));
    server.until_health(CUSTOMERS_HEALTH, false).await;
    for number in 0..200 {
        server.decide(&format!("c{number}"), "web").await;
    }
    server.fill_disk(None);
    server.until_said("web", "hello").await;
    server.signal(Signal::TERM);
    tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
    let decisions = files(&home.path().join("data/decisions"));
    let files: Vec<_> = decisions.iter().filter(|path| path.extension().is_some_and(|end| end == "said")).collect();
    assert!(files.len() <= 3, "{} files, one for each time that the disk filled or emptied", files.len());
}
