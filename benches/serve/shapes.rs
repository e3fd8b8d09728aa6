//! Loads: which customers they ask about, and what else they send.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use prost::Message as _;
use tactful::grpc::proto::{
    ConsentChange, ConsentSource, ConsentStatus, DecideRequest, DecideResponse, Event, Outcome, OutcomeRecord,
    RecordConsentRequest, RecordEventsRequest, RecordOutcomesRequest, ReloadOutcome, ReloadRulesRequest,
    ReloadRulesResponse, SetAttributesRequest, Value, value::Kind,
};
use tactful_bench::load::{Calls, framed};
use tonic::Status;

use super::catalogue::topic;

const DECIDE: &str = "/tactful.v1.DecisionService/Decide";
const OUTCOMES: &str = "/tactful.v1.DecisionService/RecordOutcomes";
const EVENTS: &str = "/tactful.v1.JourneyService/RecordEvents";
const ATTRIBUTES: &str = "/tactful.v1.JourneyService/SetAttributes";
const CONSENT: &str = "/tactful.v1.ConsentService/RecordConsent";
const RELOAD: &str = "/tactful.v1.RuleService/ReloadRules";

fn text(text: impl Into<String>) -> Value {
    Value { kind: Some(Kind::Text(text.into())) }
}

fn customer(number: u64) -> String {
    format!("customer-{number}")
}

/// The question about a customer.
pub fn question(customer_id: String, number: u64) -> DecideRequest {
    DecideRequest {
        customer_id,
        channel: "web".into(),
        context: [("topic", topic(number)), ("activity", "browsing")]
            .map(|(name, fact)| (name.into(), text(fact)))
            .into(),
        ..DecideRequest::default()
    }
}

/// Decisions about all customers in turn, as if by chance.
pub struct Uniform(Vec<Bytes>);

impl Uniform {
    pub fn over(customers: u64) -> Self {
        Self((0..customers).map(|number| framed(&question(customer(number), number))).collect())
    }

    fn about(&self, number: u64) -> Bytes {
        // A stride that is prime to the number of customers reaches all of them.
        self.0[(number.wrapping_mul(7_919) % self.0.len() as u64) as usize].clone()
    }
}

impl Calls for Uniform {
    fn methods(&self) -> Vec<String> {
        vec![DECIDE.into()]
    }

    fn call(&self, number: u64) -> Result<(usize, Bytes), Status> {
        Ok((0, self.about(number)))
    }
}

/// Decisions about a single customer; `presented` counts the presented steps.
pub struct Hot {
    question: Bytes,
    pub presented: AtomicU64,
}

impl Hot {
    pub fn new() -> Self {
        Self { question: framed(&question(customer(0), 0)), presented: AtomicU64::new(0) }
    }
}

impl Calls for Hot {
    fn methods(&self) -> Vec<String> {
        vec![DECIDE.into()]
    }

    fn call(&self, _: u64) -> Result<(usize, Bytes), Status> {
        Ok((0, self.question.clone()))
    }

    fn answered(&self, _: u64, answer: &[u8]) {
        let answer = DecideResponse::decode(&answer[5..]).unwrap();
        self.presented.fetch_add(answer.actions.len() as u64, Ordering::Relaxed);
    }
}

/// Decisions, and of a hundred calls five outcomes and five events.
pub struct Mixed {
    pub decisions: Uniform,
    sent: AtomicU64,
}

impl Mixed {
    pub fn over(customers: u64) -> Self {
        Self { decisions: Uniform::over(customers), sent: AtomicU64::new(0) }
    }
}

impl Calls for Mixed {
    fn methods(&self) -> Vec<String> {
        vec![DECIDE.into(), OUTCOMES.into(), EVENTS.into()]
    }

    fn call(&self, number: u64) -> Result<(usize, Bytes), Status> {
        let customers = self.decisions.0.len() as u64;
        match number % 20 {
            7 => {
                let sent = self.sent.fetch_add(1, Ordering::Relaxed);
                let outcome = OutcomeRecord {
                    outcome_id: format!("outcome-{sent}"),
                    customer_id: customer(sent % customers),
                    action_id: format!("action-{}", sent % 10),
                    outcome: Outcome::Clicked.into(),
                    channel: "web".into(),
                    ..OutcomeRecord::default()
                };
                Ok((1, framed(&RecordOutcomesRequest { outcomes: vec![outcome] })))
            }
            17 => {
                let sent = self.sent.fetch_add(1, Ordering::Relaxed);
                let events = vec![page_view(sent % customers, format!("event-{sent}"))];
                Ok((2, framed(&RecordEventsRequest { events })))
            }
            _ => Ok((0, self.decisions.about(number))),
        }
    }
}

