//! Flips: the text lists exactly the supposed changes, they are possible, and with them the action is chosen.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus;
use tactful::domain::decide::Explain;
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{Engine, EventInput, OutcomeInput, Question};

use super::index::{Customer, customer, prepare, question, source};
use super::support::{ask, attributes, consent, engine, event, monday, rules_of};

const HEAD: &str = r#"
purposes:
  service:         {basis: contract}
  personalisation: {basis: consent, cooling_off: 90 days}
attributes:
  customer.contract: {type: text, one_of: [none, dsl, fibre], purposes: [service]}
  customer.age:      {type: number, purposes: [service]}
  customer.notice:   {type: duration, purposes: [service]}
context:
  topic:    {type: text, one_of: [speed, price], personal: false}
  activity: {type: text, one_of: [browsing, checkout], personal: false}
  items:    {type: list, personal: false}
events:
  visit:     {fields: {page: text}, purposes: [service], keep: 90 days}
  complaint: {purposes: [service], hurt: 40, keep: 90 days}
channels:
  web: {direction: inbound, interruption: {browsing: 0, checkout: 30, default: 0}}
journeys:
  trip:
    purpose: service
    start: {event: visit, when: event.page == "trip"}
    stages: {begun: {moves: [{to: late, after: 10 days}]}, late: {end: true}}
policy:
  arbitration: {personal_discount: 0, weights: {personal: 0, pressure: 0, hurt: 1}, threshold: 0}
  pressure:    {half_life: 7 days, per_contact: {web: 0}}
  hurt:        {half_life: 30 days}
  time_zone:   UTC
"#;

/// An offer; the given keys replace its defaults.
fn offer(id: &str, (base, intrusiveness): (u8, u8), rest: &str) -> String {
    format!(
        "  - id: {id}\n    title: T\n    kind: offer\n    purpose: service\n    relevance: {{base: {base}}}\n    \
         intrusiveness: {intrusiveness}\n    treatments: {{web: {{text: Hello}}}}\n{rest}"
    )
}

/// The rules of some actions, with limits that hold for all of them.
fn known(actions: &str, limits: &str) -> Engine {
    engine(&rules_of(&format!("{}  limits: [{limits}]\nactions:\n{actions}", HEAD.trim_start())))
}

fn presented(engine: &Engine, action: &str, at: Moment) {
    let outcome = OutcomeInput {
        outcome_id: String::new(),
        decision_id: String::new(),
        customer: "c".into(),
        action: action.into(),
        channel: "web".into(),
        outcome: Outcome::Presented,
        occurred: None,
    };
    engine.record_outcomes(vec![outcome], at).unwrap();
}

/// The flip of an action.
fn flip(engine: &Engine, question: Question, action: &str) -> Option<String> {
    let question = Question { explain: Explain::Full, validate_only: true, ..question };
    let record = engine.decide(question, monday()).unwrap();
    let losers = &record.explanation().unwrap().candidates;
    let loser = losers.iter().find(|loser| record.rules.vocabulary.name(loser.action) == action).unwrap();
    loser.flip.clone()
}

fn aim(conditions: &[&str]) -> String {
    let conditions: String = conditions.iter().map(|condition| format!("      - '{condition}'\n")).collect();
    offer("aim", (30, 0), &format!("    eligible:\n{conditions}"))
}

#[test]
fn facts_a_moment_and_points_are_all_listed() {
    let rest = "    limits: [{at_most: 1, per: 1 day}]\n    eligible:\n      - customer.contract == \"fibre\"\n";
    let engine = known(&offer("aim", (10, 13), rest), "");
    presented(&engine, "aim", monday());
    let told = flip(&engine, ask("c", "web", &[]), "aim").unwrap();
    let wanted =
        "if customer.contract were \"fibre\" and it were 2026-03-03T09:00:00Z and it were 3.1 points more relevant";
    assert_eq!(told, wanted);
}

