//! `channels:` where a conversation takes place, and how much it interrupts.

use compact_str::CompactString;
use jiff::tz::TimeZone;

use super::context::ContextFact;
use crate::domain::id::{ContextId, IdMap, Vocabulary};
use crate::domain::rules::code;
use crate::domain::rules::diagnostic::Span;
use crate::domain::rules::reader::{self, Fields};
use crate::domain::rules::shape;
use crate::domain::rules::sink::Sink;
use crate::domain::rules::source::{Entry, Node, NodeKind};
use crate::domain::time::{Moment, Period, TimeOfDay};
use crate::domain::value::normal;

/// The context fact that says what the customer is doing.
pub const ACTIVITY: &str = "activity";

/// How long an unconfirmed contact counts on an inbound channel that does not say.
pub const RESERVE_FOR: Period = Period(30 * 60_000);

/// Who began the contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The customer came to us.
    Inbound,
    /// We go to the customer.
    Outbound,
}

/// A declared channel.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Who began the contact.
    pub direction: Direction,
    /// What it costs the customer to be interrupted here.
    pub interruption: Interruption,
    /// When nothing is said here.
    pub quiet_hours: Option<QuietHours>,
    /// How long an unconfirmed contact counts; for ever on outbound channels.
    pub reserve_for: Option<Period>,
    /// Where it is declared.
    pub span: Span,
}

/// Points of interruption by what the customer is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct Interruption {
    /// Where the activity is not listed or not known: the `default`, else the highest listed.
    pub otherwise: f64,
    /// By value of `context.activity`.
    pub by_activity: Vec<(CompactString, f64)>,
}

impl Interruption {
    /// The points for an activity; the strict value where it is unknown.
    #[must_use]
    pub fn points(&self, activity: Option<&str>) -> f64 {
        let listed = activity.and_then(|now| self.by_activity.iter().find(|(name, _)| name == now));
        listed.map_or(self.otherwise, |(_, points)| *points)
    }
}

/// A daily span of silence on local clocks; it may run past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// Silence from here.
    pub from: TimeOfDay,
    /// To here (exclusive).
    pub to: TimeOfDay,
    /// What becomes of a step that falls into it.
    pub otherwise: Otherwise,
    /// Where it is written.
    pub span: Span,
}

/// What becomes of a step that falls into quiet hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// Ask again when they end.
    Wait,
    /// It is dropped; no later moment is named.
    Drop,
}

/// How many times an edge of quiet hours is looked for, one a day at most.
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
        // Where clocks skip an edge, it may change nothing until the next day.
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

/// Reads one channel.
pub fn read(entry: &Entry, declared: (&Vocabulary, &IdMap<ContextId, ContextFact>), sink: &Sink) -> Option<Channel> {
    reader::check_id(&entry.key.text, entry.key.span, false, sink)?;
    let fields = Fields::of(&entry.value, &shape::CHANNEL, sink)?;
    let directions = [("inbound", Direction::Inbound), ("outbound", Direction::Outbound)];
    let direction = fields.required("direction").and_then(|node| reader::one_of(node, &directions, sink));
    let interruption = fields.required("interruption").and_then(|node| interruption(node, declared, sink));
    let quiet_hours = fields.optional("quiet_hours").and_then(|node| quiet_hours(node, sink));
    let reserve_node = fields.optional("reserve_for");
    let reserve_for = reserve_node.and_then(|node| reader::period(node, sink));
    fields.finish();
    let reserve_for = match (direction?, reserve_node) {
        (Direction::Inbound, _) => Some(reserve_for.unwrap_or(RESERVE_FOR)),
        (Direction::Outbound, None) => None,
        (Direction::Outbound, Some(node)) => {
            let help = "remove `reserve_for`: what was sent counts until it is reported as not presented";
            return reader::refuse(
                node.span,
                code::CONTRADICTION,
                "an outbound contact does not lapse".into(),
                help,
                sink,
            );
        }
    };
    Some(Channel { direction: direction?, interruption: interruption?, quiet_hours, reserve_for, span: entry.key.span })
}

fn interruption(
    node: &Node,
    declared: (&Vocabulary, &IdMap<ContextId, ContextFact>),
    sink: &Sink,
) -> Option<Interruption> {
    if let NodeKind::Number(_) = node.kind {
        return Some(Interruption { otherwise: points(node, sink)?, by_activity: Vec::new() });
    }
    let entries = reader::map(node, "interruption", sink)?;
    let mut default = None;
    let mut by_activity = Vec::new();
    for entry in entries {
        let points = points(&entry.value, sink)?;
        if entry.key.text == "default" {
            default = Some(points);
        } else {
            by_activity.push((known_activity(entry, declared, sink)?, points));
        }
    }
    let highest = by_activity.iter().map(|(_, points)| *points).fold(0.0, f64::max);
    Some(Interruption { otherwise: default.unwrap_or(highest), by_activity })
}

fn points(node: &Node, sink: &Sink) -> Option<f64> {
    reader::number(node, (0.0, 1_000.0), sink)
}

fn known_activity(
    entry: &Entry,
    (vocabulary, context): (&Vocabulary, &IdMap<ContextId, ContextFact>),
    sink: &Sink,
) -> Option<CompactString> {
    let fact = vocabulary.find(ACTIVITY).and_then(|id| context.get(id));
    let Some(allowed) = fact.and_then(|fact| fact.shape.one_of.as_ref()) else {
        let help = "declare `context: {activity: {type: text, one_of: [...], personal: false}}`, or give one number";
        let message = "interruption by activity needs the context fact `activity` with its `one_of`".to_owned();
        return reader::refuse(entry.key.span, code::UNKNOWN_NAME, message, help, sink);
    };
    let activity = normal(&entry.key.text);
    if let Some(known) = allowed.iter().find(|value| **value == *activity) {
        return Some(known.clone());
    }
    reader::unknown((&entry.key.text, entry.key.span), "activity", allowed.iter().map(CompactString::as_str), sink)
}

fn quiet_hours(node: &Node, sink: &Sink) -> Option<QuietHours> {
    let fields = Fields::of(node, &shape::QUIET_HOURS, sink)?;
    let from = fields.required("from").and_then(|node| reader::time_of_day(node, sink));
    let to = fields.required("to").and_then(|node| reader::time_of_day(node, sink));
    let choices = [("wait", Otherwise::Wait), ("drop", Otherwise::Drop)];
    let otherwise = fields.required("otherwise").and_then(|node| reader::one_of(node, &choices, sink));
    fields.finish();
    let quiet = QuietHours { from: from?, to: to?, otherwise: otherwise?, span: node.span };
    if quiet.from == quiet.to {
        let help = "choose two different times; to silence a channel for good, remove its treatments";
        return reader::refuse(node.span, code::CONTRADICTION, "quiet hours begin when they end".into(), help, sink);
    }
    Some(quiet)
}
