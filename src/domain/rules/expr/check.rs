//! Checks an expression against what is declared, and compiles it to a program that cannot fail.
//!
//! Types, names, allowed values and purposes are settled here, at load. The functions that rules may call
//! are in `functions`, the names they may read in `names`.

mod functions;
mod names;

pub use names::NO_STAGE;

use compact_str::CompactString;

use super::ast::{BinaryOperator, Expr, ExprKind, UnaryOperator};
use super::fact::{FactId, FactTable};
use super::parser;
use super::program::{Arithmetic, Comparison, Node, Program};
use crate::domain::id::{EventTypeId, PurposeId, Vocabulary};
use crate::domain::rules::code;
use crate::domain::rules::diagnostic::{Code, Diagnostic, Sources, Span};
use crate::domain::rules::reader;
use crate::domain::rules::section::Declarations;
use crate::domain::rules::sink::Sink;
use crate::domain::rules::source;
use crate::domain::value::{Type, Value};

/// What an expression may see, and through whose eyes.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'c> {
    /// Names.
    pub vocabulary: &'c Vocabulary,
    /// What they mean.
    pub declared: &'c Declarations,
    /// The purpose whose facts it may read.
    pub purpose: PurposeId,
    /// The event that `event.` reads, inside a journey or a filter.
    pub event: Option<EventTypeId>,
    /// Where mistakes go.
    pub sink: &'c Sink,
    /// The files, to find places inside texts.
    pub sources: &'c Sources,
}

impl Scope<'_> {
    /// The place of a byte range of a scalar's text.
    #[must_use]
    pub fn place(&self, node: &source::Node, start: usize, end: usize) -> Span {
        let text = self.sources.file(node.span.file).map_or("", |file| file.text.as_str());
        node.inner_span(text, start, end)
    }
}

