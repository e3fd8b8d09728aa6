//! Plays a history and decides. Each step does what the engine's operation of that name does in the critical section.

use serde_json::{Value as Json, json};
use tactful_core::domain::action::Outcome;
use tactful_core::domain::consent::{ConsentRecord, ConsentStatus, Stage, Standing, lawful};
use tactful_core::domain::customer::CustomerState;
use tactful_core::domain::customer::contact::DecisionKey;
use tactful_core::domain::decide::{Decision, Explain, Request, decide};
use tactful_core::domain::id::{ActionId, ChannelId, ContextId, EventTypeId, GroupId, Id, IdMap, PurposeId};
use tactful_core::domain::rule_set::RuleSet;
use tactful_core::domain::time::Moment;
use tactful_core::domain::transition::{
    NewEvent, NewOutcome, Recorded, RecordedOutcome, Terms, record_event, record_outcome, reserve, set_attributes,
    settle,
};
use tactful_core::domain::value::Value;
use tactful_core::domain::view::{Contacts, Situation, Subject};

use crate::answer;
use crate::ask::{Ask, Fact, Question, What};

/// A customer, who is known to no one but the page.
#[derive(Default)]
struct Customer {
    state: CustomerState,
    standing: Standing,
    /// How many consent records there are.
    records: u64,
    /// How many decisions were made.
    decisions: u64,
}

/// A question with names resolved.
struct Resolved {
    channel: ChannelId,
    context: Vec<(ContextId, Value)>,
    groups: Vec<GroupId>,
    max_actions: usize,
}

/// What was told of each step, the standing for each purpose, and the decision as text.
pub fn play(ask: &Ask, rules: &RuleSet) -> Result<Json, String> {
    let mut customer = Customer::default();
    let mut told = Vec::with_capacity(ask.steps.len());
    for step in &ask.steps {
        told.push(customer.record(&step.what, rules, step.at.0).unwrap_or_else(|refused| refused));
    }
    let at = ask.at.0;
    customer.settle(rules, at);
    let question = Resolved::new(&ask.question, rules)?;
    // As the server does: the moments that an answer names do not depend on how much is explained.
    let mut decided = customer.decide(&question, Explain::Chosen, (rules, at));
    decided.explanation = customer.decide(&question, Explain::Full, (rules, at)).explanation;
    Ok(json!({ "steps": told, "standings": customer.standings(rules, at), "decision": answer::json(&decided, rules)? }))
}

impl Resolved {
    fn new(question: &Question, rules: &RuleSet) -> Result<Self, String> {
        let channel = declared("channel", &question.channel, &rules.declared.channels, rules)?;
        let mut context = Vec::new();
        for (name, fact) in &question.context {
            let id = declared("context fact", name, &rules.declared.context, rules)?;
            let shape = rules.declared.context.get(id).map(|fact| &fact.shape);
            context.push((id, fitting(name, fact, |value| shape.and_then(|shape| shape.refuses(value)))?));
        }
        let group = |name: &String| {
            let known = rules.vocabulary.find::<GroupId>(name);
            known.ok_or_else(|| format!("no action has the group `{name}`"))
        };
        let groups = question.groups.iter().map(group).collect::<Result<_, _>>()?;
        Ok(Self { channel, context, groups, max_actions: question.max_actions.max(1) as usize })
    }
}

impl Customer {
    fn settle(&mut self, rules: &RuleSet, now: Moment) {
        let Self { state, standing, .. } = self;
        let _settled = settle(state, Terms { rules, standing, ledger_trusted: true, now });
    }

    fn decide(&self, asked: &Resolved, explain: Explain, (rules, now): (&RuleSet, Moment)) -> Decision {
        let request = Request {
            channel: asked.channel,
            situation: Situation { context: &asked.context, ..Situation::default() },
            groups: &asked.groups,
            max_actions: asked.max_actions,
            explain,
        };
        let Self { state, standing, .. } = self;
        let contacts = Contacts { logged: true, lost: None };
        decide(rules, Subject { state, standing, ledger_trusted: true, contacts }, &request, now)
    }

    /// What is to be told of the step.
    fn record(&mut self, what: &What, rules: &RuleSet, now: Moment) -> Result<String, String> {
        self.settle(rules, now);
        let recorded = match what {
            What::Decision(question) => return self.say(question, (rules, now)),
            What::Consent { purpose, status } => self.consent(purpose, status, (rules, now)),
            What::Attributes(given) => self.attributes(given.iter(), (rules, now)),
            What::Event { kind, fields, occurred } => {
                let id = declared("event type", kind, &rules.declared.events, rules)?;
                let at = occurred.map_or(now, |at| at.0.min(now));
                self.event(
                    NewEvent { id: None, kind: id, at, fields: event_fields(id, fields.iter(), rules)? },
                    (rules, now),
                )
            }
            What::Outcome { action, channel, outcome, occurred } => {
                let action: ActionId = declared("action", action, &rules.actions, rules)?;
                let channel = declared("channel", channel, &rules.declared.channels, rules)?;
                let at = occurred.map_or(now, |at| at.0.min(now));
                let outcome = Outcome::named(outcome).ok_or_else(|| format!("no outcome is called `{outcome}`"))?;
                let new = NewOutcome {
                    id: None,
                    decision: DecisionKey::default(),
                    action,
                    channel: Some(channel),
                    outcome,
                    at,
                };
                let Self { state, standing, .. } = self;
                match record_outcome(state, new, Terms { rules, standing, ledger_trusted: true, now }) {
                    RecordedOutcome::Applied(..) | RecordedOutcome::Repeated => Ok(()),
                    _ => Err("nothing was said that could be taken back".to_owned()),
                }
            }
        };
        recorded.map(|()| String::new())
    }

