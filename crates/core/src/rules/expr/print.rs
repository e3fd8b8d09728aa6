//! Writes a syntax tree as text: equal trees give equal texts, different trees different ones.
//!
//! The text is a structural key: two facts are one fact if they print alike. Spaces, comments, the kind of quotes and
//! needless parentheses of the source are not preserved; parsing the text gives the same tree. Trees are those of
//! [`super::parser`], whose height is bounded.

use super::ast::{BinaryOperator, Expr, ExprKind, UnaryOperator};

/// The canonical text of a tree.
#[must_use]
pub fn print(expr: &Expr) -> String {
    let mut text = String::new();
    write_expr(&mut text, expr);
    text
}

fn write_expr(text: &mut String, expr: &Expr) {
    match &expr.kind {
        ExprKind::Text(value) => write_text(text, value),
        ExprKind::Number(value) => write_number(text, *value),
        ExprKind::Flag(value) => text.push_str(if *value { "true" } else { "false" }),
        ExprKind::Name(name) => text.push_str(name),
        ExprKind::List(items) => write_items(text, '[', items, ']'),
        ExprKind::Select(target, name, _) => {
            write_target(text, target);
            text.push_str(name);
        }
        ExprKind::Call { target, function, arguments, .. } => {
            if let Some(target) = target {
                write_target(text, target);
            }
            text.push_str(function);
            write_items(text, '(', arguments, ')');
        }
        ExprKind::Unary(operator, operand) => write_unary(text, *operator, operand),
        ExprKind::Binary(operator, left, right) => write_binary(text, *operator, left, right),
        ExprKind::Conditional(condition, then, otherwise) => {
            write_within(text, condition, CONDITIONAL + 1);
            text.push_str(" ? ");
            write_within(text, then, CONDITIONAL + 1);
            text.push_str(" : ");
            write_expr(text, otherwise);
        }
    }
}

/// `(3).f()` keeps its parentheses: `-3.f()` is not `-(3.f())`.
fn write_target(text: &mut String, target: &Expr) {
    write_operand(text, target, MEMBER);
    text.push('.');
}

/// Writes the operand of a sign or of a dot; a bare number would become one literal with the sign.
fn write_operand(text: &mut String, operand: &Expr, least: u8) {
    let number = matches!(operand.kind, ExprKind::Number(_));
    write_within(text, operand, if number { MEMBER + 1 } else { least });
}

/// `-(3)` keeps its parentheses: `-3` is a literal.
fn write_unary(text: &mut String, operator: UnaryOperator, operand: &Expr) {
    match operator {
        UnaryOperator::Not => text.push('!'),
        UnaryOperator::Negate => text.push('-'),
    }
    write_operand(text, operand, UNARY);
}

/// Only arithmetic, which the parser chains to the left, needs no parentheses on that side.
fn write_binary(text: &mut String, operator: BinaryOperator, left: &Expr, right: &Expr) {
    let (sign, binding) = sign(operator);
    let chains = binding >= ADDITION;
    write_within(text, left, if chains { binding } else { binding + 1 });
    text.push(' ');
    text.push_str(sign);
    text.push(' ');
    write_within(text, right, binding + 1);
}

/// Writes a subexpression, in parentheses unless it binds at least as tightly as `least`.
fn write_within(text: &mut String, expr: &Expr, least: u8) {
    if binding(expr) >= least {
        return write_expr(text, expr);
    }
    text.push('(');
    write_expr(text, expr);
    text.push(')');
}

fn write_items(text: &mut String, opening: char, items: &[Expr], closing: char) {
    text.push(opening);
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            text.push_str(", ");
        }
        write_expr(text, item);
    }
    text.push(closing);
}

fn write_text(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            c if c.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
}

/// Integers without a fraction; other numbers as the shortest text that parses to the same number.
fn write_number(text: &mut String, value: f64) {
    let integer = value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_991.0;
    text.push_str(&if integer { format!("{value}") } else { format!("{value:?}") });
}

const CONDITIONAL: u8 = 0;
const ADDITION: u8 = 4;
const UNARY: u8 = 6;
const MEMBER: u8 = 7;

fn binding(expr: &Expr) -> u8 {
    match &expr.kind {
        ExprKind::Conditional(..) => CONDITIONAL,
        ExprKind::Binary(operator, ..) => sign(*operator).1,
        ExprKind::Unary(..) => UNARY,
        _ => MEMBER,
    }
}

fn sign(operator: BinaryOperator) -> (&'static str, u8) {
    match operator {
        BinaryOperator::Or => ("||", 1),
        BinaryOperator::And => ("&&", 2),
        BinaryOperator::Equal => ("==", 3),
        BinaryOperator::NotEqual => ("!=", 3),
        BinaryOperator::Less => ("<", 3),
        BinaryOperator::LessOrEqual => ("<=", 3),
        BinaryOperator::Greater => (">", 3),
        BinaryOperator::GreaterOrEqual => (">=", 3),
        BinaryOperator::In => ("in", 3),
        BinaryOperator::Add => ("+", ADDITION),
        BinaryOperator::Subtract => ("-", ADDITION),
        BinaryOperator::Multiply => ("*", 5),
        BinaryOperator::Divide => ("/", 5),
        BinaryOperator::Remainder => ("%", 5),
    }
}

#[cfg(test)]
mod tests {
    use super::print;
    use crate::domain::sources::{FileId, Span};
    use crate::rules::expr::parser::parse;

    fn check(written: &str, expected: &str) {
        let place = |start, end| Span { file: FileId(0), start: start as u32, end: end as u32 };
        let tree = parse(written, &place).unwrap();
        let printed = print(&tree);
        assert_eq!(printed, expected, "{written}");
        assert_eq!(print(&parse(&printed, &place).unwrap()), expected, "{written}");
    }

    #[test]
    fn writes_one_text_for_one_tree() {
        check("a  ==\t'b' // c", r#"a == "b""#);
        check("((a))", "a");
        check("a && b && c && d", "(a && b) && (c && d)");
        check("a && (b && c)", "a && (b && c)");
        check("a || b && !c", "a || b && !c");
        check("(a || b) && c", "(a || b) && c");
        check("!(a == b)", "!(a == b)");
        check("- - x", "--x");
        check("-(3)", "-(3)");
        check("-3", "-3");
        check("-0", "0");
        check("-0.0", "0");
        check("0x1F + 1e300 + .5", "31 + 1e300 + 0.5");
        check("1e3", "1000");
        check("a - b - c", "a - b - c");
        check("a - (b - c)", "a - (b - c)");
        check("(a * b) % c", "a * b % c");
        check("a * (b % c)", "a * (b % c)");
        check("(a == b) == c", "(a == b) == c");
        check("a == b == c", "(a == b) == c");
        check("a in ['x',]", r#"a in ["x"]"#);
        check("(a + b).size()", "(a + b).size()");
        check("(a ? b : c) ? d : e ? f : g", "(a ? b : c) ? d : e ? f : g");
        check(
            r#"events.count("page_view","7d",event.page=='f')"#,
            r#"events.count("page_view", "7d", event.page == "f")"#,
        );
        check(r#"r'\d"' + "\n\x01\u00e9""#, r#""\\d\"" + "\n\u0001é""#);
    }
}
