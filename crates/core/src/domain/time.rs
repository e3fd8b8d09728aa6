//! Moments and periods in milliseconds, and local times.
//!
//! The domain never reads a clock: the current moment is an argument.

use std::fmt;
use std::ops::{Add, Sub};

use jiff::civil::Weekday;
use jiff::tz::{AmbiguousOffset, TimeZone};

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
        let zoned = self.timestamp().to_zoned(zone.clone());
        Local {
            hour: zoned.hour().unsigned_abs(),
            minute: zoned.minute().unsigned_abs(),
            month: zoned.month().unsigned_abs(),
            weekday: weekday(zoned.weekday()),
            date: zoned.date().to_string(),
        }
    }

    /// The next moment after this one at which local clocks in the zone show a time of day; if they skip it, the moment
    /// at which they are put forward.
    #[must_use]
    pub fn next_local(self, at: TimeOfDay, zone: &TimeZone) -> Self {
        let now = self.timestamp().to_zoned(zone.clone());
        let days = [Ok(now.date()), now.date().tomorrow()].into_iter().flatten();
        let moments = days.flat_map(|date| moments(at, date, zone)).filter(|moment| *moment > self);
        moments.min().unwrap_or(self + Period::DAY)
    }

    /// The next change of the clocks in a zone, if there is one.
    #[must_use]
    pub fn next_clock_change(self, zone: &TimeZone) -> Option<Self> {
        zone.following(self.timestamp()).next().map(|change| Self(change.timestamp().as_millisecond()))
    }

    /// The time of day that clocks show in a zone.
    #[must_use]
    pub fn time_of_day(self, zone: &TimeZone) -> TimeOfDay {
        let time = zone.to_datetime(self.timestamp());
        TimeOfDay { hour: time.hour().unsigned_abs(), minute: time.minute().unsigned_abs() }
    }

    /// The nearest moment that the calendar can show.
    fn timestamp(self) -> jiff::Timestamp {
        let (first, last) = (jiff::Timestamp::MIN, jiff::Timestamp::MAX);
        let clamped = self.0.clamp(first.as_second() * 1_000, last.as_second() * 1_000);
        jiff::Timestamp::from_millisecond(clamped).unwrap_or(last)
    }
}

/// The moments at which clocks show a time of day: two if they are put back over it; if they skip it, the moment at
/// which they are put forward.
fn moments(at: TimeOfDay, date: jiff::civil::Date, zone: &TimeZone) -> impl Iterator<Item = Moment> {
    let civil = date.at(at.hour.cast_signed(), at.minute.cast_signed(), 0, 0);
    let at = || zone.to_ambiguous_timestamp(civil);
    let (first, second) = match at().offset() {
        AmbiguousOffset::Unambiguous { .. } => (at().compatible().ok(), None),
        AmbiguousOffset::Fold { .. } => (at().earlier().ok(), at().later().ok()),
        AmbiguousOffset::Gap { .. } => {
            let after = at().later().ok();
            (after.and_then(|after| zone.preceding(after).next()).map(|change| change.timestamp()), None)
        }
    };
    [first, second].into_iter().flatten().map(|time| Moment(time.as_millisecond()))
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
    fn next_local_skips_over_a_clock_change() {
        let berlin = zone("Europe/Berlin").unwrap();
        let evening = Moment::parse("2026-03-28T22:30:00+01:00").unwrap();
        let morning = evening.next_local(TimeOfDay { hour: 8, minute: 0 }, &berlin);
        assert_eq!(morning, Moment::parse("2026-03-29T08:00:00+02:00").unwrap());
    }

    #[test]
    fn next_local_knows_hours_that_come_twice_or_never() {
        let berlin = zone("Europe/Berlin").unwrap();
        let cases = [
            // Clocks go back from 03:00 to 02:00: 02:45 comes twice.
            ("2026-10-25T02:10:00+02:00", "2026-10-25T02:45:00+02:00"),
            ("2026-10-25T02:50:00+02:00", "2026-10-25T02:45:00+01:00"),
            ("2026-10-25T02:10:00+01:00", "2026-10-25T02:45:00+01:00"),
            ("2026-10-25T02:45:00+01:00", "2026-10-26T02:45:00+01:00"),
            // Clocks go forward from 02:00 to 03:00: 02:45 never comes.
            ("2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00"),
            ("2026-03-29T03:50:00+02:00", "2026-03-30T02:45:00+02:00"),
        ];
        for (now, wanted) in cases {
            let next = Moment::parse(now).unwrap().next_local(TimeOfDay { hour: 2, minute: 45 }, &berlin);
            assert_eq!(next, Moment::parse(wanted).unwrap(), "{now}");
        }
    }

    #[test]
    fn the_ends_of_time_print_as_such() {
        assert!(Moment::DISTANT_FUTURE.to_string().starts_with("9999-12-30"), "{}", Moment::DISTANT_FUTURE);
        assert!(Moment(i64::MAX).to_string().starts_with("9999-12-30"));
        assert!(Moment(i64::MIN).to_string().starts_with("-009999"));
        assert_eq!(Moment::DISTANT_PAST.to_string(), "0001-01-01T00:00:00Z");
        let last = Moment::DISTANT_FUTURE.next_local(TimeOfDay { hour: 8, minute: 0 }, &TimeZone::UTC);
        assert!(last > Moment::DISTANT_FUTURE);
    }
}
