//! Records that come without a change of their customer: restrictions that could not be recorded before.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::queue::{Body, Swap, Waiter};
use super::said::Said;
use super::shared::{PATIENCE, Shared};
use crate::domain::consent::ConsentRecord;
use crate::ledger::LedgerError;
use crate::storage::CommitError;
use crate::store::{Held, Version};
use crate::sync::block_on;

/// How often records are offered to a row that others change.
const ATTEMPTS: usize = 50;

/// Records consent of one customer, and waits on this thread. Returns the position of the last record.
///
/// # Errors
/// When the records are not known to be durable.
pub fn record(shared: &Arc<Shared>, customer: &str, records: &[ConsentRecord]) -> Result<u64, LedgerError> {
    let unavailable = |why: String| LedgerError::Unavailable(why);
    for _ in 0..ATTEMPTS {
        let (send, receive) = sync_channel(1);
        let reply = Box::new(move |stored| drop(send.send(stored)));
        shared.load(customer, reply);
        let Held { version: base, newest, key, trouble } =
            receive.recv().map_err(|error| unavailable(error.to_string()))?.held;
        if let Some(trouble) = trouble {
            return Err(unavailable(trouble.to_string()));
        }
        let is_new_key = key.is_none();
        let new_key = || shared.keys.new_key().map(Arc::new);
        let key = key.map_or_else(new_key, Ok).map_err(|error| unavailable(error.to_string()))?;
        let mark = getrandom::u64().map_err(|error| unavailable(error.to_string()))?;
        let minted = Version { write: base.write + 1, mark };
        let last = records.iter().map(|record| record.received.0).max().unwrap_or(0);
        let newest = newest.0.max(last.saturating_add(1));
        let (reply, answer) = oneshot::channel();
        let waiters = vec![Waiter { reply, records: 0..records.len() }];
        let (body, consent, due) = (Body::Same, records.to_vec(), Instant::now() + PATIENCE);
        let said = Said::of_records(records);
        let swap = Swap { base, minted, newest, key, is_new_key, body, said, consent, waiters, due };
        shared.queue().submit(customer, swap);
        shared.consents.notify_one();
        let ended = || Err(CommitError::Store("the thread that talks to the database has ended".into()));
        match block_on(answer).unwrap_or_else(|_| ended()) {
            Ok(recorded) => return Ok(recorded.position),
            Err(CommitError::Conflict) => {}
            Err(CommitError::Ledger(error)) => return Err(error),
            Err(error) => return Err(unavailable(error.to_string())),
        }
    }
    Err(unavailable("the customer is changed all the time".into()))
}
