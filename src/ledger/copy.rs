//! Copies a ledger to a backup while it is appended to: whole frames up to one position, and their keys.
//!
//! A customer's key is in a block before the first frame of the customer is written, and is destroyed after the frame
//! of the erasure. So blocks are copied until there is no new one, and then the frames that existed before that last
//! check: the copy has the key of each record, or the frame of its erasure.

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use super::customer_keys;
use super::data_folder::{DataFolder, KEYS, LEDGER};
use super::disk::{Disk, RealDisk};
use super::frame_index::SharedIndex;
use super::proof::{Checkpoint, Tree, VerifyingKey};
use super::signer::write_file;
use super::{Inspection, LedgerSettings, OpenError, Verification, segment, verify};
use crate::io_at::AtPath as _;

/// Receives a copy in parts: the path of a file inside the data folder, and bytes to append to it. The parts of a file
/// follow one another. An error ends the copying.
pub type CopySink<'t> = dyn FnMut(&str, Vec<u8>) -> io::Result<()> + 't;

/// The bytes of a full part.
pub const PART: usize = 256 * 1024;

/// Copies the keys and frames of a ledger to `sink`.
pub(super) fn copy(disk: &dyn Disk, data: &DataFolder, index: &SharedIndex, sink: &mut CopySink<'_>) -> io::Result<()> {
    let (folder, keys) = (data.ledger(), data.record_keys());
    let mut copied = HashSet::new();
    let end = loop {
        let end = index.read().len();
        let mut new = customer_keys::names(disk, &keys)?;
        new.retain(|block| !copied.contains(block));
        if new.is_empty() {
            break end;
        }
        for block in new {
            sink(&format!("{LEDGER}/{KEYS}/{block}"), customer_keys::read_block(disk, &keys.join(&block))?)?;
            copied.insert(block);
        }
    };
    let mut next = 1;
    while next <= end {
        let (first, length, last) = {
            let index = index.read();
            let last = index.segment_end(next).min(end);
            let location = index.locate(last).ok_or_else(|| io::Error::other("a frame is not in the index"))?;
            (location.segment, u64::from(location.offset) + u64::from(location.size), last)
        };
        let path = segment::path(&folder, first);
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        for from in (0..length).step_by(PART) {
            let part = usize::try_from(length - from).unwrap_or(PART).min(PART);
            sink(&format!("{LEDGER}/{file}"), disk.read_part(&path, from, part)?)?;
        }
        next = last + 1;
    }
    Ok(())
}

/// Builds the published log of a copy from its frames, up to the checkpoint in the copy, and verifies the copy without
/// the keys folder.
///
/// # Errors
/// When a file cannot be read or written, or is damaged.
pub fn publish(data: &Path) -> Result<(VerifyingKey, Verification), OpenError> {
    let (inspection, _, size) = inspect(data)?;
    let (mut tree, mut written) = (Tree::default(), Ok(()));
    let log = inspection.folders.data.log();
    let mut write = |file: &_| write_file(&RealDisk, &log, file);
    inspection.read(1, |frame| {
        if tree.size() == size {
            return ControlFlow::Break(());
        }
        written = tree.append(&frame.header.head.leaf).iter().try_for_each(&mut write);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let written = written.and_then(|()| tree.partial_files(0).iter().try_for_each(write));
    written.at(&log)?;
    verify_copy(data)
}

/// Verifies a copy against the checkpoint in the copy, without the keys folder. Returns the log's public key, too.
///
/// # Errors
/// When a file cannot be read, or is damaged.
pub fn verify_copy(data: &Path) -> Result<(VerifyingKey, Verification), OpenError> {
    let (inspection, key, _) = inspect(data)?;
    let found = verify(&inspection, &key, Vec::new())?;
    Ok((key, found))
}

/// Opens a copy. Returns the public key in it, and the number of records that its checkpoint covers.
fn inspect(data: &Path) -> Result<(Inspection, VerifyingKey, u64), OpenError> {
    let inspection = Inspection::without_keys(&LedgerSettings::of(data));
    let (path, text) = inspection.published_key()?;
    let key = VerifyingKey::parse(text.trim_end());
    let key = key.map_err(|_| OpenError::Damaged { path, at: 0, records: 0, what: "it is not a verifier key" })?;
    let (path, note) = inspection.checkpoint()?;
    let size = Checkpoint::open(&note, &key).map_err(|error| OpenError::Head { path, error })?.size;
    Ok((inspection, key, size))
}
