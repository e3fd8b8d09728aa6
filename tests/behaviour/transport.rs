//! How connections and calls are served: distributed over threads, within limits, and without blocking each other.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tactful::clock::Clock;
use tactful::grpc::methods::Methods;
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::decision_service_server::DecisionService;
use tactful::grpc::proto::{
    ConsentChange, ConsentStatus, DecideRequest, DecideResponse, Fallback, GetDecisionRequest, GetDecisionResponse,
    GetReportRequest, GetReportResponse, ListDecisionsRequest, ListDecisionsResponse, RecordConsentRequest,
    RecordOutcomesRequest, RecordOutcomesResponse, SilenceReason, WatchDecisionsRequest, WatchDecisionsResponse,
    WithdrawConsentRequest,
};
use tactful::ledger::Ledger;
use tactful::serve::calls::{CallLimits, CallRouter};
use tactful::serve::gate::Gate;
use tactful::serve::transport::{Listening, Transport};
use tactful_bench::load::{Load, Pace, framed};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

use super::support::{StubbornLedger, TestServer};

/// How long a test waits for what must come, before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the lock is the disk, which is slow")]
async fn decisions_go_on_while_a_consent_waits_for_the_disk() {
    let ledger = Arc::new(StubbornLedger::default());
    let server = TestServer::over(Arc::clone(&ledger) as Arc<dyn Ledger>, "tests/fixtures/design").await;
    let disk = ledger.gate.lock().unwrap();
    let change = ConsentChange {
        purpose: "personalisation".into(),
        status: ConsentStatus::Given.into(),
        ..ConsentChange::default()
    };
    let request = RecordConsentRequest { customer_id: "anna".into(), changes: vec![change], ..Default::default() };
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let consent = tokio::spawn(async move { consents.record_consent(request).await });
    let asked = Arc::clone(&ledger);
    tokio::task::spawn_blocking(move || asked.wait_for(1)).await.unwrap();

    let mut decisions = DecisionServiceClient::new(server.channel.clone());
    for customer in ["bert", "anna"] {
        let question = DecideRequest { customer_id: customer.into(), channel: "web".into(), ..Default::default() };
        timeout(PATIENCE, decisions.decide(question)).await.expect("a decision waits for the disk").unwrap();
    }
    assert!(!consent.is_finished());
    drop(disk);
    assert!(consent.await.unwrap().unwrap().get_ref().results[0].accepted);
    drop(decisions);
    server.stop().await;
}

/// Decisions that tell which thread made them; one on the channel `panic` panics, one on `wait` waits to be let on.
struct Probe {
    let_on: Arc<Semaphore>,
    waiting: mpsc::UnboundedSender<()>,
}

