//! Evaluates a checked expression over facts that may be unknown, in Kleene's logic.

use smallvec::SmallVec;

use crate::domain::expr::{Arithmetic, Comparison, FactId, Node, TextTest};
use crate::domain::time::Period;
use crate::domain::value::{Operand, Texts, Truth, Value};

/// Where facts come from.
pub trait Facts {
    /// The fact's value, or unknown.
    fn read(&self, fact: FactId) -> Operand<'_>;
    /// Whether the fact has a value; unknown if that is withheld.
    fn has(&self, fact: FactId) -> Truth;
}

type Bound<'a> = SmallVec<[&'a str; 2]>;

/// The value of an expression.
pub fn evaluate<'a>(node: &'a Node, facts: &'a impl Facts) -> Operand<'a> {
    value(node, facts, &Bound::new())
}

fn value<'a>(node: &'a Node, facts: &'a impl Facts, bound: &Bound<'a>) -> Operand<'a> {
    match node {
        Node::Constant(constant) => constant.operand(),
        Node::Fact(id) => facts.read(*id),
        Node::Variable(index) => bound.iter().nth_back(*index).map_or(Operand::Unknown, |text| Operand::Text(text)),
        Node::Has(id) => facts.has(*id).operand(),
        Node::Not(inner) => value(inner, facts, bound).truth().not().operand(),
        Node::And(parts) => every(parts.iter().map(|part| value(part, facts, bound).truth())).operand(),
        Node::Or(parts) => any(parts.iter().map(|part| value(part, facts, bound).truth())).operand(),
        Node::Compare(how, pair) => with_both(pair, facts, bound, |a, b| compare(*how, a, b)),
        Node::AnyOf(inner, constants) => any_of(value(inner, facts, bound), constants),
        Node::Member(pair) => with_both(pair, facts, bound, |item, list| member(item, list)),
        Node::Negate(inner) => negate(value(inner, facts, bound)),
        Node::Arithmetic(how, pair) => with_both(pair, facts, bound, |a, b| arithmetic(*how, a, b)),
        Node::Choose(parts) => choose(parts, facts, bound),
        Node::Size(inner) => size(value(inner, facts, bound)),
        Node::TextTest(how, pair) => with_both(pair, facts, bound, |a, b| text_test(*how, a, b)),
        Node::Matches(inner, pattern) => match value(inner, facts, bound) {
            Operand::Text(text) => Operand::Flag(pattern.0.is_match(text)),
            _ => Operand::Unknown,
        },
        Node::Exists(pair) => any(each(pair, facts, bound)).operand(),
        Node::All(pair) => every(each(pair, facts, bound)).operand(),
    }
}

/// Both operands evaluated; unknown as soon as one is.
fn with_both<'a>(
    [left, right]: &'a [Node; 2],
    facts: &'a impl Facts,
    bound: &Bound<'a>,
    combine: impl FnOnce(Operand<'a>, Operand<'a>) -> Operand<'a>,
) -> Operand<'a> {
    match (value(left, facts, bound), value(right, facts, bound)) {
        (Operand::Unknown, _) | (_, Operand::Unknown) => Operand::Unknown,
        (left, right) => combine(left, right),
    }
}

fn every(truths: impl Iterator<Item = Truth>) -> Truth {
    let mut all = Truth::True;
    for truth in truths {
        all = all.and(truth);
        if all == Truth::False {
            break;
        }
    }
    all
}

fn any(truths: impl Iterator<Item = Truth>) -> Truth {
    every(truths.map(Truth::not)).not()
}

pub(super) fn compare(how: Comparison, a: Operand<'_>, b: Operand<'_>) -> Operand<'static> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = match (a, b) {
        (Operand::Text(a), Operand::Text(b)) => Some(a.cmp(b)),
        (Operand::Number(a), Operand::Number(b)) => a.partial_cmp(&b),
        (Operand::Flag(a), Operand::Flag(b)) => Some(a.cmp(&b)),
        (Operand::Moment(a), Operand::Moment(b)) => Some(a.cmp(&b)),
        (Operand::Duration(a), Operand::Duration(b)) => Some(a.cmp(&b)),
        (Operand::List(a), Operand::List(b)) => Some(a.iter().cmp(b.iter())),
        _ => None,
    };
    let Some(order) = order else { return Operand::Unknown };
    Operand::Flag(match how {
        Comparison::Equal => order == Equal,
        Comparison::NotEqual => order != Equal,
        Comparison::Less => order == Less,
        Comparison::LessOrEqual => order != Greater,
        Comparison::Greater => order == Greater,
        Comparison::GreaterOrEqual => order != Less,
    })
}

