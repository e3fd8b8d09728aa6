//! Opens the ledger and the customer store of a server, and reports their state.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::Failure;
use crate::domain::id::{PurposeId, Vocabulary};
use crate::domain::time::Moment;
use crate::ledger::{ClosedLedger, FileLedger, Ledger, LedgerSettings, OpenError, RecordSummary, ReopeningLedger};
use crate::store::{CustomerStore, OpenedStore, StoreError, StoreRecovery};

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

/// The opened ledger and customer store.
pub(super) struct OpenLedger {
    pub(super) ledger: Arc<dyn Ledger>,
    /// The same ledger, if it can be opened again after its disk failed.
    pub(super) reopening: Option<Arc<ReopeningLedger>>,
    /// The summary of the ledger's records.
    pub(super) summary: RecordSummary,
    /// The customer store; `None` while the ledger is closed, because its keys are then unavailable.
    pub(super) store: Option<CustomerStore>,
    /// Every name that a stored customer or a record uses, so that none is lost while the rules do not declare it.
    pub(super) vocabulary: Vocabulary,
    /// Why no personal data may be used; `None` if it may.
    pub(super) trouble: Option<String>,
    /// The newest moment on record.
    pub(super) newest: Option<Moment>,
}

/// Opens the ledger. A damaged ledger is not changed, and the server continues without personal data.
pub(super) fn open_ledger(place: &LedgerPlace, expected_head: Option<&PathBuf>) -> Result<OpenLedger, Failure> {
    let mut settings = place.settings();
    if let Some(path) = expected_head {
        let note = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(format!("`{}`: {error}", path.display())).help("give --expect-head a file with a checkpoint")
        })?;
        settings.expected_head = Some((path.clone(), note));
    }
    let opened = match FileLedger::open(&settings) {
        Ok(opened) => opened,
        Err(error @ (OpenError::Disk(_) | OpenError::InUse(_))) => {
            return Err(Failure::new(error.to_string()).help("choose another folder with --data"));
        }
        Err(error @ OpenError::Backup(_)) => {
            return Err(Failure::new(error.to_string()).help("put it into a data folder with `tactful restore`"));
        }
        Err(error @ OpenError::HalfRestored(_)) => {
            return Err(Failure::new(error.to_string()).help("wait for `tactful restore`, or run it again"));
        }
        Err(error) => {
            let trouble = error.to_string();
            eprintln!("error: {trouble}\nhelp: the files are left as they are; {}", way_out(&error));
            let ledger = Arc::new(ClosedLedger(trouble.clone()));
            let vocabulary = Vocabulary::default();
            return Ok(OpenLedger {
                ledger,
                summary: RecordSummary::default(),
                store: None,
                vocabulary,
                trouble: Some(trouble),
                newest: None,
                reopening: None,
            });
        }
    };
    for repair in &opened.repairs {
        eprintln!("warning: {repair}");
    }
    let OpenedStore { store, mut vocabulary, recovery, flushed } = open_store(&opened.ledger, &settings)?;
    if recovery != StoreRecovery::default() {
        eprintln!("warning: {recovery}");
    }
    if opened.summary.purposes.iter().any(|purpose| vocabulary.intern::<PurposeId>(purpose).is_err()) {
        let help = "choose another folder with --data; a data folder holds at most 64 purposes, for good";
        return Err(Failure::new("the ledger and the customers name more than 64 purposes").help(help));
    }
    let (ledger, store) = (Arc::new(ReopeningLedger::new(opened.ledger, settings)), Some(store));
    let reopening = Some(Arc::clone(&ledger));
    let newest = flushed.max(opened.summary.last_received);
    Ok(OpenLedger { ledger, reopening, summary: opened.summary, store, vocabulary, trouble: None, newest })
}

/// Opens the customer store beside a ledger.
fn open_store(ledger: &FileLedger, settings: &LedgerSettings) -> Result<OpenedStore, Failure> {
    let folder = settings.data_folder().customers();
    let keys = ledger.vault(settings).map_err(|error| Failure::new(error.to_string()).help(store_way_out(&folder)))?;
    CustomerStore::open(&settings.data, keys, &ledger.erased()).map_err(|error| {
        let help = match &error {
            StoreError::InUse(_) => "choose another folder with --data".to_owned(),
            StoreError::NewerFormat { .. } => "start the version that wrote them".to_owned(),
            _ => store_way_out(&folder),
        };
        Failure::new(error.to_string()).help(help)
    })
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
fn way_out(error: &OpenError) -> &'static str {
    match error {
        OpenError::Newer { .. } => "start the version that wrote them",
        OpenError::KeysMissing(_) => "name the folder that holds the keys with --keys, or restore it",
        OpenError::OtherHead { .. } => {
            "restore the newest backup; `tactful restore --help` says how to continue from an older one"
        }
        _ => "restore them from a copy, or move them away",
    }
}
