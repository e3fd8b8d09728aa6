//! Decrypts a frame, and computes the leaf of a record. A leaf commits to the record as JSON-LD, the text that receipts
//! and exports contain.

use super::customer_keys::Keys;
use super::frame::{FrameKind, Header};
use super::proof::{Leaf, Salt};
use super::secrets::Secrets;
use super::{erasure, payload, seal};
use crate::domain::consent::{ConsentRecord, json_ld};

/// The decrypted content of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The record and the salt of its leaf. The record of an erasure names no customer.
    Record(Box<ConsentRecord>, Salt),
    /// The key is missing.
    NoKey,
    /// The frame does not decrypt with its key, or the plaintext is not a record.
    Damaged,
}

/// The leaf of a record.
pub fn leaf(record: &ConsentRecord, salt: &Salt) -> Leaf {
    Leaf::commit(salt, json_ld(record).as_bytes())
}

/// Decrypts the payload of a frame.
pub fn open(header: &Header, sealed: &[u8], keys: &Keys, secrets: &Secrets) -> Content {
    let opened = match (header.head.kind, keys.get(&header.head.key)) {
        (FrameKind::Erasure, _) => {
            erasure::parse(sealed).and_then(|(_, record)| payload::decode(record)).map(|record| {
                let salt = erasure::salt(&record, secrets);
                (record, salt)
            })
        }
        (FrameKind::Record | FrameKind::Return, None) => return Content::NoKey,
        (FrameKind::Record | FrameKind::Return, Some(key)) => {
            seal::open(header, key, sealed).and_then(|plain| payload::decode(&plain)).map(|record| {
                let salt = Salt::derive(key, &record.record_id);
                (record, salt)
            })
        }
    };
    opened.map_or(Content::Damaged, |(record, salt)| Content::Record(Box::new(record), salt))
}
