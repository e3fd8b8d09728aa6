//! What a flip says in words, as a supposition that the model can be asked about.
//!
//! `if customer.contract were "fibre" and it were 2026-03-02T10:00:00Z and it were 3.1 points more relevant`

use tactful::domain::time::{Moment, Period};

use crate::story::{Supposed, Value};

/// Every change that the words name; nothing if they cannot be read.
pub fn read(words: &str, action: &str) -> Option<Supposed> {
    let mut supposed = Supposed::default();
    let mut rest = words.strip_prefix("if ")?;
    loop {
        rest = one(rest, action, &mut supposed)?;
        if rest.is_empty() {
            return Some(supposed);
        }
        rest = rest.strip_prefix(" and ")?;
    }
}

/// Reads one change, and gives what is left.
fn one<'w>(words: &'w str, action: &str, supposed: &mut Supposed) -> Option<&'w str> {
    if let Some(said) = words.strip_prefix("it were ") {
        let (what, rest) = split(said, " and ");
        match what.strip_suffix(" points more relevant") {
            Some(points) => supposed.points = Some((action.to_owned(), points.parse::<f64>().ok()?)),
            None => supposed.at = Some(Moment::parse(what).ok()?.0),
        }
        return Some(rest);
    }
    let (fact, said) = words.split_once(" were ")?;
    let (value, rest) = value(said)?;
    supposed.facts.push((fact.to_owned(), value));
    Some(rest)
}

fn split<'w>(words: &'w str, at: &str) -> (&'w str, &'w str) {
    words.find(at).map_or((words, ""), |place| words.split_at(place))
}

fn value(words: &str) -> Option<(Value, &str)> {
    if let Some(text) = words.strip_prefix('"') {
        // Texts stand as they are: the quotes that end one are followed by another change, or by nothing.
        let end = text.find("\" and ").or_else(|| text.ends_with('"').then(|| text.len() - 1))?;
        return Some((Value::Text(text.get(..end)?.to_owned()), text.get(end + 1..)?));
    }
    if let Some(items) = words.strip_prefix('[') {
        let end = items.find("] and ").or_else(|| items.ends_with(']').then(|| items.len() - 1))?;
        let listed = items.get(..end)?.strip_prefix('"').map_or_else(Vec::new, |items| {
            items.strip_suffix('"').unwrap_or(items).split("\", \"").map(str::to_owned).collect()
        });
        return Some((Value::List(listed), items.get(end + 1..)?));
    }
    let (what, rest) = split(words, " and ");
    let value = match what {
        "true" => Value::Flag(true),
        "false" => Value::Flag(false),
        _ => {
            let number = what.parse::<f64>().ok().map(Value::Number);
            let moment = || Moment::parse(what).ok().map(|at| Value::Moment(at.0));
            number.or_else(moment).or_else(|| length(what).map(Value::Duration))?
        }
    };
    Some((value, rest))
}

/// A duration as people read it: `2 days 3 h`, perhaps with a minus.
fn length(words: &str) -> Option<i64> {
    match words {
        "0 s" => Some(0),
        _ => match words.strip_prefix('-') {
            Some(back) => Period::parse(back).ok().map(|period| -period.0),
            None => Period::parse(words).ok().map(|period| period.0),
        },
    }
}

#[test]
fn a_flip_is_parsed_as_printed() {
    let words = "if customer.plan were \"a and b\" and events.count(\"order\", \"7d\") were 3 and \
                 customer.notice were 14 days 1 ms and context.items were [\"10\", \"b\"] and it were 2026-03-02T10:00:00Z and it were 3.1 points more relevant";
    let supposed = read(words, "tv").unwrap();
    assert_eq!(
        supposed.facts,
        vec![
            ("customer.plan".to_owned(), Value::Text("a and b".into())),
            ("events.count(\"order\", \"7d\")".to_owned(), Value::Number(3.0)),
            ("customer.notice".to_owned(), Value::Duration(14 * 86_400_000 + 1)),
            ("context.items".to_owned(), Value::List(vec!["10".into(), "b".into()])),
        ]
    );
    assert_eq!((supposed.at, supposed.points), (Some(1_772_445_600_000), Some(("tv".to_owned(), 3.1))));
}
