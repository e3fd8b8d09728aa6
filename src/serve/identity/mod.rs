//! Who calls: the caller of a token, a JWT or a client certificate. Files are read again when they change; if one cannot
//! be used, the last good content stays in force.

mod jwt;
pub mod key_server;
mod known;
mod rate;
pub mod tokens;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tonic::Status;

use self::jwt::JwtKeys;
pub use self::known::{Known, unauthenticated};
use self::tokens::{Digest, TokenFile, digest};
use super::file_watch::Watched;
use crate::domain::time::Moment;

/// How many verified JWTs are remembered; past that, all are forgotten and verified again.
const REMEMBERED: usize = 10_000;

/// Where identities come from.
#[derive(Debug, Clone, Default)]
pub struct IdentitySettings {
    /// The file of tokens and certificate names.
    pub tokens: Option<PathBuf>,
    /// The file with the keys that sign JWTs, as a JSON Web Key Set.
    pub jwks: Option<PathBuf>,
    /// Who must have issued a JWT.
    pub issuer: String,
    /// The audience that a JWT must name.
    pub audience: String,
}

/// Why identities cannot be established.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` cannot be used: {reason}")]
pub struct IdentityError {
    /// The file.
    pub path: String,
    /// What is wrong with it, and where.
    pub reason: String,
}

/// All that may call.
#[derive(Debug)]
pub struct Identities {
    settings: IdentitySettings,
    tokens: ArcSwapOption<TokenFile>,
    keys: ArcSwapOption<JwtKeys>,
    /// JWTs whose signature was verified, by their digest.
    verified: DashMap<Digest, Known, foldhash::fast::RandomState>,
    /// Grows with each change of a file: what was established under an earlier number is established again.
    generation: AtomicU64,
}

impl Identities {
    /// Reads the files of the settings.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn new(settings: IdentitySettings) -> Result<Self, IdentityError> {
        let identities = Self {
            settings,
            tokens: ArcSwapOption::empty(),
            keys: ArcSwapOption::empty(),
            verified: DashMap::default(),
            generation: AtomicU64::new(0),
        };
        for path in identities.files() {
            let bytes = std::fs::read(&path).map_err(|error| identities.wrong(&path, error))?;
            identities.take(&path, &bytes)?;
        }
        Ok(identities)
    }

    fn wrong(&self, path: &std::path::Path, reason: impl ToString) -> IdentityError {
        IdentityError { path: path.display().to_string(), reason: reason.to_string() }
    }

    /// Puts the content of a file in force.
    fn take(&self, path: &std::path::Path, bytes: &[u8]) -> Result<(), IdentityError> {
        if self.settings.tokens.as_deref() == Some(path) {
            let text = std::str::from_utf8(bytes).map_err(|error| self.wrong(path, error))?;
            let file = TokenFile::parse(text).map_err(|error| self.wrong(path, error))?;
            self.tokens.store(Some(Arc::new(file)));
        }
        if self.settings.jwks.as_deref() == Some(path) {
            let IdentitySettings { issuer, audience, .. } = &self.settings;
            let keys = JwtKeys::parse(bytes, issuer, audience).map_err(|error| self.wrong(path, error))?;
            self.keys.store(Some(Arc::new(keys)));
        }
        // Only after the content: who sees the new number must see the new content.
        self.generation.fetch_add(1, Ordering::Release);
        self.verified.clear();
        Ok(())
    }

    /// The number of the files' content; it grows with each change.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The caller of a request, by its `authorization` or else by the names in the client's certificate.
    ///
    /// # Errors
    /// UNAUTHENTICATED.
    pub fn establish(&self, headers: &HeaderMap, certificate: &[String], now: Moment) -> Result<Known, Status> {
        let mut credentials = headers.get_all(AUTHORIZATION).iter();
        let Some(credential) = credentials.next() else { return self.certified(certificate, now) };
        let token = credential.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_matches(' '))
        });
        match token {
            Some(token) if !token.is_empty() && credentials.next().is_none() => self.holder(token, now),
            _ => Err(unauthenticated("TOKEN_INVALID", "send one header `authorization: Bearer TOKEN`")),
        }
    }

    /// The caller who holds a token.
    fn holder(&self, token: &str, now: Moment) -> Result<Known, Status> {
        let invalid = || unauthenticated("TOKEN_INVALID", "the token is not valid here");
        let digest = digest(token);
        if token.starts_with(tokens::PREFIX) {
            let tokens = self.tokens.load();
            return tokens.as_ref().and_then(|file| file.by_digest(&digest)).ok_or_else(invalid)?.at(now);
        }
        if let Some(known) = self.verified.get(&digest) {
            return known.at(now);
        }
        let generation = self.generation();
        let known = self.keys.load().as_ref().and_then(|keys| keys.verify(token, now)).ok_or_else(invalid)?;
        if self.verified.len() >= REMEMBERED {
            self.verified.clear();
        }
        let valid = known.at(now)?;
        self.verified.insert(digest, known);
        if self.generation() != generation {
            // The keys changed meanwhile, and this one may be of the old ones.
            self.verified.remove(&digest);
        }
        Ok(valid)
    }

    /// The caller that a client certificate names.
    fn certified(&self, names: &[String], now: Moment) -> Result<Known, Status> {
        let tokens = self.tokens.load();
        let known = names.iter().find_map(|name| tokens.as_ref()?.by_certificate(name));
        let missing = || {
            let message = if names.is_empty() {
                "this server needs a token: send `authorization: Bearer TOKEN`"
            } else {
                "no caller has a name of this client certificate, and there is no token"
            };
            unauthenticated("TOKEN_MISSING", message)
        };
        known.ok_or_else(missing)?.at(now)
    }
}

impl Watched for Identities {
    fn files(&self) -> Vec<PathBuf> {
        self.settings.tokens.iter().chain(&self.settings.jwks).cloned().collect()
    }

    fn changed(&self, contents: &[(PathBuf, Vec<u8>)]) -> Result<(), String> {
        let taken = contents.iter().map(|(path, bytes)| self.take(path, bytes));
        // A mistake in one file does not keep the other from being put in force.
        let failed: Vec<String> = taken.filter_map(|taken| Some(taken.err()?.to_string())).collect();
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }
}
