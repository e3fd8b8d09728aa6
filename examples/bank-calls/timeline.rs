//! The lines of the timeline, in the order of time.

use std::error::Error;

use jiff::Timestamp;
use serde::Serialize;

use crate::calendar::{Calendar, Clock};
use crate::contact::{Attributes, Contact};

const ACTION: &str = "term-deposit-call";
const CHANNEL: &str = "phone";

/// One line.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    at: String,
    customer: String,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum What<'a> {
    Attributes(Attributes<'a>),
    Decide { channel: &'static str, logged: Logged },
}

/// What the bank did: it always called.
#[derive(Debug, Serialize)]
struct Logged {
    action: &'static str,
    outcome: &'static str,
    reward: u8,
    propensity: u8,
}

/// A call: its moment first, so that calls sort by time, then by row and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    at: Timestamp,
    row: usize,
    number: u32,
}

/// All calls of a contact list.
pub struct Timeline<'a> {
    contacts: &'a [Contact],
    calls: Vec<Call>,
}

impl<'a> Timeline<'a> {
    /// Gives every call its moment and sorts them.
    pub fn of(contacts: &'a [Contact]) -> Result<Self, Box<dyn Error>> {
        let clock = Clock::new()?;
        let mut calendar = Calendar::new();
        let mut calls = Vec::new();
        for (row, contact) in contacts.iter().enumerate() {
            let last_day = calendar.next(contact).map_err(|error| format!("row {}: {error}", row + 1))?;
            for number in 1..=contact.campaign {
                let at = clock.moment(last_day, (number, contact.campaign), row)?;
                calls.push(Call { at, row, number });
            }
        }
        calls.sort_unstable();
        Ok(Self { contacts, calls })
    }

    /// The lines: before a customer's first call, what is known of the customer.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> {
        self.calls.iter().filter_map(|call| Some((call, self.contacts.get(call.row)?))).flat_map(|(call, contact)| {
            let facts = (call.number == 1).then(|| What::Attributes(contact.attributes()));
            let decide = What::Decide { channel: CHANNEL, logged: logged(contact, call.number) };
            facts.into_iter().chain([decide]).map(|what| line(call, what))
        })
    }
}

fn line<'a>(call: &Call, what: What<'a>) -> Line<'a> {
    Line { at: call.at.to_string(), customer: format!("bank-{:06}", call.row + 1), what }
}

fn logged(contact: &Contact, number: u32) -> Logged {
    let outcome = match (number == contact.campaign, contact.accepted()) {
        (false, _) => "not_now",
        (true, true) => "accepted",
        (true, false) => "rejected",
    };
    Logged { action: ACTION, outcome, reward: u8::from(outcome == "accepted"), propensity: 1 }
}
