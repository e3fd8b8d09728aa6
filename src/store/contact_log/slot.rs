//! The format of the contact log: files of slots of 128 bytes. Numbers are little-endian.
//!
//! ```text
//! an entry: u64 segment, u8 length, that many bytes; zeros; CRC32C of the rest
//! a checkpoint: "TFLCONT1", u64 number of the durable flush; zeros; CRC32C of the rest
//! ```

use postcard::experimental::max_size::MaxSize as _;

use super::entry::{LogContents, LogEntry};

const MAGIC: &[u8; 8] = b"TFLCONT1";
pub const SLOT: usize = 128;
/// The bytes of a slot around an entry: the segment, the length and the checksum.
const FRAMING: usize = 8 + 1 + 4;
const _: () = assert!(LogEntry::POSTCARD_MAX_SIZE <= SLOT - FRAMING, "every entry fits its slot, whatever it holds");

/// Adds the slots of a file to the contents of a log.
pub fn read_all(bytes: &[u8], contents: &mut LogContents) {
    // A partial slot at the end was cut off by a crash, so no call has waited for it.
    for slot in bytes.as_chunks::<SLOT>().0 {
        let body = checked_body(slot);
        if let Some(flush) = body.and_then(|body| body.strip_prefix(MAGIC)).and_then(number) {
            contents.durable_flush = contents.durable_flush.max(flush);
        } else if let Some(entry) = body.and_then(read_entry) {
            contents.entries.push(entry);
        } else if slot.iter().any(|byte| *byte != 0) {
            contents.damaged += 1;
        }
    }
}

/// The checkpoint of a durable flush.
pub fn checkpoint(flush: u64) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    let (magic, rest) = slot.split_at_mut(MAGIC.len());
    magic.copy_from_slice(MAGIC);
    rest.iter_mut().zip(flush.to_le_bytes()).for_each(|(to, from)| *to = from);
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
