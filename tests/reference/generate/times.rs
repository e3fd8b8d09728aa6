//! When the next thing happens: most often near a moment at which something begins or ends.

use tactful::domain::time::{Period, TimeOfDay, zone};

use super::declared::Declared;
use super::random::Random;
use super::values::DAY;

/// Never later than this after the story began.
const LONGEST: i64 = 6 * 365 * DAY;
const HOUR: i64 = 3_600_000;

/// What is known of times so far.
#[derive(Debug, Clone, Default)]
pub struct Times {
    pub begins: i64,
    pub now: i64,
    /// Moments from which durations count.
    pub past: Vec<i64>,
    /// Moments at which something is said to end.
    pub hints: Vec<i64>,
    /// Where the customers' clocks are.
    pub zones: Vec<String>,
}

impl Times {
    pub fn note(&mut self, at: i64) {
        self.past.push(at);
        if self.past.len() > 24 {
            self.past.remove(0);
        }
    }

    pub fn hint(&mut self, at: i64) {
        if at > self.now && at < self.begins + LONGEST {
            self.hints.push(at);
        }
        if self.hints.len() > 24 {
            self.hints.remove(0);
        }
    }

    /// The moment of the next step.
    pub fn next(&mut self, declared: &Declared, random: &mut Random) -> i64 {
        let near = random.one_of(&[-1, 0, 0, 1]);
        let ahead = match random.below(100) {
            0..22 => Some(self.now),
            22..30 => Some(self.now + random.within(1, 3)),
            30..48 => {
                let hints: Vec<i64> = self.hints.iter().copied().filter(|at| *at > self.now).collect();
                random.some_of(&hints).map(|at| at + near)
            }
            48..68 => self.end_of_a_period(declared, random).map(|at| at + near),
            68..76 => self.on_the_clock(declared, random).map(|at| at + near),
            76..80 => random.some_of(&declared.moments).map(|at| at + near),
            80..86 => self.around_a_change(declared, random).filter(|at| *at < self.now + 2 * DAY),
            _ => None,
        };
        let end = self.begins + LONGEST;
        let ahead = ahead.filter(|at| *at >= self.now && *at < end);
        let length = 1_i64 << random.within(0, 30);
        let next = ahead.unwrap_or_else(|| self.now + random.within(0, length)).min(end);
        self.now = self.now.max(next);
        self.now
    }

    /// A duration after something that happened.
    fn end_of_a_period(&self, declared: &Declared, random: &mut Random) -> Option<i64> {
        let from = random.some_of(&self.past)?;
        let mut ends: Vec<i64> =
            declared.periods.iter().map(|period| from + period).filter(|at| *at > self.now).collect();
        ends.sort_unstable();
        // The nearer ones more often, so that stories do not run away.
        ends.truncate(random.one_of(&[1, 1, 3, 100]));
        random.some_of(&ends)
    }

    /// When quiet hours begin or end, or clocks are put forward or back.
    fn on_the_clock(&self, declared: &Declared, random: &mut Random) -> Option<i64> {
        let zones: Vec<&str> = self.zones.iter().chain([&declared.zone]).map(String::as_str).collect();
        let zone = zone(random.one_of(&zones))?;
        if let Some(time) = random.some_of(&declared.quiet)
            && random.percent(65)
        {
            return next_local(self.now, TimeOfDay::parse(&time)?, &zone);
        }
        let length = random.one_of(&[0, 0, 900_000, 1_800_000, 3_600_000, 7_200_000]);
        Some(following_change(self.now, &zone)? + length * random.one_of(&[1, -1]))
    }

    /// At any minute of the hours in which clocks show a time twice or not at all.
    fn around_a_change(&self, declared: &Declared, random: &mut Random) -> Option<i64> {
        let change = following_change(self.now - HOUR, &zone(&declared.zone)?)?;
        Some((change + random.within(-90, 90) * 60_000).max(self.now))
    }

    /// When something happened that arrives now.
    pub fn occurred(&self, declared: &Declared, random: &mut Random) -> Option<i64> {
        match random.below(100) {
            0..55 => None,
            55..65 => Some(self.now - random.within(0, 3)),
            65..72 => Some(self.now + random.one_of(&[1, 60_000, 299_999, 300_000, 300_001])),
            72..82 => random.some_of(&self.past).map(|at| at + random.one_of(&[-1, 0, 1])),
            82..94 => {
                let period = random.some_of(&declared.periods)?;
                Some(self.now - period + random.one_of(&[-1, 0, 1]))
            }
            _ => {
                let longest = 1_i64 << random.within(10, 33);
                Some(self.now - random.within(0, longest))
            }
        }
    }
}

/// When clocks in a zone are changed next.
fn following_change(now: i64, zone: &jiff::tz::TimeZone) -> Option<i64> {
    let now = jiff::Timestamp::from_millisecond(now).ok()?;
    Some(zone.following(now).next()?.timestamp().as_millisecond())
}

/// The next moment at which clocks in a zone show a time of day.
fn next_local(now: i64, time: TimeOfDay, zone: &jiff::tz::TimeZone) -> Option<i64> {
    let today = zone.to_datetime(jiff::Timestamp::from_millisecond(now).ok()?).date();
    let days = [today, today.tomorrow().ok()?, today.tomorrow().ok()?.tomorrow().ok()?];
    let shown = days.map(|day| day.at(time.hour.cast_signed(), time.minute.cast_signed(), 0, 0));
    let mut moments = shown.into_iter().filter_map(|shown| zone.to_timestamp(shown).ok()).map(|at| at.as_millisecond());
    moments.find(|at| *at > now)
}

/// A duration in milliseconds.
pub fn length(text: &str) -> i64 {
    Period::parse(text).map_or(DAY, |period| period.0)
}
