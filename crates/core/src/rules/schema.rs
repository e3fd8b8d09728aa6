//! JSON Schema (draft-07) of rule files and test files, for completion, descriptions and checks in editors. Generated
//! from the table in `shape`; with the names of a rule folder it completes and checks those, too.
//!
//! It accepts everything that `tactful check` accepts, but cannot refuse everything that it refuses: expressions and
//! consistency are left to `check`.

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
    whole.insert("definitions".into(), json!(builder.definitions));
    Value::Object(whole)
}

const PERIOD: &str = "length_of_time";
const MOMENT: &str = "moment";
const CONDITION: &str = "condition";

/// The pattern of a duration: `2h 30m`, `13 months`, `01:30:00`, `P30D`.
const PERIOD_PATTERN: &str = concat!(
    r"^\s*(\+?\s*(([0-9]+([.,][0-9]+)?\s*",
    "(years?|yrs?|y|months?|mos?|weeks?|wks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s",
    "|milliseconds?|millis?|msecs?|ms|microseconds?|micros?|[uµμ]secs?|[uµμ]s|nanoseconds?|nanos?|nsecs?|ns)",
    r",?\s*)+([0-9]+:[0-9]+:[0-9]+([.,][0-9]+)?)?|[0-9]+:[0-9]+:[0-9]+([.,][0-9]+)?",
    r"|[Pp][0-9YyMmWwDdTtHhSs.,]+))\s*$",
);
/// The pattern of a moment: RFC 3339 and its accepted variants; the offset is required.
const MOMENT_PATTERN: &str =
    r"^[+-]?[0-9]{4,6}-?[0-9]{2}-?[0-9]{2}[Tt ][0-9]{2}[0-9:.,]*([Zz]|[+-][0-9]{2}[0-9:.,]*)(\[[^\]]*\])*$";

/// The pattern of a text without invisible characters. Those beyond U+FFFF are left to `check`, because regular
/// expression engines differ there.
const VISIBLE_PATTERN: &str = concat!(
    r"^[^\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f",
    r"\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]*$",
);
const VISIBLE: &str = "remove the invisible character here";
const TIME_OF_DAY_PATTERN: &str = "^([01]?[0-9]|2[0-3]):[0-5][0-9]$";
const ZONE_PATTERN: &str = "^[A-Za-z0-9_+/-]+$";

fn common() -> BTreeMap<String, Value> {
    let period = json!({ "examples": ["30 days", "2h 30m", "13 months"] });
    let moment = json!({ "examples": ["2026-03-02T10:00:00+01:00"] });
    let text = |extra: Value, form: Form, pattern: &str| {
        let mut value = text(&form, pattern);
        value.extend(extra.as_object().cloned().unwrap_or_default());
        Value::Object(value)
    };
    BTreeMap::from([
        (PERIOD.to_owned(), text(period, Form::Period, PERIOD_PATTERN)),
        (MOMENT.to_owned(), text(moment, Form::Moment, MOMENT_PATTERN)),
    ])
}

/// A text with a pattern, and the message of editors for another text.
fn text(form: &Form, pattern: &str) -> Map<String, Value> {
    let wanted = form.wanted().unwrap_or_default();
    let why = if pattern == VISIBLE_PATTERN { VISIBLE } else { &wanted };
    let value = json!({ "type": "string", "pattern": pattern, "errorMessage": wanted, "patternErrorMessage": why });
    value.as_object().cloned().unwrap_or_default()
}

