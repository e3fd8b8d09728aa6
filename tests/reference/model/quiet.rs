//! The customer's clock and quiet hours: docs/rules.md, "Channels"; the decisions of 30 November 2026, T2.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, civil::Weekday};

use super::super::story::Value;
use super::World;
use super::customer::Customer;
use super::rules::QuietHours;

/// "Zone data is the one bundled with the server, not the machine's."
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// The customer's clock at a moment: their own time zone, or the policy's.
fn clock(world: &World, customer: &Customer, moment: i64) -> jiff::Zoned {
    let name = customer.time_zone.as_ref().unwrap_or(&world.rules.policy.time_zone);
    let zone = zone(name).unwrap_or(TimeZone::UTC);
    Timestamp::from_millisecond(moment).unwrap_or_default().to_zoned(zone)
}

/// Whether the customer's clocks are put forward or back between now and a moment.
pub fn clocks_change(world: &World, customer: &Customer, until: i64) -> bool {
    clock(world, customer, world.now).offset() != clock(world, customer, until).offset()
}

/// `local.hour`, `local.weekday`, `local.month`, `local.date`: docs/expressions.md, "Facts".
pub fn local(world: &World, customer: &Customer, part: &str) -> Value {
    let clock = clock(world, customer, world.now);
    match part {
        "hour" => Value::Number(f64::from(clock.hour())),
        "month" => Value::Number(f64::from(clock.month())),
        "date" => Value::Text(clock.date().to_string()),
        _ => Value::Text(weekday(clock.weekday()).to_string()),
    }
}

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    }
}

/// "Quiet hours hold at every moment whose local hour and minute lie in [from, to)."
pub fn hold(world: &World, customer: &Customer, quiet: &QuietHours, moment: i64) -> bool {
    let clock = clock(world, customer, moment);
    let minute = i64::from(clock.hour()) * 60 + i64::from(clock.minute());
    if quiet.from <= quiet.to {
        quiet.from <= minute && minute < quiet.to
    } else {
        minute >= quiet.from || minute < quiet.to
    }
}
