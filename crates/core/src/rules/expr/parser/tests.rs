//! The trees of expressions, the messages of mistakes, and the limits.

use super::{MAX_BYTES, MAX_HEIGHT, parse};
use crate::domain::sources::{FileId, Span};
use crate::rules::diagnostic::Diagnostic;
use crate::rules::expr::ast::{Expr, ExprKind};
use crate::rules::expr::print::print;
use proptest::prelude::*;

fn exact(start: usize, end: usize) -> Span {
    Span { file: FileId(0), start: start as u32, end: end as u32 }
}

fn read(text: &str) -> Result<Expr, Diagnostic> {
    parse(text, &exact)
}

/// Checks the message, the marked text and the replacement of a mistake.
fn check_mistake(written: &str, message: &str, marked: &str, replacement: Option<&str>) {
    let problem = read(written).unwrap_err();
    assert_eq!(problem.message, message, "{written}");
    assert_eq!(&written[problem.span.start as usize..problem.span.end as usize], marked, "{written}");
    assert_eq!(problem.replacement.as_deref(), replacement, "{written}");
}

/// The children of a node.
fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::List(items) => items.iter().collect(),
        ExprKind::Select(target, ..) | ExprKind::Unary(_, target) => vec![target],
        ExprKind::Call { target, arguments, .. } => target.as_deref().into_iter().chain(arguments).collect(),
        ExprKind::Binary(_, left, right) => vec![left, right],
        ExprKind::Conditional(condition, then, otherwise) => vec![condition, then, otherwise],
        _ => Vec::new(),
    }
}

fn height(expr: &Expr) -> u32 {
    1 + children(expr).into_iter().map(height).max().unwrap_or(0)
}

/// The marked text of each node, in preorder.
fn spans<'t>(text: &'t str, expr: &Expr, into: &mut Vec<&'t str>) {
    into.push(&text[expr.span.start as usize..expr.span.end as usize]);
    for child in children(expr) {
        spans(text, child, into);
    }
}

