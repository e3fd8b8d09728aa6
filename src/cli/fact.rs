//! Facts on the command line: NAME=VALUE, each value of the type that its form shows.

use std::collections::HashMap;

use crate::domain::time::{Moment, Period};
use crate::domain::value::{NOT_EXACT, Value, is_exact};
use crate::grpc::convert::wire_value;
use crate::grpc::proto;

/// How values are written, for the help of commands.
pub(super) const FORMS: &str = "Values: speed is a text, 34 a number, true a flag, 2026-03-02T10:00:00Z a moment, '90 days' a\n\
    duration, '[dsl, tv]' a list of texts. Within \"…\" everything is a text: zip='\"10115\"'.";

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
            Some((name, text)) if !name.is_empty() => {
                let fact = Self { name: name.to_owned(), text: text.to_owned() };
                fact.value().map(|_| fact)
            }
            _ => Err("write it as NAME=VALUE, as in `topic=speed`".to_owned()),
        }
    }

    fn value(&self) -> Result<Value, String> {
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
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"'))
}

/// Facts by their names, as they are sent.
pub(super) fn wire(facts: &[Fact]) -> HashMap<String, proto::Value> {
    let wire = |fact: &Fact| (fact.name.clone(), fact.value().map_or_else(|_| none(), |value| wire_value(&value)));
    facts.iter().map(wire).collect()
}

/// The same for attributes, of which one without a value is removed.
pub(super) fn wire_or_removed(facts: &[Fact]) -> HashMap<String, proto::Value> {
    let mut sent = wire(facts);
    for fact in facts.iter().filter(|fact| fact.text.is_empty()) {
        sent.insert(fact.name.clone(), none());
    }
    sent
}

fn none() -> proto::Value {
    proto::Value { kind: None }
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
            ("has=[dsl, tv]", Type::List, "[\"dsl\", \"tv\"]"),
            ("has=[\"dsl, or tv\"]", Type::List, "[\"dsl, or tv\"]"),
            ("has=[]", Type::List, "[]"),
        ] {
            let value = Fact::parse(text).unwrap().value().unwrap();
            assert_eq!(value.kind(), kind, "{text}");
            assert_eq!(value.to_string(), shown, "{text}");
        }
        assert!(Fact::parse("=x").is_err() && Fact::parse("x").is_err());
        assert!(Fact::parse("card=4111111111111111111").unwrap_err().contains("card=\""));
    }
}
