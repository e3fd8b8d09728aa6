//! Keys for what is kept about customers beside the ledger: the store of their state.
//!
//! They are made, wrapped and taken away as the keys of consent records are, and lie in blocks of their own. One key
//! serves many customers; whoever takes it away first encrypts anew what is to stay.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};

use super::OpenError;
use super::customer_keys::{KeyBlocks, KeyName, Keys};
use super::disk::Disk;
use super::secrets::{Secrets, random};

/// The folder of the store, inside the data folder; the store's other files are its own affair.
pub const CUSTOMERS: &str = "customers";
/// The folder of their keys, inside that.
const KEYS: &str = "keys";
const NONCE: usize = 24;
/// How much of a pseudonym says who; the rest tells spellings of one id apart.
const PERSON: usize = 12;

/// Stands for a customer in files. Nobody without the secrets can tell whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pseudonym(pub [u8; 20]);

/// Tells what stands for a customer.
#[derive(Clone)]
pub struct Pseudonyms(Arc<Secrets>);

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    /// What stands for a customer.
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

/// The beginning of the pseudonyms of somebody who was erased, however their id is spelt, and where the ledger says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedPerson {
    /// What their pseudonyms begin with.
    pub person: [u8; PERSON],
    /// The position of the erasure.
    pub position: u64,
}

impl ErasedPerson {
    pub(super) fn new(token: &[u8; 32], position: u64) -> Self {
        let [person @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = token;
        Self { person: *person, position }
    }
}

/// The keys, open to use.
pub struct Vault {
    blocks: KeyBlocks,
    keys: Keys,
    spare: Vec<KeyName>,
    secrets: Arc<Secrets>,
    /// Random for each opening, so that no nonce comes twice.
    opening: [u8; 16],
    sealed: AtomicU64,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Vault({} keys)", self.keys.len())
    }
}

fn folder(data: &Path) -> PathBuf {
    data.join(CUSTOMERS).join(KEYS)
}

impl Vault {
    /// Opens the keys of a data folder, or begins there.
    pub(super) fn open(disk: Arc<dyn Disk>, data: &Path, secrets: Arc<Secrets>) -> Result<Self, OpenError> {
        let folder = folder(data);
        let (blocks, keys) = KeyBlocks::open(disk, folder.clone(), &secrets)?;
        let opening = *random().map_err(super::recovery::at(&folder))?;
        Ok(Self { blocks, keys, spare: Vec::new(), secrets, opening, sealed: AtomicU64::new(0) })
    }

    /// Wraps every key anew, under the wrapping key of now.
    pub(super) fn rewrap(disk: &Arc<dyn Disk>, data: &Path, secrets: &Secrets) -> Result<(), OpenError> {
        let folder = folder(data);
        let (blocks, keys) = KeyBlocks::open(Arc::clone(disk), folder.clone(), secrets)?;
        blocks.rewrap(&keys, secrets).map_err(super::recovery::at(&folder))
    }

    /// The bytes of every block of keys, named as in the data folder. Nobody may take keys away meanwhile.
    ///
    /// # Errors
    /// When the disk refuses, or a block is not as it was written.
    pub fn blocks(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        self.blocks.files().map(|file| Ok((format!("{CUSTOMERS}/{KEYS}/{}", file.0), file.1?))).collect()
    }

    /// What tells pseudonyms, whoever has the keys meanwhile.
    #[must_use]
    pub fn pseudonyms(&self) -> Pseudonyms {
        Pseudonyms(Arc::clone(&self.secrets))
    }

    /// Takes away every key that nobody uses: one that was given up before the last stop, or never given out.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn retain_keys(&mut self, used: &HashSet<KeyName>) -> io::Result<()> {
        let unused: Vec<KeyName> = self.keys.keys().filter(|name| !used.contains(name)).copied().collect();
        self.destroy_keys(&unused)
    }

    /// A key that nobody has used, durable.
    ///
    /// # Errors
    /// When the disk or the source of random numbers refuses.
    pub fn new_key(&mut self) -> io::Result<KeyName> {
        if self.spare.is_empty() {
            let created = self.blocks.create(&self.secrets)?;
            self.spare.extend(created.iter().map(|(name, _)| *name));
            self.keys.extend(created);
        }
        self.spare.pop().ok_or_else(|| io::Error::other("there is no key to give"))
    }

    /// Takes keys away for good: what they encrypted is unreadable from here on.
    ///
    /// # Errors
    /// When the disk refuses; ask again then.
    pub fn destroy_keys(&mut self, gone: &[KeyName]) -> io::Result<()> {
        self.blocks.shred(gone, &self.keys, &self.secrets)?;
        self.keys.retain(|name, _| !gone.contains(name));
        Ok(())
    }

    /// Encrypts what belongs to something: only with that it opens again. Nothing without the key.
    #[must_use]
    pub fn seal(&self, key: KeyName, belongs: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE];
        let (count, opening) = nonce.split_at_mut(8);
        count.copy_from_slice(&self.sealed.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        opening.copy_from_slice(&self.opening);
        let sealed = self.cipher(key)?.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: belongs }).ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// What was encrypted; nothing if the key is gone, or a bit is not as it was.
    #[must_use]
    pub fn open_sealed(&self, key: KeyName, belongs: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        self.cipher(key)?.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: belongs }).ok()
    }

    fn cipher(&self, key: KeyName) -> Option<XChaCha20Poly1305> {
        Some(XChaCha20Poly1305::new(&(**self.keys.get(&key)?).into()))
    }
}
