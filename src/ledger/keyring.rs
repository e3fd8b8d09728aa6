//! The keys of a ledger whose records are kept elsewhere than in files: it seals and opens what a backend keeps, and signs
//! its checkpoints. Every node of a cluster has the same keys folder.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::content::{self, Content};
use super::customer_keys::Keys;
use super::disk::{Disk, RealDisk, replace};
use super::frame::{FrameKind, FrameVersion, Head, Header};
use super::proof::{Checkpoint, Hash, Leaf, Salt, SigningKey, VerifyingKey};
use super::recovery::open_keys;
use super::secrets::{SecretKey, Secrets, random};
use super::signer::HEAD;
use super::vault::{Pseudonym, Pseudonyms};
use super::{KeyName, OpenError, cipher, erasure, payload, seal};
use crate::domain::consent::{ConsentRecord, ConsentStatus};
use crate::domain::time::Moment;
use crate::io_at::AtPath as _;

const NONCE: usize = 24;
/// The file of a keys folder that says that the keys are those of a database.
const MARKER: &str = "database";

/// Refuses a keys folder that belongs to a database.
///
/// # Errors
/// When it does.
pub fn check_unused(folder: &Path) -> Result<(), OpenError> {
    if folder.join(MARKER).exists() { Err(OpenError::InDatabase(folder.to_owned())) } else { Ok(()) }
}

/// The keys of a ledger.
#[derive(Clone)]
pub struct Keyring {
    secrets: Arc<Secrets>,
    signing: Arc<SigningKey>,
    pseudonyms: Pseudonyms,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Keyring({})", self.signing.name())
    }
}

/// The key of one customer.
pub struct CustomerKey {
    /// Its name, in the header of each record.
    pub name: KeyName,
    key: SecretKey,
}

impl std::fmt::Debug for CustomerKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CustomerKey")
    }
}

/// A record that was sealed before its place in the ledger is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// Its kind, as in a frame.
    pub kind: u16,
    /// The name of the customer's key.
    pub key: KeyName,
    /// The first bytes of the nonce: no two records have the same.
    pub random: [u8; 16],
    /// The leaf in the Merkle tree.
    pub leaf: Leaf,
    /// The encrypted record.
    pub payload: Vec<u8>,
}

impl SealedRecord {
    fn new(head: Head, payload: Vec<u8>) -> Self {
        let Head { kind, key, random, leaf } = head;
        Self { kind: kind as u16, key, random, leaf, payload }
    }

    fn header(&self) -> Option<Header> {
        let kind = match self.kind {
            1 => FrameKind::Record,
            2 => FrameKind::Erasure,
            3 => FrameKind::Return,
            _ => return None,
        };
        let head = Head { kind, key: self.key, random: self.random, leaf: self.leaf };
        Some(Header { version: FrameVersion::Three, position: 0, head })
    }
}

impl Keyring {
    /// Reads the keys of a folder. With `create`, missing keys are created, and the folder belongs to a database from now
    /// on; a database that has records needs the keys that it was made with.
    ///
    /// # Errors
    /// When the disk fails, a file is damaged, keys are missing, or they have signed another ledger.
    pub fn open(folder: &Path, create: bool) -> Result<Self, OpenError> {
        if create && folder.join(HEAD).exists() {
            return Err(OpenError::InUse(folder.to_owned()));
        }
        let (secrets, signing, _) = open_keys(&RealDisk as &dyn Disk, folder, create)?;
        if create {
            let path = folder.join(MARKER);
            replace(&RealDisk, &path, b"tactful keys of a database\n").at(&path)?;
        }
        let secrets = Arc::new(secrets);
        let pseudonyms = Pseudonyms::new(Arc::clone(&secrets));
        Ok(Self { secrets, signing: Arc::new(signing), pseudonyms })
    }

