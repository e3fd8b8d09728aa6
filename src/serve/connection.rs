//! One HTTP/2 connection: a greeting with a timeout, limits while it is served, an age limit, and a graceful shutdown.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::sync::watch::Receiver;
use tokio::time::{sleep, timeout};
use tonic::body::Body;

use super::stopping::told_to_stop;
use super::stream::Stream;

/// How many calls one connection may have in progress; more wait at the client.
const STREAMS: u32 = 256;
/// The flow-control window in bytes, for one call and for a whole connection: a call of a few hundred bytes never
/// waits, and no connection makes the server buffer more.
const WINDOW: u32 = 1024 * 1024;
/// How many bytes the metadata of one call may take.
const METADATA: u32 = 16 * 1024;
/// After how long without traffic the server sends a ping.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long the client may take to answer the ping.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// What every HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The service that answers the calls of a connection.
pub trait Service:
    hyper::service::Service<
        Request<Incoming>,
        Response = Response<Body>,
        Error = Infallible,
        Future: Future<Output = Result<Response<Body>, Infallible>> + Send,
    > + Send
    + 'static
{
}

impl<S> Service for S where
    S: hyper::service::Service<
            Request<Incoming>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Future<Output = Result<Response<Body>, Infallible>> + Send,
        > + Send
        + 'static
{
}

/// How long a connection may live.
#[derive(Debug, Clone)]
pub struct Lifetime {
    /// How long it may take until it speaks HTTP/2.
    pub greeting: Duration,
    /// After what age it takes no more calls.
    pub age: Duration,
    /// How long calls in progress may take then.
    pub grace: Duration,
    /// Becomes true at shutdown.
    pub stopping: Receiver<bool>,
    /// Changes when the client's certificate may no longer be trusted: it takes no more calls then.
    pub trust: Option<Receiver<Vec<Vec<u8>>>>,
}

/// Completes when a connection should take no more calls, other than at shutdown.
async fn outlived(age: Duration, trust: Option<Receiver<Vec<Vec<u8>>>>) {
    let distrusted = async {
        let changed = match trust {
            Some(mut trust) => trust.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = sleep(age) => {}
        () = distrusted => {}
    }
}

/// Serves a connection until the client closes it, or until shutdown: then the calls in progress are the last.
pub async fn serve<S: Service>(stream: Stream, service: S, lifetime: Lifetime) {
    let Lifetime { greeting, age, grace, stopping, trust } = lifetime;
    let stopped = told_to_stop(stopping);
    tokio::pin!(stopped);
    let outlived = outlived(age, trust);
    tokio::pin!(outlived);
    let greeted = tokio::select! {
        greeted = timeout(greeting, Greeted::by(stream)) => greeted,
        () = &mut stopped => return,
    };
    // A connection that does not speak HTTP/2, or not in time, is dropped.
    let Ok(Ok(stream)) = greeted else { return };
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(METADATA)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .auto_date_header(false);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        biased;
        // An error when the client disconnects is not reported.
        _ = &mut connection => return,
        () = &mut stopped => {}
        () = &mut outlived => {}
    }
    connection.as_mut().graceful_shutdown();
    // At shutdown, the thread's own limit comes first.
    drop(timeout(grace, connection).await);
}

/// A stream whose preface was read, and can be read again.
#[derive(Debug)]
struct Greeted {
    /// The part of the preface that was not read again yet.
    again: &'static [u8],
    stream: Stream,
}

impl Greeted {
    async fn by(mut stream: Stream) -> io::Result<Self> {
        let mut preface = [0; PREFACE.len()];
        stream.read_exact(&mut preface).await?;
        if preface != *PREFACE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self { again: PREFACE, stream })
    }
}

impl AsyncRead for Greeted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.again.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let (now, later) = self.again.split_at(self.again.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.again = later;
        Poll::Ready(Ok(()))
    }
}

/// Deliberately without vectored writes: with them, every answer longer than 256 bytes would be a separate write;
/// without them, all answers that are ready go out in one write, as long as none is longer than a kilobyte.
impl AsyncWrite for Greeted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
