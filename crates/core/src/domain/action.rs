//! The kinds of actions and of outcomes.

use crate::domain::id::ActionId;

crate::words! {
    /// What an action is to the customer; contact policy and hurt treat the kinds differently.
    pub enum ActionKind {
        /// Sells something.
        Offer = "offer",
        /// Helps with what the customer has.
        Service = "service",
        /// Makes up for a bad experience.
        Repair = "repair",
        /// Says something worth knowing.
        Information = "information",
        /// Asks whether a purpose may be served.
        ConsentAsk = "consent_ask",
    }
}

impl ActionKind {
    /// What it does, in the words of docs/rules.md.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Offer => "sells something",
            Self::Information => "gives useful information",
            Self::ConsentAsk => "asks for a consent",
            Self::Service => "helps with a product that the customer has",
            Self::Repair => "repairs a bad experience",
        }
    }

    /// Service and repair are exempt: hurt does not dampen them, pooled limits do not count them.
    #[must_use]
    pub fn helps(self) -> bool {
        matches!(self, Self::Service | Self::Repair)
    }
}

crate::words! {
    /// What happened to an action that was decided.
    pub enum Outcome {
        /// The customer saw or heard it.
        Presented = "presented",
        /// Followed it.
        Clicked = "clicked",
        /// Said yes.
        Accepted = "accepted",
        /// Said no.
        Rejected = "rejected",
        /// Said "maybe later".
        NotNow = "not_now",
        /// Has it already.
        AlreadyDone = "already_done",
        /// Closed it without an answer.
        Dismissed = "dismissed",
        /// Complained about it.
        Complained = "complained",
        /// Never saw it: the contact does not count.
        NotPresented = "not_presented",
    }
}

/// One outcome of one action, as rules count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActionOutcome {
    /// The action.
    pub action: ActionId,
    /// Its outcome.
    pub outcome: Outcome,
}
