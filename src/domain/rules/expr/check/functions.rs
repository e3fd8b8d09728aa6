//! The functions that expressions may call.

use regex::RegexBuilder;

use super::names::{entry, path};
use super::{Checked, Checker, Scope, sensitivity};
use crate::domain::action::Outcome;
use crate::domain::id::{ActionId, EventTypeId, PurposeSet};
use crate::domain::rules::code;
use crate::domain::rules::diagnostic::{Diagnostic, Span};
use crate::domain::rules::expr::ast::{Expr, ExprKind};
use crate::domain::rules::expr::fact::Fact;
use crate::domain::rules::expr::print::print;
use crate::domain::rules::expr::program::{Node, Pattern, TextTest};
use crate::domain::rules::reader;
use crate::domain::rules::section::attribute::Shape;
use crate::domain::rules::section::limit;
use crate::domain::time::{Moment, Period, PeriodError};
use crate::domain::value::{Type, Value};

const FUNCTIONS: [&str; 4] = ["has", "size", "duration", "timestamp"];
const METHODS: [&str; 7] = ["startsWith", "endsWith", "contains", "matches", "size", "exists", "all"];
/// A compiled regular expression may take this many bytes.
const REGEX_BYTES: usize = 64 * 1024;
/// A filter looks at every event that may be held for one customer.
const EVENTS_A_FILTER_MAY_SEE: u32 = 256;

impl Checker<'_, '_> {
    /// A call: a function, a method of a value, or a question about a history.
    pub(super) fn call(
        &mut self,
        whole: &Expr,
        target: Option<&Expr>,
        (function, span): (&str, Span),
        arguments: &[Expr],
    ) -> Option<Checked> {
        let root = target.and_then(|target| match &target.kind {
            ExprKind::Name(name) if !self.bound.contains(name) => Some(name.as_str()),
            _ => None,
        });
        match (root, target, function) {
            (Some("events"), _, "count") => self.event_count(whole, arguments),
            (Some("events"), _, "last") => self.event_last(whole, arguments),
            (Some("outcomes"), _, "count") => self.outcome_count(whole, arguments),
            (Some("outcomes"), _, "last") => self.outcome_last(whole, arguments),
            (Some("consent"), _, "given") => self.consent_given(whole, arguments),
            (Some("events" | "outcomes"), ..) => self.unknown_function(function, span, &["count", "last"]),
            (Some("consent"), ..) => self.unknown_function(function, span, &["given"]),
            (_, None, "has") => self.has(whole, arguments),
            (_, None, "duration") => self.duration(whole, arguments),
            (_, None, "timestamp") => self.timestamp(whole, arguments),
            (_, None, "size") => self.size(arguments.first(), whole, arguments.len()),
            (_, Some(target), "size") => self.size(Some(target), whole, arguments.len() + 1),
            (_, Some(target), "exists" | "all") => self.quantifier(target, function, whole, arguments),
            (_, Some(target), "matches") => self.matches(target, whole, arguments),
            (_, Some(target), "startsWith") => self.text_test(TextTest::StartsWith, target, whole, arguments),
            (_, Some(target), "endsWith") => self.text_test(TextTest::EndsWith, target, whole, arguments),
            (_, Some(target), "contains") => self.text_test(TextTest::Contains, target, whole, arguments),
            (_, Some(_), _) => self.unknown_function(function, span, &METHODS),
            (_, None, _) => self.unknown_function(function, span, &FUNCTIONS),
        }
    }

    fn event_count(&mut self, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let (kind, window, filter) = match arguments {
            [kind, window] => (kind, window, None),
            [kind, window, filter] => (kind, window, Some(filter)),
            _ => return self.arguments(whole, "`events.count(\"page_view\", \"7d\")`, with a filter if you like"),
        };
        let (event, name) = self.event(kind)?;
        let window_span = window.span;
        let window = self.period(window)?;
        self.kept_long_enough(event, &name, window, window_span)?;
        let filter = self.filter(event, filter)?;
        self.history(whole, event, Fact::EventCount { event, window, filter }, Type::Number)
    }

