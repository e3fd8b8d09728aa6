//! The format of a frame, which holds one record in a segment and detects any damage. `docs/ledger-format.md` is the
//! specification.
//!
//! ```text
//! 0    u32  length of the payload, little-endian like every number
//! 4    u16  version of the format: 3; frames of version 2 are read
//! 6    u16  kind: 1 a record, 2 an erasure, 3 the return of an erased customer
//! 8    u64  position in the ledger, from 1
//! 16   16   name of the customer key
//! 32   16   the first bytes of the nonce
//! 48   33   leaf of the Merkle tree
//! 81   3    zero
//! 84   32   SHA-256 of the frame before; zeros in the first
//! 116  u32  CRC32C of bytes 0..116
//! 120  n    payload
//! …    32   SHA-256 of everything before in this frame
//! ```

use sha2::{Digest, Sha256};

use super::KeyName;
use super::proof::Leaf;

/// Bytes before the payload.
const HEADER: usize = 120;
/// Bytes after the payload.
const HASH: usize = 32;
/// The longest payload that is accepted, in bytes.
pub const MAX_PAYLOAD: usize = 1024 * 1024;
/// The smallest unit that a disk writes or loses.
const SECTOR: usize = 512;

/// The SHA-256 of a frame, by which the next one refers to it.
pub type Link = [u8; HASH];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// An encrypted consent record.
    Record = 1,
    /// The erasure of the customer who had a key.
    Erasure = 2,
    /// An encrypted consent record by which an erased customer returns. Programs from before this kind refuse the
    /// frame.
    Return = 3,
}

/// The format version of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameVersion {
    /// The seal of a record covers its position.
    Two = 2,
    /// A record is sealed before its position is known. This version is written.
    Three = 3,
}

/// The newest version that this program reads.
pub const NEWEST: u16 = FrameVersion::Three as u16;

/// What a frame holds, whatever its place in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub kind: FrameKind,
    /// The customer's key; in an erasure the destroyed key, or zeros if there was none.
    pub key: KeyName,
    /// The first bytes of the nonce; in version 2 all random bytes of it.
    pub random: [u8; 16],
    /// The record's leaf in the Merkle tree.
    pub leaf: Leaf,
}

/// A frame without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub version: FrameVersion,
    /// The position in the ledger, from 1.
    pub position: u64,
    pub head: Head,
}

impl Header {
    /// The bytes of a header between the length and the previous hash.
    fn bytes(&self) -> Vec<u8> {
        let Head { kind, key, random, leaf } = &self.head;
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend((self.version as u16).to_le_bytes());
        bytes.extend((*kind as u16).to_le_bytes());
        bytes.extend(self.position.to_le_bytes());
        bytes.extend(key.0);
        bytes.extend(random);
        bytes.extend(leaf.bytes());
        bytes.extend([0; 3]);
        bytes
    }

    /// The associated data of a payload that was sealed under version 2: everything but the length and the previous
    /// hash.
    pub fn sealed_with_position(&self) -> Vec<u8> {
        self.bytes()
    }
}

impl Head {
    /// The associated data of a payload's encryption: everything but the place in the ledger.
    pub fn associated_data(&self) -> Vec<u8> {
        let header = Header { version: FrameVersion::Three, position: 0, head: *self };
        let bytes = header.bytes();
        let (start, rest) = bytes.split_at(4);
        [start, rest.get(8..).unwrap_or(&[])].concat()
    }
}

/// The result of reading a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameRead {
    /// There are no more bytes.
    End,
    /// A whole frame.
    Frame {
        header: Header,
        /// The hash of the previous frame.
        previous: Link,
        /// The hash of this frame.
        link: Link,
        /// The length of the payload in bytes.
        length: usize,
    },
    /// A frame whose writing was interrupted.
    Torn,
    /// A damaged frame, and what is wrong with it.
    Damaged(&'static str),
    /// A whole header of a later version of the format.
    Newer(u16),
}

/// The bytes of a frame with a payload of this length.
pub const fn size(payload: usize) -> usize {
    HEADER + payload + HASH
}

/// The bytes of a frame that hold a payload of this length.
pub const fn payload(length: usize) -> std::ops::Range<usize> {
    HEADER..HEADER + length
}

