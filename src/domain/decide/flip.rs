//! The smallest change that would have chosen an action, found gate by gate and verified by deciding again.
//!
//! A change supposes other facts, another moment or more relevance, never a consent and never withheld data:
//! what is supposed is taken from the rule, so it says nothing of the customer.

use super::engagement::Views;
use super::{Gate, Judgement, Request, Why, weigh};
use crate::domain::rules::expr::{Comparison, Fact, FactId, Node, evaluate};
use crate::domain::rules::section::condition::Condition;
use crate::domain::time::{Moment, Period};
use crate::domain::value::{Operand, Truth, Value};
use crate::domain::view::{Scene, Situation, View};

/// How many changes one flip may hold.
const MOST_CHANGES: usize = 4;

/// The changes supposed so far.
#[derive(Default)]
struct Supposed {
    facts: Vec<(FactId, Value)>,
    at: Option<Moment>,
    points: f64,
    words: Vec<String>,
}

/// One change that passes one gate.
enum Change {
    Fact(FactId, Value, String),
    Wait(Moment),
    Points(f64),
}

impl Supposed {
    fn add(&mut self, change: Change) {
        match change {
            Change::Fact(fact, value, words) => {
                let subject = words.split(" were ").next().unwrap_or("").to_owned() + " were ";
                self.words.retain(|said| !said.starts_with(&subject));
                self.facts.retain(|(known, _)| *known != fact);
                self.facts.push((fact, value));
                self.words.push(words);
            }
            Change::Wait(at) => {
                self.words.retain(|words| !words.starts_with("it were "));
                self.words.push(format!("it were {at}"));
                self.at = Some(at);
            }
            Change::Points(points) => {
                self.points += points;
                self.words.retain(|words| !words.ends_with("more relevant"));
                self.words.push(format!("it were {:.1} points more relevant", self.points));
            }
        }
    }
}

/// Looks for the smallest change that chooses the action, in words.
pub(crate) fn find(judgement: &Judgement<'_>, scene: &Scene<'_>, request: &Request<'_>) -> Option<String> {
    let action = judgement.action.id;
    let mut supposed = Supposed::default();
    supposed.add(change_for(judgement, scene)?);
    for _ in 0..MOST_CHANGES {
        let next = {
            let situation = Situation { supposed: &supposed.facts, ..scene.situation };
            let again = Scene::new(scene.rules, scene.subject, situation, supposed.at.unwrap_or(scene.now));
            let outcome = weigh::everyone(&again, request, &mut Views::new(&again), Some((action, supposed.points)));
            let now = outcome.judgements.iter().find(|judgement| judgement.action.id == action)?;
            if now.gate == Gate::Chosen {
                return Some(format!("if {}", supposed.words.join(" and ")));
            }
            change_for(now, &again)?
        };
        supposed.add(next);
    }
    None
}

/// The one change that passes the gate at which the action dropped out.
fn change_for(judgement: &Judgement<'_>, scene: &Scene<'_>) -> Option<Change> {
    match judgement.why {
        Why::Condition(condition, _) => {
            let view = scene.view(judgement.action.purpose);
            let (fact, value) = make_true(condition, &view)?;
            let text = &scene.rules.facts.get(fact)?.text;
            let words = match &value {
                Value::Text(value) => format!("{text} were \"{value}\""),
                value => format!("{text} were {value}"),
            };
            Some(Change::Fact(fact, value, words))
        }
        Why::NotYet(at) | Why::Limit(_, at) | Why::AskedBefore(at) | Why::Quiet(Some(at)) => Some(Change::Wait(at)),
        Why::Gap(gap) | Why::Outranked(gap) => {
            let discount = scene.rules.policy.arbitration.personal_discount * judgement.score?.personal;
            let factor = judgement.action.worth * (1.0 - discount);
            // A tenth of a point more than the gap, so that a tie is not taken for a win.
            let points = ((gap / factor) * 10.0).floor() / 10.0 + 0.1;
            points.is_finite().then_some(Change::Points(points))
        }
        _ => None,
    }
}

