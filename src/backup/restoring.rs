//! Puts a backup back. All is put together in a folder inside the data folder, opened there with the keys of now, and
//! only then moved to its place; while it is moved, nobody serves the data folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::{BackupError, at, settle, sums};
use crate::ledger::disk::{Disk as _, RealDisk};
use crate::ledger::{FileLedger, Ledger as _, LedgerSettings, OpenError, RESTORING, Repair, lock_ledger, verify_copy};
use crate::store::{CustomerCount, CustomerStore, OpenedStore, PAIRS, StoreRecovery, unpack};

/// What a data folder has in it, of this version and of those before.
const ENTRIES: [&str; 3] = ["ledger", "log", "customers"];

/// Where a backup is put together. What is left there by a restore that was cut short, the next one removes.
const UNFINISHED: &str = "unfinished-restore";

/// What was put back.
#[derive(Debug)]
pub struct Restored {
    /// How many records the ledger has.
    pub records: u64,
    /// The number of customers in the store.
    pub customers: CustomerCount,
    /// What was made good in the ledger, among it who was erased since.
    pub repairs: Vec<Repair>,
    /// What was made good among the customers.
    pub recovery: StoreRecovery,
    /// Where what was there before is now.
    pub replaced: Option<PathBuf>,
}

/// Puts a backup into a data folder, which must be empty or may be replaced.
///
/// # Errors
/// When a file of it is not as it was written, it does not open with the keys of now, there is something in the data
/// folder, or the disk refuses. The data folder is as it was then, unless moving was cut short.
pub fn restore(backup: &Path, settings: &LedgerSettings, replace: bool) -> Result<Restored, BackupError> {
    let data = &settings.data;
    let there: Vec<&str> = ENTRIES.into_iter().filter(|entry| data.join(entry).exists()).collect();
    if !there.is_empty() && !replace {
        return Err(BackupError::NotEmpty(data.clone()));
    }
    let _alone = lock_ledger(settings)?;
    // To open a copy would end the rotation, and take from the other data the only key that opens them.
    if FileLedger::is_rotating(settings)? {
        return Err(BackupError::Rotating(settings.keys.clone()));
    }
    let files = sums::check(backup)?;
    // Against its own checkpoint: what the keys folder says of newer ones is another question.
    let (_, found) = verify_copy(backup)?;
    if !found.problems.is_empty() {
        return Err(BackupError::Damaged(found.problems));
    }
    let unfinished = data.join(UNFINISHED);
    RealDisk.remove_folder(&unfinished).map_err(at(&unfinished))?;
    fs::create_dir_all(data).map_err(at(data))?;
    RealDisk.create_folder(&unfinished).map(drop).map_err(at(&unfinished))?;
    let put_together = copy(backup, &files, &unfinished).and_then(|()| open(&unfinished, settings));
    let put_together = put_together.and_then(|restored| settle(&unfinished).map(|_| restored));
    let mut restored = put_together.inspect_err(|_| {
        // What is left of it is removed when the next one begins here.
        drop(RealDisk.remove_folder(&unfinished));
    })?;
    let staged = data.join(RESTORING);
    RealDisk.remove_folder(&staged).map_err(at(&staged))?;
    fs::rename(&unfinished, &staged).and_then(|()| RealDisk.sync_folder(data)).map_err(at(&staged))?;
    restored.replaced = (!there.is_empty()).then(|| put_aside(data, &there)).transpose()?;
    for entry in ENTRIES.iter().filter(|entry| staged.join(entry).exists()) {
        fs::rename(staged.join(entry), data.join(entry)).map_err(at(data))?;
    }
    RealDisk.sync_folder(data).map_err(at(data))?;
    fs::remove_dir(&staged).and_then(|()| RealDisk.sync_folder(data)).map_err(at(&staged))?;
    Ok(restored)
}

fn copy(backup: &Path, files: &[PathBuf], staged: &Path) -> Result<(), BackupError> {
    for file in files.iter().filter(|file| *file != Path::new(PAIRS)) {
        if !ENTRIES.iter().any(|entry| file.starts_with(entry)) {
            return Err(BackupError::Outside(file.display().to_string()));
        }
        let (from, to) = (backup.join(file), staged.join(file));
        let above: Vec<&Path> = to.ancestors().skip(1).take_while(|folder| *folder != staged).collect();
        above.into_iter().rev().try_for_each(|folder| RealDisk.create_folder(folder).map(drop).map_err(at(folder)))?;
        fs::copy(&from, &to).map_err(at(&from))?;
    }
    Ok(unpack(&backup.join(PAIRS), staged)?)
}

/// Opens what was put together with the keys of now, as a server does: whoever was erased since goes again.
fn open(staged: &Path, settings: &LedgerSettings) -> Result<Restored, BackupError> {
    let settings = LedgerSettings { data: staged.to_owned(), ..settings.clone() };
    // A server would begin with new ones where there are no records; a restore is of what there was.
    if !settings.keys.exists() {
        return Err(OpenError::KeysMissing(settings.keys).into());
    }
    let opened = FileLedger::open(&settings)?;
    let keys = opened.ledger.vault(&settings)?;
    let OpenedStore { store, recovery, .. } = CustomerStore::open(staged, keys, &opened.ledger.erased())?;
    let (records, customers) = (opened.ledger.size(), store.count()?);
    Ok(Restored { records, customers, repairs: opened.repairs, recovery, replaced: None })
}

/// Moves what is in a data folder into a folder inside it that has no other's name.
fn put_aside(data: &Path, entries: &[&str]) -> Result<PathBuf, BackupError> {
    let name = |number: u32| data.join(format!("replaced-{number}"));
    let aside = (1..).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0));
    RealDisk.create_folder(&aside).map_err(at(&aside))?;
    for entry in entries {
        fs::rename(data.join(entry), aside.join(entry)).map_err(at(&aside))?;
    }
    Ok(aside)
}
