//! The rule files as plain structs: docs/rules.md, section by section. Durations are milliseconds.

use std::collections::{BTreeMap, BTreeSet};

use super::expression::{Condition, Expr, evaluate::window};

pub type Names = BTreeSet<String>;

#[derive(Debug, Clone)]
pub struct Rules {
    pub purposes: BTreeMap<String, Purpose>,
    pub attributes: BTreeMap<String, Attribute>,
    pub context: BTreeMap<String, Declared>,
    pub events: BTreeMap<String, EventType>,
    pub channels: BTreeMap<String, Channel>,
    pub journeys: BTreeMap<String, Journey>,
    pub actions: Vec<Action>,
    pub policy: Policy,
}

impl Rules {
    pub fn action(&self, id: &str) -> Option<&Action> {
        self.actions.iter().find(|action| action.id == id)
    }

    /// How long contacts and outcomes are kept: "400 days, or as long as the longest limit or window of `outcomes.count`
    /// asks" (docs/consent.md, "How long things are kept").
    pub fn contacts_are_kept(&self) -> i64 {
        let of_actions = self.actions.iter().flat_map(|action| &action.limits);
        let limits = self.policy.limits.iter().chain(of_actions).map(|limit| limit.length);
        let windows = self.conditions().into_iter().flat_map(Condition::expressions).flat_map(Expr::parts);
        let longest = limits.chain(windows.filter_map(outcomes_window)).max();
        (400 * DAY).max(longest.unwrap_or(0))
    }

    /// Every condition of actions and journeys.
    fn conditions(&self) -> Vec<&Condition> {
        let actions = self.actions.iter().flat_map(|action| {
            let gates = action.conditions().into_iter().flat_map(|(_, conditions)| conditions);
            gates.chain(action.add.iter().map(|points| &points.when)).collect::<Vec<_>>()
        });
        let journeys = self.journeys.values().flat_map(|journey| {
            let starts = journey.start.iter().filter_map(|start| start.when.as_ref());
            let moves = journey.stages.iter().flat_map(|stage| &stage.moves);
            starts.chain(moves.filter_map(|a_move| a_move.when.as_ref())).collect::<Vec<_>>()
        });
        actions.chain(journeys).collect()
    }
}

/// How far back `outcomes.count` asks.
fn outcomes_window(part: &Expr) -> Option<i64> {
    match part {
        Expr::Call(name, arguments) if name == "outcomes.count" => window(arguments.get(2)?),
        _ => None,
    }
}

pub const MINUTE: i64 = 60_000;
pub const DAY: i64 = 24 * 60 * MINUTE;

/// docs/rules.md, "Purposes".
#[derive(Debug, Clone, PartialEq)]
pub struct Purpose {
    pub basis: Basis,
    pub direct_marketing: bool,
    pub expires_after: Option<i64>,
    pub cooling_off: Option<i64>,
    pub version: u64,
    pub gpc_objects: bool,
    pub retired: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Basis {
    Consent,
    ExplicitConsent,
    Contract,
    LegalObligation,
    VitalInterest,
    PublicTask,
    LegitimateInterest,
}

impl Purpose {
    /// Nothing is read or kept before a yes is on record.
    pub fn needs_consent(&self) -> bool {
        matches!(self.basis, Basis::Consent | Basis::ExplicitConsent)
    }

