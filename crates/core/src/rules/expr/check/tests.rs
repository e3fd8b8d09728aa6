//! What the checker refuses, with its place and its fix, and what holds for every expression it lets through.

use std::sync::LazyLock;

use super::{Checked, Checker, Scope};
use crate::domain::expr::FactTable;
use crate::domain::id::{PurposeId, Vocabulary};
use crate::domain::rule_set::RuleSet;
use crate::domain::sources::{FileId, SourceFile, Sources, Span};
use crate::rules::diagnostic::{Diagnostic, Severity};
use crate::rules::expr::parser;
use crate::rules::load;
use crate::rules::sink::Sink;

mod typed;

const RULES: &str = r#"
purposes:
  service:         {basis: contract}
  personalisation: {basis: consent}
attributes:
  customer.contract: {type: text, one_of: [none, dsl, fibre], purposes: [service]}
  customer.plan:     {type: text, purposes: [service]}
  customer.age:      {type: number, purposes: [service], sensitivity: 0.3}
  customer.spend:    {type: number, purposes: [service]}
  customer.vip:      {type: flag, purposes: [service]}
  customer.since:    {type: moment, purposes: [service]}
  customer.waited:   {type: duration, purposes: [service]}
  customer.tags:     {type: list, one_of: [vip, new, lost], purposes: [service]}
  customer.notes:    {type: list, purposes: [service]}
  customer.income:   {type: number, purposes: [personalisation]}
context:
  topic: {type: text, one_of: [speed, price], personal: false}
  grade: {type: text, one_of: [a, b, c], personal: false}
events:
  page_view: {fields: {page: text, seconds: number}, purposes: [service], keep: 30 days}
  purchase:  {purposes: [personalisation], keep: 30 days}
channels:
  web: {direction: inbound, interruption: 1}
journeys:
  broadband: {purpose: service, start: {event: page_view}, stages: {open: {}, done: {end: true}}}
actions:
  - {id: serve, title: T, kind: service, purpose: service, relevance: {base: 40}, intrusiveness: 1, treatments: {web: {text: Hi}}}
  - {id: sell, title: T, kind: offer, purpose: personalisation, relevance: {base: 40}, intrusiveness: 1, treatments: {web: {text: Hi}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1}}
  hurt: {half_life: 7 days}
  time_zone: UTC
"#;

/// The rule set above, and the purpose that expressions are written for.
fn rules() -> (&'static RuleSet, PurposeId) {
    static LOADED: LazyLock<RuleSet> = LazyLock::new(load_rules);
    (&LOADED, LOADED.vocabulary.find("service").unwrap())
}

fn load_rules() -> RuleSet {
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: RULES.into() }]);
    let loaded = load(sources, &Vocabulary::default());
    loaded.rule_set.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

