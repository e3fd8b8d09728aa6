//! Functions over histories: `events.count(...)`, `outcomes.last(...)`, `consent.given(...)`.

use super::names::entry;
use super::{Checked, Checker, sensitivity};
use crate::domain::action::Outcome;
use crate::domain::expr::{Fact, Node};
use crate::domain::id::{ActionId, EventTypeId, Id, IdMap};
use crate::domain::model::{EventType, Shape};
use crate::domain::sources::Span;
use crate::domain::time::Period;
use crate::domain::value::Type;
use crate::rules::code;
use crate::rules::diagnostic::Diagnostic;
use crate::rules::expr::ast::Expr;
use crate::rules::expr::print::print;
use crate::rules::section::limit;

/// A filter counts once per event that may be stored for one customer.
const EVENTS_A_FILTER_MAY_SEE: u32 = 256;

impl<'c> Checker<'c, '_> {
    /// A question about what happened, or about consent.
    pub(super) fn history(
        &mut self,
        whole: &Expr,
        (root, function, span): (&str, &str, Span),
        arguments: &[Expr],
    ) -> Option<Checked> {
        match (root, function, arguments) {
            ("events", "count", [event, window, filter @ ..]) if filter.len() < 2 => {
                self.event_count(whole, event, window, filter.first())
            }
            ("events", "last", [event, filter @ ..]) if filter.len() < 2 => {
                self.event_last(whole, event, filter.first())
            }
            ("outcomes", "count", [action, outcome, window]) => {
                let (action, outcome, window) = (self.action(action), self.outcome(outcome), self.period(window));
                let fact = Fact::OutcomeCount { action: action?, outcome: outcome?, window: window? };
                self.ask(whole, fact, Type::Number, 0.0)
            }
            ("outcomes", "last", [action, outcome]) => {
                let (action, outcome) = (self.action(action), self.outcome(outcome));
                self.ask(whole, Fact::OutcomeLast { action: action?, outcome: outcome? }, Type::Moment, 0.0)
            }
            ("consent", "given", [purpose]) => {
                let (id, ..) = self.declared(purpose, "purpose", &self.scope.declared.purposes)?;
                self.ask(whole, Fact::ConsentGiven(id), Type::Flag, 0.0)
            }
            ("events", "count", _) => {
                self.arguments(whole, "`events.count(\"page_view\", \"7d\")`, with a filter if you like")
            }
            ("events", "last", _) => self.arguments(whole, "`events.last(\"order\")`, with a filter if you like"),
            ("outcomes", "count", _) => {
                self.arguments(whole, "`outcomes.count(\"fibre-upgrade\", \"rejected\", \"30d\")`")
            }
            ("outcomes", "last", _) => self.arguments(whole, "`outcomes.last(\"fibre-upgrade\", \"rejected\")`"),
            ("consent", "given", _) => self.arguments(whole, "`consent.given(\"personalisation\")`"),
            ("consent", ..) => self.unknown_function(function, span, &["given"]),
            _ => self.unknown_function(function, span, &["count", "last"]),
        }
    }

    fn event_count(&mut self, whole: &Expr, event: &Expr, window: &Expr, filter: Option<&Expr>) -> Option<Checked> {
        let (found, period) = (self.event(event), self.period(window));
        let (event, kind) = found?;
        let kept = period.and_then(|period| self.kept_long_enough(event, kind, period, window.span));
        let (filter, sensitivity) = self.filter((event, kind), filter)?;
        self.ask(whole, Fact::EventCount { event, window: kept?, filter }, Type::Number, sensitivity)
    }

    fn event_last(&mut self, whole: &Expr, event: &Expr, filter: Option<&Expr>) -> Option<Checked> {
        let (event, kind) = self.event(event)?;
        let (filter, sensitivity) = self.filter((event, kind), filter)?;
        self.ask(whole, Fact::EventLast { event, filter }, Type::Moment, sensitivity)
    }

    fn ask(&mut self, whole: &Expr, fact: Fact, kind: Type, sensitivity: f64) -> Option<Checked> {
        let text = print(whole);
        self.intern(text.clone(), entry(fact, &Shape::of(kind), sensitivity, &text))
    }

    fn event(&self, argument: &Expr) -> Option<(EventTypeId, &'c EventType)> {
        let (id, kind, name) = self.declared(argument, "event", &self.scope.declared.events)?;
        self.readable(name, kind.purposes, argument.span)?;
        Some((id, kind))
    }

    fn kept_long_enough(&self, event: EventTypeId, kind: &EventType, window: Period, span: Span) -> Option<Period> {
        if window <= kind.keep {
            return Some(window);
        }
        let (name, keep) = (self.scope.vocabulary.name(event), kind.keep);
        let message = format!("`{name}` is kept for {keep}, shorter than this window of {window}");
        let help = "shorten the window, or raise `keep` of the event";
        let diagnostic = Diagnostic::error(code::EXPRESSION_WINDOW, span, message).help(help);
        self.report(diagnostic.related(kind.span, format!("`{name}` is declared here")));
        None
    }

    /// A filter, and the sensitivity of the events seen through it.
    fn filter(
        &mut self,
        (event, kind): (EventTypeId, &EventType),
        filter: Option<&Expr>,
    ) -> Option<(Option<Box<Node>>, f64)> {
        let Some(filter) = filter else { return Some((None, kind.sensitivity)) };
        let cost = std::mem::take(&mut self.cost);
        let outer = self.scope.event.replace(event);
        // A filter belongs to a fact that is computed once, so variables of a surrounding `exists` or `all` are not
        // visible in it.
        let bound = std::mem::take(&mut self.bound);
        let node = self.condition(filter);
        self.bound = bound;
        self.scope.event = outer;
        let each = std::mem::replace(&mut self.cost, cost);
        self.filters = self.filters.saturating_add(each.saturating_mul(EVENTS_A_FILTER_MAY_SEE));
        let node = node?;
        let sensitivity = sensitivity(&node, self.facts).max(kind.sensitivity);
        Some((Some(Box::new(node)), sensitivity))
    }

    fn action(&self, argument: &Expr) -> Option<ActionId> {
        let (id, head, name) = self.declared(argument, "action", &self.scope.declared.actions)?;
        self.readable_alone(&format!("outcomes of {name}"), "an action", head.purpose, argument.span)?;
        Some(id)
    }

    fn outcome(&self, argument: &Expr) -> Option<Outcome> {
        let name = self.literal(argument, "an outcome")?;
        match Outcome::named(name) {
            Some(outcome) => limit::counted(outcome, argument.span, self.scope.sink),
            None => self.unknown_text(name, "outcome", argument.span, &limit::COUNTED.map(|(name, _)| name)),
        }
    }

    /// Looks a name in quotes up among what is declared.
    fn declared<'e, I: Id, T>(
        &self,
        argument: &'e Expr,
        kind: &str,
        declared: &'c IdMap<I, T>,
    ) -> Option<(I, &'c T, &'e str)> {
        let name = self.literal(argument, &format!("the {kind}'s name"))?;
        match self.find(name, declared) {
            Some((id, found)) => Some((id, found, name)),
            None => self.unknown_text(name, kind, argument.span, &self.names(declared)),
        }
    }
}
