//! The thread that talks to the database, and what is asked outside of the lanes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::database::Session;
use super::lanes::{Link, run_lane, run_reads};
use super::queue::Lane;
use super::shared::{Job, Shared};
use super::{decisions, person};
use crate::ledger::KeyName;
use crate::storage::Page;
use crate::store::StoreError;

/// How often the node looks at the database.
const LOOK: Duration = Duration::from_millis(250);
/// How often decisions that are too old are removed.
const RETAIN: Duration = Duration::from_secs(60);
/// How long what was begun may take when the node ends.
const LAST: Duration = Duration::from_secs(3);

/// What is asked outside of the lanes, one after the other.
pub type Jobs = UnboundedReceiver<(Job, Instant)>;

/// Starts the thread. Each list of jobs has a connection of its own.
///
/// # Errors
/// When the system cannot start a thread.
pub fn start(shared: Arc<Shared>, todo: [Jobs; 2]) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        runtime.block_on(async move {
            let (mut lanes, mut beside) = (JoinSet::new(), JoinSet::new());
            for lane in [Lane::Changes, Lane::Consents] {
                lanes.spawn(run_lane(Arc::clone(&shared), lane));
            }
            lanes.spawn(run_reads(Arc::clone(&shared)));
            for jobs in todo {
                beside.spawn(run_jobs(Arc::clone(&shared), jobs));
            }
            beside.spawn(look(Arc::clone(&shared)));
            beside.spawn(retain(Arc::clone(&shared)));
            tokio::select! {
                () = shared.closing.notified() => {}
                // One that ends by itself has panicked: this thread ends, and the server stops.
                _ = lanes.join_next() => return,
                _ = beside.join_next() => return,
            }
            for notify in [&shared.changes, &shared.consents, &shared.reads] {
                notify.notify_one();
            }
            let end = async { while lanes.join_next().await.is_some() {} };
            drop(tokio::time::timeout(LAST, end).await);
        });
    };
    thread::Builder::new().name("database".into()).spawn(run)
}

async fn run_jobs(shared: Arc<Shared>, mut jobs: Jobs) {
    let mut link = Link::new(&shared, true);
    while let Some((job, due)) = jobs.recv().await {
        // Without a session, the job is dropped, and with it the reply.
        let Ok(session) = link.session().await else { continue };
        match timeout_at(due, job(session)).await {
            Ok(true) => {}
            Ok(false) | Err(_) => link.drop_session(),
        }
    }
}

/// Looks at the database now and then.
async fn look(shared: Arc<Shared>) {
    let mut link = Link::new(&shared, true);
    loop {
        match look_once(&shared, &mut link).await {
            Ok(()) => shared.set_trouble(None),
            Err(why) => shared.set_trouble(Some(&why)),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Removes past decisions that are too old.
async fn retain(shared: Arc<Shared>) {
    loop {
        let age = shared.state.keeps.load(Ordering::Acquire);
        let retain = move |session: Arc<Session>| async move { decisions::retain(&session, age).await.is_ok() };
        if age > 0 {
            // What fails is repeated the next time; `look` tells why.
            let job: Job = Box::new(move |session| Box::pin(retain(session)));
            drop(shared.jobs.send((job, Instant::now() + RETAIN)));
        }
        drop(tokio::time::timeout(RETAIN, shared.aging.notified()).await);
    }
}

async fn look_once(shared: &Shared, link: &mut Link) -> Result<(), String> {
    let session = link.session().await?;
    let looked = shared.look(&session.client).await;
    if looked.is_err() {
        link.drop_session();
    }
    looked
}

/// Stored customers in the order of their ids.
///
/// # Errors
/// When the database does not give them.
pub fn page(shared: &Arc<Shared>, from: &[u8], most: usize) -> Result<Page, StoreError> {
    let (from, limit) = (from.to_vec(), i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1));
    let rows = shared.ask(move |session| async move {
        let statement = "SELECT id, key_name, key, body FROM person WHERE id >= $1 ORDER BY id LIMIT $2";
        session.client.query(statement, &[&from, &limit]).await
    });
    let rows = rows.map_err(StoreError::Database)?;
    let next = rows.get(most).map(|row| row.get::<_, Vec<u8>>(0));
    let opened = rows.iter().take(most).filter_map(|row| {
        let place: Vec<u8> = row.get(0);
        let (name, key): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(1), row.get(2));
        let key = shared.keys.unwrap_key(KeyName(name?.try_into().ok()?), &key?)?;
        person::open(shared, &key, &place, &row.get::<_, Option<Vec<u8>>>(3)?)
    });
    Ok((opened.collect(), next))
}
