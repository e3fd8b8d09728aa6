//! The index of one file of the log: which of its blocks a moment is in, and where a customer's entries are.
//!
//! In memory are only the blocks: 40 bytes for each 64 KiB of entries. A decision is found by the time in its id. The
//! places of customers, by a part of their pseudonyms, lie sorted in a file beside that of the entries; those of the
//! file that is being written are in memory. The index can be rebuilt from the entries.
//!
//! ```text
//! 0  8  "TFLSIDX1"
//! 8  u64 length of the file of entries, u32 number of blocks, u32 number of places
//! 24 40 a block: u64 offset, first and last moment of its decisions, first and last of its outcomes, i64 each
//! …  12 a place, in this order: u64 of the pseudonym (big-endian), u32 offset
//! …  u32 CRC-32C of everything before
//! ```

use std::io;
use std::path::{Path, PathBuf};

use super::entry::Content;
use crate::ledger::disk::{Disk as _, RealDisk, replace_without_sync};

const MAGIC: &[u8; 8] = b"TFLSIDX1";
/// The bytes before the blocks.
const HEAD: usize = 24;
/// The bytes of a block.
const BLOCK: usize = 40;
/// The bytes of a place.
const PLACE: usize = 12;
/// A block ends with the entry that reaches this many bytes.
const BLOCK_BYTES: u64 = 64 * 1024;

/// A part of a file, and the moments in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The offset of its first entry.
    pub from: u64,
    /// When its decisions were made.
    pub decisions: Span,
    /// When its outcomes happened.
    pub outcomes: Span,
}

/// From a first to a last moment, in milliseconds since 1970; none if the first is later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub i64, pub i64);

impl Span {
    const NONE: Self = Self(i64::MAX, i64::MIN);

    fn add(&mut self, at: i64) {
        *self = Self(self.0.min(at), self.1.max(at));
    }

    /// Whether some moment is in both.
    pub fn meets(self, other: Self) -> bool {
        self.0 <= other.1 && other.0 <= self.1
    }
}

/// The index of a file.
#[derive(Debug, Default)]
pub struct Index {
    /// The blocks, in their order.
    pub blocks: Vec<Block>,
    places: Places,
}

/// Where the entries of customers are.
#[derive(Debug)]
enum Places {
    /// In the order of the entries.
    Memory(Vec<(u64, u32)>),
    /// Sorted, in a file from an offset on.
    File { path: PathBuf, from: u64, count: u64 },
}

impl Default for Places {
    fn default() -> Self {
        Self::Memory(Vec::new())
    }
}