/// Checks an expression whose spans are places in its own text.
fn check_text(
    text: &str,
    (rules, purpose): (&'static RuleSet, PurposeId),
    facts: &mut FactTable,
) -> (Option<Checked>, Vec<Diagnostic>) {
    let place = |start, end| Span { file: FileId(0), start: start as u32, end: end as u32 };
    let tree = match parser::parse(text, &place) {
        Ok(tree) => tree,
        Err(problem) => return (None, vec![problem]),
    };
    let (sink, sources) = (Sink::default(), Sources::default());
    let scope = Scope {
        vocabulary: &rules.vocabulary,
        declared: &rules.declared,
        purpose,
        event: None,
        about_action: false,
        sink: &sink,
        sources: &sources,
    };
    let scalar = place(text.len(), text.len());
    let mut checker = Checker { scope, scalar, facts, bound: Vec::new(), cost: 0, filters: 0 };
    let checked = checker.check(&tree);
    if let Some(checked) = &checked {
        checker.warn_of_constant(&checked.node, &tree);
    }
    (checked, sink.into_sorted())
}

/// Checks what is said about an expression: code, marked text, message, and the replacement if there is one.
fn check_mistakes(text: &str, expected: &[(&str, &str, &str, Option<&str>)]) {
    let (checked, found) = check_text(text, rules(), &mut FactTable::default());
    let marked = |problem: &Diagnostic| &text[problem.span.start as usize..problem.span.end as usize];
    let said: Vec<(String, &str, &str, Option<&str>)> = found
        .iter()
        .map(|problem| {
            let code = problem.code.to_string();
            (code, marked(problem), problem.message.as_str(), problem.replacement.as_deref())
        })
        .collect();
    let as_expected = said.len() == expected.len()
        && said.iter().zip(expected).all(|(said, expected)| {
            (said.0.as_str(), said.1, said.3) == (expected.0, expected.1, expected.3) && said.2.contains(expected.2)
        });
    assert!(as_expected, "{text}\nsaid: {said:#?}\nexpected: {expected:#?}");
    assert!(found.iter().all(|problem| problem.help.is_some()), "every mistake has its fix: {found:#?}");
    assert_eq!(checked.is_none(), found.iter().any(|problem| problem.severity == Severity::Error), "{text}");
}

fn check_fine(text: &str) {
    check_mistakes(text, &[]);
}

#[test]
fn unknown_names_are_refused() {
    check_mistakes(
        "customer.agee >= 18",
        &[("T0202", "customer.agee", "no attribute is called `customer.agee`", Some("customer.age"))],
    );
    check_mistakes("context.topik == 'speed'", &[("T0202", "context.topik", "context fact", Some("context.topic"))]);
    check_mistakes("journey.broadbant.stage == 'open'", &[("T0202", "broadbant", "journey", Some("broadband"))]);
    check_mistakes("journey.broadband.stag == 'open'", &[("T0202", "stag", "fact of a journey", Some("stage"))]);
    check_mistakes("local.hours > 3", &[("T0202", "local.hours", "name", Some("local.hour"))]);
    check_mistakes("presure > 3", &[("T0202", "presure", "name", Some("pressure"))]);
    check_mistakes("customer.plan == basic", &[("T0202", "basic", "no name", Some("\"basic\""))]);
    check_mistakes("customer == 'x'", &[("T0202", "customer", "`customer` alone is not a value", None)]);
    check_mistakes("events > 3", &[("T0202", "events", "`events` alone is not a value", None)]);
    check_mistakes("'a'.b == 'c'", &[("T0202", "'a'.b", "nothing can be read from this", None)]);
    check_mistakes("customer.notes.exists(n, m == 'x')", &[("T0202", "m", "no name is called `m`", Some("n"))]);
    check_mistakes(
        "events.count('page_vew', '7d') > 0",
        &[("T0202", "'page_vew'", "no event is called `page_vew`", Some("\"page_view\""))],
    );
    check_mistakes(
        "events.count('page_view', '7d', event.pag == 'x') > 0",
        &[("T0202", "event.pag", "no field is called `event.pag`", Some("event.page"))],
    );
    check_mistakes("outcomes.last('serv', 'clicked') < now", &[("T0202", "'serv'", "action", Some("\"serve\""))]);
    check_mistakes("outcomes.last('serve', 'click') < now", &[("T0202", "'click'", "outcome", Some("\"clicked\""))]);
    check_mistakes("consent.given('sevice')", &[("T0202", "'sevice'", "purpose", Some("\"service\""))]);
    check_mistakes("event.page == 'x'", &[("T0214", "event.page", "there is no event here", None)]);
}

#[test]
fn wrong_types_are_refused() {
    check_mistakes("customer.age >= '18'", &[("T0203", "'18'", "a number is compared with a text", Some("18"))]);
    check_mistakes("18 == customer.plan", &[("T0203", "18", "a number is compared with a text", Some("\"18\""))]);
    check_mistakes("customer.age == 'old'", &[("T0203", "'old'", "a number is compared with a text", None)]);
    check_mistakes("customer.vip == 'true'", &[("T0203", "'true'", "a flag is compared with a text", Some("true"))]);
    check_mistakes("customer.waited > '3d'", &[("T0203", "'3d'", "duration", Some("duration(\"3d\")"))]);
    check_mistakes(
        "customer.since < '2026-03-02T10:00:00Z'",
        &[("T0203", "'2026-03-02T10:00:00Z'", "moment", Some("timestamp(\"2026-03-02T10:00:00Z\")"))],
    );
    check_mistakes("customer.vip < true", &[("T0203", "customer.vip", "neither more nor less", None)]);
    check_mistakes(
        "local.weekday < 'sat'",
        &[("T0203", "local.weekday", "texts compare by the alphabet, not in the order mon, tue", None)],
    );
    check_mistakes("-customer.plan == 'x'", &[("T0203", "customer.plan", "a text has no opposite", None)]);
    check_mistakes("customer.plan + 'x' == 'yx'", &[("T0203", "customer.plan + 'x'", "cannot be combined", None)]);
    check_mistakes("now * 2 > now", &[("T0203", "now * 2", "a moment and a number", None)]);
    check_mistakes("customer.age in ['18', 19]", &[("T0203", "'18'", "expected a number, found a text", Some("18"))]);
    check_mistakes("customer.plan in customer.age", &[("T0203", "customer.age", "expected a list", None)]);
    check_mistakes("customer.age in [customer.spend]", &[("T0203", "customer.spend", "plain values", None)]);
    check_mistakes("customer.notes == [1]", &[("T0203", "1", "expected a text, found a number", Some("\"1\""))]);
    check_mistakes("customer.tags.contains('vip')", &[("T0203", "customer.tags.contains('vip')", "texts", None)]);
    check_mistakes("customer.age.startsWith('1')", &[("T0203", "customer.age", "expected a text", None)]);
    check_mistakes("size(customer.age) > 1", &[("T0203", "customer.age", "a number has no size", None)]);
    check_mistakes("customer.plan.exists(p, p == 'x')", &[("T0203", "customer.plan", "expected a list", None)]);
    check_mistakes("has(pressure)", &[("T0203", "pressure", "this is always there", None)]);
    check_mistakes("customer.vip ? 1 : 'x'", &[("T0203", "'x'", "a number or as a text", None)]);
    check_mistakes("events.count(page_view, '7d') > 1", &[("T0203", "page_view", "in quotes", Some("\"page_view\""))]);
    check_mistakes(
        "customer.plan.matches(customer.contract)",
        &[("T0203", "customer.contract", "pattern", Some("\"customer.contract\""))],
    );
    check_mistakes("customer.age && customer.vip", &[("T0212", "customer.age", "expected a flag", None)]);
    check_mistakes("!customer.age", &[("T0212", "customer.age", "expected a flag", None)]);
}

#[test]
fn values_that_cannot_be_are_refused() {
    let not_dls = ("T0204", "'dls'", "`dls` is not one of none, dsl, fibre", Some("\"dsl\""));
    check_mistakes("customer.contract == 'dls'", &[not_dls]);
    check_mistakes("'dls' != customer.contract", &[not_dls]);
    check_mistakes("customer.contract in ['fibre', 'dls']", &[not_dls]);
    check_mistakes("(customer.vip ? customer.contract : 'none') == 'dls'", &[not_dls]);
    check_mistakes(
        "'vpi' in customer.tags",
        &[("T0204", "'vpi'", "`vpi` is not one of vip, new, lost", Some("\"vip\""))],
    );
    check_mistakes("customer.tags.exists(t, t == 'vpi')", &[("T0204", "'vpi'", "not one of", Some("\"vip\""))]);
    check_mistakes("customer.tags == ['vip', 'vpi']", &[("T0204", "['vip', 'vpi']", "`vpi` is not one of", None)]);
    check_mistakes(
        "journey.broadband.stage == 'opened'",
        &[("T0204", "'opened'", "open, done, none", Some("\"open\""))],
    );
    check_mistakes("channel == 'wep'", &[("T0204", "'wep'", "web", Some("\"web\""))]);
    check_mistakes("local.weekday == 'monday'", &[("T0204", "'monday'", "mon, tue", None)]);
    check_mistakes("local.date < '2026-4-1'", &[("T0204", "'2026-4-1'", "`2026-4-1` is not a date", None)]);
    check_mistakes("'2026-02-30' == local.date", &[("T0204", "'2026-02-30'", "is not a date", None)]);
    check_mistakes("customer.contract == context.topic", &[("T0204", "context.topic", "never one of", None)]);
    check_fine("local.date >= '2026-03-02' && local.date.startsWith('2026-0')");
    check_fine("journey.broadband.stage == 'none' && context.grade <= 'b'");
    check_fine("customer.tags.exists(t, t == customer.plan) && customer.contract != journey.broadband.stage");
}

#[test]
fn facts_that_a_purpose_may_not_read_are_refused() {
    let of = |what| format!("the purpose `service` may not read `{what}`, which is kept for personalisation");
    check_mistakes("customer.income > 9", &[("T0207", "customer.income", &of("customer.income"), None)]);
    check_mistakes("has(customer.income)", &[("T0207", "customer.income", &of("customer.income"), None)]);
    check_mistakes("events.last('purchase') < now", &[("T0207", "'purchase'", &of("purchase"), None)]);
    check_mistakes("outcomes.last('sell', 'clicked') < now", &[("T0207", "'sell'", &of("outcomes of sell"), None)]);
}

#[test]
fn windows_and_lengths_of_time_are_checked() {
    let longer = "`page_view` is kept for 30 days, shorter than this window of 31 days";
    check_mistakes("events.count('page_view', '31d') > 0", &[("T0208", "'31d'", longer, None)]);
    check_fine("events.count('page_view', '30d') > 0 && events.count('page_view', duration('7d')) > 0");
    check_mistakes("events.count('page_view', 7) > 0", &[("T0213", "7", "`7` has no unit", None)]);
    check_mistakes("events.count('page_view', '7') > 0", &[("T0213", "'7'", "`7` has no unit", None)]);
    check_mistakes("customer.waited > duration('a day')", &[("T0213", "'a day'", "is not a duration", None)]);
    check_mistakes("customer.waited > duration('0s')", &[("T0213", "'0s'", "is not above zero", None)]);
    check_mistakes("now > timestamp('2026-03-02')", &[("T0109", "'2026-03-02'", "is not a moment in time", None)]);
}

#[test]
fn division_by_a_constant_zero_is_refused() {
    for (text, zero) in [
        ("customer.spend / 0 > 1", "0"),
        ("customer.spend % 0 > 1", "0"),
        ("customer.spend / -0.0 > 1", "-0.0"),
        ("customer.spend / (1 - 1) > 1", "(1 - 1)"),
        ("customer.spend / (size('ab') - 2) > 1", "(size('ab') - 2)"),
        ("1 / 0 > 1", "0"),
    ] {
        check_mistakes(text, &[("T0209", zero, "this divides by zero", None)]);
    }
    check_fine("customer.spend / customer.age > 1");
}

#[test]
fn constants_stay_in_bounds() {
    for (text, kind, marked) in [
        ("customer.spend > 1e308 * 10", "number", "1e308 * 10"),
        ("customer.waited > duration('10001 years')", "duration", "'10001 years'"),
        (
            "customer.waited > duration('9999 years') + duration('9 years')",
            "duration",
            "duration('9999 years') + duration('9 years')",
        ),
        ("now > timestamp('0000-01-01T00:00:00Z')", "moment", "'0000-01-01T00:00:00Z'"),
        (
            "now > timestamp('0001-01-01T00:00:00Z') - duration('1d')",
            "moment",
            "timestamp('0001-01-01T00:00:00Z') - duration('1d')",
        ),
    ] {
        check_mistakes(text, &[("T0215", marked, &format!("this {kind} is out of bounds"), None)]);
    }
    check_fine("customer.spend > 1e308 * customer.age && now - duration('9999 years') < now");
}

#[test]
fn patterns_are_compiled_and_small() {
    check_mistakes("customer.plan.matches('fibre(')", &[("T0210", "'fibre('", "unclosed group", None)]);
    check_mistakes("customer.plan.matches('(a{100}){100}')", &[("T0210", "'(a{100}){100}'", "65536 bytes", None)]);
    check_mistakes(r"customer.plan.matches(r'\bfoo(?=bar)')", &[("T0210", r"r'\bfoo(?=bar)'", "look-around", None)]);
    let nested = format!("'{}a{}'", "(".repeat(40), ")".repeat(40));
    check_mistakes(&format!("customer.plan.matches({nested})"), &[("T0210", &nested, "nest", None)]);
    check_fine(r"customer.plan.matches(r'^\p{L}+ \d{2}$')");
}

#[test]
fn calls_are_checked() {
    for call in [
        "has()",
        "has(customer.age, 1)",
        "size()",
        "'a'.size(1)",
        "duration()",
        "timestamp('a', 'b')",
        "customer.plan.startsWith()",
        "customer.plan.matches('a', 'b')",
        "customer.tags.exists(t)",
        "customer.tags.all(t, true, false)",
        "customer.tags.all('t', true)",
        "events.count('page_view')",
        "events.last()",
        "events.last('page_view', true, true)",
        "outcomes.count('serve', 'clicked')",
        "outcomes.last('serve')",
        "consent.given()",
    ] {
        check_mistakes(call, &[("T0205", call, "wrong arguments", None)]);
    }
    check_mistakes("customer.tags.exists(now, now == 'x')", &[("T0205", "now", "`now` already means something", None)]);
    check_mistakes("customer.plan.startWith('a')", &[("T0206", "startWith", "no function", Some("startsWith"))]);
    check_mistakes("sise(customer.plan) > 1", &[("T0206", "sise", "no function", Some("size"))]);
    check_mistakes("events.cout('page_view', '7d') > 1", &[("T0206", "cout", "no function", Some("count"))]);
    check_mistakes("consent.give('service')", &[("T0206", "give", "no function", Some("given"))]);
    check_mistakes("int(customer.age) > 1", &[("T0206", "int", "no function", None)]);
}

/// The diagnostics of a rule set with this condition, quotes included.
fn said_of_yaml(condition: &str) -> Vec<(String, String, Option<String>)> {
    let serve = "kind: service, purpose: service, ";
    let text = RULES.replace(serve, &format!("{serve}eligible: [{condition}], "));
    let loaded = load(Sources::new(vec![SourceFile { path: "rules.yaml".into(), text }]), &Vocabulary::default());
    let mistakes = loaded.diagnostics.iter().filter(|problem| (200..300).contains(&problem.code.0));
    mistakes.map(|problem| (problem.code.to_string(), problem.message.clone(), problem.replacement.clone())).collect()
}

#[test]
fn the_cost_is_bounded() {
    let cost = |condition: &str| said_of_yaml(&format!("'{condition}'"));
    let in_filter = |inner: &str| format!(r#"events.count("page_view", "7d", {inner}) > 0"#);
    let each = |inner: &str| format!("customer.notes.exists(x, {inner})");
    assert_eq!(cost(&in_filter(&each("x == event.page"))), []);
    assert_eq!(cost(&each(&each("x == customer.plan"))), []);
    assert_eq!(cost(&each(&in_filter(r#"event.page == "x""#))), []);
    for costly in [in_filter(&each(&each("x == event.page"))), each(&each(&each("x == customer.plan")))] {
        let said = cost(&costly);
        assert!(said.len() == 1 && said[0].0 == "T0211" && said[0].1.contains("steps, more than 100000"), "{said:?}");
    }
}

#[test]
fn replacements_leave_one_yaml_value() {
    for (condition, replacement) in [
        ("customer.contract == \"dls\"", Some("\"dsl\"")),
        ("'customer.contract == \"dls\"'", Some("\"dsl\"")),
        ("\"customer.contract == 'dls'\"", Some("'dsl'")),
        ("\"customer.contract == \\\"dls\\\"\"", None),
        ("dls == customer.contract", None),
        ("' dls == customer.plan'", Some("\"dls\"")),
        ("customer.agee == 1", Some("customer.age")),
        ("\"customer.agee\\x20== 1\"", None),
    ] {
        let said = said_of_yaml(condition);
        assert_eq!(said.len(), 1, "{condition}: {said:?}");
        assert_eq!(said[0].2.as_deref(), replacement, "{condition}: {said:?}");
    }
}

#[test]
fn every_independent_mistake_is_reported() {
    check_mistakes(
        "customer.agee > 1 && (context.topik == 'x' || !(customer.contract in ['a', 'dls']))",
        &[
            ("T0202", "customer.agee", "", Some("customer.age")),
            ("T0202", "context.topik", "", Some("context.topic")),
            ("T0204", "'a'", "", None),
            ("T0204", "'dls'", "", Some("\"dsl\"")),
        ],
    );
    check_mistakes(
        "events.count('page_view', '90d', event.pag == 'x' && event.seconds > 'y') > 'z'",
        &[("T0208", "'90d'", "", None), ("T0202", "event.pag", "", Some("event.page")), ("T0203", "'y'", "", None)],
    );
    check_mistakes(
        "outcomes.count('serv', 'click', '7') > 0",
        &[
            ("T0202", "'serv'", "", Some("\"serve\"")),
            ("T0202", "'click'", "", Some("\"clicked\"")),
            ("T0213", "'7'", "", None),
        ],
    );
    check_mistakes(
        "customer.age.matches('(') ? customer.x : customer.y",
        &[
            ("T0203", "customer.age", "", None),
            ("T0210", "'('", "", None),
            ("T0202", "customer.x", "", None),
            ("T0202", "customer.y", "", None),
        ],
    );
    check_mistakes(
        "customer.nots.all(n, n == 1) && customer.age.startsWith(2)",
        &[
            ("T0202", "customer.nots", "", Some("customer.notes")),
            ("T0203", "1", "", Some("\"1\"")),
            ("T0203", "customer.age", "", None),
            ("T0203", "2", "", Some("\"2\"")),
        ],
    );
    check_mistakes(
        "customer.notes == [1, 'a', 2]",
        &[("T0203", "1", "", Some("\"1\"")), ("T0203", "2", "", Some("\"2\""))],
    );
}

#[test]
fn trees_as_deep_as_may_be_need_little_stack() {
    let chain = |text: &str, count: usize| vec![text; count].join(" - ");
    let deep = |text: &str, end: &str, count: usize| format!("{}{end}{}", text.repeat(count), ")".repeat(count));
    let texts = [
        format!("{} > 1", chain("hurt", 120)),
        format!("{} > 1", deep("-(hurt - ", "hurt", 30)),
        deep("!(customer.vip && hurt + 1 - -1 < 2 == ", "customer.vip", 30),
        deep("customer.notes.exists(n, n == 'a' || ", "n == 'b'", 30),
        deep("events.count('page_view', '7d', 1 < ", "2", 28),
    ];
    let check_all = move || {
        for text in texts {
            let mut facts = FactTable::default();
            let (checked, found) = check_text(&text, rules(), &mut facts);
            assert!(checked.is_some() || !found.is_empty(), "{text}");
            // Nested lists are refused for their cost, but only after all of them were checked.
            let costly = text.contains("exists");
            let expected = |problem: &Diagnostic| problem.code.0 != 201 && (costly || problem.code.0 != 211);
            assert!(found.iter().all(expected), "{text}: {found:?}");
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(check_all).unwrap().join().unwrap();
}

#[test]
fn a_constant_condition_is_a_warning() {
    check_mistakes("1 == 1", &[("T0215", "1 == 1", "this is always true", None)]);
    check_mistakes("'a' in ['b']", &[("T0215", "'a' in ['b']", "this is always false", None)]);
    check_mistakes("customer.vip && 18 <= 21", &[("T0215", "18 <= 21", "this is always true", None)]);
    check_mistakes("customer.vip || !(2 < 1)", &[("T0215", "(2 < 1)", "this is always false", None)]);
    check_mistakes("true ? customer.age : 2", &[("T0215", "true", "this is always true", None)]);
    check_mistakes("customer.notes.exists(n, n == 'a' || 1 > 2)", &[("T0215", "1 > 2", "always false", None)]);
    check_fine("customer.vip == true");
}

/// Folding gives the same result as evaluation: an inner element is not mistaken for an outer one.
#[test]
fn nested_elements_are_not_mixed_up() {
    let text = "customer.notes.exists(n, ['a', 'b'].exists(p, n == 'a' || n == p))";
    let (checked, found) = check_text(text, rules(), &mut FactTable::default());
    assert!(found.is_empty(), "{found:#?}");
    struct Notes(Vec<compact_str::CompactString>);
    impl crate::domain::expr::Facts for Notes {
        fn read(&self, _: crate::domain::expr::FactId) -> crate::domain::value::Operand<'_> {
            crate::domain::value::Operand::List(crate::domain::value::Texts::Given(&self.0))
        }
        fn has(&self, _: crate::domain::expr::FactId) -> crate::domain::value::Truth {
            crate::domain::value::Truth::True
        }
    }
    let node = checked.unwrap().node;
    for (note, holds) in [("a", true), ("b", true), ("z", false)] {
        let notes = Notes(vec![note.into()]);
        let found = crate::domain::expr::evaluate(&node, &notes).truth();
        assert_eq!(found, holds.into(), "{note}");
    }
}

/// Refused before it is folded: thirteen nested lists would take a million steps, thirty a lifetime.
#[test]
fn lists_in_lists_are_refused_before_they_are_gone_through() {
    let opened: String = (0..28).map(|depth| format!("['a', 'b', 'c'].all(v{depth}, ")).collect();
    let text = format!("{opened}customer.vip{}", ")".repeat(28));
    let (checked, found) = check_text(&text, rules(), &mut FactTable::default());
    assert!(checked.is_none());
    assert_eq!(found.iter().map(|problem| problem.code.to_string()).collect::<Vec<_>>(), ["T0211"]);
}
