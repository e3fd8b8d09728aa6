//! The upper bound of an action's score.

use crate::domain::model::{Action, Arbitration};

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
    intrusiveness: f64,
    helps: bool,
}

impl Promise {
    /// The bound of an action whose conditions read facts of at least this sensitivity.
    pub fn new(action: &Action, sensitivity: Option<f64>, weights: Arbitration) -> Self {
        let relevance = action.relevance.add.iter().fold(action.relevance.base, |sum, add| sum + add.points.max(0.0));
        let (relevance, personal) = match action.asks {
            Some(_) => (100.0, 0.0),
            None => (relevance.clamp(0.0, 100.0), sensitivity.unwrap_or(0.0)),
        };
        let (worth, intrusiveness) = (action.worth, action.intrusiveness);
        let gain = relevance * worth * (1.0 - weights.personal_discount * personal);
        let points = gain - intrusiveness - weights.personal * personal;
        Self { points, relevance, personal, worth, intrusiveness, helps: action.kind.helps() }
    }

    /// Whether a score reaches the bound: all points count, and no fact read is more personal than necessary.
    #[must_use]
    pub fn is_kept(&self, relevance: f64, personal: f64) -> bool {
        relevance >= self.relevance && personal <= self.personal
    }
}
