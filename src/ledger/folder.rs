//! Folders of a ledger: creates them durably, locks them, and reads files that may be missing.

use std::any::Any;
use std::io;
use std::path::Path;

use super::OpenError;
use super::disk::Disk;
use crate::io_at::{AtPath as _, IoAt};

/// The lock file of a folder that one process may use.
const LOCK: &str = "lock";

/// Creates a folder and its parents durably.
///
/// # Errors
/// When the disk fails.
pub fn create_folders(disk: &dyn Disk, folder: &Path) -> Result<(), OpenError> {
    let above: Vec<&Path> = folder.ancestors().filter(|folder| !folder.as_os_str().is_empty()).collect();
    let create = |folder: &Path| match disk.create_folder(folder)? {
        true => disk.sync_folder(folder.parent().filter(|above| *above != "").unwrap_or(Path::new("."))),
        false => Ok(()),
    };
    above.into_iter().rev().try_for_each(|folder| Ok(create(folder).at(folder)?))
}

/// Locks a folder against other processes until the result is dropped.
///
/// # Errors
/// When the disk fails, or another process has the lock.
pub fn lock(disk: &dyn Disk, folder: &Path) -> Result<Box<dyn Any + Send + Sync>, OpenError> {
    let lock = disk.lock(&folder.join(LOCK)).at(folder)?;
    lock.ok_or_else(|| OpenError::InUse(folder.to_owned()))
}

/// The bytes of a file; `None` if it does not exist.
///
/// # Errors
/// When the disk fails.
pub fn read_if_exists(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    match disk.read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(IoAt::new(path, error).into()),
    }
}
