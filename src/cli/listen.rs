//! Listening on the address of a flag.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::Failure;

/// Listens on the address of a flag, and returns the listener with its actual port.
pub(super) async fn listen(address: SocketAddr, flag: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::new(format!("cannot listen on {address}: {error}")).help(format!("choose another address with {flag}"))
    })?;
    let address = listener.local_addr().map_err(|error| Failure::new(error.to_string()))?;
    Ok((listener, address))
}
