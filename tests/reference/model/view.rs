//! What the rules of one purpose may see of one customer now: docs/expressions.md, "Facts", "Histories" and "What is not
//! known".

use std::borrow::Cow;

use super::super::story::{Question, Value};
use super::World;
use super::consent::{Effect, may_be_served, nos, ruling, said_no};
use super::customer::{Customer, Event, Progress};
use super::expression::{
    Condition, Expr,
    evaluate::{evaluate, holds_for},
};
use super::{quiet, score};

/// The distant past: the beginning of the year 1.
pub const DISTANT_PAST: i64 = -62_135_596_800_000;

#[derive(Clone)]
pub struct View<'a> {
    pub world: &'a World<'a>,
    pub customer: &'a Customer,
    /// An action sees only the view of its own purpose.
    pub purpose: &'a str,
    /// False: every personal fact is unknown.
    pub readable: bool,
    /// Context facts and the channel; not known inside a journey.
    pub question: Option<&'a Question>,
    /// The event at hand, in filters and in journeys.
    pub event: Option<Cow<'a, Event>>,
    /// A purpose that is taken as given, to see what would be gained by it.
    pub given: Option<&'a str>,
    /// Nothing at all is known, to see what comes out the same whatever the facts.
    pub blind: bool,
}

impl<'a> View<'a> {
    pub fn of_journey(
        world: &'a World<'a>,
        customer: &'a Customer,
        purpose: &'a str,
        event: Option<&'a Event>,
    ) -> View<'a> {
        let event = event.map(Cow::Borrowed);
        let readable = ruling(world, customer, purpose).effect == Effect::Use;
        View { world, customer, purpose, readable, question: None, event, given: None, blind: false }
    }

    /// The value of a fact by its name; nothing where it is unknown.
    pub fn fact(&self, name: &str) -> Option<Value> {
        if self.blind {
            return None;
        }
        if name.starts_with("customer.") {
            return self.attribute(name);
        }
        match name.split_once('.') {
            Some(("context", fact)) => self.question?.context.get(fact).map(super::arrive::normal),
            Some(("event", field)) => self.field(field),
            Some(("journey", rest)) => self.journey(rest),
            Some(("local", part)) => Some(quiet::local(self.world, self.customer, part)),
            _ => match name {
                "channel" => self.question.map(|question| Value::Text(question.channel.clone())),
                "now" => Some(Value::Moment(self.world.now)),
                "pressure" => Some(Value::Number(score::pressure(self.world, self.customer, self.world.now))),
                "hurt" => Some(Value::Number(score::hurt(self.world, self.customer, self.world.now))),
                _ => None,
            },
        }
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        let fact = self.customer.attributes.get(name)?;
        let is_personal = self.world.rules.attributes.get(name).is_none_or(|declared| declared.purposes.is_some());
        let kept_for_it = fact.purposes.as_ref().is_some_and(|purposes| purposes.contains(self.purpose));
        (!is_personal || self.readable && kept_for_it).then(|| fact.value.clone())
    }

    fn field(&self, name: &str) -> Option<Value> {
        let (value, purposes) = self.event.as_ref()?.fields.get(name)?;
        (self.readable && purposes.contains(self.purpose)).then(|| value.clone())
    }

    /// `ID.stage`, `ID.entered`, `ID.in_stage_for`; before a journey begins `"none"`, the distant past, and 0.
    fn journey(&self, rest: &str) -> Option<Value> {
        let (id, part) = rest.split_once('.')?;
        if !self.readable {
            return None;
        }
        // "A customer in a stage that reloaded rules no longer declare counts as not begun."
        let declared = self.world.rules.journeys.get(id);
        let stage = |name: &str| declared.is_some_and(|journey| journey.stages.iter().any(|stage| stage.id == name));
        let mine = |progress: &&Progress| progress.purpose == self.purpose && stage(&progress.stage);
        let progress = self.customer.journeys.get(id).filter(mine);
        Some(match part {
            "stage" => Value::Text(progress.map_or("none".to_string(), |progress| progress.stage.clone())),
            "entered" => Value::Moment(progress.map_or(DISTANT_PAST, |progress| progress.entered)),
            "in_stage_for" => Value::Duration(progress.map_or(0, |progress| self.world.now - progress.entered)),
            _ => return None,
        })
    }

    /// `has(x)`: docs/expressions.md, "What is not known", and ADR 003: who may know that a fact is absent.
    pub fn has(&self, name: &str) -> Option<bool> {
        if self.blind {
            return None;
        }
        if self.fact(name).is_some() {
            return Some(true);
        }
        if let Some(("context", _)) = name.split_once('.') {
            return Some(false);
        }
        let Some(purposes) = &self.world.rules.attributes.get(name)?.purposes else { return Some(false) };
        let purpose = self.world.rules.purposes.get(self.purpose)?;
        let alone = purposes.iter().all(|other| other == self.purpose);
        let could_be_denied = purpose.needs_consent()
            || said_no(self.customer, self.purpose)
            || !nos(self.customer, self.purpose, purpose).is_empty()
            // An erasure is an objection.
            || (purpose.can_be_objected_to() && self.customer.erased_at.is_some());
        (self.readable && (alone || !could_be_denied)).then_some(false)
    }

    /// The events of a type in the time before now that the purpose may read, for which the filter is true; nothing
    /// where the history may not be read.
    pub fn events(&self, kind: &str, window: Option<i64>, filter: Option<&Expr>) -> Option<Vec<&Event>> {
        let mine = |event: &&Event| event.kind == kind && event.purposes.contains(self.purpose);
        let in_window = |event: &&Event| self.in_window(event.at, window);
        let wanted = |event: &&Event| filter.is_none_or(|filter| holds_for(filter, self, event));
        let held = self.customer.events.iter().filter(mine).filter(in_window).filter(wanted);
        (self.readable && !self.blind).then(|| held.collect())
    }

    /// When an action of the same purpose had this outcome. A contact that counts was presented.
    pub fn outcomes(&self, action: &str, outcome: &str, window: Option<i64>) -> Option<Vec<i64>> {
        if !self.readable || self.blind {
            return None;
        }
        let now = self.world.now;
        let presented = self.customer.contacts.iter().filter(|c| outcome == "presented" && c.counts_at(now));
        let presented = presented.map(|contact| (contact.at, &contact.action));
        let others = self.customer.outcomes.iter().filter(|o| o.outcome == outcome).map(|o| (o.at, &o.action));
        let mine = presented.chain(others).filter(|(_, of)| of.id == action && of.readable);
        Some(mine.map(|(at, _)| at).filter(|at| self.in_window(*at, window)).collect())
    }

    /// "A window reaches back from now, its beginning not included."
    fn in_window(&self, at: i64, window: Option<i64>) -> bool {
        window.is_none_or(|window| at > self.world.now - window)
    }

    /// `consent.given(PURPOSE)`: whether a purpose may be served now.
    pub fn consent_given(&self, purpose: &str) -> Option<bool> {
        let given = self.given == Some(purpose) || may_be_served(self.world, self.customer, purpose);
        (!self.blind).then_some(given)
    }

    /// Whether an expression comes out the same whatever the facts.
    pub fn is_constant(&self, expression: &Expr) -> bool {
        let blind = View { blind: true, ..self.clone() };
        evaluate(expression, &blind).is_some()
    }

    /// How personal it is to use the facts that stand in an expression (S1): every one counts, also unknown ones, but not
    /// where a part comes out the same whatever the facts.
    pub fn sensitivity(&self, expression: &Expr) -> f64 {
        if self.is_constant(expression) {
            return 0.0;
        }
        let rules = self.world.rules;
        let own = match expression {
            Expr::Fact(name) if name.starts_with("journey.") => {
                let id = name.split('.').nth(1).unwrap_or_default();
                rules.journeys.get(id).map_or(0.0, |journey| journey.sensitivity)
            }
            Expr::Fact(name) => rules.attributes.get(name).map_or(0.0, |attribute| attribute.sensitivity),
            Expr::Call(name, arguments) if name.starts_with("events.") => match arguments.first() {
                Some(Expr::Literal(Value::Text(kind))) => rules.events.get(kind).map_or(0.0, |e| e.sensitivity),
                _ => 0.0,
            },
            _ => 0.0,
        };
        expression.inner().into_iter().map(|part| self.sensitivity(part)).fold(own, f64::max)
    }

    /// Whether a part is a personal fact (S4): an attribute with purposes, a history of events or outcomes, a journey.
    pub fn is_personal(&self, part: &Expr) -> bool {
        match part {
            Expr::Fact(name) if name.starts_with("journey.") => true,
            Expr::Fact(name) => self.world.rules.attributes.get(name).is_some_and(|a| a.purposes.is_some()),
            Expr::Call(name, _) => name.starts_with("events.") || name.starts_with("outcomes."),
            _ => false,
        }
    }
}

/// How personal a condition is that holds (S1): `all:` and `none:` count every entry in them, `any:` the least personal
/// of its entries that are true. `is_true` says which those are.
pub fn personal(condition: &Condition, view: &View, is_true: &dyn Fn(&Condition) -> bool) -> f64 {
    let highest = |entries: &[Condition]| entries.iter().map(|c| personal(c, view, is_true)).fold(0.0, f64::max);
    match condition {
        Condition::One(expression) => view.sensitivity(expression),
        Condition::All(entries) => highest(entries),
        Condition::Any(entries) => {
            let of_true = entries.iter().filter(|c| is_true(c)).map(|c| personal(c, view, is_true));
            of_true.reduce(f64::min).unwrap_or(0.0)
        }
        Condition::None(entries) => entries.iter().map(|c| everything(c, view)).fold(0.0, f64::max),
    }
}

fn everything(condition: &Condition, view: &View) -> f64 {
    match condition {
        Condition::One(expression) => view.sensitivity(expression),
        Condition::All(entries) | Condition::Any(entries) | Condition::None(entries) => {
            entries.iter().map(|c| everything(c, view)).fold(0.0, f64::max)
        }
    }
}