/// Compiles a condition: an expression that is true or false.
pub fn compile(text: &source::Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<Program> {
    let written = reader::text(text, scope.sink).or_else(|| hint_at_quotes(text, scope.sink))?;
    let place = |start: usize, end: usize| scope.place(text, start, end);
    let tree = match parser::parse(written, &place) {
        Ok(tree) => tree,
        Err(diagnostic) => {
            scope.sink.push(diagnostic);
            return None;
        }
    };
    let mut checker = Checker { scope, facts, bound: Vec::new(), cost: 0 };
    let checked = checker.check(&tree)?;
    checker.expect(&checked, Type::Flag, tree.span)?;
    if checker.cost > MOST_COST {
        let message = format!("this expression may cost {} steps, more than {MOST_COST}", checker.cost);
        let help = "filter fewer events, or split the condition";
        return reader::refuse(tree.span, code::EXPRESSION_TOO_COSTLY, message, help, scope.sink);
    }
    let sensitivity = sensitivity(&checked.node, facts);
    Some(Program { node: checked.node, span: tree.span, text: written.trim().to_owned(), sensitivity })
}

/// Resolves a plain fact, as a text template names it.
pub fn compile_fact(tree: &Expr, scope: Scope<'_>, facts: &mut FactTable) -> Option<FactId> {
    let mut checker = Checker { scope, facts, bound: Vec::new(), cost: 0 };
    match checker.check(tree)?.node {
        Node::Fact(id) => Some(id),
        _ => None,
    }
}

/// How many steps one evaluation may take at worst.
const MOST_COST: u32 = 20_000;

fn hint_at_quotes<T>(text: &source::Node, sink: &Sink) -> Option<T> {
    let help = "write the expression on a line of its own, or in single quotes: `'context.vip'`";
    reader::refuse(text.span, code::EXPRESSION_NOT_CONDITION, "a condition is an expression".into(), help, sink)
}

/// The most personal fact that a node reads.
fn sensitivity(node: &Node, facts: &FactTable) -> f64 {
    let mut most = 0.0_f64;
    node.visit_facts(&mut |id| most = most.max(facts.get(id).map_or(0.0, |entry| entry.sensitivity)));
    most
}

/// A checked part of an expression.
#[derive(Debug, Clone)]
struct Checked {
    node: Node,
    kind: Type,
    one_of: Option<Vec<CompactString>>,
}

impl Checked {
    fn of(node: Node, kind: Type) -> Self {
        Self { node, kind, one_of: None }
    }

    fn flag(node: Node) -> Self {
        Self::of(node, Type::Flag)
    }
}

struct Checker<'c, 'f> {
    scope: Scope<'c>,
    facts: &'f mut FactTable,
    bound: Vec<String>,
    cost: u32,
}

impl Checker<'_, '_> {
    fn check(&mut self, expr: &Expr) -> Option<Checked> {
        self.cost = self.cost.saturating_add(1);
        match &expr.kind {
            ExprKind::Text(text) => Some(Checked::of(Node::text(text), Type::Text)),
            ExprKind::Number(number) => Some(Checked::of(Node::Constant(Value::Number(*number)), Type::Number)),
            ExprKind::Flag(flag) => Some(Checked::flag(Node::Constant(Value::Flag(*flag)))),
            ExprKind::List(items) => self.text_list(items),
            ExprKind::Name(_) | ExprKind::Select(..) => self.name(expr),
            ExprKind::Call { target, function, function_span, arguments } => {
                self.call(expr, target.as_deref(), (function, *function_span), arguments)
            }
            ExprKind::Unary(operator, inner) => self.unary(*operator, inner),
            ExprKind::Binary(operator, left, right) => self.binary(*operator, left, right, expr.span),
            ExprKind::Conditional(test, yes, no) => self.conditional(test, yes, no),
        }
    }

    fn text_list(&mut self, items: &[Expr]) -> Option<Checked> {
        let texts = items.iter().map(|item| match &item.kind {
            ExprKind::Text(text) => Some(CompactString::from(text.as_str())),
            _ => self.refuse(
                item.span,
                code::EXPRESSION_WRONG_TYPE,
                "a list here holds texts in quotes",
                "write `[\"a\", \"b\"]`",
            ),
        });
        let texts: Option<Vec<CompactString>> = texts.collect();
        Some(Checked::of(Node::Constant(Value::List(texts?.into())), Type::List))
    }

    fn unary(&mut self, operator: UnaryOperator, inner: &Expr) -> Option<Checked> {
        let checked = self.check(inner)?;
        match operator {
            UnaryOperator::Not => {
                self.expect(&checked, Type::Flag, inner.span)?;
                Some(Checked::flag(Node::Not(Box::new(checked.node))))
            }
            UnaryOperator::Negate if checked.kind == Type::Number || checked.kind == Type::Duration => {
                Some(Checked::of(Node::Negate(Box::new(checked.node)), checked.kind))
            }
            UnaryOperator::Negate => {
                let message = format!("a {} has no opposite", checked.kind);
                self.refuse(
                    inner.span,
                    code::EXPRESSION_WRONG_TYPE,
                    &message,
                    "`-` stands before numbers and durations",
                )
            }
        }
    }

    fn binary(&mut self, operator: BinaryOperator, left: &Expr, right: &Expr, span: Span) -> Option<Checked> {
        match operator {
            BinaryOperator::And | BinaryOperator::Or => self.connective(operator, left, right),
            BinaryOperator::In => self.within(left, right),
            BinaryOperator::Equal => self.comparison(Comparison::Equal, left, right),
            BinaryOperator::NotEqual => self.comparison(Comparison::NotEqual, left, right),
            BinaryOperator::Less => self.comparison(Comparison::Less, left, right),
            BinaryOperator::LessOrEqual => self.comparison(Comparison::LessOrEqual, left, right),
            BinaryOperator::Greater => self.comparison(Comparison::Greater, left, right),
            BinaryOperator::GreaterOrEqual => self.comparison(Comparison::GreaterOrEqual, left, right),
            BinaryOperator::Add => self.arithmetic(Arithmetic::Add, left, right, span),
            BinaryOperator::Subtract => self.arithmetic(Arithmetic::Subtract, left, right, span),
            BinaryOperator::Multiply => self.arithmetic(Arithmetic::Multiply, left, right, span),
            BinaryOperator::Divide => self.arithmetic(Arithmetic::Divide, left, right, span),
            BinaryOperator::Remainder => self.arithmetic(Arithmetic::Remainder, left, right, span),
        }
    }

    fn connective(&mut self, operator: BinaryOperator, left: &Expr, right: &Expr) -> Option<Checked> {
        let (a, b) = (self.check(left), self.check(right));
        let (a, b) = (a?, b?);
        self.expect(&a, Type::Flag, left.span)?;
        self.expect(&b, Type::Flag, right.span)?;
        let mut parts = Vec::new();
        for node in [a.node, b.node] {
            match (operator, node) {
                (BinaryOperator::And, Node::And(inner)) | (BinaryOperator::Or, Node::Or(inner)) => parts.extend(inner),
                (_, node) => parts.push(node),
            }
        }
        let and = operator == BinaryOperator::And;
        Some(Checked::flag(if and { Node::And(parts) } else { Node::Or(parts) }))
    }

    fn within(&mut self, left: &Expr, right: &Expr) -> Option<Checked> {
        let item = self.check(left)?;
        if let ExprKind::List(constants) = &right.kind {
            if constants.is_empty() {
                let help = "list the values, or remove the condition";
                return self.refuse(right.span, code::EMPTY_LIST, "nothing is in an empty list", help);
            }
            let values: Option<Vec<Value>> =
                constants.iter().map(|constant| self.constant_like(&item, constant)).collect();
            return Some(Checked::flag(Node::AnyOf(Box::new(item.node), values?)));
        }
        let list = self.check(right)?;
        self.expect(&list, Type::List, right.span)?;
        self.expect(&item, Type::Text, left.span)?;
        self.allowed(&list, &item, left.span)?;
        Some(Checked::flag(Node::Member(Box::new([item.node, list.node]))))
    }

    fn constant_like(&mut self, item: &Checked, constant: &Expr) -> Option<Value> {
        let checked = self.check(constant)?;
        self.expect(&checked, item.kind, constant.span)?;
        self.allowed(item, &checked, constant.span)?;
        match fold_negative(checked.node) {
            Node::Constant(value) => Some(value),
            _ => self.refuse(
                constant.span,
                code::EXPRESSION_WRONG_TYPE,
                "a list after `in` holds plain values",
                "use `||` to compare with facts",
            ),
        }
    }

    fn comparison(&mut self, how: Comparison, left: &Expr, right: &Expr) -> Option<Checked> {
        let (a, b) = (self.check(left), self.check(right));
        let (a, b) = (a?, b?);
        if a.kind != b.kind {
            let message = format!("a {} is compared with a {}", a.kind, b.kind);
            let help = comparison_help(a.kind, b.kind);
            return self.refuse(right.span, code::EXPRESSION_WRONG_TYPE, &message, help);
        }
        let ordered = !matches!(how, Comparison::Equal | Comparison::NotEqual);
        if ordered && matches!(a.kind, Type::Flag | Type::List) {
            let message = format!("a {} is neither more nor less than another", a.kind);
            return self.refuse(right.span, code::EXPRESSION_WRONG_TYPE, &message, "use `==` or `!=`");
        }
        self.allowed(&a, &b, right.span)?;
        self.allowed(&b, &a, left.span)?;
        Some(Checked::flag(Node::Compare(how, Box::new([a.node, b.node]))))
    }

    fn arithmetic(&mut self, how: Arithmetic, left: &Expr, right: &Expr, span: Span) -> Option<Checked> {
        use Type::{Duration, Moment, Number};
        let (a, b) = (self.check(left), self.check(right));
        let (a, b) = (a?, b?);
        let kind = match (how, a.kind, b.kind) {
            (_, Number, Number) => Number,
            (Arithmetic::Add | Arithmetic::Subtract, Moment, Duration) | (Arithmetic::Add, Duration, Moment) => Moment,
            (Arithmetic::Subtract, Moment, Moment) | (Arithmetic::Add | Arithmetic::Subtract, Duration, Duration) => {
                Duration
            }
            (_, left, right) => {
                let message = format!("a {left} and a {right} cannot be put together so");
                let help = "numbers, moments and durations can be added and subtracted; texts cannot";
                return self.refuse(span, code::EXPRESSION_WRONG_TYPE, &message, help);
            }
        };
        if matches!(how, Arithmetic::Divide | Arithmetic::Remainder)
            && matches!(b.node, Node::Constant(Value::Number(0.0)))
        {
            return self.refuse(right.span, code::EXPRESSION_ZERO, "this divides by zero", "divide by another number");
        }
        Some(Checked::of(Node::Arithmetic(how, Box::new([a.node, b.node])), kind))
    }

    fn conditional(&mut self, test: &Expr, yes: &Expr, no: &Expr) -> Option<Checked> {
        let (a, b, c) = (self.check(test), self.check(yes), self.check(no));
        let (a, b, c) = (a?, b?, c?);
        self.expect(&a, Type::Flag, test.span)?;
        self.expect(&c, b.kind, no.span)?;
        Some(Checked::of(Node::Choose(Box::new([a.node, b.node, c.node])), b.kind))
    }

    /// Refuses a text constant that a fact with listed values can never be.
    fn allowed(&self, fact: &Checked, constant: &Checked, span: Span) -> Option<()> {
        let (Some(allowed), Node::Constant(Value::Text(text))) = (&fact.one_of, &constant.node) else {
            return Some(());
        };
        if allowed.contains(text) {
            return Some(());
        }
        let message = format!("`{text}` is not one of {}", allowed.join(", "));
        let diagnostic = Diagnostic::error(code::EXPRESSION_NOT_ONE_OF, span, message);
        let quoted: Vec<String> = allowed.iter().map(|value| format!("\"{value}\"")).collect();
        let written = format!("\"{text}\"");
        self.scope.sink.push(reader::suggest(diagnostic, &written, quoted.iter().map(String::as_str)));
        None
    }

    fn expect(&self, checked: &Checked, kind: Type, span: Span) -> Option<()> {
        if checked.kind == kind {
            return Some(());
        }
        let (code, help) = if kind == Type::Flag {
            (code::EXPRESSION_NOT_CONDITION, "compare it, as in `customer.age >= 18`, or use a flag")
        } else {
            (code::EXPRESSION_WRONG_TYPE, "see docs/rules.md for what goes where")
        };
        self.refuse(span, code, &format!("expected a {kind}, found a {}", checked.kind), help)
    }

    fn refuse<T>(&self, span: Span, code: Code, message: &str, help: &str) -> Option<T> {
        reader::refuse(span, code, message.to_owned(), help, self.scope.sink)
    }

    fn fact(&self, id: FactId) -> Option<Checked> {
        let entry = self.facts.get(id)?;
        Some(Checked { node: Node::Fact(id), kind: entry.kind, one_of: entry.one_of.clone() })
    }
}

fn fold_negative(node: Node) -> Node {
    match node {
        Node::Negate(inner) => match *inner {
            Node::Constant(Value::Number(number)) => Node::Constant(Value::Number(-number)),
            inner => Node::Negate(Box::new(inner)),
        },
        node => node,
    }
}

fn comparison_help(left: Type, right: Type) -> &'static str {
    match (left, right) {
        (Type::Moment, Type::Text) | (Type::Text, Type::Moment) => {
            "write the moment as `timestamp(\"2026-03-02T10:00:00Z\")`"
        }
        (Type::Duration, _) | (_, Type::Duration) => "write a length of time as `duration(\"14d\")`",
        (Type::Number, Type::Text) | (Type::Text, Type::Number) => {
            "remove the quotes from the number, or put the text in quotes"
        }
        _ => "compare things of one kind",
    }
}
