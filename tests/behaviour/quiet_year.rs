//! Quiet hours over a year of days in many zones, against a clock that goes on by single seconds.
//!
//! `DAYS=all cargo test --release --test behaviour quiet_year` asks on every day of the year in all zones.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tactful::domain::rule_set::RuleSet;
use tactful::domain::time::{Moment, zone};
use tactful::engine::{AttributeChange, Engine, Question};

use super::support::{ask, engine, rules_of};

const SHAPES: [[&str; 2]; 8] = [
    ["21:00", "08:00"],
    ["22:00", "02:30"],
    ["00:00", "02:30"],
    ["22:00", "01:30"],
    ["03:00", "02:15"],
    ["01:00", "01:30"],
    ["12:15", "13:45"],
    ["23:59", "00:01"],
];
const ZONES: [&str; 40] = [
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/St_Johns",
    "Pacific/Apia",
    "Antarctica/Troll",
    "Europe/Dublin",
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Chatham",
    "Africa/Cairo",
    "America/Santiago",
    "America/Asuncion",
    "America/Havana",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "America/Nuuk",
    "Africa/El_Aaiun",
    "Pacific/Easter",
    "Pacific/Norfolk",
    "Atlantic/Azores",
    "America/Miquelon",
    "Europe/London",
    "Europe/Lisbon",
    "Europe/Chisinau",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Pacific/Auckland",
    "America/Tijuana",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Asia/Gaza",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "America/Scoresbysund",
    "Antarctica/Macquarie",
    "America/Port-au-Prince",
    "UTC",
];
const DAY: i64 = 86_400;
/// 2026-01-01T00:00:00Z.
const YEAR: i64 = 1_767_225_600;

/// A clock in one zone: its offsets from UTC in seconds, each from a moment on.
struct Clock(Vec<(i64, i64)>);

impl Clock {
    fn of(zone: &TimeZone) -> Self {
        let start = jiff::Timestamp::from_second(YEAR - DAY).unwrap();
        let first = (i64::MIN, i64::from(zone.to_offset(start).seconds()));
        let changes =
            zone.following(start).map(|change| (change.timestamp().as_second(), i64::from(change.offset().seconds())));
        Self([first].into_iter().chain(changes.take_while(|(at, _)| *at < YEAR + 380 * DAY)).collect())
    }

    fn minute(&self, second: i64) -> i64 {
        let place = self.0.partition_point(|(from, _)| *from <= second);
        (second + self.0[place - 1].1).rem_euclid(DAY) / 60
    }
}

fn minutes(text: &str) -> i64 {
    let (hour, minute) = text.split_once(':').unwrap();
    hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap()
}

fn quiet([from, to]: [i64; 2], minute: i64) -> bool {
    if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to }
}

fn note([from, to]: [&str; 2]) -> Arc<RuleSet> {
    rules_of(&format!(
        "purposes:\n  service: {{basis: contract}}\nchannels:\n  sms: {{direction: outbound, interruption: 0, quiet_hours: \
         {{from: \"{from}\", to: \"{to}\", otherwise: wait}}}}\nactions:\n  - {{id: note, title: T, kind: service, purpose: \
         service, relevance: {{base: 50}}, intrusiveness: 1, treatments: {{sms: {{text: T}}}}}}\npolicy:\n  pressure: \
         {{half_life: 7 days, per_contact: {{sms: 0}}}}\n  hurt: {{half_life: 30 days}}\n  time_zone: UTC\n"
    ))
}

/// What the gate says at a second, and the moments that it names, against the clock.
fn difference(engine: &Engine, customer: &str, (clock, shape): (&Clock, [i64; 2]), second: i64) -> Option<String> {
    let question = Question { validate_only: true, ..ask(customer, "sms", &[]) };
    let decision = engine.decide(question, Moment(second * 1_000)).unwrap().decision.clone();
    let now = quiet(shape, clock.minute(second));
    let change = (second..second + 7 * DAY).find(|later| quiet(shape, clock.minute(*later)) != now);
    let until = change.unwrap_or(i64::MAX / 1_000).min(second + DAY);
    let named = (
        decision.silence.is_some(),
        decision.silence.and_then(|silence| silence.retry_after).map(|at| at.0),
        decision.valid_until.0,
    );
    let wanted = (now, change.filter(|_| now).map(|at| at * 1_000), until * 1_000);
    (named != wanted).then(|| format!("{customer} {shape:?} at {second}: {named:?}, and by the clock {wanted:?}"))
}

#[test]
fn quiet_hours_agree_with_a_clock_all_year() {
    let all = std::env::var("DAYS").is_ok_and(|days| days == "all");
    let (mut asked, mut differences) = (0, Vec::new());
    for shape in SHAPES {
        let (rules, edges) = (note(shape), shape.map(minutes));
        for (place, name) in ZONES.into_iter().enumerate() {
            // An engine's clock never goes back.
            let engine = engine(&rules);
            let clock = Clock::of(&zone(name).unwrap());
            let told = AttributeChange { customer: name.into(), time_zone: name.into(), ..AttributeChange::default() };
            engine.set_attributes(told, Moment((YEAR - DAY) * 1_000)).unwrap();
            // Every day at another time of day; and around every change of the clocks.
            let days = (0..365).filter(|day| all || (day + place) % 73 == 0);
            let daily = days.map(|day| YEAR + day as i64 * DAY + (day as i64 * 7_919 + place as i64 * 613) % DAY);
            let near = [-7_201, -3_600, -1, 0, 1_800, 5_400];
            let changes = clock.0.iter().skip(1).filter(|(at, _)| *at < YEAR + 365 * DAY);
            let around = changes.flat_map(|(at, _)| near.map(|second| at + second));
            let mut seconds: Vec<i64> = daily.chain(around).collect();
            seconds.sort_unstable();
            for second in seconds {
                asked += 1;
                differences.extend(difference(&engine, name, (&clock, edges), second));
            }
        }
    }
    println!("{asked} moments, {} differences", differences.len());
    assert!(
        asked > 1_000 && differences.is_empty(),
        "{} of {asked}: {:#?}",
        differences.len(),
        &differences[..differences.len().min(8)]
    );
}
