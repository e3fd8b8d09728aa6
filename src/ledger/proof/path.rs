//! Inclusion and consistency proofs of RFC 6962, section 2.1: that a leaf is in a tree, and that one tree begins with
//! another.
//!
//! A proof consists of the hashes of whole subtrees, which the caller reads from tiles or elsewhere. It is verified by
//! the algorithms of RFC 9162, sections 2.1.3.2 and 2.1.4.2.

use super::{Hash, TreeHead};

/// A whole subtree: 2^`level` leaves, from the leaf `index` × 2^`level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeNode {
    /// The height above the leaves.
    pub level: u8,
    /// The index in its level, from 0.
    pub index: u64,
}

/// Why a proof cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError<E> {
    /// There is no such leaf, or no such earlier tree.
    #[error("the ledger has {size} records, not {asked}")]
    Beyond {
        /// The number of leaves that the proof needs.
        asked: u64,
        /// The number of leaves in the tree.
        size: u64,
    },
    /// A hash cannot be read.
    #[error(transparent)]
    Missing(#[from] E),
}

/// The proof that the leaf at `index` (from 0) is in the tree of the first `size` leaves, from its sibling up.
///
/// # Errors
/// When there is no such leaf, or a hash cannot be read.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    mut read: impl FnMut(TreeNode) -> Result<Hash, E>,
) -> Result<Vec<Hash>, ProofError<E>> {
    if index >= size {
        return Err(ProofError::Beyond { asked: index.saturating_add(1), size });
    }
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    while to - from > 1 {
        let middle = split(from, to);
        if index < middle {
            path.push(hash(middle, to, &mut read)?);
            to = middle;
        } else {
            path.push(hash(from, middle, &mut read)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of the first `size` leaves begins with that of the first `earlier`. Empty if both are the
/// same, and if the earlier one is empty.
///
/// # Errors
/// When the earlier tree is the larger one, or a hash cannot be read.
pub fn consistency<E>(
    earlier: u64,
    size: u64,
    mut read: impl FnMut(TreeNode) -> Result<Hash, E>,
) -> Result<Vec<Hash>, ProofError<E>> {
    if earlier > size {
        return Err(ProofError::Beyond { asked: earlier, size });
    }
    let mut path = Vec::new();
    if earlier == 0 {
        return Ok(path);
    }
    let (mut from, mut to) = (0, size);
    while earlier < to {
        let middle = split(from, to);
        if earlier <= middle {
            path.push(hash(middle, to, &mut read)?);
            to = middle;
        } else {
            path.push(hash(from, middle, &mut read)?);
            from = middle;
        }
    }
    if from > 0 {
        path.push(hash(from, to, &mut read)?);
    }
    path.reverse();
    Ok(path)
}

/// The root over the first `size` leaves.
///
/// # Errors
/// When a hash cannot be read.
pub fn root<E>(size: u64, mut read: impl FnMut(TreeNode) -> Result<Hash, E>) -> Result<Hash, E> {
    hash(0, size, &mut read)
}

/// Verifies the proof that the leaf at `index` (from 0) is in a tree.
#[must_use]
pub fn inclusion_holds(leaf: Hash, index: u64, path: &[Hash], head: TreeHead) -> bool {
    let TreeHead { size, root } = head;
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = leaf;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if is_right(node) || node == last {
            hash = Hash::of_node(*sibling, hash);
            climb_right(&mut node, &mut last);
        } else {
            hash = Hash::of_node(hash, *sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && hash == root
}

/// Verifies the proof that a tree begins with an earlier one.
#[must_use]
pub fn consistency_holds(earlier: TreeHead, later: TreeHead, path: &[Hash]) -> bool {
    if earlier.size == 0 || earlier.size == later.size {
        let expected = if later.size == earlier.size { later.root } else { Hash::of_empty_tree() };
        return path.is_empty() && earlier.root == expected;
    }
    if earlier.size > later.size {
        return false;
    }
    let whole = earlier.size.is_power_of_two().then_some(earlier.root);
    let mut hashes = whole.into_iter().chain(path.iter().copied());
    let Some(first) = hashes.next() else { return false };
    let (mut node, mut last) = (earlier.size - 1, later.size - 1);
    while is_right(node) {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut old, mut new) = (first, first);
    for sibling in hashes {
        if last == 0 {
            return false;
        }
        if is_right(node) || node == last {
            old = Hash::of_node(sibling, old);
            new = Hash::of_node(sibling, new);
            climb_right(&mut node, &mut last);
        } else {
            new = Hash::of_node(new, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && old == earlier.root && new == later.root
}

/// Skips the levels at which the last node of a tree has no sibling.
fn climb_right(node: &mut u64, last: &mut u64) {
    while !is_right(*node) && *node != 0 {
        (*node, *last) = (*node >> 1, *last >> 1);
    }
}

fn is_right(node: u64) -> bool {
    node & 1 == 1
}

/// Where a subtree is divided: after the largest power of two that is smaller than it.
fn split(from: u64, to: u64) -> u64 {
    from + (1 << (to - from - 1).ilog2())
}

/// The hash over a range of leaves: one node for each whole subtree, joined from the right.
fn hash<E>(from: u64, to: u64, read: &mut impl FnMut(TreeNode) -> Result<Hash, E>) -> Result<Hash, E> {
    let mut start = from;
    let mut hashes = Vec::new();
    while start < to {
        let level = (to - start).ilog2();
        hashes.push(read(TreeNode { level: level as u8, index: start >> level })?);
        start += 1 << level;
    }
    let joined = hashes.into_iter().rev().reduce(|right, left| Hash::of_node(left, right));
    Ok(joined.unwrap_or_else(Hash::of_empty_tree))
}
