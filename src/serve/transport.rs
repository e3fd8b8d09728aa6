//! Connections from the listener to the threads that answer calls: each has a single-threaded runtime, so that a call
//! stays on one core from start to end. A connection goes to the thread with the fewest open connections.

use std::convert::Infallible;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch::Receiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::admission::Throttle;
use super::connection::{self, Lifetime, Service};
use super::stopping::told_to_stop;
use super::stream::{Accepted, Stream};
use super::tls::{self, Movable, Tls};

/// How long a connection without calls in progress may take then, to send what is left of its answers.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often a thread that ends looks whether calls are in progress.
const LOOK: Duration = Duration::from_millis(50);
/// How long no connection is accepted after the operating system could not open one.
const RESPITE: Duration = Duration::from_millis(100);

/// How connections are served.
#[derive(Debug, Clone, Copy)]
pub struct Transport {
    /// How many threads answer calls.
    pub threads: NonZeroUsize,
    /// How many connections may be open; more are closed at once.
    pub connections: usize,
    /// How long a connection may take for the handshake of TLS, and again until it speaks HTTP/2.
    pub handshake: Duration,
    /// How many handshakes of TLS may be in progress; more connections wait to be accepted.
    pub handshakes: usize,
    /// After what age a connection takes no more calls, give or take a tenth.
    pub age: Duration,
    /// How long calls in progress may take then.
    pub grace: Duration,
    /// How long calls in progress may take after shutdown was requested.
    pub drain: Duration,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            connections: 8_192,
            handshake: Duration::from_secs(5),
            handshakes: 256,
            age: Duration::from_secs(5 * 60),
            grace: Duration::from_secs(10 * 60),
            drain: Duration::from_secs(8),
        }
    }
}

/// A place where connections come in.
#[derive(Debug)]
pub struct Listening {
    /// The listener.
    pub listener: TcpListener,
    /// Its certificates; without, connections are not encrypted.
    pub tls: Option<Arc<Tls>>,
    /// Whether methods that only operators should call are answered here.
    pub privileged: bool,
}

impl Listening {
    /// A listener without TLS that answers every method.
    #[must_use]
    pub fn plain(listener: TcpListener) -> Self {
        Self { listener, tls: None, privileged: true }
    }
}

/// What is known of a connection before its first call.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The names in the client's certificate.
    pub names: Vec<String>,
    /// Whether it came in where methods for operators are answered.
    pub privileged: bool,
}

/// Makes the service of each connection.
pub trait Connect: Clone + Send + 'static {
    /// Answers the calls of one connection.
    type Calls: Service;

    /// The maker for one of several threads; it has limits of its own.
    #[must_use]
    fn for_thread(&self, threads: usize) -> Self;

    /// How many calls on its thread have no answer yet.
    fn open_calls(&self) -> usize;

    /// The service for a connection, and what says when the connection is read.
    fn connect(&self, peer: Peer) -> (Self::Calls, Throttle);
}

impl Transport {
    /// Serves calls until shutdown, then lets those in progress finish, within limits. Returns how many calls were cut
    /// off.
    ///
    /// # Errors
    /// When threads cannot be started, or one of them has ended.
    pub async fn run<C: Connect>(
        self,
        listening: Vec<Listening>,
        service: C,
        stopping: Receiver<bool>,
    ) -> io::Result<usize> {
        let cut = Arc::new(AtomicUsize::new(0));
        let (working, mut ended) = mpsc::channel::<Infallible>(1);
        let worker = |number| {
            let (service, stopping) = (service.for_thread(self.threads.get()), stopping.clone());
            let (calls, cut) = (service.clone(), Arc::clone(&cut));
            let ending = Ending { drain: self.drain, open_calls: move || calls.open_calls(), cut };
            let connect = move |stream, peer, trust| {
                let stopping = stopping.clone();
                let Self { handshake: greeting, grace, .. } = self;
                let lifetime = Lifetime { greeting, age: jittered(self.age), grace, stopping, trust };
                let (calls, throttle) = service.connect(peer);
                connection::serve(stream, calls, throttle, lifetime)
            };
            Worker::start(number, connect, (ending, working.clone()))
        };
        let workers = (1..=self.threads.get()).map(worker).collect::<io::Result<Vec<Worker>>>()?;
        drop(working);
        let (desks, threads): (Vec<Arc<Desk>>, Vec<JoinHandle<()>>) =
            workers.into_iter().map(|worker| (worker.desk, worker.thread)).unzip();
        let handshakes = Arc::new(Semaphore::new(self.handshakes));
        let dealt = tokio::select! {
            dealt = try_join_all(listening.iter().map(|place| self.deal(place, &desks, &handshakes))) => dealt.map(drop),
            () = told_to_stop(stopping) => Ok(()),
        };
        drop((listening, desks));
        // Nothing is ever sent: the channel closes when the last thread drops its end.
        let None = ended.recv().await;
        let failed = threads.into_iter().any(|thread| thread.join().is_err());
        dealt.and(if failed { Err(ended_early()) } else { Ok(cut.load(Ordering::Acquire)) })
    }

