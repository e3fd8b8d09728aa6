//! The contacts and outcomes of one customer, which limits and pressure count.
//!
//! They are kept for the customer's protection even when purposes are withdrawn, and hold no personal facts: only which
//! action was taken on which channel, and when.

use crate::domain::action::{ActionKind, Outcome};
use crate::domain::id::{ActionId, ChannelId, GroupId, PurposeSet};
use crate::domain::time::Moment;

/// Identifies a decision of this server process.
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
}

impl Contact {
    /// Whether limits and pressure count it at a moment.
    #[must_use]
    pub fn counts(&self, now: Moment) -> bool {
        match self.state {
            ContactState::Counted => true,
            ContactState::Reserved { until } => now < until,
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
