//! What the engine and the model are both told and both asked: rule files, things that happen, questions, answers.
//!
//! Plain data without meaning. Moments are milliseconds since 1970 in UTC, names are texts.

use std::collections::{BTreeMap, BTreeSet};

/// Rule files: path in the rule folder, text.
pub type RuleFiles = Vec<(String, String)>;

/// A value of a fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Number(f64),
    Flag(bool),
    Moment(i64),
    /// Milliseconds.
    Duration(i64),
    List(Vec<String>),
}

/// One thing that happens to one customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When it arrives. Steps of one story never go back in time.
    pub at: i64,
    pub customer: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// `RecordConsent` with these changes, in this order.
    Consent { changes: Vec<ConsentChange>, deferred: bool, evidence: bool },
    /// `RecordEvents` with one event that happened at `occurred`, by default now.
    Event { id: String, kind: String, occurred: Option<i64>, fields: BTreeMap<String, Value> },
    /// `SetAttributes`; nothing removes one. `time_zone` is empty where it stays as it is.
    Attributes { values: BTreeMap<String, Option<Value>>, time_zone: String },
    /// `RecordOutcomes` with one outcome. `decision` is the number of the question in the story (0 for the first
    /// `Decide` step) whose answer chose the action; nothing if another system decided.
    Outcome {
        id: String,
        decision: Option<usize>,
        action: String,
        outcome: String,
        channel: String,
        occurred: Option<i64>,
    },
    /// `Decide`, counted or (`rehearsal`) with `validate_only`; `gpc`: with `sec-gpc: 1`.
    Decide(Question),
    /// `EraseCustomer`.
    Erase,
    /// The rules are replaced by others (an index into the story's rule sets). Concerns everybody; taken only if the
    /// new rules load.
    Reload(usize),
    /// The server stops and starts again. Changes nothing.
    Restart,
    /// The consent ledger can (not) be trusted from here on. Concerns everybody.
    Trust(bool),
}

#[derive(Debug, Clone, PartialEq)]
pub struct ConsentChange {
    /// Empty where the status concerns everything.
    pub purpose: String,
    /// As in rule tests: `given`, `refused`, …, `restricted`, `restriction_lifted`, `returned`.
    pub status: String,
    pub claimed: Option<i64>,
    pub valid_until: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    pub channel: String,
    pub context: BTreeMap<String, Value>,
    pub groups: Vec<String>,
    /// 0 means 1.
    pub max_actions: usize,
    pub rehearsal: bool,
    pub gpc: bool,
    /// What a flip supposes; empty for a real question. Only the model is asked such questions.
    pub supposed: Supposed,
}

/// A claim such as `if customer.contract were "fibre" and it were 2026-03-02T10:00:00Z and it were 3.1 points more relevant`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Supposed {
    /// Text of a fact as the rule writes it (`customer.contract`, `events.count("order", "30d")`), and its value.
    pub facts: Vec<(String, Value)>,
    pub at: Option<i64>,
    /// Points more relevance of one action.
    pub points: Option<(String, f64)>,
}

/// What a step comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// One result for each change: nothing if it was taken, else the stable word before any colon.
    Consent(Vec<Option<String>>),
    /// Nothing if the event, the outcome or the attributes were taken, else the stable word, or "invalid".
    Recorded(Option<String>),
    /// The whole call was refused as invalid.
    Invalid,
    Answer(Box<Answer>),
    Done,
    /// A reload was refused.
    RulesRefused,
}

/// An answer with a full explanation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Best first.
    pub chosen: Vec<Chosen>,
    pub silence: Option<Silence>,
    pub purposes_used: BTreeSet<String>,
    pub valid_until: i64,
    /// Every action, by id.
    pub candidates: BTreeMap<String, Candidate>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chosen {
    pub action: String,
    pub content: String,
    pub text: String,
    pub because: Vec<String>,
    pub score: Score,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Silence {
    pub reason: String,
    /// Empty when none is offered on this channel now.
    pub nearest: String,
    pub nearest_gap: f64,
    pub retry_after: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Candidate {
    pub gate: String,
    pub score: Option<Score>,
    pub needs_purposes: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Score {
    pub total: f64,
    pub relevance: f64,
    pub worth: f64,
    pub personal: f64,
    pub intrusiveness: f64,
    pub interruption: f64,
    pub pressure: f64,
    pub hurt: f64,
}

/// What the ledger says of one purpose, as `GetConsent` answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Standing {
    /// Empty: there is no record.
    pub status: String,
    pub usable: bool,
    /// Empty when usable.
    pub denied_because: String,
    pub until: Option<i64>,
    pub needs_reconfirm: bool,
}

/// What is held of one customer after time has passed to a moment, as the export and `GetCustomer` show it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Held {
    pub standings: BTreeMap<String, Standing>,
    /// Name, value.
    pub attributes: BTreeMap<String, Value>,
    /// When, type, fields; oldest first, then by type.
    pub events: Vec<(i64, String, BTreeMap<String, Value>)>,
    /// Journey, stage, entered.
    pub journeys: BTreeMap<String, (String, i64)>,
    /// Limits by their place in the rules: of the policy as `policy/LABEL`, of an action as `ACTION/LABEL`; how much is used.
    pub limits: BTreeMap<String, u32>,
}
