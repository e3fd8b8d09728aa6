//! Opens the embedded database although it is damaged: what can be read of it is copied to a new one, and the damaged
//! one is set aside. Also looks for damage without changing anything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::contact_log::ContactLog;
use super::database::{Batch, Database};
use super::journal::{self, whole_batches};
use super::metadata::{Loss, Metadata};
use crate::io_at::{AtPath as _, IoAt};
use crate::ledger::DataFolder;

/// Beside the database: where a new one is made, and where a copy is checked.
const SALVAGED: &str = "records-salvaged";
const CHECKED: &str = "records-checked";
/// The folder of the files that the database never changes.
const TABLES: &str = "tables";

/// A database that opened, its metadata, and the number of the folder to which a damaged one was moved.
pub type Salvaged = (Database, Metadata, Option<u32>);

/// Opens the database in a folder, or creates it. A damaged one is set aside, and replaced by what can be read of it.
///
/// # Errors
/// When the disk fails, another process has it open, or a later version wrote it.
pub fn open(records: &Path, folder: &Path) -> Result<Salvaged, StoreError> {
    let salvaged = records.with_file_name(SALVAGED);
    if !records.exists() && salvaged.exists() {
        // It was interrupted between the two renames.
        fs::rename(&salvaged, records).at(records)?;
    }
    if !(records.exists() && journal::is_damaged(records)?) {
        match open_whole(records, folder) {
            Err(error) if error.is_damage() => {}
            opened => return opened.map(|(database, metadata)| (database, metadata, None)),
        }
    }
    copy_readable(records, &salvaged)?;
    let database = match open_whole(&salvaged, folder) {
        Err(error) if error.is_damage() => {
            remove(&salvaged)?;
            open_whole(&salvaged, folder)?.0
        }
        opened => opened?.0,
    };
    // Before it takes the place of the damaged one.
    database.commit(Batch { metadata: vec![Loss::Undated.pair()], ..Batch::default() })?;
    drop(database);
    let aside = |number| records.with_file_name(format!("records-damaged-{number}"));
    let number = (1..=u32::MAX).find(|number| !aside(*number).exists()).unwrap_or(0);
    fs::rename(records, aside(number)).and_then(|()| fs::rename(&salvaged, records)).at(records)?;
    tracing::error!(set_aside = %aside(number).display(), "the customer store was damaged, and is set aside");
    open_whole(records, folder).map(|(database, metadata)| (database, metadata, Some(number)))
}

fn open_whole(records: &Path, folder: &Path) -> Result<(Database, Metadata), StoreError> {
    let database = Database::open(records)?;
    let metadata = Metadata::read(&database, folder)?;
    Ok((database, metadata))
}

/// Copies a database, of its journals only the batches that are whole. Tables, which never change, are linked.
fn copy_readable(from: &Path, to: &Path) -> Result<(), StoreError> {
    remove(to)?;
    fs::create_dir_all(to).at(to)?;
    for entry in fs::read_dir(from).at(from)? {
        let path = entry.at(from)?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_readable(&path, &target)?;
        } else if path.extension().is_some_and(|extension| extension == "jnl") {
            let bytes = fs::read(&path).at(&path)?;
            fs::write(&target, whole_batches(&bytes).whole).at(&target)?;
        } else if !(from.ends_with(TABLES) && fs::hard_link(&path, &target).is_ok()) {
            fs::copy(&path, &target).at(&path)?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<(), IoAt> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(IoAt::new(folder, error)),
        _ => Ok(()),
    }
}

/// What is wrong with a customer store on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreDamage {
    /// Why the database does not open as it is.
    pub unreadable: Option<String>,
    /// Whether a journal is damaged before its end.
    pub journal: bool,
    /// Customers that can be read.
    pub customers: usize,
    /// Whether some customers cannot be read.
    pub blocks: bool,
    /// Entries of the contact log.
    pub entries: usize,
    /// Entries of the contact log that cannot be read or are missing.
    pub lost_entries: u64,
    /// Flushes that are missing at the end.
    pub flushes: u64,
    /// Whether limits count as used up because of an earlier loss.
    pub loss: bool,
}

impl StoreDamage {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_none(&self) -> bool {
        let Self { unreadable, journal, blocks, lost_entries, flushes, loss, .. } = self;
        unreadable.is_none() && !journal && !blocks && *lost_entries == 0 && *flushes == 0 && !loss
    }
}

/// Looks for damage in the customer store of a data folder that no server uses. A copy is opened, so that nothing changes.
///
/// # Errors
/// When the disk fails.
pub fn inspect(data: &DataFolder) -> Result<StoreDamage, StoreError> {
    let (records, folder) = (data.customer_records(), data.customers());
    let mut damage = StoreDamage::default();
    if !records.exists() {
        return Ok(damage);
    }
    damage.journal = journal::is_damaged(&records)?;
    let found = ContactLog::read(&folder)?;
    damage.entries = found.entries.len();
    let copy = Removed(records.with_file_name(CHECKED));
    copy_readable(&records, &copy.0)?;
    match open_whole(&copy.0, &folder) {
        Ok((database, Metadata { progress, loss, .. })) => {
            damage.loss = loss != Loss::None;
            damage.flushes = found.durable_flush.saturating_sub(progress.flush);
            damage.lost_entries = found.damaged + found.missing(progress.drained);
            for pair in database.snapshot()?.pairs() {
                match pair {
                    Ok((is_customer, _)) => damage.customers += usize::from(is_customer),
                    Err(StoreError::Damaged) => {
                        damage.blocks = true;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Err(error) if error.is_damage() => damage.unreadable = Some(error.to_string()),
        Err(error) => return Err(error),
    }
    Ok(damage)
}

/// A folder that is removed in the end.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // The next check removes what is left.
        drop(remove(&self.0));
    }
}
