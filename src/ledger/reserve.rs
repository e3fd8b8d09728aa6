//! Room on disk that is reserved for restrictions, so that a full disk can still record a withdrawal.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::Disk;
use super::secrets::random;

/// The file's name inside the ledger's folder.
const FILE: &str = "reserve";
/// The bytes that are repeated to fill the file; random, so that a file system cannot compress them.
const PART: usize = 16 * 1024;

#[derive(Debug)]
pub struct Reserve {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// The reserved room in bytes.
    size: usize,
    /// Whether the file exists.
    exists: bool,
}

impl Reserve {
    /// The reserve in a ledger's folder.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn new(disk: Arc<dyn Disk>, folder: PathBuf, size: usize) -> io::Result<Self> {
        let exists = disk.file_names(&folder)?.iter().any(|name| name == FILE);
        Ok(Self { disk, folder, size, exists })
    }

    /// Reserves the room if it is not reserved yet. Returns whether it is reserved now.
    pub fn ensure(&mut self) -> bool {
        self.exists = self.exists || self.create().is_ok();
        self.exists
    }

    /// Frees the room for the next write. Returns whether any was reserved.
    pub fn release(&mut self) -> bool {
        let removed = self.exists && self.disk.remove(&self.folder.join(FILE)).is_ok();
        self.exists = false;
        removed && self.disk.sync_folder(&self.folder).is_ok()
    }

    fn create(&self) -> io::Result<()> {
        let path = self.folder.join(FILE);
        let fill = || -> io::Result<()> {
            let mut file = self.disk.create(&path)?;
            let part = random::<PART>()?;
            (0..self.size / PART).try_for_each(|_| file.append(part.as_slice()))?;
            file.sync()
        };
        fill().inspect_err(|_| {
            // A partial reserve would take room without being released.
            drop(self.disk.remove(&path));
        })
    }
}
