//! The lines of the timeline.

use std::error::Error;

use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use crate::customer::{Arm, Attributes, Customer};

const START: &str = "2008-03-17T15:00:00Z";
const CUSTOMERS_PER_SECOND: usize = 4;

/// One line.
#[derive(Debug, Serialize)]
pub struct Line {
    at: String,
    customer: String,
    #[serde(flatten)]
    what: What,
}

/// What a line says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Consent { purpose: &'static str, status: &'static str },
    Attributes(Attributes),
    Decide { channel: &'static str, logged: Logged },
}

/// What the lot chose, and what came of it.
#[derive(Debug, Serialize)]
struct Logged {
    action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    reward: u8,
    propensity: f64,
}

/// How often the lot chose each arm: a third each by design, and nearly so in any part of the data.
///
/// The share that is found in the file serves as the propensity. Weighing by the share found rather than by the
/// share meant takes out the noise of how many customers each arm happened to get.
#[derive(Debug)]
pub struct Shares {
    counts: [(Arm, f64); 3],
    total: f64,
}

impl Shares {
    /// Counts the arms.
    pub fn of(customers: &[Customer]) -> Self {
        let mut counts = [(Arm::Mens, 0.0), (Arm::Womens, 0.0), (Arm::Silence, 0.0)];
        for customer in customers {
            for (_, count) in counts.iter_mut().filter(|(arm, _)| *arm == customer.segment) {
                *count += 1.0;
            }
        }
        let total = counts.iter().map(|(_, count)| count).sum();
        Self { counts, total }
    }

    fn of_arm(&self, wanted: Arm) -> f64 {
        self.counts.iter().filter(|(arm, _)| *arm == wanted).map(|(_, count)| count / self.total).sum()
    }
}

/// The three lines of one customer.
pub fn lines(row: usize, customer: &Customer, shares: &Shares) -> Result<[Line; 3], Box<dyn Error>> {
    let seconds = i64::try_from(row / CUSTOMERS_PER_SECOND)?;
    let at = START.parse::<Timestamp>()?.checked_add(seconds.seconds())?.to_string();
    let line = |what| Line { at: at.clone(), customer: format!("shop-{:06}", row + 1), what };
    Ok([
        line(What::Consent { purpose: "newsletter", status: "given" }),
        line(What::Attributes(customer.attributes())),
        line(What::Decide { channel: "email", logged: logged(customer, shares) }),
    ])
}

fn logged(customer: &Customer, shares: &Shares) -> Logged {
    let visited = customer.visit == 1;
    let action = customer.segment.action();
    let outcome = action.map(|_| if visited { "clicked" } else { "presented" });
    Logged { action, outcome, reward: customer.visit, propensity: shares.of_arm(customer.segment) }
}
