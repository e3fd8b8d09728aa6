//! What this node has seen of the database, in a file of its own: a database that was put back to an older copy is noticed.

use std::fs;
use std::path::{Path, PathBuf};

/// The file's name in the node's data folder.
const FILE: &str = "seen";

/// The most records and erasures that the node has seen.
#[derive(Debug)]
pub struct Seen {
    path: PathBuf,
    records: u64,
    erasures: u64,
}

impl Seen {
    /// What the file of a data folder says; nothing if there is none.
    pub fn read(data: &Path) -> Self {
        let path = data.join(FILE);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
        let (records, erasures) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        Self { path, records, erasures }
    }

    /// Refuses a database that has less than was seen.
    ///
    /// # Errors
    /// With the reason.
    pub fn check(&self, (records, erasures): (u64, u64)) -> Result<(), String> {
        if records >= self.records && erasures >= self.erasures {
            return Ok(());
        }
        Err(format!(
            "the database is an older copy: it has {records} consent records and {erasures} erasures, and this node has \
             seen {} and {}; restore a newer copy, or remove `{}` to accept this one",
            self.records,
            self.erasures,
            self.path.display()
        ))
    }

    /// Notes what the database has now.
    pub fn note(&mut self, (records, erasures): (u64, u64)) {
        if (records, erasures) == (self.records, self.erasures) {
            return;
        }
        (self.records, self.erasures) = (records, erasures);
        let unfinished = self.path.with_extension("new");
        let folder = self.path.parent().map_or(Ok(()), fs::create_dir_all);
        let written = folder.and_then(|()| fs::write(&unfinished, format!("{records} {erasures}\n")));
        if let Err(error) = written.and_then(|()| fs::rename(&unfinished, &self.path)) {
            tracing::warn!(%error, path = %self.path.display(), "what this node has seen of the database cannot be noted");
        }
    }
}
