//! TLS: the certificate, its key and the authorities of client certificates, read from files and read again when they
//! change. Every connection uses the newest that are good.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::file_watch::Watched;

/// What a client may speak inside TLS.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where certificates are.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// The server's certificate with its chain, PEM.
    pub certificate: PathBuf,
    /// The certificate's private key, PEM.
    pub key: PathBuf,
    /// The authorities of client certificates, PEM; without it, no client certificate is asked for.
    pub client_ca: Option<PathBuf>,
    /// Client certificates that were revoked: CRLs, PEM.
    pub client_crl: Option<PathBuf>,
}

/// Why files cannot be used for TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("`{path}` cannot be used: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The files do not fit together.
    #[error("the certificate and the key cannot be used together: {0}")]
    Pair(rustls::Error),
    /// The authorities or the revocations cannot be used.
    #[error("client certificates cannot be verified: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// The current certificates.
#[derive(Debug)]
pub struct Tls {
    settings: TlsSettings,
    config: ArcSwap<ServerConfig>,
    /// What client certificates are verified with. A change retires every connection that was verified with another.
    trust: watch::Sender<Vec<Vec<u8>>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(settings: TlsSettings) -> Result<Self, TlsError> {
        let read = |path: PathBuf| {
            let wrong =
                |error: io::Error| TlsError::File { path: path.display().to_string(), reason: error.to_string() };
            std::fs::read(&path).map_err(wrong).map(|bytes| (path.clone(), bytes))
        };
        let contents = settings.files().into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let config = settings.config(&contents)?;
        let trust = watch::Sender::new(settings.trust(&contents));
        Ok(Self { settings, config: ArcSwap::from_pointee(config), trust })
    }

    /// What accepts the next connection.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Changes when client certificates are verified with something else.
    #[must_use]
    pub fn trust(&self) -> watch::Receiver<Vec<Vec<u8>>> {
        self.trust.subscribe()
    }
}

impl Watched for Tls {
    fn files(&self) -> Vec<PathBuf> {
        self.settings.files()
    }

    fn changed(&self, contents: &[(PathBuf, Vec<u8>)]) -> Result<(), String> {
        let config = self.settings.config(contents).map_err(|error| error.to_string())?;
        self.config.store(Arc::new(config));
        let trust = self.settings.trust(contents);
        self.trust.send_if_modified(|old| {
            let changed = *old != trust;
            *old = trust;
            changed
        });
        Ok(())
    }
}

impl TlsSettings {
    fn files(&self) -> Vec<PathBuf> {
        let optional = self.client_ca.iter().chain(&self.client_crl);
        [&self.certificate, &self.key].into_iter().chain(optional).cloned().collect()
    }

    /// The content of what client certificates are verified with.
    fn trust(&self, contents: &[(PathBuf, Vec<u8>)]) -> Vec<Vec<u8>> {
        let of_clients = contents.iter().filter(|(path, _)| *path != self.certificate && *path != self.key);
        of_clients.map(|(_, bytes)| bytes.clone()).collect()
    }

    fn config(&self, contents: &[(PathBuf, Vec<u8>)]) -> Result<ServerConfig, TlsError> {
        let chain = read(contents, &self.certificate, certificates)?;
        // The error is not shown: it could quote the key.
        let key =
            |pem: &[u8]| PrivateKeyDer::from_pem_slice(pem).map_err(|_| "it has no private key in PEM form".into());
        let key = read(contents, &self.key, key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?;
        let builder = match &self.client_ca {
            Some(path) => {
                let roots = read(contents, path, roots)?;
                let revoked = self.client_crl.as_ref().map(|path| read(contents, path, revoked)).transpose()?;
                let revoked = revoked.unwrap_or_default();
                builder.with_client_cert_verifier(verifier(roots, revoked, provider)?)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(config)
    }
}

/// What is made of a file that was read.
fn read<T>(
    contents: &[(PathBuf, Vec<u8>)],
    wanted: &Path,
    make: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Result<T, TlsError> {
    let bytes = contents.iter().find(|(path, _)| path == wanted).map_or(&[][..], |(_, bytes)| bytes);
    make(bytes).map_err(|reason| TlsError::File { path: wanted.display().to_string(), reason })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain =
        CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    if chain.is_empty() { Err("it has no certificate in PEM form".into()) } else { Ok(chain) }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

fn revoked(pem: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    CertificateRevocationListDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn verifier(
    roots: RootCertStore,
    revoked: Vec<CertificateRevocationListDer<'static>>,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, rustls::server::VerifierBuilderError> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = builder.with_crls(revoked).only_check_end_entity_revocation().allow_unknown_revocation_status();
    builder.build()
}

/// The URI names in the client's certificate, then its DNS names.
pub fn names<IO>(stream: &TlsStream<IO>) -> Vec<String> {
    let (_, session) = stream.get_ref();
    let Some(certificate) = session.peer_certificates().and_then(<[_]>::first) else { return Vec::new() };
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    certificate.valid_uri_names().chain(certificate.valid_dns_names()).map(str::to_owned).collect()
}

/// A connection that can move to another thread's runtime: the handshake is not on a thread that answers calls.
#[derive(Debug)]
pub struct Movable(Option<TcpStream>);

impl Movable {
    /// A connection on this runtime.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self(Some(stream))
    }

    /// Takes the connection off this runtime.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn leave(&mut self) -> io::Result<std::net::TcpStream> {
        self.0.take().ok_or_else(gone)?.into_std()
    }

    /// Puts the connection on this runtime.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn enter(&mut self, stream: std::net::TcpStream) -> io::Result<()> {
        self.0 = Some(TcpStream::from_std(stream)?);
        Ok(())
    }

    fn stream(self: Pin<&mut Self>) -> io::Result<Pin<&mut TcpStream>> {
        self.get_mut().0.as_mut().map(Pin::new).ok_or_else(gone)
    }
}

fn gone() -> io::Error {
    io::Error::other("the connection is on no runtime")
}

impl AsyncRead for Movable {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Movable {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}
