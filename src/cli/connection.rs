//! How a command reaches a server: its address, the token, the certificate, and what to say if a call fails.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use super::Failure;

/// How long a server may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running server, and who calls it
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Server {
    /// The server's address; https:// if it has TLS
    #[arg(
        long,
        global = true,
        default_value = "http://127.0.0.1:50051",
        env = "TACTFUL_SERVER",
        hide_env_values = true,
        value_name = "ADDRESS"
    )]
    server: String,
    /// The token of the caller; other users of this machine can see it in a list of processes, unlike the variable
    #[arg(long, global = true, env = "TACTFUL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<Secret>,
    /// File with the token; comes before --token
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with the authorities that may have certified the server, PEM; the system's if left out
    #[arg(long, global = true, value_name = "FILE", env = "TACTFUL_CA", hide_env_values = true)]
    ca: Option<PathBuf>,
    /// File with a client certificate, PEM, if the server asks for one
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        requires = "client_key",
        env = "TACTFUL_CLIENT_CERT",
        hide_env_values = true
    )]
    client_cert: Option<PathBuf>,
    /// File with the private key of the client certificate, PEM
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        requires = "client_cert",
        env = "TACTFUL_CLIENT_KEY",
        hide_env_values = true
    )]
    client_key: Option<PathBuf>,
}

/// A text that is never shown.
#[derive(Clone)]
struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Sends the token with each call.
#[derive(Debug, Clone)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// A connection to a server, for a client of any service.
pub(super) type Connection = InterceptedService<Channel, Bearer>;

impl Server {
    /// Runs work that needs a connection.
    pub(super) fn run<T>(&self, work: impl AsyncFnOnce(Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(error.to_string()))?;
        runtime.block_on(async { work(self.connect().await?).await })
    }

    /// Runs work over several connections: each is answered by one thread of the server.
    pub(super) fn run_over<T>(
        &self,
        count: usize,
        work: impl AsyncFnOnce(Vec<Connection>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.run(async |first| {
            let mut connections = vec![first];
            while connections.len() < count {
                connections.push(self.connect().await?);
            }
            work(connections).await
        })
    }

    /// The address as it was given.
    pub(super) fn address(&self) -> &str {
        &self.server
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let bearer = self.bearer()?;
        let endpoint = self.endpoint()?.connect_timeout(PATIENCE);
        let channel = endpoint.connect().await.map_err(|error| self.unreachable(&error))?;
        Ok(InterceptedService::new(channel, bearer))
    }

    fn endpoint(&self) -> Result<Endpoint, Failure> {
        let address = if self.server.contains("://") { self.server.clone() } else { format!("http://{}", self.server) };
        let wrong = || {
            Failure::new(format!("`{}` is not the address of a server", self.server))
                .help("write it as 127.0.0.1:50051, or as https://tactful.example:50051 if it has TLS")
        };
        let has_tls = address.starts_with("https://");
        if !has_tls && !address.starts_with("http://") {
            return Err(wrong());
        }
        let endpoint = Endpoint::from_shared(address).map_err(|_| wrong())?;
        if !has_tls {
            if self.ca.is_some() {
                return Err(Failure::new(format!("`{}` has no TLS, so --ca has nothing to verify", self.server))
                    .help("write the address as https://…"));
            }
            return Ok(endpoint);
        }
        let mut tls = match &self.ca {
            None => ClientTlsConfig::new().with_native_roots(),
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read("--ca", path)?)),
        };
        if let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) {
            let certificate = read("--client-cert", certificate)?;
            tls = tls.identity(Identity::from_pem(certificate, read("--client-key", key)?));
        }
        endpoint.tls_config(tls).map_err(|error| {
            let reason = causes(&error).map(ToString::to_string).last().unwrap_or_default();
            Failure::new(format!("certificates cannot be verified: {reason}")).help("name a PEM file with --ca")
        })
    }

    fn bearer(&self) -> Result<Bearer, Failure> {
        let token = match (&self.token_file, &self.token) {
            (Some(path), _) => String::from_utf8_lossy(&read("--token-file", path)?).into_owned(),
            (None, Some(Secret(token))) => token.clone(),
            (None, None) => return Ok(Bearer(None)),
        };
        // The token itself is not shown.
        let value = MetadataValue::try_from(format!("Bearer {}", token.trim()));
        let mut value = value.map_err(|_| Failure::new("the token has characters that no token has"))?;
        value.set_sensitive(true);
        Ok(Bearer(Some(value)))
    }

    fn unreachable(&self, error: &tonic::transport::Error) -> Failure {
        let server = &self.server;
        match causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(reason)) => {
                Failure::new(format!("the certificate of {server} is not trusted: {reason}"))
                    .help("name the authority that certified it with --ca, and the server as its certificate does")
            }
            Some(rustls::Error::InvalidMessage(_)) => {
                Failure::new(format!("the server at {server} does not speak TLS")).help("write it as http://…")
            }
            Some(error) => Failure::new(format!("no connection over TLS to {server}: {error}"))
                .help("if the server asks for a certificate, name it with --client-cert and --client-key"),
            None => Failure::new(format!("no server answers at {server}"))
                .help("start one with `tactful serve`, or name it with --server or TACTFUL_SERVER"),
        }
    }
}

/// The content of the file that a flag names.
fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |error| Failure::new(format!("the file `{}` of {flag} cannot be read: {error}", path.display()));
    std::fs::read(path).map_err(wrong)
}

/// An error and its causes. An error of I/O hides the error that it is made of.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'e (dyn Error + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

/// What a refused call means, and what to do about it.
pub(super) fn refused(status: &Status) -> Failure {
    let details = status.get_error_details();
    let reason = details.error_info().map_or("", |info| info.reason.as_str());
    let failure = Failure::new(status.message());
    match reason {
        "TOKEN_MISSING" => failure.help("pass --token-file, or set TACTFUL_TOKEN; `tactful token new` makes one"),
        "TOKEN_INVALID" | "TOKEN_EXPIRED" => {
            failure.help("`tactful token list` shows the callers of a file, `tactful token new` makes a token")
        }
        "SCOPE_MISSING" => failure.help("use a token with this scope; `tactful token new --scope` makes one"),
        "ADMIN_LISTENER_ONLY" => failure.help("name the server's --admin-listen address with --server"),
        // Made on this side: the server's own have no source.
        "" if status.source().is_some() => {
            let why = causes(status).skip(1).map(ToString::to_string).last();
            Failure::new(format!("the connection broke off: {}", why.unwrap_or_else(|| status.message().to_owned())))
                .help("is the server running? If it has TLS, write its address as https://…; it may ask for --client-cert")
        }
        _ => failure,
    }
}
