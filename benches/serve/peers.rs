//! Servers to compare Tactful with: each decodes the same question and always gives the same answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use prost::Message as _;
use tactful::clock::Clock;
use tactful::grpc::methods::Methods;
use tactful::grpc::proto::decision_service_server::DecisionService;
use tactful::grpc::proto::{
    DecideRequest, DecideResponse, GetDecisionRequest, GetDecisionResponse, GetReportRequest, GetReportResponse,
    ListDecisionsRequest, ListDecisionsResponse, RecordOutcomesRequest, RecordOutcomesResponse, WatchDecisionsRequest,
    WatchDecisionsResponse,
};
use tactful::serve::calls::CallRouter;
use tactful::serve::gate::Gate;
use tactful::serve::transport::{Listening, Transport};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// An empty handler.
#[derive(Clone)]
pub struct Canned(DecideResponse);

impl Canned {
    /// The answer in a file, encoded.
    pub fn read(path: &Path) -> Self {
        Self(DecideResponse::decode(std::fs::read(path).unwrap().as_slice()).unwrap())
    }
}

#[tonic::async_trait]
impl DecisionService for Canned {
    async fn decide(&self, _: Request<DecideRequest>) -> Result<Response<DecideResponse>, Status> {
        Ok(Response::new(self.0.clone()))
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

/// The same handler as tonic's code generator would serve it by default, with its own codec.
#[derive(Clone)]
struct Hello(Canned);

impl NamedService for Hello {
    const NAME: &'static str = "tactful.v1.DecisionService";
}

impl Service<http::Request<Body>> for Hello {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = self.clone();
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(method, request).await) })
    }
}

impl UnaryService<DecideRequest> for Hello {
    type Response = DecideResponse;
    type Future = BoxFuture<Response<DecideResponse>, Status>;

    fn call(&mut self, request: Request<DecideRequest>) -> Self::Future {
        let Self(canned) = self.clone();
        Box::pin(async move { canned.decide(request).await })
    }
}

/// As in every introduction to tonic: its own server on the multi-threaded runtime.
pub fn plain(answer: Canned) {
    Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let listener = listen(false);
        let server = Server::builder().add_service(Hello(answer));
        server.serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true))).await.unwrap();
    });
}

/// In the process layout of Tactful.
#[allow(dead_code, reason = "the example beside has only the plain one")]
pub fn empty(answer: Canned) {
    runtime().block_on(async { run(listen(false), answer, Transport::default()).await });
}

/// In the same layout, but the kernel distributes connections, by a hash of their addresses.
#[allow(dead_code, reason = "the example beside has only the plain one")]
pub fn reuseport(answer: Canned) {
    let (first, alone) = (runtime(), Transport { threads: NonZeroUsize::MIN, ..Transport::default() });
    let listener = first.block_on(async { listen(true) });
    let address = listener.local_addr().unwrap();
    for _ in 1..thread::available_parallelism().unwrap().get() {
        let answer = answer.clone();
        thread::spawn(move || runtime().block_on(async { run(bind(address, true), answer, alone).await }));
    }
    first.block_on(run(listener, answer, alone));
}

async fn run(listener: TcpListener, answer: Canned, transport: Transport) {
    let (_never, stopping) = watch::channel(false);
    let gate = Gate::new(Arc::new(Methods::new().unwrap()), None, Clock::system());
    let calls = CallRouter::new(gate, answer, Routes::default());
    transport.run(vec![Listening::plain(listener)], calls, stopping).await.unwrap();
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Listens on a free port, and says on which.
fn listen(shared: bool) -> TcpListener {
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0)), shared);
    println!("listening  {}", listener.local_addr().unwrap());
    listener
}

fn bind(address: SocketAddr, shared: bool) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(shared).unwrap();
    socket.bind(address).unwrap();
    socket.listen(1_024).unwrap()
}
