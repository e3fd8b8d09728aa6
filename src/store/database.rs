//! The embedded key-value store under the customers. A batch is atomic and durable once committed.
//!
//! The only module that names fjall. Its blocks carry checksums that are verified at every read. What it cannot detect,
//! a write-ahead log whose end is missing, its caller detects by the number of the last flush.

use std::io::ErrorKind;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use fjall::{Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};

use super::StoreError;
use crate::io_at::IoAt;

/// Bytes of the block cache, and of the write buffer of each keyspace: together the bound on its memory.
const CACHE: u64 = 16 << 20;
const BUFFER: u64 = 16 << 20;
/// Keyspaces. The second name is part of the disk format.
const CUSTOMERS: &str = "customers";
const METADATA: &str = "about";

/// Keys and values, in the order of the keys.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The open database.
pub struct Database {
    folder: PathBuf,
    /// Nothing while it cannot be opened.
    parts: RwLock<Option<Parts>>,
    /// A commit failed: the database refuses writes until it is opened again.
    failed: AtomicBool,
}

/// A database and its keyspaces.
struct Parts {
    database: fjall::Database,
    customers: Keyspace,
    metadata: Keyspace,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Database")
    }
}

/// The changes of one batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Keys of customers with their new values; without a value the key is removed.
    pub customers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub metadata: Pairs,
}

impl Database {
    /// Opens the database in a folder, or creates it.
    ///
    /// # Errors
    /// When the disk fails, another process has it open, or it is damaged.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let parts = RwLock::new(Some(Parts::open(folder)?));
        Ok(Self { folder: folder.to_owned(), parts, failed: AtomicBool::new(false) })
    }

    /// Whether a commit failed since the database was opened: [`Database::reopen`].
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Opens the database again after a failed commit. What it holds must be checked before it counts as whole
    /// ([`Database::trust`]): the failed batch may be in it or not.
    ///
    /// # Errors
    /// When it still cannot be opened. Nothing can be read until it is.
    pub fn reopen(&self) -> Result<(), StoreError> {
        let mut parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
        // First, because it locks its folder.
        *parts = None;
        *parts = Some(Parts::open(&self.folder)?);
        Ok(())
    }

    /// Takes writes again.
    pub fn trust(&self) {
        self.failed.store(false, Ordering::Release);
    }

    fn with<T>(&self, work: impl FnOnce(&Parts) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let parts = self.parts.read().unwrap_or_else(PoisonError::into_inner);
        parts
            .as_ref()
            .map_or_else(|| Err(StoreError::Database("they are closed, because their disk failed".into())), work)
    }

    /// The stored bytes of a customer.
    ///
    /// # Errors
    /// When the disk fails, or the block is damaged.
    pub fn customer(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|parts| parts.customers.get(key).map(|found| found.map(|value| value.to_vec())).map_err(failed))
    }

    /// At most `max` customers whose keys are in the half-open range `from..to`.
    ///
    /// # Errors
    /// When the disk fails, or a block is damaged.
    pub fn customers(&self, from: &[u8], to: Option<&[u8]>, max: usize) -> Result<Pairs, StoreError> {
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        self.with(|parts| pairs(parts.customers.range::<&[u8], _>((Bound::Included(from), to)).take(max)))
    }

    /// All customers whose keys are in the half-open range `from..to`, but for those in and between damaged blocks.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn readable_customers(&self, from: &[u8], to: Option<&[u8]>) -> Result<Pairs, StoreError> {
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        self.with(|parts| {
            let range = || parts.customers.range::<&[u8], _>((Bound::Included(from), to));
            let (mut found, damaged) = readable(range())?;
            if damaged {
                let (behind, _) = readable(range().rev())?;
                let last = found.last().map(|(key, _)| key.clone());
                found.extend(behind.into_iter().take_while(|(key, _)| Some(key) > last.as_ref()));
            }
            Ok(found)
        })
    }

    /// The metadata whose keys begin with a prefix.
    ///
    /// # Errors
    /// When the disk fails, or a block is damaged.
    pub fn metadata(&self, prefix: &[u8]) -> Result<Pairs, StoreError> {
        self.with(|parts| pairs(parts.metadata.prefix(prefix)))
    }

    /// Writes a batch and syncs it to disk.
    ///
    /// # Errors
    /// When the disk fails. The database then refuses every write until it is opened again.
    pub fn commit(&self, changes: Batch) -> Result<(), StoreError> {
        let committed = self.with(|Parts { database, customers, metadata }| {
            let mut batch = database.batch().durability(Some(PersistMode::SyncData));
            for (key, value) in changes.customers {
                match value {
                    Some(value) => batch.insert(customers, key, value),
                    None => batch.remove(customers, key),
                }
            }
            for (key, value) in changes.metadata {
                batch.insert(metadata, key, value);
            }
            batch.commit().map_err(failed)
        });
        committed.inspect_err(|_| self.failed.store(true, Ordering::Release))
    }

    /// The content of both keyspaces at this moment, unaffected by later writes.
    ///
    /// # Errors
    /// When the database is closed.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.with(|Parts { database, customers, metadata }| {
            let (customers, metadata) = (customers.clone(), metadata.clone());
            Ok(Snapshot { snapshot: database.snapshot(), customers, metadata })
        })
    }

    /// The bytes that its files take on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.with(|parts| parts.database.disk_space().map_err(failed)).unwrap_or(0)
    }
}

