//! A rule set without warnings, and the warnings that each small change to it causes.

use crate::domain::id::Vocabulary;
use crate::domain::sources::{SourceFile, Sources};
use crate::rules::code;
use crate::rules::load::{Loaded, load};

const RULES: &str = r#"---
purposes:
  service:         {basis: contract}
  personalisation: {basis: consent, cooling_off: 90 days}
attributes:
  customer.age: {type: number, purposes: [personalisation], sensitivity: 0.5}
context: {topic: {type: text, personal: false}}
events:
  visit: {fields: {page: text}, purposes: [service], keep: 90 days}
channels:
  web:   {direction: inbound, interruption: {default: 30}}
  phone: {direction: inbound, interruption: 5}
journeys:
  trip:
    purpose: service
    start: {event: visit, when: event.page == "home"}
    stages:
      begun: {moves: [{to: over, after: 3 days}]}
      over:  {end: true}
actions:
  - id: help
    title: Help
    kind: service
    purpose: service
    applicable:
      - journey.trip.stage == "begun"
    relevance: {base: 50}
    intrusiveness: 1
    limits: [{at_most: 1, per: 7 days}]
    treatments: {web: {text: Hello}, phone: {text: Hello}}
  - id: offer
    title: Offer
    kind: offer
    purpose: personalisation
    suitable:
      - customer.age >= 18
    relevance:
      base: 60
      add: [{points: 5, when: customer.age < 30}]
    intrusiveness: 10
    treatments: {phone: {text: Buy}}
  - id: ask
    title: Ask
    kind: consent_ask
    purpose: service
    asks: personalisation
    intrusiveness: 5
    treatments: {phone: {text: May we}}
policy:
  pressure:  {half_life: 7 days, per_contact: {web: 1, phone: 1}}
  hurt:      {half_life: 7 days}
  limits:    [{id: selling, at_most: 3, per: 7 days}]
  time_zone: UTC
...
"#;

const TESTS: &str =
    "---\ntests:\n  - name: one\n    expect: {action: help, why_not: [{action: offer}, {action: ask}]}\n...\n";

fn read(rules: &str, tests: &str) -> Loaded {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    load(Sources::new(vec![file("rules.test.yaml", tests), file("rules.yaml", rules)]), &Vocabulary::default())
}

/// Every warning as `line code message`.
fn warnings(rules: &str, tests: &str) -> Vec<String> {
    let loaded = read(rules, tests);
    let lines = loaded.diagnostics.iter().map(|found| {
        let line = loaded.sources.locate(found.span).line;
        format!("{line} {} {}", found.code, found.message)
    });
    lines.collect()
}

/// Checks that a change causes exactly these warnings.
fn check(change: (&str, &str), expected: &[&str]) {
    assert!(RULES.contains(change.0), "{}", change.0);
    assert_eq!(warnings(&RULES.replacen(change.0, change.1, 1), TESTS), expected, "{}", change.1);
}

#[test]
fn valid_rules_cause_no_warning() {
    assert_eq!(warnings(RULES, TESTS), [""; 0]);
}

#[test]
fn unused_declarations_are_reported() {
    check(
        ("  service:         {basis: contract}", "  research: {basis: consent}\n  service: {basis: contract}"),
        &["3 T0301 nothing uses the purpose `research`"],
    );
    let asked =
        RULES.replacen("  service:         {basis", "  research: {basis: consent}\n  service: {basis", 1).replacen(
            "      - customer.age >= 18\n",
            "      - customer.age >= 18\n      - consent.given(\"research\")\n",
            1,
        );
    assert_eq!(warnings(&asked, TESTS), [""; 0], "a condition uses it");
    check(
        ("attributes:\n", "attributes:\n  customer.name: {type: text, purposes: [service]}\n"),
        &["6 T0302 no rule reads `customer.name`"],
    );
    check(("{page: text}", "{page: text, colour: text}"), &["9 T0307 no rule reads the field `colour` of `visit`"]);
    check(
        ("events:\n", "events:\n  idle: {purposes: [service], keep: 1 year}\n"),
        &["9 T0307 no rule follows the event `idle`"],
    );
    check(("events:\n", "events:\n  fault: {purposes: [service], keep: 1 year, hurt: 9}\n"), &[]);
}

