//! A consent record as JSON-LD in the W3C Data Privacy Vocabulary, the profile for ISO/IEC TS 27560 (`dpv-27560`).
//!
//! The text depends on the record alone and contains all its fields, so it is the same for every reader at every time:
//! the ledger commits to it, receipts show it and exports contain it. What ISO/IEC TS 27560 requires and is the same
//! for every customer (controller, recipients, data, storage) is in the notice that the record names.

use serde::Serialize;

use super::record::{ConsentRecord, ConsentStatus};
use crate::domain::purpose::Basis;

/// The record, in one line.
#[must_use]
pub fn json_ld(record: &ConsentRecord) -> String {
    // Maps of texts and whole numbers can always be serialized.
    serde_json::to_string(&Document::of(record)).unwrap_or_default()
}

#[derive(Serialize)]
struct Document<'r> {
    #[serde(rename = "@context")]
    context: Context,
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "dct:conformsTo")]
    conforms_to: &'static str,
    #[serde(rename = "dpv:hasIdentifier")]
    identifier: &'r str,
    #[serde(rename = "dct:created")]
    created: String,
    #[serde(rename = "dpv:hasDataSubject")]
    subject: Subject<'r>,
    #[serde(rename = "dct:language", skip_serializing_if = "str::is_empty")]
    language: &'r str,
    #[serde(rename = "dpv:hasNotice", skip_serializing_if = "Vec::is_empty")]
    notices: Vec<Notice<'r>>,
    #[serde(rename = "dpv:hasProcess")]
    processes: [Process<'r>; 1],
    #[serde(rename = "tactful:source")]
    source: Source<'r>,
}

#[derive(Serialize)]
struct Context {
    dct: &'static str,
    dpv: &'static str,
    #[serde(rename = "dpv-27560")]
    profile: &'static str,
    #[serde(rename = "eu-gdpr")]
    gdpr: &'static str,
    tactful: &'static str,
}

const CONTEXT: Context = Context {
    dct: "http://purl.org/dc/terms/",
    dpv: "https://w3id.org/dpv#",
    profile: "https://w3id.org/dpv/schema/dpv-27560#",
    gdpr: "https://w3id.org/dpv/legal/eu/gdpr#",
    tactful: "urn:tactful:",
};

/// The word for the customer.
const CUSTOMER: &str = "dpv:DataSubject";

#[derive(Serialize)]
struct Subject<'r> {
    #[serde(rename = "@type")]
    kind: [&'static str; 1],
    #[serde(rename = "dpv:hasIdentifier")]
    identifier: &'r str,
}

#[derive(Serialize)]
struct Notice<'r> {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "dpv:hasIdentifier", skip_serializing_if = "str::is_empty")]
    identifier: &'r str,
    /// The SHA-256 of its text, in hexadecimal.
    #[serde(rename = "tactful:sha256", skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
}

#[derive(Serialize)]
struct Process<'r> {
    #[serde(rename = "dpv:hasPurpose", skip_serializing_if = "Vec::is_empty")]
    purposes: Vec<Purpose<'r>>,
    #[serde(rename = "dpv:hasLegalBasis", skip_serializing_if = "Option::is_none")]
    basis: Option<&'static str>,
    #[serde(rename = "dpv:hasConsentStatus", skip_serializing_if = "Option::is_none")]
    consent: Option<Expressed<'r>>,
    #[serde(rename = "dpv:hasRight", skip_serializing_if = "Option::is_none")]
    right: Option<Expressed<'r>>,
}

#[derive(Serialize)]
struct Purpose<'r> {
    #[serde(rename = "@type")]
    kind: [&'static str; 1],
    #[serde(rename = "dpv:hasIdentifier")]
    identifier: &'r str,
    #[serde(rename = "dct:hasVersion")]
    version: u32,
}

