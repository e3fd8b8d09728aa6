//! Outcomes find their contact, whatever happened since the decision.

use std::io;

use tactful::backup::{BackupWriter, restore};
use tactful::clock::Stopwatch;
use tactful::domain::action::Outcome;
use tactful::domain::time::{Moment, Period};
use tactful::engine::{Engine, ItemResult, OutcomeInput};
use tactful::scenario::replay::Replay;

use super::keeping::{Home, kill, later, stop};
use super::support::{ask, chosen, copy, monday, rules_of};
use super::takeover::{open, outcome, rules};

fn days(count: i64) -> Moment {
    monday() + Period(count * Period::DAY.0)
}

/// The id of a decision for a customer.
fn decided(engine: &Engine, customer: &str, channel: &str, now: Moment) -> String {
    let record = engine.decide(ask(customer, channel, &[]), now).unwrap();
    assert_eq!(chosen(&record).len(), 1);
    record.id()
}

fn told(engine: &Engine, input: OutcomeInput, now: Moment) -> ItemResult {
    engine.record_outcomes(vec![input], now).unwrap().remove(0)
}

/// What is known of a customer's contacts and outcomes, without the ids of decisions.
fn known(engine: &Engine, customer: &str, now: Moment) -> (String, Vec<String>) {
    let state = engine.export(customer, now).unwrap().state;
    let relation = state.relation();
    let contacts = relation.contacts.iter().map(|contact| {
        let outcomes: Vec<&str> = contact.outcomes.iter().map(Outcome::name).collect();
        (contact.action, contact.channel, contact.at, contact.state, outcomes)
    });
    let known = format!("{:?} {:?}", contacts.collect::<Vec<_>>(), relation.outcomes);
    let view = engine.customer(customer, now).unwrap();
    let limits = view.limits.iter().map(|limit| format!("{} {} {:?}", limit.limit, limit.used, limit.refills));
    (known, limits.chain([format!("hurt {} pressure {}", view.hurt, view.pressure)]).collect())
}

