//! Moments and periods in milliseconds, and local times.
//!
//! The domain never reads a clock: the current moment is an argument.

use std::fmt;
use std::ops::{Add, Sub};

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// A moment in UTC, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub i64);

/// A duration in milliseconds. A day is 24 hours, a month 30 days, a year 365 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Period(pub i64);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// A number alone.
    #[error("`{0}` has no unit")]
    NoUnit(String),
    /// Anything else.
    #[error("`{0}` is not a duration")]
    Unreadable(String),
    /// Zero or less.
    #[error("`{0}` is not above zero")]
    NotPositive(String),
}

impl Moment {
    /// The distant past: the last time of an event that never happened.
    pub const DISTANT_PAST: Self = Self(-62_135_596_800_000);
    /// The distant future: the end of something without an end.
    pub const DISTANT_FUTURE: Self = Self(253_402_300_799_000);

    /// Reads an RFC 3339 time such as `2026-03-02T10:00:00+01:00`.
    ///
    /// # Errors
    /// When the text is not such a time; the message says why.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.parse::<jiff::Timestamp>().map(|time| Self(time.as_millisecond())).map_err(|error| error.to_string())
    }

    /// The time since another moment; negative if this one is earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Period {
        Period(self.0.saturating_sub(earlier.0))
    }

    /// Calendar and clock in a time zone.
    #[must_use]
    pub fn local(self, zone: &TimeZone) -> Local {
        let (timestamp, offset) = (self.timestamp(), zone.to_offset(self.timestamp()));
        let shown = offset.to_datetime(timestamp);
        let minutes = (timestamp.as_second() + i64::from(offset.seconds())).div_euclid(60);
        Local {
            hour: shown.hour().unsigned_abs(),
            minute: shown.minute().unsigned_abs(),
            month: shown.month().unsigned_abs(),
            weekday: weekday(shown.weekday()),
            date: shown.date().to_string(),
            minutes,
            offset: offset.seconds(),
        }
    }

    /// The nearest moment that the calendar can show.
    fn timestamp(self) -> jiff::Timestamp {
        let (first, last) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
        let clamped = self.0.clamp(first.as_second() * 1_000, last.as_second() * 1_000);
        jiff::Timestamp::from_millisecond(clamped).unwrap_or(last)
    }
}

/// The first moment from `from` to `to` at which something may be. `may` is asked of intervals by their first and last
/// moment, and says of each in which it may be where a change is known, if that is in it; it must not deny an interval of
/// which it does not deny a part, and says exactly what holds for a single moment.
pub fn first_moment(from: Moment, to: Moment, may: &mut dyn FnMut(Moment, Moment) -> Option<Moment>) -> Option<Moment> {
    if from > to {
        return None;
    }
    let known = may(from, to)?;
    if from == to {
        return Some(from);
    }
    // Clocks, calendars and quiet hours change at full hours and minutes: there an interval is split, if no change is known.
    let middle = to.0 - to.since(from).0 / 2;
    let full = [3_600_000, 60_000, 1_000].map(|unit| middle - middle.rem_euclid(unit));
    let middle = Moment(full.into_iter().find(|at| *at > from.0).unwrap_or(middle));
    let change = if known > from && known <= to { known } else { middle };
    let [before, after] = [change - Period(1), change + Period(1)];
    [(from, before), (change, change), (after, to)].into_iter().find_map(|(from, to)| first_moment(from, to, may))
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.timestamp())
    }
}

impl Add<Period> for Moment {
    type Output = Self;
    fn add(self, period: Period) -> Self {
        Self(self.0.saturating_add(period.0))
    }
}

impl Sub<Period> for Moment {
    type Output = Self;
    fn sub(self, period: Period) -> Self {
        Self(self.0.saturating_sub(period.0))
    }
}

impl Period {
    /// Zero milliseconds.
    pub const ZERO: Self = Self(0);
    /// 24 hours.
    pub const DAY: Self = Self(86_400_000);

