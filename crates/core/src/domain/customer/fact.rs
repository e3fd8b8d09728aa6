//! Packed facts, one after the other: id, purposes and value.

use std::fmt;
use std::marker::PhantomData;

use crate::domain::id::{Id, PurposeSet};
use crate::domain::packed::{Reader, put_number};
use crate::domain::value::{Operand, PackedValue, Value};

/// A stored fact, with the purposes it may serve. Facts that are not personal serve all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held<'a> {
    /// The purposes it was lawfully collected for and is still lawfully kept for.
    pub purposes: PurposeSet,
    value: PackedValue<'a>,
}

impl<'a> Held<'a> {
    /// The value, read in place.
    #[must_use]
    pub fn value(&self) -> Operand<'a> {
        self.value.operand()
    }
}

/// Packed facts of one kind: a customer's attributes, or the fields of an event.
#[derive(PartialEq, Eq)]
pub struct PackedFacts<'a, I> {
    bytes: &'a [u8],
    kind: PhantomData<I>,
}

impl<I> Clone for PackedFacts<'_, I> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I> Copy for PackedFacts<'_, I> {}

impl<I: Id> fmt::Debug for PackedFacts<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a, I: Id> PackedFacts<'a, I> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, kind: PhantomData }
    }

    /// The fact with this id, if it is stored.
    #[must_use]
    pub fn get(self, id: I) -> Option<Held<'a>> {
        self.iter().find(|(known, _)| *known == id).map(|(_, held)| held)
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = (I, Held<'a>)> + Clone {
        let mut reader = Reader(self.bytes);
        std::iter::from_fn(move || {
            let id = usize::try_from(reader.number()?).ok()?;
            let purposes = PurposeSet(reader.number()?);
            Some((I::at(id), Held { purposes, value: PackedValue::read(&mut reader)? }))
        })
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Appends the facts that the closure keeps, with the purposes it returns. True if that changed anything.
    pub(super) fn copy_kept(self, keep: impl Fn(I, PurposeSet) -> Option<PurposeSet>, bytes: &mut Vec<u8>) -> bool {
        let mut changed = false;
        for (id, held) in self.iter() {
            let left = keep(id, held.purposes);
            changed |= left != Some(held.purposes);
            if let Some(purposes) = left {
                put_head(bytes, id, purposes);
                held.value.copy_to(bytes);
            }
        }
        changed
    }

    /// Appends the facts with one added or replaced.
    pub(super) fn copy_with(self, id: I, value: &Value, purposes: PurposeSet, bytes: &mut Vec<u8>) {
        self.copy_kept(|known, purposes| (known.index() < id.index()).then_some(purposes), bytes);
        put_fact(bytes, id, value, purposes);
        self.copy_kept(|known, purposes| (known.index() > id.index()).then_some(purposes), bytes);
    }
}

/// Appends a fact.
pub(super) fn put_fact<I: Id>(bytes: &mut Vec<u8>, id: I, value: &Value, purposes: PurposeSet) {
    put_head(bytes, id, purposes);
    value.pack(bytes);
}

fn put_head<I: Id>(bytes: &mut Vec<u8>, id: I, purposes: PurposeSet) {
    put_number(bytes, id.index() as u64);
    put_number(bytes, purposes.0);
}
