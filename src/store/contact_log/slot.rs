//! The format of the contact log: files of slots of 128 bytes. Numbers are little-endian.
//!
//! ```text
//! an entry: u64 segment, u8 length, that many bytes; zeros; CRC32C of the rest
//! a checkpoint: "TFLCONT1", u64 number of the durable flush; zeros; CRC32C of the rest
//! a count: "TFLSYNC1", u64 segment, u64 how many entries of it are synced; zeros; CRC32C of the rest
//! ```
//!
//! The count of a segment stands in the file of the segment before, so that a file that was cut is noticed. CRC32C tells
//! slots of this length apart by six bits at least, so one wrong bit is put right.

use postcard::experimental::max_size::MaxSize as _;

use super::entry::{LogContents, LogEntry};

const MAGIC: &[u8; 8] = b"TFLCONT1";
const COUNT: &[u8; 8] = b"TFLSYNC1";
/// How many damaged slots are looked at for a single wrong bit.
const MOST_REPAIRS: u64 = 10_000;
pub const SLOT: usize = 128;
/// The bytes of a slot around an entry: the segment, the length and the checksum.
const FRAMING: usize = 8 + 1 + 4;
const _: () = assert!(LogEntry::POSTCARD_MAX_SIZE <= SLOT - FRAMING, "every entry fits its slot, whatever it holds");

/// Adds the slots of a file to the contents of a log.
pub fn read_all(bytes: &[u8], contents: &mut LogContents) {
    let before = contents.entries.len() as u64 + contents.damaged;
    // A partial slot at the end was cut off by a crash, so no call has waited for it.
    for slot in bytes.as_chunks::<SLOT>().0 {
        let mut slot = *slot;
        if checked_body(&slot).is_none() && slot.iter().any(|byte| *byte != 0) {
            if contents.damaged + contents.repaired >= MOST_REPAIRS || !repair(&mut slot) {
                contents.damaged += 1;
                continue;
            }
            contents.repaired += 1;
        }
        let Some(body) = checked_body(&slot) else { continue };
        if let Some(flush) = body.strip_prefix(MAGIC).and_then(number) {
            contents.durable_flush = contents.durable_flush.max(flush);
        } else if let Some(count) = body.strip_prefix(COUNT).and_then(read_count) {
            contents.counts.push(count);
        } else if let Some(entry) = read_entry(body) {
            contents.entries.push(entry);
        } else {
            contents.damaged += 1;
        }
    }
    contents.slots.push(contents.entries.len() as u64 + contents.damaged - before);
}

/// Puts a single wrong bit right.
fn repair(slot: &mut [u8; SLOT]) -> bool {
    for bit in 0..SLOT * 8 {
        flip(slot, bit);
        if checked_body(slot).is_some() {
            return true;
        }
        flip(slot, bit);
    }
    false
}

fn flip(slot: &mut [u8; SLOT], bit: usize) {
    if let Some(byte) = slot.get_mut(bit / 8) {
        *byte ^= 1 << (bit % 8);
    }
}

fn read_count(body: &[u8]) -> Option<(u64, u64)> {
    let (segment, rest) = body.split_first_chunk()?;
    Some((u64::from_le_bytes(*segment), number(rest)?))
}

/// How many entries of a segment are synced.
pub fn count(segment: u64, entries: u64) -> [u8; SLOT] {
    marker(COUNT, &[segment, entries])
}

/// The checkpoint of a durable flush.
pub fn checkpoint(flush: u64) -> [u8; SLOT] {
    marker(MAGIC, &[flush])
}

fn marker(magic: &[u8; 8], numbers: &[u64]) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    let bytes = magic.iter().copied().chain(numbers.iter().flat_map(|number| number.to_le_bytes()));
    slot.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    with_checksum(slot)
}

/// An entry of a segment; `None` if it does not fit, which the assertion above excludes.
pub fn entry(segment: u64, entry: &LogEntry) -> Option<[u8; SLOT]> {
    let mut slot = [0; SLOT];
    let (head, rest) = slot.split_first_chunk_mut()?;
    *head = segment.to_le_bytes();
    let (length, rest) = rest.split_first_mut()?;
    let (room, _) = rest.split_last_chunk_mut::<4>()?;
    *length = u8::try_from(postcard::to_slice(entry, room).ok()?.len()).ok()?;
    Some(with_checksum(slot))
}

fn with_checksum(mut slot: [u8; SLOT]) -> [u8; SLOT] {
    if let Some((body, sum)) = slot.split_last_chunk_mut() {
        *sum = crc32c::crc32c(body).to_le_bytes();
    }
    slot
}

/// The content of a slot, if its checksum matches.
fn checked_body(slot: &[u8; SLOT]) -> Option<&[u8]> {
    let (body, sum) = slot.split_last_chunk()?;
    (crc32c::crc32c(body) == u32::from_le_bytes(*sum)).then_some(body)
}

fn read_entry(body: &[u8]) -> Option<(u64, LogEntry)> {
    let (segment, rest) = body.split_first_chunk()?;
    let (length, rest) = rest.split_first()?;
    let entry = postcard::from_bytes(rest.get(..usize::from(*length))?).ok()?;
    Some((u64::from_le_bytes(*segment), entry))
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
