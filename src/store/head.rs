//! Which store belongs to a keys folder, and how far it was written: an older copy of the customers, or none, is noticed.

use std::path::{Path, PathBuf};

use super::StoreError;
use crate::io_at::{AtPath as _, IoAt};
use crate::ledger::disk::{Disk as _, RealDisk, replace};

const FILE: &str = "customers";
const TITLE: &str = "tactful customers 1";

/// The store that was last used with a keys folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreHead {
    /// The store's own number.
    pub store: u64,
    /// The number of its last flush when this was written.
    pub flush: u64,
}

/// What is in the place of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundHead {
    /// Nothing: the store is new, was restored, or comes from a program that wrote no head.
    Missing,
    /// Something that cannot be read.
    Damaged,
    /// A head.
    Whole(StoreHead),
}

impl StoreHead {
    fn path(keys: &Path) -> PathBuf {
        keys.join(FILE)
    }

    /// Reads the head in a keys folder. A damaged one does not stop a start: it only serves to notice more.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn read(keys: &Path) -> Result<FoundHead, IoAt> {
        let path = Self::path(keys);
        if !path.exists() {
            return Ok(FoundHead::Missing);
        }
        let bytes = RealDisk.read(&path).at(&path)?;
        Ok(std::str::from_utf8(&bytes).ok().and_then(Self::parse).map_or(FoundHead::Damaged, FoundHead::Whole))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_prefix(TITLE)?.split_whitespace();
        let mut number = |name| {
            words.next().filter(|word| *word == name)?;
            words.next()?.parse::<u64>().ok()
        };
        let (store, flush, sum) = (number("store")?, number("flush")?, number("sum")?);
        let head = Self { store, flush };
        (head.sum() == sum).then_some(head)
    }

    fn sum(self) -> u64 {
        crc32c::crc32c(&[self.store.to_le_bytes(), self.flush.to_le_bytes()].concat()).into()
    }

    /// Writes the head.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write(self, keys: &Path) -> Result<(), IoAt> {
        let (path, Self { store, flush }) = (Self::path(keys), self);
        let text = format!("{TITLE}\nstore {store}\nflush {flush}\nsum {}\n", self.sum());
        replace(&RealDisk, &path, text.as_bytes()).at(&path)
    }
}

/// The head in a keys folder, if it is damaged.
///
/// # Errors
/// When the disk fails.
pub fn damaged_head(keys: &Path) -> Result<Option<PathBuf>, StoreError> {
    Ok((StoreHead::read(keys)? == FoundHead::Damaged).then(|| StoreHead::path(keys)))
}

/// Forgets which store belongs to a keys folder, so that an older one counts as the newest: a restore.
///
/// # Errors
/// When the disk fails.
pub fn forget_store(keys: &Path) -> Result<(), StoreError> {
    let path = StoreHead::path(keys);
    if path.exists() {
        RealDisk.remove(&path).at(&path)?;
    }
    Ok(())
}
