//! The customers on disk, each encrypted, so that an erased customer cannot be read from any file, however old.
//!
//! A customer is stored under its pseudonym. The first twelve bits of the pseudonym select one of 4,096 buckets, and
//! each bucket has an encryption key. To erase a customer, the other customers of the bucket are encrypted under a new
//! key and the old key is destroyed, which makes stale pages of the embedded store unreadable too.
//! `docs/decisions/015-where-customers-are-kept.md` has the reasons.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::StoreError;
use super::bucket_keys::{BucketKeys, bucket, next_bucket, seal};
use super::codec::{self, StoredCustomer};
use super::contact_log::ContactLog;
use super::database::{Batch, Database};
use super::head::StoreHead;
use super::memory::FlushOp;
use super::metadata::{self, Loss, Progress};
use crate::domain::id::Vocabulary;
use crate::domain::time::Moment;
use crate::io_at::AtPath as _;
use crate::ledger::{KeyName, Pseudonym, Pseudonyms};

/// The open store.
#[derive(Debug)]
pub struct CustomerStore {
    pub(super) folder: PathBuf,
    pub(super) database: Database,
    pub(super) pseudonyms: Pseudonyms,
    pub(super) keys: RwLock<BucketKeys>,
    pub(super) log: Arc<ContactLog>,
    pub(super) writer: Mutex<WriterState>,
    pub(super) counts: StoreCounts,
    /// The store's own number, and the keys folder that remembers it.
    pub(super) id: u64,
    pub(super) keys_folder: PathBuf,
    pub(super) loss: RwLock<Loss>,
}

/// The state after the last flush. The thread that holds it is the only one that writes.
#[derive(Debug, Default)]
pub struct WriterState {
    /// The number of stored names of each kind.
    pub(super) names: Vec<u32>,
    /// The number of the last flush.
    pub(super) flush: u64,
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

impl CustomerStore {
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
        let found = self.database.customer(&who.0).inspect_err(|error| self.note_damage(error))?;
        let Some(bytes) = found else { return Ok(None) };
        let opened = keys.open(who, &bytes).and_then(|(position, plain)| Some((position, codec::decode(&plain)?)));
        let opened = opened.ok_or(StoreError::Damaged).inspect_err(|error| self.note_damage(error));
        let (position, stored) = opened?;
        self.counts.loaded.fetch_add(1, Ordering::Relaxed);
        // Equal, not at least: positions start at 1 again in a new log.
        Ok((position == erased_at.unwrap_or(0)).then_some(stored))
    }

