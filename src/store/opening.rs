//! Opens the store of a data folder: sets damage aside, replays the contact log, and repeats erasures that an older copy of
//! the files has undone.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use super::StoreError;
use super::bucket_keys::{BucketKeys, erasure_position};
use super::codec::{self, StoredCustomer};
use super::contact_log::{ContactLog, LogEntry, LoggedChange};
use super::customer_store::{CustomerStore, StoreCounts, WriterState, pseudonym};
use super::database::Batch;
use super::head::{FoundHead, StoreHead};
use super::metadata::{self, Loss, Metadata, Progress};
use super::recovery::StoreRecovery;
use super::{replay, salvage};
use crate::domain::id::Vocabulary;
use crate::domain::time::Moment;
use crate::io_at::AtPath as _;
use crate::ledger::{DataFolder, ErasedPerson, KeyName, Pseudonym, Vault, random_number};

/// The number of customers in one batch of a replay.
const REPLAY_BATCH: usize = 10_000;
/// The most spellings of one customer id that an erasure finds.
const MAX_SPELLINGS: usize = 1_000;

/// A store with what was read when it was opened.
#[derive(Debug)]
pub struct OpenedStore {
    /// The store, ready for reads and writes.
    pub store: CustomerStore,
    /// The names that stored customers refer to, under the same ids.
    pub vocabulary: Vocabulary,
    /// The repairs that were made, and what is lost.
    pub recovery: StoreRecovery,
    /// The moment of the last flush, if it is recorded.
    pub flushed: Option<Moment>,
}

impl CustomerStore {
    /// Opens the store of a data folder or creates it, replays the contact log, and repeats the erasures that an older
    /// copy of the files has undone. What is damaged is set aside; if contacts may be lost, [`CustomerStore::loss`] says
    /// so.
    ///
    /// # Errors
    /// When the disk fails, another process has the store open, or a later version wrote it.
    pub fn open(data: &Path, mut vault: Vault, erased: &[ErasedPerson]) -> Result<OpenedStore, StoreError> {
        let data = DataFolder::new(data);
        let folder = data.customers();
        let (database, metadata, set_aside) = salvage::open(&data.customer_records(), &folder)?;
        let Metadata { vocabulary, mut buckets, progress, loss, id } = metadata;
        let Progress { flush, drained, flushed } = progress;
        let found = ContactLog::read(&folder)?;
        let head = StoreHead::read(vault.keys_folder())?;
        let mut recovery = StoreRecovery {
            repaired: found.repaired,
            damaged: found.damaged,
            missing: found.missing(drained),
            flushes: found.durable_flush.saturating_sub(flush),
            keys: vault.damaged_blocks(),
            set_aside,
            older: match head {
                FoundHead::Whole(head) => set_aside.is_none() && (Some(head.store) != id || head.flush > flush),
                FoundHead::Missing | FoundHead::Damaged => false,
            },
            head_damaged: head == FoundHead::Damaged,
            ..StoreRecovery::default()
        };
        // Keys in damaged blocks are lost, and with them what they encrypt: the next write needs another key.
        buckets.retain(|_, key| vault.has_key(*key));
        let used: HashSet<KeyName> = buckets.values().copied().collect();
        vault.retain_keys(&used).at(&folder)?;
        let last = found.entries.iter().map(|(segment, _)| *segment).max().unwrap_or(0).max(drained);
        let keys_folder = vault.keys_folder().to_owned();
        let store = Self {
            database,
            pseudonyms: vault.pseudonyms(),
            keys: RwLock::new(BucketKeys { vault, buckets, unrecorded: BTreeSet::new() }),
            log: Arc::new(ContactLog::open(&folder, last)?),
            writer: Mutex::new(WriterState { names: vocabulary.sizes(), flush, now: flushed.unwrap_or_default() }),
            counts: StoreCounts::default(),
            id: id.map_or_else(random_number, Ok).at(&folder)?,
            keys_folder,
            loss: RwLock::new(if recovery.is_loss() { Loss::Undated } else { loss }),
            folder,
        };
        let mut entries: Vec<LogEntry> =
            found.entries.into_iter().filter(|(segment, _)| *segment > drained).map(|(_, entry)| entry).collect();
        if set_aside.is_some() || recovery.flushes > 0 {
            // The names that they refer to may be lost.
            recovery.damaged += std::mem::take(&mut entries).len() as u64;
        }
        recovery.replayed = entries.len();
        store.replay(entries, last)?;
        recovery.erased = store.repeat_erasures(erased)?;
        if recovery.is_loss() {
            tracing::error!("{recovery}");
        }
        Ok(OpenedStore { store, vocabulary, recovery, flushed })
    }

    /// Erases the customers that were written before their erasure: the files are an older copy, or an erasure was
    /// interrupted. Returns how many there were.
    fn repeat_erasures(&self, erased: &[ErasedPerson]) -> Result<usize, StoreError> {
        let mut stale = Vec::new();
        for ErasedPerson { person, position } in erased {
            let spellings = match self.database.customers(person, None, MAX_SPELLINGS) {
                // What cannot be read does not come back.
                Err(StoreError::Damaged) => continue,
                found => found?,
            };
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
                let keys = self.keys();
                let opened = match self.database.customer(&who.0) {
                    Ok(Some(bytes)) => keys.open(who, &bytes),
                    Ok(None) => Some((0, StoredCustomer::default().encode()?)),
                    Err(StoreError::Damaged) => None,
                    Err(error) => return Err(error),
                };
                let opened = opened.and_then(|(position, plain)| Some((position, codec::decode(&plain)?)));
                // A damaged customer stays as it is: its limits count as used up, which covers these entries.
                let Some((position, mut stored)) = opened else { continue };
                changes.iter().for_each(|change| replay::apply(&mut stored, change));
                batch.customers.push((who.0.to_vec(), keys.seal(who, position, &stored.encode()?)));
            }
            self.commit(&mut writer, batch, None)?;
        }
        // Last: the segments are drained once every batch is durable, and a loss is recorded with that.
        let metadata = vec![metadata::store_id(self.id), self.loss().pair()];
        self.commit(&mut writer, Batch { metadata, ..Batch::default() }, Some(last))?;
        Ok(self.log.truncate(writer.flush).at(&self.folder)?)
    }
}
