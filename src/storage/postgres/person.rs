//! What is kept of a person: encrypted in the database, and as it is read.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_postgres::{Error, Row};

use super::database::Session;
use super::shared::{Shared, Wanted};
use crate::domain::time::Moment;
use crate::ledger::{CustomerKey, KeyName, LedgerError, SealedRecord, proof::Leaf};
use crate::storage::Stored;
use crate::store::codec::{self, StoredCustomer};
use crate::store::{Held, StoreError, Version};

/// Encrypts what is stored of a person, with the version of its format.
///
/// # Errors
/// When the source of random numbers fails.
pub fn seal(shared: &Shared, key: &CustomerKey, place: &[u8], body: &[u8]) -> io::Result<Vec<u8>> {
    let sealed = shared.keys.seal_body(key, &associated(codec::VERSION, place), body)?;
    Ok([&[codec::VERSION], sealed.as_slice()].concat())
}

/// Decrypts what is stored of a person; `None` if it is damaged.
pub fn open(shared: &Shared, key: &CustomerKey, place: &[u8], sealed: &[u8]) -> Option<StoredCustomer> {
    let (version, sealed) = sealed.split_first()?;
    let body = shared.keys.open_body(key, &associated(*version, place), sealed)?;
    codec::decode(&codec::upgrade(*version, body)?)
}

fn associated(version: u8, place: &[u8]) -> Vec<u8> {
    [&[version], place].concat()
}

/// A person who cannot be read now.
pub fn unreadable(why: &str) -> Stored {
    Stored {
        erased_at: None,
        records: Err(LedgerError::Unavailable(why.to_owned())),
        customer: Err(StoreError::Database(why.to_owned())),
        held: Held { trouble: Some(why.into()), ..Held::NOTHING },
    }
}

/// The rows of persons.
///
/// # Errors
/// When the database does not give them.
pub async fn rows(shared: &Shared, session: &Session, loads: &[Wanted]) -> Result<Vec<Row>, Error> {
    if loads.is_empty() {
        return Ok(Vec::new());
    }
    let tokens: Vec<Vec<u8>> = loads.iter().map(|load| shared.keys.token(&load.id).to_vec()).collect();
    session.rows.query(&session.client, &[&ids(shared, loads), &tokens]).await
}

/// The records of persons.
///
/// # Errors
/// When the database does not give them.
pub async fn frames(shared: &Shared, session: &Session, loads: &[Wanted]) -> Result<Vec<Row>, Error> {
    if loads.is_empty() {
        return Ok(Vec::new());
    }
    session.frames.query(&session.client, &[&ids(shared, loads)]).await
}

fn ids(shared: &Shared, loads: &[Wanted]) -> Vec<Vec<u8>> {
    loads.iter().map(|load| shared.keys.pseudonym(&load.id).0.to_vec()).collect()
}

/// Persons as they are stored, from their rows and records.
pub fn assemble(shared: &Shared, loads: &[Wanted], rows: &[Row], frames: &[Row]) -> Vec<Stored> {
    let read = |(load, row): (&Wanted, &Row)| {
        stored(shared, &load.id, row, frames).unwrap_or_else(|error| unreadable(&error.to_string()))
    };
    loads.iter().zip(rows).map(read).collect()
}

fn stored(shared: &Shared, id: &str, row: &Row, frames: &[Row]) -> Result<Stored, Error> {
    let position: Option<i64> = row.try_get(7)?;
    let (version, newest): (_, Option<i64>) = (version(row)?, row.try_get(2)?);
    let (rules, known): (Option<i64>, _) = (row.try_get(3)?, shared.state.rules.load(Ordering::Acquire));
    if known > 0 && rules.is_some_and(|rules| rules > known) {
        return Ok(unreadable("a node with newer rules has changed this customer: load the same rules here"));
    }
    let (name, wrapped): (Option<&[u8]>, Option<&[u8]>) = (row.try_get(4)?, row.try_get(5)?);
    let key = match (name.and_then(|name| name.try_into().ok()), wrapped) {
        (Some(name), Some(wrapped)) => match shared.keys.unwrap_key(KeyName(name), wrapped) {
            Some(key) => Some(Arc::new(key)),
            None => {
                return Ok(unreadable("the keys folder does not have the key that a customer's key is wrapped with"));
            }
        },
        _ => None,
    };
    let body: Option<&[u8]> = row.try_get(6)?;
    let place = shared.keys.pseudonym(id).0;
    let customer =
        body.map(|body| key.as_ref().and_then(|key| open(shared, key, &place, body)).ok_or(StoreError::Damaged));
    let mut records = Ok(Vec::new());
    for frame in frames {
        let (Some(key), Ok(list)) = (&key, &mut records) else { break };
        if frame.try_get::<_, &[u8]>(0)? != key.name.0 {
            continue;
        }
        let position = frame.try_get::<_, i64>(1)?.cast_unsigned();
        match sealed(frame)?.and_then(|sealed| shared.keys.open_record(&sealed, Some(key))) {
            Some((record, _)) => list.push((position, record)),
            None => records = Err(LedgerError::Unavailable(format!("record {position} is damaged"))),
        }
    }
    let held = Held { version, newest: Moment(newest.unwrap_or(0)), key, trouble: None };
    let erased_at = position.map(i64::cast_unsigned);
    Ok(Stored { erased_at, records, customer: customer.transpose(), held })
}

/// A record from the columns key, position, kind, random bytes, leaf and payload; `None` if they are of another form.
///
/// # Errors
/// When the columns are others.
pub fn sealed(row: &Row) -> Result<Option<SealedRecord>, Error> {
    let (key, kind): (&[u8], i16) = (row.try_get(0)?, row.try_get(2)?);
    let (random, leaf, payload): (&[u8], &[u8], &[u8]) = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
    let sealed = || {
        let kind = u16::try_from(kind).ok()?;
        let (key, random) = (KeyName(key.try_into().ok()?), random.try_into().ok()?);
        Some(SealedRecord { kind, key, random, leaf: Leaf::read(leaf)?, payload: payload.to_vec() })
    };
    Ok(sealed())
}

/// The version in the first two columns; the default where there is no row.
///
/// # Errors
/// When the columns are others.
pub fn version(row: &Row) -> Result<Version, Error> {
    let (write, mark): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Version { write: write.unwrap_or(0).cast_unsigned(), mark: mark.unwrap_or(0).cast_unsigned() })
}
