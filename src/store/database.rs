//! The embedded store under the customers: bytes by key, in batches that are durable whole or not at all.
//!
//! The only module that names fjall. Its blocks carry checksums that are checked at every read; what it cannot see, a
//! journal whose end is gone, its caller sees by the number of the last batch.

use std::path::Path;

use fjall::{Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};

use super::StoreError;

/// Blocks kept in memory, and what is written before it is sorted into files: together the most of its memory.
const CACHE: u64 = 16 << 20;
const BUFFER: u64 = 16 << 20;
/// Customers, and everything that is not one.
const CUSTOMERS: &str = "customers";
const ABOUT: &str = "about";

/// Keys and values, in the order of the keys.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The database, open.
pub struct Database {
    database: fjall::Database,
    customers: Keyspace,
    about: Keyspace,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Database")
    }
}

/// What one batch changes: what has no value goes away.
#[derive(Debug, Default)]
pub struct Batch {
    /// Customers.
    pub customers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// What is not a customer.
    pub about: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Database {
    /// Opens a folder, or begins there.
    ///
    /// # Errors
    /// When the disk refuses, another process has it, or it is not as it was written.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let open = || {
            let database = fjall::Database::builder(folder).cache_size(CACHE).worker_threads(1).open()?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(BUFFER);
            let (customers, about) = (database.keyspace(CUSTOMERS, options)?, database.keyspace(ABOUT, options)?);
            Ok(Self { database, customers, about })
        };
        open().map_err(|error| match error {
            fjall::Error::Locked => StoreError::InUse(folder.to_owned()),
            error => StoreError::Closed { path: folder.to_owned(), why: error.to_string() },
        })
    }

    /// A customer's bytes.
    ///
    /// # Errors
    /// When the disk refuses, or they are not as they were written.
    pub fn customer(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.customers.get(key).map(|found| found.map(|value| value.to_vec())).map_err(failed)
    }

    /// The first few customers from a key on, up to another.
    ///
    /// # Errors
    /// When the disk refuses, or they are not as they were written.
    pub fn customers(&self, from: &[u8], to: Option<&[u8]>, most: usize) -> Result<Pairs, StoreError> {
        let to = to.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        pairs(self.customers.range::<&[u8], _>((std::ops::Bound::Included(from), to)).take(most))
    }

    /// What is not a customer, by the beginning of its key.
    ///
    /// # Errors
    /// When the disk refuses, or it is not as it was written.
    pub fn about(&self, prefix: &[u8]) -> Result<Pairs, StoreError> {
        pairs(self.about.prefix(prefix))
    }

    /// Writes a batch, and makes it durable.
    ///
    /// # Errors
    /// When the disk refuses; nothing more is taken then until it is opened again.
    pub fn commit(&self, changes: Batch) -> Result<(), StoreError> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in changes.customers {
            match value {
                Some(value) => batch.insert(&self.customers, key, value),
                None => batch.remove(&self.customers, key),
            }
        }
        for (key, value) in changes.about {
            batch.insert(&self.about, key, value);
        }
        batch.commit().map_err(failed)
    }

    /// Everything there is at this moment, whatever is written from here on.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { moment: self.database.snapshot(), customers: self.customers.clone(), about: self.about.clone() }
    }

    /// How many bytes its files take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.database.disk_space().unwrap_or(0)
    }
}

/// Everything there was at a moment. As long as it lives, none of it leaves the disk.
pub struct Snapshot {
    moment: fjall::Snapshot,
    customers: Keyspace,
    about: Keyspace,
}

impl Snapshot {
    /// What is not a customer, and then the customers: whether it is one, key and value.
    pub fn pairs(&self) -> impl Iterator<Item = Result<(bool, fjall::KvPair), StoreError>> {
        let about = self.moment.iter(&self.about).map(|pair| (false, pair));
        let customers = self.moment.iter(&self.customers).map(|pair| (true, pair));
        about.chain(customers).map(|(is_customer, pair)| Ok((is_customer, pair.into_inner().map_err(failed)?)))
    }
}

fn pairs(found: impl Iterator<Item = fjall::Guard>) -> Result<Pairs, StoreError> {
    found.map(|pair| pair.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec())).map_err(failed)).collect()
}

fn failed(error: fjall::Error) -> StoreError {
    StoreError::Failed(error.to_string())
}