/// Every outcome, inbound and outbound, with and without the id of the decision: one customer each.
fn cases() -> Vec<(String, Outcome, [&'static str; 2], bool)> {
    let outcomes = (0..).map_while(Outcome::at);
    let places = outcomes.flat_map(|kind| [["web", "hello"], ["email", "news"]].map(|place| (kind, place)));
    let named = places.flat_map(|(kind, place)| [true, false].map(|named| (kind, place, named)));
    named.map(|(kind, place, named)| (format!("{} {} {named}", kind.name(), place[1]), kind, place, named)).collect()
}

/// What became of the cases if each process ends like this.
fn story(end: Option<fn(Engine)>) -> Vec<impl PartialEq + std::fmt::Debug> {
    let (home, cases) = (Home::new(), cases());
    let again = |engine: Engine, minute: i64| match end {
        Some(end) => {
            end(engine);
            open(&home, later(minute))
        }
        None => engine,
    };
    let mut engine = open(&home, monday());
    let ids: Vec<String> =
        cases.iter().map(|(who, _, [channel, _], _)| decided(&engine, who, channel, monday())).collect();
    let mut said = Vec::new();
    for (minute, outcome_id) in [(120, ""), (180, "again")] {
        engine = again(engine, minute);
        for ((who, kind, [_, action], named), id) in cases.iter().zip(&ids) {
            let input = outcome(if *named { id } else { "" }, who, action, *kind);
            let result = told(&engine, OutcomeInput { outcome_id: outcome_id.into(), ..input }, later(minute));
            assert!(!named || result.reason == if minute == 120 { "" } else { "repeated" }, "{who}: {result:?}");
            said.push(result);
        }
    }
    let engine = again(engine, 240);
    let next =
        |who: &String, channel: &str| chosen(&engine.decide(ask(who, channel, &[]), later(240)).unwrap()).join(" ");
    let after = cases.iter().map(|(who, _, [channel, _], _)| (known(&engine, who, later(240)), next(who, channel)));
    cases.iter().cloned().zip(said.chunks(2).map(<[_]>::to_vec).zip(after)).collect()
}

/// After a stop, after a kill, and without either: what is known, what limits count, and what is said next are the same.
#[test]
fn a_restart_between_a_decision_and_its_outcome_changes_nothing() {
    let whole = story(None);
    for (what, end) in [("stop", stop as fn(Engine)), ("kill", kill)] {
        for (restarted, whole) in story(Some(end)).iter().zip(&whole) {
            assert_eq!(restarted, whole, "after a {what}");
        }
    }
}

#[test]
fn an_outcome_finds_its_contact_days_later() {
    let home = Home::new();
    let engine = open(&home, monday());
    let (hello, news) = (decided(&engine, "anna", "web", monday()), decided(&engine, "anna", "email", monday()));
    // More decisions than are kept in memory: both are read from the log.
    for number in 0..2_000 {
        engine.decide(ask(&format!("customer-{number}"), "web", &[]), later(1)).unwrap();
    }
    for id in [&hello, &news] {
        // The log is at most a second behind.
        let since = Stopwatch::start();
        while let Err(error) = engine.decision(id, later(1)) {
            assert!(since.elapsed().as_secs() < 10, "{id}: {error}");
            std::thread::yield_now();
        }
    }
    let mut backup = BackupWriter::begin(&home.0.path().join("backup")).unwrap();
    engine.back_up(&mut |name: &str, bytes: Vec<u8>| backup.add(name, &bytes).map_err(io::Error::other)).unwrap();
    backup.finish().unwrap();
    stop(engine);
    // A backup is put back, with rules that declare neither of the actions any more.
    let other = Home::new();
    copy(&home.settings().keys, &other.settings().keys);
    restore(&home.0.path().join("backup"), &other.settings(), false).unwrap();
    let without: String = rules()
        .lines()
        .filter(|line| !line.contains("id: hello") && !line.contains("id: news"))
        .map(|line| format!("{line}\n"))
        .collect();
    let engine = other.try_open(&without, days(2)).unwrap().0;
    assert!(told(&engine, outcome(&news, "anna", "news", Outcome::Complained), days(2)).accepted);
    assert!(told(&engine, outcome(&hello, "anna", "hello", Outcome::Rejected), days(3)).accepted);
    assert!(!told(&engine, outcome("", "anna", "news", Outcome::Clicked), days(3)).accepted, "not declared");
    stop(engine);
    let engine = open(&other, days(60));
    assert!(engine.decide(ask("anna", "email", &[]), days(60)).unwrap().decision.actions.is_empty(), "it cools down");
    assert!(engine.decide(ask("anna", "web", &[]), days(60)).unwrap().decision.actions.is_empty(), "and this too");
    assert_eq!(engine.export("anna", days(60)).unwrap().state.relation().contacts.len(), 2, "no contact was added");
}

#[test]
fn an_outcome_without_its_contact_is_refused() {
    let home = Home::new();
    let engine = open(&home, monday());
    let hello = decided(&engine, "anna", "web", monday());
    let foreign = engine.decide(ask("ben", "web", &[]), monday()).unwrap().id();
    stop(engine);
    let engine = open(&home, later(1));
    let refused = |decision: &str, action: &str, kind| {
        let result = told(&engine, outcome(decision, "anna", action, kind), later(1));
        assert!(!result.accepted, "{decision} {action}");
        result.reason
    };
    let unknown = "unknown_contact: the decision did not choose this action for this customer";
    assert!(refused(&foreign, "hello", Outcome::Presented).starts_with(unknown), "it was another customer's");
    assert!(refused(&hello, "news", Outcome::Presented).starts_with(unknown));
    assert!(refused("d-adc69a80-9", "hello", Outcome::Accepted).starts_with(unknown));
    assert_eq!(refused(&foreign, "hello", Outcome::NotPresented), "nothing_to_take_back");
    assert_eq!(refused("", "news", Outcome::NotPresented), "nothing_to_take_back");
    assert!(refused("d-1", "hello", Outcome::Clicked).starts_with("decision_id: is not the id of a decision"));
    let nameless = told(&engine, outcome(&hello, "", "hello", Outcome::Clicked), later(1));
    assert_eq!(nameless.reason, "customer_id: is required");
    assert_eq!(known(&engine, "anna", later(1)).0.matches("ActionId").count(), 1, "nothing was added");
}

#[test]
fn an_outcome_without_a_decision_belongs_to_the_newest_open_contact() {
    let home = Home::new();
    let limited = rules().replace("{at_most: 1, per: 28 days}", "{at_most: 9, per: 28 days}");
    let engine = home.try_open(&limited, monday()).unwrap().0;
    for day in [0, 1, 2] {
        decided(&engine, "anna", "email", days(day));
    }
    let had = |engine: &Engine, now: Moment| -> Vec<Vec<&str>> {
        let state = engine.export("anna", now).unwrap().state;
        state.relation().contacts.iter().map(|contact| contact.outcomes.iter().map(Outcome::name).collect()).collect()
    };
    let tell = |kind, day: i64| told(&engine, outcome("", "anna", "news", kind), days(day)).accepted;
    assert!(tell(Outcome::Clicked, 3) && tell(Outcome::Presented, 3) && tell(Outcome::Clicked, 4));
    assert_eq!(had(&engine, days(4)), [vec![], vec!["clicked"], vec!["presented", "clicked"]]);
    assert!(tell(Outcome::NotPresented, 5), "the newest that counts");
    assert!(tell(Outcome::Clicked, 5), "what was taken back is not open");
    assert_eq!(
        had(&engine, days(5)),
        [vec!["clicked"], vec!["clicked"], vec!["presented", "clicked", "not_presented"]]
    );
    assert!(tell(Outcome::Presented, 40), "thirty days are over: another system's");
    assert_eq!(had(&engine, days(40)).len(), 3, "and the one that was taken back is forgotten");
}

#[test]
fn the_lines_of_a_replay_count_one_contact() {
    let twice = rules().replace("{at_most: 1, per: 28 days}", "{at_most: 2, per: 28 days}");
    for kind in ["presented", "clicked", "accepted"] {
        let mut replay = Replay::new(rules_of(&twice));
        let mut play = |minute: u32, what: &str| {
            let line = format!(r#"{{"at": "2026-03-02T09:{minute:02}:00Z", "customer": "a", {what}}}"#);
            replay.play(&line).unwrap().map(|decided| decided.actions)
        };
        let said = format!(r#""outcome": {{"action": "news", "outcome": "{kind}", "channel": "email"}}"#);
        for minute in [0, 10] {
            assert_eq!(play(minute, r#""decide": {"channel": "email"}"#).unwrap(), ["news"], "{kind}");
            play(minute + 5, &said);
        }
        assert!(play(20, r#""decide": {"channel": "email"}"#).unwrap().is_empty(), "{kind}: two of two");
    }
}

/// Ids that programs before UUIDs gave out, of a customer who was flushed and of one who was in the contact log alone.
#[test]
fn an_id_from_before_still_finds_its_contact() {
    let home = super::takeover::taken_over(2);
    let ids = std::fs::read_to_string(home.0.path().join("decisions")).unwrap();
    let ids: Vec<(&str, &str)> = ids.lines().map(|line| line.split_once(' ').unwrap()).collect();
    for round in 0..3 {
        let engine = open(&home, days(1 + round));
        for (name, id) in &ids {
            let (customer, action) = name.split_once('-').unwrap();
            let action = if action == "mail" { "news" } else { action };
            let input = outcome(id, customer, action, Outcome::Complained);
            let result = told(&engine, input, days(1 + round));
            assert_eq!(
                (result.accepted, result.reason.as_str()),
                (true, if round == 0 { "" } else { "repeated" }),
                "{name}"
            );
        }
        if round == 0 { kill(engine) } else { stop(engine) }
    }
    let engine = open(&home, days(9));
    let complaints = |customer| {
        let state = engine.export(customer, days(9)).unwrap().state;
        let relation = state.relation();
        (relation.contacts.len(), relation.outcomes.iter().filter(|entry| entry.outcome == Outcome::Complained).count())
    };
    assert_eq!((complaints("anna"), complaints("ben")), ((2, 1), (2, 2)));
}
