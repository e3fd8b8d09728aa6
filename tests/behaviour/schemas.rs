//! `tactful schema`, held against a validator that is not ours: it takes what `tactful check` takes, and refuses what
//! an editor can know to be wrong.

use std::fs;

use proptest::prelude::*;
use proptest::sample::Index;
use regex::Regex;
use serde_json::Value;
use tactful::domain::id::Vocabulary;
use tactful::domain::rule_set::is_test;
use tactful::domain::sources::{FileId, SourceFile, Sources};
use tactful::domain::time::{Moment, Period, TimeOfDay};
use tactful::rule_files;
use tactful::rules::schema::{Names, schema};
use tactful::rules::shape::{Form, RULE_FILE, Shape};
use tactful::rules::source::{self, Node, NodeKind};
use tactful::rules::{Loaded, load};
use tactful::scenario::shape::TEST_FILE;
use tactful::scenario::test;

use super::commands::{out, tactful};
use super::support::folder;

const CATALOGUES: [&str; 6] = [
    "rules",
    "examples/bank-calls/rules",
    "examples/email-experiment/rules",
    "examples/email-experiment/always-mens",
    "examples/email-experiment/always-womens",
    "examples/email-experiment/always-silence",
];

fn files(catalogue: &str) -> Vec<SourceFile> {
    let (sources, unreadable) = rule_files::look(&folder(catalogue)).sources();
    assert!(unreadable.is_empty() && sources.iter().count() > 0, "{catalogue}");
    sources.iter().map(|(_, file)| file.clone()).collect()
}

/// Loads files of the sample catalogue, with its notices.
fn load_sample(files: &[SourceFile]) -> Loaded {
    let root = folder("rules");
    let mut files = files.to_vec();
    for notice in fs::read_dir(root.join("notices")).unwrap().map(|entry| entry.unwrap().path()) {
        files.push(SourceFile { path: notice.display().to_string(), text: fs::read_to_string(&notice).unwrap() });
    }
    load(Sources::under(&root.display().to_string(), files), &Vocabulary::default())
}

fn names(files: &[SourceFile]) -> Names {
    let mut names = Names::default();
    for file in files.iter().filter(|file| !is_test(&file.path)) {
        names.add(&source::read(FileId::default(), &file.text, &mut Vec::new()).unwrap(), &Form::Map(&RULE_FILE));
    }
    names
}

/// What the validator says about a text; nothing if it takes it.
fn refusal(schema: &Value, text: &str) -> Option<String> {
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("tactful.json", schema.clone()).unwrap();
    let mut schemas = boon::Schemas::new();
    let index = compiler.compile("tactful.json", &mut schemas).unwrap();
    let instance: Value = serde_yaml::from_str(text).unwrap();
    schemas.validate(&instance, index).err().map(|error| format!("{error:#}"))
}

fn shape_of(path: &str) -> &'static Shape {
    if is_test(path) { &TEST_FILE } else { &RULE_FILE }
}

#[test]
fn the_schemas_beside_the_rules_are_what_the_command_prints() {
    let kept: [(&str, &[&str]); 4] = [
        ("schema/rules.schema.json", &["schema"]),
        ("schema/tests.schema.json", &["schema", "--tests"]),
        ("rules/.schema/rules.schema.json", &["schema", "rules"]),
        ("rules/.schema/tests.schema.json", &["schema", "rules", "--tests"]),
    ];
    for (path, command) in kept {
        let printed = out(&tactful(command));
        let stored = fs::read_to_string(folder(path)).unwrap_or_default();
        assert!(stored == printed, "{path} is old: tactful {} --output {path}", command.join(" "));
    }
}

#[test]
fn every_sample_file_names_its_schema_and_fits_it() {
    for catalogue in CATALOGUES {
        let files = files(catalogue);
        let own = names(&files);
        for SourceFile { path, text } in &files {
            let first = text.lines().next().unwrap();
            let named =
                first.strip_prefix("# yaml-language-server: $schema=").unwrap_or_else(|| panic!("{path}: {first}"));
            let stored = std::path::Path::new(path).parent().unwrap().join(named);
            assert!(named.ends_with(if is_test(path) { "/tests.schema.json" } else { "/rules.schema.json" }), "{path}");
            let stored: Value = serde_json::from_str(&fs::read_to_string(stored).expect(path)).unwrap();
            for schema in [stored, schema(shape_of(path), None), schema(shape_of(path), Some(&own))] {
                assert_eq!(refusal(&schema, text), None, "{path}");
            }
        }
    }
}

