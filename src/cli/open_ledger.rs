//! Where the ledger of a server is, and how it was found.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Failure;
use crate::domain::consent::ConsentRecord;
use crate::domain::id::{PurposeId, Vocabulary};
use crate::ledger::{ClosedLedger, FileLedger, Ledger, LedgerSettings, OpenError};

/// Where the ledger is.
#[derive(Debug, Args)]
pub(super) struct LedgerPlace {
    /// Folder for the consent ledger
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

/// The ledger as it was found.
pub(super) struct OpenLedger {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) records: Vec<(u64, ConsentRecord)>,
    /// Every purpose that a record names, so that none is forgotten while the rules do not declare it.
    pub(super) vocabulary: Vocabulary,
    /// Why no personal data may be used.
    pub(super) trouble: Option<String>,
}

/// Opens the ledger. One that is not as it was written is left as it is, and the server goes on without personal data.
pub(super) fn open_ledger(place: &LedgerPlace, expected_head: Option<&PathBuf>) -> Result<OpenLedger, Failure> {
    let mut settings = place.settings();
    if let Some(path) = expected_head {
        let note = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(format!("`{}`: {error}", path.display())).help("give --expect-head a file with a checkpoint")
        })?;
        settings.expected_head = Some((path.clone(), note));
    }
    let mut vocabulary = Vocabulary::default();
    let opened = match FileLedger::open(&settings) {
        Ok(opened) => opened,
        Err(error @ (OpenError::Disk { .. } | OpenError::InUse(_))) => {
            return Err(Failure::new(error.to_string()).help("choose another folder with --data"));
        }
        Err(error) => {
            let trouble = error.to_string();
            eprintln!("error: {trouble}\nhelp: the files are left as they are; {}", way_out(&error));
            let ledger = Arc::new(ClosedLedger(trouble.clone()));
            return Ok(OpenLedger { ledger, records: Vec::new(), vocabulary, trouble: Some(trouble) });
        }
    };
    for mended in &opened.mended {
        eprintln!("warning: {mended}");
    }
    for (_, record) in &opened.records {
        let known = record.purpose.is_empty() || vocabulary.intern::<PurposeId>(&record.purpose).is_ok();
        if !known {
            return Err(Failure::new("the ledger names more than 64 purposes"));
        }
    }
    Ok(OpenLedger { ledger: Arc::new(opened.ledger), records: opened.records, vocabulary, trouble: None })
}

/// What an operator can do about a ledger that does not open.
fn way_out(error: &OpenError) -> &'static str {
    match error {
        OpenError::KeysMissing(_) => "name the folder that holds the keys with --keys, or restore it",
        OpenError::OtherHead { .. } => {
            "restore the newest copy; docs/ledger-format.md says how to go on from an older one knowingly"
        }
        _ => "restore them from a copy, or move them away",
    }
}