    /// At most `max` customers whose pseudonyms are `from` or later, and the pseudonym of the next page; `None` after
    /// the last page. Damaged customers are left out, and if a part of the store is damaged, the rest of its bucket.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn read_page(
        &self,
        from: Pseudonym,
        max: usize,
    ) -> Result<(Vec<StoredCustomer>, Option<Pseudonym>), StoreError> {
        let keys = self.keys();
        let found = match self.database.customers(&from.0, None, max) {
            Err(StoreError::Damaged) => return Ok((Vec::new(), next_bucket(from))),
            found => found?,
        };
        let next = found.get(max.saturating_sub(1)).and_then(|(key, _)| after(pseudonym(key)?));
        let open = |(key, bytes): &(Vec<u8>, Vec<u8>)| codec::decode(&keys.open(pseudonym(key)?, bytes)?.1);
        Ok((found.iter().filter_map(open).collect(), next))
    }

    fn note_damage(&self, error: &StoreError) {
        if matches!(error, StoreError::Damaged) {
            self.counts.damaged.fetch_add(1, Ordering::Relaxed);
        }
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
        let result = self
            .recover(writer)
            .and_then(|()| self.seal_all(customers, &mut batch))
            .and_then(|()| self.commit(writer, batch, drained));
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
    pub(super) fn ensure_keys(
        &self,
        customers: impl Iterator<Item = Pseudonym>,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let keys = self.keys();
        let lacking: BTreeSet<u16> =
            customers.map(bucket).filter(|bucket| !keys.buckets.contains_key(bucket)).collect();
        let nothing_new = lacking.is_empty() && keys.unrecorded.is_empty();
        drop(keys);
        if nothing_new {
            return Ok(());
        }
        let mut keys = self.keys_mut();
        for bucket in lacking {
            let key = keys.vault.new_key().at(&self.folder)?;
            keys.buckets.insert(bucket, key);
            keys.unrecorded.insert(bucket);
        }
        // A key that encrypts customers but is not in the metadata would be destroyed at the next start.
        let BucketKeys { buckets, unrecorded, .. } = &*keys;
        let named = unrecorded.iter().filter_map(|bucket| Some((*bucket, *buckets.get(bucket)?)));
        batch.metadata.extend(named.map(|(bucket, key)| metadata::bucket_key(bucket, key)));
        Ok(())
    }

    /// Opens the database again if a commit failed, once what it holds is whole.
    fn recover(&self, writer: &WriterState) -> Result<(), StoreError> {
        if !self.database.has_failed() {
            return Ok(());
        }
        self.database.reopen()?;
        let Progress { flush, .. } = Progress::read(&self.database)?;
        if flush < writer.flush {
            return Err(StoreError::Truncated { path: self.folder.clone(), written: writer.flush, found: flush });
        }
        let mut keys = self.keys_mut();
        // The failed batch may have given a bucket another key, and an interrupted erasure left the old one.
        keys.buckets.extend(metadata::read_bucket_keys(&self.database)?);
        let used: HashSet<KeyName> = keys.buckets.values().copied().collect();
        keys.vault.retain_keys(&used).at(&self.folder)?;
        self.database.trust();
        Ok(())
    }

    /// Commits a batch as the next flush, and records it in the contact log.
    pub(super) fn commit(
        &self,
        writer: &mut WriterState,
        mut batch: Batch,
        drained: Option<u64>,
    ) -> Result<(), StoreError> {
        let flush = writer.flush + 1;
        batch.metadata.extend(metadata::progress(flush, writer.now, drained));
        self.database.commit(batch)?;
        writer.flush = flush;
        if !self.keys().unrecorded.is_empty() {
            self.keys_mut().unrecorded.clear();
        }
        Ok(self.log.record_flush(flush, drained).at(&self.folder)?)
    }

    /// Erases a customer: afterwards no file holds anything readable about them.
    ///
    /// # Errors
    /// When the disk fails. The erasure must be repeated then.
    pub fn erase(&self, writer: &mut WriterState, customer: &str) -> Result<(), StoreError> {
        self.recover(writer)?;
        // Even if the customer is not stored now: stale pages of the embedded store may hold an earlier version.
        self.remove_and_rekey(&[self.pseudonym(customer)])
    }

    /// Removes customers, encrypts the others of their buckets under new keys, and destroys the old keys.
    pub(super) fn remove_and_rekey(&self, removed: &[Pseudonym]) -> Result<(), StoreError> {
        let mut keys = self.keys_mut();
        let buckets: BTreeSet<u16> = removed.iter().map(|who| bucket(*who)).collect();
        for bucket in buckets {
            let Some(old) = keys.buckets.get(&bucket).copied() else { continue };
            let new = keys.vault.new_key().at(&self.folder)?;
            let mut batch = Batch { metadata: vec![metadata::bucket_key(bucket, new)], ..Batch::default() };
            let to = bucket.checked_add(16).map(|next| next.to_be_bytes());
            let to = to.as_ref().map(<[u8; 2]>::as_slice);
            for (key, bytes) in self.database.readable_customers(&bucket.to_be_bytes(), to)? {
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

    /// Whether contacts may have been lost, so that every limit counts as used up.
    #[must_use]
    pub fn loss(&self) -> Loss {
        *self.loss.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records whether contacts may have been lost: now, if the moment was not known, or not any more, because an operator
    /// has accepted it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_loss(&self, loss: Loss) -> Result<(), StoreError> {
        let batch = Batch { metadata: vec![loss.pair()], ..Batch::default() };
        self.commit(&mut self.writer(), batch, None)?;
        *self.loss.write().unwrap_or_else(PoisonError::into_inner) = loss;
        Ok(())
    }

    /// Gives a loss the moment of now, if its own is not known. Returns the moment before which contacts may be lost.
    #[must_use]
    pub fn date_loss(&self, now: Moment) -> Option<Moment> {
        match self.loss() {
            Loss::None => None,
            Loss::Before(moment) => Some(moment),
            Loss::Undated => {
                // An error is in the log and in health; the next start dates it again.
                self.report(&self.set_loss(Loss::Before(now)));
                Some(now)
            }
        }
    }

    /// Notes in the keys folder how far the store is written, so that an older copy of it is noticed.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn note_head(&self) -> Result<(), StoreError> {
        let flush = self.writer().flush;
        Ok(StoreHead { store: self.id, flush }.write(&self.keys_folder)?)
    }

    pub(super) fn keys(&self) -> RwLockReadGuard<'_, BucketKeys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys_mut(&self) -> RwLockWriteGuard<'_, BucketKeys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
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
