//! Writes a backup from a stream of parts into a temporary folder beside the target, which is renamed when the backup
//! is complete.

use std::fs;
use std::path::{Path, PathBuf};

use super::{BackupError, checksums, inside, is_empty, sync_tree};
use crate::io_at::AtPath as _;
use crate::ledger::disk::{Disk as _, DiskFile, RealDisk};
use crate::ledger::proof::VerifyingKey;
use crate::ledger::{DataFolder, Verification, publish};

/// A backup that is being written. If it is dropped before [`BackupWriter::finish`], its files are removed.
#[derive(Debug)]
pub struct BackupWriter {
    to: PathBuf,
    unfinished: PathBuf,
    /// The file that is being written, by its path in the backup.
    file: Option<(String, Box<dyn DiskFile>)>,
}

/// A finished backup.
#[derive(Debug)]
pub struct BackupSummary {
    /// The verification of the ledger in it.
    pub ledger: Verification,
    /// The public key of the ledger's log.
    pub key: VerifyingKey,
    /// The number of files.
    pub files: usize,
    /// The total size of the files in bytes.
    pub bytes: u64,
}

impl BackupWriter {
    /// Begins a backup in a folder that is empty or does not exist.
    ///
    /// # Errors
    /// When the folder is not empty, or the disk fails.
    pub fn begin(to: &Path) -> Result<Self, BackupError> {
        if !is_empty(to)? {
            return Err(BackupError::NotEmpty(to.to_owned()));
        }
        let name = to.file_name().ok_or_else(|| BackupError::Outside(to.display().to_string()))?;
        let unfinished = to.with_file_name(format!("{}.unfinished", name.to_string_lossy()));
        RealDisk.remove_folder(&unfinished).at(&unfinished)?;
        if let Some(above) = to.parent() {
            fs::create_dir_all(above).at(above)?;
        }
        RealDisk.create_folder(&unfinished).at(&unfinished)?;
        let writer = Self { to: to.to_owned(), unfinished, file: None };
        // A ledger without records sends no file that would create its folders.
        writer.create_folders(&DataFolder::new(&writer.unfinished).record_keys())?;
        Ok(writer)
    }

    /// Appends a part to a file. The parts of a file must follow one another.
    ///
    /// # Errors
    /// When the path leads outside the backup, the file was written before, or the disk fails.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        let path = self.unfinished.join(inside(name)?);
        if self.file.as_ref().is_none_or(|(known, _)| known != name) {
            self.create_folders(path.parent().unwrap_or(&self.unfinished))?;
            let file = RealDisk.create(&path).at(&path)?;
            self.file = Some((name.to_owned(), file));
        }
        Ok(self.file.as_mut().map_or(Ok(()), |(_, file)| file.append(bytes)).at(&path)?)
    }

    /// Builds the published log, verifies the backup, writes its checksums, and renames it to its target.
    ///
    /// # Errors
    /// When the backup is incomplete, or the disk fails.
    pub fn finish(self) -> Result<BackupSummary, BackupError> {
        let (key, ledger) = publish(&self.unfinished)?;
        if !ledger.problems.is_empty() {
            return Err(BackupError::Unverified(ledger.problems));
        }
        let files = sync_tree(&self.unfinished)?;
        checksums::write(&self.unfinished, &files)?;
        let length = |file| fs::metadata(self.unfinished.join(file)).map_or(0, |found| found.len());
        let (count, bytes) = (files.len(), files.iter().map(length).sum());
        fs::rename(&self.unfinished, &self.to).at(&self.to)?;
        let above = self.to.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
        RealDisk.sync_folder(above).at(above)?;
        Ok(BackupSummary { ledger, key, files: count, bytes })
    }

    fn create_folders(&self, folder: &Path) -> Result<(), BackupError> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|folder| *folder != self.unfinished).collect();
        Ok(missing.into_iter().rev().try_for_each(|folder| RealDisk.create_folder(folder).map(drop).at(folder))?)
    }
}

impl Drop for BackupWriter {
    fn drop(&mut self) {
        // If this fails, the next backup to the same target removes the folder.
        drop(RealDisk.remove_folder(&self.unfinished));
    }
}
