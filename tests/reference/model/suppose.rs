//! What a flip supposes, brought about as if it had happened: proto, `Candidate.flip`: "What follows from the change is
//! supposed with it".

use std::collections::BTreeMap;

use super::super::story::{Question, Value};
use super::World;
use super::arrive::{self, NewEvent, NewOutcome, fits};
use super::customer::{Customer, Event, Progress, pass_time};
use super::decide::{Scene, view};
use super::expression::{
    Expr,
    evaluate::{evaluate, holds_for, window},
    parse::parse,
};
use super::rules::Action;
use super::view::{DISTANT_PAST, View};

/// The words do not say which fields a supposed event has: so many ways are tried.
const MOST_WAYS: usize = 12;
const MOST_TRIED: usize = 400;

/// A customer and a question for which it may be true.
type Case = (Customer, Question);

/// Every way in which all that is supposed can have come about at `world.now`, so that each fact reads as supposed.
pub fn cases(world: &World, customer: &Customer, question: &Question, action: &Action) -> Vec<Case> {
    let facts: Vec<(Expr, Value)> = question
        .supposed
        .facts
        .iter()
        .map(|(fact, value)| (parse(fact).expect("a flip names a fact as a rule writes it"), value.clone()))
        .collect();
    let mut cases = vec![(customer.clone(), question.clone())];
    for (fact, value) in &facts {
        let ways = cases.iter().flat_map(|case| bring_about(&Supposing { world, action }, case, (fact, value)));
        cases = ways.take(MOST_WAYS).collect();
    }
    cases.retain(|(customer, question)| {
        let view = view(Scene { world, customer, question }, action);
        facts.iter().all(|(fact, value)| evaluate(fact, &view).as_ref() == Some(value))
    });
    cases
}

struct Supposing<'a> {
    world: &'a World<'a>,
    /// The action that would be chosen: what its purpose may not read is not supposed.
    action: &'a Action,
}

fn bring_about(of: &Supposing, (customer, question): &Case, (fact, value): (&Expr, &Value)) -> Vec<Case> {
    let (mut customer, mut question) = (customer.clone(), question.clone());
    let customers = match fact {
        Expr::Fact(name) if name.starts_with("customer.") => {
            let values = BTreeMap::from([(name.clone(), Some(value.clone()))]);
            let _taken = arrive::attributes(of.world, &mut customer, &values, "");
            vec![customer]
        }
        Expr::Fact(name) if name.starts_with("context.") => {
            question.context.insert(name.replacen("context.", "", 1), value.clone());
            vec![customer]
        }
        Expr::Fact(name) => journey(of, &customer, (name, value)),
        Expr::Call(name, arguments) => happened(of, (customer, &question), (name, arguments), value),
        _ => Vec::new(),
    };
    let settled = customers.into_iter().map(|mut customer| {
        pass_time(of.world, &mut customer);
        (customer, question.clone())
    });
    settled.collect()
}

/// At another stage, since the one now was entered, or since now; or at the same one since another moment.
fn journey(of: &Supposing, customer: &Customer, (name, value): (&str, &Value)) -> Vec<Customer> {
    let (now, mut parts) = (of.world.now, name.split('.').skip(1));
    let (id, part) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Some(declared) = of.world.rules.journeys.get(id) else { return Vec::new() };
    let held = customer.journeys.get(id);
    let since = held.map_or(now, |progress| progress.entered);
    let (stage, entered) = match (part, value) {
        ("stage", Value::Text(stage)) => (Some(stage.clone()), vec![since, now]),
        ("entered", Value::Moment(at)) => (held.map(|progress| progress.stage.clone()), vec![*at]),
        ("in_stage_for", Value::Duration(length)) => (held.map(|progress| progress.stage.clone()), vec![now - length]),
        _ => (None, Vec::new()),
    };
    let Some(stage) = stage else { return Vec::new() };
    let ways = entered.into_iter().map(|entered| {
        let mut moved = customer.clone();
        moved.journeys.remove(id);
        if declared.stages.iter().any(|declared| declared.id == stage) {
            let purpose = declared.purpose.clone();
            moved.journeys.insert(id.to_owned(), Progress { purpose, stage: stage.clone(), entered });
        }
        moved
    });
    ways.collect()
}

