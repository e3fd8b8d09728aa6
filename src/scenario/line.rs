//! One line of a timeline, or one `given` of a rule test, as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What happened, or what is asked. Exactly one of `event`, `consent`, `attributes`, `outcome`, `decide`;
/// `time_zone` may stand beside `attributes` or alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// When, as RFC 3339.
    pub at: Option<String>,
    /// In a rule test: how long before the test's own moment.
    pub ago: Option<String>,
    /// Whose; a rule test has one customer and needs no name.
    pub customer: Option<String>,
    /// An event.
    pub event: Option<EventLine>,
    /// A consent change.
    pub consent: Option<ConsentLine>,
    /// Attributes to set; `null` removes one.
    pub attributes: Option<BTreeMap<String, serde_json::Value>>,
    /// Where the customer's clock is.
    pub time_zone: Option<String>,
    /// An outcome.
    pub outcome: Option<OutcomeLine>,
    /// A question.
    pub decide: Option<DecideLine>,
}

/// An event.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same id counts once.
    #[serde(default)]
    pub id: String,
    /// Where.
    #[serde(default)]
    pub channel: String,
    /// Its fields.
    #[serde(default)]
    pub fields: BTreeMap<String, serde_json::Value>,
}

/// A consent change.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentLine {
    /// Which purpose; left out for what concerns everything.
    #[serde(default)]
    pub purpose: String,
    /// `given`, `refused`, `withdrawn`, …
    pub status: String,
    /// A grant ends here.
    pub valid_until: Option<String>,
}

/// An outcome.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeLine {
    /// Of which action.
    pub action: String,
    /// What happened.
    pub outcome: String,
    /// Where.
    #[serde(default)]
    pub channel: String,
    /// The same id counts once.
    #[serde(default)]
    pub id: String,
}

/// A question.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideLine {
    /// On which channel.
    pub channel: String,
    /// Facts of the moment.
    #[serde(default)]
    pub context: BTreeMap<String, serde_json::Value>,
    /// Only actions of these groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// At most this many actions.
    #[serde(default)]
    pub max_actions: u32,
    /// What was done in reality, and what came of it.
    pub logged: Option<Logged>,
}

/// What was done in reality, and what came of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logged {
    /// The action; nothing for silence.
    pub action: Option<String>,
    /// What happened, if it is known.
    pub outcome: Option<String>,
    /// What it was worth.
    #[serde(default)]
    pub reward: f64,
    /// How likely the logged policy was to do it, above 0 and at most 1.
    pub propensity: Option<f64>,
}
