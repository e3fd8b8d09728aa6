//! A line with its values typed by the rules, and its execution on the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use compact_str::CompactString;

use super::line::{ConsentLine, DecideLine, EventLine, Line, Logged, OutcomeLine};
use crate::domain::action::Outcome;
use crate::domain::consent::ConsentStatus;
use crate::domain::decide::Explain;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::{Moment, Period};
use crate::domain::value::{NOT_EXACT, Type, Value, is_exact};
use crate::engine::{
    AttributeChange, ConsentChange, ConsentRequest, DecisionRecord, Engine, EventInput, ItemCode, ItemResult,
    OutcomeInput, Question,
};

/// One step of a scenario.
#[derive(Debug, Clone)]
pub struct Step {
    /// When it happens.
    pub at: Moment,
    /// What happens.
    pub what: What,
}

/// What happens in a step.
#[derive(Debug, Clone)]
pub enum What {
    /// An event.
    Event(EventInput),
    /// A consent change.
    Consent(ConsentRequest),
    /// Attributes.
    Attributes(AttributeChange),
    /// An outcome.
    Outcome(OutcomeInput),
    /// A question, with what was actually done if it is known.
    Decide(Question, Option<Logged>),
}

impl What {
    /// The type of the event, if it is one.
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        match self {
            Self::Event(event) => Some(&event.kind),
            _ => None,
        }
    }
}

impl Step {
    /// Types a line by the rules.
    ///
    /// # Errors
    /// The error in the line, with the field at fault.
    pub fn new(line: Line, at: Moment, customer: &str, rules: &RuleSet) -> Result<Self, String> {
        let kinds = [
            line.event.is_some(),
            line.consent.is_some(),
            line.attributes.is_some(),
            line.outcome.is_some(),
            line.decide.is_some(),
        ];
        let count = kinds.into_iter().filter(|given| *given).count();
        if count > 1 || (count == 0 && line.time_zone.is_none()) {
            return Err("expected one of `event`, `consent`, `attributes`, `outcome`, `decide`".into());
        }
        if line.time_zone.is_some() && count == 1 && line.attributes.is_none() {
            return Err("time_zone: stands alone or beside `attributes`; give it a line of its own".into());
        }
        let customer = customer.to_owned();
        let what = if let Some(event) = line.event {
            What::Event(new_event(event, customer, at, rules)?)
        } else if let Some(consent) = line.consent {
            What::Consent(new_consent(consent, customer)?)
        } else if let Some(outcome) = line.outcome {
            What::Outcome(new_outcome(outcome, customer, at)?)
        } else if let Some(decide) = line.decide {
            let logged = decide.logged.clone();
            What::Decide(new_question(decide, customer, rules)?, logged)
        } else {
            let attributes = new_attributes(line.attributes.unwrap_or_default(), rules)?;
            What::Attributes(AttributeChange { customer, attributes, time_zone: line.time_zone.unwrap_or_default() })
        };
        Ok(Self { at, what })
    }

    /// Plays the step; a question returns its decision.
    ///
    /// # Errors
    /// Why the engine refused it.
    pub fn play(self, engine: &Engine) -> Result<Option<Arc<DecisionRecord>>, String> {
        let at = self.at;
        match self.what {
            What::Event(event) => accept(engine.record_events(vec![event], at).map_err(|error| error.to_string())?),
            What::Outcome(outcome) => {
                accept(engine.record_outcomes(vec![outcome], at).map_err(|error| error.to_string())?)
            }
            What::Attributes(change) => {
                engine.set_attributes(change, at).map_err(|error| error.to_string())?;
                Ok(None)
            }
            What::Consent(request) => {
                let answer = engine.record_consent(request, at).map_err(|error| error.to_string())?;
                match answer.results.into_iter().find(|result| !result.accepted) {
                    Some(refused) => Err(format!("consent for `{}` was refused: {}", refused.purpose, refused.reason)),
                    None => Ok(None),
                }
            }
            What::Decide(question, _) => engine.decide(question, at).map(Some).map_err(|error| error.to_string()),
        }
    }
}

/// Data dropped for lack of a lawful purpose is not an error of the scenario; any other refusal is.
fn accept(results: Vec<ItemResult>) -> Result<Option<Arc<DecisionRecord>>, String> {
    let lawful = [ItemCode::NoLawfulPurpose, ItemCode::TooOld, ItemCode::Erased];
    let refused = results.into_iter().find(|result| !result.accepted && !lawful.contains(&result.code));
    refused.map_or(Ok(None), |refused| Err(refused.reason))
}

