//! The state of one customer.
//!
//! Attributes, events, answered requests and seen ids are packed into one byte buffer: a customer with twenty events and
//! ten attributes takes half a kilobyte. They are read in place; every change rewrites the buffer.

use std::fmt;

use super::event::{Events, PackedEvent, Packing, StoredEvent, from_version_1};
use super::fact::{Held, PackedFacts};
use super::known_id::{IdKind, KnownId, Seen};
use super::known_request::KnownRequest;
use super::relation::Relation;
use crate::domain::id::{AttributeId, FieldId, PurposeSet};
use crate::domain::value::Value;

/// How many events are kept for one customer.
pub const MOST_EVENTS: usize = 256;
/// How many bytes the fields of a customer's events may take.
pub const MOST_EVENT_BYTES: usize = 1 << 20;

/// An id as it is packed.
type SeenId = [u8; 6];
/// A request as it is packed.
type Request = [u8; 24];

/// Everything stored about one customer except consent.
#[derive(Clone, Default, PartialEq)]
pub struct CustomerState {
    packed: Box<[u8]>,
    relation: Option<Box<Relation>>,
}

/// The parts of the packed buffer, in order, after a header with their lengths.
#[derive(Clone, Copy, Default)]
struct Parts<'a> {
    attributes: &'a [u8],
    events: Events<'a>,
    requests: &'a [Request],
    seen: &'a [SeenId],
}

impl fmt::Debug for CustomerState {
    /// Shows only sizes: the content is personal data and must not appear in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomerState").field("bytes", &self.packed.len()).finish_non_exhaustive()
    }
}

impl CustomerState {
    /// The state from its stored parts; `None` if they are not valid.
    #[must_use]
    pub fn restored(packed: &[u8], relation: Relation) -> Option<Self> {
        let packed = if packed.is_empty() { Parts::default() } else { Parts::read(packed)? };
        Some(Self { packed: packed.pack(), relation: (!relation.is_empty()).then(|| Box::new(relation)) })
    }

    /// The state as versions 1 to 4 of the customer store packed it; `None` if the bytes are not valid.
    #[must_use]
    pub fn restored_from(version: u8, packed: &[u8], relation: Relation) -> Option<Self> {
        let parts = if packed.is_empty() { Parts::default() } else { Parts::read_before_5(packed)? };
        let heads = parts.events.heads.iter().map(|head| if version == 1 { from_version_1(*head) } else { *head });
        let heads: Vec<[u8; 8]> = heads.collect();
        let events = Events { heads: &heads, ..parts.events };
        // They did not say of which kind they are.
        let both = |[a, b, c, d, e, f]: &SeenId| {
            let id = u64::from_le_bytes([*a, *b, *c, *d, *e, *f, 0, 0]);
            [IdKind::Event, IdKind::Outcome].map(|kind| KnownId::without_body(kind, id).bytes())
        };
        let known = || parts.seen.iter().copied();
        let seen: Vec<SeenId> =
            if version < 4 { parts.seen.iter().flat_map(both).collect() } else { known().collect() };
        Some(Self {
            packed: Parts { events, seen: &seen, ..parts }.pack(),
            relation: (!relation.is_empty()).then(|| Box::new(relation)),
        })
    }

    /// Attributes, events, answered requests and seen ids as they are packed and stored: a change of the packing is a new
    /// format of the store.
    #[must_use]
    #[inline]
    pub fn packed(&self) -> &[u8] {
        let padding = self.packed.last().map_or(0, |padding| usize::from(*padding));
        self.packed.get(..self.packed.len() - padding).unwrap_or_default()
    }

