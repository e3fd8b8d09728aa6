//! `channels:` where a conversation takes place, and how much it interrupts.

use crate::domain::model::{ACTIVITY, Channel, Direction, Interruption, QuietHours};
use compact_str::CompactString;

use crate::domain::time::Period;
use crate::domain::value::normal;
use crate::rules::fields::Fields;
use crate::rules::names::Names;
use crate::rules::reader;
use crate::rules::sink::Sink;
use crate::rules::source::{Entry, Node, NodeKind};
use crate::rules::{code, shape};

/// How long an unconfirmed contact counts on an inbound channel without `reserve_for`.
pub const RESERVE_FOR: Period = Period(30 * 60_000);

/// Reads one channel.
pub fn read(entry: &Entry, names: Names<'_>) -> Option<Channel> {
    let sink = names.sink;
    reader::check_id(entry.key.spanned(), false, sink)?;
    let fields = Fields::of(&entry.value, &shape::CHANNEL, sink)?;
    let direction = fields.need("direction");
    let interruption = interruption(&fields, names);
    let quiet_hours = fields.optional("quiet_hours").and_then(|node| quiet_hours(node, sink));
    let reserve_node = fields.optional("reserve_for");
    let reserve_for = fields.given("reserve_for");
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

fn interruption(fields: &Fields<'_>, names: Names<'_>) -> Option<Interruption> {
    let sink = names.sink;
    let node = fields.required("interruption")?;
    if let NodeKind::Number(_) = node.kind {
        return Some(Interruption { otherwise: fields.need("interruption")?, by_activity: Vec::new() });
    }
    let entries = reader::map(node, "interruption", sink)?;
    let mut default = None;
    let mut by_activity = Vec::new();
    for entry in entries {
        let points = fields.entry("interruption", &entry.value)?;
        if entry.key.text == "default" {
            default = Some(points);
        } else {
            by_activity.push((known_activity(entry, names)?, points));
        }
    }
    let highest = by_activity.iter().map(|(_, points)| *points).fold(0.0, f64::max);
    Some(Interruption { otherwise: default.unwrap_or(highest), by_activity })
}

fn known_activity(entry: &Entry, names: Names<'_>) -> Option<CompactString> {
    let sink = names.sink;
    let fact = names.vocabulary.find(ACTIVITY).and_then(|id| names.declared.context.get(id));
    let Some(allowed) = fact.and_then(|fact| fact.shape.one_of.as_ref()) else {
        let help = "declare `context: {activity: {type: text, one_of: [...], personal: false}}`, or give one number";
        let message = "interruption by activity needs the context fact `activity` with its `one_of`".to_owned();
        return reader::refuse(entry.key.span, code::UNKNOWN_NAME, message, help, sink);
    };
    let activity = normal(&entry.key.text);
    if let Some(known) = allowed.iter().find(|value| **value == *activity) {
        return Some(known.clone());
    }
    reader::unknown(entry.key.spanned(), "activity", allowed.iter().map(CompactString::as_str), sink)
}

fn quiet_hours(node: &Node, sink: &Sink) -> Option<QuietHours> {
    let fields = Fields::of(node, &shape::QUIET_HOURS, sink)?;
    let from = fields.need("from");
    let to = fields.need("to");
    let otherwise = fields.need("otherwise");
    fields.finish();
    let quiet = QuietHours { from: from?, to: to?, otherwise: otherwise?, span: node.span };
    if quiet.from == quiet.to {
        let help = "choose two different times; to silence a channel for good, remove its treatments";
        return reader::refuse(node.span, code::CONTRADICTION, "quiet hours begin when they end".into(), help, sink);
    }
    Some(quiet)
}
