//! The index and the walk over every action agree: on random rules, facts and masks, an answer without an
//! explanation is the answer with one.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

use tactful::domain::action::Outcome;
use tactful::domain::consent::{ConsentStatus, Standing};
use tactful::domain::customer::{CustomerState, PackedEvent};
use tactful::domain::decide::{Decision, Explain, Explanation, Gate};
use tactful::domain::id::{ChannelId, PurposeSet};
use tactful::domain::rule_set::RuleSet;
use tactful::domain::scoring::Term;
use tactful::domain::time::Period;
use tactful::domain::value::Value;
use tactful::domain::view::{Contacts, Scene, Situation, Subject};
use tactful::engine::{AttributeChange, Engine, OutcomeInput, Question};

use super::support::{ask, attributes, consent, engine, event, monday, rules_of};

const HEAD: &str = r#"
purposes:
  service:         {basis: contract}
  personalisation: {basis: consent, cooling_off: 90 days}
  marketing:       {basis: consent, cooling_off: 90 days}
attributes:
  customer.plan: {type: text, one_of: [basic, plus, max], purposes: [service, personalisation]}
  customer.age:  {type: number, purposes: [service, personalisation], sensitivity: 0.5}
  customer.vip:  {type: flag, purposes: [marketing], sensitivity: 0.2}
context:
  topic: {type: text, personal: false}
  level: {type: number, personal: false}
events:
  visit:     {fields: {page: text}, purposes: [service, personalisation, marketing], keep: 90 days}
  complaint: {purposes: [service], hurt: 12, keep: 90 days}
channels:
  web:   {direction: inbound, interruption: 1}
  email: {direction: outbound, interruption: 5, quiet_hours: {from: "11:00", to: "12:00", otherwise: wait}}
journeys:
  purchase:
    purpose: personalisation
    start: {event: visit}
    stages: {looking: {moves: [{to: done, after: 30 days}]}, done: {end: true}}
"#;

const POLICY: &str = "policy:\n  arbitration: {personal_discount: 0.5, weights: {personal: 20, pressure: 1, hurt: 1}}\n  \
    pressure: {half_life: 7 days, per_contact: {web: 2, email: 6}}\n  hurt: {half_life: 7 days}\n  \
    limits: [{at_most: 2, per: 3 days, kinds: [offer]}]\n  time_zone: Europe/Berlin\n";

