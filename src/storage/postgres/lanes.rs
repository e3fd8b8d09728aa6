//! The tasks that talk to the database, each on a connection of its own: swaps in two lanes, and reads.
//!
//! What arrives while a statement is on its way is gathered into the next one. A statement whose outcome is unknown is sent
//! again with the same versions: it takes effect once, because a row that has, or had, the new version was swapped, and the
//! base is gone once another won.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use compact_str::CompactString;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::{Client, Error};

use super::batch::Batch;
use super::database::{Session, Trouble, chain};
use super::person;
use super::queue::{Check, Lane, Swap};
use super::shared::{GetsStored, PATIENCE, SLOW, Shared, Wanted};
use crate::ledger::LedgerError;
use crate::storage::{CommitError, Recorded};
use crate::store::Version;

/// The most customers in one statement.
const MOST: usize = 500;
/// How long a statement waits before it is sent again on another connection.
const PAUSE: Duration = Duration::from_millis(20);

/// A connection that is made when it is needed.
pub struct Link {
    shared: Arc<Shared>,
    synchronous: bool,
    session: Option<Arc<Session>>,
}

impl Link {
    pub fn new(shared: &Arc<Shared>, synchronous: bool) -> Self {
        Self { shared: Arc::clone(shared), synchronous, session: None }
    }

    /// The session. Without one, connects; if that fails, nothing can be asked for until a connection is made.
    pub async fn session(&mut self) -> Result<Arc<Session>, String> {
        if let Some(session) = self.session.as_ref().filter(|session| !session.client.is_closed()) {
            return Ok(Arc::clone(session));
        }
        let connected = timeout(PATIENCE, self.connect()).await.unwrap_or_else(|_| Err(SLOW.to_owned()));
        match connected {
            Ok(client) => Ok(Arc::clone(self.session.insert(Arc::new(Session::new(client))))),
            Err(why) => {
                self.shared.set_trouble(Some(&why));
                Err(why)
            }
        }
    }

    /// A connection to a database that this node may use: it may be another one than before.
    async fn connect(&self) -> Result<Client, String> {
        let client = self.shared.database.session(self.synchronous).await.map_err(|error| chain(&error))?;
        self.shared.look(&client).await?;
        Ok(client)
    }

    /// Drops the connection: the next use makes another one.
    pub fn drop_session(&mut self) {
        self.session = None;
    }
}

