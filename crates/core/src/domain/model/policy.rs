//! `policy:` the settings for all actions: arbitration, pressure, hurt, limits and the time zone.

use jiff::tz::TimeZone;

use crate::domain::action::Outcome;
use crate::domain::id::{ChannelId, IdMap};
use crate::domain::model::Limit;
use crate::domain::time::Period;

/// The settings for all actions.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How relevance is weighed against intrusiveness.
    pub arbitration: Arbitration,
    /// How contacts add up.
    pub pressure: Pressure,
    /// How bad experiences add up.
    pub hurt: Hurt,
    /// Limits over many actions.
    pub limits: Vec<Limit>,
    /// `retry_after` names no moment after this time.
    pub retry_within: Period,
    /// The time zone of customers whose own is unknown.
    pub zone: TimeZone,
    /// The IANA name of `zone`.
    pub zone_name: String,
}

/// Weights of the score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arbitration {
    /// The share of the relevance that the most personal fact costs, from 0 to 1.
    pub personal_discount: f64,
    /// Points of intrusiveness of the most personal fact.
    pub personal: f64,
    /// Points of intrusiveness for each point of pressure.
    pub pressure: f64,
    /// Points of intrusiveness for each point of hurt.
    pub hurt: f64,
    /// A score must be above this, and above silence, which scores 0.
    pub threshold: f64,
}

impl Default for Arbitration {
    fn default() -> Self {
        Self { personal_discount: 0.5, personal: 20.0, pressure: 1.0, hurt: 1.0, threshold: 0.0 }
    }
}

/// How contacts add up to pressure and fade.
#[derive(Debug, Clone)]
pub struct Pressure {
    /// A contact weighs half as much after this time.
    pub half_life: Period,
    /// The points of one contact, by channel.
    pub per_contact: IdMap<ChannelId, f64>,
}

/// How bad experiences add up to hurt and fade.
#[derive(Debug, Clone)]
pub struct Hurt {
    /// An experience weighs half as much after this time.
    pub half_life: Period,
    /// The points of an outcome, such as `complained`.
    pub per_outcome: Vec<(Outcome, f64)>,
}