/// A condition on one fact that the purpose may read.
fn leaf(purpose: &'static str) -> BoxedStrategy<String> {
    let compare = || select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let topic = select(vec![r#"context.topic == "a""#, r#"context.topic != "a""#, r#"context.topic in ["b", "c"]"#]);
    let level = (compare(), 0..6_i32).prop_map(|(how, level)| format!("context.level {how} {level}"));
    let count = (compare(), 0..4_i32).prop_map(|(how, count)| format!(r#"events.count("visit", "30d") {how} {count}"#));
    let last = (compare(), 1..9_i32)
        .prop_map(|(how, days)| format!(r#"events.last("visit") {how} now - duration("{days}d")"#));
    let age = (compare(), 1..9_i32)
        .prop_map(|(how, days)| format!(r#"now - events.last("visit") {how} duration("{days}d")"#));
    let rest = select(vec![
        "has(context.topic)",
        "hurt < 6",
        "pressure >= 2.5",
        r#"consent.given("marketing")"#,
        r#"channel == "web""#,
        "local.hour < 11",
        r#"context.topic.contains("a")"#,
    ]);
    let years = (compare(), select(vec![20, 30, 40]), any::<bool>()).prop_map(|(how, age, turned)| match turned {
        true => format!("{age} {how} customer.age"),
        false => format!("customer.age {how} {age}"),
    });
    let held = select(vec![
        r#"customer.plan in ["basic", "plus"]"#,
        r#"!(customer.plan in ["basic", "plus"])"#,
        r#"customer.plan != "max""#,
        r#""max" == customer.plan"#,
        "has(customer.age)",
        "customer.age in [20, 40]",
    ]);
    let own: BoxedStrategy<String> = match purpose {
        "personalisation" => {
            let stage = Just(r#"journey.purchase.stage == "looking""#.to_owned());
            prop_oneof![years, held.prop_map(str::to_owned), stage].boxed()
        }
        "marketing" => select(vec!["customer.vip", "customer.vip == false"]).prop_map(str::to_owned).boxed(),
        _ => {
            let presented = Just(r#"outcomes.count("action-0", "presented", "30d") == 0"#.to_owned());
            prop_oneof![2 => years, 2 => held.prop_map(str::to_owned), 1 => presented].boxed()
        }
    };
    prop_oneof![3 => own, 1 => topic.prop_map(str::to_owned), 1 => level, 1 => count, 1 => last, 1 => age, 2 => rest.prop_map(str::to_owned)]
        .boxed()
}

fn expression(purpose: &'static str) -> impl Strategy<Value = String> {
    leaf(purpose).prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("!({one})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

/// An item of a list of conditions, at its indentation.
fn condition(purpose: &'static str) -> impl Strategy<Value = String> {
    let item = |text: String, depth: usize| format!("{}- '{}'\n", " ".repeat(depth), text.replace('\'', "''"));
    let group = select(vec!["any", "all", "none"]);
    prop_oneof![
        3 => expression(purpose).prop_map(move |one| item(one, 6)),
        1 => (group, proptest::collection::vec(expression(purpose), 1..4)).prop_map(move |(group, parts)| {
            let parts: String = parts.into_iter().map(|part| item(part, 10)).collect();
            format!("      - {group}:\n{parts}")
        }),
    ]
}

fn action(index: usize) -> impl Strategy<Value = String> {
    // The first one's outcomes are asked for by others that serve its purpose.
    let purposes = if index == 0 { vec!["service"] } else { vec!["service", "personalisation", "marketing"] };
    select(purposes).prop_flat_map(move |purpose| {
        let conditions = || proptest::collection::vec(condition(purpose), 0..3);
        let points =
            proptest::option::of((-20..80_i32, prop_oneof![leaf(purpose), Just(r#"channel == "web""#.to_owned())]));
        // Few different numbers, so that many upper bounds are equal.
        let head = (
            (0..6_i32).prop_map(|tens| tens * 10),
            select(vec!["offer", "service"]),
            select(vec!["web", "email", "both"]),
            0..4_u8,
        );
        (conditions(), conditions(), points, head).prop_map(
            move |(eligible, suitable, points, (base, kind, channel, extra))| {
                let mut text =
                    format!("  - id: action-{index}\n    title: T\n    kind: {kind}\n    purpose: {purpose}\n");
                for (key, conditions) in [("eligible", eligible), ("suitable", suitable)] {
                    if !conditions.is_empty() {
                        write!(text, "    {key}:\n{}", conditions.concat()).unwrap();
                    }
                }
                write!(text, "    relevance:\n      base: {base}\n").unwrap();
                if let Some((points, when)) = points {
                    write!(text, "      add:\n        - points: {points}\n          when: '{when}'\n").unwrap();
                }
                text += match extra {
                    0 => "    group: one\n    from: 2026-03-05T00:00:00Z\n",
                    1 => "    group: two\n    limits: [{after: presented, wait: 5 days}]\n",
                    _ => "",
                };
                text += "    intrusiveness: 3\n    treatments:\n";
                for name in ["web", "email"].into_iter().filter(|name| channel == "both" || channel == *name) {
                    writeln!(text, "      {name}: {{text: Hello}}").unwrap();
                }
                text
            },
        )
    })
}

pub fn source() -> impl Strategy<Value = String> {
    let actions = (1..9_usize).prop_flat_map(|count| (0..count).map(action).collect::<Vec<_>>());
    (actions, proptest::bool::weighted(0.7)).prop_map(|(actions, asks)| {
        let ask = "  - {id: ask, title: Ask, kind: consent_ask, asks: personalisation, purpose: service, intrusiveness: 1, \
                   treatments: {web: {text: May we}, email: {text: May we}}}\n";
        format!("{HEAD}actions:\n{}{}{POLICY}", actions.concat(), if asks { ask } else { "" })
    })
}

#[derive(Debug, Clone)]
pub struct Customer {
    plan: Option<&'static str>,
    age: Option<i32>,
    vip: Option<bool>,
    /// This many days ago.
    pub visits: Vec<i64>,
    complained: bool,
    granted: bool,
    presented: bool,
    consents: Vec<(&'static str, ConsentStatus)>,
    topic: Option<&'static str>,
    level: Option<i32>,
    group: Option<&'static str>,
}

pub fn customer() -> impl Strategy<Value = Customer> {
    let consent = (
        select(vec!["personalisation", "marketing"]),
        select(vec![ConsentStatus::Given, ConsentStatus::Given, ConsentStatus::Withdrawn, ConsentStatus::Restricted]),
    );
    let held = (
        proptest::option::of(select(vec!["basic", "plus", "max"])),
        proptest::option::of(select(vec![19, 20, 30, 35, 40, 41])),
        proptest::option::of(any::<bool>()),
        proptest::collection::vec(0..10_i64, 0..4),
    );
    let asked = (
        proptest::option::of(select(vec!["a", "b", "xa"])),
        proptest::option::of(0..6_i32),
        proptest::option::weighted(0.2, select(vec!["one", "two"])),
    );
    (held, any::<[bool; 3]>(), proptest::collection::vec(consent, 0..3), asked).prop_map(
        |((plan, age, vip, visits), [complained, granted, presented], consents, (topic, level, group))| Customer {
            plan,
            age,
            vip,
            visits,
            complained,
            granted,
            presented,
            consents,
            topic,
            level,
            group,
        },
    )
}

/// Consents come first, if at all, and last, so that some facts are held for a purpose that is denied by then.
pub fn prepare(engine: &Engine, customer: &Customer) {
    let rules = engine.rules();
    let start = monday() - Period(12 * Period::DAY.0);
    for purpose in ["personalisation", "marketing"].into_iter().filter(|_| customer.granted) {
        engine.record_consent(consent("c", purpose, ConsentStatus::Given), start).unwrap();
    }
    let mut held: Vec<(&str, Value)> = Vec::new();
    held.extend(customer.plan.map(|plan| ("customer.plan", Value::Text(plan.into()))));
    held.extend(customer.age.map(|age| ("customer.age", Value::Number(f64::from(age)))));
    held.extend(customer.vip.map(|vip| ("customer.vip", Value::Flag(vip))));
    engine.set_attributes(attributes("c", &held), start).unwrap();
    let mut days = customer.visits.clone();
    days.sort_unstable_by_key(|days| -days);
    for days in days {
        engine
            .record_events(vec![event("c", "visit", &[("page", "x")])], monday() - Period(days * Period::DAY.0))
            .unwrap();
    }
    if customer.complained {
        engine.record_events(vec![event("c", "complaint", &[])], monday()).unwrap();
    }
    let presented = rules.set.vocabulary.find::<tactful::domain::id::ActionId>("action-0");
    if customer.presented && presented.is_some() {
        let outcome = OutcomeInput {
            outcome_id: String::new(),
            decision_id: String::new(),
            customer: "c".into(),
            action: "action-0".into(),
            channel: "web".into(),
            outcome: Outcome::Presented,
            occurred: None,
        };
        engine.record_outcomes(vec![outcome], monday()).unwrap();
    }
    for (purpose, status) in &customer.consents {
        engine.record_consent(consent("c", purpose, *status), monday()).unwrap();
    }
}

/// A question about a customer on a channel, for up to this many actions.
pub fn question(engine: &Engine, customer: &Customer, (channel, most): (&str, u32)) -> Question {
    let mut question = ask("c", channel, &customer.topic.map(|topic| ("topic", topic)).into_iter().collect::<Vec<_>>());
    question.context.extend(customer.level.map(|level| ("level".into(), Value::Number(f64::from(level)))));
    let known = |name: &&str| engine.rules().set.vocabulary.find::<tactful::domain::id::GroupId>(name).is_some();
    question.groups.extend(customer.group.filter(known).map(str::to_owned));
    Question { max_actions: most, validate_only: true, ..question }
}

fn decide(engine: &Engine, customer: &Customer, wanted: (&str, u32), explain: Explain) -> Decision {
    let question = Question { explain, ..question(engine, customer, wanted) };
    let record = engine.decide(question, monday()).unwrap();
    Decision { explanation: record.explanation().cloned(), ..record.decision.clone() }
}

/// The answer, and the funnel with the loser that came furthest.
fn split(mut decision: Decision) -> (Decision, Option<Explanation>) {
    let mut explanation = decision.explanation.take();
    if let Some(explanation) = &mut explanation {
        explanation.candidates.retain(|loser| loser.gate != Gate::Chosen);
        explanation.candidates.truncate(1);
        explanation.candidates.iter_mut().for_each(|nearest| nearest.flip = None);
    }
    (decision, explanation)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The answer does not depend on the amount of explanation: from the index, from counting, and from evaluating
    /// every action.
    #[test]
    fn every_way_to_explain_gives_the_same_answer(source in source(), customers in proptest::collection::vec(customer(), 4)) {
        let rules = rules_of(&source);
        for customer in &customers {
            let engine = engine(&rules);
            prepare(&engine, customer);
            for wanted in [("web", 1), ("web", 3), ("email", 1), ("email", 3)] {
                let [(indexed, _), counted, full] = [Explain::Chosen, Explain::Funnel, Explain::Full]
                    .map(|explain| split(decide(&engine, customer, wanted, explain)));
                prop_assert_eq!(&indexed, &full.0, "{} {:?} {:?}", source, customer, wanted);
                prop_assert_eq!(counted, full, "{} {:?} {:?}", source, customer, wanted);
            }
        }
    }

    /// A remaining action fits or may fit, an excluded one does not, and a result that the index reports as known is
    /// right.
    #[test]
    fn survivors_are_those_whose_conditions_hold(source in source(), customers in proptest::collection::vec(customer(), 8)) {
        let rules = rules_of(&source);
        for customer in &customers {
            let mut context = Vec::new();
            context.extend(customer.topic.map(|topic| (rules.vocabulary.find("topic").unwrap(), Value::Text(topic.into()))));
            context.extend(customer.level.map(|level| (rules.vocabulary.find("level").unwrap(), Value::Number(f64::from(level)))));
            let channel: ChannelId = rules.vocabulary.find("web").unwrap();
            let situation = Situation { context: &context, channel: Some(channel) };
            let (state, standing) = (state(&rules, customer), Standing::default());
            let scene = Scene::new(&rules, Subject { state: &state, standing: &standing, ledger_trusted: true, contacts: Contacts::default() }, situation, monday());
            for index in &rules.index.purposes {
                let view = scene.view(index.purpose);
                let survivors: Vec<_> = index.shard.survivors(channel, &view).collect();
                for (id, action) in rules.actions.iter().filter(|(_, action)| action.purpose == index.purpose) {
                    let holds = action.conditions().all(|condition| condition.evaluate(&view).truth.holds());
                    let survivor = survivors.iter().find(|survivor| survivor.action == id);
                    let offered = action.treatments.get(channel).is_some();
                    prop_assert!(survivor.is_some() || !holds || !offered, "{} is lost: {source}", rules.vocabulary.name(id));
                    if let Some(sensitivity) = survivor.and_then(|survivor| survivor.holds) {
                        prop_assert!(holds, "{} does not hold: {source}", rules.vocabulary.name(id));
                        let found = action.conditions().map(|condition| condition.evaluate(&view).sensitivity);
                        prop_assert_eq!(found.fold(0.0, f64::max), sensitivity);
                    }
                }
            }
        }
    }
}

/// Equal conditions of two purposes are evaluated for each: one purpose may read what the other may not.
#[test]
fn equal_conditions_are_evaluated_for_each_purpose() {
    let action = |id: &str, purpose: &str| {
        format!(
            "  - {{id: {id}, title: T, kind: offer, purpose: {purpose}, eligible: ['customer.age >= 18'], \
             relevance: {{base: 20}}, intrusiveness: 3, treatments: {{web: {{text: Hello}}}}}}\n"
        )
    };
    let actions = [action("a-personal", "personalisation"), action("b-service", "service")].concat();
    let engine = engine(&rules_of(&format!("{HEAD}actions:\n{actions}{POLICY}")));
    engine.set_attributes(attributes("c", &[("customer.age", Value::Number(30.0))]), monday()).unwrap();
    // The age was collected for service alone: there was no yes to the other purpose.
    engine.record_consent(consent("c", "personalisation", ConsentStatus::Given), monday()).unwrap();
    for explain in [Explain::Chosen, Explain::Funnel, Explain::Full] {
        let question = Question { explain, validate_only: true, max_actions: 2, ..ask("c", "web", &[]) };
        let record = engine.decide(question, monday()).unwrap();
        assert_eq!(super::support::chosen(&record), ["b-service"], "{explain:?}");
    }
}

/// The gain of an ask is the best possible score, also if most of its points are conditional.
#[test]
fn an_ask_gains_the_best_that_it_opens() {
    let offer = |id: &str, base: u8, points: u8| {
        format!(
            "  - id: {id}\n    title: T\n    kind: offer\n    purpose: personalisation\n    intrusiveness: 3\n    \
             relevance: {{base: {base}, add: [{{points: {points}, when: channel == \"web\"}}]}}\n    \
             treatments: {{web: {{text: Hello}}}}\n"
        )
    };
    let ask_for = "  - {id: ask, title: Ask, kind: consent_ask, asks: personalisation, purpose: service, intrusiveness: 1, \
                   treatments: {web: {text: May we}}}\n";
    let offers = [offer("steady", 30, 1), offer("rising", 10, 60), offer("flat", 20, 2)].concat();
    let engine = engine(&rules_of(&format!("{HEAD}actions:\n{offers}{ask_for}{POLICY}")));
    let record = engine.decide(ask("c", "web", &[]), monday()).unwrap();
    let chosen = record.decision.actions.first().unwrap();
    assert_eq!(record.rules.vocabulary.name(chosen.action), "ask");
    // 70 points of `rising`, less 3 of its own and 1 for interrupting.
    assert_eq!(chosen.score.get(Term::Relevance), 66.0);
}

/// An action whose upper bound is below the best score is skipped, except asks, whose gain is not known in advance, and
/// actions that a silence needs for its next moment.
#[test]
fn actions_with_low_bounds_are_skipped_only_if_it_cannot_matter() {
    let action = |id: &str, purpose: &str, base: u8, limits: &str| {
        format!(
            "  - {{id: {id}, title: T, kind: offer, purpose: {purpose}, intrusiveness: 3, relevance: {{base: {base}}}, {limits} \
             treatments: {{web: {{text: Hello}}}}}}\n"
        )
    };
    let ask_for = "  - {id: ask, title: Ask, kind: consent_ask, asks: personalisation, purpose: service, intrusiveness: 1, \
                   treatments: {web: {text: May we}}}\n";
    let limits = "limits: [{at_most: 1, per: 5 days, outcome: clicked}],";
    let cases = [
        (
            [action("now", "service", 20, ""), action("then", "personalisation", 90, ""), ask_for.to_owned()],
            Some("ask"),
        ),
        ([action("weak", "service", 3, ""), action("action-0", "service", 90, limits), String::new()], None),
    ];
    for (actions, wanted) in cases {
        let engine = engine(&rules_of(&format!("{HEAD}actions:\n{}{POLICY}", actions.concat())));
        if wanted.is_none() {
            let clicked = OutcomeInput {
                outcome_id: String::new(),
                decision_id: String::new(),
                customer: "c".into(),
                action: "action-0".into(),
                channel: "web".into(),
                outcome: Outcome::Clicked,
                occurred: None,
            };
            engine.record_outcomes(vec![clicked], monday()).unwrap();
        }
        let decide = |explain| {
            let question = Question { explain, validate_only: true, ..ask("c", "web", &[]) };
            let record = engine.decide(question, monday()).unwrap();
            let chosen = super::support::chosen(&record).first().map(|&name| name.to_owned());
            (chosen, Decision { explanation: None, ..record.decision.clone() })
        };
        let (indexed, walked) = (decide(Explain::Chosen), decide(Explain::Funnel));
        assert_eq!(indexed, walked);
        assert_eq!(indexed.0.as_deref(), wanted);
        let again = indexed.1.silence.and_then(|silence| silence.retry_after);
        assert_eq!(again, wanted.is_none().then(|| monday() + Period(5 * Period::DAY.0)));
    }
}

/// Among equal upper bounds, the first by name that reaches its bound is chosen: not the first of the file, not one
/// that could have reached it, and not one that shows a personal fact.
#[test]
fn among_equal_bounds_the_first_that_reaches_it_is_chosen() {
    let action = |id: &str, channel: &str, text: &str| {
        format!(
            "  - {{id: {id}, title: T, kind: offer, purpose: service, intrusiveness: 3, treatments: {{web: {{text: {text}}}}}, \
             relevance: {{base: 20, add: [{{points: 10, when: channel == \"{channel}\"}}]}}}}\n"
        )
    };
    let actions = [
        action("a-elsewhere", "email", "Hello"),
        action("b-personal", "web", "\"Hello at {customer.age}\""),
        action("d-later", "web", "Hello"),
        action("c-first", "web", "Hello"),
    ];
    let engine = engine(&rules_of(&format!("{HEAD}actions:\n{}{POLICY}", actions.concat())));
    let age = AttributeChange {
        customer: "c".into(),
        attributes: vec![("customer.age".into(), Some(Value::Number(34.0)))],
        ..AttributeChange::default()
    };
    engine.set_attributes(age, monday()).unwrap();
    for explain in [Explain::Chosen, Explain::Funnel] {
        let question = Question { explain, validate_only: true, ..ask("c", "web", &[]) };
        let record = engine.decide(question, monday()).unwrap();
        assert_eq!(super::support::chosen(&record), ["c-first"]);
    }
}

/// What one answer says counts, too: a limit on all offers is not exceeded by several at once.
#[test]
fn several_in_one_answer_stay_within_a_limit_that_they_share() {
    let action = |id: &str| {
        format!(
            "  - {{id: {id}, title: T, kind: offer, purpose: service, intrusiveness: 3, relevance: {{base: 20}}, \
             treatments: {{web: {{text: Hello}}}}}}\n"
        )
    };
    let actions = ["a", "b", "c", "d"].map(action).concat();
    let engine = engine(&rules_of(&format!("{HEAD}actions:\n{actions}{POLICY}")));
    for explain in [Explain::Chosen, Explain::Funnel] {
        let question = Question { explain, max_actions: 3, validate_only: true, ..ask("c", "web", &[]) };
        let record = engine.decide(question, monday()).unwrap();
        assert_eq!(super::support::chosen(&record), ["a", "b"]);
    }
}

/// What the customer holds for the purpose that needs no consent.
fn state(rules: &RuleSet, customer: &Customer) -> CustomerState {
    let mut state = CustomerState::default();
    let purposes = PurposeSet::of(rules.vocabulary.find("service").unwrap());
    let mut hold = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            state.set_attribute(rules.vocabulary.find(name).unwrap(), &value, purposes);
        }
    };
    hold("customer.plan", customer.plan.map(|plan| Value::Text(plan.into())));
    hold("customer.age", customer.age.map(|age| Value::Number(f64::from(age))));
    for days in &customer.visits {
        let (kind, at) = (rules.vocabulary.find("visit").unwrap(), monday() - Period(days * Period::DAY.0));
        state.add_event(&PackedEvent::new(kind, at, purposes));
    }
    state
}