    fn event_last(&mut self, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let (kind, filter) = match arguments {
            [kind] => (kind, None),
            [kind, filter] => (kind, Some(filter)),
            _ => return self.arguments(whole, "`events.last(\"order\")`, with a filter if you like"),
        };
        let (event, _) = self.event(kind)?;
        let filter = self.filter(event, filter)?;
        self.history(whole, event, Fact::EventLast { event, filter }, Type::Moment)
    }

    fn history(&mut self, whole: &Expr, event: EventTypeId, fact: Fact, kind: Type) -> Option<Checked> {
        let declared = self.scope.declared.events.get(event)?;
        let filter = match &fact {
            Fact::EventCount { filter, .. } | Fact::EventLast { filter, .. } => filter.as_deref(),
            _ => None,
        };
        let in_filter = filter.map_or(0.0, |filter| sensitivity(filter, self.facts));
        let text = print(whole);
        self.intern(text.clone(), entry(fact, &Shape::of(kind), declared.sensitivity.max(in_filter), &text))
    }

    fn event(&self, argument: &Expr) -> Option<(EventTypeId, String)> {
        let name = self.literal(argument, "an event's name in quotes")?;
        let declared = &self.scope.declared.events;
        let found = self.scope.vocabulary.find::<EventTypeId>(&name).and_then(|id| Some((id, declared.get(id)?)));
        let Some((id, kind)) = found else {
            let known: Vec<String> = declared.ids().map(|id| self.scope.vocabulary.name(id).to_owned()).collect();
            return self.unknown_text(&name, "event", argument.span, &known);
        };
        self.readable(&name, kind.purposes, argument.span)?;
        Some((id, name))
    }

    fn kept_long_enough(&self, event: EventTypeId, name: &str, window: Period, span: Span) -> Option<()> {
        let keep = self.scope.declared.events.get(event)?.keep;
        if window <= keep {
            return Some(());
        }
        let message = format!("`{name}` is kept for {keep}, shorter than this window of {window}");
        self.refuse(span, code::EXPRESSION_WINDOW, &message, "shorten the window, or raise `keep` of the event")
    }

    fn filter(&mut self, event: EventTypeId, filter: Option<&Expr>) -> Option<Option<Box<Node>>> {
        let Some(filter) = filter else { return Some(None) };
        let before = self.cost;
        let outer = self.scope;
        self.scope = Scope { event: Some(event), ..outer };
        // A filter is a fact of its own, computed once: what `exists` or `all` bind around it is not there.
        let bound = std::mem::take(&mut self.bound);
        let checked = self.check(filter);
        self.bound = bound;
        self.scope = outer;
        let checked = checked?;
        self.expect(&checked, Type::Flag, filter.span)?;
        let each = self.cost.saturating_sub(before);
        self.cost = before.saturating_add(each.saturating_mul(EVENTS_A_FILTER_MAY_SEE));
        Some(Some(Box::new(checked.node)))
    }

    fn outcome_count(&mut self, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [action, outcome, window] = arguments else {
            return self.arguments(whole, "`outcomes.count(\"fibre-upgrade\", \"rejected\", \"30d\")`");
        };
        let (action, outcome) = (self.action(action)?, self.outcome(outcome)?);
        let window = self.period(window)?;
        let text = print(whole);
        let fact = Fact::OutcomeCount { action, outcome, window };
        self.intern(text.clone(), entry(fact, &Shape::of(Type::Number), 0.0, &text))
    }

    fn outcome_last(&mut self, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [action, outcome] = arguments else {
            return self.arguments(whole, "`outcomes.last(\"fibre-upgrade\", \"rejected\")`");
        };
        let (action, outcome) = (self.action(action)?, self.outcome(outcome)?);
        let text = print(whole);
        let fact = Fact::OutcomeLast { action, outcome };
        self.intern(text.clone(), entry(fact, &Shape::of(Type::Moment), 0.0, &text))
    }

