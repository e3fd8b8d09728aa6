//! A key set that is fetched from the server of an identity provider: a copy in a file, which is fetched again every five
//! minutes and read like any other file.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

/// How often the set is fetched, how long that may take, and how many bytes it may have.
const EVERY: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST: usize = 1024 * 1024;

/// Whether a setting names a server rather than a file.
#[must_use]
pub fn is_url(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.starts_with("https://") || text.starts_with("http://"))
}

/// Fetches a key set into a file, and again from time to time.
///
/// # Errors
/// When it cannot be fetched now.
pub async fn mirror(url: &str) -> Result<PathBuf, String> {
    let uri: Uri = url.parse().map_err(|error| format!("it is not an address: {error}"))?;
    if uri.scheme_str() == Some("http") && !is_loopback(&uri) {
        return Err("others on the way could change it; write https://".to_owned());
    }
    let folder = tempfile::Builder::new().prefix("tactful-keys-").tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("jwks.json");
    let written = fetch(&uri).await?;
    write(&path, &written)?;
    let mirrored = path.clone();
    tokio::spawn(async move {
        let (folder, mut written) = (folder, written);
        loop {
            sleep(EVERY).await;
            let fetched = fetch(&uri).await.and_then(|bytes| {
                if bytes != written {
                    write(&folder.path().join("jwks.json"), &bytes)?;
                    written = bytes;
                }
                Ok(())
            });
            if let Err(error) = fetched {
                tracing::warn!(error, "the key set cannot be fetched; the earlier one stays in force");
            }
        }
    });
    Ok(mirrored)
}

fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| error.to_string())?;
    file.write_all(bytes).map_err(|error| error.to_string())?;
    file.persist(path).map(drop).map_err(|error| error.to_string())
}

async fn fetch(uri: &Uri) -> Result<Bytes, String> {
    timeout(PATIENCE, get(uri)).await.unwrap_or_else(|_| Err("it takes longer than 10 seconds".to_owned()))
}

async fn get(uri: &Uri) -> Result<Bytes, String> {
    let host = uri.host().ok_or("it names no host")?.trim_matches(['[', ']']).to_owned();
    let has_tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if has_tls { 443 } else { 80 });
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| error.to_string())?;
    if !has_tls {
        return request(uri, stream).await;
    }
    let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
    let stream = connector().connect(name, stream).await.map_err(|error| error.to_string())?;
    request(uri, stream).await
}

/// Trusts the authorities of the system, or those of `SSL_CERT_FILE`.
fn connector() -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn request(uri: &Uri, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Bytes, String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // It ends with the sender.
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let request = Request::get(path).header(HOST, authority).header(ACCEPT, "application/json");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    if answer.status() != http::StatusCode::OK {
        return Err(format!("it answers {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), LONGEST).collect().await.map_err(|error| error.to_string())?;
    Ok(body.to_bytes())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that gives each call the next answer.
    async fn server(answers: Vec<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 1024];
                let read = stream.read(&mut asked).await.unwrap();
                assert!(asked[..read].starts_with(b"GET /keys?v=1 HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        format!("http://{address}/keys?v=1")
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_key_set_is_fetched_into_a_file() {
        let url = server(vec![answer("200 OK", "{\"keys\": []}")]).await;
        let path = mirror(&url).await.unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"keys\": []}");
    }

    #[tokio::test]
    async fn what_is_no_key_set_of_a_trusted_server_is_refused() {
        let url = server(vec![answer("404 Not Found", ""), answer("200 OK", &"x".repeat(LONGEST + 1))]).await;
        assert_eq!(mirror(&url).await.unwrap_err(), "it answers 404 Not Found");
        assert!(mirror(&url).await.is_err(), "too long");
        assert!(mirror("http://login.example/keys").await.unwrap_err().contains("write https://"));
        assert!(is_url(Path::new("https://x")) && !is_url(Path::new("keys/https.json")));
    }
}
