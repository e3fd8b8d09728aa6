//! Rules that are kept in the database: published by a command, and taken by the nodes that follow them.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use tokio_postgres::{Client, Error};

use super::database::{Database, chain};
use super::error::{DatabaseError, SCHEMA};
use super::shared::Shared;
use crate::store::StoreError;

/// The link, in the folder that a node keeps published rules in, to those in force.
const CURRENT: &str = "current";

/// A file of a rule folder: its path below the folder, and its text.
pub type PublishedFile = (String, String);

/// Rules that came into force at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its number: a later one is newer.
    pub number: i64,
    /// The name of the rule set.
    pub hash: String,
    /// When it was published, or first used, as the database writes it.
    pub since: String,
    /// How many files it has; 0 if a node made it from a folder of its own.
    pub files: i64,
}

/// The published rules of a database, for commands.
pub struct PublishedRules {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl std::fmt::Debug for PublishedRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PublishedRules")
    }
}

fn unusable(error: Error) -> DatabaseError {
    DatabaseError::Unusable(chain(&error))
}

impl PublishedRules {
    /// Connects to a database.
    ///
    /// # Errors
    /// When it cannot be used, or its schema is of another version.
    pub fn open(address: &str) -> Result<Self, DatabaseError> {
        let database = Database::parse(address)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(async {
            let client = database.session(true).await.map_err(unusable)?;
            let exists = client.query_one("SELECT to_regclass('store') IS NOT NULL", &[]).await.map_err(unusable)?;
            let found = if exists.get(0) {
                client.query_one("SELECT schema FROM store", &[]).await.map_err(unusable)?.get(0)
            } else {
                0
            };
            if found == SCHEMA { Ok(client) } else { Err(DatabaseError::Schema { found }) }
        })?;
        Ok(Self { runtime, client })
    }

    /// Makes rules the newest, unless they are. Returns their revision, and whether it is new.
    ///
    /// # Errors
    /// When the database does not take them: nothing is published then.
    pub fn publish(&mut self, hash: &str, files: Vec<PublishedFile>) -> Result<(i64, bool), DatabaseError> {
        let (paths, texts): (Vec<String>, Vec<String>) = files.into_iter().unzip();
        let Self { runtime, client } = self;
        let published = runtime.block_on(async {
            let transaction = client.transaction().await?;
            // Two at once would take the same number.
            transaction.batch_execute("LOCK TABLE rules IN SHARE ROW EXCLUSIVE MODE").await?;
            let newest = "SELECT r.revision, r.hash = $1 AND EXISTS (SELECT 1 FROM rule_file f WHERE f.revision = r.revision) \
                FROM rules r ORDER BY r.revision DESC LIMIT 1";
            let newest = transaction.query_opt(newest, &[&hash]).await?;
            let number: i64 = newest.as_ref().map_or(0, |row| row.get(0));
            if newest.is_some_and(|row| row.get(1)) {
                return Ok((number, false));
            }
            let number = number + 1;
            transaction.execute("INSERT INTO rules (revision, hash) VALUES ($1, $2)", &[&number, &hash]).await?;
            let insert = "INSERT INTO rule_file (revision, path, content) \
                SELECT $1, * FROM unnest($2::text[], $3::text[])";
            transaction.execute(insert, &[&number, &paths, &texts]).await?;
            transaction.commit().await?;
            Ok((number, true))
        });
        published.map_err(unusable)
    }

    /// All revisions, oldest first.
    ///
    /// # Errors
    /// When the database does not give them.
    pub fn list(&self) -> Result<Vec<Revision>, DatabaseError> {
        let statement = "SELECT revision, hash, to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), \
            (SELECT count(*) FROM rule_file f WHERE f.revision = r.revision) FROM rules r ORDER BY revision";
        let rows = self.runtime.block_on(self.client.query(statement, &[])).map_err(unusable)?;
        let revision = |row: &tokio_postgres::Row| {
            Ok(Revision {
                number: row.try_get(0)?,
                hash: row.try_get(1)?,
                since: row.try_get(2)?,
                files: row.try_get(3)?,
            })
        };
        rows.iter().map(revision).collect::<Result<_, _>>().map_err(unusable)
    }

    /// The files of a revision; none if it was not published.
    ///
    /// # Errors
    /// When the database does not give them.
    pub fn files(&self, revision: i64) -> Result<Vec<PublishedFile>, DatabaseError> {
        self.runtime.block_on(files(&self.client, revision)).map_err(unusable)
    }
}

async fn files(client: &Client, revision: i64) -> Result<Vec<PublishedFile>, Error> {
    let statement = "SELECT path, content FROM rule_file WHERE revision = $1 ORDER BY path";
    let rows = client.query(statement, &[&revision]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Puts the newest published rules into a folder, unless they are there. Returns where they are; `None` if none are published.
///
/// # Errors
/// When the database does not give them, or the disk does not take them: those before stay.
pub fn take(shared: &Shared, folder: &Path) -> Result<Option<PathBuf>, StoreError> {
    let newest = "SELECT max(revision) FROM rule_file";
    let newest = shared.ask(move |session| async move { session.client.query_one(newest, &[]).await });
    let Some(revision) = newest.map_err(StoreError::Database)?.get::<_, Option<i64>>(0) else { return Ok(None) };
    let (link, name) = (folder.join(CURRENT), format!("revision-{revision}"));
    if fs::read_link(&link).is_ok_and(|target| target == Path::new(&name)) {
        return Ok(Some(link));
    }
    let files = shared.ask(move |session| async move { files(&session.client, revision).await });
    let files = files.map_err(StoreError::Database)?;
    write(folder, &name, &files).map_err(|error| StoreError::Database(format!("published rules: {error}")))?;
    Ok(Some(link))
}

/// Writes files into a folder, all or none, and lets the link name it.
fn write(folder: &Path, name: &str, files: &[PublishedFile]) -> io::Result<()> {
    let (to, fresh) = (folder.join(name), folder.join("next"));
    if to.exists() {
        fs::remove_dir_all(&to)?;
    }
    write_files(&to, files)?;
    if fs::symlink_metadata(&fresh).is_ok() {
        fs::remove_file(&fresh)?;
    }
    let before = fs::read_link(folder.join(CURRENT));
    std::os::unix::fs::symlink(name, &fresh)?;
    fs::rename(&fresh, folder.join(CURRENT))?;
    match before {
        Ok(before) if before != Path::new(name) => fs::remove_dir_all(folder.join(before)),
        _ => Ok(()),
    }
}

/// Writes the files of a revision into a folder.
///
/// # Errors
/// When a path leads out of the folder, or the disk fails.
pub fn write_files(folder: &Path, files: &[PublishedFile]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (path, text) in files {
        let path = Path::new(path);
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::other(format!("`{}` is not a path below the folder", path.display())));
        }
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        fs::write(file, text)?;
    }
    Ok(())
}
