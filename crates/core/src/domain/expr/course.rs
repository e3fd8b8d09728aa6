//! The values that an expression can have in the course of an interval of time.

use super::evaluate::{any_of, arithmetic, compare};
use super::{Arithmetic, Comparison, FactId, Facts, Node, evaluate};
use crate::domain::value::{Operand, Possible, Value};

/// The values that a fact can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values<'a> {
    /// This one.
    One(Operand<'a>),
    /// Those from the first to the second.
    Between(Operand<'a>, Operand<'a>),
    /// Any, the unknown included.
    Any,
}

/// Surely unknown, and so is what is computed from it or compared with it, whatever the other side is.
const UNKNOWN: Values<'static> = Values::One(Operand::Unknown);

/// Where the values of facts in an interval come from.
pub trait Course {
    /// The facts at the first moment.
    fn first(&self) -> &impl Facts;
    /// Whether all facts that were read at the first moment so far have one value.
    fn stays(&self) -> bool;
    /// The values that a fact has in the interval.
    fn values(&self, fact: FactId) -> Values<'_>;
    /// Whether an unknown result counts as true or false: its facts are withheld, and are to be supposed.
    fn is_open(&self, leaf: &Node) -> bool;
}

/// The truths that an expression can have.
pub fn possible(node: &Node, course: &impl Course) -> Possible {
    match node {
        Node::Not(inner) => possible(inner, course).not(),
        Node::And(parts) => parts.iter().fold(Possible::TRUE, |all, part| all.and(possible(part, course))),
        Node::Or(parts) => parts.iter().fold(Possible::TRUE.not(), |any, part| any.or(possible(part, course))),
        leaf => match values(leaf, course) {
            Values::One(Operand::Unknown) if course.is_open(leaf) => Possible::OPEN,
            Values::One(operand) => operand.truth().into(),
            Values::Between(..) => Possible::OPEN,
            Values::Any => Possible::ANY,
        },
    }
}

/// The values that an expression can have. Of its parts that change, each is taken by itself, so that what two of them
/// have in common is not seen: the result may be wider than the truth, never narrower.
pub fn values<'a>(node: &'a Node, course: &'a impl Course) -> Values<'a> {
    if let Node::Fact(id) = node {
        return course.values(*id);
    }
    let mut steady = true;
    node.visit_facts(&mut |id| steady = steady && matches!(course.values(id), Values::One(_)));
    if steady {
        return Values::One(evaluate(node, course.first()));
    }
    match node {
        Node::Compare(how, pair) => {
            let [left, right] = pair.as_ref();
            if let (Node::Fact(one), Node::Fact(same)) = (left, right)
                && one == same
            {
                return Values::One(evaluate(node, course.first()));
            }
            compared(*how, values(left, course), values(right, course))
        }
        Node::AnyOf(inner, constants) => match values(inner, course) {
            Values::One(item) => Values::One(any_of(item, constants)),
            Values::Between(low, high) if !constants.iter().any(|item| lies_between(item, low, high)) => {
                Values::One(Operand::Flag(false))
            }
            _ => Values::Any,
        },
        Node::Arithmetic(how, pair) => {
            let [left, right] = pair.as_ref();
            computed(*how, values(left, course), values(right, course))
        }
        Node::Choose(parts) => {
            let ([test, yes, no], of) = (parts.as_ref(), |node| values(node, course));
            match possible(test, course) {
                Possible { holds: true, fails: false, unknown: false } => of(yes),
                Possible { holds: false, fails: true, unknown: false } => of(no),
                Possible { holds: false, fails: false, .. } => Values::One(Operand::Unknown),
                Possible { unknown: false, .. } => hull(of(yes), of(no)),
                _ => Values::Any,
            }
        }
        _ => Values::Any,
    }
}

/// The values of arithmetic on two ranges: what lies between the results at their ends.
pub fn computed<'a>(how: Arithmetic, left: Values<'a>, right: Values<'a>) -> Values<'a> {
    if [left, right].contains(&UNKNOWN) {
        return UNKNOWN;
    }
    let (Some(left), Some(right)) = (ends(left), ends(right)) else { return Values::Any };
    if how == Arithmetic::Remainder || how == Arithmetic::Divide && right[0] != right[1] {
        return Values::Any;
    }
    let results = left.into_iter().flat_map(|left| right.map(|right| arithmetic(how, left, right)));
    results.map(Values::One).reduce(hull).unwrap_or(Values::Any)
}

/// The smallest range that holds two values of one type.
pub fn hull<'a>(one: Values<'a>, other: Values<'a>) -> Values<'a> {
    let (Some([low, high]), Some([first, last])) = (ends(one), ends(other)) else { return Values::Any };
    let least = |a, b| if holds(Comparison::Less, b, a) { b } else { a };
    let most = |a, b| if holds(Comparison::Greater, b, a) { b } else { a };
    if low == high && low == first && first == last {
        return one;
    }
    let ordered = holds(Comparison::LessOrEqual, low, first) || holds(Comparison::Greater, low, first);
    if ordered { Values::Between(least(low, first), most(high, last)) } else { Values::Any }
}

fn ends(values: Values<'_>) -> Option<[Operand<'_>; 2]> {
    match values {
        Values::One(operand) => Some([operand, operand]),
        Values::Between(low, high) => Some([low, high]),
        Values::Any => None,
    }
}

fn holds(how: Comparison, left: Operand<'_>, right: Operand<'_>) -> bool {
    compare(how, left, right) == Operand::Flag(true)
}

fn lies_between(item: &Value, low: Operand<'_>, high: Operand<'_>) -> bool {
    holds(Comparison::LessOrEqual, low, item.operand()) && holds(Comparison::LessOrEqual, item.operand(), high)
}

fn compared(how: Comparison, left: Values<'_>, right: Values<'_>) -> Values<'static> {
    if [left, right].contains(&UNKNOWN) {
        return UNKNOWN;
    }
    let (Some([low, high]), Some([first, last])) = (ends(left), ends(right)) else { return Values::Any };
    let (can_hold, can_fail) = match how {
        Comparison::Less | Comparison::LessOrEqual => (holds(how, low, last), !holds(how, high, first)),
        Comparison::Greater | Comparison::GreaterOrEqual => (holds(how, high, first), !holds(how, low, last)),
        Comparison::Equal | Comparison::NotEqual => {
            let meet = holds(Comparison::LessOrEqual, low, last) && holds(Comparison::LessOrEqual, first, high);
            let apart = !(low == high && first == last && low == first);
            if how == Comparison::Equal { (meet, apart) } else { (apart, meet) }
        }
    };
    if can_hold && can_fail { Values::Any } else { Values::One(Operand::Flag(can_hold)) }
}
