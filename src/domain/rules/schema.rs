//! JSON Schema (draft-07) of rule files and test files, for editors: what can be completed, what it means, what is
//! wrong. Made of the table in `shape`; with the names of one rule folder it completes and checks those too.
//!
//! It refuses nothing that `tactful check` accepts. The other way round it cannot know everything: expressions, and
//! what must fit together, are for `check`.

mod names;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::shape::{CONDITION_GROUP, Form, Name, Needs, Shape};

pub use names::Names;

/// The schema of files of one shape; with names, of files that use these names and no others.
#[must_use]
pub fn schema(root: &'static Shape, names: Option<&Names>) -> Value {
    let mut builder = Builder { names, definitions: common() };
    let mut whole = builder.shape(root);
    whole.insert("$schema".into(), json!("http://json-schema.org/draft-07/schema#"));
    whole.insert("title".into(), json!(format!("{} of Tactful", root.what)));
    whole.insert("definitions".into(), json!(builder.definitions));
    Value::Object(whole)
}

const PERIOD: &str = "length_of_time";
const MOMENT: &str = "moment";
const CONDITION: &str = "condition";

/// What a length of time looks like: `2h 30m`, `13 months`, `01:30:00`, `P30D`.
const PERIOD_PATTERN: &str = concat!(
    r"^\s*(\+?\s*(([0-9]+([.,][0-9]+)?\s*",
    "(years?|yrs?|y|months?|mos?|weeks?|wks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s",
    "|milliseconds?|millis?|msecs?|ms|microseconds?|micros?|[uµμ]secs?|[uµμ]s|nanoseconds?|nanos?|nsecs?|ns)",
    r",?\s*)+([0-9]+:[0-9]+:[0-9]+([.,][0-9]+)?)?|[0-9]+:[0-9]+:[0-9]+([.,][0-9]+)?",
    r"|[Pp][0-9YyMmWwDdTtHhSs.,]+))\s*$",
);
/// What a moment looks like: RFC 3339, and what else is read as one; the offset is never left out.
const MOMENT_PATTERN: &str =
    r"^[+-]?[0-9]{4,6}-?[0-9]{2}-?[0-9]{2}[Tt ][0-9]{2}[0-9:.,]*([Zz]|[+-][0-9]{2}[0-9:.,]*)(\[[^\]]*\])*$";

fn common() -> BTreeMap<String, Value> {
    let period = json!({ "type": "string", "pattern": PERIOD_PATTERN, "examples": ["30 days", "2h 30m", "13 months"] });
    let moment = json!({ "type": "string", "pattern": MOMENT_PATTERN, "examples": ["2026-03-02T10:00:00+01:00"] });
    BTreeMap::from([(PERIOD.to_owned(), period), (MOMENT.to_owned(), moment)])
}

struct Builder<'n> {
    names: Option<&'n Names>,
    definitions: BTreeMap<String, Value>,
}

