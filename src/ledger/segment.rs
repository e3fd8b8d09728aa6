//! The files that hold the frames: append-only, each named after the position of its first frame.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile, extend};

/// How the name of a segment ends.
const SUFFIX: &str = ".segment";

/// The file of the segment whose first frame has this position.
pub fn path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}{SUFFIX}"))
}

/// The position in the name of a segment's file.
pub fn first(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX).filter(|digits| digits.len() == 20)?.parse().ok()
}

/// Where some bytes were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The first position of the segment.
    pub segment: u64,
    /// Their place in it.
    pub offset: u64,
}

/// The segments, open to append to.
#[derive(Debug)]
pub struct Segments {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// A segment is full from this many bytes on.
    limit: u64,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    file: Box<dyn DiskFile>,
    first: u64,
    end: u64,
}

impl Segments {
    /// The segments of a folder, of which the last, given by its first position and its length, is appended to.
    ///
    /// What was read may not have reached the disk before a crash, so it is synced before anybody relies on it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn open(disk: Arc<dyn Disk>, folder: PathBuf, limit: u64, last: Option<(u64, u64)>) -> io::Result<Self> {
        let last = match last {
            Some((first, end)) => {
                let mut file = disk.open(&path(&folder, first))?;
                file.sync()?;
                Some(Last { file, first, end })
            }
            None => None,
        };
        disk.sync_folder(&folder)?;
        Ok(Self { disk, folder, limit, last })
    }

    /// Writes whole frames, of which the first has this position, and syncs them.
    ///
    /// # Errors
    /// When there is no room: then nothing was written. Any other error is final.
    pub fn append(&mut self, position: u64, bytes: &[u8]) -> io::Result<Written> {
        let full = |last: &Last| last.end > 0 && last.end + bytes.len() as u64 > self.limit;
        if self.last.as_ref().is_none_or(full) {
            let file = self.disk.create(&path(&self.folder, position))?;
            self.disk.sync_folder(&self.folder)?;
            self.last = Some(Last { file, first: position, end: 0 });
        }
        let Some(last) = &mut self.last else { return Err(io::Error::other("there is no segment")) };
        extend(&mut *last.file, last.end, bytes)?;
        let written = Written { segment: last.first, offset: last.end };
        last.end += bytes.len() as u64;
        Ok(written)
    }
}
