//! The upper bound of an action's score.

use crate::domain::model::{Action, Arbitration};
use crate::domain::scoring::Inputs;

/// The upper bound of an action's score: with all points for it, and only its own intrusiveness against it. For a
/// consent ask, the gain is not known in advance, and the sensitivity of its conditions does not count.
///
/// Actions with equal bounds have equal scores whenever they reach them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Promise {
    /// In points, without the part of intrusiveness that all actions share.
    pub points: f64,
    relevance: f64,
    personal: f64,
    worth: f64,
    base: f64,
    helps: bool,
}

impl Promise {
    /// The bound of an action whose conditions read facts of at least this sensitivity.
    pub fn new(action: &Action, sensitivity: Option<f64>, weights: Arbitration) -> Self {
        let best = Inputs::at_best(action, sensitivity.unwrap_or(0.0));
        let Inputs { relevance, personal, worth, base, .. } = best;
        Self { points: best.score(weights).total, relevance, personal, worth, base, helps: action.kind.helps() }
    }

    /// Whether a score reaches the bound: all points count, and no fact read is more personal than necessary.
    #[must_use]
    pub fn is_kept(&self, relevance: f64, personal: f64) -> bool {
        relevance >= self.relevance && personal <= self.personal
    }
}
