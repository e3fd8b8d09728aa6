//! Sets of rows, 64 to a machine word.

use smallvec::SmallVec;

/// A set of rows during a decision; up to a thousand rows need no allocation.
pub type Survivors = SmallVec<[u64; 16]>;

/// The number of words for this number of rows.
pub fn words(rows: usize) -> usize {
    rows.div_ceil(64)
}

/// Adds a row to a set.
pub fn set(bits: &mut [u64], row: usize) {
    if let Some(word) = bits.get_mut(row / 64) {
        *word |= 1 << (row % 64);
    }
}

/// Removes a row from a set.
pub fn clear(bits: &mut [u64], row: usize) {
    if let Some(word) = bits.get_mut(row / 64) {
        *word &= !(1 << (row % 64));
    }
}

/// Whether a row is in a set.
pub fn contains(bits: &[u64], row: usize) -> bool {
    bits.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
}

/// Whether two sets share a row.
pub fn meet(a: &[u64], b: &[u64]) -> bool {
    a.iter().zip(b).any(|(a, b)| a & b != 0)
}

/// Keeps the rows that are in the other set, too.
pub fn keep(bits: &mut [u64], others: &[u64]) {
    bits.iter_mut().zip(others).for_each(|(bits, others)| *bits &= others);
}

/// The rows of a set, in order.
pub fn rows(bits: Survivors) -> impl Iterator<Item = usize> {
    bits.into_iter().enumerate().flat_map(|(index, word)| {
        let mut left = word;
        std::iter::from_fn(move || {
            let next = (left != 0).then(|| index * 64 + left.trailing_zeros() as usize);
            left &= left.wrapping_sub(1);
            next
        })
    })
}
