//! A PostgreSQL server that the tests start, where this machine has one. `TACTFUL_POSTGRES` names the folder of its programs;
//! otherwise Debian's are looked for. Without any, the tests that need one print a line and pass.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tactful::domain::consent::ConsentStatus::Withdrawn;
use tactful::engine::Engine;
use tactful::serve::metrics::exposition;
use tactful::storage::{Backend, Postgres, migrate};
use tokio_postgres::NoTls;

use super::contract::{Held, Place};
use super::support::{consent, folder};

/// A server, which ends when the process does: its shell waits for the end of its input.
pub(super) struct Server {
    _shell: Mutex<Child>,
    folder: PathBuf,
    programs: PathBuf,
}

/// Consents and contacts wait for the disk as they do in production; the socket is in a folder of the test's own, so that
/// no other process can take the server's place while it is down.
const SETTINGS: &str = "-c listen_addresses= -c wal_writer_delay=10ms -c shared_buffers=64MB -c max_connections=200";

/// Runs a script as a user whom PostgreSQL accepts: it refuses to run as root. What ends the test's process group does not
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

#[test]
fn the_metrics_of_the_database_are_documented() {
    let Some(place) = InPostgres::new() else { return };
    let engine = Arc::new(super::contract::open(&place));
    let page = exposition(&engine, None);
    let names = page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next());
    let found: Vec<_> = names.filter(|name| name.starts_with("tactful_database")).collect();
    let text = fs::read_to_string(folder("docs/cluster.md")).unwrap();
    let told = text.lines().filter_map(|line| line.strip_prefix("| `tactful_")?.split('`').next());
    let told: Vec<_> = told.map(|name| format!("tactful_{name}")).collect();
    assert_eq!(told, found);
}

#[test]
fn consents_wait_for_the_disk_whatever_the_role_is_set_to() {
    let Some(place) = InPostgres::new() else { return };
    let role = format!("relaxed{}", std::process::id());
    run(&place.address, &format!("CREATE ROLE {role} SUPERUSER LOGIN; ALTER ROLE {role} SET synchronous_commit = off"));
    let address = place.address.replace("tactful@", &format!("{role}@"));
    let backend = Arc::new(Postgres::open(&address, &place.keys(), place.home.path()).unwrap());
    let engine = super::contract::engine_over(backend, super::keeping::RULES, super::support::monday());
    super::contract::give(&engine, super::keeping::later(0));
    // The trigger notes how the transaction that stores a record commits.
    let note = "CREATE TABLE how (setting text); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        INSERT INTO how VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$; \
        CREATE TRIGGER note BEFORE INSERT ON frame FOR EACH ROW EXECUTE FUNCTION note()";
    run(&place.address, note);
    engine.record_consent(consent("anna", "advice", Withdrawn), super::keeping::later(1)).unwrap();
    assert_eq!(run(&place.address, "SELECT setting FROM how"), ["on"]);
}

#[test]
fn a_schema_of_a_later_version_is_refused_and_not_changed() {
    let Some(place) = InPostgres::new() else { return };
    let tactful = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
        command.args(arguments).args(["--store", &place.address, "--keys"]).arg(place.keys());
        command.current_dir(place.home.path()).output().unwrap()
    };
    let migrated = tactful(&["store", "migrate"]);
    assert_eq!(String::from_utf8_lossy(&migrated.stdout), "schema     version 1 already\n");
    run(&place.address, "UPDATE store SET schema = 99");
    for arguments in [["store", "migrate"], ["serve", "--once"]] {
        let refused = tactful(&arguments);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains("schema of the database is version 99"), "{told}");
        assert!(told.contains("start the version of this program that made it"), "{told}");
    }
    assert_eq!(run(&place.address, "SELECT schema FROM store"), ["99"]);
}

#[test]
fn a_role_needs_only_its_own_schema() {
    let Some(server) = Server::shared() else { return };
    let (owner, role) = (server.schema(), format!("plain{}", std::process::id()));
    run(&owner, &format!("CREATE ROLE {role} LOGIN; CREATE SCHEMA {role} AUTHORIZATION {role}"));
    let (before, _) = owner.split_once("?options").unwrap();
    let address = format!("{}?options=-csearch_path%3D{role}", before.replace("tactful@", &format!("{role}@")));
    let home = tempfile::tempdir().unwrap();
    migrate(&address, &home.path().join("keys")).unwrap();
    let backend = Arc::new(Postgres::open(&address, &home.path().join("keys"), home.path()).unwrap());
    let engine = super::contract::engine_over(backend, super::keeping::RULES, super::support::monday());
    super::contract::give(&engine, super::keeping::later(0));
    assert_eq!(engine.consent_records("anna").unwrap().len(), 1);
}
