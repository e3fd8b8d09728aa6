//! XChaCha20-Poly1305: everything that is encrypted on disk or in a database.
//!
//! It is made of ring's ChaCha20-Poly1305 by the construction of draft-irtf-cfrg-xchacha. On some hundred bytes that takes a
//! fifth of the time of the crate `chacha20poly1305`, whose AVX2 code the compiler does not inline
//! (docs/decisions/025-the-cipher.md). The bytes are the same.

use chacha20::{R20, hchacha};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::secrets::SecretKey;

/// The length of a nonce in bytes.
pub const NONCE: usize = 24;

/// Encrypts, and authenticates the associated data with it. A nonce must be used once. `None` if the text is too long.
#[must_use]
pub fn encrypt(key: &SecretKey, nonce: &[u8; NONCE], associated: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let (key, nonce) = derived(key, nonce)?;
    let mut sealed = Vec::with_capacity(plain.len() + CHACHA20_POLY1305.tag_len());
    sealed.extend_from_slice(plain);
    key.seal_in_place_append_tag(nonce, Aad::from(associated), &mut sealed).ok()?;
    Some(sealed)
}

/// Decrypts; `None` if the bytes or the associated data are not those that were encrypted.
#[must_use]
pub fn decrypt(key: &SecretKey, nonce: &[u8; NONCE], associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (key, nonce) = derived(key, nonce)?;
    let mut plain = sealed.to_vec();
    let length = key.open_in_place(nonce, Aad::from(associated), &mut plain).ok()?.len();
    plain.truncate(length);
    Some(plain)
}

/// The first 16 bytes of a nonce make another key by HChaCha20; the other 8 are the nonce of that.
fn derived(key: &SecretKey, nonce: &[u8; NONCE]) -> Option<(LessSafeKey, Nonce)> {
    let (first, rest) = nonce.split_first_chunk::<16>()?;
    let key = Zeroizing::new(hchacha::<R20>(&(**key).into(), &(*first).into()).0);
    let mut short = [0; NONCE_LEN];
    short.iter_mut().skip(NONCE_LEN - rest.len()).zip(rest).for_each(|(to, from)| *to = *from);
    let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_slice()).ok()?;
    Some((LessSafeKey::new(key), Nonce::assume_unique_for_key(short)))
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
    use chacha20poly1305::{XChaCha20Poly1305, XNonce};

    use super::*;

    /// Files from before were written by the other implementation, and must stay readable by it.
    #[test]
    fn the_cipher_is_that_of_the_other_implementation() {
        let key = SecretKey::new([7; 32]);
        let other = XChaCha20Poly1305::new(&[7; 32].into());
        for length in [0, 1, 15, 16, 63, 64, 65, 300, 5_000] {
            let (plain, nonce) =
                (vec![3; length], std::array::from_fn(|at| at.to_le_bytes()[0] ^ length.to_le_bytes()[0]));
            let theirs = other.encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: b"content" }).unwrap();
            assert_eq!(encrypt(&key, &nonce, b"content", &plain).as_ref(), Some(&theirs));
            assert_eq!(decrypt(&key, &nonce, b"content", &theirs), Some(plain));
            assert_eq!(decrypt(&key, &nonce, b"another", &theirs), None);
            assert_eq!(decrypt(&key, &[9; NONCE], b"content", &theirs), None);
        }
    }
}
