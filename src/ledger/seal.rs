//! Records encrypted under their customer's key, and bound to their place in the ledger.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::frame::Header;
use super::secrets::SecretKey;

/// The payload of a frame: the record, encrypted, so that only this header opens it.
pub fn seal(header: &Header, key: &SecretKey, record: &[u8]) -> Option<Vec<u8>> {
    let payload = Payload { msg: record, aad: &header.bound() };
    cipher(key).encrypt(&nonce(header), payload).ok()
}

/// The record of a frame; nothing if the key or the header is another.
pub fn open(header: &Header, key: &SecretKey, sealed: &[u8]) -> Option<Vec<u8>> {
    let payload = Payload { msg: sealed, aad: &header.bound() };
    cipher(key).decrypt(&nonce(header), payload).ok()
}

fn cipher(key: &SecretKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(**key).into())
}

/// The position, which is never used twice, and 16 random bytes, should a restored ledger use it twice after all.
fn nonce(header: &Header) -> XNonce {
    let mut nonce = [0; 24];
    let (position, random) = nonce.split_at_mut(8);
    position.copy_from_slice(&header.position.to_le_bytes());
    random.copy_from_slice(&header.random);
    nonce.into()
}