#[test]
fn mistakes_that_an_editor_can_detect_are_refused() {
    let files = files("rules");
    let own = names(&files);
    let cases = [
        ("offers/fibre.yaml", "    title: Fibre at today's price", "    titel: Fibre at today's price"),
        ("offers/fibre.yaml", "    title: Fibre at today's price", "    title: 5"),
        ("offers/fibre.yaml", "    kind: offer", "    kind: ofer"),
        ("offers/fibre.yaml", "    kind: offer\n", ""),
        ("offers/fibre.yaml", "    purpose: personalisation", "    purpose: personalization"),
        ("offers/fibre.yaml", "    intrusiveness: 10", "    intrusiveness: -1"),
        ("offers/fibre.yaml", "at_most: 1, per: 30 days", "at_most: 1, per: 30"),
        ("offers/fibre.yaml", "at_most: 1, per: 30 days", "at_most: 1, per: 30 dys"),
        ("offers/fibre.yaml", "at_most: 1, per: 30 days", "at_most: 1"),
        ("offers/fibre.yaml", "at_most: 1, per: 30 days", "at_most: 1, per: 30 days, after: rejected, wait: 1 day"),
        ("offers/fibre.yaml", "after: rejected", "after: refused"),
        ("offers/fibre.yaml", "      web: ", "      wap: "),
        ("service/line.yaml", "excludes: [outage-map", "excludes: [outage-mop"),
        ("journeys/care.yaml", "{to: overdue,", "{to: overdu,"),
        ("journeys/care.yaml", "event: complaint_resolved", "event: complaint_solved"),
        ("journeys/care.yaml", ", after: 3 days}", "}"),
        ("company/channels.yaml", "direction: inbound", "direction: in"),
        ("company/channels.yaml", "browsing: 2", "strolling: 2"),
        ("company/channels.yaml", "from: \"21:00\"", "from: \"9 pm\""),
        ("company/customer-data.yaml", "type: number", "type: integer"),
        ("company/customer-data.yaml", "personal: false", "personal: true"),
        ("company/customer-data.yaml", ", purposes: [service, personalisation]}", "}"),
        ("company/customer-data.yaml", "  customer.speed:", "  speed:"),
        ("company/policy.yaml", "complained: 40", "not_presented: 40"),
        ("company/policy.yaml", "channels: [email]", "channels: [mail]"),
        ("company/channels.test.yaml", "expect: {action: mobile-companion}", "expect: {action: mobile}"),
        ("company/channels.test.yaml", "expect: {action: mobile-companion}", "expect: {}"),
        ("company/channels.test.yaml", "status: given", "status: granted"),
        ("company/channels.test.yaml", "topic: price", "theme: price"),
        ("company/channels.test.yaml", "activity: browsing", "activity: strolling"),
        ("company/channels.test.yaml", "customer.age: 34", "customer.age: old"),
        ("company/channels.test.yaml", "customer.age: 34", "customer.aeg: 34"),
        ("company/channels.test.yaml", "fields: {page: fibre}", "fields: {pages: fibre}"),
        ("company/channels.test.yaml", "gate: below_threshold", "gate: too_low"),
        ("company/channels.test.yaml", "at: 2026-03-02T10:00:00+01:00", "at: 2026-03-02T10:00:00"),
    ];
    for (name, right, wrong) in cases {
        let file = files.iter().find(|file| file.path.ends_with(name)).unwrap();
        assert!(file.text.contains(right), "{name}: {right}");
        let schema = schema(shape_of(name), Some(&own));
        assert!(refusal(&schema, &file.text.replacen(right, wrong, 1)).is_some(), "{name}: {wrong}");
    }
}

/// What may be put where another value stood.
const VALUES: [&str; 26] = [
    "1",
    "0",
    "0.5",
    "-3",
    "true",
    "false",
    "null",
    "\"x\"",
    "text",
    "30 days",
    "PT1H",
    "\"21:00\"",
    "[]",
    "[text]",
    "{}",
    "2026-03-02T10:00:00Z",
    "service",
    "personalisation",
    "web",
    "order",
    "offer",
    "presented",
    "browsing",
    "open",
    "speed-test",
    "customer.contract == \"dsl\"",
];

/// Every scalar and every whole entry of a map.
fn places<'n>(node: &'n Node, scalars: &mut Vec<&'n Node>, entries: &mut Vec<(u32, u32)>) {
    match &node.kind {
        NodeKind::List(items) => items.iter().for_each(|item| places(item, scalars, entries)),
        NodeKind::Map(inside) => inside.iter().for_each(|entry| {
            entries.push((entry.key.span.start, entry.key.span.end));
            places(&entry.value, scalars, entries);
        }),
        _ => scalars.push(node),
    }
}