    /// Attributes, by id.
    #[must_use]
    pub fn attributes(&self) -> PackedFacts<'_, AttributeId> {
        PackedFacts::new(self.parts().attributes)
    }

    /// What is held of an attribute.
    #[must_use]
    pub fn attribute(&self, id: AttributeId) -> Option<Held<'_>> {
        self.attributes().get(id)
    }

    /// Sets an attribute.
    pub fn set_attribute(&mut self, id: AttributeId, value: &Value, purposes: PurposeSet) {
        let mut attributes = Vec::new();
        self.attributes().copy_with(id, value, purposes, &mut attributes);
        self.packed = Parts { attributes: &attributes, ..self.parts() }.pack();
    }

    /// Keeps the attributes that the closure keeps, with the purposes it returns.
    pub fn retain_attributes(&mut self, keep: impl Fn(AttributeId, PurposeSet) -> Option<PurposeSet>) {
        let mut attributes = Vec::new();
        if self.attributes().copy_kept(keep, &mut attributes) {
            self.packed = Parts { attributes: &attributes, ..self.parts() }.pack();
        }
    }

    /// The customer's events.
    #[must_use]
    pub fn events(&self) -> Events<'_> {
        self.parts().events
    }

    /// Adds an event in order of time. When there is no room, the oldest event of the most frequent type is dropped, so
    /// that many events of one type never push out the few of another.
    pub fn add_event(&mut self, event: &PackedEvent) {
        let mut packing = self.events().with(event.read());
        let mut forgotten = self.relation().forgotten_events;
        while packing.heads.len() > MOST_EVENTS * 8 || packing.blocks.len() > MOST_EVENT_BYTES {
            let Some((place, gone)) = packing.read().most_dispensable() else { break };
            forgotten = forgotten.filter(|(at, _)| *at > gone.at).or(Some((gone.at, gone.purposes)));
            packing = packing.read().without(place);
        }
        self.put_events(&packing);
        if forgotten.is_some() {
            self.relation_mut().forgotten_events = forgotten;
        }
    }

    /// Removes the event at a place from the history; the newest is at place 0.
    pub fn remove_event(&mut self, place: usize) {
        let packing = self.events().without(place);
        self.put_events(&packing);
    }

    /// Keeps the events and fields that the closures keep, with the purposes they return.
    pub fn retain_events(
        &mut self,
        event: impl Fn(StoredEvent<'_>) -> Option<PurposeSet>,
        field: impl Fn(FieldId, PurposeSet) -> Option<PurposeSet>,
    ) {
        if let Some(packing) = self.events().kept(event, field) {
            self.put_events(&packing);
        }
    }

    /// Marks the events as repaired for which the closure is true.
    pub fn repair_events(&mut self, repairs: impl Fn(&StoredEvent<'_>) -> bool) {
        if let Some(packing) = self.events().with_repaired(repairs) {
            self.put_events(&packing);
        }
    }

    fn put_events(&mut self, packing: &Packing) {
        self.packed = Parts { events: packing.read(), ..self.parts() }.pack();
    }

    /// Journeys, contacts and outcomes.
    #[must_use]
    pub fn relation(&self) -> &Relation {
        static NONE: Relation = Relation::NONE;
        self.relation.as_deref().unwrap_or(&NONE)
    }

    /// Journeys, contacts and outcomes, to change.
    pub fn relation_mut(&mut self) -> &mut Relation {
        self.relation.get_or_insert_default()
    }

    /// Changes journeys, contacts and outcomes, if there are any; frees them if they are empty then.
    pub fn change_relation(&mut self, change: impl FnOnce(&mut Relation)) {
        if let Some(relation) = &mut self.relation {
            change(relation);
        }
        self.relation.take_if(|relation| relation.is_empty());
    }

    /// What is known of an id.
    #[must_use]
    pub fn seen(&self, id: KnownId) -> Seen {
        let known = self.parts().seen.iter().map(|known| KnownId::from_bytes(*known).says_of(id));
        known.max_by_key(|seen| *seen as u8).unwrap_or(Seen::New)
    }

    /// Remembers an id, unless it is known, as one of at most `most` of its kind. Returns whether the oldest of them had to
    /// be forgotten for it.
    pub fn remember(&mut self, id: KnownId, most: usize) -> bool {
        if self.seen(id) != Seen::New {
            return false;
        }
        let parts = self.parts();
        let is_of_kind = |known: &SeenId| KnownId::from_bytes(*known).is_of_kind_of(id);
        let full = parts.seen.iter().filter(|known| is_of_kind(known)).count() >= most;
        let oldest = parts.seen.iter().position(is_of_kind).filter(|_| full);
        let kept = parts.seen.iter().enumerate().filter(|(place, _)| Some(*place) != oldest).map(|(_, known)| *known);
        let seen: Vec<SeenId> = kept.chain([id.bytes()]).collect();
        self.packed = Parts { seen: &seen, ..parts }.pack();
        full
    }

    /// The ids that are remembered, oldest first.
    pub fn known_ids(&self) -> impl Iterator<Item = KnownId> {
        self.parts().seen.iter().map(|known| KnownId::from_bytes(*known))
    }

    /// The requests that are remembered, oldest first.
    pub fn requests(&self) -> impl DoubleEndedIterator<Item = KnownRequest> {
        self.parts().requests.iter().map(|known| KnownRequest::from_bytes(*known))
    }

    /// The request with this hash of its id.
    #[must_use]
    pub fn request(&self, id: u64) -> Option<KnownRequest> {
        self.requests().rev().find(|known| known.is(id))
    }

    /// Remembers a request in the place of one with the same id, as one of at most `most`. Returns whether the oldest had
    /// to be forgotten for it.
    pub fn remember_request(&mut self, request: KnownRequest, most: usize) -> bool {
        let parts = self.parts();
        let others = || self.requests().filter(|known| !known.is_same(request));
        let too_many = (others().count() + 1).saturating_sub(most.clamp(1, MOST_REQUESTS));
        let kept = others().skip(too_many).map(KnownRequest::bytes);
        let requests: Vec<Request> = kept.chain([request.bytes()]).collect();
        self.packed = Parts { requests: &requests, ..parts }.pack();
        too_many > 0
    }

    /// Forgets the requests that the closure selects.
    pub fn forget_requests(&mut self, gone: impl Fn(KnownRequest) -> bool) {
        let parts = self.parts();
        let kept = |known: &Request| !gone(KnownRequest::from_bytes(*known));
        if !parts.requests.iter().all(kept) {
            let requests: Vec<Request> = parts.requests.iter().copied().filter(kept).collect();
            self.packed = Parts { requests: &requests, ..parts }.pack();
        }
    }

    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts().is_empty() && self.relation.as_deref().is_none_or(Relation::is_empty)
    }

    #[inline]
    fn parts(&self) -> Parts<'_> {
        Parts::read(self.packed()).unwrap_or_default()
    }
}

