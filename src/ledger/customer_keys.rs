//! The encryption keys of customers, one for each, wrapped by the ledger's wrapping key.
//!
//! Keys are stored in blocks, small files that are only replaced whole, so that destroying a key rewrites little. A
//! block is created before its keys are assigned to customers: most new customers then cost no write, and only the
//! encrypted records show which customer has a key.
//!
//! ```text
//! 0   8   "TFLKEYS1"
//! 8   u32 number of the wrapping key, little-endian
//! 12  u32 how many keys
//! 16  88  for each: name (16), nonce (24), key wrapped by XChaCha20-Poly1305 and bound to the name (48)
//! …   32  SHA-256 of everything before
//! ```

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::fast::RandomState;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::cipher::{decrypt, encrypt};
use super::disk::{Disk, UNFINISHED, replace, shred};
use super::folder::create_folders;
use super::secrets::{SecretKey, Secrets, hex, random};
use super::{KeyName, OpenError, parallel};
use crate::io_at::AtPath as _;

/// The extension of a block's file name.
const SUFFIX: &str = ".keys";
const MAGIC: &[u8; 8] = b"TFLKEYS1";
const ENTRY: usize = 88;
/// The number of keys in a new block.
const BLOCK: usize = 256;
/// What is wrong with a damaged block.
const DAMAGED: &str = "its checksum does not match";
/// How many times a block is read that may be replaced meanwhile.
const READ_ATTEMPTS: usize = 8;

/// The names and keys of one block.
pub type Block = Vec<(KeyName, SecretKey)>;

/// Customer keys by their names.
pub type Keys = HashMap<KeyName, SecretKey, RandomState>;

/// The blocks on disk, which only the writer changes.
#[derive(Debug)]
pub struct KeyBlocks {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    blocks: Vec<(PathBuf, Vec<KeyName>)>,
}

impl KeyBlocks {
    /// Opens the blocks of a folder, and reads all keys.
    ///
    /// # Errors
    /// When the disk fails, or a block is damaged.
    pub fn open(disk: Arc<dyn Disk>, folder: PathBuf, secrets: &Secrets) -> Result<(Self, Keys), OpenError> {
        create_folders(&*disk, &folder)?;
        for name in disk.file_names(&folder).at(&folder)?.iter().filter(|name| name.ends_with(UNFINISHED)) {
            let path = folder.join(name);
            shred(&*disk, &path, None).at(&path)?;
        }
        let (mut blocks, mut keys) = (Vec::new(), Keys::default());
        for (path, entries) in read(&*disk, &folder, secrets)? {
            blocks.push((path, entries.iter().map(|(name, _)| *name).collect()));
            keys.extend(entries);
        }
        disk.sync_folder(&folder).at(&folder)?;
        Ok((Self { disk, folder, blocks }, keys))
    }

    /// Creates a block of new keys, which is durable when this returns.
    ///
    /// # Errors
    /// When the disk or the source of random numbers fails.
    pub fn create(&mut self, secrets: &Secrets) -> io::Result<Vec<(KeyName, SecretKey)>> {
        let entries: Vec<(KeyName, SecretKey)> =
            (0..BLOCK).map(|_| Ok((KeyName(*random()?), random()?))).collect::<io::Result<_>>()?;
        let path = self.folder.join(format!("{}{SUFFIX}", hex(&*random::<8>()?)));
        replace(&*self.disk, &path, &write(entries.iter().map(|(name, key)| (name, key)), secrets)?)?;
        self.blocks.push((path, entries.iter().map(|(name, _)| *name).collect()));
        Ok(entries)
    }

    /// Destroys keys permanently. Names that no block has are ignored.
    ///
    /// # Errors
    /// When the disk fails. Some of the keys may exist then, so the call must be repeated.
    pub fn shred(&mut self, destroyed: &[KeyName], keys: &Keys, secrets: &Secrets) -> io::Result<()> {
        for (path, names) in &mut self.blocks {
            if names.iter().any(|name| destroyed.contains(name)) {
                let remaining: Vec<KeyName> = names.iter().filter(|name| !destroyed.contains(name)).copied().collect();
                rewrite(&*self.disk, path, &remaining, keys, secrets)?;
                *names = remaining;
            }
        }
        Ok(())
    }

    /// The file name and the bytes of each block.
    pub fn files(&self) -> impl Iterator<Item = (String, io::Result<Vec<u8>>)> {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.blocks.iter().map(move |(path, _)| (name(path), read_block(&*self.disk, path)))
    }

    /// Wraps every key again, by the current wrapping key.
    ///
    /// # Errors
    /// When the disk fails. Some keys may be wrapped by the old key then, so the call must be repeated.
    pub fn rewrap(&self, keys: &Keys, secrets: &Secrets) -> io::Result<()> {
        self.blocks.iter().try_for_each(|(path, names)| rewrite(&*self.disk, path, names, keys, secrets))
    }
}

