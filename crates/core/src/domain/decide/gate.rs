//! Where an action can drop out of a decision.

crate::words! {
    /// Where actions drop out, in order of evaluation.
    pub enum Gate {
        /// The request asked for other groups.
        Group = "group",
        /// No treatment for the channel.
        Channel = "channel",
        /// Before its start or after its end.
        Dates = "dates",
        /// Its purpose may not be served.
        Consent = "consent",
        /// May we ever?
        Eligible = "eligible",
        /// Does it fit now?
        Applicable = "applicable",
        /// Is it good for them?
        Suitable = "suitable",
        /// A limit is used up.
        Limit = "limit",
        /// Too soon after an outcome.
        CoolDown = "cool_down",
        /// The channel's quiet hours.
        QuietHours = "quiet_hours",
        /// A consent ask that is not to be made now.
        Ask = "ask",
        /// Its text needs an unknown fact.
        Text = "text",
        /// Its score is not above the threshold.
        BelowThreshold = "below_threshold",
        /// A better action excludes it.
        Excluded = "excluded",
        /// Better actions filled the answer.
        Outranked = "outranked",
        /// It was chosen.
        Chosen = "chosen",
    }
}

impl Gate {
    /// The order of nearness: scored actions, then those that only the contact policy stopped, then those without consent.
    pub(crate) fn nearness(self) -> u8 {
        match self {
            Self::BelowThreshold | Self::Excluded | Self::Outranked | Self::Chosen => 6,
            Self::Limit | Self::CoolDown => 5,
            Self::QuietHours => 4,
            Self::Consent => 3,
            Self::Text | Self::Ask => 2,
            Self::Eligible | Self::Applicable | Self::Suitable => 1,
            Self::Group | Self::Channel | Self::Dates => 0,
        }
    }
}
