//! The events of one customer, newest first, packed.
//!
//! Every event has a head of eight bytes: the moment (47 bits), whether its hurt is repaired (1), the type (12), the
//! length of its block (4). Heads are contiguous, so that a scan of the history reads memory in order; the blocks
//! follow in the same order and hold the purposes and the fields of an event. A block of 15 bytes or more begins with
//! its length.

use super::fact::{PackedFacts, put_fact};
use crate::domain::id::{EventTypeId, FieldId, Id, PurposeSet};
use crate::domain::packed::{Reader, put_number};
use crate::domain::time::Moment;
use crate::domain::value::Value;

const TYPE_BITS: u32 = 12;
const LENGTH_BITS: u32 = 4;
/// The bit that marks an event as repaired; the moment is in the bits above it.
const REPAIRED: u32 = TYPE_BITS + LENGTH_BITS;
const AT: u32 = REPAIRED + 1;
const LONG: u64 = (1 << LENGTH_BITS) - 1;
const _: () = assert!(EventTypeId::LIMIT <= 1 << TYPE_BITS, "a head has room for every event type");

/// A stored event, with only those fields that a purpose covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredEvent<'a> {
    /// The declared type of the event.
    pub kind: EventTypeId,
    /// The moment of the event, not of its arrival.
    pub at: Moment,
    /// The purposes it was lawfully collected for and is still lawfully kept for.
    pub purposes: PurposeSet,
    /// Its fields, each with its own purposes.
    pub fields: PackedFacts<'a, FieldId>,
    /// Whether a later event has repaired it, which ends its hurt permanently.
    pub repaired: bool,
}

impl StoredEvent<'_> {
    fn order(&self) -> impl PartialOrd {
        (self.at, self.kind, self.purposes.0, self.fields.bytes(), self.repaired)
    }
}

/// An event to be inserted into a history.
#[derive(Debug, Clone)]
pub struct PackedEvent {
    kind: EventTypeId,
    at: Moment,
    purposes: PurposeSet,
    fields: Vec<u8>,
    repaired: bool,
}

impl PackedEvent {
    /// An event without fields. Its moment is clamped to the years −260 to 4199, which 47 bits can hold.
    #[must_use]
    pub fn new(kind: EventTypeId, at: Moment, purposes: PurposeSet) -> Self {
        let furthest = i64::MAX >> AT;
        Self { kind, at: Moment(at.0.clamp(-furthest, furthest)), purposes, fields: Vec::new(), repaired: false }
    }

    /// Adds a field.
    pub fn add(&mut self, id: FieldId, value: &Value, purposes: PurposeSet) {
        put_fact(&mut self.fields, id, value, purposes);
    }

    /// Marks it as repaired, by an event that happened later and arrived earlier.
    pub fn set_repaired(&mut self) {
        self.repaired = true;
    }

    /// The event, to read.
    #[must_use]
    pub fn read(&self) -> StoredEvent<'_> {
        StoredEvent {
            kind: self.kind,
            at: self.at,
            purposes: self.purposes,
            fields: PackedFacts::new(&self.fields),
            repaired: self.repaired,
        }
    }
}

/// A history, to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Events<'a> {
    pub(super) heads: &'a [[u8; 8]],
    pub(super) blocks: &'a [u8],
}

impl<'a> Events<'a> {
    /// The number of events.
    #[must_use]
    pub fn len(self) -> usize {
        self.heads.len()
    }

