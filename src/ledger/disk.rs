//! What the ledger needs of a file system, small enough to be crashed on purpose in a test.
//!
//! A file's bytes are durable after [`DiskFile::sync`], its name after [`Disk::sync_folder`].

use std::any::Any;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

/// A file system.
pub trait Disk: Debug + Send + Sync {
    /// Makes a folder that only its owner may open, if it is not there. The folder above must be. Whether it was made.
    ///
    /// # Errors
    /// When the disk refuses.
    fn create_folder(&self, folder: &Path) -> io::Result<bool>;

    /// The names of the files in a folder, sorted.
    ///
    /// # Errors
    /// When the disk refuses.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// A whole file.
    ///
    /// # Errors
    /// When it is not there, or the disk refuses.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// A part of a file.
    ///
    /// # Errors
    /// When it is not there or too short, or the disk refuses.
    fn read_part(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>>;

    /// Makes a file that was not there, for its owner alone.
    ///
    /// # Errors
    /// When it is there, or the disk refuses.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to append to.
    ///
    /// # Errors
    /// When it is not there, or the disk refuses.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, in place of whatever had that name.
    ///
    /// # Errors
    /// When the disk refuses.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file away.
    ///
    /// # Errors
    /// When it is not there, or the disk refuses.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Takes a folder away with the files in it, if it is there.
    ///
    /// # Errors
    /// When the disk refuses.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// When the disk refuses.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Keeps other processes off as long as what comes back lives; nothing if another has it.
    ///
    /// # Errors
    /// When the disk refuses.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>>;
}

/// A file that is open for writing.
pub trait DiskFile: Debug + Send {
    /// Writes at the end.
    ///
    /// # Errors
    /// When the disk refuses; some of the bytes may stand there then.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// When the disk refuses. What was written since the last sync is then in doubt for good.
    fn sync(&mut self) -> io::Result<()>;

    /// Shortens it.
    ///
    /// # Errors
    /// When the disk refuses.
    fn cut(&mut self, length: u64) -> io::Result<()>;

    /// Writes zeros over all its bytes and makes that durable, as far as the disk overwrites in place.
    ///
    /// # Errors
    /// When the disk refuses.
    fn wipe(&mut self) -> io::Result<()>;
}

/// Whether there is no room: the one error after which something may be tried again.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Writes at the end of a file that has this length, and makes it durable.
///
/// # Errors
/// When there is no room: then the file is as it was. Any other error is final.
pub fn extend(file: &mut dyn DiskFile, length: u64, bytes: &[u8]) -> io::Result<()> {
    let last_word = |error: io::Error| io::Error::other(format!("a sync failed: {error}"));
    match file.append(bytes) {
        Err(error) if is_full(&error) => {
            file.cut(length).map_err(last_word)?;
            Err(error)
        }
        Err(error) => Err(error),
        Ok(()) => file.sync().map_err(last_word),
    }
}

/// Puts a file in place of another in one step: after a crash it is the old one or the new one.
///
/// # Errors
/// When the disk refuses.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    swap(disk, path, bytes, true)
}

/// The same without a sync: after a power cut it may be neither. For files that can be made again.
///
/// # Errors
/// When the disk refuses.
pub fn write_loosely(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
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
        // What there is of it would take room that nobody can use; what matters is why there is no more.
        drop(disk.remove(&fresh));
        return Err(error);
    }
    disk.rename(&fresh, path)?;
    if durable { disk.sync_folder(path.parent().unwrap_or(Path::new("."))) } else { Ok(()) }
}

/// Puts a file in place of another, or takes it away, and wipes the bytes that it had.
///
/// # Errors
/// When the disk refuses.
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

/// How the name of a file ends until all of it is there.
pub const UNFINISHED: &str = ".new";

/// The file system of this machine.
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

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn read_part(&self, path: &Path, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
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
        Ok(Box::new(options.open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut file = OpenOptions::new().write(true).open(path)?;
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
        File::open(folder)?.sync_all()
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

/// A file that is locked until this goes: a process that was being started meanwhile has the file open, too, and closing
/// it here alone would leave it locked a moment longer.
#[derive(Debug)]
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // It is closed right after, which unlocks it as well.
        drop(self.0.unlock());
    }
}

impl DiskFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
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
