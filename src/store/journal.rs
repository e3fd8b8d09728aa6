//! Finds damage in the journals of the embedded database before it opens them: at a damaged batch it would refuse to
//! open, or cut off everything that follows. Here the batches that are whole are kept, whatever stands between them.
//!
//! The format is that of fjall 3, in little-endian numbers:
//!
//! ```text
//! a batch:  u8 1, u32 how many items, u64 sequence number; the items; u8 3, u64 XXH3 of the items, "FJL" 3
//! an item:  u8 2, u8 kind, u8 compression, u64 keyspace, u16 length of the key, u32 length of the value,
//!           u32 length of the value as stored, key, value; or u8 4, u64 keyspace
//! ```

use std::path::{Path, PathBuf};

use super::StoreError;
use crate::io_at::AtPath as _;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const MAGIC: &[u8; 4] = b"FJL\x03";
/// The bytes of an item before its key, without the tag.
const ITEM_HEAD: usize = 20;

/// The journals in the folder of a database, oldest first.
///
/// # Errors
/// When the disk fails.
pub fn journals(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut journals = Vec::new();
    for entry in std::fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            journals.push(path);
        }
    }
    let number = |path: &PathBuf| path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
    journals.sort_by_key(number);
    Ok(journals)
}

/// Whether a batch that is whole follows after damage, so that the database would lose it or not open.
///
/// # Errors
/// When the disk fails.
pub fn is_damaged(folder: &Path) -> Result<bool, StoreError> {
    let mut incomplete = false;
    for path in journals(folder)? {
        let bytes = std::fs::read(&path).at(&path)?;
        let found = whole_batches(&bytes);
        if found.damaged || incomplete && !found.whole.is_empty() {
            return Ok(true);
        }
        incomplete |= found.incomplete;
    }
    Ok(false)
}

/// What a journal holds.
pub struct Batches {
    /// The batches that are whole, one after the other.
    pub whole: Vec<u8>,
    /// Whether there is damage before one of them.
    pub damaged: bool,
    /// Whether something else follows after the last one: at the end of the last journal, what a killed process leaves.
    pub incomplete: bool,
}

/// Finds the batches of a journal.
pub fn whole_batches(bytes: &[u8]) -> Batches {
    let (mut whole, mut rest, mut skipped, mut damaged) = (Vec::new(), bytes, false, false);
    while let [first, behind @ ..] = rest {
        match batch(rest) {
            Some(length) => {
                let (batch, behind) = rest.split_at(length.min(rest.len()));
                whole.extend_from_slice(batch);
                damaged |= std::mem::take(&mut skipped);
                rest = behind;
            }
            // Zeros fill a journal whose room was allocated before.
            None => {
                skipped |= *first != 0;
                let zeros = behind.iter().take_while(|byte| **byte == 0).count();
                rest = behind.get(zeros..).unwrap_or_default();
            }
        }
    }
    Batches { whole, damaged, incomplete: skipped }
}

/// The length of the batch that bytes begin with, if it is whole.
fn batch(bytes: &[u8]) -> Option<usize> {
    let (head, mut rest) = bytes.split_first_chunk::<13>()?;
    let (tag, head) = head.split_first()?;
    if *tag != START {
        return None;
    }
    let items = rest;
    for _ in 0..u32::from_le_bytes(*head.first_chunk()?) {
        rest = rest.get(item(rest)?..)?;
    }
    let items = items.get(..items.len().checked_sub(rest.len())?)?;
    let (end, rest) = rest.split_first_chunk::<13>()?;
    let (tag, end) = end.split_first()?;
    let (sum, magic) = end.split_first_chunk::<8>()?;
    let whole = *tag == END && magic == MAGIC && xxhash_rust::xxh3::xxh3_64(items) == u64::from_le_bytes(*sum);
    whole.then_some(bytes.len() - rest.len())
}

/// The length of the item that bytes begin with.
fn item(bytes: &[u8]) -> Option<usize> {
    let (tag, rest) = bytes.split_first()?;
    match *tag {
        CLEAR => rest.first_chunk::<8>().map(|_| 9),
        ITEM => {
            let head = rest.first_chunk::<ITEM_HEAD>()?;
            let key = u16::from_le_bytes(*head.get(10..)?.first_chunk()?);
            let value = u32::from_le_bytes(*head.get(16..)?.first_chunk()?);
            let length = (1 + ITEM_HEAD).checked_add(usize::from(key))?.checked_add(value as usize)?;
            (length <= bytes.len()).then_some(length)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::database::{Batch, Database};
    use super::*;

    /// The journal of a database with three batches.
    fn journal() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path()).unwrap();
        for number in 0..3_u8 {
            let value = Some(vec![number; 5_000]);
            database.commit(Batch { customers: vec![(vec![number; 20], value)], ..Batch::default() }).unwrap();
        }
        drop(database);
        std::fs::read(&journals(folder.path()).unwrap()[0]).unwrap()
    }

    #[test]
    fn whole_batches_are_those_that_the_database_wrote() {
        let journal = journal();
        let Batches { whole, damaged, .. } = whole_batches(&journal);
        assert!(!damaged && !whole.is_empty() && journal.starts_with(&whole));
        assert!(journal.get(whole.len()..).unwrap().iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_flipped_bit_costs_one_batch() {
        let Batches { whole, .. } = whole_batches(&journal());
        let last = whole.len() - batch_lengths(&whole).last().unwrap();
        for place in (0..whole.len()).step_by(37) {
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << (place % 8);
            let Batches { whole: left, damaged, incomplete } = whole_batches(&flipped);
            assert_eq!((damaged, incomplete), (place < last, place >= last), "{place}");
            let lost = whole.len() - left.len();
            assert!(batch_lengths(&whole).contains(&lost), "{place}: {lost}");
        }
    }

    fn batch_lengths(mut bytes: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while let Some(length) = batch(bytes) {
            lengths.push(length);
            bytes = &bytes[length..];
        }
        lengths
    }
}
