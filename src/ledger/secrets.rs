//! The secrets without which the data folder cannot be read. They are in the keys folder, outside the backups of the
//! data folder.
//!
//! The file `secrets` consists of lines and a checksum. The checksum detects a damaged pepper, which would make the
//! suppression tokens of erased customers useless. The file is only replaced whole.

use std::io;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::OpenError;
use super::disk::{Disk, replace, shred};
use super::folder::read_if_exists;

/// 32 secret bytes, wiped from memory when they are dropped.
pub type SecretKey = Zeroizing<[u8; 32]>;

/// The file's name inside the keys folder.
const FILE: &str = "secrets";
/// The first line of the file.
const TITLE: &str = "tactful secrets 1";

/// The secrets of a ledger.
#[derive(Clone)]
pub struct Secrets {
    path: PathBuf,
    /// The key of the HMAC that turns a customer's id into a suppression token.
    pepper: SecretKey,
    /// The key from which the salts of erasures are derived.
    erasure: SecretKey,
    /// Keys that wrap customer keys, by number. The last one is current; others exist during a rotation only.
    wrapping: Vec<(u32, SecretKey)>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Secrets({})", self.path.display())
    }
}

impl Secrets {
    /// Reads the secrets of a keys folder; `None` if it has none.
    ///
    /// # Errors
    /// When the disk fails, or the file is damaged.
    pub fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<Self>, OpenError> {
        let path = Self::path(folder);
        let Some(bytes) = read_if_exists(disk, &path)?.map(Zeroizing::new) else { return Ok(None) };
        let body = std::str::from_utf8(&bytes).ok().and_then(checked_body);
        if let Some(body) = body {
            OpenError::refuse_newer(&path, body.as_bytes(), TITLE.as_bytes())?;
        }
        let secrets = body.and_then(|body| Self::parse(body, &path));
        let damaged =
            || OpenError::Damaged { path: path.clone(), at: 0, records: 0, what: "its checksum does not match" };
        secrets.map(Some).ok_or_else(damaged)
    }

    /// Where the secrets of a keys folder are.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Creates the secrets of a keys folder.
    ///
    /// # Errors
    /// When the disk or the source of random numbers fails.
    pub fn create(disk: &dyn Disk, folder: &Path) -> io::Result<Self> {
        let path = Self::path(folder);
        let secrets = Self { path, pepper: random()?, erasure: random()?, wrapping: vec![(1, random()?)] };
        replace(disk, &secrets.path, secrets.text().as_bytes())?;
        Ok(secrets)
    }

    /// The keys folder.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The suppression token of a customer. Ids that differ only in case or in surrounding whitespace have the same
    /// token.
    pub fn token(&self, customer: &str) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.pepper.as_slice()).expect("HMAC takes a key of any length");
        mac.update(b"tactful suppression v1 ");
        mac.update(customer.trim().to_lowercase().as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Tells these secrets from others. The wrapping keys are not part of it: they are replaced.
    pub fn fingerprint(&self) -> [u8; 32] {
        let digest = Sha256::new().chain_update(b"tactful secrets v1 ").chain_update(*self.pepper);
        digest.chain_update(*self.erasure).finalize().into()
    }

    /// The key from which the salts of erasures are derived.
    pub fn erasure(&self) -> &SecretKey {
        &self.erasure
    }

    /// The current wrapping key and its number.
    pub fn current_wrapping(&self) -> Option<(u32, &SecretKey)> {
        self.wrapping.last().map(|(number, key)| (*number, key))
    }

    /// The wrapping key with a number.
    pub fn wrapping(&self, number: u32) -> Option<&SecretKey> {
        self.wrapping.iter().find(|(known, _)| *known == number).map(|(_, key)| key)
    }

    /// Whether a rotation of the wrapping key has begun and not ended.
    pub fn is_rotating(&self) -> bool {
        self.wrapping.len() > 1
    }

    /// Adds a wrapping key, which becomes the current one.
    ///
    /// # Errors
    /// When the disk or the source of random numbers fails.
    pub fn begin_rotation(&mut self, disk: &dyn Disk) -> io::Result<()> {
        let number = self.wrapping.last().map_or(0, |(number, _)| *number) + 1;
        self.wrapping.push((number, random()?));
        replace(disk, &self.path, self.text().as_bytes())
    }

    /// Destroys every wrapping key but the current one, and with it every copy of the keys that they wrapped.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn end_rotation(&mut self, disk: &dyn Disk) -> io::Result<()> {
        let outgoing = self.wrapping.len().saturating_sub(1);
        self.wrapping.drain(..outgoing);
        shred(disk, &self.path, Some(self.text().as_bytes()))
    }

    fn text(&self) -> Zeroizing<String> {
        let mut text =
            Zeroizing::new(format!("{TITLE}\npepper {}\nerasure {}\n", hex(&*self.pepper), hex(&*self.erasure)));
        for (number, key) in &self.wrapping {
            text.push_str(&format!("wrapping {number} {}\n", hex(&**key)));
        }
        let sum = hex(&Sha256::digest(text.as_bytes()));
        text.push_str(&format!("sha256 {sum}\n"));
        text
    }

    fn parse(body: &str, path: &Path) -> Option<Self> {
        let mut lines = body.lines();
        if lines.next() != Some(TITLE) {
            return None;
        }
        let pepper = unhex(lines.next()?.strip_prefix("pepper ")?)?;
        let erasure = unhex(lines.next()?.strip_prefix("erasure ")?)?;
        let wrapping = lines.map(|line| {
            let (number, key) = line.strip_prefix("wrapping ")?.split_once(' ')?;
            Some((number.parse().ok()?, unhex(key)?))
        });
        Some(Self { path: path.to_owned(), pepper, erasure, wrapping: wrapping.collect::<Option<_>>()? })
    }
}

/// The lines before the checksum, if it matches.
fn checked_body(text: &str) -> Option<&str> {
    let (body, sum) = text.strip_suffix('\n')?.rsplit_once("sha256 ")?;
    (sum == hex(&Sha256::digest(body.as_bytes()))).then_some(body)
}

/// Random bytes from the operating system.
///
/// # Errors
/// When the operating system provides none.
pub fn random<const N: usize>() -> io::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(io::Error::other)?;
    Ok(bytes)
}

/// A random number from the operating system.
///
/// # Errors
/// When the operating system provides none.
pub fn random_number() -> io::Result<u64> {
    Ok(u64::from_le_bytes(*random()?))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<SecretKey> {
    let mut key = SecretKey::default();
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != key.len() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}
