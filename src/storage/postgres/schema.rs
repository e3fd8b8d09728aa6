//! The tables: how they are made, and what each node checks and adds when it starts.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::database::{Database, chain};
use super::error::{DatabaseError, SCHEMA};
use super::shared::Shared;
use crate::domain::id::Vocabulary;
use crate::ledger::Keyring;
use crate::store::StoreError;

/// The steps from each version to the next.
const STEPS: [&str; SCHEMA as usize] =
    [include_str!("sql/001-schema.sql"), include_str!("sql/002-rules.sql"), include_str!("sql/003-decisions.sql")];
/// The oldest server that is used.
const OLDEST_SERVER: i32 = 15;
/// The number of the lock that lets one migration run at a time.
const LOCK: i64 = 0x7461_6374_6675_6c31;

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version before; 0 if there was no schema.
    pub from: i32,
    /// The version now.
    pub to: i32,
}

/// Makes the tables of a database, or brings them to the current version. The keys folder is created with the first.
///
/// # Errors
/// When the database cannot be used, or is of a later version; it is not changed then.
pub fn migrate(address: &str, keys: &Path) -> Result<Migrated, DatabaseError> {
    let database = Database::parse(address)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let unusable = |error: tokio_postgres::Error| DatabaseError::Unusable(chain(&error));
    runtime.block_on(async {
        let mut client = database.connect().await.map_err(unusable)?;
        let row = client.query_one("SHOW server_version_num", &[]).await.map_err(unusable)?;
        check_server(row.get(0))?;
        let transaction = client.transaction().await.map_err(unusable)?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(unusable)?;
        let row = transaction.query_one("SELECT current_schema()", &[]).await.map_err(unusable)?;
        if row.get::<_, Option<String>>(0).is_none() {
            let named = "SELECT quote_ident(trim(split_part(current_setting('search_path'), ',', 1), '\" '))";
            let name: String = transaction.query_one(named, &[]).await.map_err(unusable)?.get(0);
            transaction.batch_execute(&format!("CREATE SCHEMA {name}")).await.map_err(unusable)?;
        }
        let exists = transaction.query_one("SELECT to_regclass('store') IS NOT NULL", &[]).await.map_err(unusable)?;
        let from: i32 = if exists.get(0) {
            transaction.query_one("SELECT schema FROM store", &[]).await.map_err(unusable)?.get(0)
        } else {
            0
        };
        if from > SCHEMA {
            return Err(DatabaseError::Schema { found: from });
        }
        for step in STEPS.iter().skip(usize::try_from(from).unwrap_or(0)) {
            transaction.batch_execute(step).await.map_err(unusable)?;
        }
        let keyring = Keyring::open(keys, from == 0)?;
        if from == 0 {
            let (fingerprint, verifier) = (keyring.fingerprint().to_vec(), keyring.verifying_key().to_string());
            let statement = "INSERT INTO store (schema, keys, verifier) VALUES ($1, $2, $3)";
            transaction.execute(statement, &[&SCHEMA, &fingerprint, &verifier]).await.map_err(unusable)?;
        } else {
            transaction.execute("UPDATE store SET schema = $1", &[&SCHEMA]).await.map_err(unusable)?;
        }
        transaction.commit().await.map_err(unusable)?;
        Ok(Migrated { from, to: SCHEMA })
    })
}

fn check_server(version: &str) -> Result<(), DatabaseError> {
    let version = version.parse::<i32>().unwrap_or(0) / 10_000;
    if version < OLDEST_SERVER { Err(DatabaseError::TooOld(version)) } else { Ok(()) }
}

