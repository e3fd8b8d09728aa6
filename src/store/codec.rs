//! What is kept of a customer as bytes, and back: version 2 of the format, and version 1 as it was.
//!
//! Names are numbers of the vocabulary that is stored beside the customers. The shapes here, and the run of bytes in which
//! the domain packs attributes and events, are those of the file: a change to either is a new version, and files of the
//! old one stay in `tests/fixtures/customers`.

use serde::{Deserialize, Serialize};

use crate::domain::action::{ActionKind, Outcome};
use crate::domain::customer::contact::DecisionKey;
use crate::domain::customer::{Contact, ContactState, CustomerState, JourneyState, OutcomeEntry, Relation};
use crate::domain::id::{ActionId, ChannelId, GroupId, JourneyId, PurposeId, PurposeSet, StageId};
use crate::domain::time::{Moment, zone};

/// The version that is written.
pub const VERSION: u8 = 2;

/// A request that was answered: its hash, its decision, and until when it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// A hash of the request's id.
    pub request: u64,
    /// The decision's number.
    pub decision: u64,
    /// Remembered until here.
    pub until: i64,
}

/// Everything that is kept of a customer. What the ledger says of them is not among it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// Whose.
    pub customer: String,
    /// How often something was denied.
    pub denials: u64,
    /// Recent requests, newest first.
    pub asked: Vec<Asked>,
    /// Attributes, events, journeys, contacts and outcomes.
    pub state: CustomerState,
}

#[derive(Serialize, Deserialize)]
struct StoredCustomer<'a> {
    customer: &'a str,
    denials: u64,
    asked: Vec<Asked>,
    /// Attributes, events and the ids that were seen.
    #[serde(with = "serde_bytes")]
    packed: &'a [u8],
    journeys: Vec<StoredJourney>,
    contacts: Vec<StoredContact>,
    outcomes: Vec<StoredOutcome>,
    zone: Option<String>,
    forgotten: Option<i64>,
    forgotten_events: Option<(i64, u64)>,
    lost: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct StoredJourney {
    journey: u16,
    stage: u16,
    started: i64,
    entered: i64,
    purpose: u8,
}

/// A contact as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredContact {
    decision: u64,
    action: u16,
    kind: u8,
    group: Option<u16>,
    channel: Option<u8>,
    at: i64,
    /// Counts until here; for good if there is nothing.
    until: Option<i64>,
    readable: u64,
}

/// An outcome as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredOutcome {
    action: u16,
    kind: u8,
    group: Option<u16>,
    readable: u64,
    channel: Option<u8>,
    outcome: u8,
    at: i64,
}

/// Writes down what is kept of a customer, who has denied something so often.
#[must_use]
pub fn write((customer, denials): (&str, u64), asked: Vec<Asked>, state: &CustomerState) -> Vec<u8> {
    let relation = state.relation();
    let stored = StoredCustomer {
        customer,
        denials,
        asked,
        packed: state.packed(),
        journeys: relation.journeys.iter().map(journey).collect(),
        contacts: relation.contacts.iter().map(StoredContact::of).collect(),
        outcomes: relation.outcomes.iter().map(StoredOutcome::of).collect(),
        zone: relation.zone.as_ref().and_then(|zone| zone.iana_name()).map(str::to_owned),
        forgotten: relation.forgotten.map(|at| at.0),
        forgotten_events: relation.forgotten_events.map(|(at, purposes)| (at.0, purposes.0)),
        lost: relation.lost.map(|at| at.0),
    };
    let likely = stored.packed.len() + 48 * (1 + stored.contacts.len() + stored.outcomes.len());
    // Writing to memory does not fail; if it did, the empty record would be found damaged.
    postcard::to_extend(&stored, Vec::with_capacity(likely)).unwrap_or_default()
}

/// Reads what was written; nothing if it was not.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Kept> {
    read_as(VERSION, bytes)
}

/// What an earlier version wrote, as this one writes it; nothing if no version did.
#[must_use]
pub fn upgrade(version: u8, bytes: Vec<u8>) -> Option<Vec<u8>> {
    if version == VERSION { Some(bytes) } else { read_as(version, &bytes).map(|kept| kept.written()) }
}

