//! `tactful ledger verify`: everything that can be checked without the server.

use std::path::PathBuf;

use clap::Args;

use super::{LedgerPlace, read_text, verifying_key};
use crate::cli::{Failure, Verdict, counted, say, say_err};
use crate::ledger::proof::VerifyingKey;
use crate::ledger::{Inspection, Verification, verify};

/// Check every record, checkpoint and published file of the ledger
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful ledger verify\n  tactful ledger verify --expect-head kept/checkpoint --key \"$(cat kept/vkey)\"\n\n\
    Exit code 0 if everything holds, 1 if anything does not, 2 if the ledger could not be read."
)]
pub(super) struct Verify {
    #[command(flatten)]
    place: LedgerPlace,
    /// Key of the ledger, not taken from the data folder [default: the one in DATA/log/vkey]
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    /// File with a checkpoint that the ledger must contain, kept in another place; may be repeated
    #[arg(long, value_name = "FILE")]
    expect_head: Vec<PathBuf>,
}

impl Verify {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let inspection = self.place.inspect()?;
        let (key, source) = verifying_key(self.key.as_ref(), &inspection)?;
        let kept: Result<Vec<_>, Failure> =
            self.expect_head.iter().map(|path| Ok((path.clone(), read_text(path)?))).collect();
        let found = verify(&inspection, &key, kept?).map_err(|error| Failure::new(error.to_string()))?;
        describe(&found, &inspection, &key, &source);
        let head = format!("{}, head {}", counted(found.head.size as usize, "record"), found.head.root);
        if found.problems.is_empty() {
            say(&format!("{head}, verified"));
            return Ok(Verdict::InOrder);
        }
        for problem in &found.problems {
            say_err(&format!("error: {problem}"));
        }
        say(&format!("{head}, NOT verified: {}", counted(found.problems.len(), "error")));
        Ok(Verdict::Wrong)
    }
}

/// Prints what was checked.
fn describe(found: &Verification, inspection: &Inspection, key: &VerifyingKey, source: &str) {
    say("frames       the checksum and the hash of each record were recomputed, and the chain of hashes checked");
    if inspection.has_keys() {
        let erased = match found.erased {
            0 => String::new(),
            count => format!("; {} of erased customers, which cannot be decrypted", counted(count as usize, "record")),
        };
        let opened = counted(found.opened as usize, "record");
        say(&format!("records      {opened} decrypted and compared with their leaves in the tree{erased}"));
    } else {
        let sealed = counted(found.sealed as usize, "record");
        say(&format!("records      {sealed} not decrypted: there is no keys folder"));
    }
    for (path, size) in &found.checkpoints {
        let size = counted(*size as usize, "record");
        say(&format!("checkpoint   {}: signed, and its root is that of the first {size}", path.display()));
    }
    say(&format!("tiles        {} checked against the records", counted(found.tiles, "file")));
    if let Some((path, offset)) = &found.torn {
        let place = format!("`{}` from byte {offset} on", path.display());
        say(&format!("unfinished   {place}: a record that was never acknowledged, or that is being written now"));
    }
    say(&format!("key          {key} ({source})"));
}