/// A limit, then points, then a later moment, when one answer may hold no more: the later moment takes the place of the
/// earlier one, and of nothing else.
#[test]
fn a_later_moment_drops_no_points() {
    let limits = "    limits: [{at_most: 1, per: 3 days}]\n";
    let actions = [offer("first", (50, 0), ""), offer("aim", (10, 12), limits)].concat();
    let pooled = "{at_most: 2, per: 7 days, kinds: [offer]}";
    let engine = known(&actions, pooled);
    presented(&engine, "aim", monday());
    let two = Question { max_actions: 2, ..ask("c", "web", &[]) };
    let told = flip(&engine, two.clone(), "aim").unwrap();
    assert_eq!(told, "if it were 2026-03-09T09:00:00Z and it were 2.1 points more relevant");
    // With both changes it is chosen; one alone is not enough.
    for (base, days, wanted) in [(12, 7, 1), (13, 7, 2), (13, 3, 1)] {
        let actions = [offer("first", (50, 0), ""), offer("aim", (base, 12), limits)].concat();
        let engine = known(&actions, pooled);
        presented(&engine, "aim", monday());
        let later = monday() + Period(days * Period::DAY.0);
        assert_eq!(engine.decide(two.clone(), later).unwrap().decision.actions.len(), wanted, "{base} {days}");
    }
}

