//! `tactful ledger verify-receipt`: a customer's own check, which needs only the receipt and the key.

use std::path::PathBuf;

use clap::Args;

use super::{parse_key, read_text, say};
use crate::cli::{Failure, Verdict, counted, say_err};
use crate::ledger::proof::Receipt;

/// Check a receipt with the ledger's key alone, and print its record
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  tactful ledger verify-receipt anna-17.tlog-proof --key \"$(cat vkey)\"\n\n\
    Exit code 0 if it holds, 1 if it proves nothing, 2 if it could not be read.")]
pub(super) struct VerifyReceipt {
    /// The receipt, a tlog-proof file
    receipt: PathBuf,
    /// Key of the ledger, as `tactful ledger checkpoint --key` prints it
    #[arg(long, value_name = "VKEY")]
    key: String,
}

impl VerifyReceipt {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let key = parse_key(self.key.trim())?;
        let text = read_text(&self.receipt)?;
        let verified = match Receipt::open(&text, &key) {
            Ok(verified) => verified,
            Err(error) => {
                say_err(&format!("error: `{}`: {error}", self.receipt.display()));
                return Ok(Verdict::Wrong);
            }
        };
        let record: Option<serde_json::Value> = serde_json::from_slice(&verified.record).ok();
        let record = record.and_then(|record| serde_json::to_string_pretty(&record).ok());
        say(&record.unwrap_or_else(|| String::from_utf8_lossy(&verified.record).into_owned()));
        let (origin, size) = (&verified.checkpoint.origin, counted(verified.checkpoint.size as usize, "record"));
        let position = verified.index + 1;
        say(&format!("record {position} of the log {origin}, signed when it had {size}, verified"));
        Ok(Verdict::InOrder)
    }
}