    /// Decides, and counts what is chosen as contacts.
    fn say(&mut self, question: &Question, (rules, now): (&RuleSet, Moment)) -> Result<String, String> {
        let asked = Resolved::new(question, rules)?;
        let decision = self.decide(&asked, Explain::Chosen, (rules, now));
        let chosen = || decision.actions.iter().map(|chosen| chosen.action);
        self.decisions += 1;
        let Self { state, standing, .. } = self;
        let terms = Terms { rules, standing, ledger_trusted: true, now };
        reserve(state, DecisionKey(self.decisions), chosen(), asked.channel, terms);
        let said: Vec<&str> = chosen().map(|id| rules.vocabulary.name(id)).collect();
        Ok(if said.is_empty() { "silence".to_owned() } else { said.join(", ") })
    }

    fn consent(&mut self, name: &str, status: &str, (rules, now): (&RuleSet, Moment)) -> Result<(), String> {
        let status = ConsentStatus::named(status).ok_or_else(|| format!("no status is called `{status}`"))?;
        let purpose: Option<PurposeId> = match status.concerns_everything() {
            true => None,
            false => Some(declared("purpose", name, &rules.declared.purposes, rules)?),
        };
        let terms = purpose.and_then(|id| rules.purpose(id));
        self.records += 1;
        let record = ConsentRecord {
            purpose: name.into(),
            version: terms.map_or(1, |terms| terms.version),
            basis: terms.map(|terms| terms.basis),
            ..ConsentRecord::new(status, now, self.records)
        };
        self.standing.apply(purpose, &record, self.records);
        self.settle(rules, now);
        Ok(())
    }

    fn attributes<'f>(
        &mut self,
        given: impl Iterator<Item = (&'f String, &'f Fact)>,
        (rules, now): (&RuleSet, Moment),
    ) -> Result<(), String> {
        let mut resolved = Vec::new();
        for (name, fact) in given {
            let id = declared("attribute", name, &rules.declared.attributes, rules)?;
            let shape = rules.declared.attributes.get(id).map(|attribute| &attribute.shape);
            resolved.push((id, Some(fitting(name, fact, |value| shape.and_then(|shape| shape.refuses(value)))?)));
        }
        let Self { state, standing, .. } = self;
        let dropped = set_attributes(state, resolved, Terms { rules, standing, ledger_trusted: true, now });
        let names: Vec<&str> = dropped.into_iter().map(|id| rules.vocabulary.name(id)).collect();
        if names.is_empty() {
            Ok(())
        } else {
            Err(format!("not stored, as no purpose allows it: {}", names.join(", ")))
        }
    }

    fn event(&mut self, event: NewEvent, (rules, now): (&RuleSet, Moment)) -> Result<(), String> {
        let Self { state, standing, .. } = self;
        match record_event(state, event, Terms { rules, standing, ledger_trusted: true, now }) {
            Recorded::Kept { .. } | Recorded::Repeated => Ok(()),
            Recorded::NoLawfulPurpose => Err("not stored, as no purpose allows it".to_owned()),
            Recorded::TooOld => Err("not stored: it is older than events of its type are kept".to_owned()),
            Recorded::Reused => Err("not stored: its id names another event".to_owned()),
        }
    }

    /// Each purpose, and whether data may be used for it.
    fn standings(&self, rules: &RuleSet, now: Moment) -> Vec<Json> {
        let usable = |id, terms| lawful(&self.standing, id, terms, Stage::Evaluation, now).allows();
        let purposes = rules.declared.purposes.iter();
        purposes
            .map(|(id, terms)| json!({ "purpose": rules.vocabulary.name(id), "usable": usable(id, terms) }))
            .collect()
    }
}

fn event_fields<'f>(
    kind: EventTypeId,
    given: impl Iterator<Item = (&'f String, &'f Fact)>,
    rules: &RuleSet,
) -> Result<Vec<(tactful_core::domain::id::FieldId, Value)>, String> {
    let ids = rules.declared.events.get(kind).map_or(&[][..], |kind| kind.fields.as_slice());
    let mut resolved = Vec::new();
    for (name, fact) in given {
        let known = ids.iter().filter_map(|id| Some((*id, rules.declared.fields.get(*id)?)));
        let found = known.into_iter().find(|(_, field)| field.name == *name);
        let (id, field) = found.ok_or_else(|| format!("this event has no field `{name}`"))?;
        resolved.push((id, fitting(name, fact, |value| field.shape.refuses(value))?));
    }
    Ok(resolved)
}

fn declared<I: Id, T>(kind: &str, name: &str, declared: &IdMap<I, T>, rules: &RuleSet) -> Result<I, String> {
    let found = rules.vocabulary.find::<I>(name).filter(|id| declared.get(*id).is_some());
    found.ok_or_else(|| format!("no {kind} is called `{name}`"))
}

/// A value that its declaration allows, in normal form.
fn fitting(name: &str, fact: &Fact, refuses: impl Fn(&Value) -> Option<String>) -> Result<Value, String> {
    let value = fact.value().ok_or_else(|| format!("`{name}` has no value"))?.into_normal();
    match refuses(&value) {
        Some(why) => Err(format!("`{name}` {why}")),
        None => Ok(value),
    }
}
