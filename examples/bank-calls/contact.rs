//! One row of the contact list, and those of its facts that are known before the call.

use serde::{Deserialize, Serialize};

/// A row. Columns that are not named here (`duration`, which only a finished call has) are not read.
#[derive(Debug, Clone, Deserialize)]
pub struct Contact {
    age: u8,
    job: String,
    marital: String,
    education: String,
    default: String,
    housing: String,
    loan: String,
    contact: String,
    /// Month of the last call: `may`.
    pub month: String,
    /// Weekday of the last call: `mon`.
    pub day_of_week: String,
    /// How many calls this customer got in this campaign; the last has the outcome.
    pub campaign: u32,
    pdays: u32,
    previous: u32,
    output: String,
}

/// The facts of a customer. What the bank does not know (`unknown`, or 999 days) is left out, and is thus unknown.
#[derive(Debug, Serialize)]
pub struct Attributes<'a> {
    #[serde(rename = "customer.age")]
    age: u8,
    #[serde(rename = "customer.job", skip_serializing_if = "Option::is_none")]
    job: Option<&'a str>,
    #[serde(rename = "customer.marital", skip_serializing_if = "Option::is_none")]
    marital: Option<&'a str>,
    #[serde(rename = "customer.education", skip_serializing_if = "Option::is_none")]
    education: Option<&'a str>,
    #[serde(rename = "customer.credit_default", skip_serializing_if = "Option::is_none")]
    credit_default: Option<bool>,
    #[serde(rename = "customer.housing_loan", skip_serializing_if = "Option::is_none")]
    housing_loan: Option<bool>,
    #[serde(rename = "customer.personal_loan", skip_serializing_if = "Option::is_none")]
    personal_loan: Option<bool>,
    #[serde(rename = "customer.contact_type", skip_serializing_if = "Option::is_none")]
    contact_type: Option<&'a str>,
    #[serde(rename = "customer.days_since_contact", skip_serializing_if = "Option::is_none")]
    days_since_contact: Option<u32>,
    #[serde(rename = "customer.previous_contacts")]
    previous_contacts: u32,
}

/// What `pdays` says where the customer was not called in an earlier campaign.
const NEVER: u32 = 999;

impl Contact {
    /// The facts known before the first call.
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes {
            age: self.age,
            job: known(&self.job).map(|job| job.trim_end_matches('.')),
            marital: known(&self.marital),
            education: known(&self.education),
            credit_default: flag(&self.default),
            housing_loan: flag(&self.housing),
            personal_loan: flag(&self.loan),
            contact_type: known(&self.contact),
            days_since_contact: (self.pdays != NEVER).then_some(self.pdays),
            previous_contacts: self.previous,
        }
    }

    /// Whether the customer said yes in the end.
    pub fn accepted(&self) -> bool {
        self.output == "yes"
    }
}

fn known(value: &str) -> Option<&str> {
    (value != "unknown").then_some(value)
}

fn flag(value: &str) -> Option<bool> {
    known(value).map(|value| value == "yes")
}
