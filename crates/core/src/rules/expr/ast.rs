//! The syntax tree of an expression, as parsed: names are not yet resolved, types not yet known.

use crate::domain::sources::Span;

/// One node with its place in the rule file (the whole subexpression, not only its operator).
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// Its place in the rule file.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// The shapes an expression can take.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `"speed"`
    Text(String),
    /// `3`, `2.5`
    Number(f64),
    /// `true`
    Flag(bool),
    /// `["a", "b"]`
    List(Vec<Expr>),
    /// `pressure`
    Name(String),
    /// `customer.age`; the name's own span is last.
    Select(Box<Expr>, String, Span),
    /// `events.count("page_view", "7d")`, `size(x)`; the function's name has its own span.
    Call {
        /// The value before the dot, if there is one.
        target: Option<Box<Expr>>,
        /// The function's name.
        function: String,
        /// The place of the name.
        function_span: Span,
        /// The arguments.
        arguments: Vec<Expr>,
    },
    /// `!x`, `-x`
    Unary(UnaryOperator, Box<Expr>),
    /// `a && b`
    Binary(BinaryOperator, Box<Expr>, Box<Expr>),
    /// `a ? b : c`
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
}

/// Operators before one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOperator {
    /// `!`
    Not,
    /// `-`
    Negate,
}

/// Operators between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOperator {
    /// `&&`
    And,
    /// `||`
    Or,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`
    In,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
}
