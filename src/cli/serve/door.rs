//! The flags of `tactful serve` that say who may call, and what they must be together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use http::HeaderValue;

use super::super::Failure;
use super::super::listen::listen;
use crate::clock::Clock;
use crate::grpc::audit::Audit;
use crate::serve::Door;
use crate::serve::audit_log::{AuditFile, read_key};
use crate::serve::calls::CallLimits;
use crate::serve::identity::key_server;
use crate::serve::identity::{Identities, IdentitySettings};
use crate::serve::tls::{Tls, TlsSettings};
use crate::serve::web::cors::Origins;

/// Who may call, and how connections are protected
#[derive(Debug, Args)]
#[command(next_help_heading = "Callers")]
pub(super) struct DoorFlags {
    /// File with the server's certificate and its chain, PEM; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key", env = "TACTFUL_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// File with the certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", env = "TACTFUL_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// File with the authorities of client certificates, PEM: each client must have one
    #[arg(long, value_name = "FILE", requires = "tls_cert", env = "TACTFUL_CLIENT_CA")]
    client_ca: Option<PathBuf>,
    /// File with the certificates that those authorities have revoked: CRLs, PEM
    #[arg(long, value_name = "FILE", requires = "client_ca", env = "TACTFUL_CLIENT_CRL")]
    client_crl: Option<PathBuf>,
    /// File with the callers and the hashes of their tokens, written by `tactful token`
    #[arg(long, value_name = "FILE", env = "TACTFUL_TOKENS")]
    tokens: Option<PathBuf>,
    /// The public keys that sign JWTs, a JSON Web Key Set: a file, or an address that it is fetched from every five minutes
    #[arg(long, value_name = "FILE|URL", requires = "issuer", requires = "audience", env = "TACTFUL_JWKS")]
    jwks: Option<PathBuf>,
    /// The `iss` that a JWT must have
    #[arg(long, value_name = "TEXT", requires = "jwks", env = "TACTFUL_ISSUER")]
    issuer: Option<String>,
    /// The `aud` that a JWT must have
    #[arg(long, value_name = "TEXT", requires = "jwks", env = "TACTFUL_AUDIENCE")]
    audience: Option<String>,
    /// An origin whose pages may call, such as https://shop.example; may be repeated
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', value_parser = origin, env = "TACTFUL_ALLOW_ORIGIN")]
    allow_origin: Vec<HeaderValue>,
    /// Let pages call with tokens that are not bound to one customer
    #[arg(long, env = "TACTFUL_ALLOW_UNBOUND_PAGES")]
    allow_unbound_pages: bool,
    /// How many calls may have no answer yet; more are refused as OVERLOADED
    #[arg(long, default_value_t = CallLimits::default().open, value_name = "NUMBER", env = "TACTFUL_MAX_CALLS")]
    max_calls: usize,
    /// How many calls may watch decisions
    #[arg(long, default_value_t = CallLimits::default().watchers, value_name = "NUMBER", env = "TACTFUL_MAX_WATCHERS")]
    max_watchers: usize,
    /// How many seconds a call without a stream may take, its request included
    #[arg(long, default_value_t = CallLimits::default().longest.as_secs(), value_name = "SECONDS", env = "TACTFUL_LONGEST_CALL")]
    longest_call: u64,
    /// Folder in which to note who reads, exports or erases a customer, watches decisions, takes a backup, sets the clock
    /// or reloads rules; without it, nothing is noted. `tactful audit` shows it
    #[arg(long, value_name = "FOLDER", env = "TACTFUL_AUDIT")]
    audit: Option<PathBuf>,
    /// Address for operators: methods of the scopes privacy, rules, admin and watch are answered there and no longer on
    /// --listen
    #[arg(long, value_name = "ADDRESS", env = "TACTFUL_ADMIN_LISTEN")]
    admin_listen: Option<SocketAddr>,
    /// Listen on an address other than loopback without TLS or without tokens, because something else, such as a
    /// sidecar, provides them
    #[arg(long, env = "TACTFUL_ALLOW_INSECURE")]
    allow_insecure: bool,
}

