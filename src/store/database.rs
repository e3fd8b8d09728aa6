//! The embedded key-value store under the customers. A batch is atomic and durable once committed.
//!
//! The only module that names fjall. Its blocks carry checksums that are verified at every read. What it cannot detect,
//! a write-ahead log whose end is missing, its caller detects by the number of the last flush.

use std::path::Path;

use fjall::{Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};

use super::StoreError;

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
        let open = || {
            let database = fjall::Database::builder(folder).cache_size(CACHE).worker_threads(1).open()?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(BUFFER);
            let (customers, metadata) = (database.keyspace(CUSTOMERS, options)?, database.keyspace(METADATA, options)?);
            Ok(Self { database, customers, metadata })
        };
        open().map_err(|error| match error {
            fjall::Error::Locked => StoreError::InUse(folder.to_owned()),
            error => StoreError::Unreadable { path: folder.to_owned(), why: error.to_string() },
        })
    }

    /// The stored bytes of a customer.
    ///
    /// # Errors
    /// When the disk fails, or the block is damaged.
    pub fn customer(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.customers.get(key).map(|found| found.map(|value| value.to_vec())).map_err(failed)
    }

    /// At most `max` customers whose keys are in the half-open range `from..to`.
    ///
    /// # Errors
    /// When the disk fails, or a block is damaged.
    pub fn customers(&self, from: &[u8], to: Option<&[u8]>, max: usize) -> Result<Pairs, StoreError> {
        let to = to.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        pairs(self.customers.range::<&[u8], _>((std::ops::Bound::Included(from), to)).take(max))
    }

    /// The metadata whose keys begin with a prefix.
    ///
    /// # Errors
    /// When the disk fails, or a block is damaged.
    pub fn metadata(&self, prefix: &[u8]) -> Result<Pairs, StoreError> {
        pairs(self.metadata.prefix(prefix))
    }

    /// Writes a batch and syncs it to disk.
    ///
    /// # Errors
    /// When the disk fails. The database then refuses every write until it is opened again.
    pub fn commit(&self, changes: Batch) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in changes.customers {
            match value {
                Some(value) => batch.insert(&self.customers, key, value),
                None => batch.remove(&self.customers, key),
            }
        }
        for (key, value) in changes.metadata {
            batch.insert(&self.metadata, key, value);
        }
        batch.commit().map_err(failed)
    }

    /// The content of both keyspaces at this moment, unaffected by later writes.
    pub fn snapshot(&self) -> Snapshot {
        let (customers, metadata) = (self.customers.clone(), self.metadata.clone());
        Snapshot { snapshot: self.database.snapshot(), customers, metadata }
    }

    /// The bytes that its files take on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.database.disk_space().unwrap_or(0)
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

fn failed(error: fjall::Error) -> StoreError {
    StoreError::Database(error.to_string())
}
