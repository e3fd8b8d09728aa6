//! JSON Web Tokens: which keys may sign them, and what their claims say about the caller.
//!
//! Each key of the set allows one asymmetric algorithm: the one that it names, or the only one of its curve. A token is
//! verified with the key of its `kid`, and with that algorithm alone.

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::known::Known;
use crate::domain::time::Moment;
use crate::grpc::caller::{Caller, Scopes};

/// How much the issuer's clock may differ from this machine's, in seconds.
const SKEW: f64 = 30.0;

/// The keys that may sign, and what the claims must say.
#[derive(Debug)]
pub struct JwtKeys {
    by_id: HashMap<String, (DecodingKey, Validation)>,
}

/// The claims that are read.
#[derive(Debug, Deserialize)]
struct Claims {
    #[serde(default)]
    sub: String,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default, alias = "scopes", alias = "scp")]
    scope: Words,
    #[serde(default)]
    tactful_channels: Option<Words>,
    #[serde(default)]
    tactful_customer: Option<String>,
}

/// A list of words, or one text with spaces between them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    List(Vec<String>),
}

impl Default for Words {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Words {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
            Self::List(words) => words,
        }
    }
}

impl JwtKeys {
    /// Reads a JSON Web Key Set.
    ///
    /// # Errors
    /// When it is not such a set, or has no key that may sign.
    pub fn parse(bytes: &[u8], issuer: &str, audience: &str) -> Result<Self, String> {
        let set: JwkSet =
            serde_json::from_slice(bytes).map_err(|error| format!("it is not a JSON Web Key Set: {error}"))?;
        let mut by_id = HashMap::new();
        for jwk in &set.keys {
            let Some(id) = jwk.common.key_id.clone() else { continue };
            let Some(algorithm) = algorithm(jwk) else { continue };
            let key = DecodingKey::from_jwk(jwk).map_err(|error| format!("the key `{id}` cannot be read: {error}"))?;
            if by_id.insert(id.clone(), (key, validation(algorithm, issuer, audience))).is_some() {
                return Err(format!("two keys have the id `{id}`"));
            }
        }
        if by_id.is_empty() {
            return Err("no key has a `kid` and an asymmetric algorithm for signatures".into());
        }
        Ok(Self { by_id })
    }

    /// The caller of a token, if it is signed by one of the keys and meant for this server. Whether it has expired is
    /// left to the caller of this function.
    #[must_use]
    pub fn verify(&self, token: &str, now: Moment) -> Option<Known> {
        let header = decode_header(token).ok()?;
        let (key, validation) = self.by_id.get(&header.kid?)?;
        let claims = decode::<Claims>(token, key, validation).ok()?.claims;
        #[expect(clippy::cast_precision_loss, reason = "a moment in milliseconds fits")]
        let now = now.0 as f64 / 1_000.0;
        if claims.nbf.is_some_and(|begins| begins > now + SKEW) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
        let until = Moment((claims.exp * 1_000.0) as i64);
        let channels = claims.tactful_channels.map(Words::into_vec);
        // A list without channels binds to none; the caller's type has no word for that, so the token is refused.
        if channels.as_ref().is_some_and(Vec::is_empty) {
            return None;
        }
        // Scopes of other servers may stand beside ours.
        let scopes = claims
            .scope
            .into_vec()
            .iter()
            .filter_map(|word| word.parse::<Scopes>().ok())
            .flat_map(Scopes::iter)
            .collect();
        let caller = Caller {
            name: claims.sub,
            scopes,
            channels: channels.unwrap_or_default(),
            customer: claims.tactful_customer,
        };
        Some(Known { caller: Arc::new(caller), until: Some(until), rate: None })
    }
}

fn validation(algorithm: Algorithm, issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    // The end is compared with the server's clock, each time that the token is used.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

/// The algorithm that a key allows; `None` for secrets, for encryption, and for what is not known.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let named = match jwk.common.key_algorithm {
        // Its text is the algorithm's name, and all others fail to parse.
        Some(named) => Some(named.to_string().parse::<Algorithm>().ok()?),
        None => None,
    };
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let possible: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[EdDSA],
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        _ => return None,
    };
    match named {
        Some(named) => possible.contains(&named).then_some(named),
        None => possible.first().copied(),
    }
}
