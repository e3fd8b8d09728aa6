//! `tactful ledger proof`: proves that the ledger has only grown since an earlier checkpoint.

use clap::Args;

use super::{LedgerPlace, say, unproved, verifying_key};
use crate::cli::{Failure, Verdict};
use crate::ledger::proof::Checkpoint;

/// Prove that the ledger still contains everything that an earlier checkpoint signed
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful ledger proof --from 1000\n  tactful ledger proof --from 1000 --to 2000\n\n\
    Without --to, the newest checkpoint follows the proof: what a C2SP witness takes as `add-checkpoint`.\n\n\
    Exit code 0 if it is printed, 1 if the ledger is damaged, 2 if it cannot be read or has no such record."
)]
pub(super) struct Proof {
    #[command(flatten)]
    place: LedgerPlace,
    /// How many records the earlier checkpoint covers
    #[arg(long, value_name = "NUMBER")]
    from: u64,
    /// How many records the later one covers [default: all that are signed]
    #[arg(long, value_name = "NUMBER")]
    to: Option<u64>,
}

impl Proof {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let inspection = self.place.inspect()?;
        let (key, _) = verifying_key(None, &inspection)?;
        let proved = inspection.checkpoint().map_err(Into::into).and_then(|(_, note)| {
            let signed = Checkpoint::open(&note, &key)?;
            Ok((inspection.consistency(self.from, self.to.unwrap_or(signed.size), &signed)?, note))
        });
        let (path, note) = match proved {
            Ok(proved) => proved,
            Err(error) => return unproved(&error),
        };
        let lines: Vec<String> = path.iter().map(ToString::to_string).collect();
        say(&[vec![format!("old {}", self.from)], lines].concat().join("\n"));
        if self.to.is_none() {
            say(&format!("\n{}", note.trim_end()));
        }
        Ok(Verdict::InOrder)
    }
}
