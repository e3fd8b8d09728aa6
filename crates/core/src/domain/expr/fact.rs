//! The facts that expressions read, each stored once for the whole rule set.
//!
//! A decision computes a fact at most once for each purpose, however many rules ask for it.

use std::collections::HashMap;
use std::fmt;

use compact_str::CompactString;

use crate::domain::action::Outcome;
use crate::domain::expr::Node;
use crate::domain::id::{ActionId, AttributeId, ContextId, EventTypeId, FieldId, JourneyId, PurposeId, PurposeSet};
use crate::domain::time::Period;
use crate::domain::value::Type;

/// The stage of a journey that has not begun.
pub const NO_STAGE: &str = "none";

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
    /// `action.kind`, in a lint of the policy
    Action(Property),
}

crate::words! {
    /// What a lint of the policy may read of an action.
    pub enum Property {
        /// The action's id.
        Id = "id",
        /// The action's title.
        Title = "title",
        /// What it is to the customer.
        Kind = "kind",
        /// Its group, or nothing.
        Group = "group",
        /// The purpose that it serves.
        Purpose = "purpose",
        /// The purpose that it asks for, or nothing.
        Asks = "asks",
        /// Points of relevance that it always has.
        Base = "relevance.base",
        /// The most points of relevance that it can have.
        MostRelevance = "relevance.most",
        /// Factor on relevance.
        Worth = "worth",
        /// Its own points of intrusiveness.
        Intrusiveness = "intrusiveness",
        /// Where it has a treatment.
        Channels = "channels",
        /// How many conditions it has.
        Conditions = "conditions",
        /// How many limits and cool-downs of its own.
        Limits = "limits",
        /// Whether it has an `until` date.
        HasEnd = "has_end",
        /// Whether a test names it under `expect`.
        HasTest = "has_test",
    }
}

impl Property {
    /// The type of what it says.
    #[must_use]
    pub fn kind(self) -> Type {
        match self {
            Self::Id | Self::Title | Self::Kind | Self::Group | Self::Purpose | Self::Asks => Type::Text,
            Self::Base | Self::MostRelevance | Self::Worth | Self::Intrusiveness => Type::Number,
            Self::Conditions | Self::Limits => Type::Number,
            Self::Channels => Type::List,
            Self::HasEnd | Self::HasTest => Type::Flag,
        }
    }
}

/// A fact with its properties that are known when the rules load.
#[derive(Debug, Clone)]
pub struct FactEntry {
    /// Where it comes from.
    pub fact: Fact,
    /// The type of its values.
    pub kind: Type,
    /// The only texts it may be, if they are listed.
    pub one_of: Option<Vec<CompactString>>,
    /// Its sensitivity, from 0 to 1.
    pub sensitivity: f64,
    /// The source text, for explanations.
    pub text: String,
}

/// Every fact that the rule set reads.
#[derive(Clone, Default)]
pub struct FactTable {
    entries: Vec<FactEntry>,
    by_key: HashMap<String, FactId>,
}

impl fmt::Debug for FactTable {
    /// Shows the entries only: the keys repeat them, in arbitrary order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.entries).finish()
    }
}

impl FactTable {
    /// The purposes that some `consent.given` asks about.
    #[must_use]
    pub fn consents_read(&self) -> PurposeSet {
        let read = |fact: &Fact| if let Fact::ConsentGiven(purpose) = fact { Some(*purpose) } else { None };
        self.iter().filter_map(|(_, entry)| read(&entry.fact)).collect()
    }

    /// The journeys that some rule reads.
    #[must_use]
    pub fn journeys_read(&self) -> Vec<JourneyId> {
        let read = |fact: &Fact| match fact {
            Fact::Stage(id) | Fact::Entered(id) | Fact::InStageFor(id) => Some(*id),
            _ => None,
        };
        self.iter().filter_map(|(_, entry)| read(&entry.fact)).collect()
    }

    /// Adds a fact, or finds the equal one: facts with equal keys are equal.
    pub fn intern(&mut self, key: String, entry: FactEntry) -> FactId {
        let next = FactId(u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        let id = *self.by_key.entry(key).or_insert(next);
        if id == next {
            self.entries.push(entry);
        }
        id
    }

    /// The entry of a fact.
    #[must_use]
    pub fn get(&self, id: FactId) -> Option<&FactEntry> {
        self.entries.get(id.0 as usize)
    }

    /// Every fact with its place.
    pub fn iter(&self) -> impl Iterator<Item = (FactId, &FactEntry)> {
        (0..).map(FactId).zip(&self.entries)
    }

    /// The number of facts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no facts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
