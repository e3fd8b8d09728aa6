//! One connection: sends calls, receives answers, and counts the results in the tally.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Status;

use super::calls::Calls;
use super::error::LoadError;
use super::report::Tally;

/// Flow control must not slow the answers down.
const WINDOW: u32 = 16 * 1024 * 1024;

/// Sends calls over one connection.
#[derive(Clone)]
pub struct Caller {
    connection: SendRequest<Bytes>,
    /// A request without its message, for each method.
    requests: Arc<[Request<()>]>,
    calls: Arc<dyn Calls>,
    tally: Arc<Tally>,
    timeout: Duration,
}

impl Caller {
    /// Connects to a server, which may take `limit` for the handshake and for each call.
    pub async fn connect(
        address: SocketAddr,
        limit: Duration,
        calls: Arc<dyn Calls>,
        tally: Arc<Tally>,
    ) -> Result<Self, LoadError> {
        let stream = TcpStream::connect(address).await.map_err(|error| LoadError::Connect(address, error))?;
        stream.set_nodelay(true)?;
        let mut http = h2::client::Builder::new();
        http.enable_push(false).initial_window_size(WINDOW).initial_connection_window_size(WINDOW);
        // Before the server's settings arrive, it may get no more streams than every server takes: it would refuse the rest.
        http.initial_max_send_streams(100);
        let handshake = timeout(limit, http.handshake(stream)).await;
        let handshake = handshake.unwrap_or_else(|_| Err(h2::Reason::SETTINGS_TIMEOUT.into()));
        let (connection, io) = handshake.map_err(|error| LoadError::Handshake(address, error))?;
        // Its calls will report how it ended.
        tokio::spawn(async move { drop(io.await) });
        let request = |method: String| {
            Request::post(format!("http://{address}{method}"))
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(())
                .map_err(|error| LoadError::Method(method, error))
        };
        let requests = calls.methods().into_iter().map(request).collect::<Result<_, _>>()?;
        Ok(Self { connection, requests, calls, tally, timeout: limit })
    }

    /// Makes a call; its latency is measured from its due time. Returns false if the connection can no longer be used.
    pub async fn call(&mut self, number: u64, due: Instant) -> bool {
        let limit = self.timeout;
        let (answer, usable) = match timeout(limit, self.exchange(number)).await {
            Ok(Ok(status)) => (status, true),
            Ok(Err(error)) => (Err(Status::unavailable(error.to_string())), false),
            Err(_) => (Err(Status::deadline_exceeded(format!("no answer after {limit:?}"))), true),
        };
        self.tally.count(number, due.elapsed(), answer);
        usable
    }

    async fn exchange(&mut self, number: u64) -> Result<Result<(), Status>, h2::Error> {
        let (method, message) = match self.calls.call(number) {
            Ok(call) => call,
            Err(status) => return Ok(Err(status)),
        };
        let Some(request) = self.requests.get(method) else { return Ok(Err(Status::internal("no such method"))) };
        let mut connection = self.connection.clone().ready().await?;
        let (answer, mut sending) = connection.send_request(request.clone(), false)?;
        sending.send_data(message, true)?;
        let (head, mut body) = answer.await?.into_parts();
        let mut answer = Bytes::new();
        while let Some(part) = body.data().await.transpose()? {
            body.flow_control().release_capacity(part.len())?;
            answer = if answer.is_empty() { part } else { joined(&answer, &part) };
        }
        self.calls.answered(number, &answer);
        let trailers = body.trailers().await?;
        Ok(status(trailers.as_ref().unwrap_or(&head.headers)))
    }
}

fn joined(first: &[u8], second: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(first.len() + second.len());
    bytes.extend_from_slice(first);
    bytes.extend_from_slice(second);
    bytes.freeze()
}

fn status(headers: &HeaderMap) -> Result<(), Status> {
    match headers.get("grpc-status") {
        Some(code) if code == "0" => Ok(()),
        _ => Err(Status::from_header_map(headers).unwrap_or_else(|| Status::unknown("the answer has no grpc-status"))),
    }
}
