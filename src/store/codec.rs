//! The stored form of a customer: writes version 5 of the format, and reads versions 1 to 5.
//!
//! Names are ids of the vocabulary in the metadata keyspace. The structs here, and the bytes in which the domain packs
//! attributes, events and ids, define the disk format: a change to either is a new version, and files of the previous
//! version stay in `tests/fixtures/customers`.

use postcard::experimental::max_size::MaxSize;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::domain::action::{ActionKind, Outcome};
use crate::domain::customer::contact::DecisionKey;
use crate::domain::customer::state::MOST_REQUESTS;
use crate::domain::customer::{
    Contact, ContactState, CustomerState, JourneyState, KnownRequest, OutcomeEntry, OutcomeSet, PastStage, Relation,
};
use crate::domain::id::{ActionId, ChannelId, GroupId, JourneyId, PurposeId, PurposeSet, StageId};
use crate::domain::time::{Moment, Period, zone};

/// The version that is written.
pub const VERSION: u8 = 5;

/// An answered request, as versions 1 to 4 stored it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, MaxSize)]
pub struct StoredRequest {
    /// The hash of the request id.
    pub request: u64,
    /// The number of the decision.
    pub decision: u64,
    /// When a repetition is decided again, in milliseconds since 1970.
    pub until: i64,
}

/// A customer as stored. Consent is not stored here: it comes from the ledger.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredCustomer {
    /// The customer's id.
    pub customer: String,
    /// The number of denials so far: the customer's revocation epoch.
    pub denials: u64,
    /// Attributes, events, ids, journeys, contacts and outcomes.
    pub state: CustomerState,
}

/// Versions differ in the form `C` of a contact.
#[derive(Serialize, Deserialize)]
struct EncodedCustomer<'a, C> {
    customer: &'a str,
    denials: u64,
    /// Of versions 1 to 4, newest first; later ones pack them.
    requests: Vec<StoredRequest>,
    /// Attributes, events, the requests that were answered and the ids that were seen.
    #[serde(with = "serde_bytes")]
    packed: &'a [u8],
    journeys: Vec<StoredJourney>,
    contacts: Vec<C>,
    outcomes: Vec<StoredOutcome>,
    zone: Option<String>,
    forgotten: Option<i64>,
    forgotten_events: Option<(i64, u64)>,
    lost: Option<i64>,
}

/// Versions 4 and 5: what version 3 has, and the steps of the last minutes. Version 5 packs the requests that were answered.
#[derive(Serialize, Deserialize)]
struct EncodedCustomerV4<'a> {
    #[serde(borrow)]
    customer: EncodedCustomer<'a, StoredContact>,
    past_stages: Vec<StoredPastStage>,
}

/// A stage of a journey that the customer has left in the last minutes.
#[derive(Serialize, Deserialize)]
struct StoredPastStage {
    journey: u16,
    purpose: u8,
    state: Option<StoredJourney>,
    until: i64,
    by_attributes: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredJourney {
    journey: u16,
    stage: u16,
    started: i64,
    entered: i64,
    purpose: u8,
}

/// A contact, with ids and words as numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, MaxSize)]
pub struct StoredContact {
    contact: StoredContactV2,
    /// The outcomes that it has had.
    outcomes: u16,
}

/// A contact as versions 1 and 2 stored it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, MaxSize)]
pub struct StoredContactV2 {
    decision: u64,
    action: u16,
    kind: u8,
    group: Option<u16>,
    channel: Option<u8>,
    at: i64,
    /// When the reservation lapses; none for a confirmed contact.
    until: Option<i64>,
    readable: u64,
}

/// An outcome, with ids and words as numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, MaxSize)]
pub struct StoredOutcome {
    action: u16,
    kind: u8,
    group: Option<u16>,
    readable: u64,
    channel: Option<u8>,
    outcome: u8,
    at: i64,
}

/// Encodes a customer; the parameters are the fields of [`StoredCustomer`].
///
/// # Errors
/// When the customer cannot be encoded.
pub fn encode(customer: &str, denials: u64, state: &CustomerState) -> Result<Vec<u8>, StoreError> {
    let relation = state.relation();
    let encoded = EncodedCustomer {
        customer,
        denials,
        requests: Vec::new(),
        packed: state.packed(),
        journeys: relation.journeys.iter().map(stored_journey).collect(),
        contacts: relation.contacts.iter().map(StoredContact::of).collect(),
        outcomes: relation.outcomes.iter().map(StoredOutcome::of).collect(),
        zone: relation.zone.as_ref().and_then(|zone| zone.iana_name()).map(str::to_owned),
        forgotten: relation.forgotten.map(|at| at.0),
        forgotten_events: relation.forgotten_events.map(|(at, purposes)| (at.0, purposes.0)),
        lost: relation.lost.map(|at| at.0),
    };
    let capacity = encoded.packed.len() + 48 * (1 + encoded.contacts.len() + encoded.outcomes.len());
    let past_stages = relation.past_stages.iter().map(stored_past).collect();
    let encoded = EncodedCustomerV4 { customer: encoded, past_stages };
    Ok(postcard::to_extend(&encoded, Vec::with_capacity(capacity))?)
}

/// Decodes the current version; `None` if the bytes are damaged.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<StoredCustomer> {
    decode_version(VERSION, bytes)
}

