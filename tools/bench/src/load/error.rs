//! Why a load could not start.

use std::net::SocketAddr;

/// Why a load could not start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The connection was refused or failed.
    #[error("no connection to {0}: {1}")]
    Connect(SocketAddr, std::io::Error),
    /// The server does not speak HTTP/2.
    #[error("{0} does not speak HTTP/2: {1}")]
    Handshake(SocketAddr, h2::Error),
    /// The name of a method is not valid in a request.
    #[error("`{0}` cannot be called: {1}")]
    Method(String, http::Error),
    /// The histogram of latencies could not be created.
    #[error("no room to keep times in: {0}")]
    Times(#[from] hdrhistogram::CreationError),
    /// The system could not start a thread.
    #[error("no thread to send calls from: {0}")]
    Thread(#[from] std::io::Error),
}