    fn action(&self, argument: &Expr) -> Option<ActionId> {
        let name = self.literal(argument, "an action's id in quotes")?;
        let declared = &self.scope.declared.actions;
        let found = self.scope.vocabulary.find::<ActionId>(&name).and_then(|id| Some((id, declared.get(id)?)));
        let Some((id, head)) = found else {
            let known: Vec<String> = declared.ids().map(|id| self.scope.vocabulary.name(id).to_owned()).collect();
            return self.unknown_text(&name, "action", argument.span, &known);
        };
        self.readable(&format!("outcomes of {name}"), PurposeSet::of(head.purpose), argument.span)?;
        Some(id)
    }

    fn outcome(&self, argument: &Expr) -> Option<Outcome> {
        let name = self.literal(argument, "an outcome in quotes")?;
        match Outcome::named(&name) {
            Some(outcome) => limit::counted(outcome, argument.span, self.scope.sink),
            None => {
                let known: Vec<String> = limit::COUNTED.iter().map(|(name, _)| (*name).to_owned()).collect();
                self.unknown_text(&name, "outcome", argument.span, &known)
            }
        }
    }

    fn consent_given(&mut self, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [purpose] = arguments else {
            return self.arguments(whole, "`consent.given(\"personalisation\")`");
        };
        let name = self.literal(purpose, "a purpose in quotes")?;
        let declared = &self.scope.declared.purposes;
        let Some(id) = self.scope.vocabulary.find(&name).filter(|id| declared.get(*id).is_some()) else {
            let known: Vec<String> = declared.ids().map(|id| self.scope.vocabulary.name(id).to_owned()).collect();
            return self.unknown_text(&name, "purpose", purpose.span, &known);
        };
        let text = print(whole);
        self.intern(text.clone(), entry(Fact::ConsentGiven(id), &Shape::of(Type::Flag), 0.0, &text))
    }

    fn has(&mut self, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [argument] = arguments else { return self.arguments(whole, "`has(customer.age)`") };
        let known = path(argument)
            .is_some_and(|path| ["customer.", "context.", "event."].iter().any(|root| path.starts_with(root)));
        if !known {
            let help = "`has` asks for an attribute, a context fact or an event's field";
            return self.refuse(argument.span, code::EXPRESSION_WRONG_TYPE, "this is always there", help);
        }
        match self.check(argument)?.node {
            Node::Fact(id) => Some(Checked::flag(Node::Has(id))),
            _ => None,
        }
    }

    fn duration(&mut self, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [argument] = arguments else { return self.arguments(whole, "`duration(\"14d\")`") };
        let period = self.period(argument)?;
        Some(Checked::of(Node::Constant(Value::Duration(period)), Type::Duration))
    }

    fn timestamp(&mut self, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [argument] = arguments else { return self.arguments(whole, "`timestamp(\"2026-03-02T10:00:00Z\")`") };
        let text = self.literal(argument, "a moment in quotes")?;
        match Moment::parse(&text) {
            Ok(moment) => Some(Checked::of(Node::Constant(Value::Moment(moment)), Type::Moment)),
            Err(_) => {
                let help = "write a time with its offset, such as `2026-03-02T10:00:00Z`";
                self.refuse(argument.span, code::BAD_TIME, &format!("`{text}` is not a moment in time"), help)
            }
        }
    }

    fn size(&mut self, of: Option<&Expr>, whole: &Expr, count: usize) -> Option<Checked> {
        let (Some(of), 1) = (of, count) else { return self.arguments(whole, "`size(customer.tags)`") };
        let checked = self.check(of)?;
        if matches!(checked.kind, Type::Text | Type::List) {
            return Some(Checked::of(Node::Size(Box::new(checked.node)), Type::Number));
        }
        self.refuse(
            of.span,
            code::EXPRESSION_WRONG_TYPE,
            &format!("a {} has no size", checked.kind),
            "`size` takes a text or a list",
        )
    }

    fn quantifier(&mut self, target: &Expr, function: &str, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [Expr { kind: ExprKind::Name(variable), .. }, body] = arguments else {
            return self.arguments(whole, &format!("`customer.tags.{function}(tag, tag == \"vip\")`"));
        };
        let list = self.check(target)?;
        self.expect(&list, Type::List, target.span)?;
        self.bound.push(variable.clone());
        let checked = self.check(body);
        self.bound.pop();
        let checked = checked?;
        self.expect(&checked, Type::Flag, body.span)?;
        self.cost = self.cost.saturating_add(64);
        let pair = Box::new([list.node, checked.node]);
        Some(Checked::flag(if function == "exists" { Node::Exists(pair) } else { Node::All(pair) }))
    }

