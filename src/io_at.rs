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
