//! The file of callers: each has the SHA-256 of a random token or a name in a client certificate, with scopes, channels
//! and an end. The tokens themselves are not in it.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::known::Known;
use super::rate::Rate;
use crate::domain::time::Moment;
use crate::grpc::caller::{Caller, Scopes};

/// What every token begins with.
pub const PREFIX: &str = "tct_";
/// How many random bytes a token has.
const RANDOM: usize = 32;

/// The SHA-256 of a token.
pub type Digest = [u8; 32];

/// The SHA-256 of a token.
#[must_use]
pub fn digest(token: &str) -> Digest {
    Sha256::digest(token).into()
}

/// A digest as hexadecimal digits.
#[must_use]
pub fn hex(digest: &Digest) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// A new random token.
///
/// # Errors
/// When the operating system has no random numbers.
pub fn random() -> Result<String, getrandom::Error> {
    use base64::Engine as _;
    let mut bytes = [0; RANDOM];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{PREFIX}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)))
}

/// One caller as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The caller's name. Several tokens may have one name, so that a token can be replaced.
    pub name: String,
    /// The SHA-256 of the token, as 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// A URI or DNS name in the caller's client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// What the caller may do.
    pub scopes: Vec<String>,
    /// The only channels that the caller may name; any if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// When the token ends, such as `2027-03-01T00:00:00Z`; never if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// How many calls a second the caller may make on average; any number if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<NonZeroU32>,
    /// How many calls the caller may make at once before the rate counts; as many as in a second if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
}

/// All entries of a file, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entries {
    /// The entries.
    #[serde(default, rename = "caller", skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<Entry>,
}

impl Entries {
    /// The entries of a file's text.
    ///
    /// # Errors
    /// When the text is not TOML of this form; the message has the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }
}

/// The callers of a file, by what identifies them.
#[derive(Debug, Default)]
pub struct TokenFile {
    by_digest: HashMap<Digest, Known>,
    by_certificate: HashMap<String, Known>,
}

impl TokenFile {
    /// Reads a file's text.
    ///
    /// # Errors
    /// When an entry is wrong; the message names it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut file = Self::default();
        let mut seen = HashSet::new();
        for (index, entry) in Entries::parse(text)?.callers.into_iter().enumerate() {
            let wrong = |reason: String| format!("caller {} (`{}`): {reason}", index + 1, entry.name);
            let known = known(&entry).map_err(wrong)?;
            let identifier = match (&entry.sha256, &entry.certificate) {
                (Some(text), None) => {
                    file.by_digest.insert(read_hex(text).map_err(wrong)?, known);
                    text.to_lowercase()
                }
                (None, Some(name)) if !name.is_empty() => {
                    file.by_certificate.insert(name.clone(), known);
                    name.clone()
                }
                _ => return Err(wrong("has neither or both of `sha256` and `certificate`; give one".into())),
            };
            if !seen.insert(identifier) {
                return Err(wrong("an earlier caller has the same token or certificate".into()));
            }
        }
        Ok(file)
    }

    /// The caller who holds the token with this digest.
    ///
    /// A lookup by a digest tells nothing about other tokens through the time it takes: nobody can choose digests.
    #[must_use]
    pub fn by_digest(&self, digest: &Digest) -> Option<&Known> {
        self.by_digest.get(digest)
    }

    /// The caller with this name in the client certificate.
    #[must_use]
    pub fn by_certificate(&self, name: &str) -> Option<&Known> {
        self.by_certificate.get(name)
    }
}

fn known(entry: &Entry) -> Result<Known, String> {
    if entry.name.is_empty() {
        return Err("has no `name`".into());
    }
    let scopes = entry.scopes.iter().map(|scope| scope.parse::<Scopes>());
    let scopes: Vec<Scopes> = scopes.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let until =
        entry.expires.as_deref().map(Moment::parse).transpose().map_err(|error| format!("`expires`: {error}"))?;
    let caller = Caller {
        name: entry.name.clone(),
        scopes: scopes.into_iter().flat_map(Scopes::iter).collect(),
        channels: entry.channels.clone(),
        customer: None,
    };
    let rate = match (entry.rate, entry.burst) {
        (Some(rate), burst) => Some(Arc::new(Rate::new(rate, burst.unwrap_or(rate)))),
        (None, Some(_)) => return Err("has a `burst` without a `rate`".into()),
        (None, None) => None,
    };
    Ok(Known { caller: Arc::new(caller), until, rate })
}

fn read_hex(text: &str) -> Result<Digest, String> {
    let wrong = || "`sha256` is not 64 hexadecimal digits; `tactful token new` writes it".to_owned();
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return Err(wrong());
    }
    for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::Scope;

    #[test]
    fn a_token_is_known_by_its_digest_alone() {
        let token = random().unwrap();
        assert!(token.starts_with(PREFIX) && token.len() > 40 && token != random().unwrap());
        let text = format!(
            "[[caller]]\nname = \"shop\"\nsha256 = \"{}\"\nscopes = [\"decide\", \"outcomes\"]\nchannels = [\"web\"]\n\
             expires = \"2027-03-01T00:00:00Z\"\n",
            hex(&digest(&token))
        );
        let file = TokenFile::parse(&text).unwrap();
        let known = file.by_digest(&digest(&token)).unwrap();
        assert!(known.caller.scopes.contain(Scope::Outcomes) && !known.caller.scopes.contain(Scope::Read));
        assert_eq!(known.until, Some(Moment::parse("2027-03-01T00:00:00Z").unwrap()));
        assert!(file.by_digest(&digest("tct_other")).is_none());
        assert!(!text.contains(&token));
    }

    #[test]
    fn a_mistake_in_the_file_names_its_place() {
        let sha256 = format!("sha256 = \"{}\"", "0".repeat(64));
        let cases = [
            ("[[caller]]\nname = \"a\"\nscopes = [\"decide\"]".to_owned(), "neither or both"),
            (format!("[[caller]]\nname = \"a\"\n{sha256}\nscopes = [\"all\"]"), "`all` is not a scope"),
            (format!("[[caller]]\nname = \"a\"\n{sha256}\nscope = []\nscopes = []"), "unknown field `scope`"),
            (format!("[[caller]]\nname = \"a\"\n{sha256}"), "missing field `scopes`"),
            (format!("[[caller]]\nname = \"a\"\n{sha256}\nscopes = []\nexpires = \"soon\""), "`expires`"),
            (format!("[[caller]]\nname = \"a\"\n{sha256}\nscopes = []\nburst = 3"), "a `burst` without a `rate`"),
            (format!("[[caller]]\nname = \"a\"\n{sha256}\nscopes = []\nrate = 0"), "rate"),
            ("[[caller]]\nname = \"a\"\nsha256 = \"0g\"\nscopes = []".to_owned(), "64 hexadecimal digits"),
            (format!("[[caller]]\nname = \"a\"\n{sha256}\nscopes = []\n").repeat(2), "caller 2 (`a`): an earlier"),
        ];
        for (text, told) in cases {
            let error = TokenFile::parse(&text).unwrap_err();
            assert!(error.contains(told), "{told}: {error}");
        }
    }
}
