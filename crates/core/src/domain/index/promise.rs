//! What an action can come to at its best.

use crate::domain::model::{Action, Arbitration};

/// The best that an action can come to: all that speaks for it, nothing that speaks against it but itself. What a consent
/// ask can gain is not known before, and it does not pay for what its conditions read.
///
/// Actions with equal promises score alike where they keep them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Promise {
    /// Points, before what speaks against every action alike.
    pub points: f64,
    relevance: f64,
    personal: f64,
    worth: f64,
    intrusiveness: f64,
    helps: bool,
}

impl Promise {
    /// The promise of an action, whose conditions read facts that are so personal at least.
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

    /// Whether it is kept: everything speaks for the action, and it reads nothing more personal than it must.
    #[must_use]
    pub fn is_kept(&self, relevance: f64, personal: f64) -> bool {
        relevance >= self.relevance && personal <= self.personal
    }
}
