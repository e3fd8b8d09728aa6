//! When the calls took place: the list names only month and weekday, so the rest is generated, deterministically.
//!
//! - **Year.** The rows are in the order of their last calls, from May 2008 to November 2010. Where the month goes
//!   back, a year has passed.
//! - **Day.** Within a month, the first day that is not before the row above and has the row's weekday. The first row
//!   becomes Monday, 5 May 2008.
//! - **Hour.** Five slots a working day in Lisbon, two hours apart from 09:00, and within a slot a second from the row's
//!   number. A customer's calls fill the slots in order and end on the row's day, so the earlier ones lie on that day
//!   and on the working days before it. Five is the fewest with which no call comes before the campaign's first day:
//!   of the customers whose last call was on that first day, 42 % had more than one call, and one had five.

use std::error::Error;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::contact::Contact;

const FIRST_YEAR: i16 = 2008;
const ZONE: &str = "Europe/Lisbon";
const SLOTS_PER_DAY: u32 = 5;
const FIRST_HOUR: i8 = 9;
const HOURS_PER_SLOT: i8 = 2;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [(&str, Weekday); 5] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
];

/// Walks down the rows and names the day of each row's last call.
pub struct Calendar {
    year: i16,
    month: i8,
    day: Option<Date>,
}

impl Calendar {
    /// A calendar before the first row.
    pub fn new() -> Self {
        Self { year: FIRST_YEAR, month: 0, day: None }
    }

    /// The day of the next row's last call.
    pub fn next(&mut self, contact: &Contact) -> Result<Date, Box<dyn Error>> {
        let month = month(&contact.month)?;
        let weekday = weekday(&contact.day_of_week)?;
        if month < self.month {
            self.year += 1;
        }
        let first = Date::new(self.year, month, 1)?;
        let from = self.day.filter(|_| month == self.month).unwrap_or(first);
        let found = on_or_after(from, weekday)?;
        // A list that is not in order can run past the month's end: begin it again.
        let day = if found.month() == month { found } else { on_or_after(first, weekday)? };
        (self.month, self.day) = (month, Some(day));
        Ok(day)
    }
}

/// Turns days and the order of calls into moments.
pub struct Clock {
    zone: TimeZone,
}

impl Clock {
    /// A clock in Lisbon.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self { zone: TimeZone::get(ZONE)? })
    }

    /// The moment of call `number` (from 1) of `count`, of which the last is on `last_day`.
    pub fn moment(&self, last_day: Date, (number, count): (u32, u32), row: usize) -> Result<Timestamp, Box<dyn Error>> {
        let days_before = (count - 1) / SLOTS_PER_DAY - (number - 1) / SLOTS_PER_DAY;
        let day = working_days_before(last_day, days_before)?;
        let slot = i8::try_from((number - 1) % SLOTS_PER_DAY)?;
        let seconds = i64::try_from(row % (usize::try_from(HOURS_PER_SLOT)? * 3_600))?;
        let start = day.at(FIRST_HOUR + slot * HOURS_PER_SLOT, 0, 0, 0);
        Ok(start.checked_add(seconds.seconds())?.to_zoned(self.zone.clone())?.timestamp())
    }
}

fn on_or_after(mut day: Date, weekday: Weekday) -> Result<Date, jiff::Error> {
    while day.weekday() != weekday {
        day = day.tomorrow()?;
    }
    Ok(day)
}

fn working_days_before(mut day: Date, count: u32) -> Result<Date, jiff::Error> {
    let mut left = count;
    while left > 0 {
        day = day.yesterday()?;
        if !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
            left -= 1;
        }
    }
    Ok(day)
}

fn month(name: &str) -> Result<i8, Box<dyn Error>> {
    let index = MONTHS.iter().position(|month| *month == name).ok_or_else(|| format!("`{name}` is not a month"))?;
    Ok(i8::try_from(index)? + 1)
}

fn weekday(name: &str) -> Result<Weekday, String> {
    let found = WEEKDAYS.iter().find(|(day, _)| *day == name);
    found.map(|(_, weekday)| *weekday).ok_or_else(|| format!("`{name}` is not a working day"))
}
