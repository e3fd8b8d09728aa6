//! The commands, run as a user runs them.

use std::process::{Command, Output};

use super::support::folder;

pub fn tactful(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tactful")).args(arguments).current_dir(folder(".")).output().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_sample_and_the_examples_check_and_pass_their_tests() {
    for rules in ["rules", "examples/bank-calls/rules", "examples/email-experiment/rules"] {
        let check = tactful(&["check", rules]);
        let warnings = rules == "rules" && !out(&check).contains("0 warnings");
        assert!(check.status.success() && !warnings, "{rules}: {}{}", out(&check), err(&check));
        let test = tactful(&["test", rules]);
        assert!(
            test.status.success() && out(&test).contains(" passed, 0 failed"),
            "{rules}: {}{}",
            out(&test),
            err(&test)
        );
    }
}

#[test]
fn every_mistake_of_every_file_comes_in_one_run_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), "purposes:\n  service: {bassis: contract}\n").unwrap();
    std::fs::write(folder.path().join("b.yaml"), "channels:\n  web: {direction: inbund, interruption: x}\n").unwrap();
    std::fs::write(folder.path().join("c.yaml"), "actions: [\n").unwrap();
    std::fs::write(folder.path().join("d.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    let path = folder.path().display().to_string();
    let output = tactful(&["check", &path, "--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let diagnostics = json["diagnostics"].as_array().unwrap();
    for file in ["a.yaml", "b.yaml", "c.yaml", "d.yaml"] {
        assert!(diagnostics.iter().any(|d| d["file"].as_str().unwrap().ends_with(file)), "{file}: {json:#}");
    }
    for diagnostic in diagnostics {
        assert!(
            diagnostic["line"].as_u64().unwrap() >= 1 && diagnostic["column"].as_u64().unwrap() >= 1,
            "{diagnostic}"
        );
    }
    let human = tactful(&["check", &path]);
    assert!(err(&human).contains("a.yaml:2:13") && err(&human).contains("did you mean `basis`"), "{}", err(&human));
}

#[test]
fn exit_codes_tell_wrong_rules_from_wrong_usage() {
    assert_eq!(tactful(&["check", "tests/fixtures/design"]).status.code(), Some(0));
    assert_eq!(tactful(&["check", "no/such/folder"]).status.code(), Some(2));
    assert_eq!(tactful(&["check", "--wat"]).status.code(), Some(2));
    assert_eq!(tactful(&["serve", "--listen", "0.0.0.0:1"]).status.code(), Some(2));
    assert_eq!(
        tactful(&["decide", "--customer", "a", "--channel", "web", "--server", "http://127.0.0.1:9"]).status.code(),
        Some(2)
    );
    assert_eq!(tactful(&["replay", "no-such-file", "--rules", "tests/fixtures/design"]).status.code(), Some(2));
    assert_eq!(tactful(&["explain", "T0207"]).status.code(), Some(0));
    assert_eq!(tactful(&["explain", "T9999"]).status.code(), Some(2));
}

#[test]
fn another_address_than_loopback_is_refused_with_the_way_out() {
    let output = tactful(&["serve", "--listen", "0.0.0.0:50051"]);
    assert!(err(&output).contains("--allow-insecure"), "{}", err(&output));
}

#[test]
fn a_failing_rule_test_says_where_and_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(super::support::folder("tests/fixtures/design/rules.yaml"), folder.path().join("rules.yaml"))
        .unwrap();
    let test = "tests:\n  - name: fibre for a stranger\n    at: 2026-03-02T10:00:00+01:00\n    decide: {channel: web}\n    expect: {action: fibre-upgrade}\n";
    std::fs::write(folder.path().join("rules.test.yaml"), test).unwrap();
    let output = tactful(&["test", &folder.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let text = out(&output);
    assert!(
        text.contains("rules.test.yaml:2:") && text.contains("stopped at `consent`") && text.contains("rules.yaml:"),
        "{text}"
    );
}
