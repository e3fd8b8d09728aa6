//! How far an import has come, in a file beside its input, so that the next run goes on there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::source::Place;
use crate::serve::identity::tokens::hex;

/// What was imported so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Tally {
    pub lines: u64,
    pub consents: u64,
    pub attributes: u64,
    pub events: u64,
    pub contacts: u64,
    pub outcomes: u64,
    /// What the server did not store, by its word for the reason.
    pub not_stored: BTreeMap<String, u64>,
    /// Lines of which something was rejected.
    pub rejected: u64,
}

/// A place in the input, and what was done before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Mark {
    pub place: Place,
    pub tally: Tally,
    /// The length of the file of rejected lines.
    pub rejected_bytes: u64,
}

/// What is in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Progress {
    /// The input's length and the hash of its beginning.
    pub input: Fingerprint,
    /// The address of the server.
    pub server: String,
    /// Everything before this place is recorded, and survives a crash of the server.
    pub safe: Mark,
    /// Lines up to this one may have been sent.
    pub sent: u64,
    pub done: bool,
}

/// What tells one input from another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Fingerprint {
    pub bytes: u64,
    pub sha256_of_first_64_kib: String,
}

impl Fingerprint {
    pub fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut beginning = Vec::new();
        file.take(64 * 1024).read_to_end(&mut beginning)?;
        Ok(Self { bytes, sha256_of_first_64_kib: hex(&Sha256::digest(beginning).into()) })
    }
}

impl Progress {
    /// What an earlier run left; `None` if there was none.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file, so that a kill leaves the old one or the new one.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".tactful-import-").tempfile_in(folder)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.as_file().sync_data()?;
        file.persist(path).map(drop).map_err(|error| error.error)
    }
}
