//! From a line to the calls that record it, in their order.

use std::collections::HashMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::line::{Consent, Entry, Line};
use super::types::Declared;
use crate::cli::customer::{consent, outcome};
use crate::domain::time::{Moment, zone};
use crate::grpc::convert::timestamp;
use crate::grpc::proto::{
    self, ConsentChange, ConsentSource, OutcomeRecord, RecordConsentRequest, SetAttributesRequest,
};
use crate::serve::identity::tokens::hex;

/// The most events, contacts and outcomes of a line: a server knows the latest 4,096 ids of a customer.
pub(super) const MOST_COUNTED: usize = 200;
/// The most bytes of the events or outcomes of one customer in one call; a message has at most 4 MiB.
pub(super) const MOST_BYTES: usize = 1024 * 1024;

/// A part of a call, and the entry that it is of.
#[derive(Debug, Clone)]
pub(super) struct Item<T> {
    /// The place of the line among those that are under way.
    pub line: usize,
    pub entry: Entry,
    pub message: T,
}

/// What is recorded by one call, or by a part of one.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// One call for the changes of one source, one for each purpose.
    Consents(Vec<Item<ConsentChange>>, RecordConsentRequest),
    Attributes(Item<SetAttributesRequest>),
    Events(Vec<Item<proto::Event>>),
    Outcomes(Vec<Item<OutcomeRecord>>),
}

/// Makes the steps of lines.
pub(super) struct Steps<'d> {
    declared: &'d Declared,
}

/// A line whose steps are being made.
struct Making<'l> {
    line: &'l Line,
    place: usize,
    number: u64,
    wrong: Vec<String>,
    /// How often each entry was seen, so that equal entries have ids of their own.
    seen: HashMap<String, usize>,
}

impl<'d> Steps<'d> {
    pub fn new(declared: &'d Declared) -> Self {
        Self { declared }
    }

    /// The steps of a line, or everything that is wrong with it.
    pub fn of(&self, line: &Line, place: usize, number: u64) -> Result<Vec<Step>, Vec<String>> {
        let mut making = Making { line, place, number, wrong: Vec::new(), seen: HashMap::new() };
        if line.customer.is_empty() {
            making.wrong.push("customer: is missing".to_owned());
        }
        let has_list = !(line.consents.is_empty() && line.attributes.is_empty() && line.time_zone.is_empty());
        if !has_list && line.counted() == 0 {
            making.wrong.push("has nothing to import".to_owned());
        }
        if line.counted() > MOST_COUNTED {
            let count = line.counted();
            making.wrong.push(format!(
                "has {count} events, contacts and outcomes; write at most {MOST_COUNTED} in a line, and the rest in another"
            ));
        }
        let mut steps = making.consents();
        steps.extend(self.attributes(&mut making));
        steps.extend(self.events(&mut making).map(Step::Events));
        steps.extend(making.outcomes().map(Step::Outcomes));
        if making.wrong.is_empty() { Ok(steps) } else { Err(making.wrong) }
    }

    fn attributes(&self, making: &mut Making<'_>) -> Option<Step> {
        let line = making.line;
        if line.attributes.is_empty() && line.time_zone.is_empty() {
            return None;
        }
        if !line.time_zone.is_empty() && zone(&line.time_zone).is_none() {
            making.wrong.push(format!("time_zone: `{}` is not a zone such as `Europe/Berlin`", line.time_zone));
        }
        let mut attributes = HashMap::new();
        for (name, json) in &line.attributes {
            match self.declared.attribute(name, json) {
                Ok(value) => drop(attributes.insert(name.clone(), value)),
                Err(why) => making.wrong.push(why),
            }
        }
        let (customer_id, time_zone) = (line.customer.clone(), line.time_zone.clone());
        let message = SetAttributesRequest { customer_id, attributes, time_zone };
        Some(Step::Attributes(Item { line: making.place, entry: Entry::Attributes, message }))
    }

    fn events(&self, making: &mut Making<'_>) -> impl Iterator<Item = Vec<Item<proto::Event>>> + use<> {
        let mut events = Vec::new();
        for (index, event) in making.line.events.iter().enumerate() {
            let at = making.moment(&format!("events[{index}].at"), &event.at);
            let mut fields = HashMap::new();
            for (name, json) in &event.fields {
                match self.declared.field(&event.kind, name, json) {
                    Ok(value) => drop(fields.insert(name.clone(), value)),
                    Err(why) => making.wrong.push(format!("events[{index}].{why}")),
                }
            }
            let message = proto::Event {
                event_id: making.id("event", &event.id, event),
                customer_id: making.line.customer.clone(),
                r#type: event.kind.clone(),
                channel: event.channel.clone(),
                occurred_at: at.map(timestamp),
                fields,
            };
            events.push(Item { line: making.place, entry: Entry::Event(index), message });
        }
        split(events, prost::Message::encoded_len)
    }
}