/// Sends the swaps of a lane until the node ends.
pub async fn run_lane(shared: Arc<Shared>, lane: Lane) {
    let mut link = Link::new(&shared, lane == Lane::Consents);
    loop {
        let taken = shared.queue().take(lane, MOST);
        if taken.is_empty() {
            if shared.state.closed.load(Ordering::Acquire) {
                return;
            }
            match lane {
                Lane::Changes => shared.changes.notified().await,
                Lane::Consents => shared.consents.notified().await,
            }
            // Other calls that are ready now join the statement.
            tokio::task::yield_now().await;
            continue;
        }
        let mut parts = vec![taken];
        while let Some(part) = parts.pop() {
            match commit(&shared, &mut link, &part).await {
                Ok(results) => part.into_iter().zip(results).for_each(|((id, swap), result)| {
                    end(&shared, &id, swap, &result);
                }),
                Err(CommitError::Store(_)) if part.len() > 1 => {
                    // One of them cannot be stored: halves, until it stands alone.
                    let mut first = part;
                    let second = first.split_off(first.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) => part.into_iter().for_each(|(id, swap)| end(&shared, &id, swap, &Err(error.clone()))),
            }
        }
    }
}

fn end(shared: &Shared, id: &CompactString, swap: Swap, result: &Result<u64, CommitError>) {
    let result = match result {
        // The call that records consent keeps its restrictions in effect.
        Err(CommitError::Ledger(LedgerError::Unavailable(why))) if swap.consent.is_empty() => {
            Err(CommitError::Store(why.clone()))
        }
        Err(CommitError::Store(why)) if !swap.consent.is_empty() => {
            Err(CommitError::Ledger(LedgerError::Full(why.clone())))
        }
        result => result.clone(),
    };
    swap.end(&result);
    let next = shared.queue().finish(id);
    // Checks that waited for it.
    shared.reads.notify_one();
    next.into_iter().for_each(|lane| shared.notify(lane));
}

type Committed = Vec<Result<u64, CommitError>>;

/// Commits swaps in one statement. An error concerns all of them: `Store` if a value cannot be stored.
async fn commit(shared: &Shared, link: &mut Link, swaps: &[(CompactString, Swap)]) -> Result<Committed, CommitError> {
    let unavailable = |why: &str| CommitError::Ledger(LedgerError::Unavailable(why.to_owned()));
    let now = Instant::now();
    let due = swaps.iter().map(|(_, swap)| swap.due).max().unwrap_or(now);
    if due <= now {
        return Err(unavailable(SLOW));
    }
    let batch = Batch::seal(shared, swaps).map_err(|error| CommitError::Store(error.to_string()))?;
    let (mut again, mut why) = (false, String::new());
    while Instant::now() < due {
        let session = match link.session().await {
            Ok(session) => session,
            Err(why) if !again => return Err(unavailable(&why)),
            Err(found) => {
                why = found;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        match timeout_at(due, batch.send(shared, &session)).await {
            Ok(Ok(committed)) => {
                // A row that was created by the first attempt may be seen by the next statement only.
                if again && batch.may_have_been_created(&committed) {
                    again = false;
                    continue;
                }
                return Ok(committed);
            }
            Ok(Err(error)) => match Trouble::of(&error) {
                Trouble::Repeat => {}
                Trouble::Value => return Err(CommitError::Store(chain(&error))),
                Trouble::Full => return Err(CommitError::Ledger(LedgerError::Full(chain(&error)))),
                Trouble::Connection => {
                    link.drop_session();
                    shared.count(|counts| &counts.unknown, swaps.len());
                    (again, why) = (true, chain(&error));
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Err(_) => {
                link.drop_session();
                shared.count(|counts| &counts.unknown, swaps.len());
                break;
            }
        }
    }
    let why = if why.is_empty() { SLOW.to_owned() } else { why };
    Err(unavailable(&format!("{why}; whether it was stored is not known")))
}

/// Reads customers and checks versions until the node ends.
pub async fn run_reads(shared: Arc<Shared>) {
    let mut link = Link::new(&shared, true);
    loop {
        let checks = shared.queue().take_checks(MOST);
        let (loads, replies): (Vec<Wanted>, Vec<GetsStored>) = {
            let mut waiting = shared.loads();
            let count = waiting.len().min(MOST);
            waiting.drain(..count).unzip()
        };
        if checks.is_empty() && loads.is_empty() {
            if shared.state.closed.load(Ordering::Acquire) {
                return;
            }
            shared.reads.notified().await;
            tokio::task::yield_now().await;
            continue;
        }
        match read(&shared, &mut link, (&checks, &loads)).await {
            Ok((versions, stored)) => {
                shared.count(|counts| &counts.checks, checks.len());
                for (check, version) in checks.into_iter().zip(versions) {
                    let holds = check.versions.contains(&version);
                    shared.count(|counts| &counts.conflicts, usize::from(!holds));
                    drop(check.reply.send(if holds { Ok(Recorded::default()) } else { Err(CommitError::Conflict) }));
                }
                replies.into_iter().zip(stored).for_each(|(reply, stored)| reply(stored));
            }
            Err(why) => {
                checks.into_iter().for_each(|check| drop(check.reply.send(Err(CommitError::Store(why.clone())))));
                replies.into_iter().for_each(|reply| reply(person::unreadable(&why)));
            }
        }
    }
}

type Found = (Vec<Version>, Vec<crate::storage::Stored>);

async fn read(shared: &Shared, link: &mut Link, (checks, loads): (&[Check], &[Wanted])) -> Result<Found, String> {
    let due = checks.iter().map(|check| check.due).chain(loads.iter().map(|load| load.due)).max();
    let due = due.unwrap_or_else(Instant::now);
    // Once more on another connection: this one may have been closed while nothing was asked.
    for attempt in 0..2 {
        let session = link.session().await?;
        let asked = async {
            // The rows before the frames: records that are newer than the row's version do no harm, the reverse does.
            let (rows, frames, versions) = tokio::join!(
                person::rows(shared, &session, loads),
                person::frames(shared, &session, loads),
                versions(shared, &session, checks)
            );
            Ok::<_, Error>((versions?, person::assemble(shared, loads, &rows?, &frames?)))
        };
        match timeout_at(due, asked).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) if attempt > 0 => {
                link.drop_session();
                return Err(chain(&error));
            }
            Ok(Err(_)) => link.drop_session(),
            Err(_) => {
                link.drop_session();
                return Err(SLOW.to_owned());
            }
        }
    }
    Err("the connection to the database was lost".to_owned())
}

async fn versions(shared: &Shared, session: &Session, checks: &[Check]) -> Result<Vec<Version>, Error> {
    if checks.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Vec<u8>> = checks.iter().map(|check| shared.keys.pseudonym(&check.id).0.to_vec()).collect();
    let rows = session.check.query(&session.client, &[&ids]).await?;
    if let Some(time) = rows.last().map(|row| row.try_get(2)).transpose()? {
        shared.follow(time);
    }
    rows.iter().map(person::version).collect()
}
