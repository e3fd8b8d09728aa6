//! Signed notes of <https://c2sp.org/signed-note>: a text, an empty line, and signature lines.
//!
//! ```text
//! text
//!
//! — NAME BASE64(ID ‖ SIGNATURE)
//! ```

use super::key::{SigningKey, VerifyingKey};
use super::{decode, encode};

/// How a signature line begins.
const DASH: &str = "— ";
/// The most signatures that a note may have.
const MAX_SIGNATURES: usize = 100;

/// Why a note is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a note.
    #[error("is not a signed note: {0}")]
    Shape(&'static str),
    /// No signature is by this key.
    #[error("is not signed by this key")]
    NotSigned,
    /// The text was changed after it was signed, or signed with another key of the same name and id.
    #[error("does not match its signature")]
    WrongSignature,
}

/// Signs a text, which must consist of whole lines without control characters.
pub(super) fn sign(text: &str, key: &SigningKey) -> String {
    let id = key.verifying_key().id();
    let signature: Vec<u8> = id.into_iter().chain(key.sign(text.as_bytes())).collect();
    format!("{text}\n{DASH}{} {}\n", key.name(), encode(signature))
}

/// The text of a note, if this key signed it. Signatures by other keys are ignored.
pub(super) fn open<'n>(note: &'n str, key: &VerifyingKey) -> Result<&'n str, NoteError> {
    if note.contains(|letter: char| letter < ' ' && letter != '\n') {
        return Err(NoteError::Shape("it has a control character in it"));
    }
    let (_, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Shape("no empty line precedes the signatures"))?;
    let text = note.strip_suffix(signatures).and_then(|text| text.strip_suffix('\n')).unwrap_or_default();
    let signatures = signatures.strip_suffix('\n').ok_or(NoteError::Shape("its last line has no end"))?;
    if signatures.split('\n').count() > MAX_SIGNATURES {
        return Err(NoteError::Shape("it has more than 100 signatures"));
    }
    let mut signed = Err(NoteError::NotSigned);
    for line in signatures.split('\n') {
        let (name, id, signature) = read(line).ok_or(NoteError::Shape("a signature line is not whole"))?;
        if (name, id) == (key.name(), key.id()) {
            let whole: &[u8; 64] = signature.as_slice().try_into().map_err(|_| NoteError::WrongSignature)?;
            if !key.verifies(text.as_bytes(), whole) {
                return Err(NoteError::WrongSignature);
            }
            signed = Ok(text);
        }
    }
    signed
}

/// Parses a signature line into name, key id and signature.
fn read(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = decode(signature)?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    (!name.is_empty() && !signature.is_empty()).then(|| (name, *id, signature.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const NOTE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    #[test]
    fn the_example_of_the_specification_verifies() {
        let key = VerifyingKey::parse(KEY).unwrap();
        assert_eq!(key.to_string(), KEY);
        assert_eq!(open(NOTE, &key), Ok("This is an example message.\n"));
    }

    #[test]
    fn a_note_by_another_key_or_with_another_text_is_refused() {
        let key = VerifyingKey::parse(KEY).unwrap();
        let other = SigningKey::new("example.com/foo", &[7; 32]).unwrap();
        let by_other = sign("This is an example message.\n", &other);
        assert_eq!(open(&by_other, &key), Err(NoteError::NotSigned));
        assert_eq!(open(&by_other, &other.verifying_key()), Ok("This is an example message.\n"));
        assert_eq!(open(&NOTE.replace("example m", "exemple m"), &key), Err(NoteError::WrongSignature));
        let both = format!("{NOTE}{}", by_other.rsplit("\n\n").next().unwrap());
        assert_eq!(open(&both, &key), Ok("This is an example message.\n"), "signatures by others are ignored");
        for broken in ["", "\n\n", "text\n", "text\n\n", "text\n\n— a b", "text\n\n— a b\n", "te\rxt\n\n— a AAAAAAA=\n"]
        {
            assert!(matches!(open(broken, &key), Err(NoteError::Shape(_))), "{broken:?}");
        }
    }
}
