//! Values of an import, of the types that the rules of the server declare.

use std::collections::HashMap;

use serde_json::Value as Json;

use crate::cli::fact::Fact;
use crate::domain::time::{Moment, Period};
use crate::domain::value::{NOT_EXACT, Value, is_exact};
use crate::grpc::convert::wire_value;
use crate::grpc::proto::{self, DeclaredFact, FactType, GetRuleSetResponse};
use crate::rules::reader::nearest;

/// The facts that the rules of a server declare.
#[derive(Debug, Default)]
pub(super) struct Declared {
    attributes: HashMap<String, FactType>,
    /// By event type and field.
    fields: HashMap<String, HashMap<String, FactType>>,
}

impl Declared {
    /// The declarations of a server's rules.
    pub fn of(rules: GetRuleSetResponse) -> Self {
        let fields = rules.events.into_iter().map(|event| (event.r#type, types(event.fields)));
        Self { attributes: types(rules.attributes), fields: fields.collect() }
    }

    pub fn has_attribute(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }

    /// What is wrong with the name of a column that is not a word of the format.
    pub fn unknown_column(&self, name: &str) -> String {
        let known: Vec<&str> = self.attributes.keys().map(String::as_str).collect();
        let near = nearest(name, &known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        format!("no column and no attribute is called `{name}`{near}")
    }

    /// An attribute's value as it is sent; null removes the attribute. What is not declared is left to the server to
    /// refuse.
    pub fn attribute(&self, name: &str, json: &Json) -> Result<proto::Value, String> {
        match json {
            Json::Null => Ok(proto::Value { kind: None }),
            json => sent(self.attributes.get(name).copied(), json).map_err(|why| format!("attributes.{name}: {why}")),
        }
    }

    /// The value of an event's field as it is sent.
    pub fn field(&self, kind: &str, name: &str, json: &Json) -> Result<proto::Value, String> {
        let declared = self.fields.get(kind).and_then(|fields| fields.get(name)).copied();
        sent(declared, json).map_err(|why| format!("fields.{name}: {why}"))
    }

    /// The cell of a table as JSON.
    pub fn attribute_of_text(&self, name: &str, text: &str) -> Result<Json, String> {
        of_text(self.attributes.get(name).copied(), text).map_err(|why| format!("{name}: {why}"))
    }

    /// The cell of a table as JSON.
    pub fn field_of_text(&self, kind: &str, name: &str, text: &str) -> Result<Json, String> {
        let declared = self.fields.get(kind).and_then(|fields| fields.get(name)).copied();
        of_text(declared, text).map_err(|why| format!("event.fields.{name}: {why}"))
    }
}

fn types(facts: Vec<DeclaredFact>) -> HashMap<String, FactType> {
    facts.into_iter().map(|fact| (fact.name.clone(), fact.r#type())).collect()
}

fn sent(declared: Option<FactType>, json: &Json) -> Result<proto::Value, String> {
    typed(declared, json).map(|value| wire_value(&value))
}

fn typed(declared: Option<FactType>, json: &Json) -> Result<Value, String> {
    match (declared, json) {
        (Some(FactType::Moment), Json::String(text)) => Moment::parse(text)
            .map(Value::Moment)
            .map_err(|_| format!("`{text}` is not a moment as in 2026-03-02T10:00:00Z")),
        (Some(FactType::Span), Json::String(text)) => {
            Period::parse(text).map(Value::Duration).map_err(|_| format!("`{text}` is not a duration as in `90 days`"))
        }
        (_, Json::String(text)) => Ok(Value::Text(text.as_str().into())),
        (_, Json::Bool(flag)) => Ok(Value::Flag(*flag)),
        (_, Json::Number(number)) => match number.as_f64().filter(|number| is_exact(*number)) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(format!("{number} {NOT_EXACT}")),
        },
        (_, Json::Array(items)) => {
            let texts = items.iter().map(|item| item.as_str().map(Into::into)).collect::<Option<Vec<_>>>();
            texts
                .map(|texts: Vec<_>| Value::List(texts.into()))
                .ok_or_else(|| "is a list of something else than texts".to_owned())
        }
        (_, Json::Null) => Err("has no value".to_owned()),
        (_, Json::Object(_)) => Err("is an object; write a text, a number, a flag or a list of texts".to_owned()),
    }
}

/// A cell of a table: a text where a text is declared, otherwise what its form shows, as on the command line.
fn of_text(declared: Option<FactType>, text: &str) -> Result<Json, String> {
    if matches!(declared, Some(FactType::Text | FactType::Moment | FactType::Span)) {
        return Ok(text.into());
    }
    Ok(match Fact::parse(&format!("cell={text}"))?.value()? {
        Value::Number(number) => number.into(),
        Value::Flag(flag) => flag.into(),
        Value::List(items) => items.iter().map(ToString::to_string).collect(),
        _ => text.into(),
    })
}
