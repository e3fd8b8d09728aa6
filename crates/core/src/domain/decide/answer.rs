//! What a decision answers: actions or silence, and the reasons that were asked for.

use std::sync::Arc;

use smallvec::SmallVec;

use super::gate::Gate;
use crate::domain::id::{ActionId, PurposeSet};
use crate::domain::scoring::Score;
use crate::domain::sources::Location;
use crate::domain::time::Moment;

/// The answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The actions to take, best first.
    pub actions: SmallVec<[Chosen; 1]>,
    /// Why nothing is said; there exactly when no action is.
    pub silence: Option<Silence>,
    /// Purposes whose data the chosen actions relied on.
    pub purposes_used: PurposeSet,
    /// Position of the newest ledger record that the decision knew of.
    pub ledger_position: u64,
    /// Until this moment the answer is the same, if nothing is recorded.
    pub valid_until: Moment,
    /// Whether a full history had dropped something that a rule could still ask for.
    pub history_truncated: bool,
    /// Reasons, as far as the question asked for them.
    pub explanation: Option<Explanation>,
}

impl Decision {
    /// Whether both say the same: the same steps in the same order and words, or nothing for the same reason.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let said = |chosen: &Chosen| (chosen.action, Arc::clone(&chosen.content), Arc::clone(&chosen.text));
        let reasons = |chosen: &Chosen| chosen.because.clone();
        let silence = |decision: &Self| decision.silence.as_ref().map(|silence| silence.reason);
        let same = |(a, b): (&Chosen, &Chosen)| said(a) == said(b) && reasons(a) == reasons(b);
        silence(self) == silence(other)
            && self.actions.len() == other.actions.len()
            && self.actions.iter().zip(&other.actions).all(same)
    }
}

/// One action to take.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The chosen action.
    pub action: ActionId,
    /// Key to content in another system.
    pub content: Arc<str>,
    /// Text to show or say.
    pub text: Arc<str>,
    /// The score and its parts.
    pub score: Score,
    /// Reasons that a person can say aloud.
    pub because: SmallVec<[Arc<str>; 1]>,
}

crate::words! {
    /// Why nothing is said.
    pub enum SilenceReason {
        /// No action passes the engagement policy.
        NothingEligible = "nothing_eligible",
        /// An action would fit, but intrudes more than it matters.
        BelowThreshold = "below_threshold",
        /// An action would fit, but a limit or a cool-down stops it.
        ContactLimit = "contact_limit",
        /// An action would fit, but the channel has quiet hours.
        QuietHours = "quiet_hours",
        /// An action might fit, but the customer has not consented.
        NoConsent = "no_consent",
        /// The customer's data may only be stored.
        Restricted = "restricted",
        /// The ledger cannot be trusted now.
        Degraded = "degraded",
    }
}

/// The answer when nothing is said.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// The kind of reason, for programs.
    pub reason: SilenceReason,
    /// The reason in words, for people.
    pub detail: String,
    /// The action that came nearest, and the points it lacked if it was scored.
    pub nearest: Option<(ActionId, f64)>,
    /// The first moment at which something would be said, if nothing is recorded.
    pub retry_after: Option<Moment>,
}

/// Reasons, as far as the question asked for them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Explanation {
    /// How many actions entered each gate, and how many were left behind it.
    pub funnel: Vec<(Gate, u32, u32)>,
    /// Every action with its reason, the best first.
    pub candidates: Vec<Loser>,
}

/// One action and the gate at which it stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Loser {
    /// The explained action.
    pub action: ActionId,
    /// Where it dropped out, or `chosen`.
    pub gate: Gate,
    /// Why, in words.
    pub reason: String,
    /// The place in the rules that decided it.
    pub rule: Location,
    /// Its score, if it was scored.
    pub score: Option<Score>,
    /// The smallest change found that would have let it win; verified by deciding again.
    pub flip: Option<String>,
    /// Purposes whose consent it needs.
    pub needs_purposes: PurposeSet,
    /// The places of the points that counted for its relevance.
    pub fired: Vec<Location>,
}