    /// The negated duration.
    #[must_use]
    pub fn opposite(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// Reads `7 days`, `2h 30m`, `13 months`.
    ///
    /// # Errors
    /// When the unit is missing, the text is not a duration, or the duration is not above zero.
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        let trimmed = text.trim();
        if trimmed.parse::<f64>().is_ok() {
            return Err(PeriodError::NoUnit(trimmed.to_owned()));
        }
        let span: jiff::Span = trimmed.parse().map_err(|_| PeriodError::Unreadable(trimmed.to_owned()))?;
        let days = i64::from(span.get_years()) * 365
            + i64::from(span.get_months()) * 30
            + i64::from(span.get_weeks()) * 7
            + i64::from(span.get_days());
        let milliseconds = days
            .checked_mul(Self::DAY.0)
            .and_then(|sum| sum.checked_add(i64::from(span.get_hours()).checked_mul(3_600_000)?))
            .and_then(|sum| sum.checked_add(span.get_minutes().checked_mul(60_000)?))
            .and_then(|sum| sum.checked_add(span.get_seconds().checked_mul(1_000)?))
            .and_then(|sum| sum.checked_add(span.get_milliseconds()))
            .ok_or_else(|| PeriodError::Unreadable(trimmed.to_owned()))?;
        if milliseconds <= 0 {
            return Err(PeriodError::NotPositive(trimmed.to_owned()));
        }
        Ok(Self(milliseconds))
    }
}

impl Period {
    /// In all its units, largest first: `2 h 30 min 1 ms`.
    #[must_use]
    pub fn exact(self) -> String {
        self.in_units(usize::MAX)
    }

    /// In at most this many of its units, largest first.
    fn in_units(self, most: usize) -> String {
        let units = [("day", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];
        let mut rest = self.0.unsigned_abs();
        let mut parts = Vec::new();
        for (name, length) in units {
            let count = rest / length;
            rest %= length;
            if count > 0 {
                let plural = if name == "day" && count > 1 { "s" } else { "" };
                parts.push(format!("{count} {name}{plural}"));
            }
        }
        parts.truncate(most);
        let sign = if self.0 < 0 { "-" } else { "" };
        format!("{sign}{}", if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") })
    }
}

impl fmt::Display for Period {
    /// The two largest units, as in `2 days 3 h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_units(2))
    }
}

/// Local date and time of day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 1 to 12.
    pub month: u8,
    /// `mon` to `sun`.
    pub weekday: &'static str,
    /// `2026-03-02`.
    pub date: String,
    /// Full minutes since 1970 on this clock.
    pub minutes: i64,
    /// By how many seconds the clock is ahead of UTC.
    pub offset: i32,
}

/// The days of the week as rules name them.
pub const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn weekday(day: Weekday) -> &'static str {
    let index = usize::from(day.to_monday_zero_offset().unsigned_abs());
    WEEKDAYS.get(index).copied().unwrap_or("mon")
}

/// A time of day on a local clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

impl TimeOfDay {
    /// Minutes since midnight.
    #[must_use]
    pub fn minutes(self) -> i64 {
        i64::from(self.hour) * 60 + i64::from(self.minute)
    }

    /// Reads `21:00`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
        if !digits || hour.is_empty() || hour.len() > 2 || minute.len() != 2 {
            return None;
        }
        let time = Self { hour: hour.parse().ok()?, minute: minute.parse().ok()? };
        (time.hour < 24 && time.minute < 60).then_some(time)
    }
}

/// Finds a time zone of the bundled IANA database, whatever the machine has installed.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    jiff::tz::TimeZoneDatabase::bundled().get(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_read_and_print() {
        let cases = [
            ("7 days", 7 * 86_400_000, "7 days"),
            ("14d", 14 * 86_400_000, "14 days"),
            ("2h 30m", 9_000_000, "2 h 30 min"),
            ("13 months", 390 * 86_400_000, "390 days"),
            ("1 year", 365 * 86_400_000, "365 days"),
            ("90 seconds", 90_000, "1 min 30 s"),
        ];
        for (text, milliseconds, printed) in cases {
            let period = Period::parse(text).unwrap();
            assert_eq!((period.0, period.to_string().as_str()), (milliseconds, printed), "{text}");
        }
        for text in ["", "7", "days", "-3 days", "0 days", "7 parsecs", "99999999999 years"] {
            assert!(Period::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_known_change_is_found_in_three_looks() {
        let (week, change) = (Moment(7 * Period::DAY.0), Moment(123_456_789));
        for (known, most) in [(change, 3), (Moment(0), 80)] {
            let mut looks = 0;
            let found = first_moment(Moment(0), week, &mut |_, to| {
                looks += 1;
                (to >= change).then_some(known)
            });
            assert_eq!(found, Some(change));
            assert!(looks <= most, "{looks}");
        }
    }

    #[test]
    fn the_ends_of_time_print_as_such() {
        assert!(Moment::DISTANT_FUTURE.to_string().starts_with("9999-12-30"), "{}", Moment::DISTANT_FUTURE);
        assert!(Moment(i64::MAX).to_string().starts_with("9999-12-30"));
        assert!(Moment(i64::MIN).to_string().starts_with("-009999"));
        assert_eq!(Moment::DISTANT_PAST.to_string(), "0001-01-01T00:00:00Z");
    }
}
