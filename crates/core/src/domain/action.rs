//! The kinds of actions and of outcomes.

/// What an action is to the customer; contact policy and hurt treat the kinds differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ActionKind {
    /// Sells something.
    Offer,
    /// Helps with what the customer has.
    Service,
    /// Makes up for a bad experience.
    Repair,
    /// Says something worth knowing.
    Information,
    /// Asks whether a purpose may be served.
    ConsentAsk,
}

impl ActionKind {
    /// The words that rule files use.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("offer", Self::Offer),
        ("service", Self::Service),
        ("repair", Self::Repair),
        ("information", Self::Information),
        ("consent_ask", Self::ConsentAsk),
    ];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

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

/// What happened to an action that was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The customer saw or heard it.
    Presented,
    /// Followed it.
    Clicked,
    /// Said yes.
    Accepted,
    /// Said no.
    Rejected,
    /// Said "maybe later".
    NotNow,
    /// Has it already.
    AlreadyDone,
    /// Closed it without an answer.
    Dismissed,
    /// Complained about it.
    Complained,
    /// Never saw it: the contact does not count.
    NotPresented,
}

impl Outcome {
    /// The words that rule files use.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("presented", Self::Presented),
        ("clicked", Self::Clicked),
        ("accepted", Self::Accepted),
        ("rejected", Self::Rejected),
        ("not_now", Self::NotNow),
        ("already_done", Self::AlreadyDone),
        ("dismissed", Self::Dismissed),
        ("complained", Self::Complained),
        ("not_presented", Self::NotPresented),
    ];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, outcome)| *outcome == self).map_or("", |(name, _)| name)
    }

    /// The outcome with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, outcome)| *outcome)
    }
}
