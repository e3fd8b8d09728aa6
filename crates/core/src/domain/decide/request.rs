//! What a decision is asked.

use crate::domain::id::{ChannelId, GroupId};
use crate::domain::view::{Scene, Situation};

/// A question, with names resolved.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Where the conversation takes place.
    pub channel: ChannelId,
    /// The question's own facts.
    pub situation: Situation<'a>,
    /// Only actions of these groups; empty means all.
    pub groups: &'a [GroupId],
    /// At most this many actions.
    pub max_actions: usize,
    /// How much to explain.
    pub explain: Explain,
}

/// How much to explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Explain {
    /// Reasons of the chosen actions only.
    #[default]
    Chosen,
    /// Counts for each gate, and the nearest loser.
    Funnel,
    /// Every action.
    Full,
}

/// A question put to the customer's present scene.
#[derive(Clone, Copy)]
pub(crate) struct Case<'r, 'q> {
    /// The customer, the rules and the moment.
    pub scene: &'r Scene<'r>,
    /// The question.
    pub request: &'q Request<'q>,
}
