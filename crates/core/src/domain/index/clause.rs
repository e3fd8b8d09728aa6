//! Conditions as alternatives of demands on single facts (a disjunctive normal form), for the index and the lints.

use super::allowed::Allowed;
use crate::domain::expr::{Arithmetic, Comparison, Course, Fact, FactId, FactTable, Facts, Node, Values, computed};
use crate::domain::model::Condition;
use crate::domain::time::Period;
use crate::domain::value::{Operand, Value};

/// The subject of a demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// A fact.
    Fact(FactId),
    /// Whether a fact has a value.
    Has(FactId),
    /// The difference between a moment and now, negative for the past. The second fact is `now`.
    SinceNow(FactId, FactId),
}

/// Demands that must all be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// At most one demand per dimension.
    pub demands: Vec<(Dimension, Allowed)>,
    /// Whether the demands are equivalent to the condition; if not, it demands more.
    pub exact: bool,
}

/// A condition holds exactly when one of its alternatives holds; an alternative that is not exact is only necessary.
pub type Alternatives = Vec<Clause>;

/// A condition with more alternatives than this becomes a single one without demands.
const MOST_ALTERNATIVES: usize = 8;

impl Clause {
    /// Demands nothing.
    const ALWAYS: Self = Self { demands: Vec::new(), exact: true };
    /// A condition that no demand on single facts can express.
    const OPAQUE: Self = Self { demands: Vec::new(), exact: false };

    fn of(dimension: Dimension, allowed: Allowed) -> Self {
        Self { demands: vec![(dimension, allowed)], exact: true }
    }

    /// Merges the other one, if both make one exact demand on the same dimension; false if not.
    fn unite(&mut self, other: &Self) -> bool {
        if let ([(dimension, known)], [(same, allowed)]) = (self.demands.as_mut_slice(), other.demands.as_slice())
            && dimension == same
            && self.exact
            && other.exact
            && let Some(either) = known.union(allowed)
        {
            *known = either;
            return true;
        }
        false
    }

    /// The conjunction; `None` if they contradict each other.
    fn and(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        both.exact &= other.exact;
        for (dimension, allowed) in &other.demands {
            match both.demands.iter_mut().find(|(known, _)| known == dimension) {
                None => both.demands.push((*dimension, allowed.clone())),
                Some((_, known)) => match known.intersection(allowed) {
                    Some(common) => *known = common,
                    None => both.exact = false,
                },
            }
        }
        (!both.demands.iter().any(|(_, allowed)| allowed.is_empty())).then_some(both)
    }
}

/// The alternatives under which all conditions hold; none if they contradict each other.
pub fn alternatives<'c>(conditions: impl IntoIterator<Item = &'c Condition>, facts: &FactTable) -> Alternatives {
    every(conditions.into_iter().map(|condition| of_condition(condition, true, facts)))
}

fn of_condition(condition: &Condition, want: bool, facts: &FactTable) -> Alternatives {
    let of_parts = |parts: &[Condition], want: bool| {
        parts.iter().map(|part| of_condition(part, want, facts)).collect::<Vec<_>>().into_iter()
    };
    match (condition, want) {
        (Condition::Expression(program), _) => of_node(&program.node, want, facts),
        (Condition::All(parts, _), true) => every(of_parts(parts, true)),
        (Condition::All(parts, _), false) => any(of_parts(parts, false)),
        (Condition::Any(parts, _), true) | (Condition::None(parts, _), false) => any(of_parts(parts, true)),
        (Condition::Any(parts, _), false) | (Condition::None(parts, _), true) => every(of_parts(parts, false)),
    }
}

/// The alternatives under which an expression has the wanted truth. In Kleene's logic this follows from its parts
/// alone.
fn of_node(node: &Node, want: bool, facts: &FactTable) -> Alternatives {
    match node {
        Node::Constant(Value::Flag(flag)) if *flag == want => vec![Clause::ALWAYS],
        Node::Constant(_) => Vec::new(),
        Node::Not(inner) => of_node(inner, !want, facts),
        Node::And(parts) if want => every(parts.iter().map(|part| of_node(part, true, facts))),
        Node::Or(parts) if !want => every(parts.iter().map(|part| of_node(part, false, facts))),
        Node::And(parts) | Node::Or(parts) => any(parts.iter().map(|part| of_node(part, want, facts))),
        leaf => vec![demand(leaf, want, facts).unwrap_or(Clause::OPAQUE)],
    }
}

