//! The files that hold the frames: append-only, each named after the position of its first frame.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile, extend};

/// The extension of a segment's file name.
const SUFFIX: &str = ".segment";

/// The file of the segment whose first frame has this position.
pub fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}{SUFFIX}"))
}

/// The first position of a segment by its file name; `None` for other files.
pub fn first(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 20)?.parse().ok()
}

/// A byte of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentOffset {
    /// The first position of the segment.
    pub segment: u64,
    /// The offset in its file, in bytes.
    pub offset: u64,
}

/// The last segment of a ledger that is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSegment {
    /// Its first position.
    pub first: u64,
    /// The length of its whole frames, in bytes.
    pub end: u64,
}

/// The segments, of which the last one is open for appending.
#[derive(Debug)]
pub struct Segments {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// The size at which a segment is full, in bytes.
    limit: u64,
    last: Option<OpenSegment>,
}

#[derive(Debug)]
struct OpenSegment {
    file: Box<dyn DiskFile>,
    first: u64,
    end: u64,
}

impl Segments {
    /// Opens the segments of a folder, and syncs the last one: before a crash, what was read from it may not have
    /// reached the disk.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(disk: Arc<dyn Disk>, folder: PathBuf, limit: u64, last: Option<LastSegment>) -> io::Result<Self> {
        let last = match last {
            Some(LastSegment { first, end }) => {
                let mut file = disk.open(&path(&folder, first))?;
                file.sync()?;
                Some(OpenSegment { file, first, end })
            }
            None => None,
        };
        disk.sync_folder(&folder)?;
        Ok(Self { disk, folder, limit, last })
    }

    /// Appends whole frames, of which the first has this position, and syncs them. Returns where they begin.
    ///
    /// # Errors
    /// When the disk is full: then nothing was written. Any other error is final.
    pub fn append(&mut self, position: u64, bytes: &[u8]) -> io::Result<SegmentOffset> {
        let full = |last: &OpenSegment| last.end > 0 && last.end + bytes.len() as u64 > self.limit;
        if self.last.as_ref().is_none_or(full) {
            let file = self.disk.create(&path(&self.folder, position))?;
            self.disk.sync_folder(&self.folder)?;
            self.last = Some(OpenSegment { file, first: position, end: 0 });
        }
        let Some(last) = &mut self.last else { return Err(io::Error::other("there is no segment")) };
        extend(&mut *last.file, last.end, bytes)?;
        let written = SegmentOffset { segment: last.first, offset: last.end };
        last.end += bytes.len() as u64;
        Ok(written)
    }
}
