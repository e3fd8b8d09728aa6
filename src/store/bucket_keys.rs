//! The encryption keys of the customer store: one for each bucket of customers, who share the first twelve bits of their
//! pseudonyms.

use std::collections::{BTreeMap, BTreeSet};

use super::codec;
use super::metadata;
use crate::ledger::{KeyName, Pseudonym, Vault};

/// The number of buckets, and so of encryption keys in use.
const BUCKETS: u16 = 4_096;
/// Bytes before the ciphertext of a stored customer: format version and position of the last erasure.
const HEADER: usize = 9;
/// The keys in use.
#[derive(Debug)]
pub(super) struct BucketKeys {
    pub(super) vault: Vault,
    pub(super) buckets: BTreeMap<u16, KeyName>,
    /// Buckets whose key is not known to be recorded in the store: every batch records it, until one is durable.
    pub(super) unrecorded: BTreeSet<u16>,
}

impl BucketKeys {
    pub(super) fn seal(&self, who: Pseudonym, erased_at: u64, plain: &[u8]) -> Option<Vec<u8>> {
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
pub(super) fn seal(vault: &Vault, key: KeyName, who: Pseudonym, erased_at: u64, plain: &[u8]) -> Option<Vec<u8>> {
    let header = [[codec::VERSION].as_slice(), &erased_at.to_le_bytes()].concat();
    let sealed = vault.seal(key, &[who.0.as_slice(), &header].concat(), plain)?;
    Some([header, sealed].concat())
}

/// The position in a header; `None` if its version is unknown.
pub(super) fn erasure_position(bytes: &[u8]) -> Option<u64> {
    bytes
        .split_first()
        .filter(|(version, _)| (1..=codec::VERSION).contains(*version))
        .and_then(|(_, rest)| metadata::number(rest))
}

/// The first twelve bits of a pseudonym, followed by four zero bits.
pub(super) fn bucket(who: Pseudonym) -> u16 {
    let [high, low, ..] = who.0;
    u16::from_be_bytes([high, low]) & !(u16::MAX / BUCKETS)
}

/// The first pseudonym of the next bucket; `None` after the last one.
pub(super) fn next_bucket(who: Pseudonym) -> Option<Pseudonym> {
    let mut first = [0; 20];
    let (head, _) = first.split_first_chunk_mut()?;
    *head = bucket(who).checked_add(u16::MAX / BUCKETS + 1)?.to_be_bytes();
    Some(Pseudonym(first))
}
