//! Backups: folders with a copy of what a data folder holds, and sums by which every file is known to be as it was
//! written. `taking` writes one as its parts come, `restoring` puts one back.
//!
//! A backup has the files of a data folder under the same names, but for the embedded store, of which it has one file of
//! pairs; and never the keys folder.

mod restoring;
mod sums;
mod taking;

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::ledger::OpenError;
use crate::store::StoreError;

pub use restoring::{Restored, restore};
pub use taking::{Taken, Taking};

/// Why a backup was not taken or not put back. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The disk says no.
    #[error("`{path}`: {error}")]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// There is something where it belongs.
    #[error("`{0}` is not empty")]
    NotEmpty(PathBuf),
    /// A file would lie outside the folder.
    #[error("a file called `{0}` belongs to no backup")]
    Outside(String),
    /// The ledger in it is not what it says.
    #[error("the ledger that was copied is damaged: {}", .0.join("; "))]
    Unverified(Vec<String>),
    /// The key that wraps the others is being replaced.
    #[error("a rotation of the key in `{0}` was cut short")]
    Rotating(PathBuf),
    /// It has no sums.
    #[error("`{0}` is no backup: it has no file `SHA256SUMS`")]
    NoBackup(PathBuf),
    /// Files are not as they were written.
    #[error("the backup is damaged: {}", .0.join("; "))]
    Damaged(Vec<String>),
    /// The ledger does not open.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The customers do not open.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Says which file a disk's error is about.
fn at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |error| BackupError::Disk { path: path.clone(), error }
}

/// A name as a path that stays inside a folder.
fn inside(name: &str) -> Result<&Path, BackupError> {
    let (path, normal) = (Path::new(name), |part| matches!(part, Component::Normal(_)));
    let stays = !name.is_empty() && path.components().all(normal);
    if stays { Ok(path) } else { Err(BackupError::Outside(name.to_owned())) }
}

/// Every file in a folder and below, relative to it and sorted. All of them, and the folders, are durable then.
fn settle(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                walk(root, &path, found)?;
            } else {
                File::open(&path)?.sync_all()?;
                found.extend(path.strip_prefix(root).map(Path::to_owned));
            }
        }
        File::open(folder)?.sync_all()
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found).map_err(at(folder))?;
    found.sort_unstable();
    Ok(found)
}

/// Whether there is nothing in a folder, or no folder.
fn is_empty(folder: &Path) -> Result<bool, BackupError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(at(folder)(error)),
    }
}
