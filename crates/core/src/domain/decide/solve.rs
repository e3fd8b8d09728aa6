//! Which value of one fact makes a condition hold.
//!
//! Values come from the rule and the clock alone, so they reveal nothing about the customer. Only values that a fact
//! can have are used: listed texts, whole counts, past moments.

use crate::domain::customer::state::MOST_EVENTS;
use crate::domain::expr::{Comparison, Fact, FactEntry, FactId, Facts, Node, evaluate};
use crate::domain::id::FieldId;
use crate::domain::model::Condition;
use crate::domain::time::{Moment, Period};
use crate::domain::value::{Operand, Truth, Value, is_exact};
use crate::domain::view::{Scene, View};

/// How many fields of an event are chosen at most.
const MOST_FIELDS: usize = 4;

/// A fact and a value it could have.
pub(super) type Assignment = (FactId, Value);

/// Changes that make a condition hold, or one more part of it, in the order in which they are tried.
pub(super) fn satisfy(condition: &Condition, view: &View<'_>) -> Vec<Assignment> {
    let solver = Solver { scene: view.scene, facts: view, changes: is_about_the_customer };
    solver.satisfy(condition, true)
}

/// Fields that let an event pass a filter.
pub(super) fn fields(filter: Option<&Node>, view: &View<'_>) -> Option<Vec<(FieldId, Value)>> {
    let mut draft = Draft { view, fields: Vec::new() };
    let Some(filter) = filter else { return Some(draft.fields) };
    for _ in 0..=MOST_FIELDS {
        if evaluate(filter, &draft).truth().holds() {
            return Some(draft.fields);
        }
        let solver = Solver { scene: view.scene, facts: &draft, changes: is_of_an_event };
        let (fact, value) = solver.change(filter, true).into_iter().next()?;
        let field = draft.field(fact)?;
        draft.fields.retain(|(known, _)| *known != field);
        draft.fields.push((field, value));
    }
    None
}

/// An event that does not exist yet.
struct Draft<'v, 'a> {
    view: &'v View<'a>,
    fields: Vec<(FieldId, Value)>,
}

impl Draft<'_, '_> {
    fn field(&self, fact: FactId) -> Option<FieldId> {
        match self.view.scene.rules.facts.get(fact)?.fact {
            Fact::EventField(id) => Some(id),
            _ => None,
        }
    }

    fn value(&self, field: FieldId) -> Option<&Value> {
        self.fields.iter().find(|(known, _)| *known == field).map(|(_, value)| value)
    }
}

impl Facts for Draft<'_, '_> {
    fn read(&self, fact: FactId) -> Operand<'_> {
        match self.field(fact) {
            Some(field) => self.value(field).map_or(Operand::Unknown, Value::operand),
            None => self.view.read(fact),
        }
    }

    fn has(&self, fact: FactId) -> Truth {
        match self.field(fact) {
            Some(field) => self.value(field).map_or(Truth::Unknown, |_| Truth::True),
            None => self.view.has(fact),
        }
    }
}

/// Facts of the clock, the channel and consent are never supposed, nor are facts derived from others.
fn is_about_the_customer(fact: &Fact) -> bool {
    match fact {
        Fact::Attribute(_) | Fact::Context(_) => true,
        Fact::EventCount { .. } | Fact::EventLast { .. } | Fact::OutcomeCount { .. } | Fact::OutcomeLast { .. } => true,
        Fact::Stage(_) | Fact::Entered(_) | Fact::InStageFor(_) => true,
        Fact::EventField(_) | Fact::ConsentGiven(_) | Fact::Pressure | Fact::Hurt | Fact::Channel | Fact::Now => false,
        Fact::LocalHour | Fact::LocalMonth | Fact::LocalWeekday | Fact::LocalDate | Fact::Action(_) => false,
    }
}

fn is_of_an_event(fact: &Fact) -> bool {
    matches!(fact, Fact::EventField(_))
}

