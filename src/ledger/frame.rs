//! One record in a segment: a frame that shows every damage. docs/ledger-format.md is the document.
//!
//! ```text
//! 0    u32  length of the payload, little-endian like every number
//! 4    u16  version of the format: 2
//! 6    u16  kind: 1 a record, 2 an erasure
//! 8    u64  position in the ledger, from 1
//! 16   16   name of the customer key
//! 32   16   random part of the nonce
//! 48   33   leaf of the Merkle tree
//! 81   3    zero
//! 84   32   SHA-256 of the frame before; zeros in the first
//! 116  u32  CRC32C of bytes 0..116
//! 120  n    payload
//! …    32   SHA-256 of everything before in this frame
//! ```

use sha2::{Digest, Sha256};

use super::customer_keys::KeyName;
use super::proof::Leaf;

/// The version that this code writes.
const VERSION: u16 = 2;
/// Bytes before the payload.
const HEADER: usize = 120;
/// Bytes that the payload's encryption is bound to, from byte 4 on.
const BOUND: std::ops::Range<usize> = 4..84;
/// Bytes after the payload.
const HASH: usize = 32;
/// The longest payload that is believed.
pub const MOST_PAYLOAD: usize = 1024 * 1024;
/// The smallest part of a file that a disk writes or loses as one.
const SECTOR: usize = 512;

/// The hash that chains frames.
pub type Link = [u8; HASH];

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A consent record, encrypted.
    Record = 1,
    /// Word that the customer of a key was erased.
    Erasure = 2,
    /// A consent record, encrypted, by which an erased customer is known again. Programs from before there were such
    /// records refuse the frame as of a kind that they do not know.
    Return = 3,
}

/// What a frame says besides its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What it holds.
    pub kind: Kind,
    /// Its place in the ledger, from 1.
    pub position: u64,
    /// The customer's key; of an erasure, the key that is gone, or zeros.
    pub key: KeyName,
    /// The random part of the nonce.
    pub random: [u8; 16],
    /// What stands in the tree for it.
    pub leaf: Leaf,
}

impl Header {
    /// What its payload is bound to: everything but its length and the frame before.
    pub fn bound(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BOUND.len());
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((self.kind as u16).to_le_bytes());
        bytes.extend(self.position.to_le_bytes());
        bytes.extend(self.key.0);
        bytes.extend(self.random);
        bytes.extend(self.leaf.bytes());
        bytes.extend([0; 3]);
        bytes
    }
}

/// What stands at the beginning of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing more.
    End,
    /// A whole frame.
    Frame {
        /// What it says.
        header: Header,
        /// The frame that it follows.
        previous: Link,
        /// Its own hash.
        link: Link,
        /// How many bytes its payload takes.
        length: usize,
    },
    /// The beginning of a frame whose rest was never written.
    Torn,
    /// Something that was never written so.
    Damaged(&'static str),
}

/// How many bytes a frame takes.
pub const fn size(payload: usize) -> usize {
    HEADER + payload + HASH
}

/// Where the payload stands in a frame.
pub const fn payload(length: usize) -> std::ops::Range<usize> {
    HEADER..HEADER + length
}

/// A frame at the end of some bytes, and its hash.
pub fn write(bytes: &mut Vec<u8>, header: &Header, payload: &[u8], previous: &Link) -> Link {
    let start = bytes.len();
    bytes.extend(u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(header.bound());
    bytes.extend(previous);
    let crc = crc32c::crc32c(bytes.get(start..).unwrap_or(&[]));
    bytes.extend(crc.to_le_bytes());
    bytes.extend(payload);
    let link: Link = Sha256::digest(bytes.get(start..).unwrap_or(&[])).into();
    bytes.extend(link);
    link
}

/// Reads the frame that stands at byte `start` of a file's bytes.
///
/// A frame counts as torn only where its writing was cut short: a prefix of a frame, to the end of the file or
/// followed by zeros to the end, from its own beginning or that of a sector, as file systems leave them. A header is checked by
/// itself, so a flipped length is damage, not a torn end.
#[must_use]
pub fn read(file: &[u8], start: usize) -> Found {
    let bytes = file.get(start..).unwrap_or(&[]);
    if bytes.is_empty() {
        return Found::End;
    }
    match whole(bytes) {
        Found::Damaged(_) if cut_short(file, start, size_at(file, start)) => Found::Torn,
        found => found,
    }
}

fn whole(bytes: &[u8]) -> Found {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Found::Torn };
    let (checked, crc) = header.split_at(HEADER - 4);
    if crc != crc32c::crc32c(checked).to_le_bytes() {
        return Found::Damaged("a frame's header does not match its checksum");
    }
    let Some((header, previous, length)) = parse(header) else {
        return Found::Damaged("a frame is of a version or kind that this program does not know");
    };
    if length > MOST_PAYLOAD {
        return Found::Damaged("a frame is longer than any that was written");
    }
    let Some(hash) = rest.get(length..length + HASH) else { return Found::Torn };
    let link: Link = Sha256::digest(bytes.get(..HEADER + length).unwrap_or(&[])).into();
    if hash != link.as_slice() {
        return Found::Damaged("a frame does not match its hash");
    }
    Found::Frame { header, previous, link, length }
}