    /// An objection stops it, and every other no of the customer does as an objection would.
    pub fn can_be_objected_to(&self) -> bool {
        self.direct_marketing || self.gpc_objects || matches!(self.basis, Basis::PublicTask | Basis::LegitimateInterest)
    }
}

/// A fact's type, and the only values it has.
#[derive(Debug, Clone)]
pub struct Declared {
    pub kind: FactKind,
    pub one_of: Option<Names>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FactKind {
    Text,
    Number,
    Flag,
    Moment,
    Duration,
    List,
}

/// docs/rules.md, "Attributes".
#[derive(Debug, Clone)]
pub struct Attribute {
    pub declared: Declared,
    /// Nothing where it is not personal: then it serves every purpose.
    pub purposes: Option<Names>,
    pub sensitivity: f64,
}

/// docs/rules.md, "Events".
#[derive(Debug, Clone)]
pub struct EventType {
    pub fields: BTreeMap<String, Field>,
    pub purposes: Names,
    pub hurt: f64,
    pub repairs: Names,
    pub keep: i64,
    pub sensitivity: f64,
    pub late: i64,
}

#[derive(Debug, Clone)]
pub struct Field {
    pub declared: Declared,
    pub purposes: Names,
}

/// docs/rules.md, "Channels".
#[derive(Debug, Clone)]
pub struct Channel {
    pub inbound: bool,
    pub interruption: Interruption,
    pub quiet_hours: Option<QuietHours>,
    pub reserve_for: i64,
}

#[derive(Debug, Clone)]
pub enum Interruption {
    Always(f64),
    ByActivity { points: BTreeMap<String, f64>, default: Option<f64> },
}

/// Minutes since midnight on the customer's clock; `from` is included, `to` is not.
#[derive(Debug, Clone)]
pub struct QuietHours {
    pub from: i64,
    pub to: i64,
    pub wait: bool,
}

/// docs/rules.md, "Journeys".
#[derive(Debug, Clone)]
pub struct Journey {
    pub purpose: String,
    pub sensitivity: f64,
    pub start: Vec<Start>,
    pub again_after: Option<i64>,
    /// The first one is where it begins.
    pub stages: Vec<Stage>,
}

#[derive(Debug, Clone)]
pub struct Start {
    pub event: String,
    pub when: Option<Condition>,
}

#[derive(Debug, Clone)]
pub struct Stage {
    pub id: String,
    pub moves: Vec<Move>,
    /// `goal` or `end`.
    pub ends: bool,
}

#[derive(Debug, Clone)]
pub struct Move {
    pub to: String,
    pub event: Option<String>,
    pub when: Option<Condition>,
    pub after: Option<i64>,
}

/// docs/rules.md, "Actions".
#[derive(Debug, Clone)]
pub struct Action {
    pub id: String,
    pub kind: String,
    pub group: String,
    pub purpose: String,
    pub asks: Option<String>,
    pub eligible: Vec<Condition>,
    pub applicable: Vec<Condition>,
    pub suitable: Vec<Condition>,
    pub base: f64,
    pub add: Vec<Points>,
    pub worth: f64,
    pub intrusiveness: f64,
    pub limits: Vec<Limit>,
    pub from: Option<i64>,
    pub until: Option<i64>,
    pub excludes: Names,
    pub treatments: BTreeMap<String, Treatment>,
}

impl Action {
    /// What helps: hurt does not dampen it, and limits of the policy count it only where they name it.
    pub fn helps(&self) -> bool {
        helps(&self.kind)
    }

    /// All conditions, in the order of their gates.
    pub fn conditions(&self) -> [(&'static str, &Vec<Condition>); 3] {
        [("eligible", &self.eligible), ("applicable", &self.applicable), ("suitable", &self.suitable)]
    }
}

pub fn helps(kind: &str) -> bool {
    kind == "service" || kind == "repair"
}

#[derive(Debug, Clone)]
pub struct Points {
    pub points: f64,
    pub when: Condition,
    pub because: Option<Template>,
}

#[derive(Debug, Clone)]
pub struct Treatment {
    pub content: String,
    pub text: Template,
}

/// docs/rules.md, "Texts with facts".
#[derive(Debug, Clone, Default)]
pub struct Template {
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone)]
pub enum Part {
    Words(String),
    /// A fact, and the words that stand in for it.
    Fact(Expr, Option<String>),
}

/// docs/rules.md, "Limits and cool-downs".
#[derive(Debug, Clone)]
pub struct Limit {
    pub label: String,
    pub outcome: String,
    /// Nothing for a cool-down.
    pub at_most: Option<usize>,
    pub length: i64,
    pub channels: Option<Names>,
    pub kinds: Option<Names>,
    pub groups: Option<Names>,
}

/// docs/rules.md, "Policy".
#[derive(Debug, Clone)]
pub struct Policy {
    pub personal_discount: f64,
    pub weight_of_personal: f64,
    pub weight_of_pressure: f64,
    pub weight_of_hurt: f64,
    pub threshold: f64,
    pub pressure_half_life: i64,
    pub per_contact: BTreeMap<String, f64>,
    pub hurt_half_life: i64,
    pub per_outcome: BTreeMap<String, f64>,
    pub limits: Vec<Limit>,
    pub retry_within: i64,
    pub time_zone: String,
}
