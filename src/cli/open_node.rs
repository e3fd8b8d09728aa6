//! Opens the data folder of a server, and reports its state.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, say_err};
use crate::decision_log::{LogError, LogSettings};
use crate::ledger::{LedgerSettings, OpenError};
use crate::node::{Node, NodeError};
use crate::storage::{DatabaseError, SCHEMA};
use crate::store::{Loss, StoreError, StoreRecovery};

/// Where the ledger is.
#[derive(Debug, Args)]
pub(super) struct LedgerPlace {
    /// Folder for the consent ledger and the customers
    #[arg(long, default_value = "data", env = "TACTFUL_DATA")]
    pub(super) data: PathBuf,
    /// Folder for the keys that make the ledger readable; keep it out of the backups of the data folder [default: the
    /// data folder's name with `-keys`]
    #[arg(long, env = "TACTFUL_KEYS", value_name = "FOLDER")]
    pub(super) keys: Option<PathBuf>,
}

impl LedgerPlace {
    /// The ledger's settings.
    pub(super) fn settings(&self) -> LedgerSettings {
        let mut settings = LedgerSettings::of(&self.data);
        settings.keys = self.keys.clone().unwrap_or(settings.keys);
        settings
    }
}

/// Opens the data folder of a server, and reports what is wrong with it. A damaged ledger is not changed, and the server
/// continues without personal data.
pub(super) fn open_node(
    place: &LedgerPlace,
    expected_head: Option<&PathBuf>,
    log: LogSettings,
) -> Result<Node, Failure> {
    let mut settings = place.settings();
    if let Some(path) = expected_head {
        let note = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(format!("`{}`: {error}", path.display())).help("give --expect-head a file with a checkpoint")
        })?;
        settings.expected_head = Some((path.clone(), note));
    }
    let customers = settings.data_folder().customers();
    let node = Node::open_logging(settings, log).map_err(|error| node_failure(&error, &customers))?;
    if let Some(trouble) = &node.trouble {
        say_err(&format!("error: {trouble}\nhelp: the files are left as they are; {}", way_out(trouble)));
    }
    node.repairs.iter().for_each(|repair| say_err(&format!("warning: {repair}")));
    node.log_repairs.iter().for_each(|repair| say_err(&format!("warning: decision log: {repair}")));
    if node.recovery != StoreRecovery::default() {
        say_err(&format!("warning: {}", node.recovery));
    }
    if node.loss() != Loss::None {
        say_err("help: `tactful data repair --accept`, with the server stopped, lets limits count what is known");
    }
    Ok(node)
}

/// Why a data folder does not open, and what an operator can do.
pub(super) fn node_failure(error: &NodeError, customers: &Path) -> Failure {
    Failure::new(error.to_string()).help(no_node(error, customers))
}

/// Opens a database that several nodes share.
pub(super) fn open_database(place: &LedgerPlace, address: &str, log: LogSettings) -> Result<Node, Failure> {
    let node = Node::open_database(address, &place.settings()).map_err(|error| no_database(&error))?;
    node.database().inspect(|database| database.keep_decisions(log.age));
    Ok(node)
}

/// The failure of a database that cannot be used, with what an operator can do.
pub(super) fn no_database(error: &DatabaseError) -> Failure {
    let help = match error {
        DatabaseError::Address(_) => "give an address such as postgres://tactful@db/tactful",
        DatabaseError::Unusable(_) => "docs/cluster.md says what the database must be set to",
        DatabaseError::TooOld(_) => "use PostgreSQL 15 or later",
        DatabaseError::Schema { found } if *found > SCHEMA => "start the version of this program that made it",
        DatabaseError::Schema { .. } => "run `tactful store migrate`",
        DatabaseError::OtherKeys(_) => "copy the keys folder of the other nodes, and name it with --keys",
        DatabaseError::Keys(OpenError::KeysMissing(_)) => {
            "copy the keys folder of the other nodes, and name it with --keys"
        }
        DatabaseError::Keys(OpenError::InUse(_)) => {
            "name another folder with --keys: these keys have signed another ledger"
        }
        DatabaseError::Keys(_) | DatabaseError::Thread(_) => "docs/cluster.md says what a node needs",
    };
    Failure::new(error.to_string()).help(help)
}

/// What an operator can do if a data folder does not open.
fn no_node(error: &NodeError, customers: &Path) -> String {
    match error {
        NodeError::Ledger(OpenError::Backup(_)) => "put it into a data folder with `tactful restore`".to_owned(),
        NodeError::Ledger(OpenError::InDatabase(_)) => {
            "name the database with --store, or other keys with --keys".to_owned()
        }
        NodeError::Ledger(OpenError::HalfRestored(_)) => "wait for `tactful restore`, or run it again".to_owned(),
        NodeError::Ledger(OpenError::InUse(_)) | NodeError::Store(StoreError::InUse(_)) => {
            "stop that process, or choose other folders with --data and --keys".to_owned()
        }
        NodeError::Ledger(OpenError::Disk(_)) => "choose other folders with --data and --keys".to_owned(),
        NodeError::Store(StoreError::NewerFormat { .. })
        | NodeError::Log(LogError::Newer { .. })
        | NodeError::Ledger(OpenError::NewerFile { .. }) => "start the version that wrote them".to_owned(),
        NodeError::Log(LogError::Disk(_) | LogError::NotOverwritten) => {
            "move the folder `decisions` of the data folder away: past decisions are then not known".to_owned()
        }
        NodeError::Log(LogError::Ledger(_)) => "check it with `tactful ledger verify`".to_owned(),
        NodeError::Ledger(_) | NodeError::Store(_) => store_way_out(customers),
        NodeError::Purposes => {
            "choose another folder with --data; a data folder holds at most 64 purposes, for good".to_owned()
        }
    }
}

/// What an operator can do if customers cannot be read.
fn store_way_out(folder: &Path) -> String {
    format!(
        "restore the data folder from a copy, or move `{}` away: the server then knows no customers, and earlier contacts \
         count towards no limit",
        folder.display()
    )
}

/// What an operator can do if a ledger does not open.
pub(super) fn way_out(error: &OpenError) -> &'static str {
    let named = |path: &Path| path.file_name().and_then(|name| name.to_str()).and_then(keys_way_out);
    let of_keys = match error {
        OpenError::KeysMissing(path) | OpenError::Damaged { path, .. } | OpenError::Head { path, .. } => named(path),
        _ => None,
    };
    if let Some(way_out) = of_keys {
        return way_out;
    }
    match error {
        OpenError::Newer { .. } | OpenError::NewerFile { .. } => "start the version that wrote them",
        OpenError::KeysMissing(_) => "name the folder that holds the keys with --keys, or restore it",
        OpenError::OtherHead { .. } => {
            "restore the newest backup; `tactful restore --help` says how to continue from an older one"
        }
        _ => "`tactful data check` says what is damaged; restore a backup with `tactful restore BACKUP --replace`",
    }
}

/// What an operator can do about a file of the keys folder, which no backup has.
fn keys_way_out(name: &str) -> Option<&'static str> {
    match name {
        "secrets" => Some(
            "put it back from a copy of the keys folder, or name another one with --keys: nothing can be read without it, \
             and no backup has it",
        ),
        "signing-key" | "head" => Some(
            "put it back from a copy of the keys folder; without a copy, move both `signing-key` and `head` away: the log \
             then continues under a new key",
        ),
        "erased" => Some(
            "put it back from a copy of the keys folder; without a copy, move it away: the ledger has the erasures, too",
        ),
        _ => None,
    }
}
