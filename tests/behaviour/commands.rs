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
    super::support::copy(&super::support::folder("tests/fixtures/design"), folder.path());
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

#[test]
fn every_template_is_in_order_as_it_is_written() {
    let home = tempfile::tempdir().unwrap();
    for template in ["minimal", "telecom", "hotel", "bank"] {
        let path = home.path().join(template);
        let folder = path.to_str().unwrap();
        let made = tactful(&["init", "--template", template, folder]);
        assert!(made.status.success() && err(&made).is_empty(), "{}", err(&made));
        let commands: Vec<String> = out(&made)
            .lines()
            .filter_map(|line| line.trim_end_matches('`').split_once("`tactful "))
            .map(|line| line.1.to_owned())
            .collect();
        assert_eq!(commands, ["check", "test", "serve --rules"].map(|command| format!("{command} {folder}")));
        for arguments in [&["check"][..], &["test"], &["fmt", "--check"]] {
            let output = tactful(&[arguments, &[folder]].concat());
            let clean = arguments != ["check"] || out(&output).contains(" 0 warnings");
            assert!(output.status.success() && clean, "{template} {arguments:?}: {}{}", out(&output), err(&output));
        }
        assert!(path.join(".schema/rules.schema.json").metadata().unwrap().len() > 1_000);
        let again = tactful(&["init", folder]);
        assert!(again.status.code() == Some(2) && err(&again).contains("is not empty"), "{}", err(&again));
    }
    // The template has every file of the sample, and its own schemas.
    let names = |folder: &std::path::Path| {
        let files = super::support::files(folder);
        files
            .iter()
            .map(|file| file.strip_prefix(folder).unwrap().to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&home.path().join("telecom")), names(&super::support::folder("rules")));
}

#[test]
fn every_command_has_a_manual_page() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("man");
    let made = tactful(&["man", folder.to_str().unwrap()]);
    assert!(made.status.success() && out(&made).starts_with("wrote      "), "{}", err(&made));
    let page = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.1"))).unwrap();
    assert!(page("tactful").contains("tactful\\-customer(1)"), "{}", page("tactful"));
    for name in ["tactful-decide", "tactful-customer-consent", "tactful-ledger-verify", "tactful-import"] {
        let page = page(name);
        assert!(page.contains(".SH SYNOPSIS") && page.contains("Examples:"), "{name}: {page}");
    }
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = tactful(&["completions", shell]);
        let text = out(&script);
        assert!(script.status.success(), "{}", err(&script));
        for word in ["customer", "decision", "init", "token-file", "portable"] {
            assert!(text.contains(word), "{shell} has no {word}");
        }
    }
    let script = out(&tactful(&["completions", "bash"]));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    if let Ok(bash) = Command::new("bash").arg("-n").arg(file.path()).output() {
        assert!(bash.status.success(), "{}", err(&bash));
    }
}
