//! What PostgreSQL must do beside the contract: schemas, roles, settings, metrics.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tactful::domain::consent::ConsentStatus::Withdrawn;
use tactful::engine::Engine;
use tactful::serve::metrics::exposition;
use tactful::storage::{Backend, Postgres, migrate};
use tokio_postgres::NoTls;

use super::contract::{Held, Place};
use super::postgres_server::{Server, run};
use super::support::{consent, folder};

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
    assert_eq!(String::from_utf8_lossy(&migrated.stdout), "schema     version 3 already\n");
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

#[test]
fn a_schema_of_the_first_version_is_brought_to_this_one() {
    let Some(place) = InPostgres::new() else { return };
    run(&place.address, "DROP TABLE rule_file; DROP TABLE decision; UPDATE store SET schema = 1");
    let refused = Postgres::open(&place.address, &place.keys(), place.home.path()).unwrap_err();
    assert!(refused.to_string().contains("version 1; this program uses version 3"), "{refused}");
    let migrated = migrate(&place.address, &place.keys()).unwrap();
    assert_eq!((migrated.from, migrated.to), (1, 3));
    super::contract::give(&super::contract::open(&place), super::keeping::later(0));
}
