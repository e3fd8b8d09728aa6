//! One statement that swaps rows: its parameters, sealed, and what came of it.

use std::io;

use compact_str::CompactString;
use tokio_postgres::Error;
use tokio_postgres::types::ToSql;

use super::database::Session;
use super::decisions::Decisions;
use super::person;
use super::queue::{Body, Swap};
use super::shared::Shared;
use crate::ledger::SealedRecord;
use crate::storage::CommitError;

/// The parameters, column by column.
#[derive(Default)]
pub struct Batch {
    ids: Vec<Vec<u8>>,
    bases: [Vec<i64>; 2],
    minted: [Vec<i64>; 2],
    newest: Vec<i64>,
    keeps: Vec<bool>,
    bodies: Vec<Option<Vec<u8>>>,
    key_names: Vec<Option<Vec<u8>>>,
    keys: Vec<Option<Vec<u8>>>,
    decisions: Decisions,
    frames: Frames,
    /// The random bytes of each customer's last frame.
    last: Vec<Option<[u8; 16]>>,
}

#[derive(Default)]
struct Frames {
    persons: Vec<Vec<u8>>,
    kinds: Vec<i16>,
    keys: Vec<Vec<u8>>,
    randoms: Vec<Vec<u8>>,
    leaves: Vec<Vec<u8>>,
    payloads: Vec<Vec<u8>>,
}

impl Frames {
    fn add(&mut self, person: &[u8], record: SealedRecord) {
        let SealedRecord { kind, key, random, leaf, payload } = record;
        self.persons.push(person.to_vec());
        self.kinds.push(i16::try_from(kind).unwrap_or_default());
        self.keys.push(key.0.to_vec());
        self.randoms.push(random.to_vec());
        self.leaves.push(leaf.bytes().to_vec());
        self.payloads.push(payload);
    }
}

impl Batch {
    /// Encrypts swaps.
    ///
    /// # Errors
    /// When the source of random numbers fails.
    pub fn seal(shared: &Shared, swaps: &[(CompactString, Swap)]) -> io::Result<Self> {
        let mut batch = Self::default();
        for (id, swap) in swaps {
            let place = shared.keys.pseudonym(id).0;
            let [base, minted] = [swap.base, swap.minted];
            batch.bases.iter_mut().zip([base.write, base.mark]).for_each(|(to, part)| to.push(part.cast_signed()));
            batch.minted.iter_mut().zip([minted.write, minted.mark]).for_each(|(to, part)| to.push(part.cast_signed()));
            batch.newest.push(swap.newest);
            batch.keeps.push(swap.body == Body::Same);
            let body = match &swap.body {
                Body::New(Some(body)) => Some(person::seal(shared, &swap.key, &place, body)?),
                Body::New(None) | Body::Same => None,
            };
            batch.bodies.push(body);
            let key = swap.is_new_key.then(|| shared.keys.wrap(&swap.key)).transpose()?;
            batch.key_names.push(key.is_some().then(|| swap.key.name.0.to_vec()));
            batch.keys.push(key);
            let mut last = None;
            for record in &swap.consent {
                let sealed = shared.keys.seal(record, &swap.key)?;
                last = Some(sealed.random);
                batch.frames.add(&place, sealed);
            }
            batch.decisions.add(shared, &swap.key, (id, &place), &swap.said)?;
            batch.last.push(last);
            batch.ids.push(place.to_vec());
        }
        Ok(batch)
    }

    /// Sends the statement: for each swap the position of its last record, or a conflict.
    ///
    /// # Errors
    /// When the statement fails, or its outcome is not known.
    pub async fn send(&self, shared: &Shared, session: &Session) -> Result<Vec<Result<u64, CommitError>>, Error> {
        let rules = shared.state.rules.load(std::sync::atomic::Ordering::Acquire);
        let [base_writes, base_marks] = &self.bases;
        let [writes, marks] = &self.minted;
        let Self { ids, newest, keeps, bodies, key_names, keys, frames, decisions, .. } = self;
        let swap: [&(dyn ToSql + Sync); 11] =
            [ids, base_writes, base_marks, writes, marks, newest, keeps, bodies, key_names, keys, &rules];
        let swap = [swap.as_slice(), &decisions.parameters()].concat();
        let Frames { persons, kinds, keys, randoms, leaves, payloads } = frames;
        let records: [&(dyn ToSql + Sync); 6] = [persons, kinds, keys, randoms, leaves, payloads];
        let rows = match persons.is_empty() {
            true => session.swap.query(&session.client, &swap).await?,
            false => session.record.query(&session.client, &[swap, records.to_vec()].concat()).await?,
        };
        let (mut results, mut swapped) = (Vec::with_capacity(rows.len()), 0);
        for (row, last) in rows.iter().zip(&self.last) {
            let (won, already, position): (bool, bool, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            swapped += usize::from(won);
            results.push(match (won, already) {
                (true, _) => Ok(position.cast_unsigned()),
                (false, true) => Ok(position_of(session, last.as_ref()).await?),
                (false, false) => Err(CommitError::Conflict),
            });
        }
        if let Some(time) = rows.last().map(|row| row.try_get(3)).transpose()? {
            shared.follow(time);
        }
        shared.count(|counts| &counts.statements, 1);
        shared.count(|counts| &counts.rows, swapped);
        shared.count(|counts| &counts.conflicts, results.iter().filter(|result| result.is_err()).count());
        let last = results.iter().filter_map(|result| result.as_ref().ok()).max().copied().unwrap_or(0);
        shared.state.size.fetch_max(last, std::sync::atomic::Ordering::AcqRel);
        Ok(results)
    }

    /// Whether a row that seems to belong to another node may have been created by an earlier attempt.
    pub fn may_have_been_created(&self, results: &[Result<u64, CommitError>]) -> bool {
        let [base_writes, _] = &self.bases;
        results.iter().zip(base_writes).any(|(result, base)| result.is_err() && *base == 0)
    }
}

/// The position of a frame that an earlier attempt inserted.
async fn position_of(session: &Session, random: Option<&[u8; 16]>) -> Result<u64, Error> {
    let Some(random) = random else { return Ok(0) };
    let statement = "SELECT max(position) FROM frame WHERE random = $1";
    let row = session.client.query_one(statement, &[&random.as_slice()]).await?;
    Ok(row.try_get::<_, Option<i64>>(0)?.unwrap_or(0).cast_unsigned())
}
