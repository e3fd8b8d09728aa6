//! The index of the frames while the ledger is open: the location of each frame, the records of each customer, and the
//! erasures. It is rebuilt from the frames at every start.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use compact_str::CompactString;
use foldhash::fast::RandomState;

use super::KeyName;
use super::customer_keys::Keys;
use super::erasure_register::RegisteredErasure;
use super::secrets::SecretKey;
use super::segment::SegmentOffset;

/// The index, which the writer shares with readers.
#[derive(Debug, Clone)]
pub struct SharedIndex(Arc<RwLock<FrameIndex>>);

impl SharedIndex {
    pub fn new(index: FrameIndex) -> Self {
        Self(Arc::new(RwLock::new(index)))
    }

    pub fn read(&self) -> RwLockReadGuard<'_, FrameIndex> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, FrameIndex> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key and the records of a customer.
#[derive(Debug)]
pub struct CustomerRecords {
    pub key: KeyName,
    /// The positions of the records, in ascending order.
    pub positions: Vec<u64>,
}

/// Customers and the positions of their records by key name, as a scan of the frames finds them.
#[derive(Debug, Default)]
pub struct RecordOwners(HashMap<KeyName, (CompactString, Vec<u64>), RandomState>);

impl RecordOwners {
    /// Adds a record. Positions must be added in ascending order.
    pub fn add(&mut self, key: KeyName, position: u64, customer: CompactString) {
        self.0.entry(key).or_insert_with(|| (customer, Vec::new())).1.push(position);
    }
}

/// The location of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLocation {
    /// The first position of its segment.
    pub segment: u64,
    /// Its first byte in the segment.
    pub offset: u32,
    /// Its length in bytes.
    pub size: u32,
}

#[derive(Debug, Default)]
pub struct FrameIndex {
    customers: HashMap<CompactString, CustomerRecords, RandomState>,
    keys: Keys,
    /// Keys that no customer has yet.
    spare_keys: Vec<KeyName>,
    /// The position of the last erasure by the customer's suppression token.
    erasures: HashMap<[u8; 32], u64, RandomState>,
    /// Offset and size of each frame, by position.
    frames: Vec<(u32, u32)>,
    /// The first position of each segment.
    segments: Vec<u64>,
}

impl FrameIndex {
    /// An index without frames, in which every key is spare once [`FrameIndex::load_records`] was called.
    pub fn new(keys: Keys) -> Self {
        Self { keys, ..Self::default() }
    }

    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The records of a customer; `None` if the customer has no key.
    pub fn customer(&self, customer: &str) -> Option<&CustomerRecords> {
        self.customers.get(customer)
    }

    /// The number of keys that no customer has yet.
    pub fn spare_keys(&self) -> usize {
        self.spare_keys.len()
    }

    /// Adds new keys, which are spare.
    pub fn add_keys(&mut self, keys: impl IntoIterator<Item = (KeyName, SecretKey)>) {
        for (name, key) in keys {
            self.spare_keys.push(name);
            self.keys.insert(name, key);
        }
    }

    /// Loads erasures and records after a scan. Keys without records become spare.
    pub fn load_records(&mut self, RecordOwners(mut owners): RecordOwners, erased: &[RegisteredErasure]) {
        for erased in erased {
            self.add_erasure(erased);
            owners.remove(&erased.key);
        }
        self.spare_keys = self.keys.keys().filter(|name| !owners.contains_key(name)).copied().collect();
        for (key, (customer, positions)) in owners {
            let records = self.customers.entry(customer).or_insert(CustomerRecords { key, positions: Vec::new() });
            records.positions.extend(positions);
            records.positions.sort_unstable();
        }
    }

    /// The key of a customer. A new customer gets a spare key; `None` if there is none.
    pub fn key_for(&mut self, customer: &str) -> Option<(KeyName, SecretKey)> {
        let name = match self.customers.get(customer) {
            Some(records) => records.key,
            None => {
                let key = self.spare_keys.pop()?;
                self.customers.insert(customer.into(), CustomerRecords { key, positions: Vec::new() });
                key
            }
        };
        Some((name, self.keys.get(&name)?.clone()))
    }

    /// Adds the frame of the next position.
    pub fn add_frame(&mut self, written: SegmentOffset, size: usize) {
        if self.segments.last() != Some(&written.segment) {
            self.segments.push(written.segment);
        }
        // Both are bounded by the size of a segment.
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        self.frames.push((narrow(written.offset), narrow(size as u64)));
    }

    /// Adds a record of a customer.
    pub fn add_record(&mut self, customer: &CompactString, key: KeyName, position: u64) {
        match self.customers.get_mut(customer) {
            Some(records) => records.positions.push(position),
            None => {
                self.customers.insert(customer.clone(), CustomerRecords { key, positions: vec![position] });
            }
        }
    }

    /// Removes a customer and the customer's key.
    pub fn remove_customer(&mut self, customer: &str) {
        if let Some(records) = self.customers.remove(customer) {
            self.keys.remove(&records.key);
        }
    }

    /// Adds an erasure, and removes its key.
    pub fn add_erasure(&mut self, erased: &RegisteredErasure) {
        self.keys.remove(&erased.key);
        self.erasures.insert(erased.token, erased.position);
    }

    /// The position of the last erasure with a suppression token.
    pub fn erasure(&self, token: &[u8; 32]) -> Option<u64> {
        self.erasures.get(token).copied()
    }

    /// All suppression tokens, each with the position of its last erasure.
    pub fn erasures(&self) -> impl Iterator<Item = (&[u8; 32], u64)> {
        self.erasures.iter().map(|(token, position)| (token, *position))
    }

    /// The location of the frame at a position.
    pub fn locate(&self, position: u64) -> Option<FrameLocation> {
        let index = usize::try_from(position.checked_sub(1)?).ok()?;
        let (offset, size) = *self.frames.get(index)?;
        let after = self.segments.partition_point(|first| *first <= position);
        Some(FrameLocation { segment: *self.segments.get(after.checked_sub(1)?)?, offset, size })
    }

    /// The last position of the segment that has the frame at a position; `u64::MAX` for the segment that is appended
    /// to.
    pub fn segment_end(&self, position: u64) -> u64 {
        let after = self.segments.partition_point(|first| *first <= position);
        self.segments.get(after).map_or(u64::MAX, |next| next - 1)
    }

    /// The number of frames, which is the last position.
    pub fn len(&self) -> u64 {
        self.frames.len() as u64
    }
}
