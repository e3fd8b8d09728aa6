//! A PostgreSQL server that the tests start, where this machine has one. `TACTFUL_POSTGRES` names the folder of its programs;
//! otherwise Debian's are looked for. Without any, the tests that need one print a line and pass.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tactful::engine::Engine;
use tactful::storage::{Backend, Postgres, migrate};
use tokio_postgres::NoTls;

use super::contract::{Held, Place};

/// A server, which ends when the process does: its shell waits for the end of its input.
pub(super) struct Server {
    _shell: Mutex<Child>,
    pub(super) port: u16,
    pub(super) folder: PathBuf,
    programs: PathBuf,
}

/// Runs a script as somebody whom PostgreSQL accepts: it refuses to run as root.
fn unprivileged(script: &str) -> Command {
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = if is_root { Command::new("runuser") } else { Command::new("sh") };
    if is_root {
        let known = |name: &&str| Command::new("id").arg(name).output().unwrap().status.success();
        let user = ["postgres", "nobody"].into_iter().find(known).expect("a user who is not root");
        command.args(["-u", user, "--", "sh"]);
    }
    command.args(["-c", script]).current_dir("/tmp");
    command
}

/// The folder of the server's programs.
fn programs() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TACTFUL_POSTGRES") {
        return Some(named.into());
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    versions.filter(|bin| bin.join("initdb").exists()).max()
}

impl Server {
    /// Starts a server of its own.
    pub(super) fn start() -> Option<Self> {
        let programs = programs()?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let bin = programs.display();
        let made = unprivileged("mktemp -d /tmp/tactful-postgres.XXXXXX").output().unwrap();
        let folder = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim());
        let at = folder.display();
        let settings = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c wal_writer_delay=10ms \
             -c shared_buffers=64MB -c max_connections=200 -c restart_after_crash=on"
        );
        // Whatever ends this process ends the server and removes its files.
        let script = format!(
            "trap '' INT; {bin}/initdb -D {at}/data -U tactful -A trust --no-sync >{at}/initdb 2>&1 && \
             {bin}/pg_ctl -D {at}/data -w -l {at}/log -o \"{settings}\" start >/dev/null; echo started; cat >/dev/null; \
             {bin}/pg_ctl -D {at}/data -w -m immediate stop >/dev/null 2>&1; rm -rf {at}"
        );
        let mut shell = unprivileged(&script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(shell.stdout.as_mut().unwrap()), &mut line).unwrap();
        assert_eq!(line, "started\n");
        let server = Self { _shell: Mutex::new(shell), port, folder, programs };
        let log = fs::read_to_string(server.folder.join("log")).unwrap_or_default();
        assert!(server.answers(), "{log}");
        Some(server)
    }

    /// The server that tests share; none if this machine has none.
    pub(super) fn shared() -> Option<&'static Self> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        let server = SERVER.get_or_init(Self::start).as_ref();
        if server.is_none() {
            drop(writeln!(std::io::stderr(), "skipped: no PostgreSQL here (TACTFUL_POSTGRES names its programs)"));
        }
        server
    }

    fn answers(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// Stops the server at once, or starts it again.
    pub(super) fn control(&self, stop: bool) {
        let (bin, at) = (self.programs.display(), self.folder.display());
        let script = if stop {
            format!("{bin}/pg_ctl -D {at}/data -w -m immediate stop >/dev/null 2>&1")
        } else {
            let settings = format!(
                "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories= -c wal_writer_delay=10ms",
                self.port
            );
            format!("{bin}/pg_ctl -D {at}/data -w -l {at}/log -o \"{settings}\" start >/dev/null 2>&1")
        };
        assert!(unprivileged(&script).status().unwrap().success(), "{script}");
    }

    /// The address of a new schema.
    pub(super) fn schema(&self) -> String {
        static SCHEMAS: AtomicU64 = AtomicU64::new(0);
        let name = format!("t{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
        format!("postgres://tactful@127.0.0.1:{}/postgres?options=-csearch_path%3D{name}", self.port)
    }
}

/// Runs statements at an address.
pub(super) fn run(address: &str, statements: &str) -> Vec<String> {
    // On a thread of its own: the caller's may answer calls.
    std::thread::scope(|scope| scope.spawn(|| run_here(address, statements)).join().unwrap())
}

fn run_here(address: &str, statements: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(address, NoTls).await.unwrap();
        tokio::spawn(connection);
        let messages = client.simple_query(statements).await.unwrap();
        let rows = messages.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        });
        rows.collect()
    })
}

/// A schema of the shared server, with keys of its own.
pub(super) struct InPostgres {
    pub(super) address: String,
    home: tempfile::TempDir,
}

impl InPostgres {
    /// `None` if this machine has no server.
    pub(super) fn new() -> Option<Self> {
        let address = Server::shared()?.schema();
        let home = tempfile::tempdir().unwrap();
        migrate(&address, &home.path().join("keys")).unwrap();
        Some(Self { address, home })
    }

    pub(super) fn keys(&self) -> PathBuf {
        self.home.path().join("keys")
    }

    fn node(&self, data: &Path) -> Postgres {
        Postgres::open(&self.address, &self.keys(), data).unwrap()
    }
}

/// Runs a test where there is a server.
pub(super) fn on_postgres(test: impl FnOnce(&dyn Place)) {
    if let Some(place) = InPostgres::new() {
        test(&place);
    }
}

/// Keeps the rows of a schema from being changed.
struct Lock(Option<std::thread::JoinHandle<()>>, tokio::sync::mpsc::UnboundedSender<()>);

impl Lock {
    fn new(address: &str) -> Self {
        let (address, (held, is_held)) = (address.to_owned(), std::sync::mpsc::channel());
        let (free, mut freed) = tokio::sync::mpsc::unbounded_channel();
        let keeper = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
                tokio::spawn(connection);
                client.batch_execute("BEGIN; LOCK TABLE person IN EXCLUSIVE MODE").await.unwrap();
                held.send(()).unwrap();
                freed.recv().await;
                client.batch_execute("COMMIT").await.unwrap();
            });
        });
        is_held.recv().unwrap();
        Self(Some(keeper), free)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.1.send(()).unwrap();
        self.0.take().unwrap().join().unwrap();
    }
}

impl Place for InPostgres {
    fn open(&self) -> Arc<dyn Backend> {
        Arc::new(self.node(&self.home.path().join("data")))
    }

    fn hold(&self) -> Held<'_> {
        Box::new(Lock::new(&self.address))
    }

    fn fail(&self, fail: bool) {
        let refuse = "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
            RAISE EXCEPTION 'told to fail' USING ERRCODE = '53100'; END $$; \
            CREATE TRIGGER refuse BEFORE INSERT ON frame FOR EACH ROW EXECUTE FUNCTION refuse()";
        run(&self.address, if fail { refuse } else { "DROP TRIGGER refuse ON frame" });
    }

    fn kill(&self, engine: Engine) {
        drop(engine);
    }
}
