//! Ids: small numbers for the names in rule files, and the vocabulary that assigns them.
//!
//! A name keeps its number for as long as the process lives, across reloads, so that customer state holds
//! numbers and never has to be rewritten when rules change.

use compact_str::CompactString;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;

/// The number of a name of one kind.
pub trait Id: Copy + Eq + Hash + fmt::Debug {
    /// Its table in the vocabulary.
    const KIND: Kind;
    /// How many names of this kind there can be.
    const LIMIT: usize;
    /// The id at a place in the table.
    fn at(index: usize) -> Self;
    /// The place in the table.
    fn index(self) -> usize;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($number:ty) = $limit:expr;)*) => {
        /// The kinds of names a rule set declares.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind { $($(#[$doc])* $name,)* }

        const KINDS: usize = [$(Kind::$name),*].len();

        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(pub $number);

            impl Id for $name {
                const KIND: Kind = Kind::$name;
                const LIMIT: usize = $limit;
                #[expect(clippy::cast_possible_truncation, reason = "the vocabulary never hands out more than LIMIT")]
                fn at(index: usize) -> Self { Self(index as $number) }
                fn index(self) -> usize { usize::from(self.0) }
            }
        )*
    };
}

// The order is part of the format of the customer store: append new kinds.
ids! {
    /// A reason for using personal data. At most 64, so that a set of them is one machine word.
    PurposeId(u8) = 64;
    /// A declared customer attribute.
    AttributeId(u16) = 4_096;
    /// A declared context fact.
    ContextId(u16) = 4_096;
    /// A declared event type.
    EventTypeId(u16) = 4_096;
    /// A field of an event type, named `event/field`.
    FieldId(u16) = 16_384;
    /// A channel.
    ChannelId(u8) = 250;
    /// A journey.
    JourneyId(u16) = 4_096;
    /// A stage of a journey, named `journey/stage`.
    StageId(u16) = 16_384;
    /// An action.
    ActionId(u16) = 60_000;
    /// A group of actions.
    GroupId(u16) = 16_384;
}

/// An id of what is named inside something else: its full name is `owner/name`.
///
/// Names cannot contain `/`, so that `a.b` with `c` differs from `a` with `b.c`.
pub trait LocalId: Id {}

impl LocalId for FieldId {}
impl LocalId for StageId {}

/// A set of purposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct PurposeSet(pub u64);

impl PurposeSet {
    /// No purpose.
    pub const EMPTY: Self = Self(0);
    /// Every purpose.
    pub const ALL: Self = Self(u64::MAX);

    /// The set with one purpose.
    #[must_use]
    pub fn of(purpose: PurposeId) -> Self {
        Self(1 << (purpose.0 & 63))
    }

    /// The set with one more purpose.
    #[must_use]
    pub fn with(self, purpose: PurposeId) -> Self {
        Self(self.0 | Self::of(purpose).0)
    }

    /// The union of the sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The intersection of the sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the purpose is in the set.
    #[must_use]
    pub fn contains(self, purpose: PurposeId) -> bool {
        self.0 & Self::of(purpose).0 != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The purposes, lowest id first.
    pub fn iter(self) -> impl Iterator<Item = PurposeId> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            #[expect(clippy::cast_possible_truncation, reason = "a word has 64 bits")]
            let next = (left != 0).then(|| PurposeId(left.trailing_zeros() as u8));
            left &= left.wrapping_sub(1);
            next
        })
    }
}

impl FromIterator<PurposeId> for PurposeSet {
    fn from_iter<I: IntoIterator<Item = PurposeId>>(purposes: I) -> Self {
        purposes.into_iter().fold(Self::EMPTY, Self::with)
    }
}

/// The vocabulary has no number left for a name of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {limit} names of this kind, including those of earlier rules")]
pub struct VocabularyFull {
    /// The most names that this kind can have.
    pub limit: usize,
}

#[derive(Debug, Clone, Default)]
struct Table {
    names: Vec<CompactString>,
    numbers: HashMap<CompactString, usize, foldhash::fast::FixedState>,
}

/// Every name ever declared, with its number. Only grows.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    tables: [Table; KINDS],
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self { tables: std::array::from_fn(|_| Table::default()) }
    }
}