impl Parts {
    fn open(folder: &Path) -> Result<Self, StoreError> {
        let open = || {
            let database = fjall::Database::builder(folder).cache_size(CACHE).worker_threads(1).open()?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(BUFFER);
            let (customers, metadata) = (database.keyspace(CUSTOMERS, options)?, database.keyspace(METADATA, options)?);
            Ok(Self { database, customers, metadata })
        };
        // Damaged files can make it panic.
        let opened = std::panic::catch_unwind(open).unwrap_or(Err(fjall::Error::Unrecoverable));
        opened.map_err(|error| match error {
            fjall::Error::Locked => StoreError::InUse(folder.to_owned()),
            error => match io_error(&error) {
                Some(error) => IoAt::new(folder, std::io::Error::new(error.kind(), error.to_string())).into(),
                None => StoreError::Unreadable { path: folder.to_owned(), why: error.to_string() },
            },
        })
    }
}

/// A consistent view of both keyspaces. While it lives, nothing in it is removed from disk.
pub struct Snapshot {
    snapshot: fjall::Snapshot,
    customers: Keyspace,
    metadata: Keyspace,
}

impl Snapshot {
    /// All pairs, each with whether it belongs to a customer: the metadata first, then the customers.
    pub fn pairs(&self) -> impl Iterator<Item = Result<(bool, fjall::KvPair), StoreError>> {
        let metadata = self.snapshot.iter(&self.metadata).map(|pair| (false, pair));
        let customers = self.snapshot.iter(&self.customers).map(|pair| (true, pair));
        metadata.chain(customers).map(|(is_customer, pair)| Ok((is_customer, pair.into_inner().map_err(failed)?)))
    }
}

fn pairs(found: impl Iterator<Item = fjall::Guard>) -> Result<Pairs, StoreError> {
    found.map(|pair| pair.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec())).map_err(failed)).collect()
}

/// The pairs up to a damaged block, and whether there was one.
fn readable(found: impl Iterator<Item = fjall::Guard>) -> Result<(Pairs, bool), StoreError> {
    let mut readable = Vec::new();
    for pair in found {
        match pair.into_inner().map_err(failed) {
            Ok((key, value)) => readable.push((key.to_vec(), value.to_vec())),
            Err(StoreError::Damaged) => return Ok((readable, true)),
            Err(error) => return Err(error),
        }
    }
    Ok((readable, false))
}

/// The error of the disk under an error, unless it says that a file is too short or missing: that is damage.
fn io_error(error: &fjall::Error) -> Option<&std::io::Error> {
    let (fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))) = error else { return None };
    let damage = [ErrorKind::UnexpectedEof, ErrorKind::InvalidData, ErrorKind::NotFound];
    (!damage.contains(&error.kind())).then_some(error)
}

fn failed(error: fjall::Error) -> StoreError {
    if io_error(&error).is_some() || matches!(error, fjall::Error::Poisoned | fjall::Error::Locked) {
        StoreError::Database(error.to_string())
    } else {
        StoreError::Damaged
    }
}
