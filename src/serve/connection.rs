//! One connection, of HTTP/2 or of HTTP/1.1, as its first bytes say: a greeting with a timeout, limits while it is served, an age limit, and a graceful shutdown.

use std::convert::Infallible;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::sync::watch::Receiver;
use tokio::time::{Sleep, sleep, sleep_until, timeout};
use tonic::body::Body;

use super::admission::Throttle;
use super::stopping::told_to_stop;
use super::stream::Stream;

/// How many calls one connection may have in progress; more wait at the client.
const STREAMS: u32 = 128;
/// The flow-control window in bytes, for one call and for a whole connection: a call of a few hundred bytes never
/// waits, and no connection makes the server buffer more.
const WINDOW: u32 = 1024 * 1024;
/// How many bytes of metadata are read of one call; `calls` refuses calls with fewer than that, and tells them so.
const METADATA: u32 = 64 * 1024;
/// How long a connection of HTTP/1.1 may take for the head of its next call, and how long it may be idle.
const NEXT_HEAD: Duration = Duration::from_secs(30);
/// How many headers a call over HTTP/1.1 may have.
const HEADERS: usize = 64;
/// How many bytes of one answer wait for a client that does not read it.
const UNREAD: usize = 64 * 1024;
/// How many calls a client may cancel before they were begun, until the connection is closed: as many as it may have in
/// progress, so that a proxy may pass on the cancels of all its clients at once.
const RESETS: usize = STREAMS as usize;
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
    /// How long it may take until it speaks HTTP.
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
pub async fn serve<S: Service>(stream: Stream, service: S, throttle: Throttle, lifetime: Lifetime) {
    let Lifetime { greeting, age, grace, stopping, trust } = lifetime;
    let stopped = told_to_stop(stopping);
    tokio::pin!(stopped);
    let outlived = outlived(age, trust);
    tokio::pin!(outlived);
    let greeted = tokio::select! {
        greeted = timeout(greeting, Greeted::by(stream, throttle)) => greeted,
        () = &mut stopped => return,
    };
    // A connection that does not speak in time is dropped.
    let Ok(Ok(greeted)) = greeted else { return };
    let until = async {
        tokio::select! {
            () = &mut stopped => {}
            () = &mut outlived => {}
        }
    };
    if greeted.speaks_http2() {
        drive(http2(greeted, service), until, grace).await;
    } else {
        drive(http1(greeted, service), until, grace).await;
    }
}

/// Serves a connection; from `until` on it takes no more calls, and those in progress have a `grace` to end.
async fn drive<C: Graceful>(connection: C, until: impl Future<Output = ()>, grace: Duration) {
    tokio::pin!(connection);
    tokio::pin!(until);
    tokio::select! {
        biased;
        // An error when the client disconnects is not reported.
        _ = &mut connection => return,
        () = &mut until => connection.as_mut().take_no_more(),
    }
    // At shutdown, the thread's own limit comes first.
    drop(timeout(grace, connection).await);
}

/// A connection that can be asked to take no more calls.
trait Graceful: Future {
    fn take_no_more(self: Pin<&mut Self>);
}

impl<S: Service> Graceful for http2::Connection<TokioIo<Greeted>, S, TokioExecutor> {
    fn take_no_more(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S: Service> Graceful for http1::Connection<TokioIo<Greeted>, S> {
    fn take_no_more(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

fn http1<S: Service>(stream: Greeted, service: S) -> http1::Connection<TokioIo<Greeted>, S> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(NEXT_HEAD).max_headers(HEADERS);
    http.max_buf_size(METADATA as usize).auto_date_header(false);
    http.serve_connection(TokioIo::new(stream), service)
}

fn http2<S: Service>(stream: Greeted, service: S) -> http2::Connection<TokioIo<Greeted>, S, TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(METADATA)
        .max_send_buf_size(UNREAD)
        .max_pending_accept_reset_streams(RESETS)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .auto_date_header(false);
    http.serve_connection(TokioIo::new(stream), service)
}

/// A stream whose first bytes were read, and can be read again.
#[derive(Debug)]
struct Greeted {
    first: [u8; PREFACE.len()],
    /// The first bytes that were not read again yet.
    again: Range<usize>,
    stream: Stream,
    throttle: Throttle,
    /// Ends when it is read again.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Greeted {
    /// Reads until the preface of HTTP/2 is complete, or cannot be one.
    async fn by(mut stream: Stream, throttle: Throttle) -> io::Result<Self> {
        let (mut first, mut read) = ([0; PREFACE.len()], 0);
        while let Some(rest) = first.get_mut(read..).filter(|rest| !rest.is_empty()) {
            let more = stream.read(rest).await?;
            if more == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            read += more;
            if first.get(..read) != PREFACE.get(..read) {
                break;
            }
        }
        Ok(Self { first, again: 0..read, stream, throttle, pause: None })
    }

    fn speaks_http2(&self) -> bool {
        self.first == *PREFACE
    }

    /// Waits as long as the connection should not be read.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(until) = self.throttle.unread_until() {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        self.pause = None;
        Poll::Ready(())
    }
}

impl AsyncRead for Greeted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.again.is_empty() {
            if self.poll_pause(cx).is_pending() {
                return Poll::Pending;
            }
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let Range { start, end } = self.again;
        let now = end.min(start.saturating_add(buffer.remaining()));
        buffer.put_slice(self.first.get(start..now).unwrap_or_default());
        self.again = now..end;
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
