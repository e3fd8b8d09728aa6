//! Ed25519 keys of <https://c2sp.org/signed-note>, and their text forms: `NAME+ID+KEY` for the public key, and
//! `PRIVATE+KEY+NAME+ID+SEED` for the signing key, as in Go's `sumdb/note`.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _};
use sha2::{Digest, Sha256};

use super::{decode, encode};

/// The signature type of Ed25519 in a note.
const ED25519: u8 = 1;
/// The prefix of a signing key, so that it is not mistaken for a public key.
const PRIVATE: &str = "PRIVATE+KEY+";

/// Distinguishes keys of one name.
pub(super) type KeyId = [u8; 4];

/// Why a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text does not have the form of a key.
    #[error("is not a key: write NAME+ID+KEY, as `tactful ledger checkpoint --key` prints it")]
    Shape,
    /// The name is not allowed in a note.
    #[error("has a name that is empty, or that has a space, a plus or a control character in it")]
    Name,
    /// The id does not match name and key.
    #[error("has an id that does not fit its name and key: it was not copied whole")]
    Id,
    /// The key is of another type.
    #[error("is not an Ed25519 key")]
    Kind,
}

/// Signs notes under a name.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// A key from its seed: 32 random bytes, which must stay secret.
    ///
    /// # Errors
    /// When the name is not allowed in a note.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        Ok(Self { name: checked(name)?, key: ed25519_dalek::SigningKey::from_bytes(seed) })
    }

    /// Parses the secret text of a key.
    ///
    /// # Errors
    /// When the text is incomplete, or not an Ed25519 key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, id, seed) = parts(text.strip_prefix(PRIVATE).ok_or(KeyError::Shape)?)?;
        let key = Self::new(&name, &seed)?;
        if key.verifying_key().id == id { Ok(key) } else { Err(KeyError::Id) }
    }

    /// The secret text of the key, for a file that only the ledger may read.
    #[must_use]
    pub fn secret_text(&self) -> String {
        format!("{PRIVATE}{}", text(&self.name, self.verifying_key().id, self.key.as_bytes()))
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey::new(self.name.clone(), self.key.verifying_key())
    }

    /// The name of the key, which is also the origin of its log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SigningKey").field(&self.name).finish()
    }
}

/// A public key. Displayed as `NAME+ID+KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    id: KeyId,
    key: ed25519_dalek::VerifyingKey,
}

impl VerifyingKey {
    fn new(name: String, key: ed25519_dalek::VerifyingKey) -> Self {
        let hash =
            Sha256::new().chain_update(&name).chain_update([b'\n', ED25519]).chain_update(key.as_bytes()).finalize();
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash);
        Self { name, id: [a, b, c, d], key }
    }

    /// Parses a public key.
    ///
    /// # Errors
    /// When the text is incomplete, or not an Ed25519 key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, id, bytes) = parts(text)?;
        let key = Self::new(name, ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Kind)?);
        if key.id == id { Ok(key) } else { Err(KeyError::Id) }
    }

    /// The name of the key, which is also the origin of its log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&text(&self.name, self.id, self.key.as_bytes()))
    }
}

fn text(name: &str, id: KeyId, key: &[u8; 32]) -> String {
    let kind_and_key: Vec<u8> = std::iter::once(ED25519).chain(*key).collect();
    format!("{name}+{:08x}+{}", u32::from_be_bytes(id), encode(kind_and_key))
}

fn parts(text: &str) -> Result<(String, KeyId, [u8; 32]), KeyError> {
    let (name, rest) = text.split_once('+').ok_or(KeyError::Shape)?;
    let (id, key) = rest.split_once('+').ok_or(KeyError::Shape)?;
    let number = u32::from_str_radix(id, 16).map_err(|_| KeyError::Shape)?;
    if id != format!("{number:08x}") {
        return Err(KeyError::Shape);
    }
    let key = decode(key).ok_or(KeyError::Shape)?;
    let Some((&ED25519, key)) = key.split_first() else { return Err(KeyError::Kind) };
    Ok((checked(name)?, number.to_be_bytes(), key.try_into().map_err(|_| KeyError::Shape)?))
}

fn checked(name: &str) -> Result<String, KeyError> {
    let wrong = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '+';
    if name.is_empty() || name.contains(wrong) { Err(KeyError::Name) } else { Ok(name.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_from_their_texts() {
        let key = SigningKey::new("tactful.example/ledger", &[3; 32]).unwrap();
        let again = SigningKey::parse(&key.secret_text()).unwrap();
        assert_eq!(again.verifying_key(), key.verifying_key());
        let public = key.verifying_key().to_string();
        assert_eq!(VerifyingKey::parse(&public).unwrap(), key.verifying_key());
        assert!(!format!("{key:?}").contains("seed") && !format!("{key:?}").contains("[3"));
    }

    #[test]
    fn a_partially_copied_key_is_explained() {
        let public = SigningKey::new("a", &[3; 32]).unwrap().verifying_key().to_string();
        let (name, rest) = public.split_once('+').unwrap();
        assert_eq!(VerifyingKey::parse(&format!("{name}b+{rest}")), Err(KeyError::Id));
        assert_eq!(VerifyingKey::parse(&public[..public.len() - 4]), Err(KeyError::Shape));
        assert_eq!(VerifyingKey::parse("a+00000000+BAAA"), Err(KeyError::Kind));
        assert_eq!(VerifyingKey::parse(""), Err(KeyError::Shape));
        for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb"] {
            assert_eq!(SigningKey::new(name, &[0; 32]).unwrap_err(), KeyError::Name, "{name:?}");
        }
    }
}