    /// Distributes connections until one of the threads has ended.
    async fn deal(self, place: &Listening, desks: &[Arc<Desk>], handshakes: &Arc<Semaphore>) -> io::Result<()> {
        let mut full = false;
        let mut greeting = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = place.listener.accept() => accepted,
                Some(_) = greeting.join_next() => continue,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Most often too many files are open: retrying at once would only keep a core busy.
                    tracing::warn!(%error, "a connection could not be taken");
                    sleep(RESPITE).await;
                    continue;
                }
            };
            let open: usize = desks.iter().map(|desk| desk.open()).sum();
            if open >= self.connections {
                if !full {
                    tracing::warn!(open, "too many connections: more are closed at once");
                }
                full = true;
                continue;
            }
            full = false;
            let Some(least) = desks.iter().min_by_key(|desk| desk.open()) else { return Err(ended_early()) };
            let arrival =
                Arrival { desk: Arc::clone(least), seat: Arc::clone(&least.seats), privileged: place.privileged };
            // A connection that is already closed can be ignored.
            if stream.set_nodelay(true).is_err() {
                continue;
            }
            match &place.tls {
                None => arrival.take_plain(stream)?,
                Some(tls) => {
                    let Ok(permit) = Arc::clone(handshakes).acquire_owned().await else { return Err(ended_early()) };
                    greeting.spawn(arrival.take_tls(stream, Arc::clone(tls), self.handshake, permit));
                }
            }
        }
    }
}

/// A tenth more or less, so that connections that began together do not end together.
fn jittered(age: Duration) -> Duration {
    let mut random = [0];
    // Without random numbers, all live equally long.
    let share = if getrandom::fill(&mut random).is_ok() { f64::from(random[0]) / 255.0 } else { 0.5 };
    age.mul_f64(0.9 + 0.2 * share)
}

/// A connection that was accepted, and the thread that will answer its calls.
struct Arrival {
    desk: Arc<Desk>,
    seat: Arc<()>,
    privileged: bool,
}

impl Arrival {
    fn take_plain(self, stream: TcpStream) -> io::Result<()> {
        // A connection that is already closed can be ignored.
        let Ok(accepted) = Accepted::plain(stream) else { return Ok(()) };
        self.hand_over(accepted, Vec::new(), None)
    }

    /// Makes the handshake, on this thread and not on those that answer calls.
    async fn take_tls(self, stream: TcpStream, tls: Arc<Tls>, limit: Duration, _permit: OwnedSemaphorePermit) {
        // Before the handshake: a change of trust during it counts, too.
        let trust = tls.trust();
        let handshake = timeout(limit, tls.acceptor().accept(Movable::new(stream)));
        let Ok(Ok(stream)) = handshake.await else { return };
        let names = tls::names(&stream);
        if let Ok(accepted) = Accepted::tls(stream) {
            // The thread has ended only when the server ends.
            drop(self.hand_over(accepted, names, Some(trust)));
        }
    }

    fn hand_over(
        self,
        accepted: Accepted,
        names: Vec<String>,
        trust: Option<Receiver<Vec<Vec<u8>>>>,
    ) -> io::Result<()> {
        let peer = Peer { names, privileged: self.privileged };
        let seated = Seated { accepted, peer, trust, seat: self.seat };
        self.desk.connections.send(seated).map_err(|_| ended_early())
    }
}

fn ended_early() -> io::Error {
    io::Error::other("a thread that answers calls has ended unexpectedly")
}

/// A connection and its seat: while the seat is held, the connection counts as open.
struct Seated {
    accepted: Accepted,
    peer: Peer,
    trust: Option<Receiver<Vec<Vec<u8>>>>,
    seat: Arc<()>,
}

/// Where a thread gets its connections.
struct Desk {
    connections: UnboundedSender<Seated>,
    /// One reference is held here, and one by each open connection.
    seats: Arc<()>,
}

impl Desk {
    /// How many connections are open.
    fn open(&self) -> usize {
        Arc::strong_count(&self.seats) - 1
    }
}

/// A thread that answers the calls of its connections.
struct Worker {
    desk: Arc<Desk>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a thread that holds `working`. It ends when no more connections are distributed and its last one is done.
    fn start<F: Future<Output = ()> + Send + 'static>(
        number: usize,
        connect: impl Fn(Stream, Peer, Option<Receiver<Vec<Vec<u8>>>>) -> F + Send + 'static,
        (ending, working): (Ending<impl Fn() -> usize + Send + 'static>, mpsc::Sender<Infallible>),
    ) -> io::Result<Self> {
        let (connections, dealt) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || {
            runtime.block_on(work(dealt, connect, ending));
            // A disk that never answers must not prevent the process from ending.
            runtime.shutdown_background();
            drop(working);
        };
        let thread = std::thread::Builder::new().name(format!("calls-{number}")).spawn(work)?;
        Ok(Self { desk: Arc::new(Desk { connections, seats: Arc::default() }), thread })
    }
}

/// What a thread that ends looks at, and where it counts the calls that it cuts off.
struct Ending<O> {
    drain: Duration,
    open_calls: O,
    cut: Arc<AtomicUsize>,
}

async fn work<F: Future<Output = ()> + Send + 'static>(
    mut dealt: UnboundedReceiver<Seated>,
    connect: impl Fn(Stream, Peer, Option<Receiver<Vec<Vec<u8>>>>) -> F,
    Ending { drain, open_calls, cut }: Ending<impl Fn() -> usize>,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            next = dealt.recv() => {
                let Some(Seated { accepted, peer, trust, seat }) = next else { break };
                let Ok(stream) = Stream::new(accepted) else { continue };
                let connection = connect(stream, peer, trust);
                open.spawn(async move {
                    connection.await;
                    drop(seat);
                });
            }
            Some(_) = open.join_next() => {}
        }
    }
    let last = async {
        let mut quiet_since = Instant::now();
        while !open.is_empty() && quiet_since.elapsed() < FAREWELL {
            drop(timeout(LOOK, open.join_next()).await);
            if open_calls() > 0 {
                quiet_since = Instant::now();
            }
        }
    };
    drop(timeout(drain, last).await);
    cut.fetch_add(open_calls(), Ordering::AcqRel);
}
