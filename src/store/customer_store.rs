//! The customers on disk, each encrypted, so that an erased customer cannot be read from any file, however old.
//!
//! A customer is stored under its pseudonym. The first twelve bits of the pseudonym select one of 4,096 buckets, and
//! each bucket has an encryption key. To erase a customer, the other customers of the bucket are encrypted under a new
//! key and the old key is destroyed, which makes stale pages of the embedded store unreadable too.
//! `docs/decisions/015-where-customers-are-kept.md` has the reasons.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::StoreError;
use super::codec::{self, StoredCustomer};
use super::contact_log::{ContactLog, LogEntry, LoggedChange};
use super::database::{Batch, Database};
use super::memory::FlushOp;
use super::metadata::{self, Progress};
use super::replay;
use crate::domain::id::Vocabulary;
use crate::domain::time::Moment;
use crate::io_at::AtPath as _;
use crate::ledger::{DataFolder, ErasedPerson, KeyName, Pseudonym, Pseudonyms, Vault};

/// The number of buckets, and so of encryption keys in use.
const BUCKETS: u16 = 4_096;
/// Bytes before the ciphertext of a stored customer: format version and position of the last erasure.
const HEADER: usize = 9;
/// The number of customers in one batch of a replay.
const REPLAY_BATCH: usize = 10_000;
/// The most spellings of one customer id that an erasure finds.
const MAX_SPELLINGS: usize = 1_000;

/// The open store.
#[derive(Debug)]
pub struct CustomerStore {
    pub(super) folder: PathBuf,
    pub(super) database: Database,
    pseudonyms: Pseudonyms,
    keys: RwLock<BucketKeys>,
    log: Arc<ContactLog>,
    writer: Mutex<WriterState>,
    counts: StoreCounts,
}

#[derive(Debug)]
pub(super) struct BucketKeys {
    pub(super) vault: Vault,
    buckets: BTreeMap<u16, KeyName>,
}

/// The state after the last flush. The thread that holds it is the only one that writes.
#[derive(Debug, Default)]
pub struct WriterState {
    /// The number of stored names of each kind.
    names: Vec<u32>,
    /// The number of the last flush.
    flush: u64,
    /// The moment of the next flush, which the store records.
    pub now: Moment,
}

/// One customer of a flush.
#[derive(Debug)]
pub struct CustomerFlush<'c> {
    /// The customer's id.
    pub id: &'c str,
    /// The position of the customer's last erasure in the ledger; 0 if there was none.
    pub erased_at: u64,
    /// What is written.
    pub op: FlushOp,
}

/// Counters since the store was opened.
#[derive(Debug, Default)]
pub struct StoreCounts {
    /// Customers read from disk.
    pub loaded: AtomicU64,
    /// Customers evicted from memory.
    pub evicted: AtomicU64,
    /// Reads of a damaged customer.
    pub damaged: AtomicU64,
    /// Customers written or removed.
    pub written: AtomicU64,
    /// Whether the last flush failed.
    pub failing: AtomicBool,
}

/// A store with what was read when it was opened.
#[derive(Debug)]
pub struct OpenedStore {
    /// The store, ready for reads and writes.
    pub store: CustomerStore,
    /// The names that stored customers refer to, under the same ids.
    pub vocabulary: Vocabulary,
    /// The repairs that were made.
    pub recovery: StoreRecovery,
    /// The moment of the last flush, if it is recorded.
    pub flushed: Option<Moment>,
}

/// The repairs that were made when a store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreRecovery {
    /// Entries of the contact log that were replayed.
    pub replayed: usize,
    /// Entries of the contact log that were damaged.
    pub damaged: u64,
    /// Customers who were in the files although they had been erased.
    pub erased: usize,
}

