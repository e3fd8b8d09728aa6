//! The key of a file of the decision log, which lies wrapped at the start of the file that it encrypts.
//!
//! The file has two places for it, so that it can be wrapped again in place: the new one is durable before the old one
//! is overwritten. A file that is removed takes its key with it.
//!
//! ```text
//! 0  8  the format of the file
//! 8  80 a place: u32 number of the wrapping key, nonce (24), wrapped key (48), u32 CRC-32C of the rest
//! 88 80 the other place; one of them is zeros
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::cipher::{decrypt, encrypt};
use super::secrets::{SecretKey, Secrets, random};
use super::vault::Pseudonyms;
use super::{DataFolder, OpenError};
use crate::descriptors;
use crate::io_at::AtPath as _;

/// The bytes of one place.
const PLACE: usize = 80;
/// Where the places begin in a file.
const PLACES_AT: usize = 8;
/// The bytes of both places.
pub const PLACES: usize = 2 * PLACE;
/// What a wrapped key is bound to.
const BOUND_TO: &[u8] = b"tactful decision log v1";

/// Creates and opens the keys of the decision log's files.
#[derive(Debug, Clone)]
pub struct FileKeys(Arc<Secrets>);

/// The key of one file.
#[derive(Clone)]
pub struct FileKey(SecretKey);

impl std::fmt::Debug for FileKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FileKey")
    }
}

impl FileKeys {
    pub(super) fn new(secrets: Arc<Secrets>) -> Self {
        Self(secrets)
    }

    /// A new key, and the places of a new file.
    ///
    /// # Errors
    /// When the source of random numbers fails.
    pub fn create(&self) -> io::Result<(FileKey, [u8; PLACES])> {
        let key: SecretKey = random()?;
        let mut places = [0; PLACES];
        places.iter_mut().zip(wrap(&key, &self.0)?).for_each(|(to, from)| *to = from);
        Ok((FileKey(key), places))
    }

    /// The key in the places of a file; `None` if they are damaged, or wrapped by a key that is gone.
    #[must_use]
    pub fn open(&self, places: &[u8; PLACES]) -> Option<FileKey> {
        let (_, _, key) = unwrap(places, &self.0)?;
        Some(FileKey(key))
    }

    /// Computes pseudonyms.
    #[must_use]
    pub fn pseudonyms(&self) -> Pseudonyms {
        Pseudonyms::new(Arc::clone(&self.0))
    }
}

impl FileKey {
    /// Encrypts, and authenticates the associated data with it. A nonce must be used once.
    #[must_use]
    pub fn seal(&self, nonce: [u8; 24], associated: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        encrypt(&self.0, &nonce, associated, plain)
    }

    /// Decrypts; `None` if the bytes or the associated data are not those that were sealed.
    #[must_use]
    pub fn unseal(&self, nonce: [u8; 24], associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        decrypt(&self.0, &nonce, associated, sealed)
    }
}

/// Wraps the keys of every file of the decision log by the current wrapping key.
pub fn rewrap_all(data: &DataFolder, secrets: &Secrets) -> Result<(), OpenError> {
    let folder = data.decisions();
    let entries = match descriptors::open(|| std::fs::read_dir(&folder)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.at(&folder)?,
    };
    for entry in entries {
        let path = entry.at(&folder)?.path();
        if path.extension().is_some_and(|extension| extension == DataFolder::DECISION_FILE) {
            rewrap(&path, secrets).at(&path)?;
        }
    }
    Ok(())
}

fn rewrap(path: &Path, secrets: &Secrets) -> io::Result<()> {
    let mut file = descriptors::open(|| OpenOptions::new().read(true).write(true).open(path))?;
    let mut places = [0; PLACES];
    file.seek(SeekFrom::Start(PLACES_AT as u64))?;
    // Without a key that opens, there is nothing to keep readable.
    if file.read_exact(&mut places).is_err() {
        return Ok(());
    }
    let Some((place, number, key)) = unwrap(&places, secrets) else { return Ok(()) };
    if secrets.current_wrapping().is_none_or(|(current, _)| current == number) {
        return Ok(());
    }
    put(&mut file, 1 - place, &wrap(&key, secrets)?)?;
    put(&mut file, place, &[0; PLACE])
}

/// Overwrites the key of a file, which makes what it encrypts unreadable.
///
/// # Errors
/// When the disk fails.
pub fn destroy(path: &Path) -> io::Result<()> {
    let mut file = descriptors::open(|| OpenOptions::new().write(true).open(path))?;
    put(&mut file, 0, &[0; PLACE])?;
    put(&mut file, 1, &[0; PLACE])
}

fn put(file: &mut File, place: usize, bytes: &[u8; PLACE]) -> io::Result<()> {
    file.seek(SeekFrom::Start((PLACES_AT + place * PLACE) as u64))?;
    file.write_all(bytes)?;
    file.sync_data()
}

fn wrap(key: &SecretKey, secrets: &Secrets) -> io::Result<[u8; PLACE]> {
    let (number, wrapping) = secrets.current_wrapping().ok_or_else(|| io::Error::other("there is no wrapping key"))?;
    let nonce = random::<24>()?;
    let wrapped = encrypt(wrapping, &nonce, BOUND_TO, key.as_slice());
    let wrapped = wrapped.ok_or_else(|| io::Error::other("a key cannot be wrapped"))?;
    let body = [number.to_le_bytes().as_slice(), nonce.as_slice(), &wrapped].concat();
    let sum = crc32c::crc32c(&body).to_le_bytes();
    [body.as_slice(), &sum].concat().try_into().map_err(|_| io::Error::other("a wrapped key has another length"))
}

/// The place in use, the number of the wrapping key, and the key.
fn unwrap(places: &[u8; PLACES], secrets: &Secrets) -> Option<(usize, u32, SecretKey)> {
    let (pair, _) = places.as_chunks::<PLACE>();
    pair.iter().enumerate().find_map(|(place, bytes)| {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
            return None;
        }
        let (number, rest) = body.split_first_chunk::<4>()?;
        let (nonce, wrapped) = rest.split_first_chunk::<24>()?;
        let number = u32::from_le_bytes(*number);
        let opened = Zeroizing::new(decrypt(secrets.wrapping(number)?, nonce, BOUND_TO, wrapped)?);
        Some((place, number, Zeroizing::new(opened.as_slice().try_into().ok()?)))
    })
}
