//! Customers in files, each encrypted, so that erasing one leaves nothing to read in any file, however old.
//!
//! A customer's bytes lie under a pseudonym, and are encrypted with the key of one of 4,096 buckets. To erase somebody,
//! the others of the bucket are encrypted anew under another key, and the old one is taken away: pages that the embedded
//! store has left behind open no more. `docs/decisions/015-where-customers-are-kept.md` has the reasons.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::StoreError;
use super::codec::{self, StoredCustomer};
use super::database::{Batch, Database};
use super::journal::{Counted, Entry, Journal};
use super::memory::Difference;
use super::metadata::{self, Progress};
use crate::domain::customer::contact::DecisionKey;
use crate::domain::customer::{Contact, ContactState, OutcomeEntry};
use crate::domain::id::{ActionId, Vocabulary};
use crate::ledger::{CUSTOMERS, ErasedPerson, KeyName, Pseudonym, Pseudonyms, Vault};

/// How many keys the customers are spread over.
const BUCKETS: u16 = 4_096;
/// Where the embedded store is, inside the folder of customers.
pub(super) const RECORDS: &str = "records";
/// Version and position before what is sealed.
const HEAD: usize = 9;
/// How many customers are taken from the journal at once.
const AT_ONCE: usize = 10_000;
/// How many spellings of one id are looked for.
const MOST_SPELLINGS: usize = 1_000;

/// Customers in files, open.
#[derive(Debug)]
pub struct CustomerStore {
    pub(super) folder: PathBuf,
    pub(super) database: Database,
    pseudonyms: Pseudonyms,
    keys: RwLock<Keys>,
    journal: Arc<Journal>,
    writing: Mutex<Written>,
    counts: StoreCounts,
}

#[derive(Debug)]
pub(super) struct Keys {
    pub(super) vault: Vault,
    buckets: BTreeMap<u16, KeyName>,
}

/// What has been written that is not a customer.
#[derive(Debug, Default)]
pub struct Written {
    /// How many names of each kind.
    names: Vec<u32>,
    /// How many times customers were written.
    writing: u64,
}

/// What happened to the store since it was opened.
#[derive(Debug, Default)]
pub struct StoreCounts {
    /// Customers that were read.
    pub loaded: AtomicU64,
    /// Customers that left memory.
    pub evicted: AtomicU64,
    /// Customers whose bytes are not as they were written.
    pub damaged: AtomicU64,
    /// Customers who were written or removed.
    pub written: AtomicU64,
    /// The last writing failed.
    pub failing: AtomicBool,
}

/// A store with what it told.
#[derive(Debug)]
pub struct OpenedStore {
    /// The store.
    pub store: CustomerStore,
    /// Every name that a stored customer may use, with the same numbers.
    pub vocabulary: Vocabulary,
    /// What was made good.
    pub recovered: Recovered,
}

/// What was made good when a store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Entries that had been counted and were in the journal alone.
    pub counted: usize,
    /// Entries of the journal that were not as they were written.
    pub damaged: u64,
    /// Customers of whom something was there after they were erased.
    pub erased: usize,
}

