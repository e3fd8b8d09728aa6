//! How connections and calls are served: spread over threads, within bounds, and none at the cost of another.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tactful::domain::consent::ConsentRecord;
use tactful::domain::time::Moment;
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::decision_service_server::DecisionService;
use tactful::grpc::proto::{
    ConsentChange, ConsentStatus, DecideRequest, DecideResponse, GetDecisionRequest, GetDecisionResponse,
    RecordConsentRequest, RecordOutcomesRequest, RecordOutcomesResponse, WatchDecisionsRequest, WatchDecisionsResponse,
};
use tactful::ledger::proof::Hash;
use tactful::ledger::{Erasure, Ledger, LedgerError, MemoryLedger};
use tactful::serve::calls::Calls;
use tactful::serve::transport::Transport;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::support::TestServer;

/// How long a test waits for what must come, before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A disk that takes as long as the test wants: it says that it was asked, then waits for leave.
#[derive(Debug)]
struct SlowLedger {
    kept: MemoryLedger,
    asked: mpsc::UnboundedSender<()>,
    leave: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Ledger for SlowLedger {
    fn append(&self, records: &[ConsentRecord]) -> Result<u64, LedgerError> {
        self.asked.send(()).unwrap();
        self.leave.lock().unwrap().recv().unwrap();
        self.kept.append(records)
    }

    fn erase(&self, customer: &str, now: Moment) -> Result<Erasure, LedgerError> {
        self.kept.erase(customer, now)
    }

    fn is_suppressed(&self, customer: &str) -> bool {
        self.kept.is_suppressed(customer)
    }

    fn size(&self) -> u64 {
        self.kept.size()
    }

    fn records(&self, customer: &str) -> Result<Vec<(u64, ConsentRecord)>, LedgerError> {
        self.kept.records(customer)
    }

    fn checkpoint(&self) -> Result<String, LedgerError> {
        self.kept.checkpoint()
    }

    fn receipt(&self, position: u64) -> Result<String, LedgerError> {
        self.kept.receipt(position)
    }

    fn consistency(&self, earlier: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        self.kept.consistency(earlier, size)
    }

    fn verifier_key(&self) -> Result<String, LedgerError> {
        self.kept.verifier_key()
    }
}

#[tokio::test]
async fn decisions_go_on_while_a_consent_waits_for_the_disk() {
    let (asked, mut is_asked) = mpsc::unbounded_channel();
    let (give_leave, leave) = std::sync::mpsc::channel();
    let ledger = SlowLedger { kept: MemoryLedger::default(), asked, leave: Mutex::new(leave) };
    let server = TestServer::over(Arc::new(ledger), "tests/fixtures/design").await;
    let change = ConsentChange {
        purpose: "personalisation".into(),
        status: ConsentStatus::Given.into(),
        ..ConsentChange::default()
    };
    let request = RecordConsentRequest { customer_id: "anna".into(), changes: vec![change], ..Default::default() };
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let consent = tokio::spawn(async move { consents.record_consent(request).await });
    timeout(PATIENCE, is_asked.recv()).await.expect("the ledger is never asked").unwrap();

    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    for customer in ["bert", "anna"] {
        let question = DecideRequest { customer_id: customer.into(), channel: "web".into(), ..Default::default() };
        timeout(PATIENCE, decisions.decide(question)).await.expect("a decision waits for the disk").unwrap();
    }
    assert!(!consent.is_finished());
    give_leave.send(()).unwrap();
    assert!(consent.await.unwrap().unwrap().get_ref().results[0].accepted);
    drop(decisions);
    server.stop().await;
}

/// Decisions that tell which thread made them; one on the channel `panic` panics, one on `wait` waits to be let on.
struct Probe {
    let_on: Arc<Notify>,
}

#[tonic::async_trait]
impl DecisionService for Probe {
    async fn decide(&self, request: Request<DecideRequest>) -> Result<Response<DecideResponse>, Status> {
        match request.get_ref().channel.as_str() {
            "panic" => panic!("planted by a test"),
            "wait" => self.let_on.notified().await,
            _ => {}
        }
        let decision_id = std::thread::current().name().unwrap_or_default().to_owned();
        Ok(Response::new(DecideResponse { decision_id, ..DecideResponse::default() }))
    }

    async fn record_outcomes(
        &self,
        _: Request<RecordOutcomesRequest>,
    ) -> Result<Response<RecordOutcomesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_decision(&self, _: Request<GetDecisionRequest>) -> Result<Response<GetDecisionResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    type WatchDecisionsStream = tokio_stream::Empty<Result<WatchDecisionsResponse, Status>>;

    async fn watch_decisions(
        &self,
        _: Request<WatchDecisionsRequest>,
    ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
        Err(Status::unimplemented(""))
    }
}

/// Serves probes.
struct Probes {
    address: SocketAddr,
    let_on: Arc<Notify>,
    stop: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Probes {
    async fn start(threads: usize, bounds: Transport) -> Self {
        let transport = Transport { threads: NonZeroUsize::new(threads).unwrap(), ..bounds };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, let_on) = (listener.local_addr().unwrap(), Arc::new(Notify::new()));
        let (stop, stopping) = watch::channel(false);
        let calls = Calls::new(Probe { let_on: Arc::clone(&let_on) }, Routes::default());
        Self { address, let_on, stop, serving: tokio::spawn(transport.run(listener, calls, stopping)) }
    }