/// Puts another value, or another key, somewhere into a text.
fn mutate(text: &str, at: &Index, with: &Index, key: bool) -> Option<String> {
    let node = source::read(FileId::default(), text, &mut Vec::new())?;
    let (mut scalars, mut keys) = (Vec::new(), Vec::new());
    places(&node, &mut scalars, &mut keys);
    let (start, end, new) = if key {
        let (start, end) = *at.get(&keys);
        let other = *with.get(&keys);
        (start, end, &text[other.0 as usize..other.1 as usize])
    } else {
        let scalar = at.get(&scalars);
        let other = with.index(VALUES.len() + scalars.len());
        let new = VALUES.get(other).copied().unwrap_or_else(|| {
            let other = scalars[other - VALUES.len()].span;
            &text[other.start as usize..other.end as usize]
        });
        (scalar.span.start, scalar.span.end, new)
    };
    Some(format!("{}{new}{}", &text[..start as usize], &text[end as usize..]))
}

#[test]
fn the_sample_catalogue_loads_before_it_is_changed() {
    assert_eq!(load_sample(&files("rules")).counts().0, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn no_schema_refuses_what_the_commands_take(
        which in any::<Index>(), changes in prop::collection::vec((any::<Index>(), any::<Index>(), prop::bool::weighted(0.2)), 1..3),
    ) {
        let mut files = files("rules");
        let which = which.index(files.len());
        for (at, with, key) in changes {
            let changed = mutate(&files[which].text, &at, &with, key);
            prop_assume!(changed.is_some());
            files[which].text = changed.unwrap();
        }
        let SourceFile { path, text } = files[which].clone();
        let loaded = load_sample(&files);
        prop_assume!(loaded.counts().0 == 0);
        let rules = std::sync::Arc::new(loaded.rule_set.unwrap());
        if is_test(&path) {
            let (tests, found) = test::read(&loaded.tests, &rules, &loaded.sources);
            prop_assume!(found.is_empty());
            let mut own = tests.iter().filter(|test| loaded.sources.locate(test.span).file == path);
            let failed = own.any(|test| test.run(&rules, None).failure.is_some());
            prop_assume!(!failed);
        }
        let own = names(&files);
        for schema in [schema(shape_of(&path), None), schema(shape_of(&path), Some(&own))] {
            let refused = refusal(&schema, &text);
            prop_assert!(refused.is_none(), "{}: {}\n{}", path, refused.unwrap_or_default(), text);
        }
    }

    #[test]
    fn every_length_of_time_that_is_read_fits_its_pattern(
        sign in "[+-]?",
        parts in prop::collection::vec(("[0-9]{1,3}([.,][0-9]{1,2})?", " ?", "[a-zµ]{1,2}|years?|months?|mos?|weeks?|wks?|days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|[mun]?secs?|YEARS|Days", ",? {0,2}"), 0..4),
        end in "([0-9]{1,2}:[0-9]{2}:[0-9]{2}(\\.[0-9])?| ?ago|)",
        iso in "[Pp]([0-9]{1,2}[YMWDymwd]){0,3}(T([0-9]{1,2}(\\.[0-9])?[HMShms]){1,2})?",
    ) {
        let friendly: String = parts.into_iter().map(|(number, gap, unit, after)| number + &gap + &unit + &after).collect();
        let pattern = pattern("/definitions/length_of_time/pattern");
        for text in [format!("{sign}{friendly}{end}"), format!("{sign}{iso}")] {
            prop_assert!(Period::parse(&text).is_err() || pattern.is_match(&text), "{}", text);
        }
    }

    #[test]
    fn every_moment_that_is_read_fits_its_pattern(
        date in "[+-]?(20[0-9]{2}|00[0-9]{4})-?(0[1-9]|1[0-2])-?(0[1-9]|2[0-8])",
        time in "[Tt ](0[0-9]|1[0-9])(:?[0-5][0-9](:?[0-5][0-9]([.,][0-9]{1,3})?)?)?",
        offset in "([Zz]|[+-](0[0-9]|1[0-4])(:?(00|30)(:?15)?)?|)",
        zone in "(\\[(Europe/Berlin|UTC|!UTC)\\])?",
    ) {
        let text = date + &time + &offset + &zone;
        prop_assert!(Moment::parse(&text).is_err() || pattern("/definitions/moment/pattern").is_match(&text), "{}", text);
    }
}

/// Every map in a schema.
fn maps<'s>(schema: &'s Value, found: &mut Vec<&'s serde_json::Map<String, Value>>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| maps(item, found)),
        Value::Object(fields) => {
            found.push(fields);
            fields.values().for_each(|value| maps(value, found));
        }
        _ => {}
    }
}

