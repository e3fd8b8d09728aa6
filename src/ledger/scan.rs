//! Reads all frames when the ledger is opened, checks their chain, and decrypts every record. A segment is read on all
//! cores, and only an outline of each record is kept in memory.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use compact_str::{CompactString, ToCompactString as _};

use super::chain::{Chain, FrameRef, Frames};
use super::customer_keys::Keys;
use super::disk::{Disk, replace};
use super::erasure_register::RegisteredErasure;
use super::frame::{FrameKind, Head, Header, Link};
use super::frame_index::{FrameIndex, RecordOwners};
use super::nonce_list::NonceList;
use super::proof::Leaf;
use super::record_summary::RecordSummary;
use super::segment::{self, LastSegment, SegmentOffset};
use super::{KeyName, OpenError, Repair, erasure, parallel, payload, seal};
use crate::io_at::AtPath as _;

/// The content of the segments that were read.
pub struct FrameScan<'d> {
    disk: &'d dyn Disk,
    folder: &'d Path,
    /// The keys of erased customers, whose records cannot be decrypted.
    destroyed: HashSet<KeyName>,
    pub index: FrameIndex,
    pub owners: RecordOwners,
    pub summary: RecordSummary,
    pub erasures: Vec<RegisteredErasure>,
    /// The hash of the last frame.
    pub previous: Link,
    /// The segment to append to.
    pub last: Option<LastSegment>,
    /// The last frame, if its writing was interrupted.
    pub torn: Option<TornFrame>,
}

/// A frame whose writing was interrupted.
pub struct TornFrame {
    /// The file of its segment.
    path: PathBuf,
    /// Its first byte in the file.
    start: usize,
    bytes: Vec<u8>,
}

impl TornFrame {
    /// Copies the bytes to a file beside the segment, and truncates the segment.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn cut_off(&self, disk: &dyn Disk) -> Result<Repair, OpenError> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let copy = self.path.with_file_name(format!("{name}.torn-at-{}", self.start));
        let cut = replace(disk, &copy, &self.bytes).and_then(|()| disk.open(&self.path)?.truncate(self.start as u64));
        cut.at(&self.path)?;
        Ok(Repair::TornFrame(copy))
    }
}

impl<'d> FrameScan<'d> {
    /// A scan that has read nothing yet. `registered` are the erasures in the register.
    pub fn new(disk: &'d dyn Disk, folder: &'d Path, index: FrameIndex, registered: &[RegisteredErasure]) -> Self {
        Self {
            disk,
            folder,
            destroyed: registered.iter().map(|erased| erased.key).collect(),
            index,
            owners: RecordOwners::default(),
            summary: RecordSummary::default(),
            erasures: Vec::new(),
            previous: Link::default(),
            last: None,
            torn: None,
        }
    }

    /// Reads the segments with these first positions, in order, and passes every leaf to `visit`.
    ///
    /// # Errors
    /// When the disk fails, a file is damaged, or `visit` fails.
    pub fn read(
        &mut self,
        firsts: &[u64],
        mut visit: impl FnMut(&Leaf) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let (mut chain, mut without_key, mut nonces) = (Chain::from_start(), BTreeMap::new(), NonceList::default());
        for (number, first) in firsts.iter().enumerate() {
            let path = segment::path(self.folder, *first);
            let bytes = self.disk.read(&path).at(&path)?;
            let mut frames = chain.segment(&path, *first, &bytes)?;
            for (part, read) in read_parts(&frames, self.index.keys()) {
                if !frames.join(&part)? {
                    break;
                }
                read.failed.map_or(Ok(()), Err)?;
                read.leaves.iter().try_for_each(&mut visit)?;
                for (offset, size, random) in read.frames {
                    nonces.add(random, self.index.len() + 1);
                    self.index.add_frame(SegmentOffset { segment: *first, offset: offset as u64 }, size);
                }
                for (key, position, customer) in read.records {
                    self.owners.add(key, position, customer);
                }
                for (key, damaged) in read.without_key {
                    without_key.entry(key).or_insert(damaged);
                }
                self.destroyed.extend(read.erasures.iter().map(|erased| erased.key));
                self.erasures.extend(read.erasures);
                self.summary.merge(read.summary);
            }
            let (end, rest);
            (chain, end, rest) = frames.end(number + 1 == firsts.len())?;
            self.last = Some(LastSegment { first: *first, end: end as u64 });
            if !rest.is_empty() {
                self.torn = Some(TornFrame { bytes: rest.to_vec(), path, start: end });
            }
        }
        self.previous = chain.last();
        if let Some((_, position)) = nonces.repeated() {
            return Err(self.repeated(position));
        }
        // Only the records of erased customers may lack their key.
        match without_key.into_iter().find(|(key, _)| !self.destroyed.contains(key)) {
            Some((_, damaged)) => Err(damaged),
            None => Ok(()),
        }
    }
}

