//! Notices: the texts that customers read before they say yes, by path and by hash.

use std::fmt;

use sha2::{Digest, Sha256};

/// The SHA-256 of a notice. Its `Display` has 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NoticeHash(pub [u8; 32]);

impl NoticeHash {
    /// The hash of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// The hash with these 64 hexadecimal digits, in lower or upper case; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let byte = |[high, low]: &[u8; 2]| {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            Some(digit(*high)? << 4 | digit(*low)?)
        };
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        bytes?.try_into().ok().map(Self)
    }
}

impl fmt::Display for NoticeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that customers read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its path inside the rule folder, such as `notices/advice-v2.md`.
    pub path: String,
    /// What customers read.
    pub text: String,
    /// The hash of the text.
    pub hash: NoticeHash,
}

/// The notices of a rule folder, old versions included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices(Vec<Notice>);

impl Notices {
    /// Notices by their paths and texts.
    pub fn new(texts: impl IntoIterator<Item = (String, String)>) -> Self {
        let notice = |(path, text): (String, String)| Notice { hash: NoticeHash::of(&text), path, text };
        Self(texts.into_iter().map(notice).collect())
    }

    /// Every notice, by path.
    pub fn iter(&self) -> impl Iterator<Item = &Notice> {
        self.0.iter()
    }

    /// The notice with a path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Notice> {
        self.iter().find(|notice| notice.path == path)
    }

    /// The notice with a hash.
    #[must_use]
    pub fn by_hash(&self, hash: NoticeHash) -> Option<&Notice> {
        self.iter().find(|notice| notice.hash == hash)
    }
}
