//! Facts on the command line: NAME=VALUE. A value is of the type that its form shows, and a text where the rules of the
//! server declare a text.

use std::collections::{HashMap, HashSet};

use super::Failure;
use super::connection::Connection;
use crate::domain::time::{Moment, Period};
use crate::domain::value::{NOT_EXACT, Value, is_exact};
use crate::grpc::convert::wire_value;
use crate::grpc::proto::rule_service_client::RuleServiceClient;
use crate::grpc::proto::{self, DeclaredFact, FactType, GetRuleSetRequest, GetRuleSetResponse};

/// How values are written, for the help of commands.
pub(super) const FORMS: &str = "Values: speed is a text, 34 a number, true a flag, 2026-03-02T10:00:00Z a moment, '90 days' a \
    duration, '[dsl, tv]' a list of texts. Where the rules declare a text, each of them is a text; the server \
    says so to callers with the scope `rules`. Within \"…\" everything is a text: zip='\"10115\"'.";

/// Where facts are declared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// Under `context`.
    Context,
    /// Under `attributes`.
    Attributes,
    /// Among the fields of an event type.
    Event(&'a str),
}

/// A fact as it was written.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    name: String,
    text: String,
}

impl Fact {
    /// Reads NAME=VALUE, for the parser of the command line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, text)) if !name.is_empty() => Ok(Self { name: name.to_owned(), text: text.to_owned() }),
            _ => Err("write it as NAME=VALUE, as in `topic=speed`".to_owned()),
        }
    }

    /// The value by its form.
    pub(super) fn value(&self) -> Result<Value, String> {
        let Self { name, text } = self;
        if let Some(text) = quoted(text) {
            return Ok(Value::Text(text.into()));
        }
        if let Some(items) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            // Texts with commas are written as in JSON.
            let json = serde_json::from_str::<Vec<String>>(text).ok();
            let plain = || items.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect();
            return Ok(Value::List(json.unwrap_or_else(plain).into_iter().map(Into::into).collect()));
        }
        if let Ok(number) = text.parse::<f64>()
            && number.is_finite()
        {
            let number = Some(number).filter(|number| is_exact(*number)).map(Value::Number);
            return number.ok_or_else(|| format!("{text} {NOT_EXACT}: '{name}=\"{text}\"'"));
        }
        let flag = || text.parse().ok().map(Value::Flag);
        let moment = || Moment::parse(text).ok().map(Value::Moment);
        let duration = || Period::parse(text).ok().map(Value::Duration);
        Ok(flag().or_else(moment).or_else(duration).unwrap_or_else(|| Value::Text(text.as_str().into())))
    }

    /// Whether only the declaration says if it is a text.
    fn may_be_text(&self) -> bool {
        !matches!(self.value(), Ok(Value::Text(_)))
    }
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"'))
}

/// Facts by their names, as they are sent. The server is asked for its declarations if they matter.
pub(super) async fn wire(
    facts: &[Fact],
    place: Place<'_>,
    server: &Connection,
) -> Result<HashMap<String, proto::Value>, Failure> {
    let texts = match facts.iter().any(Fact::may_be_text) {
        true => declared_texts(place, server).await,
        false => HashSet::new(),
    };
    let value = |fact: &Fact| {
        let value = match texts.contains(&fact.name) && quoted(&fact.text).is_none() {
            true => Ok(Value::Text(fact.text.as_str().into())),
            false => fact.value(),
        };
        let removed = matches!(place, Place::Attributes) && fact.text.is_empty();
        let kind = value.map(|value| if removed { None } else { wire_value(&value).kind });
        kind.map(|kind| (fact.name.clone(), proto::Value { kind })).map_err(Failure::new)
    };
    facts.iter().map(value).collect()
}

/// The names of facts that the server's rules declare as texts; none for a caller who may not see the rules.
async fn declared_texts(place: Place<'_>, server: &Connection) -> HashSet<String> {
    let answer = RuleServiceClient::new(server.clone()).get_rule_set(GetRuleSetRequest {}).await;
    let declared = answer.map_or_else(|_| Vec::new(), |rules| declared(rules.into_inner(), place));
    declared.into_iter().filter(|fact| fact.r#type() == FactType::Text).map(|fact| fact.name).collect()
}

fn declared(rules: GetRuleSetResponse, place: Place<'_>) -> Vec<DeclaredFact> {
    match place {
        Place::Context => rules.context,
        Place::Attributes => rules.attributes,
        Place::Event(kind) => {
            rules.events.into_iter().find(|event| event.r#type == kind).map_or_else(Vec::new, |event| event.fields)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::value::Type;

    #[test]
    fn the_form_of_a_value_is_its_type() {
        for (text, kind, shown) in [
            ("topic=speed", Type::Text, "speed"),
            ("topic=", Type::Text, ""),
            ("zip=\"10115\"", Type::Text, "10115"),
            ("a=b=c", Type::Text, "b=c"),
            ("inf=inf", Type::Text, "inf"),
            ("age=34", Type::Number, "34"),
            ("tv=true", Type::Flag, "true"),
            ("since=2026-03-02T10:00:00Z", Type::Moment, "2026-03-02T10:00:00Z"),
            ("wait=90 days", Type::Duration, "90 days"),
            ("has=[dsl, tv]", Type::List, "dsl, tv"),
            ("has=[\"dsl, or tv\"]", Type::List, "dsl, or tv"),
            ("has=[]", Type::List, ""),
        ] {
            let value = Fact::parse(text).unwrap().value().unwrap();
            assert_eq!(value.kind(), kind, "{text}");
            assert_eq!(value.to_string(), shown, "{text}");
        }
        assert!(Fact::parse("=x").is_err() && Fact::parse("x").is_err());
        assert!(Fact::parse("card=4111111111111111111").unwrap().value().unwrap_err().contains("card=\""));
    }
}
