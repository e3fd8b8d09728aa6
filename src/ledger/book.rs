//! What is known about the frames while the ledger is open: whose they are, where they stand, who was erased.

use std::collections::HashMap;

use compact_str::CompactString;
use foldhash::fast::RandomState;

use super::customer_keys::{KeyName, Keys};
use super::register::Erased;
use super::segment::Written;

/// A customer who has records.
#[derive(Debug)]
pub struct Known {
    /// Their key.
    pub key: KeyName,
    /// Where their records stand, oldest first.
    pub positions: Vec<u64>,
}

/// Customers who have records, by their keys.
#[derive(Debug, Default)]
pub struct Owners(HashMap<KeyName, (CompactString, Vec<u64>), RandomState>);

impl Owners {
    /// Notes whose record stands at a position, later than all before.
    pub fn add(&mut self, key: KeyName, position: u64, customer: CompactString) {
        self.0.entry(key).or_insert_with(|| (customer, Vec::new())).1.push(position);
    }
}

/// Where a frame stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The first position of its segment.
    pub segment: u64,
    /// Its place in the segment.
    pub offset: u32,
    /// How many bytes it takes.
    pub size: u32,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub struct Book {
    customers: HashMap<CompactString, Known, RandomState>,
    keys: Keys,
    /// Keys that nobody has yet.
    spare: Vec<KeyName>,
    /// Where an erasure stands, by the customer's token.
    erased: HashMap<[u8; 32], u64, RandomState>,
    /// Offset and size of each frame, in order.
    frames: Vec<(u32, u32)>,
    /// The first position of each segment.
    segments: Vec<u64>,
}

impl Book {
    /// A book with these keys, none of which anybody has yet.
    pub fn new(keys: Keys) -> Self {
        Self { keys, ..Self::default() }
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// A customer who has records or is about to.
    pub fn customer(&self, customer: &str) -> Option<&Known> {
        self.customers.get(customer)
    }

    /// How many keys nobody has yet.
    pub fn spare(&self) -> usize {
        self.spare.len()
    }

    /// Takes new keys.
    pub fn add_keys(&mut self, keys: impl IntoIterator<Item = (KeyName, super::secrets::SecretKey)>) {
        for (name, key) in keys {
            self.spare.push(name);
            self.keys.insert(name, key);
        }
    }

    /// Notes who was erased, and whose records stand where. New customers may have the keys that no customer has.
    pub fn begin(&mut self, Owners(mut owners): Owners, erased: &[Erased]) {
        for erased in erased {
            self.add_erasure(erased);
            owners.remove(&erased.key);
        }
        self.spare = self.keys.keys().filter(|name| !owners.contains_key(name)).copied().collect();
        for (key, (customer, positions)) in owners {
            let known = self.customers.entry(customer).or_insert(Known { key, positions: Vec::new() });
            known.positions.extend(positions);
            known.positions.sort_unstable();
        }
    }

    /// The key of a customer, who gets one now if they have none.
    pub fn key_for(&mut self, customer: &str) -> Option<(KeyName, super::secrets::SecretKey)> {
        let name = match self.customers.get(customer) {
            Some(known) => known.key,
            None => {
                let key = self.spare.pop()?;
                self.customers.insert(customer.into(), Known { key, positions: Vec::new() });
                key
            }
        };
        Some((name, self.keys.get(&name)?.clone()))
    }

    /// Notes the frame of a position.
    pub fn add_frame(&mut self, written: Written, size: usize) {
        if self.segments.last() != Some(&written.segment) {
            self.segments.push(written.segment);
        }
        // Both are bounded by the size of a segment.
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        self.frames.push((narrow(written.offset), narrow(size as u64)));
    }

    /// Notes whose record stands at a position.
    pub fn add_record(&mut self, customer: &CompactString, key: KeyName, position: u64) {
        match self.customers.get_mut(customer) {
            Some(known) => known.positions.push(position),
            None => {
                self.customers.insert(customer.clone(), Known { key, positions: vec![position] });
            }
        }
    }

    /// Forgets a customer and their key.
    pub fn erase(&mut self, customer: &str) {
        if let Some(known) = self.customers.remove(customer) {
            self.keys.remove(&known.key);
        }
    }

    /// Notes an erasure.
    pub fn add_erasure(&mut self, erased: &Erased) {
        self.keys.remove(&erased.key);
        self.erased.insert(erased.token, erased.position);
    }

    /// Where the erasure of a customer stands, if there was one.
    pub fn erasure(&self, token: &[u8; 32]) -> Option<u64> {
        self.erased.get(token).copied()
    }

    /// Every erasure: a token, and where it stands.
    pub fn erasures(&self) -> impl Iterator<Item = (&[u8; 32], u64)> {
        self.erased.iter().map(|(token, position)| (token, *position))
    }

    /// Where the frame of a position stands.
    pub fn place(&self, position: u64) -> Option<Place> {
        let index = usize::try_from(position.checked_sub(1)?).ok()?;
        let (offset, size) = *self.frames.get(index)?;
        let after = self.segments.partition_point(|first| *first <= position);
        Some(Place { segment: *self.segments.get(after.checked_sub(1)?)?, offset, size })
    }

    /// The last position of the segment in which the frame of a position stands; there is no last one yet of the
    /// segment that is written to.
    pub fn segment_end(&self, position: u64) -> u64 {
        let after = self.segments.partition_point(|first| *first <= position);
        self.segments.get(after).map_or(u64::MAX, |next| next - 1)
    }

    /// How many frames there are.
    pub fn len(&self) -> u64 {
        self.frames.len() as u64
    }
}