/// Other events, or other outcomes, than there were.
fn happened(
    of: &Supposing,
    (customer, question): (Customer, &Question),
    (name, arguments): (&str, &[Expr]),
    value: &Value,
) -> Vec<Customer> {
    let now = of.world.now;
    let word = |place: usize| match arguments.get(place) {
        Some(Expr::Literal(Value::Text(text))) => text.as_str(),
        _ => "",
    };
    let since = |place: usize| now - arguments.get(place).and_then(window).unwrap_or(0);
    match (name, value) {
        ("events.count", Value::Number(count)) => {
            let events = Events { of, question, kind: word(0), filter: arguments.get(2) };
            events.counted(customer, since(1), *count as usize)
        }
        ("events.last", Value::Moment(last)) => {
            let events = Events { of, question, kind: word(0), filter: arguments.get(1) };
            events.last(customer, *last)
        }
        ("outcomes.count", Value::Number(count)) => {
            let outcomes = Outcomes { of, question, action: word(0), outcome: word(1) };
            vec![outcomes.counted(customer, since(2), *count as usize)]
        }
        ("outcomes.last", Value::Moment(last)) => {
            let outcomes = Outcomes { of, question, action: word(0), outcome: word(1) };
            vec![outcomes.last(customer, *last)]
        }
        _ => Vec::new(),
    }
}

struct Events<'a> {
    of: &'a Supposing<'a>,
    question: &'a Question,
    kind: &'a str,
    filter: Option<&'a Expr>,
}

impl Events<'_> {
    /// Too many: the oldest never were. Too few: more happen now.
    fn counted(&self, mut customer: Customer, since: i64, count: usize) -> Vec<Customer> {
        let places = self.places(&customer, |at| at > since);
        places.iter().skip(count).for_each(|place| customer.events[*place].kind.clear());
        customer.events.retain(|event| !event.kind.is_empty());
        let missing = count.saturating_sub(places.len());
        if missing == 0 {
            return vec![customer];
        }
        self.ways(&customer).iter().map(|fields| self.with(customer.clone(), fields, (missing, None))).collect()
    }

    /// What came later never was; the last one came then.
    fn last(&self, mut customer: Customer, last: i64) -> Vec<Customer> {
        let later = self.places(&customer, |at| at > last);
        let moved = later.first().map(|place| {
            let fields = customer.events[*place].fields.iter();
            let readable = fields.filter(|(_, (_, purposes))| purposes.contains(&self.of.action.purpose));
            readable.map(|(name, (value, _))| (name.clone(), value.clone())).collect::<BTreeMap<_, _>>()
        });
        later.iter().for_each(|place| customer.events[*place].kind.clear());
        customer.events.retain(|event| !event.kind.is_empty());
        if last == DISTANT_PAST || !self.places(&customer, |at| at == last).is_empty() {
            return vec![customer];
        }
        let ways = moved.map_or_else(|| self.ways(&customer), |fields| vec![fields]);
        ways.iter().map(|fields| self.with(customer.clone(), fields, (1, Some(last)))).collect()
    }

    /// Where those stand that the purpose may read, the newest first.
    fn places(&self, customer: &Customer, counts: impl Fn(i64) -> bool) -> Vec<usize> {
        let scene = Scene { world: self.of.world, customer, question: self.question };
        let view = view(scene, self.of.action);
        let mine = |event: &Event| event.kind == self.kind && event.purposes.contains(&self.of.action.purpose);
        let wanted = |event: &Event| self.filter.is_none_or(|filter| holds_for(filter, &view, event));
        let events = customer.events.iter().enumerate();
        let mut places: Vec<(i64, usize)> = events
            .filter(|(_, event)| mine(event) && counts(event.at) && wanted(event))
            .map(|(place, event)| (event.at, place))
            .collect();
        places.sort_by(|a, b| b.cmp(a));
        places.into_iter().map(|(_, place)| place).collect()
    }

    fn with(
        &self,
        mut customer: Customer,
        fields: &BTreeMap<String, Value>,
        (count, occurred): (usize, Option<i64>),
    ) -> Customer {
        for _ in 0..count {
            let event = NewEvent { id: "", kind: self.kind, occurred, fields };
            let _taken = arrive::event(self.of.world, &mut customer, &event);
            pass_time(self.of.world, &mut customer);
        }
        customer
    }

    /// Fields with which an event passes the filter: of values that stand in it, or near those, or that are listed.
    fn ways(&self, customer: &Customer) -> Vec<BTreeMap<String, Value>> {
        let scene = Scene { world: self.of.world, customer, question: self.question };
        let view = view(scene, self.of.action);
        let (Some(filter), Some(declared)) = (self.filter, self.of.world.rules.events.get(self.kind)) else {
            return vec![BTreeMap::new()];
        };
        let written: Vec<Value> = filter.parts().into_iter().filter_map(|part| evaluate(part, &view)).collect();
        let mut ways = vec![BTreeMap::new()];
        for (name, field) in &declared.fields {
            if !filter.parts().contains(&&Expr::Fact(format!("event.{name}"))) {
                continue;
            }
            let listed = field.declared.one_of.iter().flatten().cloned().map(Value::Text);
            let near = written.iter().flat_map(near).chain(listed).chain([Value::Flag(true), Value::Flag(false)]);
            let values: Vec<Value> = near.filter(|value| fits(&field.declared, value)).collect();
            let with = |way: &BTreeMap<String, Value>, value: &Value| {
                let mut way = way.clone();
                way.insert(name.clone(), value.clone());
                way
            };
            let longer: Vec<_> =
                ways.iter().flat_map(|way| values.iter().map(|value| with(way, value)).collect::<Vec<_>>()).collect();
            ways.extend(longer);
            ways.truncate(MOST_TRIED);
        }
        ways.retain(|fields| self.passes(&view, filter, fields));
        ways.truncate(MOST_WAYS);
        ways
    }

    fn passes(&self, view: &View, filter: &Expr, fields: &BTreeMap<String, Value>) -> bool {
        let purposes = super::rules::Names::from([self.of.action.purpose.clone()]);
        let fields = fields.iter().map(|(name, value)| (name.clone(), (value.clone(), purposes.clone())));
        let (kind, at) = (self.kind.to_owned(), self.of.world.now);
        let event = Event {
            at,
            kind,
            purposes: purposes.clone(),
            fields: fields.collect(),
            repaired: false,
            keep: i64::MAX / 2,
        };
        holds_for(filter, view, &event)
    }
}

