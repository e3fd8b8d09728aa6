//! What rule files and timelines may not say, and what loading them makes of names, links and durations.

use std::fs;
use std::path::Path;

use tactful::domain::id::{FieldId, Id, Vocabulary};
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::Period;
use tactful::rule_files;
use tactful::rules::{Loaded, load};
use tactful::scenario::replay::Replay;

use super::support::{rules, rules_of};

const BASE: &str = r#"
purposes:
  service:         {basis: contract}
  personalisation: {basis: consent, cooling_off: 90 days}
attributes:
  customer.tags: {type: list, purposes: [service]}
  customer.age:  {type: number, purposes: [service], sensitivity: 0.7}
events:
  visit:   {fields: {page: text}, purposes: [service], keep: 90 days, sensitivity: 0.2}
  outage:  {purposes: [service], keep: 40 days, HURT}
  a:       {fields: {FIELD: text}, purposes: [service], keep: 20 days}
  a.b:     {fields: {c: text}, purposes: [service], keep: 20 days}
channels:
  web: {direction: inbound, interruption: 1}
journeys:
  JOURNEY:
    purpose: service
    start: {event: visit}
    stages: {open: {end: true}}
actions:
  - id: serve
    title: T
    kind: service
    group: GROUP
    purpose: service
    eligible:
      - 'CONDITION'
    relevance: {base: 40}
    intrusiveness: 1
    limits: [LIMIT]
    treatments: {web: {text: Hello}}
  - {id: ask, title: Ask, kind: consent_ask, asks: personalisation, purpose: ASKING, intrusiveness: 1, treatments: {web: {text: May we}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1}}
  hurt: {half_life: 7 days, per_outcome: {OUTCOME: 10}}
  limits: [{at_most: 1, per: 1 day, kinds: [service], groups: [LIMITED]}]
  time_zone: UTC
"#;

const WRITTEN: [(&str, &str); 9] = [
    ("HURT", "hurt: 0"),
    ("FIELD", "c"),
    ("JOURNEY", "care"),
    ("GROUP", "help"),
    ("CONDITION", "hurt < 5"),
    ("LIMITED", "help"),
    ("LIMIT", "{at_most: 1, per: 1 day}"),
    ("ASKING", "service"),
    ("OUTCOME", "complained"),
];

/// The base with some of its words changed.
fn with(changes: &[(&str, &str)]) -> String {
    WRITTEN.iter().fold(BASE.to_owned(), |text, (word, usual)| {
        let change = changes.iter().find(|(changed, _)| changed == word);
        text.replace(word, change.map_or(*usual, |(_, written)| written))
    })
}

fn read(text: &str, vocabulary: &Vocabulary) -> Loaded {
    load(Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: text.into() }]), vocabulary)
}

