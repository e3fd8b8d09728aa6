//! The record of an erasure: its id, its time, and the suppression token of the customer.

use super::proof::Salt;
use super::secrets::Secrets;
use crate::domain::consent::{ConsentRecord, ConsentStatus};
use crate::domain::time::Moment;
use crate::unique_id::unique_id;

/// The payload of the frame. It is not encrypted: the token is meaningless without the pepper, and the record names no
/// customer.
pub fn payload(token: &[u8; 32], record: &[u8]) -> Vec<u8> {
    [token.as_slice(), record].concat()
}

/// Splits a payload into token and record.
pub fn parse(payload: &[u8]) -> Option<(&[u8; 32], &[u8])> {
    payload.split_first_chunk()
}

/// The record that the leaf commits to.
pub fn record(at: Moment) -> ConsentRecord {
    ConsentRecord {
        record_id: unique_id(at).to_string(),
        version: 0,
        ..ConsentRecord::new(ConsentStatus::Erased, at, 0)
    }
}

/// The salt of the leaf.
pub fn salt(record: &ConsentRecord, secrets: &Secrets) -> Salt {
    Salt::derive(secrets.erasure(), &record.record_id)
}
