//! Checks an expression against what is declared, and compiles it to a program that cannot fail.
//!
//! Types, names, allowed values and purposes are checked here, at load. The functions that rules may call are in
//! `functions` and `histories`, the names they may read in `names`, operators in `operators`; `report` builds the
//! messages. Both sides of an operator and all arguments of a call are checked, so that every mistake is reported at
//! once. Constant parts are folded here (`fold`).

mod functions;
mod histories;
mod names;
mod operators;
mod report;

use compact_str::CompactString;

use super::ast::{Expr, ExprKind};
use super::parser;
use crate::domain::expr::{FactEntry, FactId, FactTable, Facts, Node, Program, evaluate};
use crate::domain::id::{EventTypeId, PurposeId, Vocabulary};
use crate::domain::model::Declarations;
use crate::domain::sources::{Sources, Span};
use crate::domain::value::{Operand, Truth, Type, Value, normal};
use crate::rules::names::Names;
use crate::rules::sink::Sink;
use crate::rules::{code, reader, source};

/// What an expression may read.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'c> {
    /// The names with their ids.
    pub vocabulary: &'c Vocabulary,
    /// What is declared under these names.
    pub declared: &'c Declarations,
    /// The purpose whose facts it may read.
    pub purpose: PurposeId,
    /// The event that `event.` reads, inside a journey or a filter.
    pub event: Option<EventTypeId>,
    /// Whether it is a lint of the policy, which reads `action.` and nothing else.
    pub about_action: bool,
    /// Where mistakes go.
    pub sink: &'c Sink,
    /// The files, to find places inside texts.
    pub sources: &'c Sources,
}

impl<'c> Scope<'c> {
    /// The names that it may use.
    #[must_use]
    pub fn names(&self) -> Names<'c> {
        Names { vocabulary: self.vocabulary, declared: self.declared, sink: self.sink }
    }

    /// The place of a byte range of a scalar's text.
    #[must_use]
    pub fn place(&self, node: &source::Node, start: usize, end: usize) -> Span {
        let text = self.sources.file(node.span.file).map_or("", |file| file.text.as_str());
        node.inner_span(text, start, end)
    }
}

/// How many steps one evaluation may take in the worst case.
const MOST_COST: u32 = 100_000;

/// Compiles a condition: an expression that is true or false.
pub fn compile(text: &source::Node, scope: Scope<'_>, facts: &mut FactTable) -> Option<Program> {
    let source::NodeKind::Text(written) = &text.kind else { return hint_at_quotes(text, scope.sink) };
    let place = |start: usize, end: usize| scope.place(text, start, end);
    let tree = parser::parse(written, &place).map_err(|diagnostic| scope.sink.push(diagnostic)).ok()?;
    let mut checker = Checker { scope, scalar: text.span, facts, bound: Vec::new(), cost: 0, filters: 0 };
    let node = checker.condition(&tree)?;
    checker.affordable(tree.span)?;
    let sensitivity = sensitivity(&node, facts);
    Some(Program { node, span: tree.span, text: written.trim().to_owned(), sensitivity })
}

/// Checks any expression, whatever its type; `scalar` is the YAML value that it stands in.
pub fn check(tree: &Expr, scalar: Span, scope: Scope<'_>, facts: &mut FactTable) -> Option<Checked> {
    Checker { scope, scalar, facts, bound: Vec::new(), cost: 0, filters: 0 }.check(tree)
}

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
pub struct Checked {
    /// What to evaluate.
    pub node: Node,
    /// The type of the result.
    pub kind: Type,
    /// The only texts that the result, or an element of it, can be.
    one_of: Option<Vec<CompactString>>,
}

impl Checked {
    /// A node made of others.
    fn of(node: Node, kind: Type) -> Self {
        match fold(node) {
            Node::Constant(value) => Self::constant(value),
            node => Self { node, kind, one_of: None },
        }
    }

    fn flag(node: Node) -> Self {
        Self::of(node, Type::Flag)
    }

    fn constant(value: Value) -> Self {
        let kind = value.kind();
        let one_of = match &value {
            Value::Text(text) => Some(vec![text.clone()]),
            Value::List(items) => Some(items.to_vec()),
            _ => None,
        };
        Self { node: Node::Constant(value), kind, one_of }
    }
}