    /// Whether the history is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.heads.is_empty()
    }

    /// Whether the closure is true for the type of an event. The types are read alone.
    pub fn has(self, is_meant: impl Fn(EventTypeId) -> bool) -> bool {
        self.heads.iter().any(|head| kind(u64::from_le_bytes(*head)).is_some_and(&is_meant))
    }

    /// The events, newest first.
    #[inline]
    pub fn newest_first(self) -> impl Iterator<Item = StoredEvent<'a>> + Clone {
        let mut blocks = Reader(self.blocks);
        self.heads.iter().map_while(move |head| {
            let head = u64::from_le_bytes(*head);
            let length = head & LONG;
            let block = if length == LONG { blocks.counted() } else { blocks.take(usize::try_from(length).ok()?) };
            read(head, Reader(block?))
        })
    }

    /// The history with one more event, in order of time. Events of one moment have a fixed order, so that the order of
    /// arrival does not matter.
    pub(super) fn with(self, new: StoredEvent<'_>) -> Packing {
        let mut packing = Packing::default();
        let younger = self.newest_first().take_while(|held| held.order() > new.order());
        let count = younger.clone().count();
        younger
            .chain([new])
            .chain(self.newest_first().skip(count))
            .for_each(|event| packing.put(event, event.purposes));
        packing
    }

    /// The history with those events repaired for which the closure is true; `None` if there are none.
    pub(super) fn with_repaired(self, repairs: impl Fn(&StoredEvent<'a>) -> bool) -> Option<Packing> {
        let is_new = |event: &StoredEvent<'a>| !event.repaired && repairs(event);
        if !self.newest_first().any(|event| is_new(&event)) {
            return None;
        }
        let mut packing = Packing::default();
        for event in self.newest_first() {
            let repaired = event.repaired || repairs(&event);
            packing.put(StoredEvent { repaired, ..event }, event.purposes);
        }
        Some(packing)
    }

    /// The same history without the event at a place.
    pub(super) fn without(self, place: usize) -> Packing {
        let mut packing = Packing::default();
        let others = self.newest_first().enumerate().filter(|(index, _)| *index != place);
        others.for_each(|(_, event)| packing.put(event, event.purposes));
        packing
    }

    /// The events and fields that the closures keep, with the purposes they return; `None` if nothing changes.
    pub(super) fn kept(
        self,
        event: impl Fn(StoredEvent<'a>) -> Option<PurposeSet>,
        field: impl Fn(FieldId, PurposeSet) -> Option<PurposeSet>,
    ) -> Option<Packing> {
        let same_field = |(id, held): (_, super::Held<'_>)| field(id, held.purposes) == Some(held.purposes);
        let same = |held: StoredEvent<'a>| event(held) == Some(held.purposes) && held.fields.iter().all(same_field);
        if self.newest_first().all(same) {
            return None;
        }
        let mut packing = Packing::default();
        let mut fields = Vec::new();
        for held in self.newest_first() {
            fields.clear();
            held.fields.copy_kept(&field, &mut fields);
            if let Some(purposes) = event(held) {
                packing.put(StoredEvent { fields: PackedFacts::new(&fields), ..held }, purposes);
            }
        }
        Some(packing)
    }

    /// The oldest event of the most frequent type.
    pub(super) fn most_dispensable(self) -> Option<(usize, StoredEvent<'a>)> {
        let mut kinds: Vec<EventTypeId> = self.newest_first().map(|event| event.kind).collect();
        kinds.sort_unstable();
        let crowded = kinds.chunk_by(EventTypeId::eq).max_by_key(|same| same.len())?.first().copied();
        self.newest_first().enumerate().filter(|(_, event)| Some(event.kind) == crowded).last()
    }
}

#[inline]
fn kind(head: u64) -> Option<EventTypeId> {
    // Masked before it is converted: above the type is the moment, which a `usize` of 32 bits has no room for.
    Some(EventTypeId::at(usize::try_from((head >> LENGTH_BITS) & ((1 << TYPE_BITS) - 1)).ok()?))
}

#[inline]
fn read(head: u64, mut block: Reader<'_>) -> Option<StoredEvent<'_>> {
    let kind = kind(head)?;
    let at = Moment(head.cast_signed() >> AT);
    let repaired = (head >> REPAIRED) & 1 == 1;
    let purposes = PurposeSet(block.number()?);
    Some(StoredEvent { kind, at, purposes, fields: PackedFacts::new(block.0), repaired })
}

/// A head as version 1 of the customer store packed it, without the bit that says that an event is repaired.
pub(super) fn from_version_1(head: [u8; 8]) -> [u8; 8] {
    let head = u64::from_le_bytes(head);
    let furthest = i64::MAX >> AT;
    let at = (head.cast_signed() >> REPAIRED).clamp(-furthest, furthest);
    let rest = head & ((1 << REPAIRED) - 1);
    ((at << AT).cast_unsigned() | rest).to_le_bytes()
}

/// A history being packed.
#[derive(Debug, Default)]
pub(super) struct Packing {
    pub heads: Vec<u8>,
    pub blocks: Vec<u8>,
}

impl Packing {
    fn put(&mut self, event: StoredEvent<'_>, purposes: PurposeSet) {
        let mut block = Vec::with_capacity(event.fields.bytes().len() + 2);
        put_number(&mut block, purposes.0);
        block.extend_from_slice(event.fields.bytes());
        let length = (block.len() as u64).min(LONG);
        let kind = (event.kind.index() as u64) << LENGTH_BITS;
        let repaired = u64::from(event.repaired) << REPAIRED;
        let head = (event.at.0 << AT).cast_unsigned() | repaired | kind | length;
        self.heads.extend_from_slice(&head.to_le_bytes());
        if length == LONG {
            put_number(&mut self.blocks, block.len() as u64);
        }
        self.blocks.extend_from_slice(&block);
    }

    pub(super) fn read(&self) -> Events<'_> {
        Events { heads: self.heads.as_chunks().0, blocks: &self.blocks }
    }
}