fn read_as(version: u8, bytes: &[u8]) -> Option<Kept> {
    let stored: StoredCustomer<'_> = postcard::from_bytes(bytes).ok()?;
    let relation = Relation {
        journeys: stored.journeys.iter().map(held_journey).collect(),
        contacts: stored.contacts.iter().map(StoredContact::contact).collect::<Option<_>>()?,
        outcomes: stored.outcomes.iter().map(StoredOutcome::entry).collect::<Option<_>>()?,
        zone: stored.zone.as_deref().and_then(zone),
        forgotten: stored.forgotten.map(Moment),
        forgotten_events: stored.forgotten_events.map(|(at, purposes)| (Moment(at), PurposeSet(purposes))),
        lost: stored.lost.map(Moment),
    };
    let state = match version {
        1 => CustomerState::restored_version_1(stored.packed, relation)?,
        VERSION => CustomerState::restored(stored.packed, relation)?,
        _ => return None,
    };
    Some(Kept { customer: stored.customer.to_owned(), denials: stored.denials, asked: stored.asked, state })
}

impl Kept {
    /// Writes it down as it was read, or as it is now.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        write((&self.customer, self.denials), self.asked.clone(), &self.state)
    }
}

impl StoredContact {
    /// A contact as it is stored.
    #[must_use]
    pub fn of(contact: &Contact) -> Self {
        Self {
            decision: contact.decision.0,
            action: contact.action.0,
            kind: place(&ActionKind::NAMES, contact.kind),
            group: contact.group.map(|group| group.0),
            channel: contact.channel.map(|channel| channel.0),
            at: contact.at.0,
            until: match contact.state {
                ContactState::Reserved { until } => Some(until.0),
                ContactState::Counted => None,
            },
            readable: contact.readable.0,
        }
    }

    /// The contact; nothing if its kind is none.
    #[must_use]
    pub fn contact(&self) -> Option<Contact> {
        Some(Contact {
            decision: DecisionKey(self.decision),
            action: ActionId(self.action),
            kind: at(&ActionKind::NAMES, self.kind)?,
            group: self.group.map(GroupId),
            channel: self.channel.map(ChannelId),
            at: Moment(self.at),
            state: self.until.map_or(ContactState::Counted, |until| ContactState::Reserved { until: Moment(until) }),
            readable: PurposeSet(self.readable),
        })
    }
}

impl StoredOutcome {
    /// An outcome as it is stored.
    #[must_use]
    pub fn of(entry: &OutcomeEntry) -> Self {
        Self {
            action: entry.action.0,
            kind: place(&ActionKind::NAMES, entry.kind),
            group: entry.group.map(|group| group.0),
            readable: entry.readable.0,
            channel: entry.channel.map(|channel| channel.0),
            outcome: place(&Outcome::NAMES, entry.outcome),
            at: entry.at.0,
        }
    }

    /// The outcome; nothing if its kind is none.
    #[must_use]
    pub fn entry(&self) -> Option<OutcomeEntry> {
        Some(OutcomeEntry {
            action: ActionId(self.action),
            kind: at(&ActionKind::NAMES, self.kind)?,
            group: self.group.map(GroupId),
            readable: PurposeSet(self.readable),
            channel: self.channel.map(ChannelId),
            outcome: at(&Outcome::NAMES, self.outcome)?,
            at: Moment(self.at),
        })
    }
}

/// Words are stored as their places in the lists that name them, which only grow.
fn place<T: Copy + PartialEq>(names: &[(&str, T)], word: T) -> u8 {
    names.iter().position(|(_, known)| *known == word).and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}

fn at<T: Copy>(names: &[(&str, T)], place: u8) -> Option<T> {
    names.get(usize::from(place)).map(|(_, word)| *word)
}

fn journey(state: &JourneyState) -> StoredJourney {
    StoredJourney {
        journey: state.journey.0,
        stage: state.stage.0,
        started: state.started.0,
        entered: state.entered.0,
        purpose: state.purpose.0,
    }
}

fn held_journey(stored: &StoredJourney) -> JourneyState {
    JourneyState {
        journey: JourneyId(stored.journey),
        stage: StageId(stored.stage),
        started: Moment(stored.started),
        entered: Moment(stored.entered),
        purpose: PurposeId(stored.purpose),
    }
}
