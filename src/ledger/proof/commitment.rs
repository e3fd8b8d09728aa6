//! The leaf of a record in the tree: a keyed commitment, which reveals nothing without the salt.
//!
//! `leaf = 0x01 ‖ HMAC-SHA256(salt, record)`, `salt = HKDF-SHA256(customer key, "tactful salt v1 " ‖ record id)`. The
//! record is its JSON-LD text. Once the customer's key is destroyed, only a receipt, which contains record and salt,
//! can open the leaf.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Hash;

/// Separates salts from other values that are derived from a customer's key.
const SALT_LABEL: &[u8] = b"tactful salt v1 ";
/// The first byte of a leaf: the version of the commitment.
const VERSION: u8 = 1;

/// The key of a commitment. Without it, guesses of the record cannot be checked against the leaf.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(pub [u8; Salt::SIZE]);

impl Salt {
    /// The length in bytes.
    pub const SIZE: usize = 32;

    /// The salt of one record of a customer.
    #[must_use]
    pub fn derive(customer_key: &[u8; 32], record_id: &str) -> Self {
        let mut salt = [0; Self::SIZE];
        let expanded =
            Hkdf::<Sha256>::new(None, customer_key).expand_multi_info(&[SALT_LABEL, record_id.as_bytes()], &mut salt);
        debug_assert!(expanded.is_ok(), "HKDF-SHA256 gives up to 8160 bytes");
        Self(salt)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Salt(…)")
    }
}

/// The bytes of one leaf, which are public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leaf([u8; Leaf::SIZE]);

impl Leaf {
    /// The length in bytes.
    pub const SIZE: usize = 33;

    /// The leaf of a record.
    #[must_use]
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    pub fn commit(salt: &Salt, record: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&salt.0).expect("HMAC takes a key of any length");
        mac.update(record);
        let mut leaf = [VERSION; Self::SIZE];
        for (byte, committed) in leaf.iter_mut().skip(1).zip(mac.finalize().into_bytes()) {
            *byte = committed;
        }
        Self(leaf)
    }

    /// A leaf from its bytes; `None` if the length or the version is wrong.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let leaf: [u8; Self::SIZE] = bytes.try_into().ok()?;
        leaf.starts_with(&[VERSION]).then_some(Self(leaf))
    }

    /// The commitment as it is stored in a leaf.
    #[must_use]
    pub fn bytes(&self) -> &[u8; Self::SIZE] {
        &self.0
    }

    /// The leaf as an entry of a bundle: its length, then its bytes.
    pub(super) fn entry(&self) -> impl Iterator<Item = u8> {
        const LENGTH: [u8; 2] = (Leaf::SIZE as u16).to_be_bytes();
        LENGTH.into_iter().chain(self.0)
    }

    /// The hash of the leaf in the tree.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of_leaf(&self.0)
    }
}