#[test]
fn marks_whole_subexpressions() {
    let text = r#"é.a == "ü" "#.replace('é', "e");
    let mut found = Vec::new();
    spans(&text, &read(&text).unwrap(), &mut found);
    assert_eq!(found, [r#"e.a == "ü""#, "e.a", "e", r#""ü""#]);

    let text = "!(a + -1) && f(x, [y]).z ? b : c";
    let mut found = Vec::new();
    spans(text, &read(text).unwrap(), &mut found);
    let expected = [
        text,
        "!(a + -1) && f(x, [y]).z",
        "!(a + -1)",
        "(a + -1)",
        "a",
        "-1",
        "f(x, [y]).z",
        "f(x, [y])",
        "x",
        "[y]",
        "y",
        "b",
        "c",
    ];
    assert_eq!(found, expected);
}

#[test]
fn marks_names_of_functions_and_members() {
    let tree = read("events.count('a').b").unwrap();
    let ExprKind::Select(target, name, span) = tree.kind else { panic!("not a select") };
    assert_eq!((name.as_str(), span), ("b", exact(18, 19)));
    let ExprKind::Call { function, function_span, .. } = target.kind else { panic!("not a call") };
    assert_eq!((function.as_str(), function_span), ("count", exact(7, 12)));
}

#[test]
fn names_mistakes() {
    check_mistake("", "this expression is empty", "", None);
    check_mistake("  // a", "this expression is empty", "  // a", None);
    check_mistake("a and b", "`and` is not an operator", "and", Some("&&"));
    check_mistake("a OR b", "`OR` is not an operator", "OR", Some("||"));
    check_mistake("a is 3", "`is` is not an operator", "is", Some("=="));
    check_mistake("a is not 3", "`is` is not an operator", "is", None);
    check_mistake("a not in b", "an operator is missing before `not`", "not", None);
    check_mistake("a !in b", "`!` stands before a condition, not behind a value", "!", None);
    check_mistake("not a", "`not` is not an operator", "not", None);
    check_mistake("a && not (b)", "`not` is not an operator", "not ", Some("!"));
    check_mistake("a < 5 days", "`5 days` is a duration without quotes", "5 days", None);
    check_mistake("f(a, 30 d)", "`30 d` is a duration without quotes", "30 d", None);
    check_mistake("a < 5 apples", "an operator is missing before `apples`", "apples", None);
    check_mistake("a contains 'b'", "an operator is missing before `contains`", "contains", None);
    check_mistake("a 'b'", "an operator is missing before `'b'`", "'b'", None);
    check_mistake("a &&", "a value is missing after `&&`", "&&", None);
    check_mistake("&& a", "a value is missing before `&&`", "&&", None);
    check_mistake("a && || b", "a value is missing between `&&` and `||`", "&& ||", None);
    check_mistake("f(a,)", "a value is missing between `,` and `)`", ",)", None);
    check_mistake("()", "a value is missing between `(` and `)`", "()", None);
    check_mistake("(a && (b)", "this `(` is never closed", "(", None);
    check_mistake("f(a", "this `(` is never closed", "(", None);
    check_mistake("[a, b", "this `[` is never closed", "[", None);
    check_mistake("(a]", "`)` should stand here, not `]`", "]", None);
    check_mistake("a)", "this `)` closes nothing", ")", None);
    check_mistake("a, b", "`,` stands only between arguments and between list entries", ",", None);
    check_mistake("a : b", "`:` has no `?` before it", ":", None);
    check_mistake("a ? b", "a `:` is missing here", "", None);
    check_mistake("a ? b ? c : d : e", "a `?` inside a `?` needs parentheses", "?", None);
    check_mistake("a.", "a name is missing after `.`", ".", None);
    check_mistake("a.true", "`true` cannot stand behind a `.`", "true", None);
    check_mistake("a[0]", "`[...]` behind a value is left out of the language", "[", None);
    check_mistake("a['b']", "`[...]` behind a value is left out of the language", "['b']", Some(".b"));
    check_mistake("{a: b}", "`{` is left out of the language: there are no maps", "{", None);
    check_mistake("Foo{}", "`{` is left out of the language: there are no maps", "{", None);
    check_mistake("a == null", "`null` is not a value here", "null", None);
    check_mistake("a == True", "`True` is not a name", "True", Some("true"));
    check_mistake("for == 1", "`for` is a reserved word", "for", None);
    check_mistake("1 < x <= 5", "comparisons do not chain", "<=", Some("&& x <="));
    check_mistake("a + + b", "a value is missing between `+` and `+`", "+ +", None);
}

#[test]
fn offers_only_replacements_that_fit() {
    let whole = |_, _| exact(0, 40);
    assert_eq!(parse("a = b", &whole).unwrap_err().replacement, None);
    assert_eq!(parse("a = b", &whole).unwrap_err().span, exact(0, 40));
    assert_eq!(read("not (a)").unwrap_err().replacement, None);
}

#[test]
fn keeps_the_limits() {
    let long = format!("a == \"{}\"", "x".repeat(MAX_BYTES));
    assert_eq!(read(&long).unwrap_err().code.to_string(), "T0211");
    for (opening, count) in
        [("(", 2000), ("[", 2000), ("!", 2000), ("-", 2000), ("f(", 1000), ("a?b:", 500), ("-(", 1000)]
    {
        let problem = read(&(opening.repeat(count) + "a")).unwrap_err();
        assert_eq!(problem.code.to_string(), "T0211", "{opening}");
    }
    for (link, count) in [("+a", 1000), (".a", 1000), (".f()", 500), ("*a", 1000), ("==a", 600), (".f(a)", 400)] {
        let problem = read(&format!("a{}", link.repeat(count))).unwrap_err();
        assert_eq!(problem.code.to_string(), "T0211", "{link}");
    }
    assert_eq!(read(&vec!["a"; 300].join("&&")).unwrap_err().code.to_string(), "T0211");
}

#[test]
fn balances_long_chains() {
    for count in 2..=200 {
        let tree = read(&vec!["a"; count].join(" || ")).unwrap();
        assert_eq!(height(&tree), 1 + count.next_power_of_two().ilog2(), "{count}");
    }
}

#[test]
fn nests_as_deep_as_it_says() {
    let nested = format!("{}a{}", "(".repeat(31), ")".repeat(31));
    assert!(read(&nested).is_ok());
    let mixed = format!("{}a{}", "f(a || b && c == d + -".repeat(15), ")".repeat(15));
    assert!(read(&mixed).is_ok(), "{:?}", read(&mixed));
}

#[test]
fn needs_little_stack() {
    let nested = format!("{}a", "f(a || b && c == d + e * ".repeat(70));
    let parse = move || assert_eq!(read(&nested).unwrap_err().code.to_string(), "T0211");
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(parse).unwrap();
    thread.join().unwrap();
}

fn atom() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-h]{1,3}".prop_map(|name| format!("x{name}")),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(|value| format!("{value:?}")),
        (0_u64..1 << 53).prop_map(|value| value.to_string()),
        any::<String>().prop_map(|text| format!("\"{}\"", text.replace(|c: char| !c.is_alphanumeric(), "'"))),
        Just("true".to_owned()),
        Just("customer.contract".to_owned()),
        Just("events.count('page_view', \"7d\", event.page == r'fibre')".to_owned()),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    atom().prop_recursive(5, 40, 3, |inner| {
        let sign = prop::sample::select(vec!["&&", "||", "==", "!=", "in", "+", "-", "*", "/", "%"]);
        prop_oneof![
            (inner.clone(), sign, inner.clone()).prop_map(|(left, sign, right)| format!("{left} {sign} {right}")),
            inner.clone().prop_map(|inner| format!("({inner})")),
            inner.clone().prop_map(|inner| format!("!({inner})")),
            inner.clone().prop_map(|inner| format!("- {inner}")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : {c}")),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            (inner.clone(), inner).prop_map(|(target, argument)| format!("({target}).f({argument})")),
        ]
    })
}

/// The tree without its places.
fn bare(expr: &Expr) -> Expr {
    let below = |inner: &Expr| Box::new(bare(inner));
    let kind = match &expr.kind {
        ExprKind::List(items) => ExprKind::List(items.iter().map(bare).collect()),
        ExprKind::Select(target, name, _) => ExprKind::Select(below(target), name.clone(), Span::default()),
        ExprKind::Call { target, function, arguments, .. } => ExprKind::Call {
            target: target.as_deref().map(below),
            function: function.clone(),
            function_span: Span::default(),
            arguments: arguments.iter().map(bare).collect(),
        },
        ExprKind::Unary(operator, operand) => ExprKind::Unary(*operator, below(operand)),
        ExprKind::Binary(operator, left, right) => ExprKind::Binary(*operator, below(left), below(right)),
        ExprKind::Conditional(a, b, c) => ExprKind::Conditional(below(a), below(b), below(c)),
        leaf => leaf.clone(),
    };
    Expr { span: Span::default(), kind }
}

/// Checks what holds for every text: no panic, bounded trees, and printing that is undone by parsing.
fn check_any(text: &str) {
    match read(text) {
        Ok(tree) => {
            assert!(height(&tree) <= MAX_HEIGHT);
            let printed = print(&tree);
            if let Ok(again) = read(&printed) {
                assert_eq!(bare(&again), bare(&tree), "{text}");
                assert_eq!(print(&again), printed, "{text}");
            } else {
                assert!(printed.len() > MAX_BYTES, "{text} -> {printed}: {:?}", read(&printed));
            }
        }
        Err(problem) => {
            assert!((201..=214).contains(&problem.code.0));
            assert!(problem.span.start <= problem.span.end && problem.span.end as usize <= text.len(), "{problem:?}");
            assert!(text.get(problem.span.start as usize..problem.span.end as usize).is_some(), "{problem:?}");
        }
    }
}

proptest! {
    #[test]
    fn survives_any_text(text in any::<String>()) {
        check_any(&text);
    }

    #[test]
    fn survives_any_symbols(text in r#"[a1.,()\[\]{}!=<>&|?:+*/%\-"' \\rbu“é\n]{0,60}"#) {
        check_any(&text);
    }

    #[test]
    fn reads_back_what_it_prints(text in expression()) {
        prop_assert!(read(&text).is_ok() || text.len() > MAX_BYTES, "{}: {:?}", text, read(&text));
        check_any(&text);
    }

    #[test]
    fn survives_mutations(text in expression(), at in any::<prop::sample::Index>(), with in r#"[ \PC"'(){}\[\]&|=!.]{0,3}"#) {
        let mut characters: Vec<char> = text.chars().collect();
        let place = at.index(characters.len());
        characters.splice(place..=place, with.chars());
        check_any(&characters.into_iter().collect::<String>());
    }
}
