//! Durations, moments and times of day, as rules write them: docs/rules.md, "How files work", and
//! docs/expressions.md, "Units".

use super::rules::{DAY, MINUTE};

/// `30 days`, `2h 30m`, `13 months`: a day is 24 hours, a month 30 days, a year 365 days; `m` is minutes.
pub fn length(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is not a duration");
    let mut total = 0.0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let amount: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" | "millisecond" | "milliseconds" => 1,
            "s" | "sec" | "second" | "seconds" => 1000,
            "m" | "min" | "minute" | "minutes" => MINUTE,
            "h" | "hour" | "hours" => 60 * MINUTE,
            "d" | "day" | "days" => DAY,
            "w" | "week" | "weeks" => 7 * DAY,
            "mo" | "month" | "months" => 30 * DAY,
            "y" | "year" | "years" => 365 * DAY,
            _ => return Err(wrong()),
        };
        total += amount * unit as f64;
        rest = rest[letters..].trim_start();
    }
    if total < 1.0 || total.fract() != 0.0 { Err(wrong()) } else { Ok(total as i64) }
}

/// `2026-03-02T10:00:00+01:00`
pub fn moment(text: &str) -> Result<i64, String> {
    let moment: jiff::Timestamp = text.parse().map_err(|error| format!("`{text}`: {error}"))?;
    Ok(moment.as_millisecond())
}

/// `21:00`, in minutes since midnight.
pub fn time_of_day(text: &str) -> Result<i64, String> {
    let (hours, minutes) = text.split_once(':').ok_or_else(|| format!("`{text}` is not a time of day"))?;
    let number = |digits: &str| digits.parse::<i64>().map_err(|error| format!("`{text}`: {error}"));
    Ok(number(hours)? * 60 + number(minutes)?)
}