impl std::fmt::Display for StoreRecovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { replayed, damaged, erased } = self;
        let repairs = [
            (*replayed > 0).then(|| format!("{replayed} contacts and outcomes of an unclean stop were replayed")),
            (*damaged > 0).then(|| format!("{damaged} contacts or outcomes of an unclean stop are damaged, and lost")),
            (*erased > 0).then(|| format!("{erased} erased customers had come back, and were erased again")),
        ];
        f.write_str(&repairs.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

impl CustomerStore {
    /// Opens the store of a data folder or creates it, replays the contact log, and repeats the erasures that an older
    /// copy of the files has undone.
    ///
    /// # Errors
    /// When the disk fails, another process has the store open, or it is damaged.
    pub fn open(data: &Path, mut vault: Vault, erased: &[ErasedPerson]) -> Result<OpenedStore, StoreError> {
        let data = DataFolder::new(data);
        let folder = data.customers();
        let database = Database::open(&data.customer_records())?;
        metadata::check_format(&database, &folder)?;
        let vocabulary = metadata::read_names(&database)?;
        let buckets = metadata::read_bucket_keys(&database)?;
        let Progress { flush, drained, flushed } = Progress::read(&database)?;
        let found = ContactLog::read(&folder)?;
        if found.durable_flush > flush {
            return Err(StoreError::Truncated { path: folder, written: found.durable_flush, found: flush });
        }
        let used: HashSet<KeyName> = buckets.values().copied().collect();
        vault.retain_keys(&used).at(&folder)?;
        let last = found.entries.iter().map(|(segment, _)| *segment).max().unwrap_or(0).max(drained);
        let store = Self {
            database,
            pseudonyms: vault.pseudonyms(),
            keys: RwLock::new(BucketKeys { vault, buckets }),
            log: Arc::new(ContactLog::open(&folder, last)?),
            writer: Mutex::new(WriterState { names: vocabulary.sizes(), flush, now: flushed.unwrap_or_default() }),
            counts: StoreCounts::default(),
            folder,
        };
        let entries = found.entries.into_iter().filter(|(segment, _)| *segment > drained);
        let entries: Vec<LogEntry> = entries.map(|(_, entry)| entry).collect();
        let replayed = entries.len();
        store.replay(entries, last)?;
        let recovery = StoreRecovery { replayed, damaged: found.damaged, erased: store.repeat_erasures(erased)? };
        Ok(OpenedStore { store, vocabulary, recovery, flushed })
    }

    /// The log of contacts that are not in the stored customers yet.
    #[must_use]
    pub fn contact_log(&self) -> &Arc<ContactLog> {
        &self.log
    }

    /// Counters since the store was opened.
    #[must_use]
    pub fn counts(&self) -> &StoreCounts {
        &self.counts
    }

    /// The bytes that the embedded store takes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.database.bytes()
    }

    /// The names that stored customers refer to, under the same ids.
    ///
    /// # Errors
    /// When the disk fails, or the names are damaged.
    pub fn names(&self) -> Result<Vocabulary, StoreError> {
        metadata::read_names(&self.database)
    }

    /// The pseudonym of a customer.
    #[must_use]
    pub fn pseudonym(&self, customer: &str) -> Pseudonym {
        self.pseudonyms.of(customer)
    }

    /// Reads a customer. `erased_at` is the position of the customer's last erasure in the ledger; a customer that was
    /// written before that erasure is not returned.
    ///
    /// # Errors
    /// When the disk fails, or the customer is damaged.
    pub fn read(&self, customer: &str, erased_at: Option<u64>) -> Result<Option<StoredCustomer>, StoreError> {
        let keys = self.keys();
        let who = self.pseudonym(customer);
        let Some(bytes) = self.database.customer(&who.0)? else { return Ok(None) };
        let opened = keys.open(who, &bytes).and_then(|(position, plain)| Some((position, codec::decode(&plain)?)));
        let Some((position, stored)) = opened else {
            self.counts.damaged.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::Damaged);
        };
        self.counts.loaded.fetch_add(1, Ordering::Relaxed);
        // Equal, not at least: positions start at 1 again in a new log.
        Ok((position == erased_at.unwrap_or(0)).then_some(stored))
    }

    /// At most `max` customers whose pseudonyms are `from` or later, and the pseudonym of the next page; `None` after
    /// the last page. Damaged customers are left out.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn read_page(
        &self,
        from: Pseudonym,
        max: usize,
    ) -> Result<(Vec<StoredCustomer>, Option<Pseudonym>), StoreError> {
        let keys = self.keys();
        let found = self.database.customers(&from.0, None, max)?;
        let next = found.get(max.saturating_sub(1)).and_then(|(key, _)| after(pseudonym(key)?));
        let open = |(key, bytes): &(Vec<u8>, Vec<u8>)| codec::decode(&keys.open(pseudonym(key)?, bytes)?.1);
        Ok((found.iter().filter_map(open).collect(), next))
    }

    /// Whether the last flush failed, or the contact log cannot be written.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.counts.failing.load(Ordering::Acquire) || self.log.is_failing()
    }

    /// Locks the store for writing.
    pub fn writer(&self) -> MutexGuard<'_, WriterState> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Flushes customers and new names in one durable batch. `drained` is the segment of the contact log whose entries
    /// are all in the store after this batch.
    ///
    /// # Errors
    /// When the disk fails. Nothing of the batch is stored then.
    pub fn write(
        &self,
        writer: &mut WriterState,
        customers: &[CustomerFlush<'_>],
        vocabulary: &Vocabulary,
        drained: Option<u64>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch { metadata: metadata::new_names(&writer.names, vocabulary), ..Batch::default() };
        if customers.is_empty() && batch.metadata.is_empty() && drained.is_none() {
            return Ok(());
        }
        let result = self.seal_all(customers, &mut batch).and_then(|()| self.commit(writer, batch, drained));
        self.report(&result);
        result?;
        writer.names = vocabulary.sizes();
        self.counts.written.fetch_add(customers.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Notes whether customers can be stored, for health and metrics, and logs when that changes.
    pub fn report(&self, result: &Result<(), StoreError>) {
        let failing = result.is_err();
        if self.counts.failing.swap(failing, Ordering::AcqRel) != failing {
            match result {
                Err(error) => tracing::error!(%error, "customers cannot be stored; they stay in memory"),
                Ok(()) => tracing::info!("customers are stored again"),
            }
        }
    }

    fn seal_all(&self, customers: &[CustomerFlush<'_>], batch: &mut Batch) -> Result<(), StoreError> {
        let named: Vec<_> = customers.iter().map(|customer| (self.pseudonym(customer.id), customer)).collect();
        self.ensure_keys(named.iter().map(|(who, _)| *who), batch)?;
        let keys = self.keys();
        for (who, CustomerFlush { erased_at, op, .. }) in named {
            let value = match op {
                FlushOp::Delete => None,
                FlushOp::Put(plain) => Some(keys.seal(who, *erased_at, plain).ok_or(StoreError::Damaged)?),
            };
            batch.customers.push((who.0.to_vec(), value));
        }
        Ok(())
    }

    /// Gives a key to each bucket that lacks one. Readers wait only if one does.
    fn ensure_keys(&self, customers: impl Iterator<Item = Pseudonym>, batch: &mut Batch) -> Result<(), StoreError> {
        let keys = self.keys();
        let lacking: BTreeSet<u16> =
            customers.map(bucket).filter(|bucket| !keys.buckets.contains_key(bucket)).collect();
        drop(keys);
        if lacking.is_empty() {
            return Ok(());
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        // All or none: a key that encrypts customers but is not in the metadata would be destroyed at the next start.
        let new = lacking.into_iter().map(|bucket| Ok((bucket, keys.vault.new_key()?)));
        let new: Vec<_> = new.collect::<std::io::Result<_>>().at(&self.folder)?;
        batch.metadata.extend(new.iter().map(|(bucket, key)| metadata::bucket_key(*bucket, *key)));
        keys.buckets.extend(new);
        Ok(())
    }

    /// Commits a batch as the next flush, and records it in the contact log.
    fn commit(&self, writer: &mut WriterState, mut batch: Batch, drained: Option<u64>) -> Result<(), StoreError> {
        let flush = writer.flush + 1;
        batch.metadata.extend(metadata::progress(flush, writer.now, drained));
        self.database.commit(batch)?;
        writer.flush = flush;
        Ok(self.log.record_flush(flush, drained).at(&self.folder)?)
    }

    /// Erases a customer: afterwards no file holds anything readable about them.
    ///
    /// # Errors
    /// When the disk fails. The erasure must be repeated then.
    pub fn erase(&self, _writer: &mut WriterState, customer: &str) -> Result<(), StoreError> {
        // Even if the customer is not stored now: stale pages of the embedded store may hold an earlier version.
        self.remove_and_rekey(&[self.pseudonym(customer)])
    }

    /// Erases the customers that were written before their erasure: the files are an older copy, or an erasure was
    /// interrupted. Returns how many there were.
    fn repeat_erasures(&self, erased: &[ErasedPerson]) -> Result<usize, StoreError> {
        let mut stale = Vec::new();
        for ErasedPerson { person, position } in erased {
            let spellings = self.database.customers(person, None, MAX_SPELLINGS)?;
            for (key, bytes) in spellings.iter().take_while(|(key, _)| key.starts_with(person)) {
                if erasure_position(bytes) != Some(*position) {
                    stale.extend(pseudonym(key));
                }
            }
        }
        if !stale.is_empty() {
            self.remove_and_rekey(&stale)?;
        }
        Ok(stale.len())
    }

    /// Removes customers, encrypts the others of their buckets under new keys, and destroys the old keys.
    fn remove_and_rekey(&self, removed: &[Pseudonym]) -> Result<(), StoreError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let buckets: BTreeSet<u16> = removed.iter().map(|who| bucket(*who)).collect();
        for bucket in buckets {
            let Some(old) = keys.buckets.get(&bucket).copied() else { continue };
            let new = keys.vault.new_key().at(&self.folder)?;
            let mut batch = Batch { metadata: vec![metadata::bucket_key(bucket, new)], ..Batch::default() };
            let to = bucket.checked_add(16).map(|next| next.to_be_bytes());
            let to = to.as_ref().map(<[u8; 2]>::as_slice);
            for (key, bytes) in self.database.customers(&bucket.to_be_bytes(), to, usize::MAX)? {
                let Some(who) = pseudonym(&key) else { continue };
                let remains = !removed.contains(&who);
                let opened = keys.open(who, &bytes).filter(|_| remains);
                let resealed = opened.and_then(|(position, plain)| seal(&keys.vault, new, who, position, &plain));
                // A damaged customer stays as it is, and is reported when it is read.
                if !remains || resealed.is_some() {
                    batch.customers.push((key, resealed));
                }
            }
            self.database.commit(batch)?;
            keys.buckets.insert(bucket, new);
            keys.vault.destroy_keys(&[old]).at(&self.folder)?;
        }
        Ok(())
    }

    /// Applies entries of the contact log to the stored customers, and empties the log. `last` is the last segment.
    fn replay(&self, entries: Vec<LogEntry>, last: u64) -> Result<(), StoreError> {
        let mut customers: BTreeMap<[u8; 20], Vec<LoggedChange>> = BTreeMap::new();
        for entry in entries {
            customers.entry(entry.customer).or_default().push(entry.change);
        }
        let (mut writer, customers) = (self.writer(), Vec::from_iter(customers));
        for chunk in customers.chunks(REPLAY_BATCH) {
            let mut batch = Batch::default();
            self.ensure_keys(chunk.iter().map(|(who, _)| Pseudonym(*who)), &mut batch)?;
            for (who, changes) in chunk {
                let who = Pseudonym(*who);
                let (bytes, keys) = (self.database.customer(&who.0)?, self.keys());
                let opened = bytes.as_ref().map(|bytes| keys.open(who, bytes));
                let opened = match opened {
                    Some(opened) => opened.and_then(|(position, plain)| Some((position, codec::decode(&plain)?))),
                    None => Some((0, StoredCustomer::default())),
                };
                // A damaged customer stays as it is: its limits count as used up, which covers these entries.
                let Some((position, mut stored)) = opened else { continue };
                changes.iter().for_each(|change| replay::apply(&mut stored, change));
                batch.customers.push((who.0.to_vec(), keys.seal(who, position, &stored.encode()?)));
            }
            self.commit(&mut writer, batch, None)?;
        }
        // Last: the segments are drained once every batch is durable.
        self.commit(&mut writer, Batch::default(), Some(last))?;
        Ok(self.log.truncate(writer.flush).at(&self.folder)?)
    }

    pub(super) fn keys(&self) -> RwLockReadGuard<'_, BucketKeys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BucketKeys {
    fn seal(&self, who: Pseudonym, erased_at: u64, plain: &[u8]) -> Option<Vec<u8>> {
        seal(&self.vault, *self.buckets.get(&bucket(who))?, who, erased_at, plain)
    }

    /// The position of the customer's last erasure when the bytes were written, and the plaintext in the current
    /// version; `None` if the bytes are damaged.
    pub(super) fn open(&self, who: Pseudonym, bytes: &[u8]) -> Option<(u64, Vec<u8>)> {
        let (header, sealed) = bytes.split_first_chunk::<HEADER>()?;
        let key = self.buckets.get(&bucket(who))?;
        let plain = self.vault.open_sealed(*key, &[who.0.as_slice(), header].concat(), sealed)?;
        let (version, position) = header.split_first()?;
        Some((metadata::number(position)?, codec::upgrade(*version, plain)?))
    }
}

/// The stored bytes of a customer: header and ciphertext, which is bound to header and pseudonym.
fn seal(vault: &Vault, key: KeyName, who: Pseudonym, erased_at: u64, plain: &[u8]) -> Option<Vec<u8>> {
    let header = [[codec::VERSION].as_slice(), &erased_at.to_le_bytes()].concat();
    let sealed = vault.seal(key, &[who.0.as_slice(), &header].concat(), plain)?;
    Some([header, sealed].concat())
}

/// The position in a header; `None` if its version is unknown.
fn erasure_position(bytes: &[u8]) -> Option<u64> {
    bytes
        .split_first()
        .filter(|(version, _)| (1..=codec::VERSION).contains(*version))
        .and_then(|(_, rest)| metadata::number(rest))
}

/// The first twelve bits of a pseudonym, followed by four zero bits.
fn bucket(who: Pseudonym) -> u16 {
    let [high, low, ..] = who.0;
    u16::from_be_bytes([high, low]) & !(u16::MAX / BUCKETS)
}

pub(super) fn pseudonym(key: &[u8]) -> Option<Pseudonym> {
    key.try_into().ok().map(Pseudonym)
}

/// The pseudonym that follows; `None` after the last one possible.
fn after(who: Pseudonym) -> Option<Pseudonym> {
    let mut next = who.0;
    for byte in next.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(Pseudonym(next));
        }
    }
    None
}