/// What the customer, or a person acting for them, said.
#[derive(Serialize)]
struct Expressed<'r> {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "tactful:status")]
    status: &'static str,
    #[serde(rename = "dpv:isIndicatedAtTime")]
    at: String,
    #[serde(rename = "dpv:isIndicatedBy")]
    by: &'r str,
    #[serde(rename = "dpv:hasIndicationMethod", skip_serializing_if = "str::is_empty")]
    method: &'r str,
    #[serde(rename = "dct:valid", skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

#[derive(Serialize)]
struct Source<'r> {
    #[serde(rename = "tactful:sequence")]
    sequence: u64,
    /// Whether the source said when it was expressed; if not, that is when it was received.
    #[serde(rename = "tactful:claimed")]
    claimed: bool,
    #[serde(rename = "tactful:deferred")]
    deferred: bool,
    #[serde(rename = "tactful:channel", skip_serializing_if = "str::is_empty")]
    channel: &'r str,
    /// The actor's name, if it equals the word that stands for the customer.
    #[serde(rename = "tactful:actor", skip_serializing_if = "Option::is_none")]
    actor: Option<&'r str>,
    #[serde(rename = "tactful:evidence", skip_serializing_if = "str::is_empty")]
    evidence: &'r str,
    /// The authenticated caller, where the other members are what it stated.
    #[serde(rename = "tactful:recordedBy", skip_serializing_if = "str::is_empty")]
    recorded_by: &'r str,
}

impl<'r> Document<'r> {
    fn of(record: &'r ConsentRecord) -> Self {
        let (consent, right) = expressed(record);
        let purpose = Purpose { kind: ["dpv:Purpose"], identifier: &record.purpose, version: record.version };
        let hash = record.notice_hash.map(|hash| hash.to_string());
        let read = !record.notice.is_empty() || hash.is_some();
        let notice = Notice { kind: "dpv:ConsentNotice", identifier: &record.notice, hash };
        Self {
            context: CONTEXT,
            kind: if consent.is_some() { "dpv:ConsentRecord" } else { "dpv:RightExerciseRecord" },
            conforms_to: "dpv-27560:record-2",
            identifier: &record.record_id,
            created: record.received.to_string(),
            subject: Subject { kind: [CUSTOMER], identifier: &record.customer },
            language: &record.language,
            notices: if read { vec![notice] } else { Vec::new() },
            processes: [Process {
                purposes: if record.purpose.is_empty() { Vec::new() } else { vec![purpose] },
                basis: record.basis.map(legal_basis),
                consent,
                right,
            }],
            source: Source {
                sequence: record.sequence,
                claimed: record.claimed.is_some(),
                deferred: record.deferred,
                channel: &record.source.channel,
                actor: Some(record.source.actor.as_str()).filter(|actor| *actor == CUSTOMER),
                evidence: &record.source.evidence,
                recorded_by: &record.recorded_by,
            },
        }
    }
}

/// A consent that was expressed, or a right that was exercised: one of the two.
fn expressed(record: &ConsentRecord) -> (Option<Expressed<'_>>, Option<Expressed<'_>>) {
    let (kind, is_consent) = term(record.status);
    let actor = record.source.actor.as_str();
    let expressed = Expressed {
        kind,
        status: record.status.name(),
        at: record.claimed.unwrap_or(record.received).to_string(),
        by: if actor.is_empty() { CUSTOMER } else { actor },
        method: &record.expression,
        until: record.valid_until.map(|until| until.to_string()),
    };
    if is_consent { (Some(expressed), None) } else { (None, Some(expressed)) }
}

/// The vocabulary's word for a status, and whether it is a status of consent rather than a right of the GDPR.
fn term(status: ConsentStatus) -> (&'static str, bool) {
    match status {
        ConsentStatus::Given => ("dpv:ConsentGiven", true),
        ConsentStatus::Refused => ("dpv:ConsentRefused", true),
        ConsentStatus::Withdrawn => ("dpv:ConsentWithdrawn", true),
        ConsentStatus::Revoked => ("dpv:ConsentRevoked", true),
        ConsentStatus::Expired => ("dpv:ConsentExpired", true),
        ConsentStatus::Objected => ("eu-gdpr:A21", false),
        ConsentStatus::Restricted | ConsentStatus::RestrictionLifted => ("eu-gdpr:A18", false),
        ConsentStatus::Erased => ("eu-gdpr:A17", false),
        ConsentStatus::Returned => ("tactful:Returned", false),
    }
}

