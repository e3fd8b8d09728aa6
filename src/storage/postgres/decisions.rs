//! Past decisions in the database: written in the statement that swaps their customer's row, found by id, customer and time.
//!
//! The entry is that of the decision log. The customer's id and the values are encrypted with the customer's key; a denial
//! removes the values in the statement that records it, and an erasure removes the rows.

use std::io;
use std::sync::Arc;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use super::database::Session;
use super::said::Said;
use super::shared::Shared;
use crate::decision_log::{DecisionValues, LoggedDecision, Place, ReadDecision, Wanted};
use crate::domain::time::Moment;
use crate::ledger::{CustomerKey, KeyName};
use crate::storage::{Passes, PastDecisions};

/// How many rows are read at once, and how many pages of them for one answer where no customer is named.
const ROWS: i64 = 500;
const PAGES: usize = 20;
/// The columns that a past decision is read from.
const COLUMNS: &str =
    "SELECT d.id, d.entry, d.customer, d.sealed, p.key_name, p.key FROM decision d JOIN person p ON p.id = d.person";
/// Removes the oldest decisions past an age in milliseconds, a share at a time.
const RETAIN: &str = "DELETE FROM decision WHERE id IN (SELECT id FROM decision WHERE id < decode(lpad(to_hex( \
    greatest(0, (extract(epoch FROM clock_timestamp()) * 1000)::int8 - $1)), 12, '0'), 'hex') \
    ORDER BY id LIMIT 10000 FOR UPDATE SKIP LOCKED)";

/// The parts of a decision that are encrypted, so that none is taken for another.
const CUSTOMER: u8 = 1;
const VALUES: u8 = 2;

/// What an encrypted part belongs to.
fn bound(entry: &[u8], part: u8) -> Vec<u8> {
    [entry, &[part]].concat()
}

/// The parameters of a statement that concern decisions, column by column.
#[derive(Default)]
pub struct Decisions {
    persons: Vec<Vec<u8>>,
    ids: Vec<Vec<u8>>,
    entries: Vec<Vec<u8>>,
    customers: Vec<Vec<u8>>,
    sealed: Vec<Option<Vec<u8>>>,
    revoking: Vec<Vec<u8>>,
    taken_from: Vec<Vec<u8>>,
    taken_back: Vec<Vec<u8>>,
}

impl Decisions {
    /// Encrypts the decisions of one swap.
    ///
    /// # Errors
    /// When the source of random numbers fails.
    pub fn add(
        &mut self,
        shared: &Shared,
        key: &CustomerKey,
        (id, place): (&str, &[u8; 20]),
        said: &Said,
    ) -> io::Result<()> {
        for (decision, hidden) in &said.decisions {
            let mut added = Ok(());
            decision.describe(&mut |entry, values| {
                let entry = LoggedDecision { customer: *place, ..entry };
                added = self.add_one(shared, key, id, (&entry, (!hidden).then_some(values)));
            });
            added?;
        }
        self.revoking.extend(said.revokes.then(|| place.to_vec()));
        for key in &said.taken_back {
            self.taken_from.push(place.to_vec());
            self.taken_back.push(key.to_be_bytes().to_vec());
        }
        Ok(())
    }

    fn add_one(
        &mut self,
        shared: &Shared,
        key: &CustomerKey,
        customer: &str,
        (entry, values): (&LoggedDecision, Option<&DecisionValues<'_>>),
    ) -> io::Result<()> {
        let plain = postcard::to_allocvec(entry).map_err(io::Error::other)?;
        let seal = |values| {
            let values = postcard::to_allocvec(values).map_err(io::Error::other)?;
            shared.keys.seal_body(key, &bound(&plain, VALUES), &values)
        };
        self.customers.push(shared.keys.seal_body(key, &bound(&plain, CUSTOMER), customer.as_bytes())?);
        self.sealed.push(values.map(seal).transpose()?);
        self.persons.push(entry.customer.to_vec());
        self.ids.push(entry.id.to_vec());
        self.entries.push(plain);
        Ok(())
    }

    /// The parameters, in their order.
    pub fn parameters(&self) -> [&(dyn ToSql + Sync); 8] {
        let Self { persons, ids, entries, customers, sealed, revoking, taken_from, taken_back } = self;
        [persons, ids, entries, customers, sealed, revoking, taken_from, taken_back]
    }
}

fn halves(id: [u8; 16]) -> ([u8; 8], [u8; 8]) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = id;
    ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p])
}

