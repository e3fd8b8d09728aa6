//! `channels:` where a conversation takes place, and how much it interrupts.

use compact_str::CompactString;
use jiff::tz::TimeZone;

use crate::domain::sources::Span;
use crate::domain::time::{Moment, Period, TimeOfDay};

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

/// For how many days an edge of quiet hours is searched.
const EDGES: usize = 4;

impl QuietHours {
    /// Whether a time of day falls into them.
    #[must_use]
    pub fn cover(&self, time: TimeOfDay) -> bool {
        if self.from <= self.to { self.from <= time && time < self.to } else { time >= self.from || time < self.to }
    }

    /// The next moment at which they begin, or end if it is quiet now. A change of the clocks may do either.
    #[must_use]
    pub fn next_change(&self, now: Moment, zone: &TimeZone) -> Moment {
        let quiet = self.cover(now.time_of_day(zone));
        let edge = if quiet { self.to } else { self.from };
        let changes = |at: Moment| self.cover(at.time_of_day(zone)) != quiet;
        let (mut from, mut clocks) = (now, now.next_clock_change(zone));
        // If the clocks skip an edge, the next one may be a day later.
        for _ in 0..EDGES {
            let usual = from.next_local(edge, zone);
            while let Some(change) = clocks.filter(|change| *change < usual) {
                if changes(change) {
                    return change;
                }
                clocks = change.next_clock_change(zone);
            }
            if changes(usual) {
                return usual;
            }
            from = usual;
        }
        from
    }
}