/// Changes of consent, alone or one among a hundred decisions.
pub struct Consents {
    decisions: Option<Uniform>,
    sent: AtomicU64,
}

impl Consents {
    /// A yes of every customer.
    pub fn all_given() -> Self {
        Self { decisions: None, sent: AtomicU64::new(0) }
    }

    /// One among a hundred decisions; every third is a withdrawal.
    pub fn among(decisions: Uniform) -> Self {
        Self { decisions: Some(decisions), sent: AtomicU64::new(0) }
    }

    fn change(&self, of: u64, status: ConsentStatus) -> Bytes {
        let change = ConsentChange {
            purpose: "personalisation".into(),
            status: status.into(),
            language: "en".into(),
            expression: "ticked a box".into(),
            ..ConsentChange::default()
        };
        framed(&RecordConsentRequest {
            customer_id: customer(of),
            changes: vec![change],
            source: Some(ConsentSource { channel: "web".into(), ..ConsentSource::default() }),
            ..RecordConsentRequest::default()
        })
    }
}

impl Calls for Consents {
    fn methods(&self) -> Vec<String> {
        vec![CONSENT.into(), DECIDE.into()]
    }

    fn call(&self, number: u64) -> Result<(usize, Bytes), Status> {
        let Some(decisions) = &self.decisions else { return Ok((0, self.change(number, ConsentStatus::Given))) };
        if number % 100 != 50 {
            return Ok((1, decisions.about(number)));
        }
        let sent = self.sent.fetch_add(1, Ordering::Relaxed);
        let status = if sent.is_multiple_of(3) { ConsentStatus::Withdrawn } else { ConsentStatus::Given };
        // Only few customers, so that most keep the consents that decisions need.
        Ok((0, self.change(sent % 100, status)))
    }
}

/// The attributes of every customer.
pub struct Attributes;

impl Calls for Attributes {
    fn methods(&self) -> Vec<String> {
        vec![ATTRIBUTES.into()]
    }

    fn call(&self, number: u64) -> Result<(usize, Bytes), Status> {
        let age = Value { kind: Some(Kind::Number((18 + number % 60) as f64)) };
        let attributes = [("customer.age".into(), age), ("customer.contract".into(), text("dsl"))].into();
        Ok((0, framed(&SetAttributesRequest { customer_id: customer(number), attributes, ..Default::default() })))
    }
}

/// Twenty events of every customer.
pub struct Events;

impl Calls for Events {
    fn methods(&self) -> Vec<String> {
        vec![EVENTS.into()]
    }

    fn call(&self, number: u64) -> Result<(usize, Bytes), Status> {
        let events = (0..20).map(|event| page_view(number, event.to_string())).collect();
        Ok((0, framed(&RecordEventsRequest { events })))
    }
}

fn page_view(of: u64, event_id: String) -> Event {
    let page = if of.is_multiple_of(4) { "fibre" } else { "help" };
    Event {
        event_id,
        customer_id: customer(of),
        r#type: "page_view".into(),
        channel: "web".into(),
        fields: [("page".into(), text(page))].into(),
        ..Event::default()
    }
}

/// Rules that differ at every reload.
pub struct Reloads {
    pub rules: PathBuf,
    pub text: String,
    pub changed: AtomicU64,
}

impl Calls for Reloads {
    fn methods(&self) -> Vec<String> {
        vec![RELOAD.into()]
    }

    fn call(&self, number: u64) -> Result<(usize, Bytes), Status> {
        let unique = self.changed.load(Ordering::Relaxed);
        fs::write(&self.rules, format!("{}# {unique}.{number}\n", self.text)).unwrap();
        Ok((0, framed(&ReloadRulesRequest::default())))
    }

    fn answered(&self, _: u64, answer: &[u8]) {
        let answer = ReloadRulesResponse::decode(&answer[5..]).unwrap();
        assert_eq!(answer.outcome(), ReloadOutcome::Changed);
        self.changed.fetch_add(1, Ordering::Relaxed);
    }
}