/// The part of a pseudonym that the index holds. It is of the person, in any spelling of the id.
pub fn part(pseudonym: &[u8]) -> u64 {
    pseudonym.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

impl Index {
    /// Adds an entry, which lies behind all others.
    pub fn add(&mut self, offset: u64, content: &Content) {
        if self.blocks.last().is_none_or(|block| offset - block.from >= BLOCK_BYTES) {
            self.blocks.push(Block { from: offset, decisions: Span::NONE, outcomes: Span::NONE });
        }
        if let Some(block) = self.blocks.last_mut() {
            match content {
                Content::Decision(decision) => block.decisions.add(decision.at),
                Content::Outcome(outcome) => block.outcomes.add(outcome.at),
                Content::Erased => {}
            }
        }
        if let (Places::Memory(places), Some(customer)) = (&mut self.places, content.customer()) {
            places.push((part(&customer), u32::try_from(offset).unwrap_or(u32::MAX)));
        }
    }

    /// The offset behind a block.
    pub fn end(&self, block: usize, length: u64) -> u64 {
        self.blocks.get(block + 1).map_or(length, |next| next.from)
    }

    /// The newest moment of a decision.
    pub fn newest(&self) -> Option<i64> {
        self.blocks.iter().map(|block| block.decisions.1).max().filter(|at| *at > i64::MIN)
    }

    /// The offsets of the entries of a person, in their order, and of few others.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn find(&self, person: u64) -> io::Result<Vec<u64>> {
        let (path, from, count) = match &self.places {
            Places::Memory(places) => {
                let own = places.iter().filter(|(part, _)| *part == person);
                return Ok(own.map(|(_, offset)| u64::from(*offset)).collect());
            }
            Places::File { path, from, count } => (path, *from, *count),
        };
        // Pseudonyms are spread evenly, so their order tells where to look first.
        let guess = (u128::from(person) * u128::from(count)) >> 64;
        let guess = u64::try_from(guess).unwrap_or(count);
        let mut reach = 64 + 3 * count.isqrt();
        loop {
            let (first, last) = (guess.saturating_sub(reach), guess.saturating_add(reach).min(count));
            let length = usize::try_from((last - first) * PLACE as u64).unwrap_or(usize::MAX);
            let bytes = RealDisk.read_part(path, from + first * PLACE as u64, length)?;
            let read: Vec<(u64, u64)> = places(&bytes).collect();
            let before = first == 0 || read.first().is_some_and(|(part, _)| *part < person);
            let behind = last == count || read.last().is_some_and(|(part, _)| *part > person);
            if before && behind {
                return Ok(read.into_iter().filter(|(part, _)| *part == person).map(|(_, offset)| offset).collect());
            }
            reach = reach.saturating_mul(4);
        }
    }

    /// Calls a function with the part of every pseudonym.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn every_person(&self, mut visit: impl FnMut(u64)) -> io::Result<()> {
        match &self.places {
            Places::Memory(held) => held.iter().for_each(|(part, _)| visit(*part)),
            Places::File { path, from, count } => {
                let length = usize::try_from(count * PLACE as u64).unwrap_or(usize::MAX);
                let bytes = RealDisk.read_part(path, *from, length)?;
                places(&bytes).for_each(|(part, _)| visit(part));
            }
        }
        Ok(())
    }

    /// The bytes that it takes in memory.
    pub fn memory(&self) -> usize {
        let places = match &self.places {
            Places::Memory(places) => places.capacity() * size_of::<(u64, u32)>(),
            Places::File { .. } => 0,
        };
        places + self.blocks.capacity() * size_of::<Block>()
    }

    /// Writes the index of a file of entries that is complete, and forgets the places in memory.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn close(&mut self, path: &Path, length: u64) -> io::Result<()> {
        let Places::Memory(held) = &mut self.places else { return Ok(()) };
        held.sort_unstable();
        let mut bytes = Vec::with_capacity(HEAD + self.blocks.len() * BLOCK + held.len() * PLACE + 4);
        bytes.extend(MAGIC);
        bytes.extend(length.to_le_bytes());
        for count in [self.blocks.len(), held.len()] {
            bytes.extend(u32::try_from(count).map_err(io::Error::other)?.to_le_bytes());
        }
        for Block { from, decisions, outcomes } in &self.blocks {
            bytes.extend(from.to_le_bytes());
            [decisions.0, decisions.1, outcomes.0, outcomes.1].iter().for_each(|at| bytes.extend(at.to_le_bytes()));
        }
        let from = bytes.len() as u64;
        for (part, offset) in held.iter() {
            bytes.extend(part.to_be_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        // It can be rebuilt.
        replace_without_sync(&RealDisk, path, &bytes)?;
        self.blocks.shrink_to_fit();
        self.places = Places::File { path: path.to_owned(), from, count: held.len() as u64 };
        Ok(())
    }

    /// Reads the index of a file of entries, and for which length of it; `None` if it is missing or damaged.
    pub fn open(path: &Path) -> Option<(Self, u64)> {
        let bytes = RealDisk.read(path).ok()?;
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
            return None;
        }
        let rest = body.strip_prefix(MAGIC)?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (_, rest) = rest.split_first_chunk::<4>()?;
        let blocks = u32::from_le_bytes(*count) as usize * BLOCK;
        let (blocks, places) = rest.split_at_checked(blocks)?;
        let (blocks, []) = blocks.as_chunks::<BLOCK>() else { return None };
        let block = |bytes: &[u8; BLOCK]| {
            let (numbers, _) = bytes.as_chunks::<8>();
            let [from, a, b, c, d] = numbers else { return None };
            let [a, b, c, d] = [a, b, c, d].map(|number| i64::from_le_bytes(*number));
            Some(Block { from: u64::from_le_bytes(*from), decisions: Span(a, b), outcomes: Span(c, d) })
        };
        let blocks: Vec<Block> = blocks.iter().filter_map(block).collect();
        let (from, count) = ((body.len() - places.len()) as u64, (places.len() / PLACE) as u64);
        let places = Places::File { path: path.to_owned(), from, count };
        Some((Self { blocks, places }, u64::from_le_bytes(*length)))
    }
}

fn places(bytes: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    let (places, _) = bytes.as_chunks::<PLACE>();
    places.iter().filter_map(|place| {
        let (part, offset) = place.split_first_chunk::<8>()?;
        Some((u64::from_be_bytes(*part), u64::from(u32::from_le_bytes(*offset.first_chunk()?))))
    })
}
