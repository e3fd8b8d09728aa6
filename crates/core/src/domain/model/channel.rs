//! `channels:` where a conversation takes place, and how much it interrupts.

use compact_str::CompactString;

use crate::domain::sources::Span;
use crate::domain::time::{Local, Moment, Period, TimeOfDay};
use crate::domain::value::{Possible, Truth};

/// The context fact that says what the customer is doing.
pub const ACTIVITY: &str = "activity";

crate::words! {
    /// Who starts a contact.
    pub enum Direction {
        /// The customer came to us.
        Inbound = "inbound",
        /// We go to the customer.
        Outbound = "outbound",
    }
}

/// A declared channel.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Who starts a contact.
    pub direction: Direction,
    /// What it costs the customer to be interrupted here.
    pub interruption: Interruption,
    /// The quiet hours, if there are any.
    pub quiet_hours: Option<QuietHours>,
    /// How long an unconfirmed contact counts; for ever on outbound channels.
    pub reserve_for: Option<Period>,
    /// Where it is declared.
    pub span: Span,
}

/// Points of interruption by what the customer is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct Interruption {
    /// The points for an activity that is not listed or not known: `default`, else the highest listed.
    pub otherwise: f64,
    /// By value of `context.activity`.
    pub by_activity: Vec<(CompactString, f64)>,
}

impl Interruption {
    /// The points for an activity; those of an unknown one if it is unknown.
    #[must_use]
    pub fn points(&self, activity: Option<&str>) -> f64 {
        let listed = activity.and_then(|now| self.by_activity.iter().find(|(name, _)| name == now));
        listed.map_or(self.otherwise, |(_, points)| *points)
    }
}

/// A daily span of silence on local clocks; it may run past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// Start of the span (inclusive).
    pub from: TimeOfDay,
    /// End of the span (exclusive).
    pub to: TimeOfDay,
    /// What happens to an action in this span.
    pub otherwise: Otherwise,
    /// Where it is written.
    pub span: Span,
}

crate::words! {
    /// What happens to an action in quiet hours.
    pub enum Otherwise {
        /// The answer says to ask again when they end.
        Wait = "wait",
        /// The action is dropped; the answer names no later moment.
        Drop = "drop",
    }
}

const DAY: i64 = 24 * 60;

impl QuietHours {
    /// The first edge of the span after a moment, unless clocks are changed before.
    #[must_use]
    pub fn next_edge(&self, at: Moment, local: &Local) -> Moment {
        let minutes_to = |edge: TimeOfDay| DAY - (local.minutes - edge.minutes()).rem_euclid(DAY);
        at + Period(minutes_to(self.from).min(minutes_to(self.to)) * 60_000 - at.0.rem_euclid(60_000))
    }

    /// Whether it can be quiet at moments from the first to the last, which are less than a week apart.
    #[must_use]
    pub fn cover(&self, first: &Local, last: &Local) -> Possible {
        let edges = [self.from.minutes(), self.to.minutes()];
        let passed = |edge: i64| (first.minutes - edge).div_euclid(DAY) != (last.minutes - edge).div_euclid(DAY);
        if first.offset != last.offset || edges.into_iter().any(passed) && self.from != self.to {
            return Possible::OPEN;
        }
        let [from, to] = edges.map(|edge| (first.minutes - edge).rem_euclid(DAY));
        // The edge that was passed last says which of the two it is.
        Truth::from(from < to).into()
    }
}
