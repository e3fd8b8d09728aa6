//! No false positives: where a contradiction is reported, the conditions are never all true, whatever the facts.

use proptest::prelude::*;
use proptest::sample::select;

use super::Possible;
use crate::domain::expr::{Fact, FactEntry, FactId, Facts};
use crate::domain::id::Vocabulary;
use crate::domain::rule_set::RuleSet;
use crate::domain::sources::{SourceFile, Sources};
use crate::domain::time::{Moment, Period};
use crate::domain::value::{Operand, Truth, Type, Value};
use crate::rules::load::load;

const RULES: &str = r#"
purposes: {service: {basis: contract}}
attributes:
  customer.plan: {type: text, one_of: [basic, plus, max], purposes: [service]}
  customer.age:  {type: number, purposes: [service]}
  customer.vip:  {type: flag, purposes: [service]}
  customer.ends: {type: moment, purposes: [service]}
context: {topic: {type: text, personal: false}}
events: {visit: {purposes: [service], keep: 90 days}}
channels: {web: {direction: inbound, interruption: 1}, phone: {direction: inbound, interruption: 1}}
journeys:
  trip:
    purpose: service
    start: {event: visit}
    stages: {begun: {moves: [{to: over, after: 3 days}]}, over: {end: true}, lost: {end: true}}
actions:
  - id: one
    title: One
    kind: service
    purpose: service
    eligible:
CONDITIONS
    relevance: {base: 40}
    intrusiveness: 1
    treatments: {web: {text: Hello}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1, phone: 1}}
  hurt: {half_life: 7 days}
  time_zone: UTC
"#;

fn rules(conditions: &[String]) -> RuleSet {
    let lines: Vec<String> = conditions.iter().map(|one| format!("      - '{one}'")).collect();
    let text = RULES.replace("CONDITIONS", &lines.join("\n"));
    let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text }]);
    let loaded = load(sources, &Vocabulary::default());
    loaded.rule_set.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

fn may_hold(rules: &RuleSet) -> bool {
    let (_, action) = rules.actions.iter().next().unwrap();
    Possible::of(rules, Some(action)).together(action.conditions())
}

fn check(conditions: &[&str], possible: bool) {
    let conditions: Vec<String> = conditions.iter().map(|one| (*one).to_owned()).collect();
    assert_eq!(may_hold(&rules(&conditions)), possible, "{conditions:?}");
}

