//! The facts that expressions read, each once for the whole rule set.
//!
//! A decision computes a fact at most once for each purpose, however many rules ask for it.

use std::collections::HashMap;

use compact_str::CompactString;

use super::program::Node;
use crate::domain::action::Outcome;
use crate::domain::id::{ActionId, AttributeId, ContextId, EventTypeId, FieldId, JourneyId, PurposeId};
use crate::domain::time::Period;
use crate::domain::value::Type;

/// A fact's place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactId(pub u32);

/// Where a fact comes from.
#[derive(Debug, Clone)]
pub enum Fact {
    /// `customer.age`
    Attribute(AttributeId),
    /// `context.topic`
    Context(ContextId),
    /// `event.page`, inside a journey's condition or a filter
    EventField(FieldId),
    /// `events.count(TYPE, WINDOW[, FILTER])`
    EventCount {
        /// Which events.
        event: EventTypeId,
        /// Within this time before now.
        window: Period,
        /// Only those for which this is true.
        filter: Option<Box<Node>>,
    },
    /// `events.last(TYPE[, FILTER])`
    EventLast {
        /// Which events.
        event: EventTypeId,
        /// Only those for which this is true.
        filter: Option<Box<Node>>,
    },
    /// `outcomes.count(ACTION, OUTCOME, WINDOW)`
    OutcomeCount {
        /// Of which action.
        action: ActionId,
        /// Which outcome.
        outcome: Outcome,
        /// Within this time before now.
        window: Period,
    },
    /// `outcomes.last(ACTION, OUTCOME)`
    OutcomeLast {
        /// Of which action.
        action: ActionId,
        /// Which outcome.
        outcome: Outcome,
    },
    /// `journey.ID.stage`
    Stage(JourneyId),
    /// `journey.ID.entered`
    Entered(JourneyId),
    /// `journey.ID.in_stage_for`
    InStageFor(JourneyId),
    /// `consent.given(PURPOSE)`
    ConsentGiven(PurposeId),
    /// `pressure`
    Pressure,
    /// `hurt`
    Hurt,
    /// `channel`
    Channel,
    /// `now`
    Now,
    /// `local.hour`
    LocalHour,
    /// `local.month`
    LocalMonth,
    /// `local.weekday`
    LocalWeekday,
    /// `local.date`
    LocalDate,
}

/// A fact with what is known of it at load.
#[derive(Debug, Clone)]
pub struct FactEntry {
    /// Where it comes from.
    pub fact: Fact,
    /// Its type.
    pub kind: Type,
    /// The only texts it may be, if they are listed.
    pub one_of: Option<Vec<CompactString>>,
    /// How personal it is to use it, from 0 to 1.
    pub sensitivity: f64,
    /// As it is written in rules, for explanations.
    pub text: String,
}

/// Every fact that the rule set reads.
#[derive(Debug, Clone, Default)]
pub struct FactTable {
    entries: Vec<FactEntry>,
    by_key: HashMap<String, FactId>,
}

impl FactTable {
    /// The place of a fact; `key` tells equal facts from different ones.
    pub fn intern(&mut self, key: String, entry: FactEntry) -> FactId {
        let next = FactId(u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        let id = *self.by_key.entry(key).or_insert(next);
        if id == next {
            self.entries.push(entry);
        }
        id
    }

    /// What is known of a fact.
    #[must_use]
    pub fn get(&self, id: FactId) -> Option<&FactEntry> {
        self.entries.get(id.0 as usize)
    }

    /// Every fact with its place.
    pub fn iter(&self) -> impl Iterator<Item = (FactId, &FactEntry)> {
        (0..).map(FactId).zip(&self.entries)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
