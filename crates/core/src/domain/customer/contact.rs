//! What was said to one customer and what came of it: what limits and pressure count.
//!
//! This is kept for the customer's protection, whatever purposes are withdrawn, and holds no personal fact:
//! only which step was taken on which channel, and when.

use crate::domain::action::{ActionKind, Outcome};
use crate::domain::id::{ActionId, ChannelId, GroupId, PurposeSet};
use crate::domain::time::Moment;

/// Names one decision within this server's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct DecisionKey(pub u64);

/// Whether a contact counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactState {
    /// Decided, not yet confirmed: counts until it lapses.
    Reserved {
        /// Counts no longer from here on.
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
    /// What was said.
    pub action: ActionId,
    /// What kind of step.
    pub kind: ActionKind,
    /// The action's group.
    pub group: Option<GroupId>,
    /// Where it was said; unknown when another system did not say.
    pub channel: Option<ChannelId>,
    /// When it was decided.
    pub at: Moment,
    /// Whether it counts.
    pub state: ContactState,
    /// The purposes whose rules may read it. Limits and pressure count it all the same.
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
    /// The purposes whose rules may read it: what was lawful when it came, less what was denied since.
    pub readable: PurposeSet,
    /// The channel, if it is known.
    pub channel: Option<ChannelId>,
    /// What the customer did.
    pub outcome: Outcome,
    /// The moment of the outcome, not of its arrival.
    pub at: Moment,
}
