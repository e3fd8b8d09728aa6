//! Messages and fixes for expressions that do not fit the declarations.

use super::{Checked, Checker};
use crate::domain::expr::{Fact, Node};
use crate::domain::sources::Span;
use crate::domain::time::{Moment, Period};
use crate::domain::value::{Type, Value};
use crate::rules::diagnostic::{Code, Diagnostic};
use crate::rules::expr::ast::{BinaryOperator, Expr, ExprKind, UnaryOperator};
use crate::rules::name_kind::NameKind;
use crate::rules::{code, reader};

/// The longest duration that an expression may contain.
const LONGEST_PERIOD: Period = Period(10_000 * 365 * Period::DAY.0);

impl Checker<'_, '_> {
    pub(super) fn refuse<T>(&self, span: Span, code: Code, message: impl Into<String>, help: &str) -> Option<T> {
        self.report(Diagnostic::error(code, span, message).help(help));
        None
    }

    /// Reports, without a replacement that would break the YAML value.
    pub(super) fn report(&self, mut diagnostic: Diagnostic) {
        diagnostic.replacement = diagnostic.replacement.and_then(|text| self.fit(text, diagnostic.span));
        self.scope.sink.push(diagnostic);
    }

    /// A replacement whose quotes do not end the YAML value around it; `None` if the place is not exact.
    fn fit(&self, replacement: String, span: Span) -> Option<String> {
        let file = self.scope.sources.file(self.scalar.file).map_or("", |file| file.text.as_str());
        let quote = file.get(self.scalar.start as usize..).and_then(|text| text.chars().next());
        match quote {
            Some('"' | '\'') if span == self.scalar => None,
            Some('"') => Some(replacement.replace('"', "'")).filter(|text| !text.contains('\\')),
            Some('\'') => Some(replacement).filter(|text| !text.contains('\'')),
            _ => Some(replacement).filter(|text| span.start != self.scalar.start || !text.starts_with('"')),
        }
    }

    pub(super) fn expect(&self, checked: &Checked, kind: Type, expr: &Expr) -> Option<()> {
        if checked.kind == kind {
            return Some(());
        }
        let message = format!("expected a {kind}, found a {}", checked.kind);
        if kind == Type::Flag {
            let help = "compare it, as in `customer.age >= 18`, or use a flag";
            return self.refuse(expr.span, code::EXPRESSION_NOT_CONDITION, message, help);
        }
        let diagnostic = Diagnostic::error(code::EXPRESSION_WRONG_TYPE, expr.span, message);
        self.report(convert(diagnostic, expr, kind));
        None
    }

    /// Reports two values of different types that should have the same; the fix changes the constant.
    pub(super) fn mismatch<T>(&self, message: String, left: (&Checked, &Expr), right: (&Checked, &Expr)) -> Option<T> {
        let constant = matches!(left.0.node, Node::Constant(_)) && !matches!(right.0.node, Node::Constant(_));
        let (wrong, kind) = if constant { (left.1, right.0.kind) } else { (right.1, left.0.kind) };
        let diagnostic = Diagnostic::error(code::EXPRESSION_WRONG_TYPE, wrong.span, message);
        self.report(convert(diagnostic, wrong, kind));
        None
    }

    /// Warns about a constant condition, unless there was a warning about one of its parts.
    pub(super) fn warn_of_constant(&self, node: &Node, expr: &Expr) {
        let made_of_conditions = matches!(
            expr.kind,
            ExprKind::Binary(BinaryOperator::And | BinaryOperator::Or, ..)
                | ExprKind::Unary(UnaryOperator::Not, _)
                | ExprKind::Conditional(..)
        );
        let Node::Constant(Value::Flag(flag)) = node else { return };
        if !made_of_conditions {
            let message = format!("this is always {flag}, whatever the facts");
            let help = "compare a fact, such as `customer.age >= 18`, or remove this";
            self.report(Diagnostic::warning(code::EXPRESSION_CONSTANT, expr.span, message).help(help));
        }
    }

    /// Refuses a text that a fact with listed values can never be.
    pub(super) fn possible(&self, fact: &Checked, other: &Checked, span: Span) -> Option<()> {
        let (Some(allowed), Some(texts)) = (&fact.one_of, &other.one_of) else { return Some(()) };
        let is_constant = |checked: &Checked| matches!(checked.node, Node::Constant(_));
        let strange = texts.iter().find(|text| !allowed.contains(text));
        let fits = match other.kind {
            Type::List => strange.is_none() || !is_constant(other),
            _ => texts.iter().any(|text| allowed.contains(text)),
        };
        let Some(strange) = strange.filter(|_| !fits && !is_constant(fact)) else { return Some(()) };
        if !is_constant(other) {
            let message = format!("this is one of {}, and never one of {}", texts.join(", "), allowed.join(", "));
            return self.refuse(span, code::EXPRESSION_NOT_ONE_OF, message, "compare with a value that it can have");
        }
        let message = format!("`{strange}` is not one of {}", allowed.join(", "));
        let diagnostic = Diagnostic::error(code::EXPRESSION_NOT_ONE_OF, span, message);
        let allowed: Vec<&str> = allowed.iter().map(|text| text.as_str()).collect();
        let suggested = suggest_text(diagnostic, strange, &allowed);
        let in_list = other.kind == Type::List;
        self.report(Diagnostic { replacement: suggested.replacement.filter(|_| !in_list), ..suggested });
        None
    }

