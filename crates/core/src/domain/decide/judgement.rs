//! What became of each action, before it is put in words.

use smallvec::SmallVec;

use super::gate::Gate;
use crate::domain::consent::Denial;
use crate::domain::id::ActionId;
use crate::domain::model::{Action, Condition, Limit};
use crate::domain::scoring::Score;
use crate::domain::sources::Span;
use crate::domain::time::Moment;
use crate::domain::value::Truth;

/// Why an action dropped out, as data.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Why<'r> {
    Group,
    Channel,
    NotYet(Moment),
    Over,
    Consent(Denial),
    Condition(&'r Condition, Truth),
    AlreadyGiven,
    AskedBefore(Moment),
    NeverAskAgain,
    NothingToGain,
    /// A consent ask that is not scored yet, and the sensitivity of its conditions.
    Asking(f64),
    Limit(&'r Limit, Moment),
    /// The limit could not count it.
    Unlogged(&'r Limit),
    Quiet,
    Text(&'r str),
    Gap(f64),
    Excluded(ActionId),
    Outranked(f64),
    Chosen,
}

/// The result for one action.
#[derive(Debug, Clone)]
pub(crate) struct Judgement<'r> {
    pub action: &'r Action,
    pub gate: Gate,
    pub why: Why<'r>,
    pub score: Option<Score>,
}

impl<'r> Judgement<'r> {
    pub(crate) fn dropped(action: &'r Action, gate: Gate, why: Why<'r>) -> Self {
        Self { action, gate, why, score: None }
    }

    /// The place in the rules that decided it.
    pub(crate) fn span(&self) -> Span {
        match self.why {
            Why::Condition(condition, _) => condition.span(),
            Why::Limit(limit, _) | Why::Unlogged(limit) => limit.span,
            _ => self.action.span,
        }
    }
}

/// A decision without texts and reasons.
pub(crate) struct Weighed<'r> {
    pub judgements: Vec<Judgement<'r>>,
    /// Indices of the chosen actions in `judgements`, best first.
    pub chosen: SmallVec<[usize; 4]>,
    /// The actions without a judgement, counted by gate.
    pub counted: Counted,
}

/// Counts of actions of which only the gate is stored.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub gates: [u32; Gate::ALL.len()],
    /// The action that came nearest; the first of equals.
    pub nearest: Option<(Gate, ActionId)>,
}

impl Counted {
    pub fn add(&mut self, gate: Gate, action: ActionId) {
        if let Some(count) = self.gates.get_mut(gate as usize) {
            *count += 1;
        }
        if self.nearest.is_none_or(|(nearest, _)| gate.nearness() > nearest.nearness()) {
            self.nearest = Some((gate, action));
        }
    }

    /// Removes one, because it now has a judgement.
    pub fn take(&mut self, gate: Gate) {
        if let Some(count) = self.gates.get_mut(gate as usize) {
            *count = count.saturating_sub(1);
        }
    }
}
