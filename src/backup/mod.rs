//! Backups: copies of a data folder with a checksum for every file. `writer` writes one from a stream of parts, and
//! `restore` puts one into a data folder.
//!
//! A backup has the files of the data folder under the same paths, except for the embedded store, which is one file of
//! pairs. It never has the keys folder.

mod checksums;
mod restore;
mod writer;

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::io_at::{AtPath as _, IoAt};
use crate::ledger::OpenError;
use crate::store::StoreError;

pub use restore::{RestoreSummary, restore};
pub use writer::{BackupSummary, BackupWriter};

/// Why a backup or a restore failed. The data folder is unchanged then, unless moving the restored files into place
/// failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] IoAt),
    /// The target folder is not empty.
    #[error("`{0}` is not empty")]
    NotEmpty(PathBuf),
    /// A file does not belong to a backup; its path may lead outside the folder.
    #[error("`{0}` is not a file of a backup")]
    Outside(String),
    /// The copied ledger does not verify.
    #[error("the copied ledger is damaged: {}", .0.join("; "))]
    Unverified(Vec<String>),
    /// A rotation of the wrapping key is not finished.
    #[error("a rotation of the key in `{0}` was interrupted")]
    Rotating(PathBuf),
    /// The folder has no checksums.
    #[error("`{0}` is not a backup: it has no file `SHA256SUMS`")]
    NotABackup(PathBuf),
    /// Files of the backup are missing or damaged.
    #[error("the backup is damaged: {}", .0.join("; "))]
    Damaged(Vec<String>),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The customer store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks that a relative path stays inside its folder.
fn inside(name: &str) -> Result<&Path, BackupError> {
    let (path, normal) = (Path::new(name), |part| matches!(part, Component::Normal(_)));
    let stays = !name.is_empty() && path.components().all(normal);
    if stays { Ok(path) } else { Err(BackupError::Outside(name.to_owned())) }
}

/// Syncs a folder with all files and folders in it. Returns the paths of the files relative to it, sorted.
fn sync_tree(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
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
    walk(folder, folder, &mut found).at(folder)?;
    found.sort_unstable();
    Ok(found)
}

/// Whether a folder is empty or does not exist.
fn is_empty(folder: &Path) -> Result<bool, BackupError> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(IoAt::new(folder, error).into()),
    }
}
