//! Generated rules, and customers with many facts.
//!
//! The rules are those of the other benchmark (`catalogue/`), as offers and information: one in eight hundred fits a
//! customer, and the first fits everybody.

use std::sync::Arc;

use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus;
use tactful::domain::decide::Explain;
use tactful::domain::id::Vocabulary;
use tactful::domain::rule_set::RuleSet;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::Moment;
use tactful::domain::value::Value;
use tactful::engine::{
    AttributeChange, ConsentChange, ConsentRequest, Engine, EventInput, Limits, OutcomeInput, Question,
};
use tactful::ledger::MemoryLedger;
use tactful::rules::load;

use crate::catalogue::{self, Customer, Rule};

/// How many customers are asked about, in turn.
pub const CUSTOMERS: usize = 1_024;
/// How many contacts in seven days the limit allows.
const ENOUGH: usize = 5;

const HEAD: &str = r"
purposes:
  service:         {basis: contract}
  personalisation: {basis: consent, expires_after: 13 months}
  analytics:       {basis: consent}
  marketing:       {basis: consent, direct_marketing: true}
  marketing.email: {basis: consent, direct_marketing: true}
attributes:
  customer.plan:     {type: text, purposes: [service, personalisation]}
  customer.region:   {type: text, purposes: [service, personalisation]}
  customer.age:      {type: number, purposes: [service, personalisation], sensitivity: 0.3}
  customer.spend:    {type: number, purposes: [service, personalisation], sensitivity: 0.1}
  customer.name:     {type: text, purposes: [service, personalisation]}
  customer.language: {type: text, purposes: [service]}
  customer.device:   {type: text, purposes: [personalisation]}
  customer.since:    {type: number, purposes: [service]}
  customer.visits:   {type: number, purposes: [personalisation]}
  customer.partner:  {type: flag, purposes: [marketing]}
context:
  topic:    {type: text, personal: false}
  activity: {type: text, one_of: [browsing, checkout, idle], personal: false}
events:
  page_view: {fields: {page: text}, purposes: [service, personalisation], keep: 90 days}
  search:    {fields: {words: text}, purposes: [personalisation], keep: 90 days}
  call:      {purposes: [service, personalisation], keep: 1 year}
  complaint: {purposes: [service, personalisation], hurt: 20, keep: 1 year}
channels:
  web: {direction: inbound, interruption: {browsing: 2, checkout: 30, idle: 5}}
journeys:
  visit:
    purpose: personalisation
    start: {event: page_view}
    stages:
      looking: {moves: [{to: calling, event: call}, {to: gone, after: 30 days}]}
      calling: {goal: true}
      gone:    {end: true}
policy:
  arbitration: {personal_discount: 0.5, weights: {personal: 20, pressure: 1.0, hurt: 1.0}, threshold: 0}
  pressure:    {half_life: 7 days, per_contact: {web: 1}}
  hurt:        {half_life: 30 days}
  limits:      [{at_most: 5, per: 7 days, kinds: [offer, information]}]
  time_zone:   Europe/Berlin
";

/// The situation of the customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Situation {
    /// Every purpose was given.
    Given,
    /// None was.
    Withheld,
    /// Every purpose was given, and the contact limit is used up.
    Enough,
}

impl Situation {
    /// The words for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Withheld => "withheld",
            Self::Enough => "given, limit used up",
        }
    }
}

/// `count` rules.
pub fn rules(count: usize) -> Arc<RuleSet> {
    let actions: Vec<String> = catalogue::rules(count).iter().enumerate().map(action).collect();
    let parts = actions.chunks(1_000).map(|part| format!("actions:\n{}", part.concat()));
    let files = std::iter::once(HEAD.to_owned()).chain(parts).enumerate();
    let files = files.map(|(number, text)| SourceFile { path: format!("rules-{number}.yaml"), text });
    let loaded = load(Sources::new(files.collect()), &Vocabulary::default());
    Arc::new(loaded.rule_set.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics.first())))
}

