//! Room on the disk that is kept for restrictions: a full disk still takes a "no".

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::Disk;
use super::secrets::random;

/// The file's name inside the ledger's folder.
const FILE: &str = "reserve";
/// A part of it, random so that no file system squeezes it.
const PART: usize = 16 * 1024;

/// The room that is kept.
#[derive(Debug)]
pub struct Reserve {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// How many bytes are kept.
    size: usize,
    kept: bool,
}

impl Reserve {
    /// The reserve of a ledger's folder.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn new(disk: Arc<dyn Disk>, folder: PathBuf, size: usize) -> io::Result<Self> {
        let kept = disk.names(&folder)?.iter().any(|name| name == FILE);
        Ok(Self { disk, folder, size, kept })
    }

    /// Keeps the room, if there is that much. Whether it is kept now.
    pub fn keep(&mut self) -> bool {
        self.kept = self.kept || self.take().is_ok();
        self.kept
    }

    /// Gives the room to whoever writes next. Whether there was any.
    pub fn release(&mut self) -> bool {
        let removed = self.kept && self.disk.remove(&self.folder.join(FILE)).is_ok();
        self.kept = false;
        removed && self.disk.sync_folder(&self.folder).is_ok()
    }

    fn take(&self) -> io::Result<()> {
        let path = self.folder.join(FILE);
        let fill = || -> io::Result<()> {
            let mut file = self.disk.create(&path)?;
            let part = random::<PART>()?;
            (0..self.size / PART).try_for_each(|_| file.append(part.as_slice()))?;
            file.sync()
        };
        fill().inspect_err(|_| {
            // Half a reserve would be room that nobody can use.
            drop(self.disk.remove(&path));
        })
    }
}