#[test]
fn impossible_conditions_are_reported() {
    let other = "      - customer.age >= 18\n";
    let both = "`offer` can never be chosen: `customer.age >= 18` and `customer.age < 16` are never true together";
    check((other, "      - customer.age >= 18\n      - customer.age < 16\n"), &[&format!("37 T0308 {both}")]);
    let alone = "`help` can never be chosen: `journey.trip.stage == \"lost\"` is never true here";
    let stages = ("      over:  {end: true}\n", "      over:  {end: true}\n      lost:  {end: true}\n");
    let lost = RULES.replacen(stages.0, stages.1, 1).replacen("== \"begun\"", "== \"lost\"", 1);
    let stage = "20 T0305 no move leads to the stage `lost`";
    assert_eq!(warnings(&lost, TESTS), [stage.to_owned(), format!("27 T0308 {alone}")]);
    check(
        ("[{points: 5, when: customer.age < 30}]", "[{points: 5, when: customer.age < 12}]"),
        &["39 T0308 these points of `offer` can never count: `customer.age < 12` is never true with it"],
    );
    check(("base: 60", "base: 20"), &["31 T0303 `offer` can never win: at best it scores -6.2"]);
    check(
        ("relevance: {base: 50}", "relevance: {base: 31}"),
        &["30 T0303 `help` can never win on `web`: at best it scores 0.0 there"],
    );
    check(
        ("moves: [{to: over, after: 3 days}]", "moves: [{to: begun, event: visit}]"),
        &["18 T0305 no move leaves the stage `begun`", "19 T0305 no move leads to the stage `over`"],
    );
}

#[test]
fn an_ask_that_gains_nothing_is_named() {
    let served = RULES.replacen(
        "    purpose: personalisation\n    suitable:\n      - customer.age >= 18\n",
        "    purpose: service\n",
        1,
    );
    let served = served.replacen("\n      add: [{points: 5, when: customer.age < 30}]", "", 1);
    let nothing =
        "39 T0310 a yes to `personalisation` gains nothing: no action serves it, and no rule asks whether it is given";
    assert!(warnings(&served, TESTS).contains(&nothing.to_owned()), "{:#?}", warnings(&served, TESTS));
    let elsewhere =
        "42 T0310 this asks for `personalisation` where a yes gains nothing: nothing that serves it is on its channels";
    check(("{phone: {text: May we}}", "{web: {text: May we}}"), &[elsewhere]);
    let points = "intrusiveness: 5\n    relevance: {add: [{points: 5, when: has(context.topic)}]}";
    let with_points =
        RULES.replacen("{phone: {text: May we}}", "{web: {text: May we}}", 1).replacen("intrusiveness: 5", points, 1);
    assert_eq!(warnings(&with_points, TESTS), [""; 0]);
}

#[test]
fn limits_that_never_bind_are_named() {
    let own = "[{at_most: 1, per: 7 days}]";
    let within = |label: &str, other: &str| {
        format!(
            "29 T0309 the limit `{label}` of `help` never binds: `{other}` covers the same and always stops as early"
        )
    };
    let cases = [
        ("[{at_most: 1, per: 7 days}, {at_most: 2, per: 3 days}]", vec![within("2 per 3 days", "1 per 7 days")]),
        (
            "[{after: presented, wait: 7 days}, {at_most: 1, per: 3 days}]",
            vec![within("1 per 3 days", "7 days after presented")],
        ),
        ("[{at_most: 1, per: 7 days}, {at_most: 1, per: 7 days}]", vec![within("1 per 7 days", "1 per 7 days")]),
        (
            "[{at_most: 1, per: 7 days, channels: [web]}, {at_most: 1, per: 7 days}]",
            vec![within("1 per 7 days", "1 per 7 days")],
        ),
        ("[{at_most: 1, per: 7 days, channels: [web]}, {at_most: 2, per: 7 days}]", vec![]),
        ("[{at_most: 1, per: 7 days}, {at_most: 3, per: 30 days}]", vec![]),
        ("[{at_most: 1, per: 7 days}, {after: rejected, wait: 1 day}]", vec![]),
    ];
    for (limits, expected) in cases {
        assert_eq!(warnings(&RULES.replacen(own, limits, 1), TESTS), expected, "{limits}");
    }
    let policy = "[{id: selling, at_most: 3, per: 7 days}]";
    let helping = "[{id: helping, at_most: 1, per: 30 days, kinds: [service]}]";
    assert_eq!(warnings(&RULES.replacen(policy, helping, 1), TESTS), [within("1 per 7 days", "helping")]);
    let nothing = "the limit `repairing` never binds: no action has its channels, kinds and groups";
    check((policy, "[{id: repairing, at_most: 1, per: 30 days, kinds: [repair]}]"), &[&format!("52 T0309 {nothing}")]);
}

