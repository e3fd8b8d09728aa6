//! Values, places, the messages of mistakes, and robustness against any input.

use super::value::compare_readers;
use super::{MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, Node, NodeKind, Style, read};
use crate::domain::sources::{FileId, Span};
use crate::rules::code::{CATALOGUE, READERS_DISAGREE};
use crate::rules::diagnostic::Diagnostic;
use proptest::prelude::*;

fn read_all(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let node = read(FileId(3), text, &mut diagnostics);
    (node, diagnostics)
}

fn slice(text: &str, span: Span) -> &str {
    assert_eq!(span.file, FileId(3));
    text.get(span.start as usize..span.end as usize).expect("a span on character boundaries")
}

/// A node as text: scalars with their source, so that values and places are checked at once.
fn show(text: &str, node: &Node) -> String {
    let written = slice(text, node.span);
    match &node.kind {
        NodeKind::Null => "null".to_owned(),
        NodeKind::Flag(flag) => format!("{flag}"),
        NodeKind::Number(number) => format!("{number}"),
        NodeKind::Text(value) if value == written => format!("{value:?}"),
        NodeKind::Text(value) => format!("{value:?} from <{written}>"),
        NodeKind::List(items) => {
            let items: Vec<String> = items.iter().map(|item| show(text, item)).collect();
            format!("[{}]", items.join(", "))
        }
        NodeKind::Map(entries) => {
            let entry = |entry: &super::Entry| format!("{}: {}", slice(text, entry.key.span), show(text, &entry.value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

fn check(text: &str, expected: &str) {
    let (node, diagnostics) = read_all(text);
    assert_eq!(diagnostics, [], "{text}");
    let node = node.unwrap();
    assert_eq!(show(text, &node), expected, "{text}");
    let mut disagreements = Vec::new();
    compare_readers(text, &node, &mut disagreements);
    assert_eq!(disagreements, [], "{text}");
}

/// Checks each mistake as `code`, marked text and replacement (empty for none).
fn check_mistakes(text: &str, expected: &[(&str, &str, &str)]) {
    let (_, diagnostics) = read_all(text);
    let found: Vec<(String, &str, String)> = diagnostics
        .iter()
        .map(|found| (found.code.to_string(), slice(text, found.span), found.replacement.clone().unwrap_or_default()))
        .collect();
    let expected: Vec<(String, &str, String)> =
        expected.iter().map(|(code, marked, replacement)| ((*code).into(), *marked, (*replacement).into())).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn reads_values_with_places() {
    check("a: b", r#"{a: "b"}"#);
    check("\u{feff}a: b\r\nc: 1\r\n", r#"{a: "b", c: 1}"#);
    check("# é\né: ü # ö\nß: [ä, 'ö', \"ü\"]\n", r#"{é: "ü", ß: ["ä", "ö" from <'ö'>, "ü" from <"ü">]}"#);
    check(
        "a: 1\nb: -2.5\nc: true\nd: ~\ne:\nf: null\ng: 0x1f",
        "{a: 1, b: -2.5, c: true, d: null, e: null, f: null, g: 31}",
    );
    check(
        "a: 30 days\nb: 2024-01-01\nc: 1.2.3\nd: -x\ne: ---",
        r#"{a: "30 days", b: "2024-01-01", c: "1.2.3", d: "-x", e: "---"}"#,
    );
    check("'a b': \"x\\ny\"", r#"{'a b': "x\ny" from <"x\ny">}"#);
    check("- a\n-\n  - b\n- {c: d, e: [f]}\n", r#"["a", ["b"], {c: "d", e: ["f"]}]"#);
    check("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{a: \"x\\ny\\n\" from <x\n  y>, b: \"x y\" from <x\n  y>}");
    check("a: x\n  y\n", "{a: \"x y\" from <x\n  y>}");
    check("'it''s': 'it''s' # 'c'\n", r#"{'it''s': "it's" from <'it''s'>}"#);
    check("--- # start\na: {b: }\n...\n", "{a: {b: null}}");
    check(
        "a: context.topic == \"a\" # b\nb: Don't (really) # c",
        r#"{a: "context.topic == \"a\"", b: "Don't (really)"}"#,
    );
    check("a: {text: Don't, b: c}", r#"{a: {text: "Don't", b: "c"}}"#);
    check("a: {when: x == \"b\", c: (d)}", r#"{a: {when: "x == \"b\"", c: "(d)"}}"#);
    check("true: x\n".replace("true", "'true'").as_str(), r#"{'true': "x"}"#);
}

#[test]
fn reports_where_two_readers_differ() {
    let (node, _) = read_all("a: [1, x]\nb: c\n");
    let node = node.unwrap();
    for (text, differ) in [("a: [1, x]\nb: c\n", 0), ("a: [2, x]\nb: d\n", 2), ("a: [1]\nd: c\n", 2), ("a: [", 1)] {
        let mut found = Vec::new();
        compare_readers(text, &node, &mut found);
        assert_eq!(found.len(), differ, "{text}: {found:?}");
        assert!(found.iter().all(|found| found.code == READERS_DISAGREE));
    }
}

#[test]
fn keeps_styles_and_spans_of_collections() {
    let text = "a:\n  - b: 'x'\n    c: \"y\"\nd: [1]\ne: |\n  z\n";
    let (node, _) = read_all(text);
    let NodeKind::Map(entries) = node.unwrap().kind else { panic!("not a map") };
    let styles: Vec<(Style, &str)> =
        entries.iter().map(|entry| (entry.value.style, slice(text, entry.value.span))).collect();
    assert_eq!(styles, [(Style::Block, "- b: 'x'\n    c: \"y\""), (Style::Flow, "[1]"), (Style::Block, "z")]);
}

/// Checks that each `(inner text, marked source)` is mapped so.
fn check_inner(text: &str, pairs: &[(&str, &str)]) {
    let (node, _) = read_all(text);
    let NodeKind::Map(entries) = node.unwrap().kind else { panic!("not a map") };
    let node = &entries[0].value;
    let NodeKind::Text(value) = &node.kind else { panic!("not text") };
    for (inner, marked) in pairs {
        let start = value.find(inner).unwrap();
        assert_eq!(slice(text, node.inner_span(text, start, start + inner.len())), *marked, "{text}: {inner}");
    }
}

#[test]
fn maps_places_within_scalars() {
    check_inner("é: a == \"ü\" && b", &[("a", "a"), ("\"ü\"", "\"ü\""), ("b", "b"), ("", "")]);
    check_inner("a: 'b == \"c\"' # d", &[("b", "b"), ("\"c\"", "\"c\"")]);
    check_inner("a: 'b == ''c'' || d'", &[("b", "b"), ("'c'", "''c''"), ("c", "c"), ("d", "d")]);
    check_inner("a: \"b == 'c'\"", &[("'c'", "'c'")]);
    check_inner("a: \"b\\u0020== c\"", &[("c", "\"b\\u0020== c\"")]);
    check_inner("a: b\n  && é\n  && c", &[("&& é", "&& é"), ("é && c", "é\n  && c"), ("c", "c")]);
    check_inner("a: >\n  b &&\n  c\n", &[("b &&", "b &&"), ("c", "c"), ("&& c", "&&\n  c")]);
    check_inner("a: |\n  b // x\n  && c\n", &[("// x\n&&", "// x\n  &&"), ("c", "c")]);
}

#[test]
fn refuses_before_parsing() {
    check_mistakes("", &[("T0004", "", "")]);
    check_mistakes("\u{feff}# é\n\n---\n", &[("T0004", "", "")]);
    check_mistakes("a: b\0c\nd: \u{7}", &[("T0002", "\0", ""), ("T0002", "\u{7}", "")]);
    check_mistakes("a: \u{2028}", &[("T0002", "\u{2028}", "")]);
    check_mistakes("a: \u{202e}", &[("T0002", "\u{202e}", "")]);
    check_mistakes("a: b\rc: d", &[("T0002", "\r", "")]);
    check_mistakes("a:\n\tb: c\n  \td: e\n", &[("T0003", "\t", ""), ("T0003", "\t", "")]);
    check_mistakes("%YAML 1.2\n---\na: b", &[("T0023", "%YAML 1.2", "")]);
    check_mistakes(&"#".repeat(MAX_FILE_BYTES + 1), &[("T0001", "", "")]);
    check_mistakes(&format!("[{}]", "a,".repeat(MAX_NODES + 1)), &[("T0007", "", "")]);
}

#[test]
fn refuses_what_goes_beyond_lists_maps_and_scalars() {
    check_mistakes("a: &b [c]\nd: *b", &[("T0008", "&b", ""), ("T0009", "*b", "")]);
    check_mistakes("a: !!str b\nc: !Ref d", &[("T0010", "!!str", ""), ("T0010", "!Ref", "")]);
    check_mistakes("<<: {a: b}", &[("T0011", "<<", "")]);
    check_mistakes("a: 1\nb: 2\n'a': 3", &[("T0012", "'a'", "")]);
    check_mistakes("{a: {b: 1, b: 2}}", &[("T0012", "b", "")]);
    check_mistakes("? [a]\n: b\n", &[("T0013", "[a]", "")]);
    check_mistakes(": b", &[("T0013", "", "")]);
    check_mistakes("a: b\n---\nc: d", &[("T0005", "---", "")]);
}

#[test]
fn says_where_a_duplicate_first_stood() {
    let text = "é: 1\na: 2\na: 3";
    let (_, diagnostics) = read_all(text);
    let (first, note) = diagnostics[0].related.clone().unwrap();
    assert_eq!((slice(text, first), first.start, note.as_str()), ("a", 6, "first here"));
}

#[test]
fn names_values_that_begin_with_a_sign() {
    check_mistakes("when: !context.x", &[("T0017", "!context.x", "'!context.x'")]);
    check_mistakes("- !has(x) && y == 'z'", &[("T0017", "!has(x) && y == 'z'", "\"!has(x) && y == 'z'\"")]);
    check_mistakes("a: {when: !has(x) && f(y, z), b: c}", &[("T0017", "!has(x) && f(y, z)", "'!has(x) && f(y, z)'")]);
    check_mistakes("when: *a == b", &[("T0017", "*a == b", "'*a == b'")]);
    check_mistakes("when: && b", &[("T0017", "&& b", "")]);
    check_mistakes("when: > 3 # x", &[("T0017", "> 3", "")]);
    check_mistakes("when: || x", &[("T0017", "|| x", "")]);
    check_mistakes("when: % 3", &[("T0017", "% 3", "'% 3'")]);
    check_mistakes("when: @x", &[("T0017", "@x", "'@x'")]);
    check_mistakes("- \"a\" == b.c", &[("T0017", "\"a\" == b.c", "'\"a\" == b.c'")]);
    check_mistakes("- 'a' in b.c", &[("T0017", "'a' in b.c", "\"'a' in b.c\"")]);
    check_mistakes("- [1, 2].exists(x, x)", &[("T0017", "[1, 2].exists(x, x)", "'[1, 2].exists(x, x)'")]);
}

#[test]
fn names_values_that_yaml_splits() {
    check_mistakes("{when: a in [\"x\", \"y\"], b: 3}", &[("T0020", "a in [\"x\", \"y\"]", "'a in [\"x\", \"y\"]'")]);
    check_mistakes("{when: f(\"a\", \"b\")}", &[("T0020", "f(\"a\", \"b\")", "'f(\"a\", \"b\")'")]);
    check_mistakes("{when: f(a, b), c: d}", &[("T0020", "f(a, b)", "'f(a, b)'")]);
    check_mistakes("{when: a == \"x, z\"}", &[("T0020", "a == \"x, z\"", "'a == \"x, z\"'")]);
    check_mistakes("[a, \"b\" == c]", &[("T0017", "\"b\" == c", "'\"b\" == c'")]);
    check_mistakes("{when: a ? b : c}", &[("T0027", "a ? b : c", "'a ? b : c'")]);
    check_mistakes("when: a ? b : c # d", &[("T0027", "a ? b : c", "'a ? b : c'")]);
    check_mistakes("- a ? b : c # d", &[("T0027", "a ? b : c", "'a ? b : c'")]);
    check_mistakes("[x, a == b : c, d]", &[("T0027", "a == b : c", "'a == b : c'")]);
    check_mistakes("title: Fibre: best", &[("T0027", "Fibre: best", "'Fibre: best'")]);
    check_mistakes("a: f(b, \"x #y\") # c", &[("T0018", "f(b, \"x #y\")", "'f(b, \"x #y\")'")]);
    check_mistakes("a: b\n  c: d\n    e: f\ng: h", &[("T0019", "c: d", "")]);
    check_mistakes("a: b # c\n  d: e\n", &[("T0019", "d: e", "")]);
    check_mistakes("x:\n  - a\n    - b\n", &[("T0019", "- b", "")]);
}

#[test]
fn names_what_readers_take_differently() {
    check_mistakes(
        "a: no\nb: Off\nc: Y",
        &[("T0016", "no", "\"no\""), ("T0016", "Off", "\"Off\""), ("T0016", "Y", "\"Y\"")],
    );
    check_mistakes(
        "on: a\ntrue: b\n~: c",
        &[("T0016", "on", "\"on\""), ("T0016", "true", "\"true\""), ("T0016", "~", "\"~\"")],
    );
    check_mistakes("a: 21:00", &[("T0022", "21:00", "\"21:00\"")]);
    for number in ["010", "0o10", "0b1", "1_000", "1e3", "-.inf", ".NaN", "+012"] {
        check_mistakes(&format!("a: {number}"), &[("T0022", number, "")]);
    }
    check_mistakes("{page:text, b: c}", &[("T0028", ":", ": ")]);
    check_mistakes("a: b#c\nd: 'e'#f\n", &[("T0028", "#", " #")]);
}

#[test]
fn names_unbalanced_quotes_and_brackets() {
    check_mistakes("a: \"x\nb: z", &[("T0015", "\"x", "")]);
    check_mistakes("a:\n  - t: \"x\n    k: \"offer\"\n", &[("T0015", "\"x", "")]);
    check_mistakes("a: [b, c\nd: e", &[("T0015", "[", "")]);
    check_mistakes("a: {b: c\n", &[("T0015", "{", "")]);
    check_mistakes("a: [b}]", &[("T0015", "}", "]")]);
    check_mistakes("a: [b]]", &[("T0015", "]", "")]);
    check_mistakes("a: 'it's'", &[("T0014", "'it's'", "\"it's\"")]);
    check_mistakes("a: \"say \"hi\" now\"", &[("T0014", "\"say \"hi\" now\"", "'say \"hi\" now'")]);
    check_mistakes("a: \"\\d\"", &[("T0014", "\"\\d\"", "'\\d'")]);
    check_mistakes("a: b\nc\nd: e", &[("T0014", "c", "")]);
    check_mistakes("a: b\nc:d\ne: f", &[("T0028", ":", ": ")]);
    check_mistakes("a:\n- b\n-c\n", &[("T0028", "-", "- ")]);
    check_mistakes("a: b\n- c", &[("T0014", "- c", "")]);
    check_mistakes("- a\nb: c", &[("T0014", "b: c", "")]);
    check_mistakes("a:\n  b: c\n d: e", &[("T0014", "d: e", "")]);
    check_mistakes("a: - b", &[("T0014", "- b", "")]);
    check_mistakes("a: [b, , c]", &[("T0014", ",", "")]);
    check_mistakes("a:\tb\n", &[("T0003", "\t", " ")]);
}

#[test]
fn finds_the_mistakes_behind_the_first() {
    let text = "a:\n  - !has(x)\n  - b == \"c\" ? d : e\nf: {g: h(1, 2), i: \"j\" == k}\nl: no\nm: 1\n";
    let expected = [
        ("T0017", "!has(x)", "'!has(x)'"),
        ("T0027", "b == \"c\" ? d : e", "'b == \"c\" ? d : e'"),
        ("T0020", "h(1, 2)", "'h(1, 2)'"),
        ("T0017", "\"j\" == k", "'\"j\" == k'"),
        ("T0016", "no", "\"no\""),
    ];
    check_mistakes(text, &expected);
    assert!(read_all(text).0.is_some(), "the rest of the file can still be lowered");
}

#[test]
fn bounds_depth() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(read_all(&nested(MAX_DEPTH)).1, []);
    check_mistakes(&nested(MAX_DEPTH + 1), &[("T0006", "[", "")]);
    for hostile in ["[", "{", "{a: ", "- ", "? ", "[? ", "[\n"] {
        let (node, diagnostics) = read_all(&hostile.repeat(20_000));
        assert!(node.is_none());
        assert_eq!(diagnostics[0].code.to_string(), "T0006", "{hostile}");
    }
}

/// Checks what holds for every text: no panic, places on character boundaries, readers that agree.
fn check_any(text: &str) {
    let (node, diagnostics) = read_all(text);
    for diagnostic in &diagnostics {
        assert!((1..=32).contains(&diagnostic.code.0));
        slice(text, diagnostic.span);
        assert!(!diagnostic.message.is_empty());
    }
    assert!(node.is_some() || !diagnostics.is_empty(), "refused without a reason: {text:?}");
    if let Some(node) = node
        && diagnostics.is_empty()
    {
        show(text, &node);
        compare_readers(text, &node, &mut Vec::new());
    }
}

const SAMPLE: &str = "actions: # é
  - id: fibre
    eligible:
      - customer.contract == \"dsl\"
      - none: [a, 'b']
    add:
      - {points: 30, when: context.topic == \"speed\", because: \"you\"}
    text: |
      two
      lines
    limits: [{at_most: 1, per: 30 days}, {after: rejected}]
";

proptest! {
    #[test]
    fn survives_any_text(text in any::<String>()) {
        check_any(&text);
    }

    #[test]
    fn survives_any_signs(text in r#"[a1é \n:,\-\[\]{}"'#&*!|>%@?~.\\t]{0,80}"#) {
        check_any(&text);
    }

    #[test]
    fn survives_any_lines(lines in prop::collection::vec((0_usize..8, r#"(- )?([a-c]: )?[-\[{"'!&*a-c:# ,\]}(]{0,6}"#), 0..8)) {
        let text: String = lines.iter().map(|(indent, line)| format!("{}{line}\n", " ".repeat(*indent))).collect();
        check_any(&text);
    }

    #[test]
    fn survives_mutations(at in 0..SAMPLE.len(), length in 0_usize..4, with in r#"[ \n:,\-\[\]{}"'#&*!a]{0,3}"#) {
        let mut text = SAMPLE.to_owned();
        let start = super::line::boundary(&text, at);
        let end = super::line::boundary(&text, start + length).max(start);
        text.replace_range(start..end, &with);
        check_any(&text);
    }
}

/// The example behind a heading of an explanation.
fn example(explanation: &str, heading: &str) -> String {
    let (_, behind) = explanation.split_once(&format!("\n{heading}:\n\n")).unwrap();
    let lines = behind.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    lines.map(|line| line.strip_prefix("    ").unwrap_or("").to_owned() + "\n").collect()
}

#[test]
fn agrees_with_the_explanations() {
    let literal = [4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 27, 28];
    for (code, _, explanation) in CATALOGUE.iter().filter(|entry| literal.contains(&entry.0.0)) {
        let (_, wrong) = read_all(&example(explanation, "Wrong"));
        assert!(wrong.iter().any(|found| found.code == *code), "{code}: {wrong:?}");
        let (_, right) = read_all(&example(explanation, "Right"));
        assert_eq!(right, [], "{code}");
    }
}