/// The length of a buffer is a multiple of this; the rest is padding whose bytes hold its length. So the block that a
/// growing buffer frees fits other buffers, which avoids fragmentation.
const STEP: usize = 64;

/// The lengths of attributes and blocks, and the numbers of events and of requests.
const HEADER: usize = 4 + 4 + 2 + 2;
/// How many requests can be remembered for one customer.
pub const MOST_REQUESTS: usize = u16::MAX as usize;

impl<'a> Parts<'a> {
    #[inline]
    fn read(packed: &'a [u8]) -> Option<Self> {
        let (attributes, rest) = packed.split_first_chunk()?;
        let (blocks, rest) = rest.split_first_chunk()?;
        let (events, rest) = rest.split_first_chunk()?;
        let (requests, rest) = rest.split_first_chunk()?;
        let lengths = (u32::from_le_bytes(*attributes), u32::from_le_bytes(*blocks));
        Self::split(rest, lengths, (u16::from_le_bytes(*events), u16::from_le_bytes(*requests)))
    }

    /// What versions 1 to 4 of the customer store packed, which had no requests.
    fn read_before_5(packed: &'a [u8]) -> Option<Self> {
        let (attributes, rest) = packed.split_first_chunk()?;
        let (blocks, rest) = rest.split_first_chunk()?;
        let (events, rest) = rest.split_first_chunk()?;
        let lengths = (u32::from_le_bytes(*attributes), u32::from_le_bytes(*blocks));
        Self::split(rest, lengths, (u16::from_le_bytes(*events), 0))
    }

    #[inline]
    fn split(bytes: &'a [u8], (attributes, blocks): (u32, u32), (events, requests): (u16, u16)) -> Option<Self> {
        let (attributes, rest) = bytes.split_at_checked(attributes as usize)?;
        let (heads, rest) = rest.split_at_checked(usize::from(events) * 8)?;
        let (blocks, rest) = rest.split_at_checked(blocks as usize)?;
        let (requests, rest) = rest.split_at_checked(usize::from(requests) * size_of::<Request>())?;
        let events = Events { heads: heads.as_chunks().0, blocks };
        Some(Self { attributes, events, requests: requests.as_chunks().0, seen: rest.as_chunks().0 })
    }

    fn is_empty(self) -> bool {
        self.attributes.is_empty() && self.events.is_empty() && self.requests.is_empty() && self.seen.is_empty()
    }

    #[expect(clippy::cast_possible_truncation, reason = "attributes, events and their bytes, and requests are bounded")]
    fn pack(self) -> Box<[u8]> {
        if self.is_empty() {
            return Box::default();
        }
        let (heads, blocks) = (self.events.heads.as_flattened(), self.events.blocks);
        let (requests, seen) = (self.requests.as_flattened(), self.seen.as_flattened());
        let length = HEADER + self.attributes.len() + heads.len() + blocks.len() + requests.len() + seen.len();
        let padded = (length + 1).next_multiple_of(STEP);
        let mut packed = Vec::with_capacity(padded);
        packed.extend_from_slice(&(self.attributes.len() as u32).to_le_bytes());
        packed.extend_from_slice(&(blocks.len() as u32).to_le_bytes());
        packed.extend_from_slice(&(self.events.len() as u16).to_le_bytes());
        packed.extend_from_slice(&(self.requests.len() as u16).to_le_bytes());
        [self.attributes, heads, blocks, requests, seen].iter().for_each(|part| packed.extend_from_slice(part));
        packed.resize(padded, (padded - length) as u8);
        packed.into_boxed_slice()
    }
}
