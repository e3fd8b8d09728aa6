//! Rule tests: what a failure tells, what coverage counts, what reports hold, and which mistakes in test files are found.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use tactful::domain::id::Vocabulary;
use tactful::rule_files;
use tactful::scenario::test::{self, Coverage};

use super::support::folder;

fn tactful(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tactful")).args(arguments).current_dir(folder(".")).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The rules of the coverage fixture with other tests beside them.
fn with_tests(tests: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::copy(folder("tests/fixtures/coverage/rules.yaml"), place.path().join("rules.yaml")).unwrap();
    fs::write(place.path().join("rules.test.yaml"), tests).unwrap();
    place
}

/// A test of the coverage fixture's customer of this tier.
fn one(given: &str, question: &str, expect: &str) -> String {
    format!(
        "tests:\n  - name: one\n    at: 2026-03-10T10:00:00Z\n    given:\n      - attributes: {{customer.tier: gold}}\n\
         {given}    decide: {{{question}}}\n    expect: {{{expect}}}\n"
    )
}

/// What every test of a folder comes to, in words; empty where it passed.
fn failures(place: &Path) -> Vec<String> {
    let mut loaded = rule_files::read(place, &Vocabulary::default());
    let rules = Arc::new(loaded.rule_set.take().unwrap());
    let (tests, found) = test::read(&loaded.tests, &rules, &loaded.sources);
    assert_eq!(found, []);
    let told = |test: &test::RuleTest| test.run(&rules, None).failure.map(|failure| failure.to_string());
    tests.iter().map(|test| told(test).unwrap_or_default()).collect()
}

/// What the tests of a folder exercised, as `kind line`.
fn exercised(place: &Path) -> Vec<String> {
    let mut loaded = rule_files::read(place, &Vocabulary::default());
    let rules = Arc::new(loaded.rule_set.take().unwrap());
    let (tests, _) = test::read(&loaded.tests, &rules, &loaded.sources);
    let mut coverage = Coverage::default();
    for test in tests {
        assert_eq!(test.run(&rules, Some(&mut coverage)).failure, None);
    }
    let items = coverage.items(&rules);
    items.iter().filter(|item| item.exercised).map(|item| format!("{} {}", item.kind.name(), item.place.line)).collect()
}

#[test]
fn coverage_counts_what_was_exercised_and_names_the_rest() {
    let output = tactful(&["test", "tests/fixtures/coverage", "--coverage"]);
    assert_eq!(output.status.code(), Some(0));
    let text = out(&output);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!("coverage", text);
}

/// Tests of the coverage fixture, and the lines of the kinds that they exercise.
fn check_exercised(given: &str, question: &str, kinds: &[&str], expected: &[&str]) {
    let place = with_tests(&one(given, question, "why_not: {action: wave, gate: outranked}"));
    let seen = exercised(place.path());
    let seen: Vec<&String> = seen.iter().filter(|seen| kinds.iter().any(|kind| seen.starts_with(kind))).collect();
    assert_eq!(seen, expected, "{given}{question}");
}

#[test]
fn a_condition_that_drops_an_action_failed_and_those_before_it_held() {
    let conditions = ["conditions"];
    let place = with_tests(&one("", "channel: web", "action: wave"));
    let dropped: Vec<String> = exercised(place.path()).into_iter().filter(|seen| seen.contains("conditions")).collect();
    assert_eq!(dropped, ["conditions that held 34", "conditions that failed 36"], "an unknown topic drops, too");
    let all = ["conditions that held 34", "conditions that held 36", "conditions that held 37"];
    check_exercised("", "channel: web, context: {topic: x}", &conditions, &all);
}

#[test]
fn points_treatments_and_limits_are_counted_where_they_took_part() {
    let kinds = ["points", "treatments", "limits"];
    check_exercised("", "channel: web, context: {topic: x}", &kinds, &["treatments used 46"]);
    let help = "channel: web, context: {topic: help}";
    check_exercised("", help, &kinds, &["points that counted 41", "treatments used 46"]);
    let asleep = "      - event: {type: visit}\n        ago: 6 days\n";
    let both = ["points that counted 41", "points that counted 42", "treatments used 46"];
    check_exercised(asleep, help, &kinds, &both);
    let said = "      - outcome: {action: greet, outcome: presented}\n        ago: 1 hour\n";
    let place = with_tests(&one(said, help, "why_not: {action: greet, gate: limit}"));
    assert!(exercised(place.path()).contains(&"limits that stopped 44".to_owned()));
}

#[test]
fn every_stage_on_the_way_is_entered_by_the_move_that_led_there() {
    let kinds = ["stages", "moves"];
    let visit = "      - event: {type: visit}\n        ago: 6 days\n";
    let order = |ago: &str| format!("{visit}      - event: {{type: order}}\n        ago: {ago}\n");
    let question = "channel: web, context: {topic: x}";
    // Two timeouts between one touch and the next.
    let slept = ["stages entered 18", "moves made 21", "stages entered 22", "moves made 24", "stages entered 26"];
    check_exercised(visit, question, &kinds, &slept);
    let at_once = ["stages entered 18", "moves made 20", "stages entered 27"];
    check_exercised(&order("5 days"), question, &kinds, &at_once);
    let waited = ["stages entered 18", "moves made 21", "stages entered 22", "moves made 25", "stages entered 27"];
    check_exercised(&order("3 days"), question, &kinds, &waited);
    check_exercised(&order("1 hour"), question, &kinds, &slept);
}

#[test]
fn a_failure_shows_every_difference_and_why_the_expected_action_lost() {
    let cases = [
        ("action", one("", "channel: web, context: {topic: none}", "action: greet, text: no matter")),
        ("text", one("", "channel: web, context: {topic: x}", "action: greet, text: \"Hello, golden one\"")),
        (
            "gates",
            one(
                "",
                "channel: web, context: {topic: x}",
                "why_not: [{action: greet, gate: limit}, {action: wave, gate: text}]",
            ),
        ),
        ("silence", one("", "channel: web", "silence: no_consent, retry_after: 2026-03-11T10:00:00Z")),
        ("refused", one("      - consent: {purpose: service, status: expired}\n", "channel: web", "action: wave")),
    ];
    for (name, tests) in cases {
        let place = with_tests(&tests);
        let failures = failures(place.path()).join("\n");
        let failures = failures.replace(&place.path().display().to_string(), "RULES");
        insta::assert_snapshot!(format!("difference-{name}"), failures);
    }
}

#[test]
fn several_reasons_may_be_expected_at_once() {
    let expect = "why_not: [{action: greet, gate: applicable}, {action: wave, gate: chosen}]";
    let place = with_tests(&one("", "channel: web, context: {topic: none}", expect));
    assert_eq!(failures(place.path()), [""]);
}

#[test]
fn a_misspelling_in_a_test_is_reported_by_check_at_its_place() {
    let given = "      - event: {type: vist}\n      - event: {type: visit, fields: {pag: home}}\n      \
                 - attributes: {customer.tir: gold, customer.tier: glod}\n      \
                 - outcome: {action: gret, outcome: presentd, channel: wbe}\n      \
                 - consent: {purpose: servce, status: givn}\n      - consent: {status: given}\n      \
                 - consent: {purpose: service, status: restricted}\n      \
                 - event: {type: visit}\n        outcome: {action: greet, outcome: clicked}\n      \
                 - {event: {type: visit}, at: 2026-03-11T10:00:00Z}\n      - {time_zone: Europe/Berln}\n";
    let tests = one(
        given,
        "channel: wb, context: {topik: x, topic: 3}, max_actions: 21",
        "action: gret, why_not: {action: wave, gate: limt}",
    );
    let place = with_tests(&tests);
    let output = tactful(&["check", &place.path().display().to_string(), "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of_test = |found: &&serde_json::Value| found["file"].as_str().unwrap().ends_with(".test.yaml");
    let told = json["diagnostics"].as_array().unwrap().iter().filter(of_test).map(|found| {
        let text = |key: &str| found[key].as_str().unwrap_or("-").to_owned();
        format!("{}:{} {} {}\n    {}", found["line"], found["column"], text("code"), text("message"), text("help"))
    });
    insta::assert_snapshot!("misspelt", told.collect::<Vec<_>>().join("\n"));
}

#[test]
fn two_tests_of_one_name_are_a_warning() {
    let test = one("", "channel: web", "action: wave");
    let place = with_tests(&format!("{test}{}", test.trim_start_matches("tests:\n")));
    let output = tactful(&["check", &place.path().display().to_string(), "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let twin = json["diagnostics"].as_array().unwrap().iter().find(|found| found["code"] == "T0306");
    assert_eq!((output.status.code(), &twin.unwrap()["line"]), (Some(0), &8.into()), "{json}");
}

#[test]
fn some_tests_can_be_run_and_none_is_a_mistake() {
    let some = tactful(&["test", "tests/fixtures/coverage", "--run", "^gold", "--verbose"]);
    assert_eq!(out(&some), "ok    gold is greeted after it has slept\n1 passed, 0 failed, 1 not run\n");
    assert_eq!(tactful(&["test", "tests/fixtures/coverage", "--run", "silver"]).status.code(), Some(2));
    assert_eq!(tactful(&["test", "tests/fixtures/coverage", "--run", "("]).status.code(), Some(2));
}

#[test]
fn too_little_coverage_fails() {
    let cases = [("65.2", 0), ("65.3", 1), ("100", 1), ("0", 0), ("101", 2), ("much", 2)];
    for (least, code) in cases {
        let output = tactful(&["test", "tests/fixtures/coverage", "--fail-under", least]);
        assert_eq!(output.status.code(), Some(code), "{least}: {}", out(&output));
        assert_eq!(out(&output).contains("less than"), code == 1, "{least}");
    }
}

#[test]
fn the_sample_passes_its_tests_and_they_exercise_it() {
    let output = tactful(&["test", "rules", "--coverage", "--fail-under", "90"]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert!(out(&output).lines().count() < 20, "short, where all is well: {}", out(&output));
}

#[test]
fn junit_is_written_and_says_why_also_where_the_rules_are_broken() {
    let place =
        with_tests(&one("", "channel: web, context: {topic: \"<&>\"}", "text: \"\\\"a\\\" & b\", action: greet"));
    let (rules, file) = (place.path().display().to_string(), place.path().join("report.xml"));
    let report = || {
        let output = tactful(&["test", &rules, "--junit", &file.display().to_string()]);
        assert_eq!(output.status.code(), Some(1));
        fs::read_to_string(&file).unwrap()
    };
    let text = report();
    let read = roxmltree::Document::parse(&text).unwrap();
    let find = |name: &str| read.descendants().find(|node| node.has_tag_name(name)).unwrap();
    let suite = find("testsuite");
    let numbers = ["tests", "failures", "errors", "skipped"].map(|name| suite.attribute(name).unwrap());
    assert_eq!(numbers, ["1", "1", "0", "0"]);
    assert_eq!(find("testcase").attribute("line"), Some("2"));
    assert!(find("testcase").attribute("time").unwrap().parse::<f64>().unwrap() > 0.0);
    let failure = find("failure");
    assert_eq!(failure.attribute("message"), Some("text: expected \"a\" & b, got Hello, gold"));
    assert!(failure.text().unwrap().contains("rules.test.yaml:2:11\ntext         expected  \"a\" & b\n"));
    fs::write(place.path().join("more.yaml"), "acti: []\n").unwrap();
    let text = report();
    let read = roxmltree::Document::parse(&text).unwrap();
    let error = read.descendants().find(|node| node.has_tag_name("error")).unwrap();
    assert!(error.text().unwrap().contains("more.yaml:1:1"), "{text}");
    let nowhere = tactful(&["test", "tests/fixtures/coverage", "--junit", "no/such/folder/report.xml"]);
    assert_eq!(nowhere.status.code(), Some(2));
}