fn legal_basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Consent => "eu-gdpr:A6-1-a",
        Basis::ExplicitConsent => "eu-gdpr:A9-2-a",
        Basis::Contract => "eu-gdpr:A6-1-b",
        Basis::LegalObligation => "eu-gdpr:A6-1-c",
        Basis::VitalInterest => "eu-gdpr:A6-1-d",
        Basis::PublicTask => "eu-gdpr:A6-1-e",
        Basis::LegitimateInterest => "eu-gdpr:A6-1-f",
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::ConsentSource;
    use super::*;
    use crate::domain::notice::NoticeHash;
    use crate::domain::time::Moment;

    fn record() -> ConsentRecord {
        ConsentRecord {
            record_id: "r-00000007-1".into(),
            customer: "anna".into(),
            purpose: "marketing.email".into(),
            version: 2,
            basis: Some(Basis::Consent),
            claimed: Some(Moment(1_772_441_999_500)),
            valid_until: Some(Moment(1_800_000_000_000)),
            notice: "notices/marketing-email-v2.md".into(),
            language: "de".into(),
            expression: "ticked \"yes\"".into(),
            source: ConsentSource { channel: "web".into(), actor: String::new(), evidence: "form-17".into() },
            ..ConsentRecord::new(ConsentStatus::Given, Moment(1_772_442_000_000), 1)
        }
    }

    #[test]
    fn a_record_in_the_words_of_the_vocabulary() {
        let pretty = |record: &ConsentRecord| {
            let value: serde_json::Value = serde_json::from_str(&json_ld(record)).unwrap();
            serde_json::to_string_pretty(&value).unwrap()
        };
        insta::assert_snapshot!("given", pretty(&record()));
        let restricted = ConsentRecord {
            purpose: "".into(),
            basis: None,
            status: ConsentStatus::Restricted,
            valid_until: None,
            source: ConsentSource { actor: "agent-7".into(), ..ConsentSource::default() },
            ..record()
        };
        insta::assert_snapshot!("restricted", pretty(&restricted));
        let attested =
            ConsentRecord { notice_hash: Some(NoticeHash([0x5a; 32])), recorded_by: "crm".into(), ..record() };
        insta::assert_snapshot!("attested", pretty(&attested));
    }

    /// The ledger commits to this text: were a field missing, two different records would share a proof.
    #[test]
    fn every_field_shows() {
        let changes: [fn(&mut ConsentRecord); 18] = [
            |record| record.record_id = "other".into(),
            |record| record.customer = "other".into(),
            |record| record.purpose = "other".into(),
            |record| record.version = 3,
            |record| record.basis = Some(Basis::ExplicitConsent),
            |record| record.status = ConsentStatus::Withdrawn,
            |record| record.received = Moment(1),
            |record| record.sequence = 2,
            |record| record.claimed = None,
            |record| record.deferred = true,
            |record| record.valid_until = None,
            |record| record.notice = "other".into(),
            |record| record.notice_hash = Some(NoticeHash([7; 32])),
            |record| record.language = "en".into(),
            |record| record.expression = "other".into(),
            |record| record.source.channel = "phone".into(),
            |record| record.source.evidence = "other".into(),
            |record| record.recorded_by = "crm".into(),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut changed = record();
            change(&mut changed);
            assert_ne!(json_ld(&changed), json_ld(&record()), "{index}");
        }
        let by_agent = |actor: &str| {
            let mut changed = record();
            changed.source.actor = actor.into();
            json_ld(&changed)
        };
        assert_ne!(by_agent("agent-7"), by_agent(""));
        assert_ne!(by_agent(CUSTOMER), by_agent(""), "a person of that name is not the customer");
    }
}
