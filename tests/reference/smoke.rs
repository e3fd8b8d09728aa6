//! The rule tests beside the rules, played through the model: docs/testing.md. Rule tests are documents, too.

use std::collections::BTreeMap;
use std::path::Path;

use serde_yaml::Value as Yaml;

use super::model::Model;
use super::story::{Answer, ConsentChange, Question, Reply, RuleFiles, Step, Value, What};

#[test]
fn the_sample_rules_keep_their_promises() {
    assert_eq!(play_all("rules"), 172);
}

#[test]
fn the_bank_keeps_its_promises() {
    assert_eq!(play_all("examples/bank-calls/rules"), 10);
}

#[test]
fn the_newsletter_keeps_its_promises() {
    assert_eq!(play_all("examples/email-experiment/rules"), 5);
}

#[test]
fn the_rules_of_the_coverage_fixture_keep_their_promises() {
    assert_eq!(play_all("tests/fixtures/coverage"), 2);
}

/// Plays every test of a rule folder; how many there were.
fn play_all(folder: &str) -> usize {
    let files = files(folder);
    let mut failures = Vec::new();
    let mut played = 0;
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".test.yaml")) {
        let file: Yaml = serde_yaml::from_str(text).unwrap();
        for test in file["tests"].as_sequence().unwrap() {
            played += 1;
            let name = test["name"].as_str().unwrap();
            failures.extend(play(&files, test).into_iter().map(|failure| format!("{path}: {name}: {failure}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    played
}

/// Every file below a folder, by its path in it.
pub fn files(folder: &str) -> RuleFiles {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = RuleFiles::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_string();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// One test: what is given in the order of time, then the question. What is not as expected.
fn play(rules: &RuleFiles, test: &Yaml) -> Vec<String> {
    let mut player = Player { model: Model::new(rules).unwrap(), questions: 0 };
    let now = moment(&test["at"]);
    let mut given: Vec<(i64, &Yaml)> = Vec::new();
    for entry in test.get("given").and_then(Yaml::as_sequence).into_iter().flatten() {
        let at = match (entry.get("ago"), entry.get("at")) {
            (Some(ago), _) => now - length(ago.as_str().unwrap()),
            (None, Some(at)) => moment(at),
            (None, None) => now,
        };
        given.push((at, entry));
    }
    given.sort_by_key(|(at, _)| *at);
    for (at, entry) in given {
        player.give(at, entry);
    }
    let before = player.model.clone();
    let answer = player.decide(now, &test["decide"]);
    let said = |at: i64| before.decide(CUSTOMER, &asked(&test["decide"]), at).silence.is_none();
    unexpected(&answer, &test["expect"], &said)
}

const CUSTOMER: &str = "anna";

struct Player {
    model: Model,
    questions: usize,
}

impl Player {
    fn happen(&mut self, at: i64, what: What) -> Reply {
        let step = Step { at, customer: CUSTOMER.to_string(), what };
        self.model.play(&step, self.questions)
    }

    fn give(&mut self, at: i64, entry: &Yaml) {
        if let Some(event) = entry.get("event") {
            let fields = event.get("fields").map(values).unwrap_or_default();
            let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            self.happen(at, What::Event { id: String::new(), kind: word(event, "type"), occurred: None, fields });
        }
        if let Some(consent) = entry.get("consent") {
            let valid_until = consent.get("valid_until").map(moment);
            let (purpose, status) = (word(consent, "purpose"), word(consent, "status"));
            let changes = vec![ConsentChange { purpose, status, claimed: None, valid_until }];
            let reply = self.happen(at, What::Consent { changes, deferred: false, evidence: true });
            assert_eq!(reply, Reply::Consent(vec![None]), "{entry:?}");
        }
        if entry.get("attributes").is_some() || entry.get("time_zone").is_some() {
            let values = entry.get("attributes").map(values).unwrap_or_default();
            let reply = self.happen(at, What::Attributes { values, time_zone: word(entry, "time_zone") });
            assert_eq!(reply, Reply::Recorded(None), "{entry:?}");
        }
        if let Some(outcome) = entry.get("outcome") {
            let (action, channel, outcome) =
                (word(outcome, "action"), word(outcome, "channel"), word(outcome, "outcome"));
            let id = String::new();
            let reply = self.happen(at, What::Outcome { id, decision: None, action, outcome, channel, occurred: None });
            assert_eq!(reply, Reply::Recorded(None), "{entry:?}");
        }
        if let Some(question) = entry.get("decide") {
            self.decide(at, question);
        }
    }

    fn decide(&mut self, at: i64, question: &Yaml) -> Answer {
        let Reply::Answer(answer) = self.happen(at, What::Decide(asked(question))) else { panic!("{question:?}") };
        self.questions += 1;
        *answer
    }
}

fn asked(question: &Yaml) -> Question {
    let context = question.get("context").map(values).unwrap_or_default();
    let groups = question.get("groups").and_then(Yaml::as_sequence).cloned().unwrap_or_default();
    Question {
        channel: word(question, "channel"),
        context: context.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        groups: groups.iter().map(|group| group.as_str().unwrap().to_string()).collect(),
        max_actions: question.get("max_actions").and_then(Yaml::as_u64).unwrap_or(0) as usize,
        ..Question::default()
    }
}

fn unexpected(answer: &Answer, expect: &Yaml, said: &dyn Fn(i64) -> bool) -> Vec<String> {
    let mut failures = Vec::new();
    let mut check = |key: &str, got: String, expected: String| {
        if got != expected {
            failures.push(format!("{key}: expected {expected}, got {got}; silence: {:?}", answer.silence));
        }
    };
    let chosen: Vec<&str> = answer.chosen.iter().map(|chosen| chosen.action.as_str()).collect();
    let silence = answer.silence.clone().unwrap_or_default();
    for (key, expected) in expect.as_mapping().unwrap() {
        match key.as_str().unwrap() {
            "action" => check("action", chosen.join(", "), expected.as_str().unwrap().to_string()),
            "actions" => {
                let actions: Vec<&str> = expected.as_sequence().unwrap().iter().filter_map(Yaml::as_str).collect();
                check("actions", chosen.join(", "), actions.join(", "));
            }
            "silence" => check("silence", silence.reason.clone(), expected.as_str().unwrap().to_string()),
            "why_not" => {
                let all = expected.as_sequence().cloned().unwrap_or_else(|| vec![expected.clone()]);
                for one in all {
                    let action = word(&one, "action");
                    check(&action, answer.candidates[&action].gate.clone(), word(&one, "gate"));
                }
            }
            "text" => check("text", answer.chosen[0].text.clone(), expected.as_str().unwrap().to_string()),
            "retry_after" => {
                let around = [moment(expected) - 1, moment(expected)].map(said);
                check("retry_after", format!("{around:?}"), "[false, true]".to_string());
            }
            other => panic!("`{other}` is not expected"),
        }
    }
    failures
}

fn word(of: &Yaml, key: &str) -> String {
    of.get(key).and_then(Yaml::as_str).unwrap_or_default().to_string()
}

/// Values as rule tests write them: a text that is a moment is one, and `null` removes.
fn values(yaml: &Yaml) -> BTreeMap<String, Option<Value>> {
    let value = |yaml: &Yaml| match yaml {
        Yaml::Null => None,
        Yaml::Bool(flag) => Some(Value::Flag(*flag)),
        Yaml::Number(number) => number.as_f64().map(Value::Number),
        Yaml::String(text) => match text.parse::<jiff::Timestamp>() {
            Ok(moment) => Some(Value::Moment(moment.as_millisecond())),
            Err(_) => Some(Value::Text(text.clone())),
        },
        Yaml::Sequence(items) => {
            Some(Value::List(items.iter().map(|item| item.as_str().unwrap().to_string()).collect()))
        }
        other => panic!("{other:?}"),
    };
    let map = yaml.as_mapping().unwrap();
    map.iter().map(|(name, yaml)| (name.as_str().unwrap().to_string(), value(yaml))).collect()
}

fn moment(yaml: &Yaml) -> i64 {
    yaml.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// `30 days`, `1 minute`: one number and one unit are all that these tests use.
fn length(text: &str) -> i64 {
    let (count, unit) = text.split_once(' ').unwrap();
    let unit = match unit.trim_end_matches('s') {
        "second" => 1000,
        "minute" => 60_000,
        "hour" => 3_600_000,
        "day" => 86_400_000,
        "week" => 7 * 86_400_000,
        "month" => 30 * 86_400_000,
        "year" => 365 * 86_400_000,
        other => panic!("{other}"),
    };
    count.parse::<i64>().unwrap() * unit
}
