//! The settings of a ledger.

use std::path::{Path, PathBuf};

use super::data_folder::DataFolder;

/// The folders of a ledger.
#[derive(Debug, Clone)]
pub struct LedgerFolders {
    /// The data folder.
    pub data: DataFolder,
    /// The keys folder.
    pub keys: PathBuf,
}

/// The settings of a ledger.
#[derive(Debug, Clone)]
pub struct LedgerSettings {
    /// The data folder.
    pub data: PathBuf,
    /// The keys folder, without which the data folder cannot be read. Backups of the data folder must not contain it.
    pub keys: PathBuf,
    /// A checkpoint that the ledger must contain, and the file that it was read from.
    pub expected_head: Option<(PathBuf, String)>,
    /// Accepts a ledger that is older than the last signed head, and continues it as a new log. The head and the keys
    /// of the old log are copied to the keys folder.
    pub accept_older: bool,
    /// The size at which a segment is full, in bytes.
    pub segment_bytes: u64,
    /// The room on disk that is reserved for restrictions, in bytes: 4 MiB hold about ten thousand.
    pub reserve_bytes: usize,
}

impl LedgerSettings {
    /// The default settings for a data folder, with the keys folder beside it.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        let name = data.file_name().unwrap_or_default().to_string_lossy();
        let keys = data.with_file_name(format!("{name}-keys"));
        Self {
            data: data.to_owned(),
            keys,
            expected_head: None,
            accept_older: false,
            segment_bytes: 64 << 20,
            reserve_bytes: 4 << 20,
        }
    }

    /// The places in the data folder.
    #[must_use]
    pub fn data_folder(&self) -> DataFolder {
        DataFolder::new(&self.data)
    }

    pub(super) fn folders(&self) -> LedgerFolders {
        LedgerFolders { data: self.data_folder(), keys: self.keys.clone() }
    }
}
