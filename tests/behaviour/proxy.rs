//! A connection to a database that can be cut, stopped, or lose its answers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch::{Receiver, Sender, channel};

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It arrives.
    Open,
    /// Connections are closed, also new ones.
    Cut,
    /// Questions arrive, and answers are lost.
    Mute,
    /// Nothing arrives until another mode is set.
    Still,
    End,
}

/// Listens on an address of its own, and passes on what arrives to a socket.
pub(super) struct Proxy {
    address: SocketAddr,
    mode: Sender<Mode>,
    open: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    pub(super) fn to(socket: PathBuf) -> Self {
        let (mode, modes) = channel(Mode::Open);
        let (tell, told) = std::sync::mpsc::channel();
        let open = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&open);
        // On a thread of its own: the test's may wait for what goes through here.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let mut ends = modes.clone();
                tokio::select! {
                    () = accept(listener, &socket, (modes, counted)) => {}
                    _ = ends.wait_for(|mode| *mode == Mode::End) => {}
                }
            });
        });
        Self { address: told.recv().unwrap(), mode, open, thread: Some(thread) }
    }

    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Closes all connections, and waits until they are; new ones are accepted then.
    pub(super) fn cut(&self) {
        self.set(Mode::Cut);
        while self.open.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
        self.set(Mode::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Mode::End);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn accept(listener: TcpListener, socket: &Path, (modes, open): (Receiver<Mode>, Arc<AtomicUsize>)) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        if *modes.borrow() == Mode::Cut {
            continue;
        }
        // While the server is down, the connection is closed.
        if let Ok(server) = UnixStream::connect(socket).await {
            let connected = connect(client, server, modes.clone());
            let open = Arc::clone(&open);
            open.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                connected.await;
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }
}

async fn connect(client: TcpStream, server: UnixStream, modes: Receiver<Mode>) {
    let mut cut = modes.clone();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        _ = cut.wait_for(|mode| *mode == Mode::Cut) => {}
        () = pump((from_client, to_server), modes.clone(), false) => {}
        () = pump((from_server, to_client), modes.clone(), true) => {}
    }
}

async fn pump(
    (mut from, mut to): (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    mut modes: Receiver<Mode>,
    answers: bool,
) {
    let mut bytes = [0; 16 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut bytes).await else { return };
        if modes.wait_for(|mode| *mode != Mode::Still).await.is_err() {
            return;
        }
        let is_lost = answers && *modes.borrow() == Mode::Mute;
        if !is_lost && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