fn new_event(line: EventLine, customer: String, at: Moment, rules: &RuleSet) -> Result<EventInput, String> {
    let kind = rules.vocabulary.find(&line.kind).and_then(|id| rules.declared.events.get(id));
    let type_of = |name: &str| {
        let fields = kind?.fields.iter().filter_map(|id| rules.declared.fields.get(*id));
        fields.into_iter().find(|field| field.name == name).map(|field| field.shape.kind)
    };
    Ok(EventInput {
        event_id: line.id,
        customer,
        kind: line.kind.clone(),
        channel: line.channel,
        occurred: Some(at),
        fields: values("fields", line.fields, type_of)?,
    })
}

fn new_consent(line: ConsentLine, customer: String) -> Result<ConsentRequest, String> {
    let Some(status) = ConsentStatus::named(&line.status) else {
        return Err(format!("`{}` is not a consent status; one of {}", line.status, words(&ConsentStatus::NAMES)));
    };
    let valid_until = line.valid_until.map(|text| moment(&text)).transpose()?;
    let change = ConsentChange { valid_until, ..ConsentChange::new(line.purpose, status) };
    Ok(ConsentRequest { customer, changes: vec![change], ..ConsentRequest::default() })
}

fn new_outcome(line: OutcomeLine, customer: String, at: Moment) -> Result<OutcomeInput, String> {
    Ok(OutcomeInput {
        outcome_id: line.id,
        decision_id: String::new(),
        customer,
        action: line.action,
        channel: line.channel,
        outcome: outcome(&line.outcome)?,
        occurred: Some(at),
    })
}

/// The outcome with this name.
///
/// # Errors
/// When there is no such outcome.
pub fn outcome(name: &str) -> Result<Outcome, String> {
    Outcome::named(name).ok_or_else(|| format!("`{name}` is not an outcome; one of {}", words(&Outcome::NAMES)))
}

fn new_question(line: DecideLine, customer: String, rules: &RuleSet) -> Result<Question, String> {
    let type_of = |name: &str| {
        let id = rules.vocabulary.find(name)?;
        rules.declared.context.get(id).map(|fact| fact.shape.kind)
    };
    Ok(Question {
        customer: customer.into(),
        channel: line.channel.into(),
        context: values("context", line.context, type_of)?.into(),
        groups: line.groups,
        max_actions: line.max_actions,
        explain: Explain::Chosen,
        ..Question::default()
    })
}

fn new_attributes(
    given: BTreeMap<String, serde_json::Value>,
    rules: &RuleSet,
) -> Result<Vec<(String, Option<Value>)>, String> {
    let type_of = |name: &str| {
        let id = rules.vocabulary.find(name)?;
        rules.declared.attributes.get(id).map(|attribute| attribute.shape.kind)
    };
    let typed = given.into_iter().map(|(name, json)| {
        let value = if json.is_null() {
            None
        } else {
            Some(typed(&json, type_of(&name)).map_err(|why| format!("attributes.{name}: {why}"))?)
        };
        Ok((name, value))
    });
    typed.collect()
}

fn values(
    what: &str,
    given: BTreeMap<String, serde_json::Value>,
    type_of: impl Fn(&str) -> Option<Type>,
) -> Result<Vec<(CompactString, Value)>, String> {
    let typed = given.into_iter().map(|(name, json)| match typed(&json, type_of(&name)) {
        Ok(value) => Ok((name.into(), value)),
        Err(why) => Err(format!("{what}.{name}: {why}")),
    });
    typed.collect()
}

/// A JSON value as a fact of the declared type; an undeclared one is left for the engine to refuse by name.
///
/// # Errors
/// When it is not of the type.
pub fn typed(json: &serde_json::Value, kind: Option<Type>) -> Result<Value, String> {
    use serde_json::Value as Json;
    match (json, kind) {
        (Json::String(text), Some(Type::Moment)) => moment(text).map(Value::Moment),
        (Json::String(text), Some(Type::Duration)) => {
            Period::parse(text).map(Value::Duration).map_err(|error| error.to_string())
        }
        (Json::String(text), _) => Ok(Value::Text(text.into())),
        (Json::Bool(flag), _) => Ok(Value::Flag(*flag)),
        (Json::Number(number), _) => {
            let exact = number.as_f64().filter(|number| is_exact(*number));
            exact.map(Value::Number).ok_or_else(|| format!("{number} {NOT_EXACT}"))
        }
        (Json::Array(items), _) => {
            let texts: Option<Vec<compact_str::CompactString>> =
                items.iter().map(|item| item.as_str().map(Into::into)).collect();
            texts.map(|texts| Value::List(texts.into())).ok_or_else(|| "a list holds texts".into())
        }
        (Json::Null | Json::Object(_), _) => Err("must be a text, a number, true or false, or a list of texts".into()),
    }
}

/// Reads an RFC 3339 time.
///
/// # Errors
/// When it is not one.
pub fn moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text).map_err(|_| format!("`{text}` is not a moment such as `2026-03-02T10:00:00Z`"))
}

fn words<T>(names: &[(&str, T)]) -> String {
    names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