    /// Refuses a text that is compared with `local.date` and is not a date: the alphabetical order would be wrong.
    pub(super) fn dated(&self, fact: &Checked, other: &Checked, span: Span) -> Option<()> {
        let Node::Fact(id) = fact.node else { return Some(()) };
        let is_date = |text: &str| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
        match (self.facts.get(id).map(|entry| &entry.fact), &other.node) {
            (Some(Fact::LocalDate), Node::Constant(Value::Text(text))) if !is_date(text) => {
                let help = "write year, month and day with two digits, as in `\"2026-03-02\"`";
                self.refuse(span, code::EXPRESSION_NOT_ONE_OF, format!("`{text}` is not a date"), help)
            }
            _ => Some(()),
        }
    }

    /// Refuses a constant beyond the bounds of numbers and times.
    pub(super) fn bounded(&self, checked: Checked, span: Span) -> Option<Checked> {
        let is_constant = |node: &Node| matches!(node, Node::Constant(_));
        let fits = match &checked.node {
            Node::Constant(Value::Moment(at)) => (Moment::DISTANT_PAST..=Moment::DISTANT_FUTURE).contains(at),
            Node::Constant(Value::Duration(period)) => period.0.unsigned_abs() <= LONGEST_PERIOD.0.unsigned_abs(),
            Node::Arithmetic(_, pair) => !pair.iter().all(is_constant),
            _ => true,
        };
        if fits {
            return Some(checked);
        }
        let message = format!("this {} is out of bounds", checked.kind);
        let help = "numbers end at 1.8e308, moments with the year 9999, durations at 10,000 years";
        self.refuse(span, code::EXPRESSION_CONSTANT, message, help)
    }

    /// Reports an unknown name.
    pub(super) fn unknown<T>(&self, name: &str, kind: &str, span: Span, known: &[impl AsRef<str>]) -> Option<T> {
        self.unknown_name(name, kind, span, |diagnostic| {
            reader::suggest(diagnostic, name, known.iter().map(AsRef::as_ref))
        })
    }

    /// Reports a name that no rule file declares.
    pub(super) fn undeclared<T>(&self, name: &str, kind: NameKind, span: Span, known: &[impl AsRef<str>]) -> Option<T> {
        self.unknown_name(name, kind.word(), span, |diagnostic| {
            reader::suggest_or_declare(diagnostic, name, kind, known.iter().map(AsRef::as_ref))
        })
    }

    /// As [`Self::unknown`], for a name in quotes.
    pub(super) fn unknown_text<T>(&self, name: &str, kind: &str, span: Span, known: &[&str]) -> Option<T> {
        self.unknown_name(name, kind, span, |diagnostic| suggest_text(diagnostic, name, known))
    }

    fn unknown_name<T>(
        &self,
        name: &str,
        kind: &str,
        span: Span,
        suggest: impl FnOnce(Diagnostic) -> Diagnostic,
    ) -> Option<T> {
        if !self.scope.sink.is_broken(name) {
            let message = format!("no {kind} is called `{name}`");
            self.report(suggest(Diagnostic::error(code::EXPRESSION_UNKNOWN_NAME, span, message)));
        }
        None
    }
}

/// As [`reader::suggest`], for a text in quotes.
fn suggest_text(diagnostic: Diagnostic, written: &str, known: &[&str]) -> Diagnostic {
    let quoted: Vec<String> = known.iter().map(|name| format!("\"{name}\"")).collect();
    reader::suggest(diagnostic, &format!("\"{written}\""), quoted.iter().map(String::as_str))
}

/// Adds a fix that turns a value of the wrong type into one of `kind`, if it is simple.
fn convert(diagnostic: Diagnostic, expr: &Expr, kind: Type) -> Diagnostic {
    match (kind, &expr.kind) {
        (Type::Number, ExprKind::Text(text)) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
            diagnostic.help("remove the quotes from the number").replace(text.as_str())
        }
        (Type::Text, ExprKind::Number(number)) => {
            diagnostic.help("put the text in quotes").replace(format!("\"{number}\""))
        }
        (Type::Flag, ExprKind::Text(text)) if matches!(text.as_str(), "true" | "false") => {
            diagnostic.help("remove the quotes").replace(text.as_str())
        }
        (Type::Duration, ExprKind::Text(text)) if Period::parse(text).is_ok() => {
            diagnostic.help("a duration stands in `duration(...)`").replace(format!("duration(\"{text}\")"))
        }
        (Type::Moment, ExprKind::Text(text)) if Moment::parse(text).is_ok() => {
            diagnostic.help("a moment stands in `timestamp(...)`").replace(format!("timestamp(\"{text}\")"))
        }
        (Type::Duration, _) => diagnostic.help("write a duration as `duration(\"14d\")`"),
        (Type::Moment, _) => {
            diagnostic.help("write a moment as `timestamp(\"2026-03-02T10:00:00Z\")` or `now - duration(\"14d\")`")
        }
        (Type::List, _) => diagnostic.help("write a list of texts, `[\"a\", \"b\"]`, or an attribute of type list"),
        _ => diagnostic.help("there are no implicit conversions: compare values of one type"),
    }
}