#[test]
fn contradictions_are_found() {
    check(&[r#"context.topic == "a""#, r#"context.topic == "b""#], false);
    check(&[r#"context.topic in ["a", "b"]"#, r#"context.topic in ["c"]"#], false);
    check(&[r#"context.topic == "a" || context.topic == "b""#, r#"context.topic == "c""#], false);
    check(&["customer.age >= 65", "customer.age < 30"], false);
    check(&["customer.age > 30 && customer.age < 30"], false);
    check(&["customer.age == 30", "customer.age != 30"], false);
    check(&["customer.vip", "!customer.vip"], false);
    check(&["!has(customer.age)", "customer.age >= 18"], false);
    check(&[r#"!(customer.plan in ["basic", "plus", "max"])"#], false);
    check(&[r#"channel == "phone""#], false);
    check(&[r#"journey.trip.stage == "lost""#], false);
    check(&[r#"events.count("visit", "7d") < 0"#], false);
    check(&["local.hour > 23"], false);
    check(&[r#"events.last("visit") > now - duration("3d")"#, r#"now - events.last("visit") > duration("5d")"#], false);
    check(&["customer.ends > now", r#"customer.ends < now - duration("1d")"#], false);
}

#[test]
fn possible_conditions_are_not_reported() {
    check(&["customer.age >= 18", "customer.age < 30"], true);
    check(&["customer.age >= 30", "customer.age <= 30"], true);
    check(&[r#"context.topic != "a""#, r#"context.topic != "b""#], true);
    check(&["has(customer.age)", "customer.age >= 18"], true);
    check(&[r#"channel == "web""#, r#"journey.trip.stage in ["none", "lost"]"#], true);
    check(&[r#"context.topic.contains("a")"#, r#"context.topic == "b""#], true);
    check(&[r#"customer.vip ? context.topic == "a" : context.topic == "b""#, r#"context.topic == "c""#], true);
    check(&[r#"events.count("visit", "7d") > 0"#, r#"events.count("visit", "30d") == 0"#], true);
    check(&[r#"customer.ends > now"#, r#"customer.ends < now + duration("60d")"#], true);
}

fn leaf() -> impl Strategy<Value = String> {
    let compare = || select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let number = |what: &'static str, from: i32, to: i32| {
        (compare(), from..to).prop_map(move |(how, number)| format!("{what} {how} {number}"))
    };
    let moment =
        (compare(), 1..5_i32).prop_map(|(how, days)| format!(r#"customer.ends {how} now - duration("{days}d")"#));
    let age = (compare(), 1..5_i32).prop_map(|(how, days)| format!(r#"now - customer.ends {how} duration("{days}d")"#));
    let text = (select(vec!["==", "!="]), select(vec!["basic", "plus", "max"]))
        .prop_map(|(how, plan)| format!(r#"customer.plan {how} "{plan}""#));
    let rest = select(vec![
        "customer.vip",
        "has(customer.age)",
        "has(context.topic)",
        r#"context.topic == "a""#,
        r#"context.topic in ["b", "c"]"#,
        r#"customer.plan in ["basic", "max"]"#,
        r#"channel == "web""#,
        r#"channel == "phone""#,
        r#"journey.trip.stage == "lost""#,
        r#"journey.trip.stage == "none""#,
        r#"journey.trip.stage in ["begun", "over"]"#,
        r#"context.topic.contains("a")"#,
    ]);
    prop_oneof![
        number("customer.age", 0, 4),
        number("local.hour", 0, 24),
        number("local.month", 1, 13),
        number(r#"events.count("visit", "7d")"#, 0, 3),
        moment,
        age,
        text,
        rest.prop_map(str::to_owned),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    leaf().prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("!({one})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

/// One customer at one moment: a value, or none, for each fact of the rules.
struct Given(Vec<Option<Value>>);

impl Facts for Given {
    fn read(&self, fact: FactId) -> Operand<'_> {
        self.0[fact.0 as usize].as_ref().map_or(Operand::Unknown, Value::operand)
    }

    fn has(&self, fact: FactId) -> Truth {
        self.0[fact.0 as usize].is_some().into()
    }
}

fn now() -> Moment {
    Moment(1_000_000_000_000)
}

/// A possible value of a fact, chosen by `pick`.
fn value(entry: &FactEntry, pick: u32) -> Option<Value> {
    let number = |count: u32| Some(Value::Number(f64::from(pick % count)));
    let text = |texts: &[&str]| Some(Value::Text(texts[pick as usize % texts.len()].into()));
    match &entry.fact {
        Fact::Now => Some(Value::Moment(now())),
        Fact::Channel => text(&["web"]),
        Fact::Stage(_) => text(&["none", "begun", "over"]),
        Fact::LocalHour => number(24),
        Fact::LocalMonth => Some(Value::Number(f64::from(1 + pick % 12))),
        Fact::EventCount { .. } => number(4),
        _ if pick.is_multiple_of(5) => None,
        _ => match entry.kind {
            Type::Number => number(5),
            Type::Flag => Some(Value::Flag(pick.is_multiple_of(2))),
            Type::Moment => Some(Value::Moment(now() - Period(i64::from(pick % 13) * Period::DAY.0 / 2))),
            _ => match &entry.one_of {
                Some(listed) => Some(Value::Text(listed[pick as usize % listed.len()].clone())),
                None => text(&["a", "b", "c", "ab"]),
            },
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn reported_contradictions_are_never_true(
        conditions in proptest::collection::vec(expression(), 1..4),
        picks in proptest::collection::vec(proptest::collection::vec(any::<u32>(), 40), 48),
    ) {
        let rules = rules(&conditions);
        if may_hold(&rules) {
            return Ok(());
        }
        let (_, action) = rules.actions.iter().next().unwrap();
        for pick in picks {
            let values = rules.facts.iter().zip(&pick).map(|((_, entry), pick)| value(entry, *pick)).collect();
            let given = Given(values);
            let holds = action.conditions().all(|condition| condition.evaluate(&given).truth.holds());
            prop_assert!(!holds, "{conditions:?} hold for {:?}", given.0.iter().map(|value| value.as_ref().map(ToString::to_string)).collect::<Vec<_>>());
        }
    }
}