#[test]
fn twins_and_the_untested_are_named_unless_that_is_allowed() {
    let twin = "  - id: also\n    title: Also\n    kind: service\n    purpose: service\n    eligible:\n      \
                - journey.trip.stage == \"begun\"\n    relevance: {base: 60}\n    intrusiveness: 1\n    \
                treatments: {phone: {text: Hello}}\n  - id: offer\n";
    let rules = RULES.replacen("  - id: offer\n", twin, 1);
    let both = ["31 T0304 no test expects anything of `also`", "31 T0311 `also` fits exactly when `help` does"];
    assert_eq!(warnings(&rules, TESTS), both);
    let allowed = rules.replacen("    title: Also\n", "    title: Also\n    allow: [T0311, T0304]\n", 1);
    assert_eq!(warnings(&allowed, TESTS), [""; 0]);
    let unknown = rules.replacen("    title: Also\n", "    title: Also\n    allow: [T0301]\n", 1);
    assert!(warnings(&unknown, TESTS)[0].starts_with("33 T0104 `T0301` is not one of T0303, T0304"));
}

/// The rules with a lint of their own.
fn with_lint(lint: &str) -> String {
    RULES.replacen("  time_zone: UTC\n", &format!("  time_zone: UTC\n  lints:\n    - {lint}\n"), 1)
}

#[test]
fn lints_of_the_policy_are_held_against_every_action() {
    let cases = [
        (
            r#"{when: 'action.kind == "offer" && action.intrusiveness < 15', message: offers cost 15}"#,
            vec!["31 T0312 `offer`: offers cost 15"],
        ),
        (r#"{when: '"web" in action.channels && action.limits > 0', message: m}"#, vec!["21 T0312 `help`: m"]),
        (
            r#"{when: 'action.relevance.most > 64 && action.relevance.base < 64', message: m}"#,
            vec!["31 T0312 `offer`: m"],
        ),
        (r#"{when: 'action.asks == "personalisation" && !action.has_end', message: m}"#, vec!["42 T0312 `ask`: m"]),
        (r#"{when: '!action.has_test || action.conditions > 3 || action.worth > 2', message: m}"#, vec![]),
        (r#"{when: 'action.id.matches("[A-Z]") || action.title == "" || action.group != ""', message: m}"#, vec![]),
    ];
    for (lint, expected) in cases {
        assert_eq!(warnings(&with_lint(lint), TESTS), expected, "{lint}");
    }
}

#[test]
fn a_lint_of_the_policy_may_keep_rules_from_loading_and_is_checked_like_a_rule() {
    let strict = with_lint("{when: action.intrusiveness > 9, message: too much, severity: error}");
    let loaded = read(&strict.replacen("    title: Offer\n", "    title: Offer\n    allow: [T0312]\n", 1), TESTS);
    assert!(loaded.rule_set.is_none() && loaded.counts() == (1, 0), "an error cannot be allowed away: {loaded:#?}");
    let wrong = [
        (
            "{when: action.intrusivness > 9, message: m}",
            "T0202 no property of an action is called `action.intrusivness`",
        ),
        ("{when: customer.age > 9, message: m}", "T0202 no property of an action is called `customer.age`"),
        (r#"{when: 'events.count("visit", "7d") > 0', message: m}"#, "T0214 there is no customer here"),
        (r#"{when: 'action.kind == "ofer"', message: m}"#, "T0204"),
        ("{when: action.worth, message: m}", "T0212"),
        ("{when: action.worth > 1}", "T0102 `message` is missing from a lint"),
        ("{when: action.worth > 1, message: m, severity: fatal}", "T0104 `fatal` is not one of error, warning"),
    ];
    for (lint, expected) in wrong {
        let found = warnings(&with_lint(lint), TESTS);
        assert!(found.iter().any(|found| found.contains(expected)), "{lint}: {found:#?}");
        assert!(read(&with_lint(lint), TESTS).rule_set.is_none(), "{lint}");
    }
    let error = Some(code::POLICY_LINT);
    assert_eq!(read(&strict, TESTS).diagnostics.first().map(|found| found.code), error);
}
