//! Two customers who differ only in withheld data get byte-equal answers and explanations.

use proptest::prelude::*;
use tactful::domain::action::{ActionKind, Outcome};
use tactful::domain::consent::{ConsentRecord, ConsentStatus, Standing};
use tactful::domain::customer::{CustomerState, JourneyState, OutcomeEntry, PackedEvent};
use tactful::domain::decide::{Explain, Request, decide};
use tactful::domain::id::{Id, PurposeSet};
use tactful::domain::rule_set::RuleSet;
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::domain::view::{Contacts, Situation, Subject};

use super::support::{monday, record, rules_of};

/// Rules that ask for facts in every way in which their presence or absence could show.
const RULES: &str = r#"
purposes:
  service:         {basis: contract}
  personalisation: {basis: consent, cooling_off: 90 days}
  marketing:       {basis: consent, cooling_off: 90 days}
attributes:
  customer.plan: {type: text, one_of: [basic, plus], purposes: [service, personalisation]}
  customer.age:  {type: number, purposes: [personalisation], sensitivity: 0.5}
  customer.vip:  {type: flag, purposes: [marketing]}
context:
  topic: {type: text, personal: false}
events:
  visit:     {fields: {page: text}, purposes: [personalisation], keep: 90 days}
  complaint: {purposes: [personalisation], hurt: 30, keep: 90 days}
channels:
  web: {direction: inbound, interruption: 1}
journeys:
  purchase:
    purpose: personalisation
    start: {event: visit}
    stages: {looking: {moves: [{to: done, after: 30 days}]}, done: {end: true}}
"#;

