//! What the page asks: a customer's history and a question, with names.

use std::collections::BTreeMap;

use serde::Deserialize;
use tactful_core::domain::time::{Moment, Period};
use tactful_core::domain::value::Value;

/// A moment in the form of RFC 3339.
#[derive(Deserialize, Clone, Copy)]
#[serde(try_from = "String")]
pub struct At(pub Moment);

impl TryFrom<String> for At {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Moment::parse(&text).map(Self)
    }
}

/// A question about a customer with this history.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ask {
    /// What was recorded, in this order.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// The question.
    pub question: Question,
    /// When it is asked.
    pub at: At,
}

/// One thing that is recorded.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// When it is recorded.
    pub at: At,
    /// What it is.
    pub what: What,
}

/// What is recorded.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum What {
    /// A change of consent, in the words of the rule tests: `given`, `withdrawn`; without a purpose it concerns all.
    Consent {
        #[serde(default)]
        purpose: String,
        status: String,
    },
    /// Attributes.
    Attributes(BTreeMap<String, Fact>),
    /// An event.
    Event {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        fields: BTreeMap<String, Fact>,
        /// When it happened; when it is recorded if left out.
        occurred: Option<At>,
    },
    /// The outcome of a step, such as `presented`.
    Outcome {
        action: String,
        channel: String,
        outcome: String,
        /// When it happened; when it is recorded if left out.
        occurred: Option<At>,
    },
    /// A question whose answer is said: it counts as a contact.
    Decision(Question),
}

/// What is asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// The channel.
    pub channel: String,
    /// The facts of the moment.
    #[serde(default)]
    pub context: BTreeMap<String, Fact>,
    /// Only actions of these groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// At most this many steps; 0 means 1.
    #[serde(default)]
    pub max_actions: u32,
}

/// A value, as the protocol maps it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Fact {
    Text(String),
    Number(f64),
    Flag(bool),
    Moment(At),
    /// Whole seconds with an `s`.
    Span(String),
    List {
        #[serde(default)]
        items: Vec<String>,
    },
}

impl Fact {
    /// The value; none if it is a duration that cannot be read.
    pub fn value(&self) -> Option<Value> {
        Some(match self {
            Self::Text(text) => Value::Text(text.as_str().into()),
            Self::Number(number) => Value::Number(*number),
            Self::Flag(flag) => Value::Flag(*flag),
            Self::Moment(at) => Value::Moment(at.0),
            Self::Span(text) => {
                let seconds: i64 = text.strip_suffix('s')?.parse().ok()?;
                Value::Duration(Period(seconds.saturating_mul(1_000)))
            }
            Self::List { items } => Value::List(items.iter().map(|item| item.as_str().into()).collect()),
        })
    }
}