/// A value that stands in a filter, and those beside it.
fn near(value: &Value) -> Vec<Value> {
    match value {
        Value::Number(number) => [0.0, 1.0, -1.0].map(|step| Value::Number(number + step)).to_vec(),
        Value::Moment(at) => [0, 1, -1].map(|step| Value::Moment(at + step)).to_vec(),
        Value::Duration(length) => [0, 1, -1].map(|step| Value::Duration(length + step)).to_vec(),
        Value::List(items) => items.iter().cloned().map(Value::Text).chain([value.clone()]).collect(),
        other => vec![other.clone()],
    }
}

struct Outcomes<'a> {
    of: &'a Supposing<'a>,
    question: &'a Question,
    action: &'a str,
    outcome: &'a str,
}

impl Outcomes<'_> {
    fn counted(&self, mut customer: Customer, since: i64, count: usize) -> Customer {
        let held = self.times(&customer).into_iter().filter(|at| *at > since).count();
        for _ in count..held {
            let oldest = self.times(&customer).into_iter().filter(|at| *at > since).min();
            oldest.into_iter().for_each(|oldest| self.remove(&mut customer, |at| at == oldest, 1));
        }
        for _ in held..count {
            self.add(&mut customer, self.of.world.now);
        }
        customer
    }

    fn last(&self, mut customer: Customer, last: i64) -> Customer {
        self.remove(&mut customer, |at| at > last, usize::MAX);
        if last != DISTANT_PAST && !self.times(&customer).contains(&last) {
            self.add(&mut customer, last);
        }
        customer
    }

    /// When the purpose saw such an outcome.
    fn times(&self, customer: &Customer) -> Vec<i64> {
        let scene = Scene { world: self.of.world, customer, question: self.question };
        view(scene, self.of.action).outcomes(self.action, self.outcome, None).unwrap_or_default()
    }

    fn remove(&self, customer: &mut Customer, gone: impl Fn(i64) -> bool, most: usize) {
        let (now, mut left) = (self.of.world.now, most);
        let mut keeps = |is_meant: bool, at: i64| {
            let goes = is_meant && left > 0 && gone(at);
            left -= usize::from(goes);
            !goes
        };
        if self.outcome == "presented" {
            customer.contacts.retain(|contact| {
                let meant = contact.action.id == self.action && contact.action.readable && contact.counts_at(now);
                keeps(meant, contact.at)
            });
        }
        customer.outcomes.retain(|entry| {
            let meant = entry.action.id == self.action && entry.action.readable && entry.outcome == self.outcome;
            keeps(meant, entry.at)
        });
    }

    fn add(&self, customer: &mut Customer, at: i64) {
        let new = NewOutcome {
            id: "",
            decision: None,
            action: self.action,
            outcome: self.outcome,
            channel: &self.question.channel,
            occurred: Some(at),
        };
        let _taken = arrive::of_another_system(self.of.world, customer, &new, at);
    }
}