/// Appends a frame at its place in the ledger, and returns its hash.
pub fn write(bytes: &mut Vec<u8>, header: &Header, payload: &[u8], previous: &Link) -> Link {
    let start = bytes.len();
    bytes.extend(u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(previous);
    let crc = crc32c::crc32c(bytes.get(start..).unwrap_or(&[]));
    bytes.extend(crc.to_le_bytes());
    bytes.extend(payload);
    let link: Link = Sha256::digest(bytes.get(start..).unwrap_or(&[])).into();
    bytes.extend(link);
    link
}

/// Reads the frame at byte `start` of a file.
///
/// A frame is torn only if its writing was interrupted: it ends with the file, or turns into zeros up to the end of the
/// file, from its start or from the start of a sector on, as file systems leave an unfinished write. The header has a
/// checksum of its own, so a flipped length is damage, not a torn frame.
#[must_use]
pub fn read(file: &[u8], start: usize) -> FrameRead {
    let bytes = file.get(start..).unwrap_or(&[]);
    if bytes.is_empty() {
        return FrameRead::End;
    }
    match read_whole(bytes) {
        FrameRead::Damaged(_) if is_torn(file, start, size_at(file, start)) => FrameRead::Torn,
        found => found,
    }
}

fn read_whole(bytes: &[u8]) -> FrameRead {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return FrameRead::Torn };
    let (checked, crc) = header.split_at(HEADER - 4);
    if crc != crc32c::crc32c(checked).to_le_bytes() {
        return FrameRead::Damaged("a frame's header does not match its checksum");
    }
    let (header, previous, length) = match parse(header) {
        Ok(parsed) => parsed,
        Err(version) if version > NEWEST => return FrameRead::Newer(version),
        Err(_) => return FrameRead::Damaged("a frame is of a version or kind that this program does not know"),
    };
    if length > MAX_PAYLOAD {
        return FrameRead::Damaged("a frame is longer than any that was written");
    }
    let Some(hash) = rest.get(length..length + HASH) else { return FrameRead::Torn };
    let link: Link = Sha256::digest(bytes.get(..HEADER + length).unwrap_or(&[])).into();
    if hash != link.as_slice() {
        return FrameRead::Damaged("a frame does not match its hash");
    }
    FrameRead::Frame { header, previous, link, length }
}

/// The parts of a header, or the version of one that is not known.
fn parse(bytes: &[u8; HEADER]) -> Result<(Header, Link, usize), u16> {
    let [_, _, _, _, low, high, ..] = bytes;
    let found = u16::from_le_bytes([*low, *high]);
    let version = match found {
        2 => FrameVersion::Two,
        3 => FrameVersion::Three,
        _ => return Err(found),
    };
    parse_version(version, bytes).ok_or(found)
}

fn parse_version(version: FrameVersion, bytes: &[u8; HEADER]) -> Option<(Header, Link, usize)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (_, rest) = rest.split_first_chunk::<2>()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let (position, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_first_chunk()?;
    let (random, rest) = rest.split_first_chunk()?;
    let (leaf, rest) = rest.split_first_chunk::<{ Leaf::SIZE }>()?;
    let (zeros, rest) = rest.split_first_chunk()?;
    let (previous, _) = rest.split_first_chunk()?;
    let kind = match u16::from_le_bytes(*kind) {
        1 => FrameKind::Record,
        2 => FrameKind::Erasure,
        3 => FrameKind::Return,
        _ => return None,
    };
    if *zeros != [0; 3] {
        return None;
    }
    let head = Head { kind, key: KeyName(*key), random: *random, leaf: Leaf::read(leaf)? };
    let header = Header { version, position: u64::from_le_bytes(*position), head };
    Some((header, *previous, usize::try_from(u32::from_le_bytes(*length)).ok()?))
}

/// The size of the frame at byte `start` of a file by its unchecked length, but at most that of the longest frame.
pub fn size_at(file: &[u8], start: usize) -> usize {
    let length = file.get(start..).and_then(|bytes| bytes.first_chunk());
    size(length.map_or(0, |length| u32::from_le_bytes(*length) as usize).min(MAX_PAYLOAD))
}

/// Whether the `size` bytes at `start` turn into zeros up to the end of the file, from `start` or from the start of a
/// sector on: their writing was interrupted.
pub fn is_torn(file: &[u8], start: usize, size: usize) -> bool {
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
        let head = Head { kind: FrameKind::Record, key: KeyName([9; 16]), random: [5; 16], leaf };
        let header = Header { version: FrameVersion::Three, position: 3, head };
        let mut bytes = Vec::new();
        let link = write(&mut bytes, &header, b"sealed", &[7; HASH]);
        assert_eq!(read(&bytes, 0), FrameRead::Frame { header, previous: [7; HASH], link, length: 6 });
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
            assert!(matches!(read(&flipped, 0), FrameRead::Damaged(_)), "bit {bit}");
        }
    }

    #[test]
    fn a_frame_of_a_later_version_is_named() {
        let mut bytes = frame();
        bytes[4] = 4;
        let crc = crc32c::crc32c(&bytes[..HEADER - 4]).to_le_bytes();
        bytes[HEADER - 4..HEADER].copy_from_slice(&crc);
        assert_eq!(read(&bytes, 0), FrameRead::Newer(4));
    }

    #[test]
    fn every_prefix_is_torn_and_nothing_is_the_end() {
        let bytes = frame();
        assert_eq!(read(&[], 0), FrameRead::End);
        for length in 1..bytes.len() {
            assert_eq!(read(&bytes[..length], 0), FrameRead::Torn, "{length}");
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
        assert_eq!(zeroed(start, whole.len()), FrameRead::Torn);
        assert_eq!(zeroed(SECTOR, whole.len()), FrameRead::Torn);
        assert!(matches!(zeroed(SECTOR, whole.len() - 1), FrameRead::Damaged(_)));
        assert!(matches!(zeroed(SECTOR + 20, whole.len()), FrameRead::Damaged(_)));
    }
}
