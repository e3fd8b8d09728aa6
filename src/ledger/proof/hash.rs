//! The hashes of the Merkle tree of RFC 6962, section 2.1: SHA-256, with one prefix for leaves and one for nodes.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{decode, encode};

/// The hash of a leaf, a node or a whole tree. Displayed as base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; Hash::SIZE]);

impl Hash {
    /// The length in bytes.
    pub const SIZE: usize = 32;

    /// The root of a tree without leaves.
    #[must_use]
    pub fn of_empty_tree() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// The hash of a leaf with this data.
    #[must_use]
    pub fn of_leaf(data: &[u8]) -> Self {
        Self(Sha256::new().chain_update([0]).chain_update(data).finalize().into())
    }

    /// The hash of the node above two neighbours.
    #[must_use]
    pub fn of_node(left: Self, right: Self) -> Self {
        Self(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
    }

    /// The root over adjacent whole subtrees of one size, of which the last may be smaller; `None` without any.
    #[must_use]
    pub fn over(mut row: Vec<Self>) -> Option<Self> {
        while row.len() > 1 {
            row = row.chunks(2).filter_map(|pair| pair.iter().copied().reduce(Self::of_node)).collect();
        }
        row.pop()
    }

    /// Parses base64.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        decode(text)?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