/// A value, and the message of editors for another one.
fn saying(mut value: Value, form: &Form) -> Value {
    if let (Some(wanted), Value::Object(fields)) = (form.wanted(), &mut value) {
        fields.insert("errorMessage".into(), json!(wanted));
    }
    value
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

    /// The schema of a key's value.
    fn form(&mut self, form: &Form) -> Value {
        match form {
            Form::Text => saying(json!({ "type": "string" }), form),
            Form::Exact => Value::Object(text(form, VISIBLE_PATTERN)),
            Form::Zone => Value::Object(text(form, ZONE_PATTERN)),
            Form::Flag => saying(json!({ "type": "boolean" }), form),
            Form::False => saying(json!({ "const": false }), form),
            Form::Number(least, most) => saying(json!({ "type": "number", "minimum": least, "maximum": most }), form),
            Form::Whole(least, most) => saying(json!({ "type": "integer", "minimum": least, "maximum": most }), form),
            Form::Period => reference(PERIOD),
            Form::Moment => reference(MOMENT),
            Form::TimeOfDay => Value::Object(text(form, TIME_OF_DAY_PATTERN)),
            Form::Condition => self.condition(form),
            Form::Fact => {
                json!({ "type": ["string", "number", "boolean", "array", "null"], "items": { "type": "string" } })
            }
            Form::Word(words) => json!({ "enum": words() }),
            Form::Explained(words) => {
                let (words, about): (Vec<_>, Vec<_>) = words().into_iter().unzip();
                json!({ "enum": words, "enumDescriptions": about })
            }
            Form::Name(kind) => self.name(*kind),
            Form::NewName(kind) => self.new_name(*kind),
            Form::List(item, least) => {
                saying(json!({ "type": "array", "items": self.form(item), "minItems": least }), form)
            }
            Form::Map(shape) => self.defined(shape),
            Form::Names(kind, behind) => self.map_of_names(*kind, behind),
            Form::NewNames(kind, behind) => json!({
                "type": "object",
                "propertyNames": { "pattern": pattern(*kind), "maxLength": 100, "patternErrorMessage": kind.wanted() },
                "additionalProperties": self.form(behind),
            }),
            Form::Words(words, behind) => {
                let behind = self.form(behind);
                Value::Object(object(words().into_iter().map(|word| (word.to_owned(), behind.clone())).collect()))
            }
            Form::Either(forms) => json!({ "oneOf": forms.iter().map(|form| self.form(form)).collect::<Vec<_>>() }),
        }
    }

    /// A reference to a shape, which is defined once; shapes can be recursive.
    fn defined(&mut self, shape: &'static Shape) -> Value {
        let definition: String = shape.what.replace(' ', "_").replace('`', "");
        if !self.definitions.contains_key(&definition) {
            self.definitions.insert(definition.clone(), Value::Null);
            let mut object = self.shape(shape);
            // The description of the map must not apply to each of its values, so the type is separate.
            if let (Some(kind), Some(wanted)) = (object.remove("type"), Form::Map(shape).wanted()) {
                object.insert("allOf".into(), json!([{ "type": kind, "errorMessage": wanted }]));
            }
            self.definitions.insert(definition.clone(), Value::Object(object));
        }
        reference(&definition)
    }

    fn condition(&mut self, form: &Form) -> Value {
        let group = self.defined(&CONDITION_GROUP);
        let mut expression = text(form, VISIBLE_PATTERN);
        expression.insert("description".into(), json!("an expression, such as `customer.age >= 18`"));
        self.definitions.insert(CONDITION.to_owned(), json!({ "oneOf": [expression, group] }));
        reference(CONDITION)
    }

    /// A name that must be declared somewhere.
    fn name(&mut self, kind: Name) -> Value {
        let known = self.names.map(|names| names.of(kind)).filter(|names| !names.is_empty());
        let name = match known {
            Some(names) => json!({ "enum": names }),
            None => Value::Object(text(&Form::Name(kind), pattern(kind))),
        };
        let definition = format!("{kind:?}");
        let reference = reference(&definition);
        self.definitions.insert(definition, name);
        reference
    }

    /// A new name; several actions may share a group, so the known ones are offered.
    fn new_name(&self, kind: Name) -> Value {
        let mut value = text(&Form::NewName(kind), pattern(kind));
        value.insert("maxLength".into(), json!(100));
        if let Some(groups) = self.names.map(|names| names.of(Name::Group)).filter(|_| kind == Name::Group) {
            value.insert("examples".into(), json!(groups));
        }
        Value::Object(value)
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

/// The value of a declared fact; `null` removes an attribute.
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

/// The pattern of a name.
fn pattern(kind: Name) -> &'static str {
    match kind {
        Name::Attribute => r"^customer(\.[a-z_][a-z0-9_]*)+$",
        Name::Action | Name::Group | Name::Stage => r"^[a-z_][a-z0-9_-]*(\.[a-z_][a-z0-9_-]*)*$",
        Name::Field | Name::Journey => "^[a-z_][a-z0-9_]*$",
        _ => r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*$",
    }
}