impl Builder<'_> {
    /// A map with known keys.
    fn shape(&mut self, shape: &Shape) -> Map<String, Value> {
        let mut properties = Map::new();
        for key in shape.keys {
            let mut value = self.form(&key.form);
            if let Value::Object(fields) = &mut value {
                fields.insert("description".into(), json!(key.about));
            }
            properties.insert(key.name.into(), value);
        }
        let required: Vec<&str> = shape.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
        let mut object = object(properties);
        if !required.is_empty() {
            object.insert("required".into(), json!(required));
        }
        let sets = |sets: &[&[&str]]| sets.iter().map(|keys| json!({ "required": keys })).collect::<Vec<_>>();
        match shape.needs {
            Needs::Nothing => None,
            Needs::AnyOf(keys) => object.insert("anyOf".into(), json!(sets(keys))),
            Needs::OneOf(keys) => object.insert("oneOf".into(), json!(sets(keys))),
        };
        object
    }

    /// What stands behind a key.
    fn form(&mut self, form: &Form) -> Value {
        match form {
            Form::Text | Form::Exact | Form::Zone => json!({ "type": "string" }),
            Form::Flag => json!({ "type": "boolean" }),
            Form::False => json!({ "const": false }),
            Form::Number(least, most) => json!({ "type": "number", "minimum": least, "maximum": most }),
            Form::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Form::Period => reference(PERIOD),
            Form::Moment => reference(MOMENT),
            Form::TimeOfDay => json!({ "type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$" }),
            Form::Condition => self.condition(),
            Form::Fact => {
                json!({ "type": ["string", "number", "boolean", "array", "null"], "items": { "type": "string" } })
            }
            Form::Word(words) => json!({ "enum": words() }),
            Form::Name(kind) => self.name(*kind),
            Form::NewName(kind) => self.new_name(*kind),
            Form::List(item, least) => json!({ "type": "array", "items": self.form(item), "minItems": least }),
            Form::Map(shape) => self.defined(shape),
            Form::Names(kind, behind) => self.map_of_names(*kind, behind),
            Form::NewNames(kind, behind) => json!({
                "type": "object",
                "propertyNames": { "pattern": pattern(*kind), "maxLength": 100 },
                "additionalProperties": self.form(behind),
            }),
            Form::Words(words, behind) => {
                let behind = self.form(behind);
                Value::Object(object(words().into_iter().map(|word| (word.to_owned(), behind.clone())).collect()))
            }
            Form::Either(forms) => json!({ "oneOf": forms.iter().map(|form| self.form(form)).collect::<Vec<_>>() }),
        }
    }

    /// A reference to a shape, which is defined once; one may hold itself.
    fn defined(&mut self, shape: &Shape) -> Value {
        let definition: String = shape.what.replace(' ', "_").replace('`', "");
        if !self.definitions.contains_key(&definition) {
            self.definitions.insert(definition.clone(), Value::Null);
            let object = self.shape(shape);
            self.definitions.insert(definition.clone(), Value::Object(object));
        }
        reference(&definition)
    }

    fn condition(&mut self) -> Value {
        let group = self.defined(&CONDITION_GROUP);
        let expression = json!({ "type": "string", "description": "an expression, such as `customer.age >= 18`" });
        self.definitions.insert(CONDITION.to_owned(), json!({ "oneOf": [expression, group] }));
        reference(CONDITION)
    }

    /// A name that must be declared somewhere.
    fn name(&mut self, kind: Name) -> Value {
        let known = self.names.map(|names| names.of(kind)).filter(|names| !names.is_empty());
        let name = match known {
            Some(names) => json!({ "enum": names }),
            None => json!({ "type": "string", "pattern": pattern(kind) }),
        };
        let definition = format!("{kind:?}");
        let reference = reference(&definition);
        self.definitions.insert(definition, name);
        reference
    }

    /// A new name; several actions may share a group, so the known ones are offered.
    fn new_name(&self, kind: Name) -> Value {
        let mut value = json!({ "type": "string", "pattern": pattern(kind), "maxLength": 100 });
        let groups = self.names.map(|names| names.of(Name::Group)).filter(|_| kind == Name::Group);
        if let (Some(groups), Value::Object(fields)) = (groups, &mut value) {
            fields.insert("examples".into(), json!(groups));
        }
        value
    }

    fn map_of_names(&mut self, kind: Name, behind: &Form) -> Value {
        let Some(names) = self.names else {
            return json!({ "type": "object", "additionalProperties": self.form(behind) });
        };
        let mut properties = Map::new();
        let default = (kind == Name::Activity).then_some("default");
        for name in names.of(kind).into_iter().chain(default) {
            let value = match behind {
                Form::Fact => fact(names, kind, name),
                _ => self.form(behind),
            };
            properties.insert(name.to_owned(), value);
        }
        Value::Object(object(properties))
    }
}

/// The value of a fact as it is declared; of an attribute, `null` removes it.
fn fact(names: &Names, kind: Name, name: &str) -> Value {
    let mut forms: Vec<Value> = names.facts(kind, name).iter().map(|fact| fact.schema(reference)).collect();
    if kind == Name::Attribute {
        forms.push(json!({ "type": "null" }));
    }
    if forms.len() > 1 { json!({ "anyOf": forms }) } else { forms.pop().unwrap_or(Value::Bool(true)) }
}

fn object(properties: Map<String, Value>) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("type".into(), json!("object"));
    object.insert("properties".into(), Value::Object(properties));
    object.insert("additionalProperties".into(), json!(false));
    object
}

fn reference(definition: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{definition}") })
}

/// What a name looks like.
fn pattern(kind: Name) -> &'static str {
    match kind {
        Name::Attribute => r"^customer(\.[a-z_][a-z0-9_]*)+$",
        Name::Action | Name::Group | Name::Stage => r"^[a-z_][a-z0-9_-]*(\.[a-z_][a-z0-9_-]*)*$",
        Name::Field | Name::Journey => "^[a-z_][a-z0-9_]*$",
        _ => r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*$",
    }
}
