//! The file system interface of the ledger. Tests replace it with a disk that loses or refuses writes.
//!
//! The bytes of a file are durable after [`DiskFile::sync`], its name after [`Disk::sync_folder`].

use std::any::Any;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::descriptors;
use crate::io_at::is_removed;

/// A file system.
pub trait Disk: Debug + Send + Sync {
    /// Creates a folder that only its owner may access, unless it exists. The parent must exist. Returns whether it was
    /// created.
    ///
    /// # Errors
    /// When the disk fails.
    fn create_folder(&self, folder: &Path) -> io::Result<bool>;

    /// The names of the files in a folder, sorted.
    ///
    /// # Errors
    /// When the disk fails.
    fn file_names(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Reads a whole file.
    ///
    /// # Errors
    /// When it does not exist, or the disk fails.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Reads `length` bytes of a file from offset `from` on.
    ///
    /// # Errors
    /// When the file does not exist or is too short, or the disk fails.
    fn read_part(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>>;

    /// Creates a file that only its owner may access.
    ///
    /// # Errors
    /// When it exists, or the disk fails.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for appending.
    ///
    /// # Errors
    /// When it does not exist, or the disk fails.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Renames a file, and replaces a file of the new name.
    ///
    /// # Errors
    /// When the disk fails.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When it does not exist, or the disk fails.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder with its files, if it exists.
    ///
    /// # Errors
    /// When the disk fails.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// When the disk fails.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Locks a file against other processes until the result is dropped; `None` if another process has the lock.
    ///
    /// # Errors
    /// When the disk fails.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>>;
}

/// A file that is open for writing.
pub trait DiskFile: Debug + Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// When the disk fails. Some of the bytes may be written then.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the written bytes durable.
    ///
    /// # Errors
    /// When the disk fails. Whether the bytes since the last sync are durable then stays unknown, even after a later
    /// sync.
    fn sync(&mut self) -> io::Result<()>;

    /// Truncates the file to `length` bytes, and syncs it.
    ///
    /// # Errors
    /// When the disk fails.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Overwrites the file with zeros and syncs it, which erases the bytes as far as the disk overwrites in place.
    ///
    /// # Errors
    /// When the disk fails.
    fn wipe(&mut self) -> io::Result<()>;
}

/// Whether the disk is full, or no descriptor is free: the only errors after which a write may be repeated.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        || descriptors::is_exhausted(error)
}

/// Appends to a file of this length, and syncs it.
///
/// # Errors
/// When the disk is full: then the file is unchanged. Any other error is final.
pub fn extend(file: &mut dyn DiskFile, length: u64, bytes: &[u8]) -> io::Result<()> {
    // Another kind of error, so that a failed sync on a full disk is final, too.
    let sync_failed = |error: io::Error| io::Error::other(format!("a sync failed: {error}"));
    match file.append(bytes) {
        Err(error) if is_full(&error) => {
            file.truncate(length).map_err(sync_failed)?;
            Err(error)
        }
        Err(error) => Err(error),
        Ok(()) => file.sync().map_err(sync_failed),
    }
}

/// Replaces a file atomically: after a crash it has the old bytes or the new ones.
///
/// # Errors
/// When the disk fails.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    swap(disk, path, bytes, true)
}

/// Replaces a file without a sync: after a power cut it may be damaged. For files that can be rebuilt.
///
/// # Errors
/// When the disk fails.
pub fn replace_without_sync(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    swap(disk, path, bytes, false)
}

fn swap(disk: &dyn Disk, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!("{name}{UNFINISHED}"));
    match disk.remove(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = disk.create(&fresh)?;
    let written = file.append(bytes).and_then(|()| if durable { file.sync() } else { Ok(()) });
    if let Err(error) = written {
        // A partial file would only take room. The first error is the one to report.
        drop(disk.remove(&fresh));
        return Err(error);
    }
    disk.rename(&fresh, path)?;
    if durable { disk.sync_folder(path.parent().unwrap_or(Path::new("."))) } else { Ok(()) }
}

/// Replaces a file, or removes it, and wipes its old bytes.
///
/// # Errors
/// When the disk fails.
pub fn shred(disk: &dyn Disk, path: &Path, rest: Option<&[u8]>) -> io::Result<()> {
    let mut old = disk.open(path)?;
    match rest {
        Some(bytes) => replace(disk, path, bytes)?,
        None => {
            disk.remove(path)?;
            disk.sync_folder(path.parent().unwrap_or(Path::new(".")))?;
        }
    }
    old.wipe()
}

/// The suffix of a file name until the file is complete.
pub const UNFINISHED: &str = ".new";

/// The file system of the operating system.
#[derive(Debug)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<bool> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(false),
            made => made.map(|()| true),
        }
    }

    fn file_names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in descriptors::open(|| fs::read_dir(folder))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        descriptors::open(|| fs::read(path))
    }

    fn read_part(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = descriptors::open(|| File::open(path))?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Box::new(descriptors::open(|| options.open(path))?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut file = descriptors::open(|| OpenOptions::new().write(true).open(path))?;
        file.seek(SeekFrom::End(0))?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        descriptors::open(|| File::open(folder))?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(Locked(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// A locked file, which is unlocked explicitly: a child process that is being started may have inherited the file, and
/// would hold the lock a moment longer.
#[derive(Debug)]
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // An error does not matter: the file is closed next, which unlocks it too.
        drop(self.0.unlock());
    }
}

impl DiskFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()?;
        if is_removed(self)? { Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed")) } else { Ok(()) }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length))?;
        self.sync_all()
    }

    fn wipe(&mut self) -> io::Result<()> {
        let length = self.seek(SeekFrom::End(0))?;
        self.seek(SeekFrom::Start(0))?;
        io::copy(&mut io::repeat(0).take(length), self)?;
        self.sync_data()
    }
}
