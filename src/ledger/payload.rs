//! A consent record as the ledger file holds it: JSON, with moments in milliseconds since 1970.

use serde::{Deserialize, Serialize};

use crate::domain::consent::record::ConsentSource;
use crate::domain::consent::{ConsentRecord, ConsentStatus};
use crate::domain::purpose::Basis;
use crate::domain::time::Moment;

#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    record_id: String,
    customer: String,
    purpose: String,
    version: u32,
    #[serde(default)]
    basis: Option<String>,
    status: String,
    received: i64,
    sequence: u64,
    claimed: Option<i64>,
    deferred: bool,
    valid_until: Option<i64>,
    notice: String,
    language: String,
    expression: String,
    channel: String,
    actor: String,
    evidence: String,
}

/// A record as bytes.
pub fn write(record: &ConsentRecord) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Payload {
        record_id: record.record_id.clone(),
        customer: record.customer.to_string(),
        purpose: record.purpose.to_string(),
        version: record.version,
        basis: record.basis.map(|basis| basis.name().to_owned()),
        status: record.status.name().to_owned(),
        received: record.received.0,
        sequence: record.sequence,
        claimed: record.claimed.map(|at| at.0),
        deferred: record.deferred,
        valid_until: record.valid_until.map(|at| at.0),
        notice: record.notice.clone(),
        language: record.language.clone(),
        expression: record.expression.clone(),
        channel: record.source.channel.clone(),
        actor: record.source.actor.clone(),
        evidence: record.source.evidence.clone(),
    })
}

/// A record from bytes; nothing for what no version ever wrote.
pub fn read(bytes: &[u8]) -> Option<ConsentRecord> {
    let payload: Payload = serde_json::from_slice(bytes).ok()?;
    Some(ConsentRecord {
        record_id: payload.record_id,
        customer: payload.customer.into(),
        purpose: payload.purpose.into(),
        version: payload.version,
        basis: payload.basis.map(|name| Basis::named(&name).ok_or(())).transpose().ok()?,
        status: ConsentStatus::named(&payload.status)?,
        received: Moment(payload.received),
        sequence: payload.sequence,
        claimed: payload.claimed.map(Moment),
        deferred: payload.deferred,
        valid_until: payload.valid_until.map(Moment),
        notice: payload.notice,
        language: payload.language,
        expression: payload.expression,
        source: ConsentSource { channel: payload.channel, actor: payload.actor, evidence: payload.evidence },
    })
}