#[test]
fn what_an_editor_says_is_in_plain_words() {
    let signs = ["^", "$", "\\", "[0-9", "(?"];
    let own = names(&files("rules"));
    for shape in [&RULE_FILE, &TEST_FILE] {
        for schema in [schema(shape, None), schema(shape, Some(&own))] {
            let mut found = Vec::new();
            maps(&schema, &mut found);
            let patterns = found.iter().filter(|fields| fields.get("pattern").is_some_and(Value::is_string));
            let patterns: Vec<_> = patterns.collect();
            assert!(patterns.len() > 2, "{}", patterns.len());
            for fields in patterns {
                let said = fields["patternErrorMessage"].as_str().unwrap();
                assert!(said.len() > 10 && !signs.iter().any(|sign| said.contains(sign)), "{said}");
            }
            // It would be said of each key that is missing or unknown, in place of the key's name.
            let said_of_keys = |fields: &&&serde_json::Map<String, Value>| {
                fields.contains_key("errorMessage")
                    && (fields.contains_key("required") || fields.contains_key("properties"))
            };
            let said_of_keys = found.iter().find(|fields| said_of_keys(fields) && !fields["errorMessage"].is_object());
            assert_eq!(said_of_keys, None);
        }
    }
}

#[test]
fn the_kinds_of_actions_are_explained_as_in_the_reference() {
    let schema = schema(&RULE_FILE, None);
    let kind = schema.pointer("/definitions/an_action/properties/kind").unwrap();
    let text = fs::read_to_string(folder("docs/rules.md")).unwrap();
    let pairs = kind["enum"].as_array().unwrap().iter().zip(kind["enumDescriptions"].as_array().unwrap());
    for (word, about) in pairs {
        let row = format!("| `{}` | {} |", word.as_str().unwrap(), about.as_str().unwrap());
        assert!(text.contains(&row), "{row}");
    }
}

#[test]
fn what_check_refuses_is_underlined_as_far_as_a_schema_can_say_it() {
    let text = fs::read_to_string(folder("tests/behaviour/cases/39-editor-says-nothing/rules/r.yaml")).unwrap();
    let schema = schema(&RULE_FILE, None);
    let sound = text.replace("informaton", "information").replace("010", "10");
    assert!(refusal(&schema, &text).is_some_and(|why| why.contains("kind")));
    // To YAML 1.2, `21:00` is a text like the one in quotes, and 010 is ten: an editor cannot see either. A reader of
    // YAML 1.1 sees the number 1260, which docs/editing.md says how to switch on.
    assert_eq!(refusal(&schema, &sound), None);
    assert!(refusal(&schema, &sound.replace("from: 21:00", "from: 1260")).is_some());
    for (old, new) in [
        ("basis: contract", "basis: contrat"),
        ("cooling_off: 30 days", "cooling_off: 30"),
        ("title: note1", "title: 5"),
        ("{type: text, purposes: [service]}", "{type: text, one_of: [a\u{200b}b], purposes: [service]}"),
        ("relevance: {base: 50}", "relevance: 50"),
        ("relevance: {base: 50}", "relevance: {base: 50}\n    eligible: [\"context.topic\u{a0}== 'x'\"]"),
        ("time_zone: America/New_York", "time_zone: New York"),
        ("    intrusiveness: 1\n", ""),
    ] {
        assert!(sound.contains(old), "{old}");
        assert!(refusal(&schema, &sound.replacen(old, new, 1)).is_some(), "{new}");
    }
}

fn pattern(place: &str) -> Regex {
    let schema = schema(&RULE_FILE, None);
    Regex::new(schema.pointer(place).unwrap().as_str().unwrap()).unwrap()
}

#[test]
fn patterns_refuse_what_is_often_forgotten() {
    let period = pattern("/definitions/length_of_time/pattern");
    for text in ["30", "days", "30 dys", "", "soon", "-3 days"] {
        assert!(!period.is_match(text) && Period::parse(text).is_err(), "{text}");
    }
    let moment = pattern("/definitions/moment/pattern");
    for text in ["2026-03-02", "2026-03-02T10:00:00", "tomorrow", "10:00"] {
        assert!(!moment.is_match(text) && Moment::parse(text).is_err(), "{text}");
    }
    let time_of_day = pattern("/definitions/quiet_hours/properties/from/pattern");
    let signs = ["", "0", "1", "2", "3", "5", "6", "9", ":", "+", " "];
    for number in 0..signs.len().pow(5) {
        let sign = |place: u32| signs[number / signs.len().pow(place) % signs.len()];
        let text = [sign(4), sign(3), sign(2), sign(1), sign(0)].concat();
        assert_eq!(TimeOfDay::parse(&text).is_some(), time_of_day.is_match(&text), "{text}");
    }
}