impl std::fmt::Display for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { counted, damaged, erased } = self;
        let told = [
            (*counted > 0).then(|| format!("{counted} contacts and outcomes of an unclean stop were taken in")),
            (*damaged > 0).then(|| format!("{damaged} contacts or outcomes of an unclean stop are damaged, and lost")),
            (*erased > 0).then(|| format!("{erased} erased customers had come back, and were erased again")),
        ];
        f.write_str(&told.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

impl CustomerStore {
    /// Opens the customers of a data folder, or begins there.
    ///
    /// # Errors
    /// When the disk refuses, another process has them, or they are not as they were written.
    pub fn open(data: &Path, vault: Vault, erased: &[ErasedPerson]) -> Result<OpenedStore, StoreError> {
        let folder = data.join(CUSTOMERS);
        let database = Database::open(&folder.join(RECORDS))?;
        metadata::check_format(&database, &folder)?;
        let vocabulary = metadata::read_names(&database)?;
        let buckets = metadata::read_bucket_keys(&database)?;
        let Progress { flush: writing, drained: round } = Progress::read(&database)?;
        let found = Journal::read(&folder)?;
        if found.durable > writing {
            return Err(StoreError::Truncated { path: folder, written: found.durable, found: writing });
        }
        let mut vault = vault;
        let used: HashSet<KeyName> = buckets.values().copied().collect();
        vault.keep_only(&used).map_err(disk(&folder))?;
        let last = found.entries.iter().map(|(round, _)| *round).max().unwrap_or(0).max(round);
        // The round of the entries is not durable before they are.
        let journal = Arc::new(Journal::begin(&folder, last)?);
        let names = vocabulary.sizes();
        let store = Self {
            database,
            pseudonyms: vault.pseudonyms(),
            keys: RwLock::new(Keys { vault, buckets }),
            journal,
            writing: Mutex::new(Written { names, writing }),
            counts: StoreCounts::default(),
            folder,
        };
        let entries: Vec<Entry> =
            found.entries.into_iter().filter(|(written, _)| *written > round).map(|(_, entry)| entry).collect();
        let counted = entries.len();
        store.take_in(entries, last)?;
        let recovered = Recovered { counted, damaged: found.damaged, erased: store.erase_again(erased)? };
        Ok(OpenedStore { store, vocabulary, recovered })
    }

    /// The journal of what is not stored yet.
    #[must_use]
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// What happened since it was opened.
    #[must_use]
    pub fn counts(&self) -> &StoreCounts {
        &self.counts
    }

    /// How many bytes the files take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.database.bytes()
    }

    /// What stands for a customer in the files.
    #[must_use]
    pub fn pseudonym(&self, customer: &str) -> Pseudonym {
        self.pseudonyms.of(customer)
    }

    /// What is stored of a customer. What was written before they were erased is nothing.
    ///
    /// # Errors
    /// When it cannot be read, or is not as it was written.
    pub fn read(&self, customer: &str, erased_at: Option<u64>) -> Result<Option<StoredCustomer>, StoreError> {
        let keys = self.keys();
        let who = self.pseudonym(customer);
        let Some(bytes) = self.database.customer(&who.0)? else { return Ok(None) };
        let opened = keys.open(who, &bytes).and_then(|(position, plain)| Some((position, codec::decode(&plain)?)));
        let Some((position, kept)) = opened else {
            self.counts.damaged.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::Damaged);
        };
        self.counts.loaded.fetch_add(1, Ordering::Relaxed);
        // Not merely a newer one: in a log that was begun anew, positions begin anew.
        Ok((position == erased_at.unwrap_or(0)).then_some(kept))
    }

    /// The ids of some customers from a pseudonym on, with the pseudonym to go on from.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn some_from(
        &self,
        from: Pseudonym,
        most: usize,
    ) -> Result<(Vec<StoredCustomer>, Option<Pseudonym>), StoreError> {
        let keys = self.keys();
        let found = self.database.customers(&from.0, None, most)?;
        let next = found.get(most.saturating_sub(1)).and_then(|(key, _)| after(pseudonym(key)?));
        let open = |(key, bytes): &(Vec<u8>, Vec<u8>)| codec::decode(&keys.open(pseudonym(key)?, bytes)?.1);
        Ok((found.iter().filter_map(open).collect(), next))
    }

    /// Whether something does not get to the disk.
    #[must_use]
    pub fn is_in_trouble(&self) -> bool {
        self.counts.failing.load(Ordering::Acquire) || self.journal.is_broken()
    }

    /// Keeps everybody else from writing.
    pub fn writing(&self) -> MutexGuard<'_, Written> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes customers, each with the position of their last erasure, and names that are new, and makes them durable: with
    /// a round's number once all of it is there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(
        &self,
        written: &mut Written,
        differences: &[(&str, u64, Difference)],
        (vocabulary, round): (&Vocabulary, Option<u64>),
    ) -> Result<(), StoreError> {
        let mut batch = Batch { metadata: metadata::new_names(&written.names, vocabulary), ..Batch::default() };
        if differences.is_empty() && batch.metadata.is_empty() && round.is_none() {
            return Ok(());
        }
        let result = self.seal_all(differences, &mut batch).and_then(|()| self.commit(written, batch, round));
        let failing = result.is_err();
        if self.counts.failing.swap(failing, Ordering::AcqRel) != failing {
            match &result {
                Err(error) => tracing::error!(%error, "customers cannot be stored; they stay in memory"),
                Ok(()) => tracing::info!("customers are stored again"),
            }
        }
        result?;
        written.names = vocabulary.sizes();
        self.counts.written.fetch_add(differences.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn seal_all(&self, differences: &[(&str, u64, Difference)], batch: &mut Batch) -> Result<(), StoreError> {
        let named: Vec<_> = differences.iter().map(|(id, at, what)| (self.pseudonym(id), *at, what)).collect();
        self.ensure_keys(named.iter().map(|(who, ..)| *who), batch)?;
        let keys = self.keys();
        for (who, position, difference) in named {
            let value = match difference {
                Difference::Remove => None,
                Difference::Write(plain) => Some(keys.seal(who, position, plain).ok_or(StoreError::Damaged)?),
            };
            batch.customers.push((who.0.to_vec(), value));
        }
        Ok(())
    }

    /// Sees to it that the bucket of each has a key. Nobody waits for that unless one is lacking.
    fn ensure_keys(&self, whose: impl Iterator<Item = Pseudonym>, batch: &mut Batch) -> Result<(), StoreError> {
        let keys = self.keys();
        let lacking: BTreeSet<u16> = whose.map(bucket).filter(|bucket| !keys.buckets.contains_key(bucket)).collect();
        drop(keys);
        if lacking.is_empty() {
            return Ok(());
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        // Of all or of none: a key that is used but stored nowhere would be taken away at the next start.
        let new = lacking.into_iter().map(|bucket| Ok((bucket, keys.vault.new_key()?)));
        let new: Vec<_> = new.collect::<std::io::Result<_>>().map_err(disk(&self.folder))?;
        batch.metadata.extend(new.iter().map(|(bucket, key)| metadata::bucket_key(*bucket, *key)));
        keys.buckets.extend(new);
        Ok(())
    }

    /// Makes a batch durable as the next writing, and says so in the journal.
    fn commit(&self, written: &mut Written, mut batch: Batch, round: Option<u64>) -> Result<(), StoreError> {
        let writing = written.writing + 1;
        batch.metadata.extend(metadata::progress(writing, round));
        self.database.commit(batch)?;
        written.writing = writing;
        self.journal.durable(writing, round).map_err(disk(&self.folder))
    }

    /// Erases a customer: no file has anything of them from here on that anybody could read.
    ///
    /// # Errors
    /// When the disk refuses; ask again then.
    pub fn erase(&self, _alone: &mut Written, customer: &str) -> Result<(), StoreError> {
        // Though nothing may be there now, older pages of the embedded store may have them.
        self.take_away(&[self.pseudonym(customer)])
    }

    /// Erases what was there before its customer was erased: an older copy of the files, or an erasure that was cut short.
    fn erase_again(&self, erased: &[ErasedPerson]) -> Result<usize, StoreError> {
        let mut gone = Vec::new();
        for ErasedPerson { person, position } in erased {
            let spellings = self.database.customers(person, None, MOST_SPELLINGS)?;
            for (key, bytes) in spellings.iter().take_while(|(key, _)| key.starts_with(person)) {
                if position_of(bytes) != Some(*position) {
                    gone.extend(pseudonym(key));
                }
            }
        }
        if !gone.is_empty() {
            self.take_away(&gone)?;
        }
        Ok(gone.len())
    }

    /// Removes customers, encrypts the others of their buckets under new keys, and takes the old keys away.
    fn take_away(&self, gone: &[Pseudonym]) -> Result<(), StoreError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let buckets: BTreeSet<u16> = gone.iter().map(|who| bucket(*who)).collect();
        for bucket in buckets {
            let Some(old) = keys.buckets.get(&bucket).copied() else { continue };
            let new = keys.vault.new_key().map_err(disk(&self.folder))?;
            let mut batch = Batch { metadata: vec![metadata::bucket_key(bucket, new)], ..Batch::default() };
            let to = bucket.checked_add(16).map(|next| next.to_be_bytes());
            let to = to.as_ref().map(<[u8; 2]>::as_slice);
            for (key, bytes) in self.database.customers(&bucket.to_be_bytes(), to, usize::MAX)? {
                let Some(who) = pseudonym(&key) else { continue };
                let stays = !gone.contains(&who);
                let anew = keys.open(who, &bytes).filter(|_| stays);
                let anew = anew.and_then(|(position, plain)| seal(&keys.vault, new, (who, position), &plain));
                // What does not open stays as it is, to be reported when its customer comes.
                if !stays || anew.is_some() {
                    batch.customers.push((key, anew));
                }
            }
            self.database.commit(batch)?;
            keys.buckets.insert(bucket, new);
            keys.vault.take_away(&[old]).map_err(disk(&self.folder))?;
        }
        Ok(())
    }

    /// Adds to the stored customers what was in the journal alone.
    fn take_in(&self, entries: Vec<Entry>, round: u64) -> Result<(), StoreError> {
        let mut customers: BTreeMap<[u8; 20], Vec<Counted>> = BTreeMap::new();
        for entry in entries {
            customers.entry(entry.who).or_default().push(entry.what);
        }
        let (mut written, customers) = (self.writing(), Vec::from_iter(customers));
        for some in customers.chunks(AT_ONCE) {
            let mut batch = Batch::default();
            self.ensure_keys(some.iter().map(|(who, _)| Pseudonym(*who)), &mut batch)?;
            for (who, counted) in some {
                let who = Pseudonym(*who);
                let (stored, keys) = (self.database.customer(&who.0)?, self.keys());
                let opened = stored.as_ref().map(|bytes| keys.open(who, bytes));
                // A damaged customer stays so: their limits count as used up, which is more than these entries ask.
                let Some((position, plain)) = opened.unwrap_or_else(|| Some((0, StoredCustomer::default().encode())))
                else {
                    continue;
                };
                let Some(mut stored) = codec::decode(&plain) else { continue };
                counted.iter().for_each(|counted| count(&mut stored, counted));
                batch.customers.push((who.0.to_vec(), keys.seal(who, position, &stored.encode())));
            }
            self.commit(&mut written, batch, None)?;
        }
        self.commit(&mut written, Batch::default(), Some(round))?;
        self.journal.forget_all(written.writing).map_err(disk(&self.folder))
    }

    pub(super) fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts something again, as it was counted before the process ended. Twice is once.
fn count(stored: &mut StoredCustomer, counted: &Counted) {
    match counted {
        Counted::Seen(id) => {
            stored.state.first_seen(*id);
        }
        Counted::Asked(request) => {
            stored.requests.retain(|known| known.request != request.request);
            stored.requests.insert(0, *request);
        }
        Counted::Withdrawn { decision, action } => stored.state.change_relation(|relation| {
            relation.withdraw(DecisionKey(*decision), action.map(ActionId));
        }),
        Counted::Outcome(outcome) => {
            let Some(entry) = outcome.entry() else { return };
            let relation = stored.state.relation_mut();
            // Who may read it can have become fewer since.
            let is_same = |held: &OutcomeEntry| OutcomeEntry { readable: held.readable, ..entry } == *held;
            if !relation.outcomes.iter().any(is_same) {
                relation.add_outcome(entry);
            }
        }
        Counted::Contact(contact) => {
            let Some(contact) = contact.contact() else { return };
            let relation = stored.state.relation_mut();
            let names = |contact: &Contact| (contact.decision, contact.action, contact.at);
            let is_same = |held: &Contact| names(held) == names(&contact);
            let confirmed = |held: &Contact| is_same(held) && held.state == ContactState::Counted;
            if !relation.contacts.iter().any(confirmed) {
                relation.contacts.retain(|held| !is_same(held));
                relation.add_contact(contact);
            }
        }
    }
}

impl Keys {
    fn seal(&self, who: Pseudonym, position: u64, plain: &[u8]) -> Option<Vec<u8>> {
        seal(&self.vault, *self.buckets.get(&bucket(who))?, (who, position), plain)
    }

    /// A customer's bytes as this version writes them, and where the ledger says that they had been erased when they were
    /// written.
    pub(super) fn open(&self, who: Pseudonym, bytes: &[u8]) -> Option<(u64, Vec<u8>)> {
        let (head, sealed) = bytes.split_first_chunk::<HEAD>()?;
        let key = self.buckets.get(&bucket(who))?;
        let plain = self.vault.open_sealed(*key, &[who.0.as_slice(), head].concat(), sealed)?;
        let (version, position) = head.split_first()?;
        Some((metadata::number(position)?, codec::upgrade(*version, plain)?))
    }
}

/// Version, position and the sealed bytes.
fn seal(vault: &Vault, key: KeyName, (who, position): (Pseudonym, u64), plain: &[u8]) -> Option<Vec<u8>> {
    let head = [[codec::VERSION].as_slice(), &position.to_le_bytes()].concat();
    let sealed = vault.seal(key, &[who.0.as_slice(), &head].concat(), plain)?;
    Some([head, sealed].concat())
}

fn position_of(bytes: &[u8]) -> Option<u64> {
    bytes
        .split_first()
        .filter(|(version, _)| (1..=codec::VERSION).contains(*version))
        .and_then(|(_, rest)| metadata::number(rest))
}

/// The twelve first bits of a pseudonym, as the number that its two first bytes make with the rest of them zero.
fn bucket(who: Pseudonym) -> u16 {
    let [high, low, ..] = who.0;
    u16::from_be_bytes([high, low]) & !(u16::MAX / BUCKETS)
}

pub(super) fn pseudonym(key: &[u8]) -> Option<Pseudonym> {
    key.try_into().ok().map(Pseudonym)
}

/// The next pseudonym there could be; nothing after the last.
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

pub(super) fn disk(folder: &Path) -> impl Fn(std::io::Error) -> StoreError + use<> {
    let path = folder.to_owned();
    move |error| StoreError::Disk { path: path.clone(), error }
}
