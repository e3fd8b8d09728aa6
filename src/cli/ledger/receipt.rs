//! `tactful ledger receipt`: the proof, for a customer to keep, that a record is in the ledger.

use std::ops::ControlFlow;

use clap::Args;

use super::{LedgerPlace, say, unproved, verifying_key};
use crate::cli::{Failure, Verdict};
use crate::ledger::{InspectError, Inspection};

/// Print the receipt of a record: with the ledger's key, it proves that the record is in the ledger
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  tactful ledger receipt --position 17 > anna-17.tlog-proof\n  tactful ledger receipt --record 019cae3a-5f20-7000-9d53-6a1f0c28e4b7\n\n\
    Exit code 0 if it is printed, 1 if the ledger is damaged, 2 if it cannot be read or has no such record."
)]
pub(super) struct Receipt {
    #[command(flatten)]
    place: LedgerPlace,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The record's position in the ledger, from 1
    #[arg(long, value_name = "NUMBER")]
    position: Option<u64>,
    /// The record's id
    #[arg(long, value_name = "ID")]
    record: Option<String>,
}

impl Receipt {
    pub(super) fn run(self) -> Result<Verdict, Failure> {
        let inspection = self.place.inspect()?;
        let (key, _) = verifying_key(None, &inspection)?;
        let position = match &self.which.record {
            Some(record) => find(&inspection, record),
            None => Ok(self.which.position.unwrap_or(0)),
        };
        match position.and_then(|position| inspection.receipt(position, &key)) {
            Ok(receipt) => say(receipt.trim_end()),
            Err(error) => return unproved(&error),
        }
        Ok(Verdict::InOrder)
    }
}

fn find(inspection: &Inspection, id: &str) -> Result<u64, InspectError> {
    let mut found = None;
    inspection.records(|position, record| {
        found = (record.record_id == id).then_some(position);
        if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    found.ok_or_else(|| InspectError::NoRecord(id.to_owned()))
}