#[test]
fn contradictions_are_refused_at_load() {
    let never = "is never counted: the contact simply does not count";
    let cases = [
        ("LIMIT", "{at_most: 1, per: 1 day, outcome: not_presented}", "T0115", never),
        ("LIMIT", "{after: not_presented, wait: 1 day}", "T0115", never),
        ("OUTCOME", "not_presented", "T0115", never),
        ("CONDITION", r#"outcomes.count("serve", "not_presented", "7d") > 0"#, "T0115", never),
        ("CONDITION", r#"outcomes.last("serve", "not_presented") < now"#, "T0115", never),
        ("ASKING", "personalisation", "T0115", "asks for `personalisation` and serves it"),
        ("FIELD", "b.c", "T0112", "`b.c` cannot be a name here: it has a dot"),
        ("JOURNEY", "my.care", "T0112", "`my.care` cannot be a name here: it has a dot"),
        ("LIMITED", "hepl", "T0105", "no group of actions is called `hepl`"),
        (
            "CONDITION",
            r#"customer.tags.exists(t, events.count("visit", "7d", event.page == t) > 0)"#,
            "T0202",
            "no name is called `t`",
        ),
    ];
    assert_eq!(read(&with(&[]), &Vocabulary::default()).counts().0, 0);
    for (word, written, code, message) in cases {
        let loaded = read(&with(&[(word, written)]), &Vocabulary::default());
        let found: Vec<String> = loaded.diagnostics.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
        assert!(found.iter().any(|found| found.starts_with(code) && found.contains(message)), "{written}: {found:#?}");
    }
}

#[test]
fn a_filter_binds_names_of_its_own() {
    let inside = r#"events.count("visit", "7d", customer.tags.exists(t, event.page == t)) > 0"#;
    rules_of(&with(&[("CONDITION", inside)]));
    let around = format!(r#"customer.tags.exists(t, t == "vip" && {inside})"#);
    rules_of(&with(&[("CONDITION", &around)]));
}

#[test]
fn a_group_of_older_rules_is_not_known_to_newer_ones() {
    let old = rules_of(&with(&[("GROUP", "old"), ("LIMITED", "old")]));
    let loaded = read(&with(&[("LIMITED", "old")]), &old.vocabulary);
    let found: Vec<String> = loaded.diagnostics.iter().map(|d| format!("{} {:?}", d.message, d.help)).collect();
    assert!(loaded.rule_set.is_none(), "the limit would silently cover nothing");
    assert!(found.iter().any(|found| found.contains("`old`") && found.contains("help")), "{found:#?}");
}

#[test]
fn fields_of_different_events_have_different_numbers() {
    let rules = rules_of(&with(&[]));
    let number = |name: &str| rules.vocabulary.find::<FieldId>(name).map(Id::index);
    assert!(number("a/c").is_some() && number("a.b/c").is_some() && number("a/c") != number("a.b/c"));
    assert_eq!(number("a.b.c"), None);
}

#[test]
fn a_history_is_as_personal_as_what_its_filter_reads() {
    let cases = [
        (r#"events.count("visit", "7d") > 0"#, 0.2),
        (r#"events.count("visit", "7d", event.page == "x") > 0"#, 0.2),
        (r#"events.count("visit", "7d", customer.age > 40) > 0"#, 0.7),
        (r#"events.last("visit", customer.age > 40) < now"#, 0.7),
    ];
    for (condition, sensitivity) in cases {
        let rules = rules_of(&with(&[("CONDITION", condition)]));
        let written = |text: &str| text.starts_with("events.");
        let (_, fact) = rules.facts.iter().find(|(_, entry)| written(&entry.text)).unwrap();
        assert!((fact.sensitivity - sensitivity).abs() < 1e-9, "{condition}: {}", fact.sensitivity);
    }
}

#[test]
fn the_horizon_reaches_as_far_as_anything_is_asked() {
    let days = |days: i64| Period(days * Period::DAY.0);
    let cases = [
        (with(&[]), days(1)),
        (with(&[("HURT", "hurt: 5")]), days(40)),
        (with(&[("CONDITION", r#"events.last("visit") < now"#), ("HURT", "hurt: 5")]), days(90)),
    ];
    for (text, horizon) in cases {
        assert_eq!(rules_of(&text).horizon, horizon, "{text}");
    }
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_come_to_an_end() {
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("team")).unwrap();
    fs::write(root.path().join("team/rules.yaml"), with(&[])).unwrap();
    for (to, name) in [(".", "one"), (".", "two"), ("team", "also"), ("..", "team/up")] {
        symlink(Path::new(to), root.path().join(name)).unwrap();
    }
    let loaded = rule_files::read(root.path(), &Vocabulary::default());
    let paths: Vec<&str> = loaded.sources.iter().map(|(_, file)| loaded.sources.relative(file)).collect();
    assert!(loaded.rule_set.is_some(), "{:#?}", loaded.diagnostics);
    assert_eq!(paths, ["team/rules.yaml"]);
}

#[test]
fn a_replay_line_with_a_mistake_is_refused_before_it_counts() {
    let decide = |logged: &str| format!(r#""decide": {{"channel": "web", "logged": {logged}}}"#);
    let cases = [
        (decide(r#"{"action": "fibre-upgrade", "outcome": "clickd"}"#), "logged.outcome: `clickd` is not an outcome"),
        (decide(r#"{"propensity": 1e-9}"#), "logged.propensity: 0.000000001 is below 0.000001"),
        (r#""ago": "2d", "decide": {"channel": "web"}"#.to_owned(), "ago: belongs to rule tests"),
        (r#""time_zone": "UTC", "decide": {"channel": "web"}"#.to_owned(), "time_zone: stands alone or beside"),
        (r#""time_zone": "UTC", "event": {"type": "order"}"#.to_owned(), "time_zone: stands alone or beside"),
    ];
    let rules = rules("tests/fixtures/design");
    for (what, words) in cases {
        let mut replay = Replay::new(rules.clone());
        let line = format!(r#"{{"at": "2026-03-02T09:00:00Z", "customer": "a", {what}}}"#);
        let why = replay.play(&line).unwrap_err();
        assert!(why.contains(words), "{line}: {why}");
        assert_eq!((replay.summary().decisions, replay.summary().logged), (0, None), "{line}");
    }
    let mut replay = Replay::new(rules);
    for what in [
        r#""time_zone": "UTC""#.to_owned(),
        r#""time_zone": "UTC", "attributes": {"customer.age": 40}"#.to_owned(),
        decide(r#"{"propensity": 1e-6}"#),
    ] {
        replay.play(&format!(r#"{{"at": "2026-03-02T09:00:00Z", "customer": "a", {what}}}"#)).unwrap();
    }
}

/// A kept decision keeps its rule set: 100,000 decisions over twenty reloads must not keep the texts of twenty folders.
#[test]
fn a_rule_set_keeps_no_text_of_its_files() {
    let design = std::fs::read_to_string("tests/fixtures/design/rules.yaml").unwrap();
    let rules = rules_of(&format!("# a cänary\n{}", design.replace(", notice: notices/personalisation-v2.md", "")));
    assert!(!format!("{rules:?}").contains("cänary"));
    let (_, action) = rules.actions.iter().next().unwrap();
    let place = rules.locate(action.span);
    assert_eq!((place.file.as_str(), place.column), ("rules.yaml", 9), "and its reasons still name lines: {place}");
}
