//! The kinds of names that rule files declare, and how each is declared.

/// What rule files declare by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A purpose.
    Purpose,
    /// A channel.
    Channel,
    /// An event type.
    Event,
    /// An action.
    Action,
    /// A group of actions.
    Group,
    /// An attribute of a customer.
    Attribute,
    /// A context fact.
    Context,
    /// A journey.
    Journey,
}

impl NameKind {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Purpose => "purpose",
            Self::Channel => "channel",
            Self::Event => "event",
            Self::Action => "action",
            Self::Group => "group of actions",
            Self::Attribute => "attribute",
            Self::Context => "context fact",
            Self::Journey => "journey",
        }
    }

    /// How one is declared, as an imperative.
    #[must_use]
    pub fn how(self) -> &'static str {
        match self {
            Self::Purpose => "declare it under `purposes:`",
            Self::Channel => "declare it under `channels:`",
            Self::Event => "declare it under `events:`",
            Self::Action => "add it to `actions:`",
            Self::Group => "give an action this `group:`",
            Self::Attribute => "declare it under `attributes:`",
            Self::Context => "declare it under `context:`",
            Self::Journey => "declare it under `journeys:`",
        }
    }
}
