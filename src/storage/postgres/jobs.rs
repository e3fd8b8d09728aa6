//! The thread that talks to the database, and what is asked outside of the lanes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::types::ToSql;

use super::lanes::{Link, run_lane, run_reads};
use super::person;
use super::queue::Lane;
use super::seen::Seen;
use super::shared::{Job, Shared};
use crate::ledger::KeyName;
use crate::storage::Page;
use crate::store::StoreError;

/// How often the node looks at the database.
const LOOK: Duration = Duration::from_millis(250);
/// How long what was begun may take when the node ends.
const LAST: Duration = Duration::from_secs(3);

/// Starts the thread.
///
/// # Errors
/// When the system cannot start a thread.
pub fn start(
    shared: Arc<Shared>,
    jobs: UnboundedReceiver<(Job, Instant)>,
    data: PathBuf,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = move || {
        runtime.block_on(async move {
            let lanes = [Lane::Changes, Lane::Consents].map(|lane| tokio::spawn(run_lane(Arc::clone(&shared), lane)));
            let reads = tokio::spawn(run_reads(Arc::clone(&shared)));
            let jobs = tokio::spawn(run_jobs(Arc::clone(&shared), jobs));
            let look = tokio::spawn(look(Arc::clone(&shared), Seen::read(&data)));
            let end = async {
                for task in lanes {
                    drop(task.await);
                }
                drop(reads.await);
            };
            while !shared.state.closed.load(Ordering::Acquire) {
                tokio::time::sleep(LOOK / 10).await;
            }
            for notify in [&shared.changes, &shared.consents, &shared.reads] {
                notify.notify_one();
            }
            drop(tokio::time::timeout(LAST, end).await);
            jobs.abort();
            look.abort();
        });
    };
    thread::Builder::new().name("database".into()).spawn(run)
}

async fn run_jobs(shared: Arc<Shared>, mut jobs: UnboundedReceiver<(Job, Instant)>) {
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

/// Looks at the database now and then: whether it answers, is no older copy, and how far its ledger is.
async fn look(shared: Arc<Shared>, mut seen: Seen) {
    let mut link = Link::new(&shared, true);
    loop {
        match look_once(&shared, &mut link, &mut seen).await {
            Ok(()) => shared.set_trouble(None),
            Err(why) => shared.set_trouble(Some(&why)),
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look_once(shared: &Shared, link: &mut Link, seen: &mut Seen) -> Result<(), String> {
    let session = link.session().await?;
    let statement = "SELECT size, erasures, (extract(epoch FROM clock_timestamp()) * 1000)::int8, \
        (SELECT max(revision) FROM rules WHERE hash = (SELECT hash FROM rules WHERE revision = $1)) FROM ledger_head";
    let rules = shared.state.rules.load(Ordering::Acquire);
    let parameters: [&(dyn ToSql + Sync); 1] = [&rules];
    let asked = session.client.query_one(statement, &parameters);
    let row = match tokio::time::timeout(super::shared::PATIENCE, asked).await {
        Ok(Ok(row)) => row,
        Ok(Err(error)) => {
            link.drop_session();
            return Err(super::database::chain(&error));
        }
        Err(_) => {
            link.drop_session();
            return Err("the database does not answer in time".to_owned());
        }
    };
    let found = (row.get::<_, i64>(0).cast_unsigned(), row.get::<_, i64>(1).cast_unsigned());
    shared.follow(row.get(2));
    if let Some(newest) = row.get::<_, Option<i64>>(3) {
        // The rules in force here may have been put in force again.
        shared.state.rules.fetch_max(newest, Ordering::AcqRel);
    }
    seen.check(found)?;
    shared.state.size.store(found.0, Ordering::Release);
    seen.note(found);
    Ok(())
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