    async fn connect(&self) -> DecisionServiceClient<Channel> {
        let channel = Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap();
        DecisionServiceClient::new(channel)
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.serving).await.expect("it does not end").unwrap().unwrap();
    }
}

async fn ask(client: &mut DecisionServiceClient<Channel>, channel: &str) -> Result<String, Status> {
    let answer = timeout(PATIENCE, client.decide(DecideRequest { channel: channel.into(), ..Default::default() }));
    Ok(answer.await.expect("no answer")?.into_inner().decision_id)
}

#[tokio::test]
async fn connections_are_spread_over_the_threads_and_places_that_get_free_are_filled() {
    let server = Probes::start(2, Transport::default()).await;
    let mut clients = Vec::new();
    let mut threads = Vec::new();
    for _ in 0..8 {
        let mut client = server.connect().await;
        threads.push(ask(&mut client, "").await.unwrap());
        clients.push(Some(client));
    }
    let on = |threads: &[String], name: &str| threads.iter().filter(|thread| *thread == name).count();
    assert_eq!((on(&threads, "calls-1"), on(&threads, "calls-2")), (4, 4), "{threads:?}");

    // All connections of one thread go away: as soon as it has seen that, the next ones are its own.
    for (client, thread) in clients.iter_mut().zip(&threads) {
        client.take_if(|_| thread == "calls-2");
    }
    let refilled = async {
        let mut others = Vec::new();
        loop {
            let mut client = server.connect().await;
            if ask(&mut client, "").await.unwrap() == "calls-2" {
                break;
            }
            others.push(client);
        }
    };
    timeout(PATIENCE, refilled).await.expect("the places are not filled again");
    drop(clients);
    server.stop().await;
}

#[tokio::test]
async fn a_panic_costs_one_call_and_not_its_connection() {
    let server = Probes::start(1, Transport::default()).await;
    let mut client = server.connect().await;
    let mut waiting = client.clone();
    let waiting = tokio::spawn(async move { ask(&mut waiting, "wait").await });
    let failed = ask(&mut client, "panic").await.unwrap_err();
    assert_eq!((failed.code(), failed.message()), (Code::Internal, "the call failed unexpectedly"));
    assert_eq!(ask(&mut client, "").await.unwrap(), "calls-1");
    server.let_on.notify_one();
    assert_eq!(waiting.await.unwrap().unwrap(), "calls-1");
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_call_under_way_is_answered_after_the_server_was_told_to_stop() {
    let server = Probes::start(2, Transport::default()).await;
    let mut client = server.connect().await;
    let mut waiting = client.clone();
    let waiting = tokio::spawn(async move { ask(&mut waiting, "wait").await });
    // The answer to a later call of the same connection says that the earlier one has arrived.
    ask(&mut client, "").await.unwrap();
    server.stop.send_replace(true);
    server.let_on.notify_one();
    assert!(waiting.await.unwrap().is_ok());
    server.stop().await;
}

/// Reads to the end, which the server makes; what it did not read makes it a reset.
fn is_closed(mut connection: TcpStream) -> bool {
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.read_to_end(&mut Vec::new()).map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true)
}

#[tokio::test]
async fn whoever_does_not_speak_http2_in_time_is_hung_up_on() {
    let server = Probes::start(1, Transport { handshake: Duration::from_millis(50), ..Transport::default() }).await;
    for greeting in ["", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let mut connection = TcpStream::connect(server.address).unwrap();
        connection.write_all(greeting.as_bytes()).unwrap();
        assert!(tokio::task::spawn_blocking(|| is_closed(connection)).await.unwrap(), "{greeting:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_silent_connection_does_not_keep_the_server_from_stopping() {
    let server = Probes::start(1, Transport { handshake: PATIENCE, ..Transport::default() }).await;
    let silent = TcpStream::connect(server.address).unwrap();
    // Connections are taken in turn: when a later one is answered, the silent one has been taken.
    ask(&mut server.connect().await, "").await.unwrap();
    server.stop().await;
    assert!(tokio::task::spawn_blocking(|| is_closed(silent)).await.unwrap());
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed_until_there_is_room() {
    let server = Probes::start(2, Transport { connections: 2, ..Transport::default() }).await;
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    ask(&mut first, "").await.unwrap();
    ask(&mut second, "").await.unwrap();
    let third = TcpStream::connect(server.address).unwrap();
    assert!(tokio::task::spawn_blocking(|| is_closed(third)).await.unwrap());
    ask(&mut first, "").await.unwrap();
    drop(second);
    let taken = async {
        loop {
            let channel = Channel::from_shared(format!("http://{}", server.address)).unwrap().connect().await;
            let Ok(channel) = channel else { continue };
            let mut client = DecisionServiceClient::new(channel);
            if ask(&mut client, "").await.is_ok() {
                break;
            }
        }
    };
    timeout(PATIENCE, taken).await.expect("the free place is not filled");
    drop(first);
    server.stop().await;
}
