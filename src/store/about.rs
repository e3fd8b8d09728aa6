//! What the embedded store has besides customers: its format, names with their numbers, whose bytes which key encrypts, and how
//! far it has been written.

use std::collections::BTreeMap;
use std::path::Path;

use super::StoreError;
use super::codec;
use super::database::{Batch, Database, Pairs};
use crate::domain::id::Vocabulary;
use crate::ledger::KeyName;

/// What is not a customer, by the first byte of its key.
const FORMAT: &[u8] = b"format";
const ROUND: &[u8] = b"round";
const WRITING: &[u8] = b"writing";
const NAME: u8 = b'n';
const KEY: u8 = b'k';

/// How far a store has been written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// The last writing.
    pub writing: u64,
    /// The last round of which every entry is in the customers.
    pub round: u64,
}

impl Progress {
    pub fn read(database: &Database) -> Result<Self, StoreError> {
        let read = |key| Ok::<_, StoreError>(database.about(key)?.first().and_then(|(_, value)| number(value)));
        let round = read(ROUND)?.unwrap_or(0);
        // Writings had the numbers of rounds before they had their own.
        Ok(Self { writing: read(WRITING)?.unwrap_or(round), round })
    }
}

/// What a batch says of itself: which writing it is, and with which round it has everything.
pub fn progress(writing: u64, round: Option<u64>) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let noted = [(WRITING, Some(writing)), (ROUND, round)];
    noted.into_iter().filter_map(|(key, number)| Some((key.to_vec(), number?.to_le_bytes().to_vec())))
}

/// Under what the name of a bucket's key is.
pub fn key_of(bucket: u16) -> Vec<u8> {
    [[KEY].as_slice(), &bucket.to_be_bytes()].concat()
}

/// The number that bytes begin with.
pub fn number(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

pub fn check_format(database: &Database, folder: &Path) -> Result<(), StoreError> {
    match database.about(FORMAT)?.first() {
        None => {
            let about = vec![(FORMAT.to_vec(), vec![codec::VERSION])];
            database.commit(Batch { about, ..Batch::default() })
        }
        Some((_, version)) if version.first().is_some_and(|found| *found > codec::VERSION) => {
            let found = version.first().copied().unwrap_or(0);
            Err(StoreError::Later { path: folder.to_owned(), found, known: codec::VERSION })
        }
        Some((_, version)) if *version != [codec::VERSION] => {
            // Customers of the earlier version are read as they are, and written as they change; programs of that version
            // must not find what they cannot read.
            let about = vec![(FORMAT.to_vec(), vec![codec::VERSION])];
            database.commit(Batch { about, ..Batch::default() })
        }
        Some(_) => Ok(()),
    }
}

pub fn read_names(database: &Database) -> Result<Vocabulary, StoreError> {
    let mut vocabulary = Vocabulary::default();
    for (key, name) in database.about(&[NAME])? {
        if let (Some(kind), Ok(name)) = (key.get(1), std::str::from_utf8(&name)) {
            vocabulary.restore(*kind, name);
        }
    }
    Ok(vocabulary)
}

/// Names that are not stored yet.
pub fn new_names(stored: &[u32], vocabulary: &Vocabulary) -> Pairs {
    let mut names = Vec::new();
    if stored == vocabulary.sizes() {
        return names;
    }
    let (mut kind, mut place) = (0, 0_u32);
    for (of, name) in vocabulary.entries() {
        if of != kind {
            (kind, place) = (of, 0);
        }
        if stored.get(usize::from(kind)).is_none_or(|known| place >= *known) {
            names.push(([[NAME, kind].as_slice(), &place.to_be_bytes()].concat(), name.as_bytes().to_vec()));
        }
        place += 1;
    }
    names
}

pub fn read_buckets(database: &Database) -> Result<BTreeMap<u16, KeyName>, StoreError> {
    let read = |(key, name): &(Vec<u8>, Vec<u8>)| {
        let bucket = key.get(1..).and_then(|bucket| bucket.try_into().ok()).map(u16::from_be_bytes)?;
        Some((bucket, KeyName(name.as_slice().try_into().ok()?)))
    };
    Ok(database.about(&[KEY])?.iter().filter_map(read).collect())
}