struct Solver<'s, F> {
    scene: &'s Scene<'s>,
    facts: &'s F,
    /// Which facts may be chosen.
    changes: fn(&Fact) -> bool,
}

impl<F: Facts> Solver<'_, F> {
    fn satisfy(&self, condition: &Condition, want: bool) -> Vec<Assignment> {
        let is = |part: &&Condition| part.evaluate(self.facts).truth == Truth::from(want);
        match (condition, want) {
            (Condition::Expression(program), _) => self.change(&program.node, want),
            (Condition::All(parts, _), true) | (Condition::Any(parts, _), false) => {
                parts.iter().find(|part| !is(part)).map_or_else(Vec::new, |part| self.satisfy(part, want))
            }
            (Condition::Any(parts, _), true) | (Condition::All(parts, _), false) => {
                parts.iter().flat_map(|part| self.satisfy(part, want)).collect()
            }
            (Condition::None(parts, _), true) => {
                let fires = |part: &&Condition| part.evaluate(self.facts).truth != Truth::False;
                parts.iter().find(fires).map_or_else(Vec::new, |part| self.satisfy(part, false))
            }
            (Condition::None(parts, _), false) => parts.iter().flat_map(|part| self.satisfy(part, true)).collect(),
        }
    }

    /// Changes that give an expression the wanted truth.
    fn change(&self, node: &Node, want: bool) -> Vec<Assignment> {
        let is = |node: &&Node| evaluate(node, self.facts).truth() == Truth::from(want);
        match node {
            Node::Not(inner) => self.change(inner, !want),
            Node::And(parts) | Node::Or(parts) if matches!(node, Node::And(_)) == want => {
                parts.iter().find(|part| !is(part)).map_or_else(Vec::new, |part| self.change(part, want))
            }
            Node::And(parts) | Node::Or(parts) => parts.iter().flat_map(|part| self.change(part, want)).collect(),
            Node::Fact(fact) => self.possible(*fact, vec![Value::Flag(want)]),
            Node::AnyOf(inner, values) => match inner.as_ref() {
                Node::Fact(fact) if want => self.possible(*fact, values.clone()),
                Node::Fact(fact) => self.others(*fact, values),
                _ => Vec::new(),
            },
            Node::Compare(how, pair) => {
                let how = if want { *how } else { how.opposite() };
                match pair.as_ref() {
                    [Node::Fact(fact), other] if self.says_nothing(other) => self.compare(*fact, how, other),
                    [other, Node::Fact(fact)] if self.says_nothing(other) => self.compare(*fact, how.mirrored(), other),
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        }
    }

    fn compare(&self, fact: FactId, how: Comparison, with: &Node) -> Vec<Assignment> {
        let bound = evaluate(with, self.facts).to_value();
        let (Some(bound), Some(entry)) = (bound, self.entry(fact)) else { return Vec::new() };
        let mut values = match how {
            Comparison::NotEqual => return self.others(fact, &[bound]),
            Comparison::Equal => vec![bound],
            how if is_count(&entry.fact) => count(how, &bound).into_iter().collect(),
            Comparison::LessOrEqual | Comparison::GreaterOrEqual => vec![bound],
            Comparison::Less => vec![stepped(bound, -1)],
            Comparison::Greater => vec![stepped(bound, 1)],
        };
        // An event older than its retention is not stored, so it never happened.
        if is_last(&entry.fact) && matches!(how, Comparison::Less | Comparison::LessOrEqual) {
            values.push(Value::Moment(Moment::DISTANT_PAST));
        }
        self.possible(fact, values)
    }

    /// Values other than these.
    fn others(&self, fact: FactId, values: &[Value]) -> Vec<Assignment> {
        let Some(entry) = self.entry(fact) else { return Vec::new() };
        let listed = entry.one_of.iter().flatten().map(|text| Value::Text(text.clone()));
        let other = match values.first() {
            Some(Value::Flag(flag)) => Some(Value::Flag(!flag)),
            Some(Value::Number(first)) => {
                let above = (1..=values.len()).map(|step| Value::Number(first.floor() + whole_number(step)));
                above.into_iter().find(|value| !values.contains(value))
            }
            _ => None,
        };
        self.possible(fact, listed.filter(|value| !values.contains(value)).chain(other).collect())
    }

    /// The values that the fact can have, if it may be supposed.
    fn possible(&self, fact: FactId, values: Vec<Value>) -> Vec<Assignment> {
        let Some(entry) = self.entry(fact) else { return Vec::new() };
        let values = values.into_iter().filter(|value| self.can_be(entry, value));
        values.map(|value| (fact, value)).collect()
    }

    fn entry(&self, fact: FactId) -> Option<&FactEntry> {
        self.scene.rules.facts.get(fact).filter(|entry| (self.changes)(&entry.fact))
    }

    fn can_be(&self, entry: &FactEntry, value: &Value) -> bool {
        let declared = &self.scene.rules.declared;
        let shape = match &entry.fact {
            Fact::Attribute(id) => declared.attributes.get(*id).map(|attribute| &attribute.shape),
            Fact::Context(id) => declared.context.get(*id).map(|fact| &fact.shape),
            Fact::EventField(id) => declared.fields.get(*id).map(|field| &field.shape),
            _ => None,
        };
        let given = matches!(entry.fact, Fact::Attribute(_) | Fact::Context(_) | Fact::EventField(_));
        let latest = if given { Moment::DISTANT_FUTURE } else { self.scene.now };
        let bounded = match value {
            Value::Number(number) if is_count(&entry.fact) => {
                number.fract() == 0.0 && (0.0..=whole_number(MOST_EVENTS)).contains(number)
            }
            Value::Number(number) => is_exact(*number),
            Value::Moment(at) => (Moment::DISTANT_PAST..=latest).contains(at),
            Value::Duration(period) => *period >= Period::ZERO,
            Value::Text(text) => entry.one_of.as_ref().is_none_or(|listed| listed.contains(text)),
            Value::Flag(_) | Value::List(_) => true,
        };
        bounded && entry.kind == value.kind() && shape.is_none_or(|shape| shape.refuses(value).is_none())
    }

    /// Whether a value comes from the rule and the clock alone, so that naming it reveals nothing about the customer.
    fn says_nothing(&self, node: &Node) -> bool {
        let mut nothing = true;
        let clock = |id| matches!(self.scene.rules.facts.get(id).map(|entry| &entry.fact), Some(Fact::Now));
        node.visit_facts(&mut |id| nothing &= clock(id));
        nothing
    }
}

fn is_count(fact: &Fact) -> bool {
    matches!(fact, Fact::EventCount { .. } | Fact::OutcomeCount { .. })
}

fn is_last(fact: &Fact) -> bool {
    matches!(fact, Fact::EventLast { .. } | Fact::OutcomeLast { .. })
}

/// The whole number nearest to a bound, on the wanted side.
fn count(how: Comparison, bound: &Value) -> Option<Value> {
    let Value::Number(bound) = bound else { return None };
    Some(Value::Number(match how {
        Comparison::Less => bound.ceil() - 1.0,
        Comparison::LessOrEqual => bound.floor(),
        Comparison::Greater => bound.floor() + 1.0,
        Comparison::GreaterOrEqual => bound.ceil(),
        Comparison::Equal | Comparison::NotEqual => *bound,
    }))
}

fn stepped(value: Value, step: i64) -> Value {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "the step is -1 or 1")]
        Value::Number(number) => Value::Number(number + step as f64),
        Value::Moment(moment) => Value::Moment(moment + Period(step)),
        Value::Duration(period) => Value::Duration(Period(period.0.saturating_add(step))),
        other => other,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
pub(super) fn whole_number(number: usize) -> f64 {
    number as f64
}
