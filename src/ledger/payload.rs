//! The plaintext payload of a frame: a consent record as JSON, with moments in milliseconds since 1970.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::domain::consent::record::{ConsentSource, RequestMark};
use crate::domain::consent::{ConsentRecord, ConsentStatus, NoticeHash};
use crate::domain::purpose::Basis;
use crate::domain::time::Moment;

#[derive(Debug, Serialize, Deserialize)]
struct Payload<'p> {
    #[serde(borrow)]
    record_id: Cow<'p, str>,
    #[serde(borrow)]
    customer: Cow<'p, str>,
    #[serde(borrow)]
    purpose: Cow<'p, str>,
    version: u32,
    #[serde(default)]
    basis: Option<Cow<'p, str>>,
    #[serde(borrow)]
    status: Cow<'p, str>,
    received: i64,
    sequence: u64,
    claimed: Option<i64>,
    deferred: bool,
    valid_until: Option<i64>,
    #[serde(borrow)]
    notice: Cow<'p, str>,
    #[serde(borrow)]
    language: Cow<'p, str>,
    #[serde(borrow)]
    expression: Cow<'p, str>,
    #[serde(borrow)]
    channel: Cow<'p, str>,
    #[serde(borrow)]
    actor: Cow<'p, str>,
    #[serde(borrow)]
    evidence: Cow<'p, str>,
    /// In hexadecimal; absent in records from before, as the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notice_hash: Option<String>,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    recorded_by: Cow<'p, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<String>,
}

/// The fields of a record that the index and the summary need.
pub struct Outline<'p> {
    pub customer: Cow<'p, str>,
    /// The purpose; empty if the record concerns all purposes.
    pub purpose: Cow<'p, str>,
    /// The number of the record in the order of arrival.
    pub sequence: u64,
    pub received: Moment,
}

pub fn encode(record: &ConsentRecord) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Payload {
        record_id: (&record.record_id).into(),
        customer: record.customer.as_str().into(),
        purpose: record.purpose.as_str().into(),
        version: record.version,
        basis: record.basis.map(|basis| basis.name().into()),
        status: record.status.name().into(),
        received: record.received.0,
        sequence: record.sequence,
        claimed: record.claimed.map(|at| at.0),
        deferred: record.deferred,
        valid_until: record.valid_until.map(|at| at.0),
        notice: (&record.notice).into(),
        language: (&record.language).into(),
        expression: (&record.expression).into(),
        channel: (&record.source.channel).into(),
        actor: (&record.source.actor).into(),
        evidence: (&record.source.evidence).into(),
        notice_hash: record.notice_hash.map(|hash| hash.to_string()),
        recorded_by: (&record.recorded_by).into(),
        request: record.request.map(|mark| mark.to_string()),
    })
}

/// Decodes a record; `None` if the bytes are not one.
pub fn decode(bytes: &[u8]) -> Option<ConsentRecord> {
    let (payload, basis, status) = parse(bytes)?;
    let notice_hash = match &payload.notice_hash {
        Some(text) => Some(NoticeHash::parse(text)?),
        None => None,
    };
    Some(ConsentRecord {
        record_id: payload.record_id.into_owned(),
        customer: payload.customer.into(),
        purpose: payload.purpose.into(),
        version: payload.version,
        basis,
        status,
        received: Moment(payload.received),
        sequence: payload.sequence,
        claimed: payload.claimed.map(Moment),
        deferred: payload.deferred,
        valid_until: payload.valid_until.map(Moment),
        notice: payload.notice.into_owned(),
        notice_hash,
        language: payload.language.into_owned(),
        expression: payload.expression.into_owned(),
        source: ConsentSource {
            channel: payload.channel.into_owned(),
            actor: payload.actor.into_owned(),
            evidence: payload.evidence.into_owned(),
        },
        recorded_by: payload.recorded_by.into_owned(),
        request: payload.request.as_deref().and_then(RequestMark::parse),
    })
}

/// Decodes the outline of a record; `None` if the bytes are not a record.
pub fn outline(bytes: &[u8]) -> Option<Outline<'_>> {
    let (Payload { customer, purpose, sequence, received, .. }, ..) = parse(bytes)?;
    Some(Outline { customer, purpose, sequence, received: Moment(received) })
}

fn parse(bytes: &[u8]) -> Option<(Payload<'_>, Option<Basis>, ConsentStatus)> {
    let payload: Payload<'_> = serde_json::from_slice(bytes).ok()?;
    let basis = payload.basis.as_deref().map(|name| Basis::named(name).ok_or(())).transpose().ok()?;
    let status = ConsentStatus::named(&payload.status)?;
    Some((payload, basis, status))
}
