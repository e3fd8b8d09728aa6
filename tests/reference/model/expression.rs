//! Expressions: what a condition says, as a tree.
//!
//! docs/expressions.md, "Grammar". `parse` reads the text, `evaluate` says what comes out (true, false, unknown),
//! `possible` what could come out if personal facts that are withheld were known.

pub mod evaluate;
pub mod parse;
pub mod possible;

use super::super::story::Value;

/// A part of an expression. Two parts are the same fact if they are equal, however the rule spaced them.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Literal(Value),
    /// `customer.contract`, `journey.care.stage`, `now`, or a name that `exists` or `all` binds.
    Fact(String),
    /// `events.count("order", "30d")`, `has(x)`, `size(x)`: the whole name, and what stands in the brackets.
    Call(String, Vec<Expr>),
    /// `x.startsWith("a")`: on what, the name, and what stands in the brackets.
    Method(Box<Expr>, String, Vec<Expr>),
    Not(Box<Expr>),
    Minus(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `test ? a : b`
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    List(Vec<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Expr {
    /// Every part, this one first. What stands in `has(…)` counts, too.
    pub fn parts(&self) -> Vec<&Expr> {
        let mut all = vec![self];
        for part in self.inner() {
            all.extend(part.parts());
        }
        all
    }

    /// The parts that it is put together from.
    pub fn inner(&self) -> Vec<&Expr> {
        match self {
            Expr::Literal(_) | Expr::Fact(_) => vec![],
            Expr::Call(_, arguments) | Expr::List(arguments) => arguments.iter().collect(),
            Expr::Method(on, _, arguments) => std::iter::once(on.as_ref()).chain(arguments).collect(),
            Expr::Not(x) | Expr::Minus(x) => vec![x],
            Expr::Binary(_, a, b) => vec![a, b],
            Expr::Choice(test, a, b) => vec![test, a, b],
        }
    }
}

/// A condition: one expression, or several put together. docs/rules.md, "Conditions".
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    One(Expr),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    None(Vec<Condition>),
}

impl Condition {
    /// Every expression in it.
    pub fn expressions(&self) -> Vec<&Expr> {
        match self {
            Condition::One(expression) => vec![expression],
            Condition::All(entries) | Condition::Any(entries) | Condition::None(entries) => {
                entries.iter().flat_map(Condition::expressions).collect()
            }
        }
    }
}
