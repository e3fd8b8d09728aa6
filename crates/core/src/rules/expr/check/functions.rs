//! The functions that expressions may call on values: `has(x)`, `x.startsWith("a")`, `list.exists(x, ...)`.

use regex::RegexBuilder;

use super::names::{ROOTS, path};
use super::{Checked, Checker};
use crate::domain::expr::{Node, Pattern, TextTest};
use crate::domain::sources::Span;
use crate::domain::time::{Moment, Period, PeriodError};
use crate::domain::value::{Type, Value, normal};
use crate::rules::diagnostic::Diagnostic;
use crate::rules::expr::ast::{Expr, ExprKind};
use crate::rules::{code, reader};

const FUNCTIONS: [&str; 4] = ["has", "size", "duration", "timestamp"];
const METHODS: [&str; 7] = ["startsWith", "endsWith", "contains", "matches", "size", "exists", "all"];

/// Functions of CEL and of other languages that are left out, and what to write.
const LEFT_OUT: &[(&[&str], &str)] = &[
    (
        &["int", "uint", "double", "string", "bytes", "bool", "dyn", "type"],
        "leave it out: types are declared, and all numbers are of one kind",
    ),
    (
        &["map", "filter", "exists_one", "existsOne"],
        "ask with `list.exists(x, ...)`, `list.all(x, ...)` or `size(list)`",
    ),
    (
        &["lower", "upper", "lowerAscii", "upperAscii", "toLowerCase", "toUpperCase"],
        "compare in any case: `x.matches(\"(?i)^speed$\")`",
    ),
    (&["length", "len"], "write `size(x)`"),
    (&["includes", "indexOf"], "write `x.contains(\"a\")` for texts, and `\"a\" in list` for lists"),
    (
        &["getHours", "getDayOfWeek", "getMonth", "getDate", "getDayOfMonth", "getFullYear"],
        "on the customer's clock: `local.hour`, `local.weekday`, `local.month`, `local.date`",
    ),
    (&["getSeconds", "getMinutes", "getMilliseconds", "getDayOfYear"], "compare durations: `x > duration(\"90s\")`"),
    (&["today", "date"], "`now` is this moment, `local.date` this day on the customer's clock"),
];

/// After this many wrong patterns no more are compiled: detecting one that is too large takes milliseconds.
const MOST_BAD_PATTERNS: usize = 16;
/// The maximum size of a compiled regular expression, in bytes.
const REGEX_BYTES: usize = 64 * 1024;
/// The assumed number of steps of a regular expression over a text.
const STEPS_OF_A_MATCH: u32 = 64;
/// The assumed number of texts in a list.
const ITEMS_IN_A_LIST: u32 = 64;

impl Checker<'_, '_> {
    /// A call: a function, a method of a value, or a question about a history.
    pub(super) fn call(
        &mut self,
        whole: &Expr,
        target: Option<&Expr>,
        (function, span): (&str, Span),
        arguments: &[Expr],
    ) -> Option<Checked> {
        if let Some(Expr { kind: ExprKind::Name(root), .. }) = target
            && matches!(root.as_str(), "events" | "outcomes" | "consent")
        {
            return self.history(whole, (root, function, span), arguments);
        }
        match (target, function) {
            (None, "has") => self.has(whole, arguments),
            (None, "duration") => self.duration(whole, arguments),
            (None, "timestamp") => self.timestamp(whole, arguments),
            (None, "size") => self.size(arguments.first(), whole, arguments.len()),
            (Some(target), "size") => self.size(Some(target), whole, arguments.len() + 1),
            (Some(target), "exists") => self.quantifier(Node::Exists, target, whole, arguments),
            (Some(target), "all") => self.quantifier(Node::All, target, whole, arguments),
            (Some(target), "matches") => self.matches(target, whole, arguments),
            (Some(target), "startsWith") => self.text_test(TextTest::StartsWith, target, whole, arguments),
            (Some(target), "endsWith") => self.text_test(TextTest::EndsWith, target, whole, arguments),
            (Some(target), "contains") => self.text_test(TextTest::Contains, target, whole, arguments),
            (Some(_), _) => self.unknown_function(function, span, &METHODS),
            (None, _) => self.unknown_function(function, span, &FUNCTIONS),
        }
    }