#[tonic::async_trait]
impl DecisionService for Probe {
    async fn decide(&self, request: Request<DecideRequest>) -> Result<Response<DecideResponse>, Status> {
        match request.get_ref().channel.as_str() {
            "panic" => panic!("planted by a test"),
            "wait" => {
                self.waiting.send(()).unwrap();
                self.let_on.acquire().await.unwrap().forget();
            }
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

    async fn list_decisions(
        &self,
        _: Request<ListDecisionsRequest>,
    ) -> Result<Response<ListDecisionsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    type GetReportStream = tokio_stream::Empty<Result<GetReportResponse, Status>>;

    async fn get_report(&self, _: Request<GetReportRequest>) -> Result<Response<Self::GetReportStream>, Status> {
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
    let_on: Arc<Semaphore>,
    /// Says so whenever a call waits.
    waiting: mpsc::UnboundedReceiver<()>,
    stop: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<std::io::Result<usize>>,
}

impl Probes {
    async fn start(threads: usize, bounds: Transport) -> Self {
        Self::within(threads, bounds, CallLimits::default()).await
    }

    async fn within(threads: usize, bounds: Transport, limits: CallLimits) -> Self {
        let transport = Transport { threads: NonZeroUsize::new(threads).unwrap(), ..bounds };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, let_on) = (listener.local_addr().unwrap(), Arc::new(Semaphore::new(0)));
        let (tell_waiting, waiting) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let gate = Gate::new(Arc::new(Methods::new().unwrap()), None, Clock::system());
        let probe = Probe { let_on: Arc::clone(&let_on), waiting: tell_waiting };
        let calls = CallRouter::new(gate, probe, Routes::default()).with_limits(limits);
        Self {
            address,
            let_on,
            waiting,
            stop,
            serving: tokio::spawn(transport.run(vec![Listening::plain(listener)], calls, stopping)),
        }
    }

    async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    async fn connect(&self) -> DecisionServiceClient<Channel> {
        DecisionServiceClient::new(self.channel().await)
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        let cut = timeout(PATIENCE, self.serving).await.expect("it does not end").unwrap().unwrap();
        assert_eq!(cut, 0, "calls were cut off");
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
    server.let_on.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap(), "calls-1");
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_call_in_progress_is_answered_after_shutdown_was_requested() {
    let server = Probes::start(2, Transport::default()).await;
    let mut client = server.connect().await;
    let mut waiting = client.clone();
    let waiting = tokio::spawn(async move { ask(&mut waiting, "wait").await });
    // The answer to a later call of the same connection says that the earlier one has arrived.
    ask(&mut client, "").await.unwrap();
    server.stop.send_replace(true);
    server.let_on.add_permits(1);
    assert!(waiting.await.unwrap().is_ok());
    server.stop().await;
}

/// Reads to the end, which the server makes; what it did not read makes it a reset.
fn is_closed(mut connection: TcpStream) -> bool {
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.read_to_end(&mut Vec::new()).map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true)
}

#[tokio::test]
async fn a_connection_that_does_not_speak_http_in_time_is_closed() {
    let server = Probes::start(1, Transport { handshake: Duration::from_millis(50), ..Transport::default() }).await;
    for greeting in ["", "PRI * HTTP/2.0\r\n", "P", "\0\0\0\r\n\r\n"] {
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

#[tokio::test]
async fn beyond_the_limit_calls_are_refused_at_once_or_silent_where_the_question_asks_for_that() {
    let limits = CallLimits { open: 1, ..CallLimits::default() };
    let mut server = Probes::within(1, Transport::default(), limits).await;
    let mut client = server.connect().await;
    let mut waiting = client.clone();
    let waiting = tokio::spawn(async move { ask(&mut waiting, "wait").await });
    server.waiting.recv().await.unwrap();
    let refused = ask(&mut client, "").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    let details = refused.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
    assert!(details.retry_info().unwrap().retry_delay.is_some());
    let question = DecideRequest { fallback: Fallback::Silence.into(), ..DecideRequest::default() };
    let silent = client.decide(question.clone()).await.unwrap().into_inner();
    let silence = silent.silence.unwrap();
    assert_eq!((silence.reason(), silent.decision_id.as_str()), (SilenceReason::Overloaded, ""));
    assert!(silence.retry_after.is_some());
    // A withdrawal is not refused: nothing here answers it, but it has got through.
    let mut consents = ConsentServiceClient::new(server.channel().await);
    let withdrawn = consents.withdraw_consent(WithdrawConsentRequest::default()).await.unwrap_err();
    assert_eq!(withdrawn.code(), Code::Unimplemented, "{withdrawn}");
    let granted = consents.record_consent(RecordConsentRequest::default()).await.unwrap_err();
    assert_eq!(granted.code(), Code::ResourceExhausted, "{granted}");
    server.let_on.add_permits(1);
    waiting.await.unwrap().unwrap();
    assert!(ask(&mut client, "").await.is_ok());
    drop((client, consents));
    server.stop().await;
}

/// Calls that all wait.
struct Waiting;

impl tactful_bench::load::Calls for Waiting {
    fn methods(&self) -> Vec<String> {
        vec!["/tactful.v1.DecisionService/Decide".into()]
    }

    fn call(&self, _: u64) -> Result<(usize, bytes::Bytes), Status> {
        Ok((0, framed(&DecideRequest { channel: "wait".into(), ..DecideRequest::default() })))
    }
}

#[tokio::test]
async fn a_load_on_schedule_counts_the_time_that_calls_could_not_even_be_sent() {
    let mut server = Probes::start(1, Transport::default()).await;
    // More than a connection may have under way, so that the last cannot be sent until others are answered.
    let calls = 300;
    let load = Load {
        name: "stalled".into(),
        address: server.address,
        connections: 1,
        pace: Pace::Scheduled { rate: 100_000.0, calls },
        timeout: PATIENCE,
        skipped: 0,
        calls: Arc::new(Waiting),
    };
    let report = tokio::task::spawn_blocking(|| load.run());
    server.waiting.recv().await.unwrap();
    let first = tokio::time::Instant::now();
    // This is the stall that is measured.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stalled = first.elapsed();
    server.let_on.add_permits(calls as usize);
    let report = timeout(PATIENCE, report).await.expect("it does not end").unwrap().unwrap();
    assert_eq!((report.calls(), report.failed()), (calls, 0));
    let shortest = report.percentile(0.0) + Duration::from_millis(5);
    assert!(shortest > stalled, "the shortest call took {shortest:?} of a stall of {stalled:?}");
    server.stop().await;
}
