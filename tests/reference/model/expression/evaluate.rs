//! What an expression comes to: a value, or unknown (`None`). docs/expressions.md, "Operators", "Functions" and "What is
//! not known".

use std::borrow::Cow;

use regex::Regex;

use super::super::super::story::Value;
use super::super::customer::Event;
use super::super::units::{length, moment};
use super::super::view::{DISTANT_PAST, View};
use super::{Condition, Expr, Operator};

/// Names that `exists` and `all` bind, the innermost last.
type Bound = Vec<(String, Value)>;

/// A condition, in Kleene's logic. docs/rules.md, "Conditions".
pub fn truth(condition: &Condition, view: &View) -> Option<bool> {
    let each = |entries: &[Condition]| -> Vec<Option<bool>> { entries.iter().map(|c| truth(c, view)).collect() };
    match condition {
        Condition::One(expression) => flag(evaluate(expression, view)),
        Condition::All(entries) => all(&each(entries)),
        Condition::Any(entries) => any(&each(entries)),
        Condition::None(entries) => any(&each(entries)).map(|one| !one),
    }
}

pub fn evaluate(expression: &Expr, view: &View) -> Option<Value> {
    value(expression, view, &Vec::new())
}

/// Whether a filter is true of one event.
pub fn holds_for(filter: &Expr, view: &View, event: &Event) -> bool {
    let at_hand = View { event: Some(Cow::Borrowed(event)), ..view.clone() };
    flag(evaluate(filter, &at_hand)) == Some(true)
}

/// `&&` over a list: false if one is false, true if all are true, else unknown.
fn all(values: &[Option<bool>]) -> Option<bool> {
    if values.contains(&Some(false)) {
        Some(false)
    } else {
        values.iter().all(|value| *value == Some(true)).then_some(true)
    }
}

/// `||` over a list: true if one is true, false if all are false, else unknown.
fn any(values: &[Option<bool>]) -> Option<bool> {
    if values.contains(&Some(true)) {
        Some(true)
    } else {
        values.iter().all(|value| *value == Some(false)).then_some(false)
    }
}

fn flag(value: Option<Value>) -> Option<bool> {
    match value {
        Some(Value::Flag(flag)) => Some(flag),
        _ => None,
    }
}

fn value(expression: &Expr, view: &View, bound: &Bound) -> Option<Value> {
    let of = |part: &Expr| value(part, view, bound);
    match expression {
        Expr::Literal(literal) => Some(literal.clone()),
        Expr::Fact(name) => match bound.iter().rev().find(|(other, _)| other == name) {
            Some((_, element)) => Some(element.clone()),
            None => view.fact(name),
        },
        Expr::Not(x) => flag(of(x)).map(|flag| Value::Flag(!flag)),
        Expr::Minus(x) => match of(x)? {
            Value::Number(number) => Some(Value::Number(-number)),
            Value::Duration(length) => Some(Value::Duration(-length)),
            _ => None,
        },
        Expr::Binary(Operator::And, a, b) => all(&[flag(of(a)), flag(of(b))]).map(Value::Flag),
        Expr::Binary(Operator::Or, a, b) => any(&[flag(of(a)), flag(of(b))]).map(Value::Flag),
        Expr::Binary(Operator::In, x, list) => within(&of(x)?, list, view, bound),
        Expr::Binary(operator, a, b) => combine(*operator, of(a)?, of(b)?),
        Expr::Choice(test, a, b) => {
            if flag(of(test))? {
                of(a)
            } else {
                of(b)
            }
        }
        Expr::List(items) => {
            let texts = items.iter().map(|item| match of(item) {
                Some(Value::Text(text)) => Some(text),
                _ => None,
            });
            texts.collect::<Option<Vec<String>>>().map(Value::List)
        }
        Expr::Call(name, arguments) => call(name, arguments, view, bound),
        Expr::Method(on, name, arguments) => method(&of(on)?, (name, arguments), view, bound),
    }
}

/// `x in [a, b]`, plain values of one type; `x in list`, a text and a list.
fn within(x: &Value, list: &Expr, view: &View, bound: &Bound) -> Option<Value> {
    if let Expr::List(items) = list {
        let items: Option<Vec<Value>> = items.iter().map(|item| value(item, view, bound)).collect();
        return items.map(|items| Value::Flag(items.contains(x)));
    }
    match (x, value(list, view, bound)?) {
        (Value::Text(text), Value::List(items)) => Some(Value::Flag(items.contains(text))),
        _ => None,
    }
}

