//! One line of a timeline, or one `given` of a rule test, as written.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What happened, or a question. Exactly one of `event`, `consent`, `attributes`, `outcome`, `decide`; `time_zone` may
/// be beside `attributes` or alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The time, RFC 3339.
    pub at: Option<String>,
    /// In a rule test: how long before the test's own time.
    pub ago: Option<String>,
    /// The customer's id; a rule test has one customer and needs none.
    pub customer: Option<String>,
    /// An event.
    pub event: Option<EventLine>,
    /// A consent change.
    pub consent: Option<ConsentLine>,
    /// Attributes to set; `null` removes one.
    pub attributes: Option<BTreeMap<String, serde_json::Value>>,
    /// The customer's time zone.
    pub time_zone: Option<String>,
    /// An outcome.
    pub outcome: Option<OutcomeLine>,
    /// A question.
    pub decide: Option<DecideLine>,
}

impl Line {
    /// Reads a line of a timeline; `None` if it is empty. A byte order mark, which programs on Windows write at the
    /// start of a file, is ignored.
    ///
    /// # Errors
    /// The mistake in the line.
    pub fn read(text: &str) -> Result<Option<Self>, String> {
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Ok(None);
        }
        if text.starts_with('[') {
            return Err(
                "a list begins here; a timeline has one JSON object a line, as `jq -c '.[]'` writes them".into()
            );
        }
        serde_json::from_str(text).map(Some).map_err(|error| explain(&error))
    }
}

/// A mistake in the JSON of one line, with its column.
fn explain(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "this JSON does not end on its line; a timeline has one JSON object a line, as `jq -c .` writes it"
            .into();
    }
    let (message, column) = (error.to_string(), error.column());
    let place = format!(" at line {} column {column}", error.line());
    message.strip_suffix(&place).map_or_else(|| message.clone(), |message| format!("{message} (column {column})"))
}

/// An event.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine {
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same id counts once.
    #[serde(default)]
    pub id: String,
    /// The channel's id.
    #[serde(default)]
    pub channel: String,
    /// The event's fields, by name.
    #[serde(default)]
    pub fields: BTreeMap<String, serde_json::Value>,
}

/// A consent change.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentLine {
    /// The purpose; omitted for a change that concerns every purpose.
    #[serde(default)]
    pub purpose: String,
    /// `given`, `refused`, `withdrawn`, …
    pub status: String,
    /// The end of a grant, exclusive.
    pub valid_until: Option<String>,
}

/// An outcome.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeLine {
    /// The action's id.
    pub action: String,
    /// The outcome's name.
    pub outcome: String,
    /// The channel's id.
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
    /// The channel's id.
    pub channel: String,
    /// The context facts, by name.
    #[serde(default)]
    pub context: BTreeMap<String, serde_json::Value>,
    /// Only actions of these groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// At most this many actions.
    #[serde(default)]
    pub max_actions: u32,
    /// What was actually done, and its result.
    pub logged: Option<Logged>,
}

/// What was actually done, and its result.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logged {
    /// The action; `None` for silence.
    pub action: Option<String>,
    /// The outcome, if it is known.
    pub outcome: Option<String>,
    /// What the outcome was worth, in any unit; 0 if left out.
    #[serde(default)]
    pub reward: f64,
    /// The probability with which the logged policy chose it, above 0 and at most 1.
    pub propensity: Option<f64>,
}