    fn has(&mut self, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [argument] = arguments else { return self.arguments(whole, "`has(customer.age)`") };
        let can_be_absent =
            |path: String| ["customer.", "context.", "event."].iter().any(|root| path.starts_with(root));
        let checked = self.check(argument)?;
        match checked.node {
            Node::Fact(id) if path(argument).is_some_and(can_be_absent) => Some(Checked::flag(Node::Has(id))),
            _ => {
                let help = "`has` asks for an attribute, a context fact or an event's field";
                self.refuse(argument.span, code::EXPRESSION_WRONG_TYPE, "this is always there", help)
            }
        }
    }

    fn duration(&mut self, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [argument] = arguments else { return self.arguments(whole, "`duration(\"14d\")`") };
        self.bounded(Checked::constant(Value::Duration(self.period(argument)?)), argument.span)
    }

    fn timestamp(&mut self, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [argument] = arguments else { return self.arguments(whole, "`timestamp(\"2026-03-02T10:00:00Z\")`") };
        let text = self.literal(argument, "a moment")?;
        match Moment::parse(text) {
            Ok(moment) => self.bounded(Checked::constant(Value::Moment(moment)), argument.span),
            Err(_) => {
                let help = "write a time with its offset, such as `2026-03-02T10:00:00Z`";
                self.refuse(argument.span, code::BAD_TIME, format!("`{text}` is not a moment in time"), help)
            }
        }
    }

    fn size(&mut self, of: Option<&Expr>, whole: &Expr, count: usize) -> Option<Checked> {
        let (Some(of), 1) = (of, count) else { return self.arguments(whole, "`size(customer.tags)`") };
        let checked = self.check(of)?;
        if matches!(checked.kind, Type::Text | Type::List) {
            return Some(Checked::of(Node::Size(Box::new(checked.node)), Type::Number));
        }
        let message = format!("a {} has no size", checked.kind);
        self.refuse(of.span, code::EXPRESSION_WRONG_TYPE, message, "`size` takes a text or a list")
    }

    fn quantifier(
        &mut self,
        make: fn(Box<[Node; 2]>) -> Node,
        target: &Expr,
        whole: &Expr,
        arguments: &[Expr],
    ) -> Option<Checked> {
        let [Expr { kind: ExprKind::Name(variable), span }, body] = arguments else {
            return self.arguments(whole, "`customer.tags.exists(tag, tag == \"vip\")`");
        };
        if ROOTS.contains(&variable.as_str()) {
            let message = format!("`{variable}` already means something");
            return self.refuse(*span, code::EXPRESSION_ARGUMENTS, message, "choose another name for the element");
        }
        let list = self.typed(target, Type::List);
        let cost = std::mem::take(&mut self.cost);
        self.bound.push((variable.clone(), list.as_ref().and_then(|list| list.one_of.clone())));
        let body = self.condition(body);
        self.bound.pop();
        self.cost = self.cost.saturating_mul(ITEMS_IN_A_LIST).saturating_add(cost);
        let node = make(Box::new([list?.node, body?]));
        self.affordable(whole.span)?;
        Some(Checked::flag(node))
    }

    fn matches(&mut self, target: &Expr, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [pattern] = arguments else { return self.arguments(whole, "`customer.plan.matches(\"^fibre\")`") };
        let (text, regex) = (self.typed(target, Type::Text), self.pattern(pattern));
        self.cost = self.cost.saturating_add(STEPS_OF_A_MATCH);
        Some(Checked::flag(Node::Matches(Box::new(text?.node), regex?)))
    }