/// Converts an earlier version to the current one; `None` if the version is unknown or the bytes are damaged.
#[must_use]
pub fn upgrade(version: u8, bytes: Vec<u8>) -> Option<Vec<u8>> {
    if version == VERSION { Some(bytes) } else { decode_version(version, &bytes)?.encode().ok() }
}

fn decode_version(version: u8, bytes: &[u8]) -> Option<StoredCustomer> {
    match version {
        1 | 2 => restored::<StoredContactV2>(version, postcard::from_bytes(bytes).ok()?, &[]),
        3 => restored::<StoredContact>(version, postcard::from_bytes(bytes).ok()?, &[]),
        4 | VERSION => {
            let EncodedCustomerV4 { customer, past_stages } = postcard::from_bytes(bytes).ok()?;
            restored(version, customer, &past_stages)
        }
        _ => None,
    }
}

fn restored<C: Into<StoredContact>>(
    version: u8,
    encoded: EncodedCustomer<'_, C>,
    past_stages: &[StoredPastStage],
) -> Option<StoredCustomer> {
    let contacts = encoded.contacts.into_iter().map(|contact| Into::<StoredContact>::into(contact).contact());
    let relation = Relation {
        journeys: encoded.journeys.iter().map(restored_journey).collect(),
        contacts: contacts.collect::<Option<_>>()?,
        outcomes: encoded.outcomes.iter().map(StoredOutcome::entry).collect::<Option<_>>()?,
        zone: encoded.zone.as_deref().and_then(zone),
        forgotten: encoded.forgotten.map(Moment),
        forgotten_events: encoded.forgotten_events.map(|(at, purposes)| (Moment(at), PurposeSet(purposes))),
        lost: encoded.lost.map(Moment),
        past_stages: past_stages.iter().map(restored_past).collect(),
    };
    let mut state = match version {
        VERSION => CustomerState::restored(encoded.packed, relation)?,
        before => CustomerState::restored_from(before, encoded.packed, relation)?,
    };
    for request in encoded.requests.iter().rev() {
        state.remember_request(request.known(), MOST_REQUESTS);
    }
    Some(StoredCustomer { customer: encoded.customer.to_owned(), denials: encoded.denials, state })
}

impl StoredCustomer {
    /// Encodes the customer in the current version.
    ///
    /// # Errors
    /// When the customer cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        encode(&self.customer, self.denials, &self.state)
    }
}

impl StoredRequest {
    /// For how long versions 1 to 4 remembered a request.
    const REMEMBERED: Period = Period(10 * 60_000);

    /// The request in its present form. What it asked is not known.
    #[must_use]
    pub fn known(&self) -> KnownRequest {
        KnownRequest::new(self.request, None, DecisionKey(self.decision), Moment(self.until) - Self::REMEMBERED)
    }
}

