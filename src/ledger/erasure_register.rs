//! The register of erasures. It is in the keys folder, so that a data folder restored from an older copy loses the
//! customers who were erased since.
//!
//! ```text
//! 0   16  name of the customer key that is gone; zeros if there was none
//! 16  32  suppression token
//! 48  u64 position of the erasure in the ledger, little-endian
//! 56  u32 CRC32C of bytes 0..56
//! ```

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, DiskFile, extend};
use super::folder::read_if_exists;
use super::{KeyName, OpenError, frame};
use crate::io_at::AtPath as _;

/// The file's name inside the keys folder.
const FILE: &str = "erased";
const ENTRY: usize = 60;

/// One erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisteredErasure {
    /// The destroyed key; zeros if there was none.
    pub key: KeyName,
    /// The suppression token of the customer.
    pub token: [u8; 32],
    /// The position of the erasure in the ledger.
    pub position: u64,
}

/// The register, open for appending.
#[derive(Debug)]
pub struct ErasureRegister {
    file: Box<dyn DiskFile>,
    length: u64,
}

impl ErasureRegister {
    /// Opens the register, or creates it. A torn last entry is cut off, because the ledger has the erasure too.
    ///
    /// # Errors
    /// When the disk fails, or the register is damaged.
    pub fn open(disk: &dyn Disk, folder: &Path) -> Result<(Self, Vec<RegisteredErasure>), OpenError> {
        let path = folder.join(FILE);
        let Some((erased, rest)) = read(disk, folder)? else {
            let file = disk.create(&path).and_then(|file| disk.sync_folder(folder).map(|()| file));
            return Ok((Self { file: file.at(&path)?, length: 0 }, Vec::new()));
        };
        let (mut file, length) = (disk.open(&path).at(&path)?, (erased.len() * ENTRY) as u64);
        if rest > 0 {
            file.truncate(length).at(&path)?;
        }
        Ok((Self { file, length }, erased))
    }

    /// Appends and syncs erasures.
    ///
    /// # Errors
    /// When the disk is full: then none was appended. Any other error is final.
    pub fn add(&mut self, erased: &[RegisteredErasure]) -> io::Result<()> {
        let bytes: Vec<u8> = erased.iter().flat_map(write).collect();
        extend(&mut *self.file, self.length, &bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// The erasures of a register, and the length of a torn last entry in bytes; `None` if there is no register.
///
/// # Errors
/// When the disk fails, or the register is damaged.
pub fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<(Vec<RegisteredErasure>, usize)>, OpenError> {
    let path = folder.join(FILE);
    let Some(bytes) = read_if_exists(disk, &path)? else { return Ok(None) };
    let (entries, _) = bytes.as_chunks::<ENTRY>();
    let erased: Vec<RegisteredErasure> = entries.iter().map_while(parse).collect();
    let end = erased.len() * ENTRY;
    let rest = bytes.len() - end;
    let torn = rest < ENTRY || frame::is_torn(&bytes, end, ENTRY);
    if torn { Ok(Some((erased, rest))) } else { Err(damaged(&path, erased.len())) }
}

fn damaged(path: &Path, index: usize) -> OpenError {
    let what = "an entry does not match its checksum";
    OpenError::Damaged { path: PathBuf::from(path), at: index * ENTRY, records: index as u64, what }
}

fn write(erased: &RegisteredErasure) -> Vec<u8> {
    let mut bytes = [erased.key.0.as_slice(), &erased.token, &erased.position.to_le_bytes()].concat();
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

fn parse(entry: &[u8; ENTRY]) -> Option<RegisteredErasure> {
    let (body, crc) = entry.split_last_chunk()?;
    let (key, rest) = body.split_first_chunk()?;
    let (token, rest) = rest.split_first_chunk()?;
    let (position, _) = rest.split_first_chunk()?;
    let whole = crc32c::crc32c(body) == u32::from_le_bytes(*crc);
    whole.then_some(RegisteredErasure { key: KeyName(*key), token: *token, position: u64::from_le_bytes(*position) })
}