    /// Tells these keys from others, and reveals nothing about them. It stays the same when the wrapping key is replaced.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.secrets.fingerprint()
    }

    /// The pseudonym of a customer.
    #[must_use]
    pub fn pseudonym(&self, customer: &str) -> Pseudonym {
        self.pseudonyms.of(customer)
    }

    /// The suppression token of a customer.
    #[must_use]
    pub fn token(&self, customer: &str) -> [u8; 32] {
        self.secrets.token(customer)
    }

    /// A new key for a customer.
    ///
    /// # Errors
    /// When the source of random numbers fails.
    pub fn new_key(&self) -> io::Result<CustomerKey> {
        Ok(CustomerKey { name: KeyName(*random()?), key: random()? })
    }

    /// Wraps a key by the current wrapping key: its number, a nonce, and the encrypted key, bound to its name.
    ///
    /// # Errors
    /// When the source of random numbers fails.
    pub fn wrap(&self, key: &CustomerKey) -> io::Result<Vec<u8>> {
        let (number, wrapping) =
            self.secrets.current_wrapping().ok_or_else(|| io::Error::other("there is no wrapping key"))?;
        let wrapped = encrypt(wrapping, &key.name.0, key.key.as_slice())?;
        Ok([number.to_le_bytes().as_slice(), &wrapped].concat())
    }

    /// Unwraps a key; `None` if it is damaged, or was wrapped by a key that this folder does not have.
    #[must_use]
    pub fn unwrap_key(&self, name: KeyName, wrapped: &[u8]) -> Option<CustomerKey> {
        let (number, wrapped) = wrapped.split_first_chunk::<4>()?;
        let wrapping = self.secrets.wrapping(u32::from_le_bytes(*number))?;
        let key = zeroize::Zeroizing::new(decrypt(wrapping, &name.0, wrapped)?);
        Some(CustomerKey { name, key: zeroize::Zeroizing::new(key.as_slice().try_into().ok()?) })
    }

    /// Seals a consent record.
    ///
    /// # Errors
    /// When it cannot be encoded, or the source of random numbers fails.
    pub fn seal(&self, record: &ConsentRecord, key: &CustomerKey) -> io::Result<SealedRecord> {
        let plain = payload::encode(record)?;
        let leaf = content::leaf(record, &Salt::derive(&key.key, &record.record_id));
        let kind = if record.status == ConsentStatus::Returned { FrameKind::Return } else { FrameKind::Record };
        let head = Head { kind, key: key.name, random: [0; 16], leaf };
        let sealed = seal::seal(head, &*random()?, &key.key, &plain);
        let (head, sealed) = sealed.ok_or_else(|| io::Error::other("a record cannot be encrypted"))?;
        Ok(SealedRecord::new(head, sealed))
    }

    /// Opens a sealed record, with the salt of its leaf; `None` if it is damaged or the key is another one.
    #[must_use]
    pub fn open_record(&self, sealed: &SealedRecord, key: Option<&CustomerKey>) -> Option<(ConsentRecord, Salt)> {
        let mut keys = Keys::default();
        keys.extend(key.map(|key| (key.name, key.key.clone())));
        match content::open(&sealed.header()?, &sealed.payload, &keys, &self.secrets) {
            Content::Record(record, salt) => Some((*record, salt)),
            Content::NoKey | Content::Damaged => None,
        }
    }

    /// The record of an erasure, which names no customer.
    ///
    /// # Errors
    /// When it cannot be encoded, or the source of random numbers fails.
    pub fn erasure(&self, customer: &str, now: Moment) -> io::Result<SealedRecord> {
        let record = erasure::record(now);
        let leaf = content::leaf(&record, &erasure::salt(&record, &self.secrets));
        let head = Head { kind: FrameKind::Erasure, key: KeyName::default(), random: *random()?, leaf };
        Ok(SealedRecord::new(head, erasure::payload(&self.token(customer), &payload::encode(&record)?)))
    }

    /// Encrypts what is kept of a customer, bound to its place.
    ///
    /// # Errors
    /// When the source of random numbers fails.
    pub fn seal_body(&self, key: &CustomerKey, place: &[u8], body: &[u8]) -> io::Result<Vec<u8>> {
        encrypt(&key.key, place, body)
    }

    /// Decrypts what is kept of a customer; `None` if it is damaged.
    #[must_use]
    pub fn open_body(&self, key: &CustomerKey, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        decrypt(&key.key, place, sealed)
    }

    /// Signs a checkpoint.
    #[must_use]
    pub fn sign(&self, size: u64, root: Hash) -> String {
        Checkpoint::sign(size, root, &self.signing)
    }

    /// The key that verifies checkpoints and receipts.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.signing.verifying_key()
    }
}

fn encrypt(key: &SecretKey, associated: &[u8], plain: &[u8]) -> io::Result<Vec<u8>> {
    let nonce = random::<NONCE>()?;
    let sealed = cipher::encrypt(key, &nonce, associated, plain);
    let sealed = sealed.ok_or_else(|| io::Error::other("too long to encrypt"))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn decrypt(key: &SecretKey, associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
    cipher::decrypt(key, nonce, associated, sealed)
}
