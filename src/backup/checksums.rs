//! The checksums of a backup's files, in the format of `sha256sum --check`.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{BackupError, inside};
use crate::io_at::{AtPath as _, IoAt};
use crate::ledger::{DataFolder, PART};

/// Writes the checksums of these files, durably.
pub fn write(folder: &Path, files: &[PathBuf]) -> Result<(), BackupError> {
    let mut text = String::new();
    for file in files {
        let path = folder.join(file);
        text.push_str(&format!("{}  {}\n", checksum(&path).at(&path)?, file.display()));
    }
    let path = DataFolder::new(folder).checksums();
    let written = fs::write(&path, text).and_then(|()| File::open(&path)?.sync_all());
    Ok(written.and_then(|()| File::open(folder)?.sync_all()).at(&path)?)
}

/// Verifies every file of a backup, and returns their paths.
pub fn verify(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let path = DataFolder::new(folder).checksums();
    let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => BackupError::NotABackup(folder.to_owned()),
        _ => IoAt::new(&path, error).into(),
    })?;
    let (mut files, mut damaged) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let Some((expected, name)) = line.split_once("  ") else {
            damaged.push(format!("`{}` has a line without a checksum", path.display()));
            continue;
        };
        let name = inside(name)?;
        let file = folder.join(name);
        match checksum(&file) {
            Ok(found) if found == expected => files.push(name.to_owned()),
            Ok(_) => damaged.push(format!("`{}` does not match its checksum", file.display())),
            Err(error) => damaged.push(format!("`{}`: {error}", file.display())),
        }
    }
    if files.is_empty() && damaged.is_empty() {
        damaged.push(format!("`{}` is empty", path.display()));
    }
    if damaged.is_empty() { Ok(files) } else { Err(BackupError::Damaged(damaged)) }
}

fn checksum(path: &Path) -> io::Result<String> {
    let (mut digest, mut file) = (Sha256::new(), BufReader::with_capacity(PART, File::open(path)?));
    loop {
        let part = file.fill_buf()?;
        if part.is_empty() {
            break;
        }
        digest.update(part);
        let length = part.len();
        file.consume(length);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