fn demand(leaf: &Node, want: bool, facts: &FactTable) -> Option<Clause> {
    let flag = Value::Flag(want);
    match leaf {
        Node::Fact(fact) => Some(Clause::of(Dimension::Fact(*fact), Allowed::comparison(Comparison::Equal, &flag)?)),
        Node::Has(fact) => Some(Clause::of(Dimension::Has(*fact), Allowed::comparison(Comparison::Equal, &flag)?)),
        Node::AnyOf(item, values) => {
            let Node::Fact(fact) = item.as_ref() else { return None };
            let allowed = if want { Allowed::any_of(values) } else { Allowed::none_of(values) };
            Some(Clause::of(Dimension::Fact(*fact), allowed?))
        }
        Node::Compare(how, pair) => {
            let how = if want { *how } else { how.opposite() };
            let [left, right] = pair.as_ref();
            compared(left, how, right, facts).or_else(|| compared(right, how.mirrored(), left, facts))
        }
        _ => None,
    }
}

fn compared(subject: &Node, how: Comparison, with: &Node, facts: &FactTable) -> Option<Clause> {
    if let (Node::Fact(fact), Node::Constant(value)) = (subject, with) {
        return Some(Clause::of(Dimension::Fact(*fact), Allowed::comparison(how, value)?));
    }
    since_now(subject, how, with, facts)
}

/// `moment < now - duration("14d")` and `now - moment > duration("14d")`, as demands on the difference from now.
fn since_now(subject: &Node, how: Comparison, with: &Node, facts: &FactTable) -> Option<Clause> {
    let is_now = |id: &FactId| matches!(facts.get(*id).map(|entry| &entry.fact), Some(Fact::Now));
    let (fact, now, how, distance) = match (subject, with) {
        (Node::Fact(fact), Node::Fact(now)) => (fact, now, how, Period::ZERO),
        (Node::Fact(fact), Node::Arithmetic(arithmetic, pair)) => match (arithmetic, pair.as_ref()) {
            (Arithmetic::Add, [Node::Fact(now), Node::Constant(Value::Duration(by))])
            | (Arithmetic::Add, [Node::Constant(Value::Duration(by)), Node::Fact(now)]) => (fact, now, how, *by),
            (Arithmetic::Subtract, [Node::Fact(now), Node::Constant(Value::Duration(by))]) => {
                (fact, now, how, by.opposite())
            }
            _ => return None,
        },
        (Node::Arithmetic(Arithmetic::Subtract, pair), Node::Constant(Value::Duration(age))) => match pair.as_ref() {
            [Node::Fact(now), Node::Fact(fact)] => (fact, now, how.mirrored(), age.opposite()),
            _ => return None,
        },
        _ => return None,
    };
    let since = is_now(now) && !is_now(fact);
    let allowed = Allowed::comparison(how, &Value::Duration(distance)).filter(|_| since)?;
    Some(Clause::of(Dimension::SinceNow(*fact, *now), allowed))
}

/// The conjunction of all, multiplied out; a part that would make it too large is left out, so the result is not exact.
fn every(parts: impl Iterator<Item = Alternatives>) -> Alternatives {
    let mut all = vec![Clause::ALWAYS];
    for part in parts {
        if all.len() * part.len() > MOST_ALTERNATIVES {
            all.iter_mut().for_each(|clause| clause.exact = false);
            continue;
        }
        all = all.iter().flat_map(|left| part.iter().filter_map(|right| left.and(right))).collect();
    }
    all
}

/// The disjunction of all; alternatives with one demand on the same fact are merged.
fn any(parts: impl Iterator<Item = Alternatives>) -> Alternatives {
    let mut all: Alternatives = Vec::new();
    for clause in parts.flatten() {
        let united = all.iter_mut().any(|known| known.unite(&clause));
        if !united {
            all.push(clause);
        }
    }
    if all.len() > MOST_ALTERNATIVES { vec![Clause::OPAQUE] } else { all }
}

impl Dimension {
    /// The fact of a dimension.
    #[must_use]
    pub fn fact(self) -> FactId {
        match self {
            Self::Fact(fact) | Self::Has(fact) | Self::SinceNow(fact, _) => fact,
        }
    }

    /// The values that a customer can have in a dimension in an interval.
    pub fn values<'a>(self, course: &'a impl Course) -> Values<'a> {
        match self {
            Self::Fact(fact) => course.values(fact),
            Self::Has(fact) => Values::One(course.first().has(fact).operand()),
            Self::SinceNow(fact, now) => computed(Arithmetic::Subtract, course.values(fact), course.values(now)),
        }
    }

    /// A customer's value in a dimension.
    pub fn read<'a>(self, facts: &'a impl Facts) -> Operand<'a> {
        match self {
            Self::Fact(fact) => facts.read(fact),
            Self::Has(fact) => facts.has(fact).operand(),
            Self::SinceNow(fact, now) => match (facts.read(fact), facts.read(now)) {
                (Operand::Moment(at), Operand::Moment(now)) => Operand::Duration(at.since(now)),
                _ => Operand::Unknown,
            },
        }
    }
}
