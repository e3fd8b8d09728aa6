//! A checked expression: typed, with names resolved to facts. Nothing in it can fail.

use compact_str::CompactString;
use regex::Regex;

use crate::domain::expr::FactId;
use crate::domain::sources::Span;
use crate::domain::value::Value;

/// A checked expression.
#[derive(Debug, Clone)]
pub struct Program {
    /// What to evaluate.
    pub node: Node,
    /// Where it is written.
    pub span: Span,
    /// The source text, for explanations.
    pub text: String,
    /// The highest sensitivity among the facts it reads, from 0 to 1.
    pub sensitivity: f64,
}

/// One step of evaluation.
#[derive(Debug, Clone)]
pub enum Node {
    /// A value.
    Constant(Value),
    /// A fact.
    Fact(FactId),
    /// An element bound by `exists` or `all`, counted from the innermost, so that a subexpression means the same in
    /// every place.
    Variable(usize),
    /// Whether a fact has a value.
    Has(FactId),
    /// `!`
    Not(Box<Self>),
    /// `&&`
    And(Vec<Self>),
    /// `||`
    Or(Vec<Self>),
    /// `==`, `<` and the other comparisons
    Compare(Comparison, Box<[Self; 2]>),
    /// `x in [constants]`
    AnyOf(Box<Self>, Vec<Value>),
    /// `text in list`
    Member(Box<[Self; 2]>),
    /// `-x`
    Negate(Box<Self>),
    /// `+ - * / %`
    Arithmetic(Arithmetic, Box<[Self; 2]>),
    /// `a ? b : c`
    Choose(Box<[Self; 3]>),
    /// `size(x)`
    Size(Box<Self>),
    /// `startsWith`, `endsWith`, `contains`
    TextTest(TextTest, Box<[Self; 2]>),
    /// `matches`
    Matches(Box<Self>, Pattern),
    /// `list.exists(x, …)`
    Exists(Box<[Self; 2]>),
    /// `list.all(x, …)`
    All(Box<[Self; 2]>),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
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
}

impl Comparison {
    /// True exactly where this one is false.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Greater => Self::LessOrEqual,
            Self::GreaterOrEqual => Self::Less,
        }
    }

    /// The comparison with its operands swapped.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

/// Arithmetic on two numbers, moments or durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
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

/// A test of two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextTest {
    /// `startsWith`
    StartsWith,
    /// `endsWith`
    EndsWith,
    /// `contains`
    Contains,
}

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub struct Pattern(pub Regex);

impl Node {
    /// A text constant.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Constant(Value::Text(CompactString::from(text)))
    }

    /// Visits every fact that the node reads directly; filters inside facts are not entered.
    pub fn visit_facts(&self, visit: &mut impl FnMut(FactId)) {
        match self {
            Self::Fact(id) | Self::Has(id) => visit(*id),
            Self::Constant(_) | Self::Variable(_) => {}
            Self::Not(inner)
            | Self::Negate(inner)
            | Self::Size(inner)
            | Self::AnyOf(inner, _)
            | Self::Matches(inner, _) => {
                inner.visit_facts(visit);
            }
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.visit_facts(visit)),
            Self::Compare(_, pair)
            | Self::Arithmetic(_, pair)
            | Self::TextTest(_, pair)
            | Self::Member(pair)
            | Self::Exists(pair)
            | Self::All(pair) => pair.iter().for_each(|part| part.visit_facts(visit)),
            Self::Choose(parts) => parts.iter().for_each(|part| part.visit_facts(visit)),
        }
    }
}
