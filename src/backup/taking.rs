//! Writes a backup as its parts come: into a folder beside its own, which gets its name when all of it is there.

use std::fs;
use std::path::{Path, PathBuf};

use super::{BackupError, at, inside, is_empty, settle, sums};
use crate::ledger::disk::{Disk as _, DiskFile, RealDisk};
use crate::ledger::proof::VerifyingKey;
use crate::ledger::{Verification, publish};

/// A backup that is being taken. Dropped before its end, it leaves nothing.
#[derive(Debug)]
pub struct Taking {
    to: PathBuf,
    unfinished: PathBuf,
    file: Option<(String, Box<dyn DiskFile>)>,
}

/// A backup that was taken.
#[derive(Debug)]
pub struct Taken {
    /// What was found when its ledger was verified.
    pub ledger: Verification,
    /// The key with which its checkpoint is signed.
    pub key: VerifyingKey,
    /// How many files it has.
    pub files: usize,
    /// How many bytes they have together.
    pub bytes: u64,
}

impl Taking {
    /// Begins a backup in a folder that is empty or not there.
    ///
    /// # Errors
    /// When there is something in it, or the disk refuses.
    pub fn begin(to: &Path) -> Result<Self, BackupError> {
        if !is_empty(to)? {
            return Err(BackupError::NotEmpty(to.to_owned()));
        }
        let name = to.file_name().ok_or_else(|| BackupError::Outside(to.display().to_string()))?;
        let unfinished = to.with_file_name(format!("{}.unfinished", name.to_string_lossy()));
        RealDisk.remove_folder(&unfinished).map_err(at(&unfinished))?;
        if let Some(above) = to.parent() {
            fs::create_dir_all(above).map_err(at(above))?;
        }
        RealDisk.create_folder(&unfinished).map_err(at(&unfinished))?;
        let begun = Self { to: to.to_owned(), unfinished, file: None };
        // A ledger without records has no file that would bring its folders.
        begun.create_folders(&begun.unfinished.join("ledger/keys"))?;
        Ok(begun)
    }

    /// Adds a part of a file.
    ///
    /// # Errors
    /// When the file would lie outside the backup, comes twice, or the disk refuses.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        let path = self.unfinished.join(inside(name)?);
        if self.file.as_ref().is_none_or(|(known, _)| known != name) {
            self.create_folders(path.parent().unwrap_or(&self.unfinished))?;
            let file = RealDisk.create(&path).map_err(at(&path))?;
            self.file = Some((name.to_owned(), file));
        }
        self.file.as_mut().map_or(Ok(()), |(_, file)| file.append(bytes)).map_err(at(&path))
    }

    /// Verifies what came, writes down its sums, and gives it its name.
    ///
    /// # Errors
    /// When it is not whole, or the disk refuses.
    pub fn finish(self) -> Result<Taken, BackupError> {
        let (key, ledger) = publish(&self.unfinished)?;
        if !ledger.problems.is_empty() {
            return Err(BackupError::Unverified(ledger.problems));
        }
        let files = settle(&self.unfinished)?;
        sums::write(&self.unfinished, &files)?;
        let length = |file| fs::metadata(self.unfinished.join(file)).map_or(0, |found| found.len());
        let (count, bytes) = (files.len(), files.iter().map(length).sum());
        fs::rename(&self.unfinished, &self.to).map_err(at(&self.to))?;
        let above = self.to.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
        RealDisk.sync_folder(above).map_err(at(above))?;
        Ok(Taken { ledger, key, files: count, bytes })
    }

    fn create_folders(&self, folder: &Path) -> Result<(), BackupError> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|folder| *folder != self.unfinished).collect();
        missing.into_iter().rev().try_for_each(|folder| RealDisk.create_folder(folder).map(drop).map_err(at(folder)))
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        // What is left of it is removed when the next one begins here.
        drop(RealDisk.remove_folder(&self.unfinished));
    }
}
