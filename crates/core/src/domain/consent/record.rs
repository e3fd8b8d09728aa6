//! One consent record: one customer, one purpose, one change. Records are never deleted.

use std::fmt;

use compact_str::CompactString;

use crate::domain::notice::NoticeHash;
use crate::domain::purpose::Basis;
use crate::domain::time::{Moment, Period};

crate::words! {
    /// What a record says, in the words of the W3C Data Privacy Vocabulary.
    pub enum ConsentStatus {
        /// The customer agreed.
        Given = "given",
        /// The customer was asked and said no.
        Refused = "refused",
        /// The customer took a yes back.
        Withdrawn = "withdrawn",
        /// The grant was ended, not by the customer.
        Revoked = "revoked",
        /// The customer objected (Article 21).
        Objected = "objected",
        /// Processing is restricted to storage (Article 18).
        Restricted = "restricted",
        /// The restriction ended.
        RestrictionLifted = "restriction_lifted",
        /// The grant ran out. Computed, never written.
        Expired = "expired",
        /// The customer was erased (Article 17).
        Erased = "erased",
        /// A customer who was erased is known again, as by a new contract; it grants nothing.
        Returned = "returned",
    }
}

impl ConsentStatus {
    /// Whether it allows more than before. Such a change takes effect once it is on disk; every other takes effect at
    /// once.
    #[must_use]
    pub fn permits(self) -> bool {
        matches!(self, Self::Given | Self::RestrictionLifted | Self::Returned)
    }

    /// Whether it concerns the whole customer rather than one purpose.
    #[must_use]
    pub fn concerns_everything(self) -> bool {
        matches!(self, Self::Restricted | Self::RestrictionLifted | Self::Erased | Self::Returned)
    }
}

/// How far the clock of a deferred source may be wrong.
pub const DEFERRED_SKEW: Period = Period(5 * 60_000);

/// One change to one purpose, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentRecord {
    /// Unique name of the record.
    pub record_id: String,
    /// Whose record.
    pub customer: CompactString,
    /// Which purpose, by name, so that a record outlives rule sets; empty when it concerns everything.
    pub purpose: CompactString,
    /// Version of the purpose that the customer was shown.
    pub version: u32,
    /// The lawful basis at that time; none if the record concerns everything, or is older than this field.
    pub basis: Option<Basis>,
    /// What changed.
    pub status: ConsentStatus,
    /// When it arrived here.
    pub received: Moment,
    /// Order of arrival; no two records share one.
    pub sequence: u64,
    /// When the source says it happened.
    pub claimed: Option<Moment>,
    /// It comes from an import or a queue rather than from the customer now.
    pub deferred: bool,
    /// A grant ends here (exclusive), if the customer limited it.
    pub valid_until: Option<Moment>,
    /// The notice that was shown, by its path in the rule folder or its address.
    pub notice: String,
    /// The SHA-256 of the notice that the person read; none if the caller did not give it.
    pub notice_hash: Option<NoticeHash>,
    /// Language of the notice.
    pub language: String,
    /// How it was expressed: `ticked`, `said on the phone`.
    pub expression: String,
    /// Where it came from.
    pub source: ConsentSource,
    /// The authenticated caller that recorded it; empty where callers are not authenticated.
    pub recorded_by: String,
    /// The request that it came with, if that may be repeated.
    pub request: Option<RequestMark>,
}

/// The hashes of a request's idempotency key and of what it says, by which a repetition is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestMark {
    /// Of the key.
    pub key: u64,
    /// Of the request.
    pub body: u64,
}

impl RequestMark {
    /// Reads the form that `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (key, body) = text.split_once('-')?;
        Some(Self { key: u64::from_str_radix(key, 16).ok()?, body: u64::from_str_radix(body, 16).ok()? })
    }
}

impl fmt::Display for RequestMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.key, self.body)
    }
}

/// Where a consent record came from, as the caller states it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ConsentSource {
    /// The channel on which it was expressed.
    pub channel: String,
    /// Who acted: the customer, an agent, a parent.
    pub actor: String,
    /// A pointer to evidence, such as a call recording.
    pub evidence: String,
}

/// The order of two changes: later moment wins, then later arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// When it counts from.
    pub at: Moment,
    /// Order of arrival; zero for a claimed time, so that it loses against anything live at that moment.
    pub sequence: u64,
}

impl ConsentRecord {
    /// A record that says this and nothing else: of the first version of a purpose without a name.
    #[must_use]
    pub fn new(status: ConsentStatus, received: Moment, sequence: u64) -> Self {
        Self {
            record_id: String::new(),
            customer: CompactString::default(),
            purpose: CompactString::default(),
            version: 1,
            basis: None,
            status,
            received,
            sequence,
            claimed: None,
            deferred: false,
            valid_until: None,
            notice: String::new(),
            notice_hash: None,
            language: String::new(),
            expression: String::new(),
            source: ConsentSource::default(),
            recorded_by: String::new(),
            request: None,
        }
    }

    /// When the customer said it: at its arrival, or if it is late at the moment that it claims.
    #[must_use]
    pub fn said(&self) -> Moment {
        let claimed = self.claimed.filter(|_| self.deferred);
        claimed.map_or(self.received, |claimed| claimed.min(self.received))
    }

    /// The place of this record in the customer's history.
    ///
    /// What arrives live, and every restriction, counts from its arrival. A deferred grant counts from the
    /// earlier of claim and arrival, less the skew that its clock may have: a wrong clock can then make us
    /// ask again, but never use data against a "no".
    #[must_use]
    pub fn order(&self) -> OrderKey {
        if self.deferred && self.status.permits() {
            let claimed = self.claimed.unwrap_or(self.received).min(self.received);
            OrderKey { at: claimed - DEFERRED_SKEW, sequence: 0 }
        } else {
            OrderKey { at: self.received, sequence: self.sequence }
        }
    }
}
