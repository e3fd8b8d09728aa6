//! The encryption keys of the customer store, and the pseudonyms of customers.
//!
//! The keys are created, wrapped and destroyed like those of consent records, in blocks of their own. Several customers
//! share a key, so before a key is destroyed, the data that must remain is encrypted under another one.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::cipher::{NONCE, decrypt, encrypt};
use super::customer_keys::{self, KeyBlocks, Keys};
use super::data_folder::{CUSTOMERS, DataFolder, KEYS};
use super::disk::{Disk, RealDisk};
use super::secrets::{Secrets, random};
use super::{KeyName, OpenError};
use crate::io_at::AtPath as _;

/// The bytes of a pseudonym that identify the person; the others distinguish spellings of one id.
const PERSON: usize = 12;

/// The blocks of the customer store's keys that are damaged.
///
/// # Errors
/// When the disk fails.
pub fn damaged_key_blocks(data: &DataFolder) -> Result<Vec<PathBuf>, OpenError> {
    customer_keys::damaged(&RealDisk, &data.customer_keys())
}

/// Stands for a customer in files. It cannot be computed from the id without the secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pseudonym(pub [u8; 20]);

/// Computes pseudonyms.
#[derive(Clone)]
pub struct Pseudonyms(Arc<Secrets>);

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    pub(super) fn new(secrets: Arc<Secrets>) -> Self {
        Self(secrets)
    }

    /// The pseudonym of a customer.
    #[must_use]
    pub fn of(&self, customer: &str) -> Pseudonym {
        let token = self.0.token(customer);
        let spelling = Sha256::new().chain_update(b"tactful customer v1 ").chain_update(token).chain_update(customer);
        let mut pseudonym = [0; 20];
        pseudonym
            .iter_mut()
            .zip(token.iter().take(PERSON).chain(&spelling.finalize()))
            .for_each(|(to, from)| *to = *from);
        Pseudonym(pseudonym)
    }
}

/// An erased person, in any spelling of the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedPerson {
    /// The first bytes of the person's pseudonyms.
    pub person: [u8; PERSON],
    /// The position of the last erasure in the ledger.
    pub position: u64,
}

impl ErasedPerson {
    pub(super) fn new(token: &[u8; 32], position: u64) -> Self {
        let [person @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = token;
        Self { person: *person, position }
    }
}

/// The open keys of the customer store.
pub struct Vault {
    blocks: KeyBlocks,
    keys: Keys,
    spare: Vec<KeyName>,
    secrets: Arc<Secrets>,
    /// The random part of every nonce; a new one at each start, because the counter starts at 0 again.
    nonce_random: [u8; 16],
    /// The number of encryptions so far: the counting part of the next nonce.
    sealed: AtomicU64,
    /// The number of blocks that are damaged, and were set aside.
    damaged: usize,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Vault({} keys)", self.keys.len())
    }
}

impl Vault {
    /// Opens the keys of a data folder, or creates the folder for them. Damaged blocks are set aside: what their keys
    /// encrypt is lost.
    pub(super) fn open(disk: Arc<dyn Disk>, data: &DataFolder, secrets: Arc<Secrets>) -> Result<Self, OpenError> {
        let folder = data.customer_keys();
        let damaged = customer_keys::set_damaged_aside(&*disk, &folder)?;
        let (blocks, keys) = KeyBlocks::open(disk, folder.clone(), &secrets)?;
        let nonce_random = *random().at(&folder)?;
        Ok(Self { blocks, keys, spare: Vec::new(), secrets, nonce_random, sealed: AtomicU64::new(0), damaged })
    }

    /// Wraps every key again, by the current wrapping key.
    pub(super) fn rewrap(disk: &Arc<dyn Disk>, data: &DataFolder, secrets: &Secrets) -> Result<(), OpenError> {
        let folder = data.customer_keys();
        let (blocks, keys) = KeyBlocks::open(Arc::clone(disk), folder.clone(), secrets)?;
        Ok(blocks.rewrap(&keys, secrets).at(&folder)?)
    }

    /// The path in the data folder and the bytes of each key block. No key may be destroyed meanwhile.
    ///
    /// # Errors
    /// When the disk fails, or a block is damaged.
    pub fn blocks(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        self.blocks.files().map(|file| Ok((format!("{CUSTOMERS}/{KEYS}/{}", file.0), file.1?))).collect()
    }

    /// The keys folder.
    #[must_use]
    pub fn keys_folder(&self) -> &Path {
        self.secrets.folder()
    }

    /// The number of blocks that were damaged when the keys were opened.
    #[must_use]
    pub fn damaged_blocks(&self) -> usize {
        self.damaged
    }

    /// Whether a key exists.
    #[must_use]
    pub fn has_key(&self, key: KeyName) -> bool {
        self.keys.contains_key(&key)
    }

    /// Computes pseudonyms independently of the keys.
    #[must_use]
    pub fn pseudonyms(&self) -> Pseudonyms {
        Pseudonyms(Arc::clone(&self.secrets))
    }

    /// Destroys every key that is not in `used`: spare keys, and old keys whose destruction was interrupted.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn retain_keys(&mut self, used: &HashSet<KeyName>) -> io::Result<()> {
        let unused: Vec<KeyName> = self.keys.keys().filter(|name| !used.contains(name)).copied().collect();
        self.destroy_keys(&unused)
    }

    /// An unused key, which is durable.
    ///
    /// # Errors
    /// When the disk or the source of random numbers fails.
    pub fn new_key(&mut self) -> io::Result<KeyName> {
        if self.spare.is_empty() {
            let created = self.blocks.create(&self.secrets)?;
            self.spare.extend(created.iter().map(|(name, _)| *name));
            self.keys.extend(created);
        }
        self.spare.pop().ok_or_else(|| io::Error::other("there is no spare key"))
    }

    /// Destroys keys permanently, and with them everything that they encrypted.
    ///
    /// # Errors
    /// When the disk fails. Some of the keys may exist then, so the call must be repeated.
    pub fn destroy_keys(&mut self, destroyed: &[KeyName]) -> io::Result<()> {
        self.blocks.shred(destroyed, &self.keys, &self.secrets)?;
        self.keys.retain(|name, _| !destroyed.contains(name));
        self.spare.retain(|name| !destroyed.contains(name));
        Ok(())
    }

    /// Encrypts, and authenticates the associated data with it; `None` if the key does not exist.
    #[must_use]
    pub fn seal(&self, key: KeyName, associated: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE];
        let (count, random) = nonce.split_at_mut(8);
        count.copy_from_slice(&self.sealed.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        random.copy_from_slice(&self.nonce_random);
        let sealed = encrypt(self.keys.get(&key)?, &nonce, associated, plain)?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts; `None` if the key does not exist, or the bytes or the associated data are damaged.
    #[must_use]
    pub fn open_sealed(&self, key: KeyName, associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        decrypt(self.keys.get(&key)?, nonce, associated, sealed)
    }
}