impl FrameScan<'_> {
    fn repeated(&self, position: u64) -> OpenError {
        let location = self.index.locate(position);
        let (segment, at) = location.map_or((position, 0), |location| (location.segment, location.offset as usize));
        let what = "a frame is there a second time";
        OpenError::Damaged { path: segment::path(self.folder, segment), at, records: position - 1, what }
    }
}

/// The content of a part of a segment, up to the first error.
#[derive(Default)]
struct PartContent {
    /// Offset, size and random bytes of each frame.
    frames: Vec<(usize, usize, [u8; 16])>,
    leaves: Vec<Leaf>,
    /// Key, position and customer of each decrypted record.
    records: Vec<(KeyName, u64, CompactString)>,
    summary: RecordSummary,
    erasures: Vec<RegisteredErasure>,
    /// Missing keys, each with the error if its customer was not erased.
    without_key: BTreeMap<KeyName, OpenError>,
    failed: Option<OpenError>,
}

/// Reads the frames of a segment on all cores.
fn read_parts<'b>(frames: &Frames<'b>, keys: &Keys) -> Vec<(Frames<'b>, PartContent)> {
    parallel::map(frames.split(parallel::cores()), |mut part| {
        let mut content = PartContent::default();
        content.failed = content.read(&mut part, keys).err();
        (part, content)
    })
}

impl PartContent {
    fn read(&mut self, frames: &mut Frames<'_>, keys: &Keys) -> Result<(), OpenError> {
        while let Some(frame) = frames.next()? {
            self.frames.push((frame.offset, frame.size, frame.header.head.random));
            self.leaves.push(frame.header.head.leaf);
            match frame.header.head.kind {
                FrameKind::Record | FrameKind::Return => self.add_record(&frame, keys)?,
                FrameKind::Erasure => {
                    let parsed = erasure::parse(frame.payload);
                    let (token, _) = parsed.ok_or_else(|| frame.damaged("an erasure cannot be read"))?;
                    let (Header { position, .. }, Head { key, .. }) = (frame.header, frame.header.head);
                    self.erasures.push(RegisteredErasure { key, token: *token, position });
                }
            }
        }
        Ok(())
    }

    fn add_record(&mut self, frame: &FrameRef<'_>, keys: &Keys) -> Result<(), OpenError> {
        let (Header { position, .. }, Head { key: name, .. }) = (frame.header, frame.header.head);
        let Some(key) = keys.get(&name) else {
            let damaged = || frame.damaged("the key of a record is missing, and its customer was not erased");
            self.without_key.entry(name).or_insert_with(damaged);
            return Ok(());
        };
        let plain = seal::open(&frame.header, key, frame.payload);
        let outline = plain.as_deref().and_then(payload::outline);
        let outline = outline.ok_or_else(|| frame.damaged("a record cannot be decrypted with its key"))?;
        self.summary.add(&outline.purpose, outline.sequence, outline.received);
        self.records.push((name, position, outline.customer.to_compact_string()));
        Ok(())
    }
}
