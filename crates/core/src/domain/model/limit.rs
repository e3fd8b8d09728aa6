//! Limits and cool-downs, of one action and of the whole policy.

use crate::domain::action::{ActionKind, Outcome};
use crate::domain::id::{ActionId, ChannelId, GroupId};
use crate::domain::sources::Span;
use crate::domain::time::Period;

/// One limit or cool-down.
#[derive(Debug, Clone)]
pub struct Limit {
    /// How answers name it: `3 per 7 days`.
    pub label: String,
    /// What it forbids.
    pub rule: LimitRule,
    /// Which contacts it counts, and which actions it stops.
    pub scope: LimitScope,
    /// Where it is written.
    pub span: Span,
}

/// What a limit forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitRule {
    /// More contacts than a number within a sliding window.
    AtMost {
        /// How many are allowed.
        count: u32,
        /// Within any span of this length.
        per: Period,
        /// Counting this outcome.
        outcome: Outcome,
    },
    /// Any contact for a while after an outcome.
    After {
        /// The outcome that starts the wait.
        outcome: Outcome,
        /// How long to wait.
        wait: Period,
    },
}

/// Which contacts a limit counts and which actions it stops: those that pass every filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitScope {
    /// Only this action.
    pub action: Option<ActionId>,
    /// Only these kinds.
    pub kinds: Vec<ActionKind>,
    /// Only these groups; empty means all.
    pub groups: Vec<GroupId>,
    /// Only on these channels; empty means all.
    pub channels: Vec<ChannelId>,
}

impl LimitScope {
    /// Whether a contact or an action is in the scope. A contact on an unknown channel is in every scope.
    #[must_use]
    pub fn covers(
        &self,
        action: ActionId,
        kind: ActionKind,
        group: Option<GroupId>,
        channel: Option<ChannelId>,
    ) -> bool {
        self.action.is_none_or(|own| own == action)
            && (self.action.is_some() || self.kinds.contains(&kind))
            && (self.groups.is_empty() || group.is_some_and(|group| self.groups.contains(&group)))
            && (self.channels.is_empty() || channel.is_none_or(|channel| self.channels.contains(&channel)))
    }
}