impl DoorFlags {
    /// Refuses addresses that other machines can reach, unless connections are encrypted and callers are known.
    ///
    /// `metrics` has neither.
    pub(super) fn check(&self, listen: SocketAddr, metrics: Option<SocketAddr>) -> Result<(), Failure> {
        let given = |flag: bool, name| flag.then_some(name);
        // The parser holds this for flags, and not for values of a file.
        let pairs = [
            (given(self.tls_cert.is_some(), "tls-cert"), given(self.tls_key.is_some(), "tls-key")),
            (given(self.tls_key.is_some(), "tls-key"), given(self.tls_cert.is_some(), "tls-cert")),
            (given(self.client_ca.is_some(), "client-ca"), given(self.tls_cert.is_some(), "tls-cert")),
            (given(self.client_crl.is_some(), "client-crl"), given(self.client_ca.is_some(), "client-ca")),
            (given(self.jwks.is_some(), "jwks"), given(self.issuer.is_some(), "issuer")),
            (given(self.jwks.is_some(), "jwks"), given(self.audience.is_some(), "audience")),
        ];
        if let Some((Some(has), _)) = pairs.iter().find(|(has, needs)| has.is_some() && needs.is_none()) {
            return Err(Failure::new(format!("`{has}` is given without what it needs"))
                .help("tls-cert and tls-key go together; client-ca needs both, client-crl needs client-ca, jwks needs issuer and audience"));
        }
        if self.allow_insecure {
            return Ok(());
        }
        let reachable = |address: &SocketAddr| !address.ip().is_loopback();
        if let Some(address) = metrics.filter(reachable) {
            let message =
                format!("`{address}` can be reached from other machines, and metrics have no TLS and no token");
            return Err(Failure::new(message)
                .help("choose an address of 127.0.0.1, or pass --allow-insecure if something else protects it"));
        }
        let missing = match (self.tls_cert.is_some(), self.knows_callers()) {
            (true, true) => return Ok(()),
            (true, false) => "there is no token",
            (false, true) => "there is no TLS",
            (false, false) => "there is no TLS and no token",
        };
        let Some(address) = [Some(listen), self.admin_listen].into_iter().flatten().find(reachable) else {
            return Ok(());
        };
        let message = format!("`{address}` can be reached from other machines, and {missing}");
        Err(Failure::new(message).help(
            "pass --tls-cert, --tls-key and --tokens (`tactful token new` makes one), choose an address of 127.0.0.1, \
             or pass --allow-insecure if something else provides both",
        ))
    }

    /// Whether connections are encrypted.
    pub(super) fn has_tls(&self) -> bool {
        self.tls_cert.is_some()
    }

    fn knows_callers(&self) -> bool {
        self.tokens.is_some() || self.jwks.is_some()
    }

    /// Reads certificates, tokens and keys, and listens for operators.
    pub(super) async fn open(&self, keys: &Path) -> Result<Door, Failure> {
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                let (certificate, key) = (certificate.clone(), key.clone());
                let (client_ca, client_crl) = (self.client_ca.clone(), self.client_crl.clone());
                let settings = TlsSettings { certificate, key, client_ca, client_crl };
                Some(Arc::new(Tls::new(settings).map_err(|error| Failure::new(error.to_string()))?))
            }
            _ => None,
        };
        let identities = if self.knows_callers() {
            let settings = IdentitySettings {
                tokens: self.tokens.clone(),
                jwks: self.key_set().await?,
                issuer: self.issuer.clone().unwrap_or_default(),
                audience: self.audience.clone().unwrap_or_default(),
            };
            Some(Arc::new(Identities::new(settings).map_err(|error| Failure::new(error.to_string()))?))
        } else {
            None
        };
        let admin = match self.admin_listen {
            Some(address) => Some(listen(address, "--admin-listen").await?.0),
            None => None,
        };
        let origins = Origins { allowed: self.allow_origin.clone(), unbound: self.allow_unbound_pages };
        let calls = CallLimits {
            open: self.max_calls,
            watchers: self.max_watchers,
            longest: Duration::from_secs(self.longest_call),
        };
        let audit = match &self.audit {
            Some(folder) => open_audit(folder, keys)?,
            None => Audit::default(),
        };
        Ok(Door { tls, identities, origins, calls, audit, admin })
    }

    /// The file with the key set, fetched if it is on a server.
    async fn key_set(&self) -> Result<Option<PathBuf>, Failure> {
        let Some(url) = self.jwks.as_deref().filter(|path| key_server::is_url(path)) else {
            return Ok(self.jwks.clone());
        };
        let url = url.display().to_string();
        key_server::mirror(&url).await.map(Some).map_err(|why| {
            Failure::new(format!("the key set `{url}` cannot be fetched: {why}"))
                .help("name a file with --jwks if the server of the keys cannot be reached from here")
        })
    }

    /// What protects connections, for the greeting.
    pub(super) fn describe(&self) -> String {
        let tls = match (&self.tls_cert, &self.client_ca) {
            (None, _) => "no TLS",
            (Some(_), None) => "TLS",
            (Some(_), Some(_)) => "TLS with client certificates",
        };
        let callers = match (&self.tokens, &self.jwks) {
            (None, None) => "no token",
            (Some(_), None) => "tokens",
            (None, Some(_)) => "JWTs",
            (Some(_), Some(_)) => "tokens and JWTs",
        };
        format!("{tls}, {callers}")
    }
}

/// Opens the audit log of a folder. The key of its pseudonyms lies in the keys folder.
fn open_audit(folder: &Path, keys: &Path) -> Result<Audit, Failure> {
    let wrong = |error: std::io::Error| {
        Failure::new(format!("the audit log in `{}` cannot be opened: {error}", folder.display()))
    };
    let key = read_key(&keys.join("audit")).map_err(wrong)?;
    let file = AuditFile::open(folder, key, Clock::system()).map_err(wrong)?;
    Ok(Audit::new(Arc::new(file)))
}

/// An origin as browsers write it: scheme, host and port, without a path.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let whole = authority.is_some_and(|authority| !authority.is_empty() && !authority.contains(['/', '*', ' ']));
    let value = HeaderValue::from_str(text).ok().filter(|_| whole && *text == text.to_lowercase());
    value.ok_or_else(|| {
        "write it as browsers do: `https://shop.example`, with a port if there is one, without a path".into()
    })
}
