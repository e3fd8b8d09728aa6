//! The first version of the format, which held records in plain in one file: read once, and moved over.
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

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::disk::{Disk, shred};
use super::recovery::at;
use super::{OpenError, payload};
use crate::domain::consent::ConsentRecord;

/// The file's name inside the data folder.
const FILE: &str = "consent.ledger";

/// The version that is read here.
const VERSION: u16 = 1;
/// Bytes before the payload.
const HEADER: usize = 52;
/// Bytes after the payload.
const HASH: usize = 32;
/// The longest payload that is believed.
const MOST_PAYLOAD: usize = 1024 * 1024;

/// The hash that chains frames.
type Link = [u8; HASH];

/// A ledger of the first version.
pub struct Version1 {
    /// Its records, in order.
    pub records: Vec<ConsentRecord>,
    /// Its file, and copies of torn ends that were kept beside it.
    files: Vec<PathBuf>,
}

impl Version1 {
    /// Reads the one in a data folder, if there is one. A torn last frame was never acknowledged.
    ///
    /// # Errors
    /// When the disk refuses, or the file is not as it was written.
    pub fn read(disk: &dyn Disk, data: &Path) -> Result<Option<Self>, OpenError> {
        let names = disk.names(data).map_err(at(data))?;
        let files: Vec<PathBuf> =
            names.iter().filter(|name| name.starts_with(FILE)).map(|name| data.join(name)).collect();
        let path = data.join(FILE);
        if files.is_empty() {
            return Ok(None);
        }
        let bytes = match disk.read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(at(&path))?,
        };
        let (mut records, mut end, mut previous) = (Vec::new(), 0, Link::default());
        loop {
            let count = records.len() as u64;
            let damaged = |what| OpenError::Damaged { path: path.clone(), at: end, records: count, what };
            match decode(bytes.get(end..).unwrap_or(&[]), count + 1, &previous) {
                Found::End | Found::Torn => return Ok(Some(Self { records, files })),
                Found::Damaged(what) => return Err(damaged(what)),
                Found::Frame { payload: written, link, size } => {
                    records.push(payload::read(written).ok_or_else(|| damaged("a record cannot be read"))?);
                    previous = link;
                    end += size;
                }
            }
        }
    }

    /// Takes its files away for good: they hold customers' ids in plain.
    ///
    /// # Errors
    /// When the disk refuses; ask again then.
    pub fn shred(&self, disk: &dyn Disk) -> Result<(), OpenError> {
        self.files.iter().try_for_each(|path| shred(disk, path, None).map_err(at(path)))
    }
}

/// What stands at the beginning of some bytes.
enum Found<'b> {
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

/// Reads the frame that should stand at a position.
///
/// A frame counts as torn only where its writing was cut short: a prefix of a frame, or zeros to the end, as
/// a file system leaves them. A header is checked by itself, so a flipped length is damage, not a torn end.
fn decode<'b>(bytes: &'b [u8], position: u64, previous: &Link) -> Found<'b> {
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
