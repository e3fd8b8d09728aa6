//! One record in the ledger file: a frame that shows every damage. docs/ledger-format.md is the document.
//!
//! ```text
//! 0   u32  length of the payload, little-endian like every number
//! 4   u16  version of the format: 1
//! 6   u16  zero
//! 8   u64  position in the ledger, from 1
//! 16  32   SHA-256 of the frame before; zeros in the first
//! 48  u32  CRC32C of bytes 0..48
//! 52  n    payload: the record as JSON
//! …   32   SHA-256 of everything before in this frame
//! ```

use sha2::{Digest, Sha256};

/// The version that this code writes.
pub const VERSION: u16 = 1;
/// Bytes before the payload.
const HEADER: usize = 52;
/// Bytes after the payload.
const HASH: usize = 32;
/// The longest payload that is believed.
const MOST_PAYLOAD: usize = 1024 * 1024;

/// The hash that chains frames.
pub type Link = [u8; HASH];

/// What stands at the beginning of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'b> {
    /// Nothing more.
    End,
    /// A whole frame.
    Frame {
        /// Its payload.
        payload: &'b [u8],
        /// Its own hash.
        link: Link,
        /// How many bytes it takes.
        size: usize,
    },
    /// The beginning of a frame whose rest was never written.
    Torn,
    /// Something that was never written so.
    Damaged(&'static str),
}

/// A record's frame.
#[must_use]
pub fn encode(position: u64, previous: &Link, payload: &[u8]) -> (Vec<u8>, Link) {
    let mut bytes = Vec::with_capacity(HEADER + payload.len() + HASH);
    bytes.extend(u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(position.to_le_bytes());
    bytes.extend(previous);
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes.extend(payload);
    let link: Link = Sha256::digest(&bytes).into();
    bytes.extend(link);
    (bytes, link)
}

/// Reads the frame that should stand at a position.
///
/// A frame counts as torn only where its writing was cut short: a prefix of a frame, or zeros to the end, as
/// a file system leaves them. A header is checked by itself, so a flipped length is damage, not a torn end.
#[must_use]
pub fn decode<'b>(bytes: &'b [u8], position: u64, previous: &Link) -> Found<'b> {
    if bytes.is_empty() {
        return Found::End;
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return Found::Torn;
    }
    let Some((header, rest)) = bytes.split_at_checked(HEADER) else { return Found::Torn };
    let Some((checked, crc)) = header.split_at_checked(HEADER - 4) else { return Found::Torn };
    if number(crc) != u64::from(crc32c::crc32c(checked)) {
        return Found::Damaged("a frame's header does not match its checksum");
    }
    let field = |from: usize, to: usize| checked.get(from..to).map_or(0, number);
    if field(4, 6) != u64::from(VERSION) {
        return Found::Damaged("a frame has a version that this program does not know");
    }
    if field(8, 16) != position {
        return Found::Damaged("a frame is missing, repeated or out of order");
    }
    if checked.get(16..48) != Some(previous.as_slice()) {
        return Found::Damaged("a frame does not follow the one before it");
    }
    let length = usize::try_from(field(0, 4)).unwrap_or(usize::MAX);
    if length > MOST_PAYLOAD {
        return Found::Damaged("a frame is longer than any that was written");
    }
    let (Some(payload), Some(hash)) = (rest.get(..length), rest.get(length..length + HASH)) else { return Found::Torn };
    let link: Link = Sha256::digest(bytes.get(..HEADER + length).unwrap_or(&[])).into();
    if hash != link.as_slice() {
        return Found::Damaged("a frame does not match its hash");
    }
    Found::Frame { payload, link, size: HEADER + length + HASH }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_and_every_flipped_bit_is_damage() {
        let previous = [7; HASH];
        let (bytes, link) = encode(3, &previous, b"{\"hello\":1}");
        let found = decode(&bytes, 3, &previous);
        assert_eq!(found, Found::Frame { payload: b"{\"hello\":1}", link, size: bytes.len() });
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode(&flipped, 3, &previous), Found::Damaged(_)), "bit {bit}");
        }
    }

    #[test]
    fn every_prefix_is_torn_and_nothing_is_the_end() {
        let (bytes, _) = encode(1, &[0; HASH], b"{}");
        assert_eq!(decode(&[], 1, &[0; HASH]), Found::End);
        for length in 1..bytes.len() {
            assert_eq!(decode(&bytes[..length], 1, &[0; HASH]), Found::Torn, "{length}");
        }
        assert_eq!(decode(&[0; 4_096], 1, &[0; HASH]), Found::Torn);
    }
}