fn source() -> String {
    let action = |id: &str, kind: &str, purpose: &str, condition: &str| {
        format!(
            "  - id: {id}\n    title: T\n    kind: {kind}\n    purpose: {purpose}\n    eligible:\n      - '{condition}'\n    \
             relevance: {{base: 40}}\n    intrusiveness: 1\n    treatments: {{web: {{text: \"for {{customer.plan|you}}\"}}}}\n"
        )
    };
    let mut text = format!("{RULES}actions:\n");
    let personal = [
        ("plan-basic", r#"customer.plan == "basic""#),
        ("plan-not", r#"!(customer.plan == "basic")"#),
        ("no-plan", "!has(customer.plan)"),
        ("has-plan", "has(customer.plan)"),
        ("old", "customer.age > 40 || customer.age <= 40"),
        ("visited", r#"events.count("visit", "30d") > 0"#),
        ("not-visited", r#"events.count("visit", "30d", event.page == "x") == 0"#),
        ("stage", r#"journey.purchase.stage == "none""#),
        ("complained", r#"events.last("complaint") > now - duration("10d")"#),
        ("rejected", r#"outcomes.count("plan-basic", "rejected", "30d") == 0"#),
    ];
    for (id, condition) in personal {
        text += &action(id, "offer", "personalisation", condition);
    }
    text += &action("vip", "offer", "marketing", "!has(customer.vip)").replace("{customer.plan|you}", "you");
    text += &action("serve", "service", "service", r#"!has(customer.plan) || customer.plan == "plus""#);
    text += &action("calm", "information", "service", "hurt < 5 && pressure < 100");
    text += "  - {id: ask, title: Ask, kind: consent_ask, asks: personalisation, purpose: service, intrusiveness: 1, treatments: {web: {text: May we}}}\n";
    text += "policy:\n  pressure: {half_life: 7 days, per_contact: {web: 1}}\n  hurt: {half_life: 7 days}\n  time_zone: UTC\n";
    text
}

#[derive(Debug, Clone)]
struct Facts {
    plan: Option<bool>,
    age: Option<u8>,
    vip: Option<bool>,
    visits: Vec<(i64, bool)>,
    complaints: Vec<i64>,
    stage: bool,
    rejected: bool,
}

fn facts() -> impl Strategy<Value = Facts> {
    let days = || proptest::collection::vec(0_i64..80, 0..4);
    let visits = proptest::collection::vec((0_i64..80, any::<bool>()), 0..4);
    let age = proptest::option::of(18_u8..90);
    let flag = || proptest::option::of(any::<bool>());
    (flag(), age, flag(), visits, days(), any::<bool>(), any::<bool>()).prop_map(
        |(plan, age, vip, visits, complaints, stage, rejected)| Facts {
            plan,
            age,
            vip,
            visits,
            complaints,
            stage,
            rejected,
        },
    )
}

/// Which purposes the customer has given, and which of them were given only after the facts were collected.
#[derive(Debug, Clone, Copy)]
struct Consents {
    personalisation: bool,
    marketing: bool,
}

fn standing(rules: &RuleSet, consents: Consents) -> Standing {
    let mut standing = Standing::default();
    let given = [("personalisation", consents.personalisation), ("marketing", consents.marketing)];
    for (sequence, (purpose, _)) in (1..).zip(given.into_iter().filter(|(_, given)| *given)) {
        let received = monday() - Period::DAY;
        let record = ConsentRecord { received, ..record("c", purpose, ConsentStatus::Given, sequence) };
        standing.apply(rules.vocabulary.find(purpose), &record, sequence);
    }
    standing
}

/// A customer who holds `facts` for the given purposes, whether or not those may be served now.
fn customer(rules: &RuleSet, facts: &Facts, held_for: &[&str]) -> CustomerState {
    let set: PurposeSet = held_for.iter().filter_map(|name| rules.vocabulary.find(name)).collect();
    let mut state = CustomerState::default();
    let mut attribute = |name: &str, value: Option<Value>| {
        let id = rules.vocabulary.find(name).unwrap();
        let declared = rules.declared.attributes.get(id).unwrap().purposes.unwrap();
        if let Some(value) = value {
            state.set_attribute(id, &value, declared.intersection(set));
        }
    };
    attribute("customer.plan", facts.plan.map(|plus| Value::Text(if plus { "plus" } else { "basic" }.into())));
    attribute("customer.age", facts.age.map(|age| Value::Number(f64::from(age))));
    attribute("customer.vip", facts.vip.map(Value::Flag));
    let personalisation = rules.vocabulary.find("personalisation").unwrap();
    let only = PurposeSet::of(personalisation).intersection(set);
    let visit = rules.vocabulary.find("visit").unwrap();
    let page = rules.vocabulary.find("visit/page").unwrap();
    for (days, x) in &facts.visits {
        let at = monday() - Period(days * Period::DAY.0);
        let mut event = PackedEvent::new(visit, at, only);
        event.add(page, &Value::Text(if *x { "x" } else { "y" }.into()), only);
        state.add_event(&event);
    }
    for days in &facts.complaints {
        let at = monday() - Period(days * Period::DAY.0);
        let kind = rules.vocabulary.find("complaint").unwrap();
        state.add_event(&PackedEvent::new(kind, at, only));
    }
    if facts.stage {
        let journey = rules.vocabulary.find("purchase").unwrap();
        let stage = rules.vocabulary.find("purchase/looking").unwrap();
        state.relation_mut().set_journey(JourneyState {
            journey,
            stage,
            started: monday(),
            entered: monday(),
            purpose: personalisation,
        });
    }
    if facts.rejected {
        let action = rules.vocabulary.find("plan-basic").unwrap();
        let entry = OutcomeEntry {
            action,
            kind: ActionKind::Offer,
            group: None,
            readable: only,
            channel: None,
            outcome: Outcome::Rejected,
            at: monday() - Period::DAY,
        };
        state.relation_mut().add_outcome(entry);
    }
    state
}

fn answer(rules: &RuleSet, state: &CustomerState, standing: &Standing, now: Moment) -> String {
    let channel = rules.vocabulary.find("web").unwrap();
    // With the index, as customers are served, and with everyone explained.
    let decisions = [Explain::Chosen, Explain::Full].map(|explain| {
        let request = Request { channel, situation: Situation::default(), groups: &[], max_actions: 3, explain };
        decide(rules, Subject { state, standing, ledger_trusted: true, contacts: Contacts::default() }, &request, now)
    });
    let names = |id: tactful::domain::id::ActionId| rules.vocabulary.name(id).to_owned();
    let chosen = decisions.iter().flat_map(|decision| &decision.actions);
    assert!(chosen.into_iter().all(|chosen| !names(chosen.action).is_empty() && chosen.action.index() < 1_000));
    format!("{decisions:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// No consent at all: whatever is held for the consent purposes makes no difference.
    #[test]
    fn facts_of_a_denied_purpose_leave_no_trace(a in facts(), b in facts(), marketing in any::<bool>()) {
        let rules = rules_of(&source());
        let consents = Consents { personalisation: false, marketing };
        // Held for personalisation alone, so withheld now; what service and marketing may see is the same in both.
        let same = |facts: &Facts| Facts { plan: None, vip: a.vip, ..facts.clone() };
        let mut left = customer(&rules, &same(&a), &["personalisation", "marketing"]);
        let mut right = customer(&rules, &same(&b), &["personalisation", "marketing"]);
        // The outcomes of an action are its own purpose's history.
        left.relation_mut().outcomes.extend(right.relation().outcomes.clone());
        right.relation_mut().outcomes.clone_from(&left.relation().outcomes);
        let standing = standing(&rules, consents);
        prop_assert_eq!(answer(&rules, &left, &standing, monday()), answer(&rules, &right, &standing, monday()));
    }

    /// Collected before the consent, for service alone: personalisation sees neither the value nor its absence.
    #[test]
    fn a_new_grant_does_not_show_what_was_collected_before(plan in proptest::option::of(any::<bool>())) {
        let rules = rules_of(&source());
        let none = Facts { plan: None, age: None, vip: None, visits: vec![], complaints: vec![], stage: false, rejected: false };
        let standing = standing(&rules, Consents { personalisation: true, marketing: false });
        let with = customer(&rules, &Facts { plan, ..none.clone() }, &["service"]);
        let without = customer(&rules, &none, &["service"]);
        let only_personal = |state: &CustomerState| {
            // What service may lawfully see differs; look at the personalised actions alone.
            let request = Request {
                channel: rules.vocabulary.find("web").unwrap(),
                situation: Situation::default(),
                groups: &[],
                max_actions: 20,
                explain: Explain::Full,
            };
            let decision = decide(&rules, Subject { state, standing: &standing, ledger_trusted: true, contacts: Contacts::default() }, &request, monday());
            let personalisation = rules.vocabulary.find("personalisation").unwrap();
            let losers = decision.explanation.unwrap().candidates.into_iter();
            let mut lines: Vec<String> = losers
                .filter(|loser| rules.actions.get(loser.action).unwrap().purpose == personalisation)
                .map(|loser| format!("{:?} {} {:?}", loser.gate, loser.reason, loser.score))
                .collect();
            lines.sort();
            lines
        };
        prop_assert_eq!(only_personal(&with), only_personal(&without));
    }
}

/// `!has(x)` fires where absence is certain, and never on what is withheld.
#[test]
fn absence_is_known_only_where_nothing_can_be_hidden() {
    let rules = rules_of(&source());
    let none =
        Facts { plan: None, age: None, vip: None, visits: vec![], complaints: vec![], stage: false, rejected: false };
    let standing = standing(&rules, Consents { personalisation: true, marketing: true });
    let request = Request {
        channel: rules.vocabulary.find("web").unwrap(),
        situation: Situation::default(),
        groups: &[],
        max_actions: 20,
        explain: Explain::Chosen,
    };
    let chosen = |state: &CustomerState| {
        let decision = decide(
            &rules,
            Subject { state, standing: &standing, ledger_trusted: true, contacts: Contacts::default() },
            &request,
            monday(),
        );
        decision.actions.iter().map(|chosen| rules.vocabulary.name(chosen.action).to_owned()).collect::<Vec<_>>()
    };
    let hidden = customer(&rules, &Facts { plan: Some(false), ..none.clone() }, &["service"]);
    assert!(!chosen(&hidden).contains(&"no-plan".to_owned()), "the plan is withheld from personalisation");
    assert!(!chosen(&hidden).contains(&"serve".to_owned()), "service sees that the plan is basic");
    let empty = customer(&rules, &none, &[]);
    assert!(!chosen(&empty).contains(&"no-plan".to_owned()), "personalisation cannot tell absent from withheld");
    assert!(chosen(&empty).contains(&"serve".to_owned()), "nothing can be hidden from service");
    assert!(chosen(&empty).contains(&"vip".to_owned()), "only marketing may hold it, so its absence is certain");
}
