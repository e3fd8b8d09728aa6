//! Operators: the types of their operands and results.

use compact_str::CompactString;

use super::{Checked, Checker};
use crate::domain::expr::{Arithmetic, Comparison, Node};
use crate::domain::sources::Span;
use crate::domain::value::{Type, Value};
use crate::rules::code;
use crate::rules::expr::ast::{BinaryOperator, Expr, ExprKind, UnaryOperator};

impl Checker<'_, '_> {
    pub(super) fn unary(&mut self, operator: UnaryOperator, inner: &Expr) -> Option<Checked> {
        if operator == UnaryOperator::Not {
            return Some(Checked::flag(Node::Not(Box::new(self.condition(inner)?))));
        }
        let checked = self.check(inner)?;
        if matches!(checked.kind, Type::Number | Type::Duration) {
            return Some(Checked::of(Node::Negate(Box::new(checked.node)), checked.kind));
        }
        let message = format!("a {} has no opposite", checked.kind);
        self.refuse(inner.span, code::EXPRESSION_WRONG_TYPE, message, "`-` stands before numbers and durations")
    }

    pub(super) fn binary(
        &mut self,
        operator: BinaryOperator,
        left: &Expr,
        right: &Expr,
        span: Span,
    ) -> Option<Checked> {
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
        let (a, b) = (self.condition(left), self.condition(right));
        let mut parts = Vec::new();
        for node in [a?, b?] {
            match (operator, node) {
                (BinaryOperator::And, Node::And(inner)) | (BinaryOperator::Or, Node::Or(inner)) => parts.extend(inner),
                (_, node) => parts.push(node),
            }
        }
        let and = operator == BinaryOperator::And;
        Some(Checked::flag(if and { Node::And(parts) } else { Node::Or(parts) }))
    }

    fn within(&mut self, left: &Expr, right: &Expr) -> Option<Checked> {
        if let ExprKind::List(items) = &right.kind {
            return self.among(left, items, right.span);
        }
        let (item, list) = (self.typed(left, Type::Text), self.typed(right, Type::List));
        let (item, list) = (item?, list?);
        self.possible(&list, &item, left.span)?;
        Some(Checked::flag(Node::Member(Box::new([item.node, list.node]))))
    }

    /// `x in ["a", "b"]`
    fn among(&mut self, left: &Expr, items: &[Expr], span: Span) -> Option<Checked> {
        let item = self.check(left);
        if items.is_empty() {
            let help = "list the values, or remove the condition";
            return self.refuse(span, code::EMPTY_LIST, "nothing is in an empty list", help);
        }
        let values = self.constants(items, item.as_ref().map(|item| item.kind));
        let (item, values) = (item?, values?);
        let allowed: Vec<Option<Value>> = values
            .into_iter()
            .map(|(value, span)| self.possible(&item, &Checked::constant(value.clone()), span).map(|()| value))
            .collect();
        let values: Option<Vec<Value>> = allowed.into_iter().collect();
        Some(Checked::flag(Node::AnyOf(Box::new(item.node), values?)))
    }

    fn comparison(&mut self, how: Comparison, left: &Expr, right: &Expr) -> Option<Checked> {
        let (a, b) = self.both(left, right)?;
        if a.kind != b.kind {
            let message = format!("a {} is compared with a {}", a.kind, b.kind);
            return self.mismatch(message, (&a, left), (&b, right));
        }
        if !matches!(how, Comparison::Equal | Comparison::NotEqual) {
            self.ordered(&a, left)?;
            self.ordered(&b, right)?;
        }
        self.possible(&a, &b, right.span)?;
        self.possible(&b, &a, left.span)?;
        self.dated(&a, &b, right.span)?;
        self.dated(&b, &a, left.span)?;
        Some(Checked::flag(Node::Compare(how, Box::new([a.node, b.node]))))
    }

    /// Refuses `<` on values without an order, and on listed texts whose order is not alphabetical.
    fn ordered(&self, checked: &Checked, expr: &Expr) -> Option<()> {
        if matches!(checked.kind, Type::Flag | Type::List) {
            let message = format!("a {} is neither more nor less than another", checked.kind);
            return self.refuse(expr.span, code::EXPRESSION_WRONG_TYPE, message, "use `==` or `!=`");
        }
        match &checked.one_of {
            Some(texts) if !texts.is_sorted() => {
                let message = format!("texts compare by the alphabet, not in the order {}", texts.join(", "));
                let help = "name the values that you mean: `x in [\"a\", \"b\"]`";
                self.refuse(expr.span, code::EXPRESSION_WRONG_TYPE, message, help)
            }
            _ => Some(()),
        }
    }

    fn arithmetic(&mut self, how: Arithmetic, left: &Expr, right: &Expr, span: Span) -> Option<Checked> {
        use Arithmetic::{Add, Divide, Remainder, Subtract};
        use Type::{Duration, Moment, Number};
        let (a, b) = self.both(left, right)?;
        let kind = match (how, a.kind, b.kind) {
            (_, Number, Number) => Number,
            (Add | Subtract, Moment, Duration) | (Add, Duration, Moment) => Moment,
            (Subtract, Moment, Moment) | (Add | Subtract, Duration, Duration) => Duration,
            (_, left, right) => {
                let message = format!("a {left} and a {right} cannot be combined like this");
                let help = "numbers, moments and durations can be added and subtracted; texts cannot";
                return self.refuse(span, code::EXPRESSION_WRONG_TYPE, message, help);
            }
        };
        if matches!(how, Divide | Remainder) && matches!(b.node, Node::Constant(Value::Number(0.0))) {
            let help = "divide by another number";
            return self.refuse(right.span, code::EXPRESSION_ZERO, "this divides by zero", help);
        }
        self.bounded(Checked::of(Node::Arithmetic(how, Box::new([a.node, b.node])), kind), span)
    }

    pub(super) fn conditional(&mut self, test: &Expr, yes: &Expr, no: &Expr) -> Option<Checked> {
        let (test, both) = (self.condition(test), self.both(yes, no));
        let (test, (a, b)) = (test?, both?);
        if a.kind != b.kind {
            let message = format!("this comes out as a {} or as a {}", a.kind, b.kind);
            return self.mismatch(message, (&a, yes), (&b, no));
        }
        let one_of = a.one_of.zip(b.one_of).map(|(a, b)| union(a, b));
        Some(Checked { one_of, ..Checked::of(Node::Choose(Box::new([test, a.node, b.node])), a.kind) })
    }
}

fn union(mut a: Vec<CompactString>, b: Vec<CompactString>) -> Vec<CompactString> {
    for text in b {
        if !a.contains(&text) {
            a.push(text);
        }
    }
    a
}
