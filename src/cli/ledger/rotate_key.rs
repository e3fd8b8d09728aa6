//! `tactful ledger rotate-key`: makes copies of the data folder unreadable.

use clap::Args;

use super::{LedgerPlace, say};
use crate::cli::{Failure, Verdict};
use crate::ledger::{FileLedger, OpenError};

/// Wrap every customer key under a new key and destroy the old one, so that earlier copies of the data folder become
/// unreadable
#[derive(Debug, Args)]
#[command(after_help = "Stop the server first.\n\nExample:\n  tactful ledger rotate-key --data data\n\n\
    An earlier copy of the data folder can still be read with an earlier copy of the keys folder: destroy such copies of \
    the keys folder.")]
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
        say(
            "every customer key is wrapped under a new key; earlier copies of the data folder open only with an earlier copy of the keys folder",
        );
        Ok(Verdict::InOrder)
    }
}
