//! The ledger is killed, loses its power, its disk fills up or goes bad, and its files are damaged: nothing that was
//! acknowledged is lost, nothing that was withdrawn is used, nothing goes unseen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic, wherever it stands"
)]

mod customers;
mod damage;
mod disk;
mod erasure;
mod full_disk;
mod kill;
mod power_cut;
mod random;

use std::path::Path;

use tactful::domain::consent::{ConsentRecord, ConsentStatus};
use tactful::domain::time::Moment;
use tactful::ledger::{FileLedger, LedgerSettings};

/// The settings of a ledger on a model disk, with segments so small that there are several, and a small reserve.
fn settings() -> LedgerSettings {
    LedgerSettings { segment_bytes: 4_000, reserve_bytes: 128 * 1024, ..LedgerSettings::of(Path::new("/data")) }
}

/// Every record that may be read, with its position.
fn everything(ledger: &FileLedger) -> Vec<(u64, ConsentRecord)> {
    ledger.records_at(1..=u64::MAX).unwrap()
}

/// The record of a number. Every other one takes back what the one before gave.
fn record(customer: &str, number: u64) -> ConsentRecord {
    let status = if number.is_multiple_of(2) { ConsentStatus::Withdrawn } else { ConsentStatus::Given };
    ConsentRecord {
        record_id: format!("r-{customer}-{number}"),
        customer: customer.into(),
        purpose: "personalisation".into(),
        ..ConsentRecord::new(status, Moment(i64::try_from(number).unwrap()), number)
    }
}
