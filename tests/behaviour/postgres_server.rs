// A PostgreSQL server that tests and benchmarks start, where this machine has one. `TACTFUL_POSTGRES` names the folder of its
// programs; otherwise Debian's are looked for. Without any, what needs one prints a line and is skipped.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use tokio_postgres::NoTls;

/// A server, which ends when the process does: its shell waits for the end of its input.
pub(super) struct Server {
    _shell: Mutex<Child>,
    pub(super) folder: PathBuf,
    programs: PathBuf,
}

/// Consents and contacts wait for the disk as they do in production; the socket is in a folder of the test's own, so that
/// no other process can take the server's place while it is down.
const SETTINGS: &str = "-c listen_addresses= -c wal_writer_delay=10ms -c shared_buffers=64MB -c max_connections=200";

/// Runs a script as another user than root, which PostgreSQL refuses. What ends the test's process group does not
/// end the script.
fn unprivileged(script: &str) -> Command {
    let number = |arguments: [&str; 2]| {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok()
    };
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir("/tmp").process_group(0);
    if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
        let ids = |user| Some((number(["-u", user])?, number(["-g", user])?));
        let (user, group) = ["postgres", "nobody"].into_iter().find_map(ids).expect("a user who is not root");
        command.uid(user).gid(group);
    }
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
        let server = Self::start_where_installed();
        if server.is_none() {
            drop(writeln!(std::io::stderr(), "skipped: no PostgreSQL here (TACTFUL_POSTGRES names its programs)"));
        }
        server
    }

    fn start_where_installed() -> Option<Self> {
        let programs = programs()?;
        let bin = programs.display();
        let made = unprivileged("mktemp -d /tmp/tactful-postgres.XXXXXX").output().unwrap();
        let folder = PathBuf::from(String::from_utf8(made.stdout).unwrap().trim());
        let at = folder.display();
        // However this process ends, its end stops the server and removes its files.
        let script = format!(
            "{bin}/initdb -D {at}/data -U tactful -A trust --no-sync >{at}/initdb 2>&1 && {}; echo started; cat >/dev/null; \
             {bin}/pg_ctl -D {at}/data -w -m immediate stop >/dev/null 2>&1; rm -rf {at}",
            start_script(&programs, &folder)
        );
        let mut shell = unprivileged(&script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(shell.stdout.as_mut().unwrap()), &mut line).unwrap();
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(line == "started\n" && folder.join(SOCKET).exists(), "no server: {log}");
        Some(Self { _shell: Mutex::new(shell), folder, programs })
    }

    /// The server that tests share; none if this machine has none.
    pub(super) fn shared() -> Option<&'static Self> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        SERVER.get_or_init(Self::start).as_ref()
    }

    /// Stops the server as a crash would.
    pub(super) fn crash(&self) {
        let (bin, at) = (self.programs.display(), self.folder.display());
        self.run(&format!("{bin}/pg_ctl -D {at}/data -w -m immediate stop >/dev/null 2>&1"));
    }

    /// Starts the server that was stopped.
    pub(super) fn recover(&self) {
        self.run(&start_script(&self.programs, &self.folder));
    }

    fn run(&self, script: &str) {
        assert!(
            unprivileged(script).status().unwrap().success(),
            "{script}: {}",
            fs::read_to_string(self.folder.join("log")).unwrap_or_default()
        );
    }

    /// The socket that the server listens on.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }

    /// The address of a new schema.
    pub(super) fn schema(&self) -> String {
        static SCHEMAS: AtomicU64 = AtomicU64::new(0);
        let name = format!("t{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
        let host = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://tactful@{host}/postgres?options=-csearch_path%3D{name}")
    }
}

/// The name of the socket in the server's folder.
const SOCKET: &str = ".s.PGSQL.5432";

fn start_script(programs: &Path, folder: &Path) -> String {
    let (bin, at) = (programs.display(), folder.display());
    let settings = format!("{SETTINGS} -c unix_socket_directories={at}");
    format!("{bin}/pg_ctl -D {at}/data -w -l {at}/log -o \"{settings}\" start >/dev/null 2>&1")
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
