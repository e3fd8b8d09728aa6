//! A copy of a ledger that is made while it is written: whole frames up to one position, and the keys that go with them.
//!
//! A customer's key is in a block before their first frame is written, and leaves it after the frame that says they were
//! erased. So blocks are read until there is no new one, and frames up to where they stood before that last look: each
//! has its key in the copy, or the frame of its erasure.

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use super::customer_keys;
use super::disk::{Disk, RealDisk};
use super::notary::write_file;
use super::proof::{Checkpoint, Tree, VerifyingKey};
use super::recovery::{CUSTOMER_KEYS, at};
use super::writer::{SharedBook, look};
use super::{Inspection, LedgerSettings, OpenError, Verification, segment, verify};

/// Takes a part of a copy: the name of a file inside the data folder, and bytes that belong at its end. The parts of a
/// file come one after the other. An error ends the copying.
pub type Take<'t> = dyn FnMut(&str, Vec<u8>) -> io::Result<()> + 't;

/// The sums of a backup's files, inside its folder: whatever has them is no data folder.
pub const SUMS: &str = "SHA256SUMS";
/// From where a restore moves things to their places, inside the data folder. As long as it is there, the folder is not
/// whole.
pub const RESTORING: &str = "restoring";
/// How many bytes are handed over at once.
pub const PART: usize = 256 * 1024;

/// Refuses what looks like a data folder, and is none that may be written to.
pub(super) fn check_whole(data: &Path) -> Result<(), OpenError> {
    if data.join(SUMS).exists() {
        return Err(OpenError::Backup(data.to_owned()));
    }
    if data.join(RESTORING).exists() { Err(OpenError::HalfRestored(data.to_owned())) } else { Ok(()) }
}

/// Hands over keys and frames of a ledger's folder, named as in the data folder.
pub(super) fn copy(
    disk: &dyn Disk,
    (name, folder): (&str, &Path),
    book: &SharedBook,
    take: &mut Take<'_>,
) -> io::Result<()> {
    let keys = folder.join(CUSTOMER_KEYS);
    let mut copied = HashSet::new();
    let end = loop {
        let end = look(book).len();
        let mut new = customer_keys::names(disk, &keys)?;
        new.retain(|block| !copied.contains(block));
        if new.is_empty() {
            break end;
        }
        for block in new {
            take(&format!("{name}/{CUSTOMER_KEYS}/{block}"), customer_keys::read_block(disk, &keys.join(&block))?)?;
            copied.insert(block);
        }
    };
    let mut next = 1;
    while next <= end {
        let (first, length, last) = {
            let book = look(book);
            let last = book.segment_end(next).min(end);
            let place = book.place(last).ok_or_else(|| io::Error::other("a frame has no place"))?;
            (place.segment, u64::from(place.offset) + u64::from(place.size), last)
        };
        let path = segment::path(folder, first);
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        for from in (0..length).step_by(PART) {
            let part = usize::try_from(length - from).unwrap_or(PART).min(PART);
            take(&format!("{name}/{file}"), disk.read_part(&path, from, part)?)?;
        }
        next = last + 1;
    }
    Ok(())
}

/// Makes the published log of a copy from its frames, up to the checkpoint that came with it, and verifies all that
/// can be without the keys folder.
///
/// # Errors
/// When a file cannot be read or written, or is not as it was written.
pub fn publish(data: &Path) -> Result<(VerifyingKey, Verification), OpenError> {
    let (inspection, _, size) = inspect(data)?;
    let (mut tree, mut written) = (Tree::default(), Ok(()));
    let mut write = |file: &_| write_file(&RealDisk, &inspection.folders.log, file);
    inspection.read(1, |seen| {
        if tree.size() == size {
            return ControlFlow::Break(());
        }
        written = tree.append(&seen.header.leaf).iter().try_for_each(&mut write);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let written = written.and_then(|()| tree.partial_files(0).iter().try_for_each(write));
    written.map_err(at(&inspection.folders.log))?;
    verified(data)
}

/// Verifies a copy as it is, against the checkpoint that came with it, without the keys folder.
///
/// # Errors
/// When a file cannot be read, or is not as it was written.
pub fn verified(data: &Path) -> Result<(VerifyingKey, Verification), OpenError> {
    let (inspection, key, _) = inspect(data)?;
    let found = verify(&inspection, &key, Vec::new())?;
    Ok((key, found))
}

/// A copy, the key that came with it, and how many records its checkpoint covers.
fn inspect(data: &Path) -> Result<(Inspection, VerifyingKey, u64), OpenError> {
    let inspection = Inspection::without_keys(&LedgerSettings::of(data));
    let (path, text) = inspection.published_key()?;
    let key = VerifyingKey::parse(text.trim_end());
    let key = key.map_err(|_| OpenError::Damaged { path, at: 0, records: 0, what: "it is not a verifier key" })?;
    let (path, note) = inspection.checkpoint()?;
    let size = Checkpoint::open(&note, &key).map_err(|error| OpenError::Head { path, error })?.size;
    Ok((inspection, key, size))
}