#[test]
fn suppositions_are_possible() {
    let cases: [(&[&str], Option<&str>); 12] = [
        (&[r#"events.count("visit", "7d") > 2.5"#], Some(r#"events.count("visit", "7d") were 3"#)),
        (&[r#"events.count("visit", "7d") == 2.5"#], None),
        (&[r#"events.count("visit", "7d") >= 300"#], None),
        (&[r#"events.count("visit", "7d") != 0"#], Some(r#"events.count("visit", "7d") were 1"#)),
        (
            &[r#"events.count("visit", "7d", event.page == "tv" && event.page != "x") >= 2"#],
            Some(r#"events.count("visit", "7d", event.page == "tv" && event.page != "x") were 2"#),
        ),
        // Those of a week are among those of a month.
        (&[r#"events.count("visit", "7d") >= 2"#, r#"events.count("visit", "30d") < 2"#], None),
        (&[r#"customer.age > 9007199254740991"#], None),
        (&[r#"events.last("visit") > now"#], None),
        // A complaint hurts: 40 × 2^(−3/30) points against 30.
        (
            &[r#"events.last("complaint") >= now - duration("3d")"#],
            Some(r#"events.last("complaint") were 2026-02-27T09:00:00Z and it were 7.4 points more relevant"#),
        ),
        // It interrupts more at the checkout.
        (
            &[r#"context.activity == "checkout""#],
            Some(r#"context.activity were "checkout" and it were 0.1 points more relevant"#),
        ),
        (&[r#"context.topic != "speed""#], Some(r#"context.topic were "price""#)),
        // A journey that has not begun has no stage.
        (&[r#"journey.trip.in_stage_for >= duration("2d")"#], None),
    ];
    for (conditions, wanted) in cases {
        let engine = known(&aim(conditions), "");
        let told = flip(&engine, ask("c", "web", &[("topic", "speed"), ("activity", "browsing")]), "aim");
        assert_eq!(told, wanted.map(|wanted| format!("if {wanted}")), "{conditions:?}");
    }
}

/// The words stand for the very values that were verified: lengths of time to the millisecond, lists as a rule writes them.
#[test]
fn lengths_of_time_and_lists_are_told_exactly() {
    let cases = [
        (r#"customer.notice > duration("1 day 2h 3m")"#, "customer.notice were 1 day 2 h 3 min 1 ms"),
        (r#"context.items == ["10"]"#, r#"context.items were ["10"]"#),
        (r#"context.items == ["a", "b, c"]"#, r#"context.items were ["a", "b, c"]"#),
    ];
    for (condition, wanted) in cases {
        let told = flip(&known(&aim(&[condition]), ""), ask("c", "web", &[]), "aim");
        assert_eq!(told, Some(format!("if {wanted}")), "{condition}");
    }
}

/// 30.3 − 30.1 is a little less than 0.2 in binary: with 0.2 points more it would win by nothing but that.
#[test]
fn points_win_by_a_thousandth_at_least() {
    let first = offer("first", (30, 0), "").replace("base: 30", "base: 30.3");
    let aim = offer("aim", (30, 0), "").replace("base: 30", "base: 30.1");
    let engine = known(&[first, aim].concat(), "");
    assert_eq!(flip(&engine, ask("c", "web", &[]), "aim").unwrap(), "if it were 0.3 points more relevant");
}

/// A complaint of 100 days ago is not kept: so there never was one, and nothing hurts.
#[test]
fn events_beyond_their_retention_never_happened() {
    let engine = known(&aim(&[r#"events.last("complaint") < now - duration("100d")"#]), "");
    engine.record_events(vec![event("c", "complaint", &[])], monday()).unwrap();
    let told = flip(&engine, ask("c", "web", &[]), "aim").unwrap();
    assert_eq!(told, "if events.last(\"complaint\") were 0001-01-01T00:00:00Z");
}

/// While a limit lasts, time goes on for the journey too.
#[test]
fn until_a_later_moment_time_passes() {
    let rest = "    limits: [{at_most: 1, per: 20 days}]\n    eligible:\n      - journey.trip.stage == \"begun\"\n";
    let engine = known(&offer("aim", (30, 0), rest), "");
    engine.record_events(vec![event("c", "visit", &[("page", "trip")])], monday()).unwrap();
    presented(&engine, "aim", monday());
    let told = flip(&engine, ask("c", "web", &[]), "aim").unwrap();
    assert_eq!(told, "if it were 2026-03-22T09:00:00Z and journey.trip.stage were \"begun\"");
}

/// What was not said before may be said again, also by others.
#[test]
fn a_contact_that_was_not_made_counts_for_no_limit() {
    let limits = "    limits: [{at_most: 1, per: 7 days}]\n";
    let condition = "    eligible:\n      - outcomes.count(\"other\", \"presented\", \"7d\") == 0\n";
    let actions = [offer("other", (50, 0), limits), offer("aim", (30, 0), condition)].concat();
    let engine = known(&actions, "");
    presented(&engine, "other", monday());
    let told = flip(&engine, ask("c", "web", &[]), "aim").unwrap();
    let wanted = "if outcomes.count(\"other\", \"presented\", \"7d\") were 0 and it were 20.1 points more relevant";
    assert_eq!(told, wanted);
}

#[test]
fn unreadable_facts_are_not_supposed() {
    let engine = known(&aim(&["customer.age >= 18"]), "");
    assert_eq!(flip(&engine, ask("c", "web", &[]), "aim").unwrap(), "if customer.age were 18");
    let restricted = consent("c", "", ConsentStatus::Restricted);
    engine.record_consent(restricted, monday()).unwrap();
    assert_eq!(flip(&engine, ask("c", "web", &[]), "aim"), None);
}

/// An ask's gain is that of the supposed world: what it would open is worth more there.
#[test]
fn an_ask_flips_like_any_step() {
    let opened = offer("opened", (30, 0), "").replace("purpose: service", "purpose: personalisation");
    let ask_for = |intrusiveness: u8, rest: &str| {
        format!(
            "  - {{id: aim, title: A, kind: consent_ask, asks: personalisation, purpose: service, \
             intrusiveness: {intrusiveness}, treatments: {{web: {{text: May we}}}}{rest}}}\n"
        )
    };
    let points = ", relevance: {add: [{points: 15, when: context.topic == \"price\"}]}";
    let eligible = ", eligible: ['context.activity == \"checkout\"']";
    let cases = [
        (ask_for(50, ""), "if it were 20.1 points more relevant"),
        (ask_for(50, points), "if it were 20.1 points more relevant"),
        // At the checkout both interrupt by 30 points, so nothing is gained by asking.
        (ask_for(10, eligible), ""),
    ];
    for (ask_for, wanted) in cases {
        let engine = known(&[opened.clone(), ask_for].concat(), "");
        assert_eq!(flip(&engine, ask("c", "web", &[]), "aim").unwrap_or_default(), wanted);
    }
    let engine = known(&[opened, ask_for(10, "")].concat(), "");
    engine.record_consent(consent("c", "personalisation", ConsentStatus::Refused), monday()).unwrap();
    assert_eq!(flip(&engine, ask("c", "web", &[]), "aim").unwrap(), "if it were 2026-05-31T09:00:00Z");
}

/// What a test can do of a flip: facts that are sent, a moment to ask at, points in the rules.
#[derive(Default)]
struct Doing {
    attributes: Vec<(String, Value)>,
    context: Vec<(String, Value)>,
    visits: Vec<Moment>,
    at: Option<Moment>,
    points: f64,
}

/// Reads a flip; nothing if it takes something out of the past, or puts the customer at a stage. Some visits were kept for
/// one purpose alone, and then there is no telling here how many another one counts.
fn read(flip: &str, customer: &Customer, all_visits_count: bool) -> Option<Doing> {
    let mut doing = Doing::default();
    for part in flip.strip_prefix("if ").unwrap().split(" and ") {
        if let Some(points) = part.strip_suffix(" points more relevant") {
            doing.points = points.strip_prefix("it were ").unwrap().parse().unwrap();
        } else if let Some(at) = part.strip_prefix("it were ") {
            doing.at = Some(Moment::parse(at).unwrap());
        } else {
            let (fact, written) = part.split_once(" were ").unwrap();
            let value = match written.trim_matches('"') {
                text if text.len() < written.len() => Value::Text(text.into()),
                "true" => Value::Flag(true),
                "false" => Value::Flag(false),
                number => number.parse().map_or(Value::Flag(false), Value::Number),
            };
            if fact.starts_with("customer.") {
                doing.attributes.push((fact.to_owned(), value));
            } else if let Some(name) = fact.strip_prefix("context.") {
                doing.context.push((name.to_owned(), value));
            } else if !all_visits_count {
                return None;
            } else if let (true, Value::Number(count)) = (fact.starts_with("events.count"), value) {
                let missing = (count as usize).checked_sub(customer.visits.len())?;
                doing.visits.extend(vec![monday(); missing]);
            } else if fact.starts_with("events.last") {
                let at = Moment::parse(written).unwrap();
                let earlier = |days: &i64| monday() - Period(days * Period::DAY.0) < at;
                doing.visits.push(Some(at).filter(|_| customer.visits.iter().all(earlier))?);
            } else {
                return None;
            }
        }
    }
    // What was counted before a later moment may count no more then.
    (doing.at.is_none() || doing.visits.is_empty()).then_some(doing)
}

/// The same rules with an action that is more relevant; nothing if its base would be above 100.
fn raised(source: &str, action: &str, points: f64) -> Option<String> {
    let (before, rest) = source.split_once(&format!("- id: {action}\n"))?;
    let (between, rest) = rest.split_once("base: ")?;
    let (base, rest) = rest.split_once('\n')?;
    let base = base.parse::<f64>().unwrap() + points;
    (base <= 100.0).then(|| format!("{before}- id: {action}\n{between}base: {base}\n{rest}"))
}

fn is_chosen(source: &str, (customer, doing): (&Customer, Doing), wanted: (&str, u32), action: &str) -> Option<bool> {
    let engine = engine(&rules_of(&raised(source, action, doing.points)?));
    prepare(&engine, customer);
    let known: Vec<(&str, Value)> =
        doing.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    engine.set_attributes(attributes("c", &known), monday()).unwrap();
    let visit = |at: &Moment| EventInput { occurred: Some(*at), ..event("c", "visit", &[("page", "x")]) };
    if !doing.visits.is_empty() {
        engine.record_events(doing.visits.iter().map(visit).collect(), monday()).unwrap();
    }
    let mut question = question(&engine, customer, wanted);
    for (name, value) in doing.context {
        question.context.retain(|(known, _)| *known != *name);
        question.context.push((name.into(), value));
    }
    let record = engine.decide(question, doing.at.unwrap_or(monday())).unwrap();
    Some(super::support::chosen(&record).contains(&action))
}

/// On random rules and customers: applying a flip lets the action win.
#[test]
fn a_flip_holds_when_it_is_done() {
    let mut runner = TestRunner::deterministic();
    let (mut told, mut done) = (0, 0);
    for _ in 0..200 {
        let source = source().new_tree(&mut runner).unwrap().current();
        let customer = customer().new_tree(&mut runner).unwrap().current();
        let engine = engine(&rules_of(&source));
        prepare(&engine, &customer);
        for wanted in [("web", 1), ("email", 2)] {
            let asked = Question { explain: Explain::Full, ..question(&engine, &customer, wanted) };
            let record = engine.decide(asked, monday()).unwrap();
            for loser in &record.explanation().unwrap().candidates {
                let Some(flip) = &loser.flip else { continue };
                let action = record.rules.vocabulary.name(loser.action);
                told += 1;
                let of_service =
                    source.contains(&format!("- id: {action}\n    title: T\n    kind: offer\n    purpose: service"));
                let Some(doing) = read(flip, &customer, of_service) else { continue };
                let Some(chosen) = is_chosen(&source, (&customer, doing), wanted, action) else { continue };
                assert!(chosen, "{action} on {wanted:?} {flip}\n{source}{customer:?}");
                done += 1;
            }
        }
    }
    assert!(told > 250 && done * 3 > told * 2, "{done} of {told} flips were done");
}