impl Making<'_> {
    fn moment(&mut self, name: &str, text: &str) -> Option<Moment> {
        let moment = Moment::parse(text).ok();
        match (moment, text) {
            (None, "") => {
                self.wrong.push(format!("{name}: is missing; write when it happened, as in 2026-03-02T10:00:00Z"))
            }
            (None, _) => self.wrong.push(format!("{name}: `{text}` is not a moment as in 2026-03-02T10:00:00Z")),
            _ => {}
        }
        moment
    }

    /// The id that an entry has, or one that is the same whenever the same line is imported.
    fn id(&mut self, kind: &str, given: &str, entry: &impl Serialize) -> String {
        if !given.is_empty() {
            return given.to_owned();
        }
        let text = format!("{kind} {}", serde_json::to_string(entry).unwrap_or_default());
        let times = self.seen.entry(text.clone()).and_modify(|times| *times += 1).or_default();
        let hash = Sha256::digest(format!("{} {times} {} {text}", self.number, self.line.customer));
        let hash = hex(&hash.into());
        format!("import-{}", hash.get(..32).unwrap_or_default())
    }

    /// One call for each run of changes with the same source and different purposes.
    fn consents(&mut self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for (index, consent) in self.line.consents.iter().enumerate() {
            let at = self.moment(&format!("consents[{index}].at"), &consent.at);
            let until = match consent.until.as_str() {
                "" => None,
                text => self.moment(&format!("consents[{index}].until"), text),
            };
            let status = consent::status(&consent.status);
            if status.is_none() {
                let known = consent::words().join(", ");
                self.wrong.push(format!("consents[{index}].status: `{}` is not one of {known}", consent.status));
            }
            let message = ConsentChange {
                purpose: consent.purpose.clone(),
                status: status.unwrap_or_default().into(),
                notice: consent.notice.clone(),
                language: consent.language.clone(),
                expression: consent.expression.clone(),
                claimed_at: at.map(timestamp),
                valid_until: until.map(timestamp),
                notice_hash: consent.notice_hash.clone(),
            };
            let item = Item { line: self.place, entry: Entry::Consent(index), message };
            let source = source(consent);
            if let Some(Step::Consents(changes, request)) = steps.last_mut()
                && request.source.as_ref() == Some(&source)
                && changes.len() < 64
                && changes.iter().all(|known| known.message.purpose != consent.purpose)
            {
                changes.push(item);
                continue;
            }
            let request = RecordConsentRequest {
                customer_id: self.line.customer.clone(),
                changes: Vec::new(),
                idempotency_key: self.id("consent", "", consent),
                source: Some(source),
            };
            steps.push(Step::Consents(vec![item], request));
        }
        steps
    }

    fn outcomes(&mut self) -> impl Iterator<Item = Vec<Item<OutcomeRecord>>> + use<> {
        let mut outcomes = Vec::new();
        for (index, contact) in self.line.contacts.iter().enumerate() {
            let at = self.moment(&format!("contacts[{index}].at"), &contact.at);
            let message = OutcomeRecord {
                outcome_id: self.id("contact", &contact.id, contact),
                decision_id: String::new(),
                customer_id: self.line.customer.clone(),
                action_id: contact.action.clone(),
                outcome: proto::Outcome::Presented.into(),
                occurred_at: at.map(timestamp),
                channel: contact.channel.clone(),
            };
            outcomes.push(Item { line: self.place, entry: Entry::Contact(index), message });
        }
        for (index, outcome) in self.line.outcomes.iter().enumerate() {
            let at = self.moment(&format!("outcomes[{index}].at"), &outcome.at);
            let kind = outcome::named(&outcome.outcome);
            if kind.is_none() {
                let known = outcome::words().join(", ");
                self.wrong.push(format!("outcomes[{index}].outcome: `{}` is not one of {known}", outcome.outcome));
            }
            let message = OutcomeRecord {
                outcome_id: self.id("outcome", &outcome.id, outcome),
                decision_id: String::new(),
                customer_id: self.line.customer.clone(),
                action_id: outcome.action.clone(),
                outcome: kind.unwrap_or_default().into(),
                occurred_at: at.map(timestamp),
                channel: outcome.channel.clone(),
            };
            outcomes.push(Item { line: self.place, entry: Entry::Outcome(index), message });
        }
        split(outcomes, prost::Message::encoded_len)
    }
}

fn source(consent: &Consent) -> ConsentSource {
    ConsentSource {
        channel: consent.channel.clone(),
        deferred: true,
        actor: consent.actor.clone(),
        evidence: consent.evidence.clone(),
    }
}

/// Parts that are small enough for a call.
fn split<T>(items: Vec<Item<T>>, size: fn(&T) -> usize) -> std::vec::IntoIter<Vec<Item<T>>> {
    let (mut parts, mut bytes) = (Vec::<Vec<Item<T>>>::new(), 0);
    for item in items {
        bytes += size(&item.message);
        match parts.last_mut() {
            Some(part) if bytes <= MOST_BYTES => part.push(item),
            _ => {
                bytes = size(&item.message);
                parts.push(vec![item]);
            }
        }
    }
    parts.into_iter()
}
