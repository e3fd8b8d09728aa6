//! Connections from the listener to the threads that answer calls: each has a single-threaded runtime, so that a call
//! stays on one core from start to end. A connection goes to the thread with the fewest open connections.

use std::convert::Infallible;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection::{self, Service};
use super::stopping::told_to_stop;

/// How long calls in progress may take after shutdown was requested.
const DRAIN: Duration = Duration::from_secs(8);
/// How long no connection is accepted after the operating system could not open one.
const RESPITE: Duration = Duration::from_millis(100);

/// How connections are served.
#[derive(Debug, Clone, Copy)]
pub struct Transport {
    /// How many threads answer calls.
    pub threads: NonZeroUsize,
    /// How many connections may be open; more are closed at once.
    pub connections: usize,
    /// How long a connection may take until it speaks HTTP/2.
    pub handshake: Duration,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            connections: 8_192,
            handshake: Duration::from_secs(5),
        }
    }
}

impl Transport {
    /// Serves calls until shutdown, then lets those in progress finish, within limits.
    ///
    /// # Errors
    /// When threads cannot be started, or one of them has ended.
    pub async fn run<S: Service>(self, listener: TcpListener, service: S, stopping: Receiver<bool>) -> io::Result<()> {
        let (working, mut ended) = mpsc::channel::<Infallible>(1);
        let worker = |number| {
            let connect = {
                let (service, stopping) = (service.clone(), stopping.clone());
                move |stream| connection::serve(stream, service.clone(), self.handshake, stopping.clone())
            };
            Worker::start(number, connect, working.clone())
        };
        let workers = (1..=self.threads.get()).map(worker).collect::<io::Result<Vec<Worker>>>()?;
        drop(working);
        let dealt = tokio::select! {
            dealt = self.deal(&listener, &workers) => dealt,
            () = told_to_stop(stopping) => Ok(()),
        };
        drop(listener);
        let threads: Vec<JoinHandle<()>> = workers.into_iter().map(|worker| worker.thread).collect();
        // Nothing is ever sent: the channel closes when the last thread drops its end.
        let None = ended.recv().await;
        let failed = threads.into_iter().any(|thread| thread.join().is_err());
        dealt.and(if failed { Err(ended_early()) } else { Ok(()) })
    }

    /// Distributes connections until one of the threads has ended.
    async fn deal(self, listener: &TcpListener, workers: &[Worker]) -> io::Result<()> {
        let mut full = false;
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Most often too many files are open: retrying at once would only keep a core busy.
                    tracing::warn!(%error, "a connection could not be taken");
                    sleep(RESPITE).await;
                    continue;
                }
            };
            let open: usize = workers.iter().map(Worker::open).sum();
            if open >= self.connections {
                if !full {
                    tracing::warn!(open, "too many connections: more are closed at once");
                }
                full = true;
                continue;
            }
            full = false;
            let Some(least) = workers.iter().min_by_key(|worker| worker.open()) else { return Err(ended_early()) };
            // A connection that is already closed can be ignored.
            let Ok(stream) = stream.set_nodelay(true).and_then(|()| stream.into_std()) else { continue };
            least.connections.send((stream, Arc::clone(&least.seats))).map_err(|_| ended_early())?;
        }
    }
}

fn ended_early() -> io::Error {
    io::Error::other("a thread that answers calls has ended unexpectedly")
}

/// A connection and its seat: while the seat is held, the connection counts as open.
type Seated = (std::net::TcpStream, Arc<()>);

/// A thread that answers the calls of its connections.
#[derive(Debug)]
struct Worker {
    connections: UnboundedSender<Seated>,
    /// One reference is held here, and one by each open connection.
    seats: Arc<()>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a thread that holds `working`. It ends when no more connections are distributed and its last one is done.
    fn start<F: Future<Output = ()> + Send + 'static>(
        number: usize,
        connect: impl Fn(TcpStream) -> F + Send + 'static,
        working: mpsc::Sender<Infallible>,
    ) -> io::Result<Self> {
        let (connections, dealt) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || {
            runtime.block_on(work(dealt, connect));
            // A disk that never answers must not prevent the process from ending.
            runtime.shutdown_background();
            drop(working);
        };
        let thread = std::thread::Builder::new().name(format!("calls-{number}")).spawn(work)?;
        Ok(Self { connections, seats: Arc::default(), thread })
    }

    /// How many connections are open.
    fn open(&self) -> usize {
        Arc::strong_count(&self.seats) - 1
    }
}

async fn work<F: Future<Output = ()> + Send + 'static>(
    mut dealt: UnboundedReceiver<Seated>,
    connect: impl Fn(TcpStream) -> F,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            next = dealt.recv() => {
                let Some((stream, seat)) = next else { break };
                let Ok(stream) = TcpStream::from_std(stream) else { continue };
                let connection = connect(stream);
                open.spawn(async move {
                    connection.await;
                    drop(seat);
                });
            }
            Some(_) = open.join_next() => {}
        }
    }
    let last = async { while open.join_next().await.is_some() {} };
    // Calls that take longer are dropped when the process ends.
    drop(timeout(DRAIN, last).await);
}