/// Reads the blocks of a folder.
///
/// # Errors
/// When the disk fails, or a block is damaged.
pub fn read(disk: &dyn Disk, folder: &Path, secrets: &Secrets) -> Result<Vec<(PathBuf, Block)>, OpenError> {
    let read = |path: PathBuf| {
        let bytes = disk.read(&path).at(&path)?;
        if let Some(body) = checked_body(&bytes) {
            OpenError::refuse_newer(&path, body, MAGIC)?;
        }
        let damaged = |what| OpenError::Damaged { path: path.clone(), at: 0, records: 0, what };
        let entries = parse(&bytes, secrets).map_err(damaged)?;
        Ok((path, entries))
    };
    let blocks = names(disk, folder).at(folder)?.iter().map(|name| folder.join(name)).collect();
    parallel::map(blocks, read).into_iter().collect()
}

/// Renames damaged blocks of a folder, so that they are not read any more. Returns how many there were.
///
/// # Errors
/// When the disk fails.
pub fn set_damaged_aside(disk: &dyn Disk, folder: &Path) -> Result<usize, OpenError> {
    let damaged = damaged(disk, folder)?;
    for path in &damaged {
        let aside = path.with_extension("damaged");
        disk.rename(path, &aside).at(path)?;
        tracing::error!(set_aside = %aside.display(), "keys of customers were damaged, and are set aside");
    }
    Ok(damaged.len())
}

/// The damaged blocks of a folder.
///
/// # Errors
/// When the disk fails.
pub fn damaged(disk: &dyn Disk, folder: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let names = match names(disk, folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names.at(folder)?,
    };
    let mut damaged = Vec::new();
    for path in names.iter().map(|name| folder.join(name)) {
        if checked_body(&disk.read(&path).at(&path)?).is_none() {
            damaged.push(path);
        }
    }
    Ok(damaged)
}

/// The file names of the blocks in a folder.
///
/// # Errors
/// When the disk fails.
pub fn names(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<String>> {
    let mut names = disk.file_names(folder)?;
    names.retain(|name| name.ends_with(SUFFIX));
    Ok(names)
}

/// The bytes of a block while the writer may be replacing it. A read can hit the old file after it was wiped, so a
/// damaged block is read again.
///
/// # Errors
/// When the disk fails, or the block is damaged.
pub fn read_block(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    for _ in 0..READ_ATTEMPTS {
        let bytes = disk.read(path)?;
        if checked_body(&bytes).is_some() {
            return Ok(bytes);
        }
    }
    Err(io::Error::other(format!("`{}`: {DAMAGED}", path.display())))
}

fn rewrite(disk: &dyn Disk, path: &Path, names: &[KeyName], keys: &Keys, secrets: &Secrets) -> io::Result<()> {
    let entries = names.iter().filter_map(|name| Some((name, keys.get(name)?)));
    shred(disk, path, Some(&write(entries, secrets)?))
}

fn write<'k>(entries: impl Iterator<Item = (&'k KeyName, &'k SecretKey)>, secrets: &Secrets) -> io::Result<Vec<u8>> {
    let (number, wrapping) = secrets.current_wrapping().ok_or_else(|| io::Error::other("there is no wrapping key"))?;
    let mut list = Vec::with_capacity(BLOCK * ENTRY);
    for (name, key) in entries {
        let nonce = random::<24>()?;
        let wrapped = encrypt(wrapping, &nonce, &name.0, key.as_slice());
        let wrapped = wrapped.ok_or_else(|| io::Error::other("a key cannot be wrapped"))?;
        list.extend(name.0);
        list.extend(*nonce);
        list.extend(wrapped);
    }
    let count = u32::try_from(list.len() / ENTRY).unwrap_or(u32::MAX);
    let mut bytes = [MAGIC.as_slice(), &number.to_le_bytes(), &count.to_le_bytes(), &list].concat();
    let sum = Sha256::digest(&bytes);
    bytes.extend(sum);
    Ok(bytes)
}

fn parse(bytes: &[u8], secrets: &Secrets) -> Result<Vec<(KeyName, SecretKey)>, &'static str> {
    let body = checked_body(bytes).ok_or(DAMAGED)?;
    let shape = "it is not a block of customer keys";
    let (number, list) = body.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk()).ok_or(shape)?;
    let (_, list) = list.split_first_chunk::<4>().ok_or(shape)?;
    let (list, []) = list.as_chunks::<ENTRY>() else { return Err(shape) };
    let wrapping = secrets.wrapping(u32::from_le_bytes(*number));
    let wrapping = wrapping.ok_or("the keys folder does not have the key that its keys are wrapped with")?;
    list.iter().map(|entry| unwrap(entry, wrapping).ok_or("a customer key does not unwrap")).collect()
}

/// A block without its checksum, if the checksum matches.
fn checked_body(bytes: &[u8]) -> Option<&[u8]> {
    let (body, sum) = bytes.split_last_chunk::<32>()?;
    (*sum == *Sha256::digest(body)).then_some(body)
}

fn unwrap(entry: &[u8; ENTRY], wrapping: &SecretKey) -> Option<(KeyName, SecretKey)> {
    let (name, rest) = entry.split_first_chunk::<16>()?;
    let (nonce, wrapped) = rest.split_first_chunk::<24>()?;
    let key = Zeroizing::new(decrypt(wrapping, nonce, name, wrapped)?);
    Some((KeyName(*name), Zeroizing::new(key.as_slice().try_into().ok()?)))
}
