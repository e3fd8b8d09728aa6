//! `tactful ledger checkpoint`: the newest signed head, to keep in another place.

use clap::Args;

use super::{LedgerPlace, say, verifying_key};
use crate::cli::{Failure, Verdict, say_err};
use crate::ledger::proof;

/// Print the newest signed head of the ledger, to keep in another place
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful ledger checkpoint > kept/checkpoint\n  tactful ledger checkpoint --key > kept/vkey\n\n\
    Exit code 0 if it is printed, 1 if its signature does not hold, 2 if it cannot be read."
)]
pub(super) struct Checkpoint {
    #[command(flatten)]
    place: LedgerPlace,
    /// Print the key that verifies it instead
    #[arg(long)]
    key: bool,
}

impl Checkpoint {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let inspection = self.place.inspect()?;
        let (key, _) = verifying_key(None, &inspection)?;
        if self.key {
            say(&key.to_string());
            return Ok(Verdict::InOrder);
        }
        let (path, note) = inspection.checkpoint().map_err(|error| Failure::new(error.to_string()))?;
        if let Err(error) = proof::Checkpoint::open(&note, &key) {
            say_err(&format!("error: `{}`: {error}", path.display()));
            return Ok(Verdict::Wrong);
        }
        say(note.trim_end());
        Ok(Verdict::InOrder)
    }
}
