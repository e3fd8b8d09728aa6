//! The engine's words for what a story says, and the story's for what the engine says.

use std::collections::BTreeMap;

use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus;
use tactful::domain::consent::record::ConsentSource;
use tactful::domain::scoring::{Score as EngineScore, Term};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::{Operand, Value as EngineValue};
use tactful::engine::{
    AttributeChange, ChangeResult, ConsentChange as EngineChange, ConsentRequest, CustomerExport, CustomerView,
    DecisionRecord, EngineError, EventInput, ItemResult, OutcomeInput, Question as EngineQuestion,
};

use crate::engine::names;
use crate::story::{
    Answer, Candidate, Chosen, ConsentChange, Held, Question, Reply, Score, Silence, Standing, Value, What,
};

pub fn engine_value(value: &Value) -> EngineValue {
    match value {
        Value::Text(text) => EngineValue::Text(text.as_str().into()),
        Value::Number(number) => EngineValue::Number(*number),
        Value::Flag(flag) => EngineValue::Flag(*flag),
        Value::Moment(at) => EngineValue::Moment(Moment(*at)),
        Value::Duration(length) => EngineValue::Duration(Period(*length)),
        Value::List(items) => EngineValue::List(items.iter().map(|item| item.as_str().into()).collect()),
    }
}

fn story_value(value: Operand<'_>) -> Value {
    match value {
        Operand::Unknown => Value::Text("unknown".into()),
        Operand::Text(text) => Value::Text(text.into()),
        Operand::Number(number) => Value::Number(number),
        Operand::Flag(flag) => Value::Flag(flag),
        Operand::Moment(at) => Value::Moment(at.0),
        Operand::Duration(length) => Value::Duration(length.0),
        Operand::List(items) => Value::List(items.iter().map(str::to_owned).collect()),
    }
}

pub fn consent_request(
    customer: &str,
    changes: &[ConsentChange],
    (deferred, evidence): (bool, bool),
) -> ConsentRequest {
    let evidence = if evidence { "form-1".to_owned() } else { String::new() };
    let changes = changes.iter().map(|change| EngineChange {
        purpose: change.purpose.clone(),
        status: ConsentStatus::named(&change.status).unwrap_or_else(|| panic!("no status {}", change.status)),
        notice: String::new(),
        notice_hash: None,
        language: String::new(),
        expression: String::new(),
        claimed: change.claimed.map(Moment),
        valid_until: change.valid_until.map(Moment),
        wrong: Vec::new(),
    });
    ConsentRequest {
        customer: customer.to_owned(),
        changes: changes.collect(),
        source: ConsentSource { evidence, ..ConsentSource::default() },
        deferred,
        ..ConsentRequest::default()
    }
}

/// The stable word of a refused change.
pub fn change_result(result: &ChangeResult) -> Option<String> {
    (!result.accepted).then(|| stable(&result.reason))
}

fn stable(reason: &str) -> String {
    reason.split(':').next().unwrap_or("").to_owned()
}

pub fn event(
    customer: &str,
    (id, kind): (&str, &str),
    occurred: Option<i64>,
    fields: &BTreeMap<String, Value>,
) -> EventInput {
    EventInput {
        event_id: id.to_owned(),
        customer: customer.to_owned(),
        kind: kind.to_owned(),
        channel: String::new(),
        occurred: occurred.map(Moment),
        fields: fields.iter().map(|(name, value)| (name.as_str().into(), engine_value(value))).collect(),
    }
}

pub fn attributes(customer: &str, values: &BTreeMap<String, Option<Value>>, time_zone: &str) -> AttributeChange {
    let attributes = values.iter().map(|(name, value)| (name.clone(), value.as_ref().map(engine_value)));
    AttributeChange { customer: customer.to_owned(), attributes: attributes.collect(), time_zone: time_zone.to_owned() }
}

pub fn outcome(customer: &str, decision: &str, what: &What) -> OutcomeInput {
    let What::Outcome { id, action, outcome, channel, occurred, .. } = what else { panic!("no outcome") };
    OutcomeInput {
        outcome_id: id.clone(),
        decision_id: decision.to_owned(),
        customer: customer.to_owned(),
        action: action.clone(),
        channel: channel.clone(),
        outcome: Outcome::named(outcome).unwrap_or_else(|| panic!("no outcome {outcome}")),
        occurred: occurred.map(Moment),
    }
}

/// What became of the one item of a call.
pub fn item(results: Result<Vec<ItemResult>, EngineError>) -> Reply {
    let Ok(results) = results else { return Reply::Invalid };
    let ItemResult { accepted, reason, .. } = &results[0];
    Reply::Recorded(match (accepted, reason.as_str()) {
        (true, "") => None,
        (true, _) => Some(stable(reason)),
        (false, reason) if !reason.contains(' ') => Some(stable(reason)),
        _ => Some("invalid".into()),
    })
}

