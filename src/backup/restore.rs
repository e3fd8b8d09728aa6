//! Restores a backup. The files are copied into a staging folder inside the data folder, opened there with the current
//! keys folder, and only then moved into place. While they are moved, no server opens the data folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::{BackupError, checksums, sync_tree};
use crate::io_at::AtPath as _;
use crate::ledger::disk::{Disk as _, RealDisk};
use crate::ledger::{DataFolder, FileLedger, Ledger as _, LedgerSettings, OpenError, Repair, lock_ledger, verify_copy};
use crate::store::{CustomerCount, CustomerStore, Loss, OpenedStore, StoreRecovery, forget_store, unpack};

/// The result of a restore.
#[derive(Debug)]
pub struct RestoreSummary {
    /// The number of records in the ledger.
    pub records: u64,
    /// The number of customers in the store.
    pub customers: CustomerCount,
    /// Repairs of the ledger, such as repeated erasures.
    pub repairs: Vec<Repair>,
    /// Repairs of the customer store.
    pub recovery: StoreRecovery,
    /// The folder to which the previous content of the data folder was moved.
    pub replaced: Option<PathBuf>,
}

/// Restores a backup into a data folder. With `replace`, previous content of the data folder is moved aside; without,
/// the data folder must be empty.
///
/// # Errors
/// When the backup is damaged or cannot be opened with the current keys, the data folder is not empty, or the disk
/// fails. The data folder is unchanged then, unless moving the files into place was interrupted.
pub fn restore(backup: &Path, settings: &LedgerSettings, replace: bool) -> Result<RestoreSummary, BackupError> {
    let folder = settings.data_folder();
    let data = folder.path();
    let previous: Vec<&str> = DataFolder::PARTS.into_iter().filter(|entry| data.join(entry).exists()).collect();
    if !previous.is_empty() && !replace {
        return Err(BackupError::NotEmpty(data.to_owned()));
    }
    let _lock = lock_ledger(settings)?;
    // Opening the copy would end the rotation, and destroy the old key, which the present data folder still needs.
    if FileLedger::is_rotating(settings)? {
        return Err(BackupError::Rotating(settings.keys.clone()));
    }
    let files = checksums::verify(backup)?;
    // Against the checkpoint in the backup. Whether the backup is older than the last signed head is checked when it is
    // opened.
    let (_, found) = verify_copy(backup)?;
    if !found.problems.is_empty() {
        return Err(BackupError::Damaged(found.problems));
    }
    let staging = folder.staging();
    RealDisk.remove_folder(&staging).at(&staging)?;
    fs::create_dir_all(data).at(data)?;
    RealDisk.create_folder(&staging).map(drop).at(&staging)?;
    let mut summary = stage(backup, &files, &staging, settings).inspect_err(|_| {
        // If this fails, the next restore removes the folder.
        drop(RealDisk.remove_folder(&staging));
    })?;
    // From this rename until the folder is removed, the data folder counts as incomplete.
    let complete = folder.restoring();
    RealDisk.remove_folder(&complete).at(&complete)?;
    // The store of the backup is older than the one that the keys folder remembers, and wanted.
    forget_store(&settings.keys)?;
    fs::rename(&staging, &complete).and_then(|()| RealDisk.sync_folder(data)).at(&complete)?;
    summary.replaced = (!previous.is_empty()).then(|| move_aside(&folder, &previous)).transpose()?;
    for entry in DataFolder::PARTS.iter().filter(|entry| complete.join(entry).exists()) {
        fs::rename(complete.join(entry), data.join(entry)).at(data)?;
    }
    RealDisk.sync_folder(data).at(data)?;
    fs::remove_dir(&complete).and_then(|()| RealDisk.sync_folder(data)).at(&complete)?;
    Ok(summary)
}

/// Copies the backup to the staging folder, opens it there, and syncs everything.
fn stage(
    backup: &Path,
    files: &[PathBuf],
    staging: &Path,
    settings: &LedgerSettings,
) -> Result<RestoreSummary, BackupError> {
    copy(backup, files, staging)?;
    let summary = open(staging, settings)?;
    sync_tree(staging)?;
    Ok(summary)
}

fn copy(backup: &Path, files: &[PathBuf], staging: &Path) -> Result<(), BackupError> {
    for file in files.iter().filter(|file| *file != Path::new(DataFolder::PAIRS)) {
        if !DataFolder::PARTS.iter().any(|entry| file.starts_with(entry)) {
            return Err(BackupError::Outside(file.display().to_string()));
        }
        let (from, to) = (backup.join(file), staging.join(file));
        let above: Vec<&Path> = to.ancestors().skip(1).take_while(|folder| *folder != staging).collect();
        above.into_iter().rev().try_for_each(|folder| RealDisk.create_folder(folder).map(drop).at(folder))?;
        fs::copy(&from, &to).at(&from)?;
    }
    Ok(unpack(&backup.join(DataFolder::PAIRS), staging)?)
}

/// Opens the staged files with the current keys folder, as a server does. This repeats the erasures since the backup.
fn open(staging: &Path, settings: &LedgerSettings) -> Result<RestoreSummary, BackupError> {
    let settings = LedgerSettings { data: staging.to_owned(), ..settings.clone() };
    // Without records, opening would create new keys, with which the backup cannot be read.
    if !settings.keys.exists() {
        return Err(OpenError::KeysMissing(settings.keys).into());
    }
    let opened = FileLedger::open(&settings)?;
    let keys = opened.ledger.vault(&settings)?;
    let OpenedStore { store, mut recovery, .. } = CustomerStore::open(staging, keys, &opened.ledger.erased())?;
    // It is older than the present one, or restored into another place: an operator wants it.
    recovery.older = false;
    store.set_loss(Loss::None)?;
    let (records, customers) = (opened.ledger.size(), store.count()?);
    Ok(RestoreSummary { records, customers, repairs: opened.repairs, recovery, replaced: None })
}

/// Moves the content of a data folder into a new folder inside it.
fn move_aside(data: &DataFolder, entries: &[&str]) -> Result<PathBuf, BackupError> {
    let free = (1..).map(|number| data.replaced(number)).find(|path| !path.exists());
    let aside = free.unwrap_or_else(|| data.replaced(0));
    RealDisk.create_folder(&aside).at(&aside)?;
    for entry in entries {
        fs::rename(data.path().join(entry), aside.join(entry)).at(&aside)?;
    }
    Ok(aside)
}
