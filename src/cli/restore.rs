//! `tactful restore`: restores a backup into a data folder.

use std::path::PathBuf;

use clap::Args;

use super::open_ledger::LedgerPlace;
use super::{Failure, Verdict, counted, say};
use crate::backup::{BackupError, RestoreSummary, restore};
use crate::ledger::{LedgerSettings, OpenError, Repair};
use crate::store::StoreRecovery;

/// Put a backup into a data folder
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful restore backups/2026-03-02\n  tactful restore backups/2026-03-02 --data data --replace\n\n\
    Stop the server first. Every file is checked, and all of it is opened with the keys folder, before anything is put in \
    place. Whoever was erased since stays erased: the keys folder of now says who, so give the newest that you have.\n\n\
    A backup that is older than what the ledger signed last is refused: what was recorded since would be lost, among it \
    who said no. --accept-older goes on from it knowingly. The ledger is then a new log with a new key; head and key of the \
    old log are kept in KEYS/earlier.\n\n\
    To rehearse a restore, give another data folder, and a copy of the keys folder.\n\n\
    Exit code 0 if it was put back, 2 if not: then the data folder is as it was."
)]
pub(super) struct Restore {
    /// Folder with the backup
    backup: PathBuf,
    #[command(flatten)]
    place: LedgerPlace,
    /// Put what is in the data folder now aside, into a folder inside it
    #[arg(long)]
    replace: bool,
    /// Go on from a backup that is older than what the ledger signed last
    #[arg(long)]
    accept_older: bool,
}

impl Restore {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let settings = LedgerSettings { accept_older: self.accept_older, ..self.place.settings() };
        let restored = restore(&self.backup, &settings, self.replace).map_err(refused)?;
        let RestoreSummary { records, customers, repairs, recovery, replaced } = restored;
        say(&format!("ledger     {}", counted(usize::try_from(records).unwrap_or(usize::MAX), "record")));
        say(&format!("customers  {}", customers.total));
        // If the published log was not copied completely, it is rebuilt, which is harmless.
        for repair in repairs.iter().filter(|repair| !matches!(repair, Repair::LogFile(_))) {
            eprintln!("warning: {repair}");
        }
        if recovery != StoreRecovery::default() {
            eprintln!("warning: {recovery}");
        }
        if customers.damaged > 0 {
            let who = counted(customers.damaged, "customer");
            eprintln!("warning: {who} cannot be read, and their limits count as used up");
        }
        if let Some(replaced) = replaced {
            let place = replaced.display();
            say(&format!("replaced   what was there is in {place}; remove it when you do not need it any more"));
        }
        say(&format!("restored   {}, ready to be served", settings.data.display()));
        Ok(Verdict::InOrder)
    }
}

fn refused(error: BackupError) -> Failure {
    let help = match &error {
        BackupError::NotEmpty(_) => "choose another folder with --data, or say --replace to put what is there aside",
        BackupError::NotABackup(_) => "name a folder that `tactful backup` wrote",
        BackupError::Damaged(_) | BackupError::Outside(_) => "take another backup; nothing was changed",
        BackupError::Ledger(OpenError::InUse(_)) => {
            "stop the server first; to rehearse a restore beside it, give another data folder and a copy of the keys"
        }
        BackupError::Rotating(_) => "start the server once on its data folder, which ends the rotation; then restore",
        BackupError::Ledger(OpenError::KeysMissing(_)) => "name the folder that holds the keys with --keys",
        BackupError::Ledger(OpenError::OtherHead { .. } | OpenError::Head { .. }) => {
            "restore a newer backup, or say --accept-older to go on without what was recorded since, among it who said \
             no; nothing was changed"
        }
        BackupError::Ledger(OpenError::Damaged { .. }) => {
            "give the keys folder that belongs to it with --keys, or take another backup; nothing was changed"
        }
        _ => "nothing was changed",
    };
    Failure::new(error.to_string()).help(help)
}
