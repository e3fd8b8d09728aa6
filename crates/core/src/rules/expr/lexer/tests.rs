//! Literals, and the slips that show in single characters.

use super::{TokenKind, tokens};

fn check(written: &str, expected: TokenKind<'_>) {
    let tokens = tokens(written).unwrap();
    assert_eq!(tokens.len(), 2, "{written}: {tokens:?}");
    assert_eq!(tokens[0].kind, expected, "{written}");
}

/// Checks the message, the marked text and the replacement of a mistake.
fn check_mistake(written: &str, message: &str, marked: &str, replacement: Option<&str>) {
    let problem = tokens(written).unwrap_err();
    assert_eq!(problem.message, message, "{written}");
    assert_eq!(&written[problem.span.start as usize..problem.span.end as usize], marked, "{written}");
    assert_eq!(problem.replacement.as_deref(), replacement, "{written}");
}

#[test]
fn reads_numbers() {
    for (written, value) in [
        ("0", 0.0),
        ("42", 42.0),
        ("007", 7.0),
        ("2.5", 2.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.5E-2", 0.015),
        ("0xfF", 255.0),
    ] {
        check(written, TokenKind::Number(value));
    }
    check("9007199254740991", TokenKind::Number(9_007_199_254_740_991.0));
}

#[test]
fn reads_texts() {
    for (written, value) in [
        (r#""a""#, "a"),
        ("'a'", "a"),
        (r#""it's""#, "it's"),
        (r#"'a\'b'"#, "a'b"),
        (r#""\a\b\f\n\r\t\v\\\?\"\'\`""#, "\x07\x08\x0c\n\r\t\x0b\\?\"'`"),
        (r#""\x41\u00e9\U0001F600\101""#, "Aé😀A"),
        (r#"r"\d+\""#, r"\d+\"),
        ("R'a'", "a"),
        ("\"\"\"a \"b\"\nc\"\"\"", "a \"b\"\nc"),
        ("'''a'b'''", "a'b"),
        ("\"\"", ""),
        ("''''''", ""),
        ("\"straße €\"", "straße €"),
    ] {
        check(written, TokenKind::Text(value.to_owned()));
    }
}

#[test]
fn names_mistakes() {
    check_mistake("a = b", "`=` is not an operator", "=", Some("=="));
    check_mistake("a === b", "`===` is not an operator", "===", Some("=="));
    check_mistake("a => b", "`=>` is not an operator", "=>", Some(">="));
    check_mistake("a <> b", "`<>` is not an operator", "<>", Some("!="));
    check_mistake("a ≥ b", "`≥` is not an operator", "≥", Some(">="));
    check_mistake("a & b", "`&` is not an operator", "&", Some("&&"));
    check_mistake("a | b", "`|` is not an operator", "|", Some("||"));
    check_mistake("é && b", "`é` is not a name", "é", None);
    check_mistake("a.straße", "`straße` is not a name", "straße", None);
    check_mistake("a\u{a0}== b", "an invisible character, U+00A0, stands here", "\u{a0}", Some(" "));
    check_mistake("a == “b c”", "typographic quotes do not make a text", "“b c”", None);
    check_mistake("a == “b c” || c == 'd'", "typographic quotes do not make a text", "“b c”", Some("'b c'"));
    check_mistake("a == “b", "a typographic quote does not begin a text", "“", None);
    check_mistake("a # b", "`#` means nothing in an expression", "#", None);
    check_mistake("a == \"b", "this text is never closed with `\"`", "\"b", None);
    check_mistake("'a\nb'", "this text is never closed with `'`", "'a", None);
    check_mistake(r#"x.matches("\d")"#, r"`\d` is not an escape", r"\d", Some(r"\\d"));
    check_mistake(r#""\ud800""#, r"`\u` is not an escape", r"\u", None);
    check_mistake(r#""\xé""#, r"`\x` is not an escape", r"\x", None);
    check_mistake("b'a'", "bytes are not a value here", "b", Some(""));
    check_mistake("3u", "`3u` is an unsigned number, which is not needed here", "3u", Some("3"));
    check_mistake("now - 14d", "`14d` is not a number", "14d", None);
    check_mistake("'a' == now - 14d", "`14d` is not a number", "14d", Some("duration('14d')"));
    check_mistake("12abc", "`12abc` is neither a number nor a name", "12abc", None);
    check_mistake("0x", "`0x` is neither a number nor a name", "0x", None);
    check_mistake("9007199254740992", "`9007199254740992` is too large", "9007199254740992", None);
    check_mistake("1e999", "`1e999` is too large", "1e999", None);
}