/// One fact and the value that makes a condition hold.
fn make_true(condition: &Condition, view: &View<'_>) -> Option<(FactId, Value)> {
    match condition {
        Condition::Expression(program) => change(&program.node, true, view),
        Condition::All(parts, _) => {
            parts.iter().find(|part| !part.evaluate(view).truth.holds()).and_then(|part| make_true(part, view))
        }
        Condition::Any(parts, _) => parts.iter().find_map(|part| make_true(part, view)),
        Condition::None(parts, _) => {
            let firing = parts.iter().find(|part| part.evaluate(view).truth != Truth::False)?;
            match firing {
                Condition::Expression(program) => change(&program.node, false, view),
                _ => None,
            }
        }
    }
}

/// One fact and the value that gives an expression the truth wanted.
fn change(node: &Node, want: bool, view: &View<'_>) -> Option<(FactId, Value)> {
    let is = |node: &Node| evaluate(node, view).truth() == Truth::from(want);
    match node {
        Node::Not(inner) => change(inner, !want, view),
        Node::And(parts) if want => parts.iter().find(|part| !is(part)).and_then(|part| change(part, want, view)),
        Node::Or(parts) if !want => parts.iter().find(|part| !is(part)).and_then(|part| change(part, want, view)),
        Node::And(parts) | Node::Or(parts) => parts.iter().find_map(|part| change(part, want, view)),
        Node::Fact(fact) => changeable(*fact, view).map(|fact| (fact, Value::Flag(want))),
        Node::AnyOf(inner, values) => match (inner.as_ref(), want) {
            (Node::Fact(fact), true) => changeable(*fact, view).zip(values.first().cloned()),
            (Node::Fact(fact), false) => another(*fact, values, view),
            _ => None,
        },
        Node::Compare(how, pair) => match pair.as_ref() {
            [Node::Fact(fact), other] if says_nothing(other, view) => {
                compare(*fact, if want { *how } else { how.opposite() }, evaluate(other, view), view)
            }
            [other, Node::Fact(fact)] if says_nothing(other, view) => {
                let how = (if want { *how } else { how.opposite() }).mirrored();
                compare(*fact, how, evaluate(other, view), view)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether a value comes from the rule and the clock alone: what is said of it then says nothing of the customer.
fn says_nothing(node: &Node, view: &View<'_>) -> bool {
    let mut nothing = true;
    let clock = |id| matches!(view.scene.rules.facts.get(id).map(|entry| &entry.fact), Some(Fact::Now));
    node.visit_facts(&mut |id| nothing &= clock(id));
    nothing
}

/// Facts of the clock, of the channel and of consent are not for supposing.
fn changeable(fact: FactId, view: &View<'_>) -> Option<FactId> {
    let entry = view.scene.rules.facts.get(fact)?;
    let fixed = matches!(
        entry.fact,
        Fact::Now
            | Fact::LocalHour
            | Fact::LocalMonth
            | Fact::LocalWeekday
            | Fact::LocalDate
            | Fact::Channel
            | Fact::ConsentGiven(_)
            | Fact::EventField(_)
            | Fact::Pressure
            | Fact::Hurt
    );
    (!fixed).then_some(fact)
}

fn compare(fact: FactId, how: Comparison, with: Operand<'_>, view: &View<'_>) -> Option<(FactId, Value)> {
    let fact = changeable(fact, view)?;
    let bound = with.to_value()?;
    let step = match how {
        Comparison::Equal | Comparison::LessOrEqual | Comparison::GreaterOrEqual => 0,
        Comparison::Less => -1,
        Comparison::Greater => 1,
        Comparison::NotEqual => return another(fact, &[bound], view),
    };
    Some((fact, stepped(bound, step)))
}

fn stepped(value: Value, step: i64) -> Value {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "the step is -1, 0 or 1")]
        Value::Number(number) => Value::Number(number + step as f64),
        Value::Moment(moment) => Value::Moment(moment + Period(step)),
        Value::Duration(period) => Value::Duration(Period(period.0.saturating_add(step))),
        other => other,
    }
}

/// A value that is none of these.
fn another(fact: FactId, values: &[Value], view: &View<'_>) -> Option<(FactId, Value)> {
    let fact = changeable(fact, view)?;
    let entry = view.scene.rules.facts.get(fact)?;
    let listed =
        entry.one_of.iter().flatten().map(|text| Value::Text(text.clone())).find(|value| !values.contains(value));
    let value = listed.or_else(|| match values.first()? {
        Value::Number(number) => Some(Value::Number(number + 1.0)),
        Value::Flag(flag) => Some(Value::Flag(!flag)),
        _ => None,
    })?;
    Some((fact, value))
}