fn combine(operator: Operator, a: Value, b: Value) -> Option<Value> {
    use Operator::{Add, Divide, Equal, Multiply, Remainder, Subtract, Unequal};
    use Value::{Duration, Moment, Number};
    match (operator, a, b) {
        (Equal, a, b) => Some(Value::Flag(a == b)),
        (Unequal, a, b) => Some(Value::Flag(a != b)),
        (Add, Number(a), Number(b)) => real(a + b),
        (Subtract, Number(a), Number(b)) => real(a - b),
        (Multiply, Number(a), Number(b)) => real(a * b),
        // V2: a division by zero is unknown.
        (Divide | Remainder, Number(_), Number(0.0)) => None,
        (Divide, Number(a), Number(b)) => real(a / b),
        (Remainder, Number(a), Number(b)) => real(a % b),
        (Add, Moment(at), Duration(length)) | (Add, Duration(length), Moment(at)) => {
            Some(Moment(at.saturating_add(length)))
        }
        (Subtract, Moment(at), Duration(length)) => Some(Moment(at.saturating_sub(length))),
        (Subtract, Moment(a), Moment(b)) => Some(Duration(a - b)),
        (Add, Duration(a), Duration(b)) => a.checked_add(b).map(Duration),
        (Subtract, Duration(a), Duration(b)) => a.checked_sub(b).map(Duration),
        (operator, a, b) => ordered(operator, &a, &b).map(Value::Flag),
    }
}

/// "A number that does not exist is unknown: a result above 1.8e308."
fn real(number: f64) -> Option<Value> {
    number.is_finite().then_some(Value::Number(number))
}

/// Texts compare by code points.
fn ordered(operator: Operator, a: &Value, b: &Value) -> Option<bool> {
    let order = match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b)?,
        (Value::Text(a), Value::Text(b)) => a.chars().cmp(b.chars()),
        (Value::Moment(a), Value::Moment(b)) | (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
        _ => return None,
    };
    match operator {
        Operator::Less => Some(order.is_lt()),
        Operator::LessOrEqual => Some(order.is_le()),
        Operator::Greater => Some(order.is_gt()),
        Operator::GreaterOrEqual => Some(order.is_ge()),
        _ => None,
    }
}

fn literal(arguments: &[Expr], place: usize) -> Option<&str> {
    match arguments.get(place) {
        Some(Expr::Literal(Value::Text(text))) => Some(text),
        _ => None,
    }
}

/// A duration as a window: `"7d"` or `duration("7d")`.
pub fn window(argument: &Expr) -> Option<i64> {
    match argument {
        Expr::Literal(Value::Text(text)) => length(text).ok(),
        Expr::Call(name, inner) if name == "duration" => window(inner.first()?),
        _ => None,
    }
}

fn call(name: &str, arguments: &[Expr], view: &View, bound: &Bound) -> Option<Value> {
    let word = |place| literal(arguments, place);
    let window = |place| window(arguments.get(place)?);
    match name {
        "duration" => length(word(0)?).ok().map(Value::Duration),
        "timestamp" => moment(word(0)?).ok().map(Value::Moment),
        "has" => has(arguments.first()?, view).map(Value::Flag),
        "size" => size(&value(arguments.first()?, view, bound)?),
        "events.count" => {
            let counted = view.events(word(0)?, Some(window(1)?), arguments.get(2))?;
            Some(Value::Number(counted.len() as f64))
        }
        "events.last" => {
            let seen = view.events(word(0)?, None, arguments.get(1))?;
            Some(Value::Moment(seen.iter().map(|event| event.at).max().unwrap_or(DISTANT_PAST)))
        }
        "outcomes.count" => {
            let counted = view.outcomes(word(0)?, word(1)?, Some(window(2)?))?;
            Some(Value::Number(counted.len() as f64))
        }
        "outcomes.last" => {
            let seen = view.outcomes(word(0)?, word(1)?, None)?;
            Some(Value::Moment(seen.into_iter().max().unwrap_or(DISTANT_PAST)))
        }
        "consent.given" => view.consent_given(word(0)?).map(Value::Flag),
        _ => None,
    }
}

fn has(of: &Expr, view: &View) -> Option<bool> {
    match of {
        Expr::Fact(name) => view.has(name),
        _ => None,
    }
}

fn size(of: &Value) -> Option<Value> {
    match of {
        Value::Text(text) => Some(Value::Number(text.chars().count() as f64)),
        Value::List(items) => Some(Value::Number(items.len() as f64)),
        _ => None,
    }
}

fn method(on: &Value, (name, arguments): (&str, &[Expr]), view: &View, bound: &Bound) -> Option<Value> {
    match (on, name) {
        (_, "size") => size(on),
        (Value::List(items), "exists" | "all") => {
            let (Some(Expr::Fact(element)), Some(test)) = (arguments.first(), arguments.get(1)) else { return None };
            let each = items.iter().map(|item| {
                let mut inner = bound.clone();
                inner.push((element.clone(), Value::Text(item.clone())));
                flag(value(test, view, &inner))
            });
            let each: Vec<Option<bool>> = each.collect();
            if name == "exists" { any(&each).map(Value::Flag) } else { all(&each).map(Value::Flag) }
        }
        (Value::Text(text), _) => {
            let Value::Text(other) = value(arguments.first()?, view, bound)? else { return None };
            Some(Value::Flag(match name {
                "startsWith" => text.starts_with(&other),
                "endsWith" => text.ends_with(&other),
                "contains" => text.contains(&other),
                "matches" => Regex::new(&other).ok()?.is_match(text),
                _ => return None,
            }))
        }
        _ => None,
    }
}
