//! `tactful ledger export`: the readable records, for other programs.

use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;

use clap::Args;

use super::LedgerPlace;
use crate::cli::{Failure, Verdict, say_err};
use crate::domain::consent::json_ld;

/// Print every record that can be read as JSON-LD (dpv-27560), one a line, oldest first
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful ledger export > consents.jsonl\n  tactful ledger export --customer anna\n\n\
    Records of erased customers are left out: their keys are deleted, also for every older copy of the data folder \
    that is opened with this keys folder.\n\n\
    Exit code 0 if it is printed, 1 if the ledger is damaged, 2 if it cannot be read."
)]
pub(super) struct Export {
    #[command(flatten)]
    place: LedgerPlace,
    /// Only the records of this customer
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
}

impl Export {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let inspection = self.place.inspect()?;
        if !inspection.has_keys() {
            return Err(Failure::new("records cannot be read without the keys folder").help("name it with --keys"));
        }
        let mut out = BufWriter::new(std::io::stdout().lock());
        let mut written = Ok(());
        let read = inspection.records(|_, record| {
            if self.customer.as_ref().is_none_or(|customer| record.customer == *customer) {
                written = writeln!(out, "{}", json_ld(&record));
            }
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        // The reader may stop early.
        drop(written.and_then(|()| out.flush()));
        match read {
            Ok(()) => Ok(Verdict::InOrder),
            Err(error) => {
                say_err(&format!("error: {error}"));
                Ok(Verdict::Wrong)
            }
        }
    }
}
