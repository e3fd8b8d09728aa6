//! Encrypts records with their customer's key, authenticated together with the frame's header.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::frame::Header;
use super::secrets::SecretKey;

/// Encrypts a record as the payload of a frame.
pub fn seal(header: &Header, key: &SecretKey, record: &[u8]) -> Option<Vec<u8>> {
    let payload = Payload { msg: record, aad: &header.associated_data() };
    cipher(key).encrypt(&nonce(header), payload).ok()
}

/// Decrypts the payload of a frame; `None` if key, header or payload do not belong together.
pub fn open(header: &Header, key: &SecretKey, sealed: &[u8]) -> Option<Vec<u8>> {
    let payload = Payload { msg: sealed, aad: &header.associated_data() };
    cipher(key).decrypt(&nonce(header), payload).ok()
}

fn cipher(key: &SecretKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(**key).into())
}

/// The position and 16 random bytes: a position is used once, but a ledger restored from an older copy may use it
/// again.
fn nonce(header: &Header) -> XNonce {
    let mut nonce = [0; 24];
    let (position, random) = nonce.split_at_mut(8);
    position.copy_from_slice(&header.position.to_le_bytes());
    random.copy_from_slice(&header.random);
    nonce.into()
}
