//! The metadata keyspace of the embedded store: the format version, the vocabulary, the key of each bucket, and how far
//! the store has been flushed.

use std::collections::BTreeMap;
use std::path::Path;

use super::StoreError;
use super::codec;
use super::database::{Batch, Database, Pairs};
use crate::domain::id::Vocabulary;
use crate::domain::time::Moment;
use crate::ledger::KeyName;

/// Keys of the keyspace; those of names and bucket keys have more bytes after the first.
const FORMAT: &[u8] = b"format";
const DRAINED: &[u8] = b"round";
const FLUSH: &[u8] = b"writing";
const TIME: &[u8] = b"time";
const LOST: &[u8] = b"lost";
const STORE: &[u8] = b"store";
/// A loss whose moment is not known yet.
const UNDATED: u64 = u64::MAX;
const NAME: u8 = b'n';
const BUCKET_KEY: u8 = b'k';

/// How far a store has been flushed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// The number of the last flush. Flushes are numbered from 1.
    pub flush: u64,
    /// The last segment of the contact log whose entries are all in the stored customers.
    pub drained: u64,
    /// The moment of the last flush, if it is recorded.
    pub flushed: Option<Moment>,
}

impl Progress {
    pub fn read(database: &Database) -> Result<Self, StoreError> {
        let read = |key| Ok::<_, StoreError>(database.metadata(key)?.first().and_then(|(_, value)| number(value)));
        let drained = read(DRAINED)?.unwrap_or(0);
        let flushed = read(TIME)?.and_then(|time| i64::try_from(time).ok()).map(Moment);
        // Older stores numbered flushes and segments together.
        Ok(Self { flush: read(FLUSH)?.unwrap_or(drained), drained, flushed })
    }
}

/// What the metadata of a store say, all of which is needed to read its customers.
pub struct Metadata {
    pub vocabulary: Vocabulary,
    pub buckets: BTreeMap<u16, KeyName>,
    pub progress: Progress,
    pub loss: Loss,
    /// The store's own number, which no other store has.
    pub id: Option<u64>,
}

impl Metadata {
    /// Checks the format, and reads everything.
    pub fn read(database: &Database, folder: &Path) -> Result<Self, StoreError> {
        check_format(database, folder)?;
        let number_of = |key| Ok::<_, StoreError>(database.metadata(key)?.first().and_then(|(_, value)| number(value)));
        Ok(Self {
            vocabulary: read_names(database)?,
            buckets: read_bucket_keys(database)?,
            progress: Progress::read(database)?,
            loss: Loss::of(number_of(LOST)?),
            id: number_of(STORE)?,
        })
    }
}

/// Whether contacts may have been lost, so that every limit counts as used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Loss {
    /// None were, or an operator has accepted it.
    #[default]
    None,
    /// At a moment that is not known yet.
    Undated,
    /// All of them before this moment.
    Before(Moment),
}

impl Loss {
    fn of(stored: Option<u64>) -> Self {
        match stored {
            None | Some(0) => Self::None,
            Some(moment) => i64::try_from(moment).map_or(Self::Undated, |moment| Self::Before(Moment(moment))),
        }
    }

    /// The pair that records it.
    pub fn pair(self) -> (Vec<u8>, Vec<u8>) {
        let stored = match self {
            Self::None => 0,
            Self::Undated => UNDATED,
            Self::Before(moment) => u64::try_from(moment.0).unwrap_or(0).max(1),
        };
        (LOST.to_vec(), stored.to_le_bytes().to_vec())
    }
}

/// The pair that gives a store its own number.
pub fn store_id(id: u64) -> (Vec<u8>, Vec<u8>) {
    (STORE.to_vec(), id.to_le_bytes().to_vec())
}

/// The pairs that record in a batch which flush it is, when it was, and which segment of the contact log it drains.
pub fn progress(flush: u64, now: Moment, drained: Option<u64>) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let time = u64::try_from(now.0).ok().filter(|time| *time > 0);
    let pairs = [(FLUSH, Some(flush)), (TIME, time), (DRAINED, drained)];
    pairs.into_iter().filter_map(|(key, number)| Some((key.to_vec(), number?.to_le_bytes().to_vec())))
}

/// The pair that records which key encrypts a bucket.
pub fn bucket_key(bucket: u16, name: KeyName) -> (Vec<u8>, Vec<u8>) {
    ([[BUCKET_KEY].as_slice(), &bucket.to_be_bytes()].concat(), name.0.to_vec())
}

/// The little-endian number that bytes begin with.
pub fn number(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Refuses a store of a later format, and marks a new or earlier one with this format.
pub fn check_format(database: &Database, folder: &Path) -> Result<(), StoreError> {
    let found = database.metadata(FORMAT)?.first().map(|(_, version)| version.clone());
    match found {
        Some(version) if version == [codec::VERSION] => Ok(()),
        Some(version) if version.first().is_some_and(|found| *found > codec::VERSION) => {
            let found = version.first().copied().unwrap_or(0);
            Err(StoreError::NewerFormat { path: folder.to_owned(), found, known: codec::VERSION })
        }
        // Customers of an earlier version are upgraded when they are next written, so from here on a program of that
        // version must not open the store.
        _ => {
            let metadata = vec![(FORMAT.to_vec(), vec![codec::VERSION])];
            database.commit(Batch { metadata, ..Batch::default() })
        }
    }
}

pub fn read_names(database: &Database) -> Result<Vocabulary, StoreError> {
    let (mut vocabulary, mut next) = (Vocabulary::default(), (0, 0_u32));
    for (key, name) in database.metadata(&[NAME])? {
        let Some((kind, index)) = key.get(1..).and_then(<[u8]>::split_first) else { continue };
        let (Some(index), Ok(name)) = (index.first_chunk(), std::str::from_utf8(&name)) else { continue };
        if next.0 != *kind {
            next = (*kind, 0);
        }
        // A name that is lost must not shift the numbers of those behind it.
        for lost in next.1..u32::from_be_bytes(*index) {
            vocabulary.restore(*kind, &format!("lost name {kind}.{lost}"));
        }
        vocabulary.restore(*kind, name);
        next.1 = u32::from_be_bytes(*index).saturating_add(1);
    }
    Ok(vocabulary)
}

/// The pairs of the names that are not stored yet. `stored` holds the number of stored names by kind.
pub fn new_names(stored: &[u32], vocabulary: &Vocabulary) -> Pairs {
    let mut names = Vec::new();
    if stored == vocabulary.sizes() {
        return names;
    }
    let (mut kind, mut index) = (0, 0_u32);
    for (of_kind, name) in vocabulary.entries() {
        if of_kind != kind {
            (kind, index) = (of_kind, 0);
        }
        if stored.get(usize::from(kind)).is_none_or(|known| index >= *known) {
            names.push(([[NAME, kind].as_slice(), &index.to_be_bytes()].concat(), name.as_bytes().to_vec()));
        }
        index += 1;
    }
    names
}

pub fn read_bucket_keys(database: &Database) -> Result<BTreeMap<u16, KeyName>, StoreError> {
    let read = |(key, name): &(Vec<u8>, Vec<u8>)| {
        let bucket = key.get(1..).and_then(|bucket| bucket.try_into().ok()).map(u16::from_be_bytes)?;
        Some((bucket, KeyName(name.as_slice().try_into().ok()?)))
    };
    Ok(database.metadata(&[BUCKET_KEY])?.iter().filter_map(read).collect())
}
