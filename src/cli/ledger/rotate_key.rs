//! `tactful ledger rotate-key`: makes copies of the data folder unreadable.

use clap::Args;

use super::LedgerPlace;
use crate::cli::{Failure, Verdict, say_labelled};
use crate::ledger::{FileLedger, OpenError};

/// Wrap every customer key under a new key and destroy the old one, so that earlier copies of the data folder become
/// unreadable
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful ledger rotate-key --data data\n\n\
    Stop the server first. An earlier copy of the data folder can still be read with an earlier copy of the keys folder: destroy such copies of \
    the keys folder.\n\nExit code 0 if it is done, 2 if not.")]
pub(super) struct RotateKey {
    #[command(flatten)]
    place: LedgerPlace,
}

impl RotateKey {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        FileLedger::rotate_key(&self.place.settings()).map_err(|error| {
            let help = match error {
                OpenError::InUse(_) => "stop the server first",
                OpenError::Disk(_) => "name the folder of the ledger with --data, and that of its keys with --keys",
                _ => "`tactful ledger verify` says more; nothing was rotated that cannot be read",
            };
            Failure::new(error.to_string()).help(help)
        })?;
        say_labelled(
            "rotated",
            "every customer key is wrapped under a new key; earlier copies of the data folder open only with an earlier \
             copy of the keys folder",
        );
        Ok(Verdict::InOrder)
    }
}
