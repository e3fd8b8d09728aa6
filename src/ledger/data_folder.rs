//! The places in a data folder, under the names that the format gives them.

use std::path::{Path, PathBuf};

use super::OpenError;

/// The folder of frames and of the keys of consent records.
pub(super) const LEDGER: &str = "ledger";
/// The folder of the published log.
pub(super) const LOG: &str = "log";
/// The folder of the customer store.
pub(super) const CUSTOMERS: &str = "customers";
/// The folder of encryption keys, inside that of what they encrypt.
pub(super) const KEYS: &str = "keys";
/// The published checkpoint, inside the folder of the log.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The public key that verifies it, inside the same folder.
pub(super) const VERIFYING_KEY: &str = "vkey";
/// The database of the customer store, inside its folder.
const RECORDS: &str = "records";
/// The checksums of a backup's files. A folder with this file is not a data folder.
const CHECKSUMS: &str = "SHA256SUMS";
/// The folder into which a restore copies a backup.
const STAGING: &str = "unfinished-restore";
/// The folder from which a restore moves the files into place. While it exists, the data folder is incomplete.
const RESTORING: &str = "restoring";

/// A data folder. A backup is laid out in the same way.
#[derive(Debug, Clone)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// The names of the folders that hold the data, each directly inside the data folder.
    pub const PARTS: [&'static str; 4] = [LEDGER, LOG, CUSTOMERS, Self::DECISIONS];

    /// The folder of the decision log.
    pub const DECISIONS: &'static str = "decisions";

    /// The extension of the decision log's files.
    pub const DECISION_FILE: &'static str = "said";

    /// The customer store in a backup, as a relative path: one file of pairs, from which the database is created.
    pub const PAIRS: &'static str = "customers/pairs";

    /// The data folder at a path.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The path of the data folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Frames and the keys of consent records, readable by the owner only.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.0.join(LEDGER)
    }

    /// The encryption keys of consent records.
    #[must_use]
    pub fn record_keys(&self) -> PathBuf {
        self.ledger().join(KEYS)
    }

    /// The published log, which anyone may read.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join(LOG)
    }

    /// The published checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> PathBuf {
        self.log().join(CHECKPOINT)
    }

    /// The public key that verifies the checkpoint.
    #[must_use]
    pub fn verifying_key(&self) -> PathBuf {
        self.log().join(VERIFYING_KEY)
    }

    /// The decision log.
    #[must_use]
    pub fn decisions(&self) -> PathBuf {
        self.0.join(Self::DECISIONS)
    }

    /// The customer store.
    #[must_use]
    pub fn customers(&self) -> PathBuf {
        self.0.join(CUSTOMERS)
    }

    /// The encryption keys of the customer store.
    #[must_use]
    pub fn customer_keys(&self) -> PathBuf {
        self.customers().join(KEYS)
    }

    /// The database of the customer store.
    #[must_use]
    pub fn customer_records(&self) -> PathBuf {
        self.customers().join(RECORDS)
    }

    /// The checksums of the files, which only a backup has.
    #[must_use]
    pub fn checksums(&self) -> PathBuf {
        self.0.join(CHECKSUMS)
    }

    /// The folder into which a restore copies a backup. The next restore removes what an interrupted one has left in
    /// it.
    #[must_use]
    pub fn staging(&self) -> PathBuf {
        self.0.join(STAGING)
    }

    /// The folder from which a restore moves the files into place. While it exists, the data folder is incomplete.
    #[must_use]
    pub fn restoring(&self) -> PathBuf {
        self.0.join(RESTORING)
    }

    /// A folder for what a restore replaces, which restores number from 1 on.
    #[must_use]
    pub fn replaced(&self, number: u32) -> PathBuf {
        self.0.join(format!("replaced-{number}"))
    }

    /// Refuses a backup, and a data folder whose restore is not finished.
    pub(super) fn check_complete(&self) -> Result<(), OpenError> {
        if self.checksums().exists() {
            return Err(OpenError::Backup(self.0.clone()));
        }
        if self.restoring().exists() { Err(OpenError::HalfRestored(self.0.clone())) } else { Ok(()) }
    }
}
