//! Finds a frame that is in the ledger twice: a frame does not depend on its place, so a copy of one opens anywhere, and
//! a copy behind the last signed head would be signed with the next one. The random bytes of a copy are the same, because
//! they are part of its seal.

/// The random bytes of frames, with their positions.
#[derive(Debug, Default)]
pub struct NonceList(Vec<([u8; 16], u64)>);

impl NonceList {
    /// Adds the frame at a position.
    pub fn add(&mut self, random: [u8; 16], position: u64) {
        self.0.push((random, position));
    }

    /// The positions of a frame that is there twice, the earlier one first.
    pub fn repeated(mut self) -> Option<(u64, u64)> {
        self.0.sort_unstable();
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        pairs.filter(|(one, next)| one.0 == next.0).map(|(one, next)| (one.1, next.1)).next()
    }
}