/// Refuses a database that this node must not use.
///
/// # Errors
/// With the reason.
pub fn check(shared: &Shared, keys: &Path) -> Result<(), DatabaseError> {
    // Before the schema is known, no session can be prepared.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let unusable = |error: tokio_postgres::Error| DatabaseError::Unusable(chain(&error));
    runtime.block_on(async {
        let client = shared.database.connect().await.map_err(unusable)?;
        let row = client.query_one("SHOW server_version_num", &[]).await.map_err(unusable)?;
        check_server(row.get(0))?;
        let exists = client.query_one("SELECT to_regclass('store') IS NOT NULL", &[]).await.map_err(unusable)?;
        if !exists.get::<_, bool>(0) {
            return Err(DatabaseError::Schema { found: 0 });
        }
        let row = client.query_one("SELECT schema, keys FROM store", &[]).await.map_err(unusable)?;
        let schema: i32 = row.get(0);
        if schema != SCHEMA {
            return Err(DatabaseError::Schema { found: schema });
        }
        if row.get::<_, Vec<u8>>(1) != shared.keys.fingerprint() {
            return Err(DatabaseError::OtherKeys(keys.display().to_string()));
        }
        shared.look(&client).await.map_err(DatabaseError::Unusable)
    })
}

/// The stored names.
///
/// # Errors
/// When the database does not give them.
pub fn names(shared: &Arc<Shared>) -> Result<Vocabulary, StoreError> {
    let statement = "SELECT kind, name FROM name ORDER BY kind, number";
    let rows = shared.ask(move |session| async move { session.client.query(statement, &[]).await });
    let mut names = Vocabulary::default();
    for row in rows.map_err(StoreError::Database)? {
        let kind: i16 = row.get(0);
        names.restore(u8::try_from(kind).unwrap_or(u8::MAX), row.get(1));
    }
    Ok(names)
}

/// Stores names under their numbers, unless another node has given a number to another name: then nothing.
///
/// # Errors
/// When the database does not take them.
pub fn store_names(shared: &Arc<Shared>, names: &Vocabulary) -> Result<(), StoreError> {
    let mut listed: (Vec<i16>, Vec<i32>, Vec<String>) = Default::default();
    let (mut kind, mut number) = (0, 0);
    for (of_kind, name) in names.entries() {
        if of_kind != kind {
            (kind, number) = (of_kind, 0);
        }
        listed.0.push(of_kind.into());
        listed.1.push(number);
        listed.2.push(name.to_owned());
        number += 1;
    }
    let others = shared.ask(move |session| async move {
        let (kinds, numbers, names) = listed;
        let insert = "INSERT INTO name (kind, number, name) SELECT * FROM unnest($1::int2[], $2::int4[], $3::text[]) AS u \
            ON CONFLICT DO NOTHING";
        let differ = "SELECT count(*) FROM unnest($1::int2[], $2::int4[], $3::text[]) AS u(kind, number, name) \
            LEFT JOIN name n USING (kind, number) WHERE n.name IS DISTINCT FROM u.name";
        session.client.execute(insert, &[&kinds, &numbers, &names]).await?;
        let row = session.client.query_one(differ, &[&kinds, &numbers, &names]).await?;
        Ok(row.get::<_, i64>(0))
    });
    let differ = others.map_err(StoreError::Database)?;
    shared.state.named.store(differ == 0, Ordering::Release);
    if differ == 0 {
        return Ok(());
    }
    let why = "another node has given numbers to other names at the same time: load the rules again";
    Err(StoreError::Database(why.into()))
}

/// Notes that rules are in force here. Rules that no node had before are the newest; those that are known keep their place.
///
/// # Errors
/// When the database does not take them.
pub fn begin_rules(shared: &Arc<Shared>, hash: &str) -> Result<(), StoreError> {
    let hash = hash.to_owned();
    let revision = shared.ask(move |session| async move {
        let insert = "INSERT INTO rules (revision, hash) SELECT (SELECT coalesce(max(revision), 0) + 1 FROM rules), $1 \
            WHERE NOT EXISTS (SELECT 1 FROM rules WHERE hash = $1) ON CONFLICT DO NOTHING";
        let newest = "SELECT max(revision) FROM rules WHERE hash = $1";
        loop {
            session.client.execute(insert, &[&hash]).await?;
            let row = session.client.query_one(newest, &[&hash]).await?;
            if let Some(revision) = row.get::<_, Option<i64>>(0) {
                return Ok(revision);
            }
        }
    });
    shared.state.rules.store(revision.map_err(StoreError::Database)?, Ordering::Release);
    Ok(())
}