/// Folds constants: a node with a value when all facts are unknown is constant, because in Kleene's logic more
/// knowledge never changes a known value.
fn fold(node: Node) -> Node {
    struct Nothing;
    impl Facts for Nothing {
        fn read(&self, _: FactId) -> Operand<'_> {
            Operand::Unknown
        }
        fn has(&self, _: FactId) -> Truth {
            Truth::Unknown
        }
    }
    let value = evaluate(&node, &Nothing).to_value();
    value.map_or(node, Node::Constant)
}

/// A name that `exists` or `all` binds, and the only texts that it can be.
type Bound = (String, Option<Vec<CompactString>>);

struct Checker<'c, 'f> {
    scope: Scope<'c>,
    scalar: Span,
    facts: &'f mut FactTable,
    bound: Vec<Bound>,
    /// Steps in the worst case, without those of filters.
    cost: u32,
    /// Steps of filters: each is evaluated once, in whatever place.
    filters: u32,
}

impl Checker<'_, '_> {
    /// Refuses an expression with too many steps; called also before constants are folded.
    fn affordable(&self, span: Span) -> Option<()> {
        let cost = self.cost.saturating_add(self.filters);
        if cost <= MOST_COST {
            return Some(());
        }
        let message = format!("this may take {cost} steps, more than {MOST_COST}");
        let help = "look through fewer events and lists, or split the condition";
        self.refuse(span, code::EXPRESSION_TOO_COSTLY, message, help)
    }

    fn check(&mut self, expr: &Expr) -> Option<Checked> {
        self.cost = self.cost.saturating_add(1);
        match &expr.kind {
            ExprKind::Text(text) => Some(Checked::constant(Value::Text(normal(text).into()))),
            ExprKind::Number(number) => Some(Checked::constant(Value::Number(*number))),
            ExprKind::Flag(flag) => Some(Checked::constant(Value::Flag(*flag))),
            ExprKind::List(items) => {
                let texts = self.constants(items, Some(Type::Text))?.into_iter().map(|(value, _)| value.to_string());
                Some(Checked::constant(Value::List(texts.map(CompactString::from).collect())))
            }
            ExprKind::Name(_) | ExprKind::Select(..) => self.name(expr),
            ExprKind::Call { target, function, function_span, arguments } => {
                self.call(expr, target.as_deref(), (function, *function_span), arguments)
            }
            ExprKind::Unary(operator, inner) => self.unary(*operator, inner),
            ExprKind::Binary(operator, left, right) => self.binary(*operator, left, right, expr.span),
            ExprKind::Conditional(test, yes, no) => self.conditional(test, yes, no),
        }
    }

    /// Checks both, so that the mistakes of both are reported.
    fn both(&mut self, left: &Expr, right: &Expr) -> Option<(Checked, Checked)> {
        let (left, right) = (self.check(left), self.check(right));
        left.zip(right)
    }

    /// Checks an expression and its type.
    fn typed(&mut self, expr: &Expr, kind: Type) -> Option<Checked> {
        let checked = self.check(expr)?;
        self.expect(&checked, kind, expr)?;
        Some(checked)
    }

    /// Checks a condition; warns if it is constant.
    fn condition(&mut self, expr: &Expr) -> Option<Node> {
        let node = self.typed(expr, Type::Flag)?.node;
        self.warn_of_constant(&node, expr);
        Some(node)
    }

    /// Constants, of one type if it is known, each with its place.
    fn constants(&mut self, items: &[Expr], kind: Option<Type>) -> Option<Vec<(Value, Span)>> {
        let values: Vec<_> = items.iter().map(|item| self.plain_value(item, kind)).collect();
        values.into_iter().collect()
    }

    fn plain_value(&mut self, item: &Expr, kind: Option<Type>) -> Option<(Value, Span)> {
        let checked = self.check(item)?;
        self.expect(&checked, kind.unwrap_or(checked.kind), item)?;
        match checked.node {
            Node::Constant(value) => Some((value, item.span)),
            _ => {
                let help = "compare with facts one by one, joined with `||`";
                self.refuse(item.span, code::EXPRESSION_WRONG_TYPE, "a list holds plain values, not facts", help)
            }
        }
    }

    fn intern(&mut self, key: String, entry: FactEntry) -> Option<Checked> {
        let (kind, one_of) = (entry.kind, entry.one_of.clone());
        let node = Node::Fact(self.facts.intern(key, entry));
        Some(Checked { node, kind, one_of })
    }
}

#[cfg(test)]
mod tests;