impl Vocabulary {
    /// The number of a name, which is assigned if the name is new.
    ///
    /// # Errors
    /// When the kind has used up its numbers.
    pub fn intern<I: Id>(&mut self, name: &str) -> Result<I, VocabularyFull> {
        if let Some(known) = self.find(name) {
            return Ok(known);
        }
        let table = self.tables.get_mut(I::KIND as usize).ok_or(VocabularyFull { limit: 0 })?;
        let index = table.names.len();
        if index >= I::LIMIT {
            return Err(VocabularyFull { limit: I::LIMIT });
        }
        table.names.push(name.into());
        table.numbers.insert(name.into(), index);
        Ok(I::at(index))
    }

    /// The number of a name, if it was ever declared.
    #[must_use]
    pub fn find<I: Id>(&self, name: &str) -> Option<I> {
        self.tables.get(I::KIND as usize)?.numbers.get(name).map(|index| I::at(*index))
    }

    /// Every name of a kind.
    pub fn names<I: Id>(&self) -> impl Iterator<Item = &str> {
        self.tables.get(I::KIND as usize).into_iter().flat_map(|table| table.names.iter().map(CompactString::as_str))
    }

    /// Every name with the place of its kind, kind by kind, in the order of their numbers.
    pub fn entries(&self) -> impl Iterator<Item = (u8, &str)> {
        let kinds = (0..).zip(&self.tables);
        kinds.flat_map(|(kind, table)| table.names.iter().map(move |name| (kind, name.as_str())))
    }

    /// How many names there are of each kind.
    #[must_use]
    pub fn sizes(&self) -> Vec<u32> {
        // No kind has more than `Id::LIMIT` of them.
        self.tables.iter().map(|table| u32::try_from(table.names.len()).unwrap_or(u32::MAX)).collect()
    }

    /// Adds a stored name. Adding all entries in their order restores the same numbers.
    pub fn restore(&mut self, kind: u8, name: &str) {
        if let Some(table) = self.tables.get_mut(usize::from(kind)) {
            table.numbers.insert(name.into(), table.names.len());
            table.names.push(name.into());
        }
    }

    /// The name behind a number; empty for a number of another vocabulary.
    #[must_use]
    pub fn name<I: Id>(&self, id: I) -> &str {
        self.tables.get(I::KIND as usize).and_then(|table| table.names.get(id.index())).map_or("", |name| name.as_str())
    }

    /// The name behind a number, without its owner: `page` of the field `page_viewed/page`.
    #[must_use]
    pub fn local_name<I: LocalId>(&self, id: I) -> &str {
        self.name(id).split_once('/').map_or("", |(_, name)| name)
    }
}

/// The full name of what is called `name` inside `owner`.
#[must_use]
pub fn full_name(owner: &str, name: &str) -> String {
    format!("{owner}/{name}")
}

/// A map from ids to what the rule set says of them; ids that it no longer declares have no entry.
#[derive(Debug, Clone)]
pub struct IdMap<I, T> {
    slots: Vec<Option<T>>,
    kind: PhantomData<I>,
}

impl<I, T> Default for IdMap<I, T> {
    fn default() -> Self {
        Self { slots: Vec::new(), kind: PhantomData }
    }
}

impl<I: Id, T> IdMap<I, T> {
    /// Sets the entry of an id; returns the previous one.
    pub fn insert(&mut self, id: I, value: T) -> Option<T> {
        let index = id.index();
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots.get_mut(index).and_then(|slot| slot.replace(value))
    }

    /// The entry of an id.
    #[must_use]
    pub fn get(&self, id: I) -> Option<&T> {
        self.slots.get(id.index()).and_then(Option::as_ref)
    }

    /// The entry of an id, to change.
    pub fn get_mut(&mut self, id: I) -> Option<&mut T> {
        self.slots.get_mut(id.index()).and_then(Option::as_mut)
    }

    /// The entries in order of ids.
    pub fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| Some((I::at(index), slot.as_ref()?)))
    }

    /// The ids with an entry, in order.
    pub fn ids(&self) -> impl Iterator<Item = I> + '_ {
        self.iter().map(|(id, _)| id)
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }
}