pub fn question(customer: &str, question: &Question) -> EngineQuestion {
    let context = question.context.iter().map(|(name, value)| (name.as_str().into(), engine_value(value)));
    EngineQuestion {
        customer: customer.into(),
        channel: question.channel.as_str().into(),
        context: context.collect(),
        max_actions: u32::try_from(question.max_actions).unwrap(),
        groups: question.groups.clone(),
        validate_only: question.rehearsal,
        signals_objection: question.rehearsal && question.gpc,
        ..EngineQuestion::default()
    }
}

/// An answer, with candidates as far as it explains them.
pub fn answer(record: &DecisionRecord) -> Answer {
    let (decision, vocabulary) = (&record.decision, &record.rules.vocabulary);
    let chosen = decision.actions.iter().map(|chosen| Chosen {
        action: vocabulary.name(chosen.action).to_owned(),
        content: chosen.content.to_string(),
        text: chosen.text.to_string(),
        because: chosen.because.iter().map(ToString::to_string).collect(),
        score: score(chosen.score),
    });
    let silence = decision.silence.as_ref().map(|silence| Silence {
        reason: silence.reason.name().to_owned(),
        nearest: silence.nearest.map_or_else(String::new, |(id, _)| vocabulary.name(id).to_owned()),
        nearest_gap: silence.nearest.map_or(0.0, |(_, gap)| gap),
        retry_after: silence.retry_after.map(|at| at.0),
    });
    let candidates = record.explanation().into_iter().flat_map(|explanation| &explanation.candidates).map(|loser| {
        let candidate = Candidate {
            gate: loser.gate.name().to_owned(),
            score: loser.score.map(score),
            needs_purposes: names(loser.needs_purposes, &record.rules),
        };
        (vocabulary.name(loser.action).to_owned(), candidate)
    });
    Answer {
        chosen: chosen.collect(),
        silence,
        purposes_used: names(decision.purposes_used, &record.rules),
        valid_until: decision.valid_until.0,
        candidates: candidates.collect(),
    }
}

fn score(score: EngineScore) -> Score {
    Score {
        total: score.total,
        relevance: score.get(Term::Relevance),
        worth: score.get(Term::Worth),
        personal: score.personal,
        intrusiveness: score.intrusiveness(),
        interruption: score.get(Term::Interruption),
        pressure: score.get(Term::Pressure),
        hurt: score.get(Term::Hurt),
    }
}

/// What is held, as the export shows it; limits as `GetCustomer` does.
pub fn held(export: &CustomerExport, view: &CustomerView) -> Held {
    let (rules, state) = (&export.rules, &export.state);
    let standings = export.standings.iter().map(|standing| {
        let shown = Standing {
            status: standing.status.map_or_else(String::new, |status| status.name().to_owned()),
            usable: standing.usable,
            denied_because: standing.denial.map_or_else(String::new, |denial| denial.name().to_owned()),
            until: standing.until.map(|at| at.0),
            needs_reconfirm: standing.needs_reconfirm,
        };
        (standing.purpose.clone(), shown)
    });
    let attributes = state.attributes().iter();
    let attributes = attributes.map(|(id, held)| (rules.vocabulary.name(id).to_owned(), story_value(held.value())));
    let events = state.events().newest_first().map(|event| {
        let fields = event
            .fields
            .iter()
            .map(|(id, held)| (rules.vocabulary.local_name(id).to_owned(), story_value(held.value())));
        (event.at.0, rules.vocabulary.name(event.kind).to_owned(), fields.collect::<BTreeMap<_, _>>())
    });
    let mut events: Vec<_> = events.collect();
    events.sort_by(|a, b| (a.0, &a.1, format!("{:?}", a.2)).cmp(&(b.0, &b.1, format!("{:?}", b.2))));
    let journeys = state.relation().journeys.iter().map(|journey| {
        let stage = rules.vocabulary.local_name(journey.stage);
        (rules.vocabulary.name(journey.journey).to_owned(), (stage.to_owned(), journey.entered.0))
    });
    let limits = view.limits.iter().filter(|limit| limit.used > 0).map(|limit| {
        let name = match limit.limit.split_once(": ") {
            Some((action, label)) => format!("{action}/{label}"),
            None => format!("policy/{}", limit.limit),
        };
        (name, limit.used)
    });
    Held {
        standings: standings.collect(),
        attributes: attributes.collect(),
        events,
        journeys: journeys.collect(),
        limits: limits.collect(),
    }
}
