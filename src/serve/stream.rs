//! The bytes of a connection: plain, or inside TLS. It moves from the thread that accepts it to one that answers calls.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::tls::Movable;

/// A connection that is on no runtime.
#[derive(Debug)]
pub struct Accepted {
    socket: std::net::TcpStream,
    tls: Option<Box<TlsStream<Movable>>>,
}

impl Accepted {
    /// A connection without TLS.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn plain(stream: TcpStream) -> io::Result<Self> {
        Ok(Self { socket: stream.into_std()?, tls: None })
    }

    /// A connection after the handshake of TLS.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn tls(mut stream: TlsStream<Movable>) -> io::Result<Self> {
        Ok(Self { socket: stream.get_mut().0.leave()?, tls: Some(Box::new(stream)) })
    }
}

/// A connection on the runtime of the thread that answers its calls.
#[derive(Debug)]
pub enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// Inside TLS.
    Tls(Box<TlsStream<Movable>>),
}

impl Stream {
    /// Puts a connection on this runtime.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn new(accepted: Accepted) -> io::Result<Self> {
        let Accepted { socket, tls } = accepted;
        match tls {
            None => Ok(Self::Plain(TcpStream::from_std(socket)?)),
            Some(mut tls) => {
                tls.get_mut().0.enter(socket)?;
                Ok(Self::Tls(tls))
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