fn parse(bytes: &[u8; HEADER]) -> Option<(Header, Link, usize)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (version, rest) = rest.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let (position, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_first_chunk()?;
    let (random, rest) = rest.split_first_chunk()?;
    let (leaf, rest) = rest.split_first_chunk::<{ Leaf::SIZE }>()?;
    let (zeros, rest) = rest.split_first_chunk()?;
    let (previous, _) = rest.split_first_chunk()?;
    if u16::from_le_bytes(*version) != VERSION || *zeros != [0; 3] {
        return None;
    }
    let kind = match u16::from_le_bytes(*kind) {
        1 => Kind::Record,
        2 => Kind::Erasure,
        3 => Kind::Return,
        _ => return None,
    };
    let position = u64::from_le_bytes(*position);
    let header = Header { kind, position, key: KeyName(*key), random: *random, leaf: Leaf::read(leaf)? };
    Some((header, *previous, usize::try_from(u32::from_le_bytes(*length)).ok()?))
}

/// How many bytes the frame at byte `start` of a file's bytes takes, as far as its length can be believed.
pub fn size_at(file: &[u8], start: usize) -> usize {
    let length = file.get(start..).and_then(|bytes| bytes.first_chunk());
    size(length.map_or(0, |length| u32::from_le_bytes(*length) as usize).min(MOST_PAYLOAD))
}

/// Whether what stands at `start`, and has this size, turns into zeros that last to the end of the file, from its
/// beginning or that of a sector: its writing was cut short.
pub fn cut_short(file: &[u8], start: usize, size: usize) -> bool {
    let zeros = file.len() - file.iter().rev().take_while(|byte| **byte == 0).count();
    let first = if zeros <= start { start } else { zeros.next_multiple_of(SECTOR) };
    first < file.len() && first < start + size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::proof::Salt;

    fn frame() -> Vec<u8> {
        let leaf = Leaf::commit(&Salt([3; 32]), b"record");
        let header = Header { kind: Kind::Record, position: 3, key: KeyName([9; 16]), random: [5; 16], leaf };
        let mut bytes = Vec::new();
        let link = write(&mut bytes, &header, b"sealed", &[7; HASH]);
        assert_eq!(read(&bytes, 0), Found::Frame { header, previous: [7; HASH], link, length: 6 });
        assert_eq!(bytes.get(payload(6)), Some(b"sealed".as_slice()));
        assert_eq!(bytes.len(), size(6));
        bytes
    }

    #[test]
    fn every_flipped_bit_is_damage() {
        let bytes = frame();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(read(&flipped, 0), Found::Damaged(_)), "bit {bit}");
        }
    }

    #[test]
    fn every_prefix_is_torn_and_nothing_is_the_end() {
        let bytes = frame();
        assert_eq!(read(&[], 0), Found::End);
        for length in 1..bytes.len() {
            assert_eq!(read(&bytes[..length], 0), Found::Torn, "{length}");
        }
    }

    #[test]
    fn zeros_are_torn_from_a_sector_to_the_end_and_damage_elsewhere() {
        let before = vec![1; SECTOR - 100];
        let whole = [before.clone(), frame()].concat();
        let start = before.len();
        let zeroed = |from: usize, to: usize| {
            let mut bytes = whole.clone();
            bytes[from..to].fill(0);
            read(&bytes, start)
        };
        assert_eq!(zeroed(start, whole.len()), Found::Torn);
        assert_eq!(zeroed(SECTOR, whole.len()), Found::Torn);
        assert!(matches!(zeroed(SECTOR, whole.len() - 1), Found::Damaged(_)));
        assert!(matches!(zeroed(SECTOR + 20, whole.len()), Found::Damaged(_)));
    }
}
