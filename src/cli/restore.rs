//! `tactful restore`: restores a backup into a data folder.

use std::path::PathBuf;

use clap::Args;

use super::open_node::LedgerPlace;
use super::{Failure, Verdict, counted, say, say_err, say_labelled};
use crate::backup::{BackupError, RestoreSummary, restore};
use crate::ledger::{LedgerSettings, OpenError, Repair};
use crate::store::StoreRecovery;

/// Restore a backup into a data folder
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful restore backups/2026-03-02\n  tactful restore backups/2026-03-02 --data data --replace\n\n\
    Stop the server first. Every file is checked, and decrypted with the keys folder, before anything is put in place. \
    Customers who were erased since the backup stay erased: the keys folder lists them, so use your newest one.\n\n\
    A backup that is older than what the ledger signed last is refused: everything recorded since would be lost, including \
    refusals of consent. --accept-older continues from it all the same. The ledger is then a new log with a new key; the head \
    and the key of the old log are kept in KEYS/earlier.\n\n\
    To rehearse a restore, give another data folder, and a copy of the keys folder.\n\n\
    Exit code 0 if it was restored, 2 if not: then the data folder is unchanged."
)]
pub(super) struct Restore {
    /// Folder with the backup
    backup: PathBuf,
    #[command(flatten)]
    place: LedgerPlace,
    /// Move the current content of the data folder into a folder inside it
    #[arg(long)]
    replace: bool,
    /// Continue from a backup that is older than what the ledger signed last
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
            say_err(&format!("warning: {repair}"));
        }
        if recovery != StoreRecovery::default() {
            say_err(&format!("warning: {recovery}"));
        }
        if customers.damaged > 0 {
            let who = counted(customers.damaged, "customer");
            say_err(&format!("warning: {who} cannot be read, and their limits count as used up"));
        }
        if let Some(replaced) = replaced {
            let place = replaced.display();
            say_labelled("replaced", &format!("what was there is in {place}; remove it when you no longer need it"));
        }
        say_labelled("restored", &format!("{}, ready to serve", settings.data.display()));
        Ok(Verdict::InOrder)
    }
}

fn refused(error: BackupError) -> Failure {
    let help = match &error {
        BackupError::NotEmpty(_) => "choose another folder with --data, or pass --replace to move what is there aside",
        BackupError::NotABackup(_) => "name a folder that `tactful backup` wrote",
        BackupError::Damaged(_) | BackupError::Outside(_) => "use another backup; nothing was changed",
        BackupError::Ledger(OpenError::InUse(_)) => {
            "stop the server first; to rehearse a restore while it runs, give another data folder and a copy of the keys"
        }
        BackupError::Rotating(_) => "start the server once on its data folder, which ends the rotation; then restore",
        BackupError::Ledger(OpenError::KeysMissing(_)) => "name the folder that holds the keys with --keys",
        BackupError::Ledger(OpenError::OtherHead { .. } | OpenError::Head { .. }) => {
            "restore a newer backup, or pass --accept-older to continue without what was recorded since, including \
             refusals of consent; nothing was changed"
        }
        BackupError::Ledger(OpenError::Damaged { .. }) => {
            "give the keys folder that belongs to it with --keys, or use another backup; nothing was changed"
        }
        _ => "nothing was changed",
    };
    Failure::new(error.to_string()).help(help)
}