pub(super) fn any_of(item: Operand<'_>, constants: &[Value]) -> Operand<'static> {
    match item {
        Operand::Unknown => Operand::Unknown,
        item => Operand::Flag(constants.iter().any(|constant| constant.operand() == item)),
    }
}

fn member(item: Operand<'_>, list: Operand<'_>) -> Operand<'static> {
    match (item, list) {
        (Operand::Text(text), Operand::List(items)) => Operand::Flag(items.iter().any(|item| item == text)),
        _ => Operand::Unknown,
    }
}

fn negate(operand: Operand<'_>) -> Operand<'static> {
    match operand {
        Operand::Number(number) => Operand::Number(-number),
        Operand::Duration(period) => Operand::Duration(period.opposite()),
        _ => Operand::Unknown,
    }
}

pub(super) fn arithmetic(how: Arithmetic, a: Operand<'_>, b: Operand<'_>) -> Operand<'static> {
    match (how, a, b) {
        (_, Operand::Number(a), Operand::Number(b)) => number(how, a, b),
        (Arithmetic::Add, Operand::Moment(at), Operand::Duration(by))
        | (Arithmetic::Add, Operand::Duration(by), Operand::Moment(at)) => Operand::Moment(at + by),
        (Arithmetic::Subtract, Operand::Moment(at), Operand::Duration(by)) => Operand::Moment(at - by),
        (Arithmetic::Subtract, Operand::Moment(a), Operand::Moment(b)) => Operand::Duration(a.since(b)),
        (Arithmetic::Add, Operand::Duration(a), Operand::Duration(b)) => {
            Operand::Duration(Period(a.0.saturating_add(b.0)))
        }
        (Arithmetic::Subtract, Operand::Duration(a), Operand::Duration(b)) => {
            Operand::Duration(Period(a.0.saturating_sub(b.0)))
        }
        _ => Operand::Unknown,
    }
}

/// A result that is not a finite number, such as a division by a fact that is zero, is unknown.
fn number(how: Arithmetic, a: f64, b: f64) -> Operand<'static> {
    let result = match how {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Remainder => a % b,
    };
    if result.is_finite() { Operand::Number(result) } else { Operand::Unknown }
}

fn choose<'a>([test, yes, no]: &'a [Node; 3], facts: &'a impl Facts, bound: &Bound<'a>) -> Operand<'a> {
    match value(test, facts, bound).truth() {
        Truth::True => value(yes, facts, bound),
        Truth::False => value(no, facts, bound),
        Truth::Unknown => Operand::Unknown,
    }
}

#[expect(clippy::cast_precision_loss, reason = "texts and lists are far shorter than 2^52")]
fn size(operand: Operand<'_>) -> Operand<'static> {
    match operand {
        Operand::Text(text) => Operand::Number(text.chars().count() as f64),
        Operand::List(items) => Operand::Number(items.iter().count() as f64),
        _ => Operand::Unknown,
    }
}

fn text_test(how: TextTest, a: Operand<'_>, b: Operand<'_>) -> Operand<'static> {
    let (Operand::Text(text), Operand::Text(part)) = (a, b) else { return Operand::Unknown };
    Operand::Flag(match how {
        TextTest::StartsWith => text.starts_with(part),
        TextTest::EndsWith => text.ends_with(part),
        TextTest::Contains => text.contains(part),
    })
}

/// The body's truth for every element; a single unknown if the list itself is unknown.
fn each<'a>([list, body]: &'a [Node; 2], facts: &'a impl Facts, bound: &Bound<'a>) -> impl Iterator<Item = Truth> {
    let (items, unknown) = match value(list, facts, bound) {
        Operand::List(items) => (items, None),
        _ => (Texts::Given(&[]), Some(Truth::Unknown)),
    };
    let of_items = items.iter().map(move |item| {
        let mut inner = bound.clone();
        inner.push(item);
        value(body, facts, &inner).truth()
    });
    of_items.chain(unknown)
}