/// The first id of a moment.
fn first_of(at: Moment) -> [u8; 16] {
    let [_, _, a, b, c, d, e, f] = at.0.clamp(0, (1 << 48) - 1).to_be_bytes();
    [a, b, c, d, e, f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// The decision of a moment with a key.
///
/// # Errors
/// When the database does not give it.
pub fn find(shared: &Arc<Shared>, at: Moment, key: u64) -> Result<Option<ReadDecision>, String> {
    let (from, to) = (first_of(at).to_vec(), first_of(Moment(at.0.saturating_add(1))).to_vec());
    let statement = format!("{COLUMNS} WHERE d.id >= $1 AND d.id < $2 AND substring(d.id FROM 9) = $3");
    let key = key.to_be_bytes().to_vec();
    let row = shared
        .look_up(move |session| async move { session.client.query_opt(&statement, &[&from, &to, &key]).await })?;
    Ok(row.and_then(|row| read(shared, &row)))
}

/// The newest decisions that are wanted and pass a filter.
///
/// # Errors
/// When the database does not give them.
pub fn list(shared: &Arc<Shared>, wanted: Wanted<'_>, passes: Passes<'_>) -> Result<PastDecisions, String> {
    let from = first_of(wanted.from).to_vec();
    let person = wanted.customer.map(|customer| shared.keys.pseudonym(customer).0.to_vec());
    let before = wanted.before.map(|Place { segment, offset }| [segment.to_be_bytes(), offset.to_be_bytes()].concat());
    let mut to = before.unwrap_or_else(|| first_of(wanted.to).to_vec()).min(first_of(wanted.to).to_vec());
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let of = if person.is_some() { " AND d.person = $4" } else { " AND $4::bytea IS NULL" };
        let statement = format!("{COLUMNS} WHERE d.id >= $1 AND d.id < $2{of} ORDER BY d.id DESC LIMIT $3");
        let (first, end, of) = (from.clone(), to.clone(), person.clone());
        let rows = shared
            .ask(move |session| async move { session.client.query(&statement, &[&first, &end, &ROWS, &of]).await })?;
        for read in rows.iter().filter_map(|row| read(shared, row)).filter(|read| passes(&read.entry)) {
            let place = read.place;
            found.push(read);
            if found.len() >= wanted.most {
                return Ok((found, Some(place)));
            }
        }
        let Some(last) = rows.last().filter(|_| rows.len() as i64 == ROWS) else { return Ok((found, None)) };
        to = last.get(0);
        pages += 1;
        if person.is_none() && pages == PAGES {
            return Ok((found, to.as_slice().try_into().ok().map(place)));
        }
    }
}

fn place(id: [u8; 16]) -> Place {
    let (segment, offset) = halves(id);
    Place { segment: u64::from_be_bytes(segment), offset: u64::from_be_bytes(offset) }
}

/// A past decision from a row; `None` if it is damaged.
fn read(shared: &Shared, row: &Row) -> Option<ReadDecision> {
    let (id, plain, customer): (&[u8], &[u8], &[u8]) = (row.get(0), row.get(1), row.get(2));
    let sealed: Option<&[u8]> = row.get(3);
    let (name, wrapped): (Option<&[u8]>, Option<&[u8]>) = (row.get(4), row.get(5));
    let entry: LoggedDecision = postcard::from_bytes(plain).ok()?;
    let key = shared.keys.unwrap_key(KeyName(name?.try_into().ok()?), wrapped?)?;
    let open = |sealed, part| shared.keys.open_body(&key, &bound(plain, part), sealed);
    let customer = open(customer, CUSTOMER).and_then(|id| String::from_utf8(id).ok());
    let values = sealed.and_then(|sealed| postcard::from_bytes(&open(sealed, VALUES)?).ok());
    Some(ReadDecision { place: place(id.try_into().ok()?), entry, customer, values })
}

/// Removes decisions that are older than an age in milliseconds.
///
/// # Errors
/// When the database fails.
pub async fn retain(session: &Session, age: i64) -> Result<(), Error> {
    while session.client.execute(RETAIN, &[&age]).await? == 10_000 {}
    Ok(())
}