    fn matches(&mut self, target: &Expr, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [pattern] = arguments else { return self.arguments(whole, "`customer.plan.matches(\"^fibre\")`") };
        let text = self.check(target)?;
        self.expect(&text, Type::Text, target.span)?;
        let written = self.literal(pattern, "a pattern in quotes")?;
        match RegexBuilder::new(&written).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES).nest_limit(32).build() {
            Ok(regex) => Some(Checked::flag(Node::Matches(Box::new(text.node), Pattern(regex)))),
            Err(regex::Error::CompiledTooBig(_)) => {
                let message = format!("this pattern compiles to more than {REGEX_BYTES} bytes");
                self.refuse(pattern.span, code::EXPRESSION_REGEX, &message, "use fewer or smaller repetitions")
            }
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
                self.refuse(
                    pattern.span,
                    code::EXPRESSION_REGEX,
                    &format!("this is not a pattern: {reason}"),
                    "see docs.rs/regex for the syntax",
                )
            }
        }
    }

    fn text_test(&mut self, how: TextTest, target: &Expr, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [part] = arguments else { return self.arguments(whole, "`customer.plan.startsWith(\"fibre\")`") };
        let (a, b) = (self.check(target), self.check(part));
        let (a, b) = (a?, b?);
        if how == TextTest::Contains && a.kind == Type::List {
            let help = "write it the other way round: `\"vip\" in customer.tags`";
            return self.refuse(whole.span, code::EXPRESSION_WRONG_TYPE, "`contains` looks inside texts", help);
        }
        self.expect(&a, Type::Text, target.span)?;
        self.expect(&b, Type::Text, part.span)?;
        Some(Checked::flag(Node::TextTest(how, Box::new([a.node, b.node]))))
    }

    /// A length of time, as `"7d"` or `duration("7d")`.
    fn period(&self, argument: &Expr) -> Option<Period> {
        if let ExprKind::Call { target: None, function, arguments, .. } = &argument.kind
            && let ([inner], "duration") = (arguments.as_slice(), function.as_str())
        {
            return self.period(inner);
        }
        if let ExprKind::Number(number) = argument.kind {
            let help = format!("say the unit, in quotes: `\"{number}d\"`, `\"{number}h\"`");
            return self.refuse(argument.span, code::EXPRESSION_DURATION, &format!("`{number}` has no unit"), &help);
        }
        let text = self.literal(argument, "a length of time in quotes, such as `\"7d\"`")?;
        match Period::parse(&text) {
            Ok(period) => Some(period),
            Err(error) => {
                let help = match &error {
                    PeriodError::NoUnit(number) => format!("say the unit: `\"{number}d\"`, `\"{number}h\"`"),
                    _ => "write a length of time such as `\"7d\"`, `\"2h 30m\"`, `\"13 months\"`".to_owned(),
                };
                self.refuse(argument.span, code::EXPRESSION_DURATION, &error.to_string(), &help)
            }
        }
    }

    fn literal(&self, argument: &Expr, what: &str) -> Option<String> {
        match &argument.kind {
            ExprKind::Text(text) => Some(text.clone()),
            _ => self.refuse(
                argument.span,
                code::EXPRESSION_WRONG_TYPE,
                &format!("expected {what}"),
                "put it in double quotes",
            ),
        }
    }

    fn arguments<T>(&self, whole: &Expr, example: &str) -> Option<T> {
        self.refuse(
            whole.span,
            code::EXPRESSION_ARGUMENTS,
            "this call has the wrong number of arguments",
            &format!("write {example}"),
        )
    }

    fn unknown_function<T>(&self, name: &str, span: Span, known: &[&str]) -> Option<T> {
        let message = format!("no function is called `{name}`");
        let diagnostic = Diagnostic::error(code::EXPRESSION_UNKNOWN_FUNCTION, span, message);
        self.scope.sink.push(reader::suggest(diagnostic, name, known.iter().copied()));
        None
    }
}
