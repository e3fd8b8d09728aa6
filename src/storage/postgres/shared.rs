//! What the threads of a node share: what waits, how the database is, and how to ask it something.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error};

use super::database::{Database, Session, chain};
use super::queue::{Lane, Queue};
use super::seen::{Position, Seen};
use crate::clock::FollowedTime;
use crate::domain::time::Moment;
use crate::ledger::Keyring;
use crate::storage::{DatabaseCounts, Stored};

/// How long a call waits for the database.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Why a call is given up.
pub const SLOW: &str = "the database does not answer in time";
/// How long commands and tasks of the node wait, which read much.
const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// Asks the database something.
pub type Job = Box<dyn FnOnce(Arc<Session>) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send>;

/// A customer to be read.
#[derive(Debug)]
pub struct Wanted {
    pub id: String,
    pub due: Instant,
}

/// Gets what was read.
pub type GetsStored = Box<dyn FnOnce(Stored) + Send>;

type Loads = VecDeque<(Wanted, GetsStored)>;

pub struct Shared {
    pub database: Database,
    pub keys: Keyring,
    pub time: Arc<FollowedTime>,
    pub state: State,
    seen: Mutex<Seen>,
    queue: Mutex<Queue>,
    loads: Mutex<Loads>,
    pub changes: Notify,
    pub consents: Notify,
    pub reads: Notify,
    pub closing: Notify,
    pub aging: Notify,
    pub jobs: Asks,
    lookups: Asks,
}

/// Where jobs are sent, each with when it is given up.
pub type Asks = UnboundedSender<(Job, Instant)>;

/// How the database is, as far as the node knows.
#[derive(Debug, Default)]
pub struct State {
    /// Why nothing can be asked for now.
    trouble: Mutex<Option<Arc<str>>>,
    pub closed: AtomicBool,
    /// The size of the ledger.
    pub size: AtomicU64,
    /// The revision of the rules in force here; 0 before the first.
    pub rules: AtomicI64,
    /// Whether the names of the rules in force here are stored.
    pub named: AtomicBool,
    /// For how many milliseconds decisions are kept; 0 until that is told.
    pub keeps: AtomicI64,
    pub counts: DatabaseCounts,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.database.fmt(f)
    }
}

impl Shared {
    pub fn new((database, keys): (Database, Keyring), seen: Seen, (jobs, lookups): (Asks, Asks)) -> Self {
        let (time, seen) = (Arc::new(FollowedTime::default()), Mutex::new(seen));
        let [changes, consents, reads, closing, aging] = [(); 5].map(|()| Notify::new());
        let (queue, loads, state) = (Mutex::default(), Mutex::default(), State::default());
        Self {
            database,
            keys,
            time,
            state,
            seen,
            queue,
            loads,
            changes,
            consents,
            reads,
            closing,
            aging,
            jobs,
            lookups,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn loads(&self) -> MutexGuard<'_, Loads> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a customer be read.
    pub fn load(&self, customer: &str, reply: GetsStored) {
        self.loads().push_back((Wanted { id: customer.to_owned(), due: Instant::now() + PATIENCE }, reply));
        self.reads.notify_one();
    }

    pub fn notify(&self, lane: Lane) {
        match lane {
            Lane::Changes => self.changes.notify_one(),
            Lane::Consents => self.consents.notify_one(),
        }
    }

    /// Why nothing can be asked for now.
    pub fn trouble(&self) -> Option<Arc<str>> {
        self.state.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets why nothing can be asked for.
    pub fn set_trouble(&self, trouble: Option<&str>) {
        let mut held = self.state.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (held.is_some(), trouble) {
            (false, Some(why)) => tracing::error!(why, "the database cannot be used: calls are refused"),
            (true, None) => tracing::info!("the database can be used again"),
            _ => {}
        }
        *held = trouble.map(Arc::from);
    }

    /// Asks the database something and waits on this thread.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask<T, F, W>(&self, work: W) -> Result<T, String>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
        W: FnOnce(Arc<Session>) -> F + Send + 'static,
    {
        self.ask_by(&self.jobs, LONG_PATIENCE, work)
    }

    /// Asks the database something for a call that waits for it.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub fn look_up<T, F, W>(&self, work: W) -> Result<T, String>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
        W: FnOnce(Arc<Session>) -> F + Send + 'static,
    {
        self.ask_by(&self.lookups, PATIENCE, work)
    }

    fn ask_by<T, F, W>(&self, by: &Asks, patience: Duration, work: W) -> Result<T, String>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
        W: FnOnce(Arc<Session>) -> F + Send + 'static,
    {
        if let Some(trouble) = self.trouble() {
            return Err(trouble.to_string());
        }
        let (send, receive) = sync_channel(1);
        let job: Job = Box::new(move |session| {
            Box::pin(async move {
                let result = work(session).await;
                let is_closed = result.as_ref().is_err_and(Error::is_closed);
                // Who asked may have gone.
                drop(send.send(result.map_err(|error| chain(&error))));
                !is_closed
            })
        });
        let ended = || "the thread that talks to the database has ended".to_owned();
        by.send((job, Instant::now() + patience)).map_err(|_| ended())?;
        match receive.recv_timeout(patience) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err("the database does not answer".to_owned()),
            Err(RecvTimeoutError::Disconnected) => Err(self
                .trouble()
                .map_or_else(|| "the connection to the database was lost".into(), |why| why.to_string())),
        }
    }

    /// Looks at the database: whether it is not an older copy of what this node has seen, how far its ledger is, and what
    /// time it is.
    ///
    /// # Errors
    /// When it does not answer, or must not be used.
    pub async fn look(&self, client: &Client) -> Result<(), String> {
        let statement = format!(
            "SELECT {}, coalesce((SELECT encode(leaf, 'hex') FROM frame WHERE position = $2), ''), \
            (extract(epoch FROM clock_timestamp()) * 1000)::int8, \
            (SELECT max(revision) FROM rules WHERE hash = (SELECT hash FROM rules WHERE revision = $1)) \
            FROM ledger_head AS h",
            Position::COLUMNS
        );
        let (size, time, newest) = loop {
            let rules = self.state.rules.load(Ordering::Acquire);
            let records = self.seen().records();
            let parameters: [&(dyn ToSql + Sync); 2] = [&rules, &records.cast_signed()];
            let asked = tokio::time::timeout(PATIENCE, client.query_one(&statement, &parameters)).await;
            let row = asked.map_err(|_| SLOW)?.map_err(|error| chain(&error))?;
            let read = || Ok((Position::read(&row)?, row.try_get(5)?, row.try_get(6)?, row.try_get(7)?));
            let (position, then, time, newest) = read().map_err(|error: Error| chain(&error))?;
            let mut seen = self.seen();
            // If another task has looked since, the leaf is not the one to compare.
            if seen.records() == records {
                let size = position.records;
                seen.check(position, then)?;
                break (size, time, newest);
            }
        };
        self.follow(time);
        if let Some(newest) = newest {
            // The rules in force here may have been put in force again.
            self.state.rules.fetch_max(newest, Ordering::AcqRel);
        }
        self.state.size.fetch_max(size, Ordering::AcqRel);
        Ok(())
    }

    /// Notes the time of the database.
    pub fn follow(&self, milliseconds: i64) {
        self.time.follow(Moment(milliseconds));
    }

    /// Adds to a counter.
    pub fn count(&self, counter: impl Fn(&DatabaseCounts) -> &AtomicU64, by: usize) {
        counter(&self.state.counts).fetch_add(by as u64, Ordering::Relaxed);
    }
}
