//! The contacts and outcomes of one customer, which limits and pressure count.
//!
//! They are kept for the customer's protection even when purposes are withdrawn, and hold no personal facts: only which
//! action was taken on which channel, and when.

use crate::domain::action::{ActionKind, Outcome};
use crate::domain::id::{ActionId, ChannelId, GroupId, PurposeSet};
use crate::domain::time::{Moment, Period};

/// The half of a decision's id that contacts keep: it identifies the decision among those of one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct DecisionKey(pub u64);

/// Whether a contact counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactState {
    /// Decided, not yet confirmed: counts until it lapses.
    Reserved {
        /// Does not count from this moment on.
        until: Moment,
    },
    /// Counts.
    Counted,
}

/// The outcomes that a contact has had, one bit each in the order of [`Outcome`]'s words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutcomeSet(pub u16);

impl OutcomeSet {
    /// One outcome.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        Self(1 << outcome.index())
    }

    /// Whether it has an outcome.
    #[must_use]
    pub fn contains(self, outcome: Outcome) -> bool {
        self.0 & Self::of(outcome).0 != 0
    }

    /// Adds an outcome.
    pub fn add(&mut self, outcome: Outcome) {
        self.0 |= Self::of(outcome).0;
    }

    /// Its outcomes.
    pub fn iter(self) -> impl Iterator<Item = Outcome> {
        (0..u16::BITS as usize).filter_map(Outcome::at).filter(move |outcome| self.contains(*outcome))
    }
}

/// One step that was decided for the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// The decision that reserved it; zero when another system reported it.
    pub decision: DecisionKey,
    /// The action that was presented.
    pub action: ActionId,
    /// The kind of the action.
    pub kind: ActionKind,
    /// The action's group.
    pub group: Option<GroupId>,
    /// The channel; none if another system did not report it.
    pub channel: Option<ChannelId>,
    /// When it was decided.
    pub at: Moment,
    /// Whether it counts.
    pub state: ContactState,
    /// The purposes whose rules may read it. Limits and pressure count it in any case.
    pub readable: PurposeSet,
    /// What became of it: each outcome counts once.
    pub outcomes: OutcomeSet,
}

/// How long after a contact an outcome without a decision may belong to it, and how long a contact that does not count
/// is kept for outcomes of its decision.
pub const OPEN_FOR: Period = Period(30 * Period::DAY.0);

impl Contact {
    /// The same contact after an outcome: it counts from its moment on, whether or not it had lapsed, unless the
    /// customer never saw it.
    pub fn take(&mut self, outcome: Outcome) {
        self.outcomes.add(outcome);
        self.state = match outcome {
            Outcome::NotPresented => ContactState::Reserved { until: Moment::DISTANT_PAST },
            _ => ContactState::Counted,
        };
    }

    /// Whether an outcome says that the customer saw it.
    #[must_use]
    pub fn was_seen(&self) -> bool {
        self.outcomes != OutcomeSet::default() && !self.outcomes.contains(Outcome::NotPresented)
    }

    /// Whether an outcome without a decision may belong to it: it has not had that outcome, and was not taken back.
    #[must_use]
    pub fn is_open_for(&self, outcome: Outcome, at: Moment) -> bool {
        let had = self.outcomes.contains(outcome) || self.outcomes.contains(Outcome::NotPresented);
        !had && (Period::ZERO..=OPEN_FOR).contains(&at.since(self.at))
    }

    /// When it is forgotten, if contacts that count are kept for this long.
    #[must_use]
    pub fn goes(&self, memory: Period) -> Moment {
        match self.state {
            ContactState::Counted => self.at + memory,
            ContactState::Reserved { until } => until.max(self.at + OPEN_FOR).min(self.at + memory),
        }
    }

    /// Whether limits and pressure count it at a moment.
    #[must_use]
    pub fn counts(&self, now: Moment) -> bool {
        now < self.lapses()
    }

    /// When it stops counting, if nothing confirms it.
    #[must_use]
    pub fn lapses(&self) -> Moment {
        match self.state {
            ContactState::Counted => Moment::DISTANT_FUTURE,
            ContactState::Reserved { until } => until,
        }
    }
}

/// One outcome other than the bare presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeEntry {
    /// The action that was presented.
    pub action: ActionId,
    /// The kind of that action.
    pub kind: ActionKind,
    /// The action's group.
    pub group: Option<GroupId>,
    /// The purposes whose rules may read it: those lawful at its arrival, minus those denied since.
    pub readable: PurposeSet,
    /// The channel, if it is known.
    pub channel: Option<ChannelId>,
    /// What the customer did.
    pub outcome: Outcome,
    /// The moment of the outcome, not of its arrival.
    pub at: Moment,
}
