//! The requests that a customer's decisions answered, so that a repeated request counts once.

use super::contact::DecisionKey;
use crate::domain::time::{Moment, Period};

/// An answered request as it is stored, in 24 bytes: 48 bits of the hash of its id, when it was answered in 48 bits, 32 bits
/// of the hash of what it asked, and the key of its decision. The answer itself lies where decisions are kept.
///
/// Of 4,096 stored ids, a new one is mistaken for one once in 69 thousand million times; another body under an id is taken
/// for the same once in 4 thousand million times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownRequest([u8; 24]);

impl KnownRequest {
    /// A request by the hashes of its id and of what it asks; without the latter, any body counts as the same.
    #[must_use]
    pub fn new(id: u64, body: Option<u64>, decision: DecisionKey, at: Moment) -> Self {
        let [i0, i1, i2, i3, i4, i5, ..] = id.to_le_bytes();
        let [a0, a1, a2, a3, a4, a5, ..] = at.0.to_le_bytes();
        let [b0, b1, b2, b3] = body.map_or(0, packed_body).to_le_bytes();
        let [d0, d1, d2, d3, d4, d5, d6, d7] = decision.0.to_le_bytes();
        Self([i0, i1, i2, i3, i4, i5, a0, a1, a2, a3, a4, a5, b0, b1, b2, b3, d0, d1, d2, d3, d4, d5, d6, d7])
    }

    /// As it was packed.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 24]) -> Self {
        Self(bytes)
    }

    /// As it is packed.
    #[must_use]
    pub fn bytes(self) -> [u8; 24] {
        self.0
    }

    /// Whether it is the request with this hash of its id.
    #[must_use]
    pub fn is(self, id: u64) -> bool {
        let [a, b, c, d, e, f, ..] = id.to_le_bytes();
        self.0.starts_with(&[a, b, c, d, e, f])
    }

    /// Whether both have the same id.
    #[must_use]
    pub fn is_same(self, other: Self) -> bool {
        self.0.first_chunk::<6>() == other.0.first_chunk::<6>()
    }

    /// Whether it asked what has this hash; none if that is not known.
    #[must_use]
    pub fn asked(self, body: u64) -> Option<bool> {
        let [.., a, b, c, d, _, _, _, _, _, _, _, _] = self.0;
        let known = u32::from_le_bytes([a, b, c, d]);
        (known != 0).then(|| known == packed_body(body))
    }

    /// When it was answered.
    #[must_use]
    pub fn at(self) -> Moment {
        let [_, _, _, _, _, _, a, b, c, d, e, f, ..] = self.0;
        Moment(i64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }

    /// The decision that answered it.
    #[must_use]
    pub fn decision(self) -> DecisionKey {
        let [.., a, b, c, d, e, f, g, h] = self.0;
        DecisionKey(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    /// Whether it was answered longer ago than a period.
    #[must_use]
    pub fn is_older(self, than: Period, now: Moment) -> bool {
        now.since(self.at()) >= than
    }
}

/// 32 bits of the hash of a body; zero stands for any.
fn packed_body(body: u64) -> u32 {
    let [a, b, c, d, ..] = body.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]).max(1)
}