impl StoredContact {
    /// Converts a contact to its stored form.
    #[must_use]
    pub fn of(contact: &Contact) -> Self {
        let stored = StoredContactV2 {
            decision: contact.decision.0,
            action: contact.action.0,
            kind: index(contact.kind.index()),
            group: contact.group.map(|group| group.0),
            channel: contact.channel.map(|channel| channel.0),
            at: contact.at.0,
            until: match contact.state {
                ContactState::Reserved { until } => Some(until.0),
                ContactState::Counted => None,
            },
            readable: contact.readable.0,
        };
        Self { contact: stored, outcomes: contact.outcomes.0 }
    }

    /// Converts it back; `None` if its kind is unknown.
    #[must_use]
    pub fn contact(&self) -> Option<Contact> {
        let Self { contact: stored, outcomes } = self;
        let reserved = |until| ContactState::Reserved { until: Moment(until) };
        Some(Contact {
            decision: DecisionKey(stored.decision),
            action: ActionId(stored.action),
            kind: ActionKind::at(usize::from(stored.kind))?,
            group: stored.group.map(GroupId),
            channel: stored.channel.map(ChannelId),
            at: Moment(stored.at),
            state: stored.until.map_or(ContactState::Counted, reserved),
            readable: PurposeSet(stored.readable),
            outcomes: OutcomeSet(*outcomes),
        })
    }
}

impl From<StoredContactV2> for StoredContact {
    /// What became of a contact was not stored, but that another system's was presented.
    fn from(contact: StoredContactV2) -> Self {
        let reported = DecisionKey(contact.decision) == DecisionKey::default();
        let outcomes = if reported { OutcomeSet::of(Outcome::Presented) } else { OutcomeSet::default() };
        Self { contact, outcomes: outcomes.0 }
    }
}

impl StoredOutcome {
    /// Converts an outcome to its stored form.
    #[must_use]
    pub fn of(entry: &OutcomeEntry) -> Self {
        Self {
            action: entry.action.0,
            kind: index(entry.kind.index()),
            group: entry.group.map(|group| group.0),
            readable: entry.readable.0,
            channel: entry.channel.map(|channel| channel.0),
            outcome: index(entry.outcome.index()),
            at: entry.at.0,
        }
    }

    /// Converts it back; `None` if its kind or outcome is unknown.
    #[must_use]
    pub fn entry(&self) -> Option<OutcomeEntry> {
        Some(OutcomeEntry {
            action: ActionId(self.action),
            kind: ActionKind::at(usize::from(self.kind))?,
            group: self.group.map(GroupId),
            readable: PurposeSet(self.readable),
            channel: self.channel.map(ChannelId),
            outcome: Outcome::at(usize::from(self.outcome))?,
            at: Moment(self.at),
        })
    }
}

/// A word is stored as its index in the list of all words of its kind, to which words are only ever appended; none has
/// more than 255.
fn index(place: usize) -> u8 {
    u8::try_from(place).unwrap_or(u8::MAX)
}

fn stored_journey(state: &JourneyState) -> StoredJourney {
    StoredJourney {
        journey: state.journey.0,
        stage: state.stage.0,
        started: state.started.0,
        entered: state.entered.0,
        purpose: state.purpose.0,
    }
}

fn stored_past(past: &PastStage) -> StoredPastStage {
    let PastStage { journey, purpose, state, until, by_attributes } = *past;
    let state = state.as_ref().map(stored_journey);
    StoredPastStage { journey: journey.0, purpose: purpose.0, state, until: until.0, by_attributes }
}

fn restored_past(stored: &StoredPastStage) -> PastStage {
    PastStage {
        journey: JourneyId(stored.journey),
        purpose: PurposeId(stored.purpose),
        state: stored.state.as_ref().map(restored_journey),
        until: Moment(stored.until),
        by_attributes: stored.by_attributes,
    }
}

fn restored_journey(stored: &StoredJourney) -> JourneyState {
    JourneyState {
        journey: JourneyId(stored.journey),
        stage: StageId(stored.stage),
        started: Moment(stored.started),
        entered: Moment(stored.entered),
        purpose: PurposeId(stored.purpose),
    }
}