fn action((index, rule): (usize, &Rule)) -> String {
    let Rule { plan, age: (from, to), topic, regions: [a, b], spend } = rule;
    let (kind, purpose) = if index % 10 == 0 { ("information", "service") } else { ("offer", "personalisation") };
    let fits = format!(
        "    eligible:\n      - 'customer.plan == \"{plan}\"'\n      - 'customer.age >= {from} && customer.age < {to}'\n      \
         - 'customer.region in [\"{a}\", \"{b}\"]'\n    applicable:\n      - 'context.topic == \"{topic}\"'\n      \
         - 'events.count(\"page_view\", \"7d\") < 1000'\n    suitable:\n      - 'customer.spend >= {spend}'\n"
    );
    format!(
        "  - id: action-{index}\n    title: Something to say\n    kind: {kind}\n    purpose: {purpose}\n{}    relevance:\n      \
         base: {}\n      add:\n        - {{points: 15, when: 'context.topic == \"{topic}\"', because: \"you asked about {topic}\"}}\n        \
         - {{points: 10, when: 'events.count(\"page_view\", \"7d\") >= 3'}}\n    worth: 1.1\n    intrusiveness: 3\n    \
         limits:\n      - {{at_most: 1, per: 30 days}}\n    treatments:\n      web: {{content: banner/{index}, text: \"For you, \
         {{customer.name|dear customer}}: something to say\"}}\n",
        if index == 0 { "" } else { &fits },
        20 + index % 40,
    )
}

/// An engine that knows its customers, and what it is asked about each.
pub struct World {
    pub engine: Engine,
    pub questions: Vec<Question>,
    pub start: Moment,
}

impl World {
    pub fn new(rules: &Arc<RuleSet>, events: usize, situation: Situation, explain: Explain) -> Self {
        let start = Moment::parse("2026-03-02T10:00:00+01:00").unwrap();
        let limits = Limits { decisions: 4 << 20 };
        let engine = Engine::new(Arc::clone(rules), Arc::new(MemoryLedger::default()), limits, start);
        let profiles = catalogue::customers();
        let question = |index: usize| {
            let (id, profile) = (format!("customer-{index:06}"), &profiles[index % profiles.len()]);
            prepare(&engine, (&id, profile), (events, situation), start);
            Question {
                customer: id.as_str().into(),
                channel: "web".into(),
                context: [("activity".into(), text("browsing")), ("topic".into(), text(profile.topic))].into(),
                explain,
                ..Question::default()
            }
        };
        let questions = (0..CUSTOMERS).map(question).collect();
        Self { engine, questions, start }
    }
}

fn prepare(engine: &Engine, (id, profile): (&str, &Customer), (events, situation): (usize, Situation), now: Moment) {
    if situation != Situation::Withheld {
        let given = |purpose: &str| ConsentChange::new(purpose, ConsentStatus::Given);
        let changes = ["personalisation", "analytics", "marketing", "marketing.email"].map(given).into();
        let request = ConsentRequest { customer: id.into(), changes, ..ConsentRequest::default() };
        engine.record_consent(request, now).unwrap();
    }
    let Customer { plan, age, region, spend, .. } = profile;
    let attributes = [
        ("customer.plan", text(plan)),
        ("customer.region", text(region)),
        ("customer.age", Value::Number(*age as f64)),
        ("customer.spend", Value::Number(*spend as f64)),
        ("customer.name", text("Anna Schmidt")),
        ("customer.language", text("de")),
        ("customer.device", text("phone")),
        ("customer.since", Value::Number(2019.0)),
        ("customer.visits", Value::Number(12.0)),
        ("customer.partner", Value::Flag(true)),
    ];
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), Some(value))).collect();
    engine.set_attributes(AttributeChange { customer: id.into(), attributes, time_zone: String::new() }, now).unwrap();
    let event = |number: usize| {
        let (kind, field) = [("page_view", "page"), ("search", "words")][number % 2];
        EventInput {
            customer: id.into(),
            kind: kind.into(),
            fields: vec![(field.into(), text("fibre"))],
            ..EventInput::default()
        }
    };
    if events > 0 {
        engine.record_events((0..events).map(event).collect(), now).unwrap();
    }
    let contacts = if situation == Situation::Enough { ENOUGH } else { 2 };
    let presented = |_| OutcomeInput {
        outcome_id: String::new(),
        decision_id: String::new(),
        customer: id.into(),
        action: "action-1".into(),
        channel: "web".into(),
        outcome: Outcome::Presented,
        occurred: None,
    };
    engine.record_outcomes((0..contacts).map(presented).collect(), now).unwrap();
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}