    fn pattern(&self, pattern: &Expr) -> Option<Pattern> {
        let written = normal(self.literal(pattern, "a pattern")?);
        if self.scope.sink.count(code::EXPRESSION_REGEX) >= MOST_BAD_PATTERNS {
            return None;
        }
        match RegexBuilder::new(&written).size_limit(REGEX_BYTES).dfa_size_limit(REGEX_BYTES).nest_limit(32).build() {
            Ok(regex) => Some(Pattern(regex)),
            Err(regex::Error::CompiledTooBig(_)) => {
                let message = format!("this pattern compiles to more than {REGEX_BYTES} bytes");
                self.refuse(pattern.span, code::EXPRESSION_REGEX, message, "use fewer or smaller repetitions")
            }
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
                let message = format!("this is not a pattern: {reason}");
                self.refuse(pattern.span, code::EXPRESSION_REGEX, message, "see docs.rs/regex for the syntax")
            }
        }
    }

    fn text_test(&mut self, how: TextTest, target: &Expr, whole: &Expr, arguments: &[Expr]) -> Option<Checked> {
        let [part] = arguments else { return self.arguments(whole, "`customer.plan.startsWith(\"fibre\")`") };
        let (text, part) = (self.check(target), self.typed(part, Type::Text));
        let text = text?;
        if how == TextTest::Contains && text.kind == Type::List {
            let help = "write it the other way round: `\"vip\" in customer.tags`";
            return self.refuse(whole.span, code::EXPRESSION_WRONG_TYPE, "`contains` looks inside texts", help);
        }
        self.expect(&text, Type::Text, target)?;
        Some(Checked::flag(Node::TextTest(how, Box::new([text.node, part?.node]))))
    }

    /// A duration, as `"7d"` or `duration("7d")`.
    pub(super) fn period(&self, argument: &Expr) -> Option<Period> {
        if let ExprKind::Call { target: None, function, arguments, .. } = &argument.kind
            && let ([inner], "duration") = (arguments.as_slice(), function.as_str())
        {
            return self.period(inner);
        }
        if let ExprKind::Number(number) = argument.kind {
            let help = format!("say the unit, in quotes: `\"{number}d\"`, `\"{number}h\"`");
            return self.refuse(argument.span, code::EXPRESSION_DURATION, format!("`{number}` has no unit"), &help);
        }
        let text = self.literal(argument, "a duration, such as `\"7d\"`,")?;
        let error = match Period::parse(text) {
            Ok(period) => return Some(period),
            Err(error) => error,
        };
        let help = match &error {
            PeriodError::NoUnit(number) => format!("say the unit: `\"{number}d\"`, `\"{number}h\"`"),
            _ => "write a duration such as `\"7d\"`, `\"2h 30m\"`, `\"13 months\"`".to_owned(),
        };
        self.refuse(argument.span, code::EXPRESSION_DURATION, error.to_string(), &help)
    }

    /// A literal text; for a name without quotes, the fix adds them.
    pub(super) fn literal<'e>(&self, argument: &'e Expr, what: &str) -> Option<&'e str> {
        if let ExprKind::Text(text) = &argument.kind {
            return Some(text);
        }
        let message = format!("expected {what} in quotes");
        let diagnostic = Diagnostic::error(code::EXPRESSION_WRONG_TYPE, argument.span, message);
        self.report(match path(argument) {
            Some(name) => diagnostic.help("put it in quotes").replace(format!("\"{name}\"")),
            None => diagnostic.help("it must be written out, so that it can be checked when the files load"),
        });
        None
    }

    pub(super) fn arguments<T>(&self, whole: &Expr, example: &str) -> Option<T> {
        let message = "this call has the wrong arguments";
        self.refuse(whole.span, code::EXPRESSION_ARGUMENTS, message, &format!("write {example}"))
    }

    pub(super) fn unknown_function<T>(&self, name: &str, span: Span, known: &[&str]) -> Option<T> {
        let message = format!("no function is called `{name}`");
        let diagnostic = Diagnostic::error(code::EXPRESSION_UNKNOWN_FUNCTION, span, message);
        self.report(match LEFT_OUT.iter().find(|(names, _)| names.contains(&name)) {
            Some((_, help)) => diagnostic.help(*help),
            None => reader::suggest(diagnostic, name, known.iter().copied()),
        });
        None
    }
}
