//! Encrypts records with their customer's key, authenticated together with the frame's header.
//!
//! A record is sealed before its place in the ledger is known: neither the position nor the hash of the frame before it
//! is part of the seal. The hash chain and the signed Merkle tree show that no frame has another place.

use super::cipher::{decrypt, encrypt};
use super::frame::{FrameVersion, Head, Header};
use super::secrets::SecretKey;

pub use super::cipher::NONCE;

/// The bytes of the nonce at the start of a payload; those before them are in the header.
const IN_PAYLOAD: usize = 8;

/// Encrypts a record as the payload of a frame, with a nonce of random bytes that is never used again.
pub fn seal(mut head: Head, nonce: &[u8; NONCE], key: &SecretKey, record: &[u8]) -> Option<(Head, Vec<u8>)> {
    let (in_header, in_payload) = nonce.split_first_chunk()?;
    head.random = *in_header;
    let sealed = encrypt(key, nonce, &head.associated_data(), record)?;
    Some((head, [in_payload, &sealed].concat()))
}

/// Decrypts the payload of a frame; `None` if key, header or payload do not belong together.
pub fn open(header: &Header, key: &SecretKey, payload: &[u8]) -> Option<Vec<u8>> {
    let head = &header.head;
    let (nonce, sealed, associated_data) = match header.version {
        // A position is used once, but a ledger restored from an older copy may use it again.
        FrameVersion::Two => {
            let nonce = [header.position.to_le_bytes().as_slice(), &head.random].concat();
            (nonce, payload, header.sealed_with_position())
        }
        FrameVersion::Three => {
            let (in_payload, sealed) = payload.split_first_chunk::<IN_PAYLOAD>()?;
            ([head.random.as_slice(), in_payload].concat(), sealed, head.associated_data())
        }
    };
    let nonce = nonce.first_chunk::<NONCE>()?;
    decrypt(key, nonce, &associated_data, sealed)
}
