//! An error of the disk that names the file or folder.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the disk, and where it happened.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {source}", path.display())]
pub struct IoAt {
    /// The file or folder.
    pub path: PathBuf,
    /// The error of the operating system.
    pub source: io::Error,
}

impl IoAt {
    /// Adds the path to an error.
    #[must_use]
    pub fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source }
    }
}

/// Whether an open file has no name any more: what is written to it is lost.
///
/// # Errors
/// When the system does not say.
pub fn is_removed(file: &std::fs::File) -> io::Result<bool> {
    #[cfg(unix)]
    return Ok(std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) == 0);
    #[cfg(not(unix))]
    return file.metadata().map(|_| false);
}

/// Adds the path to the error of a result.
pub trait AtPath<T> {
    /// Adds the path to the error.
    ///
    /// # Errors
    /// The same error, with the path.
    fn at(self, path: &Path) -> Result<T, IoAt>;
}

impl<T> AtPath<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, IoAt> {
        self.map_err(|source| IoAt::new(path, source))
    }
}
