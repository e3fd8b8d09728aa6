//! When to ask again after silence, and until when an answer holds.

use std::sync::Arc;

use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus::{Given, Refused};
use tactful::domain::decide::{Explain, SilenceReason};
use tactful::domain::time::{Moment, Period};
use tactful::engine::{DecisionRecord, Engine, OutcomeInput, Question};

use super::semantics::{HEAD, POLICY, asks, days, happens, hours, offer, rehearse, say, with};
use super::support::{ask, chosen, engine, monday, rules_of};

#[test]
fn f7_retry_after_knows_when_an_experience_is_forgotten() {
    let worth_60 = offer("care", "service", "").replace("base: 50", "base: 15");
    let engine = with(&worth_60);
    happens(&engine, "bad", monday(), monday());
    let silence = rehearse(&engine, &[], days(29)).decision.silence.clone().unwrap();
    assert_eq!(silence.retry_after, Some(days(30)));
    assert_eq!(chosen(&rehearse(&engine, &[], days(30))), ["care"]);
}

/// Where the points that an action lacks are exactly those that nothing takes back, a sum that is rounded up finds no moment.
#[test]
fn what_fading_alone_cannot_lift_has_no_moment_to_ask_again() {
    let engine = with(&offer("care", "service", "").replace("intrusiveness: 0", "intrusiveness: 50"));
    happens(&engine, "bad", monday(), monday());
    for hour in 1..48 {
        let silence = rehearse(&engine, &[], hours(hour)).decision.silence.clone().unwrap();
        assert_eq!(silence.retry_after, None, "after {hour} hours");
    }
}

#[test]
fn f8_quiet_hours_that_end_within_the_skipped_hour_end_at_the_skip() {
    let quiet = HEAD.replace(
        "interruption: 0}",
        "interruption: 0, quiet_hours: {from: \"00:00\", to: \"02:30\", otherwise: wait}}",
    );
    let policy = POLICY.replace("UTC", "America/St_Johns");
    let engine = engine(&rules_of(&format!("{quiet}actions:\n{}{policy}", offer("care", "service", ""))));
    let asked = Moment::parse("2026-03-08T03:51:42Z").unwrap();
    let silence = rehearse(&engine, &[], asked).decision.silence.clone().unwrap();
    let end = Moment::parse("2026-03-08T05:30:00Z").unwrap();
    assert_eq!(silence.retry_after, Some(end));
    assert!(rehearse(&engine, &[], end - Period(1)).decision.silence.is_some());
    assert_eq!(chosen(&rehearse(&engine, &[], end)), ["care"]);
}

#[test]
fn retry_after_names_the_end_of_cooling_off() {
    let engine = with(&format!("{}{}", offer("pick", "pers", ""), asks("")));
    say(&engine, "pers", Refused, monday());
    assert_eq!(rehearse(&engine, &[], hours(1)).decision.silence.as_ref().unwrap().retry_after, Some(days(1)));
}

#[test]
fn quiet_hours_do_not_end_at_a_skip_where_they_go_on() {
    let quiet = HEAD.replace(
        "interruption: 0}",
        "interruption: 0, quiet_hours: {from: \"03:00\", to: \"02:15\", otherwise: wait}}",
    );
    let policy = POLICY.replace("UTC", "America/New_York");
    let engine = engine(&rules_of(&format!("{quiet}actions:\n{}{policy}", offer("care", "service", ""))));
    let asked = Moment::parse("2026-03-07T21:00:00Z").unwrap();
    let record = rehearse(&engine, &[], asked);
    assert_eq!(
        record.decision.silence.as_ref().unwrap().retry_after,
        Some(Moment::parse("2026-03-09T06:15:00Z").unwrap())
    );
    assert_eq!(record.decision.valid_until, asked + Period::DAY);
}

const NOTE: &str = "  - {id: note, title: T, kind: KIND, purpose: service, relevance: {base: 50}, intrusiveness: 1, \
                    treatments: {sms: {text: T}}}\n";

/// One note by SMS in New York, with quiet hours.
fn note(kind: &str, quiet: &str, policy: &str) -> Engine {
    let channels = format!("channels:\n  sms: {{direction: outbound, interruption: 0, quiet_hours: {quiet}}}\n");
    let policy = format!(
        "policy:\n  pressure: {{half_life: 7 days, per_contact: {{sms: 0}}}}\n  hurt: {{half_life: 30 days}}\n{policy}  \
         time_zone: America/New_York\n"
    );
    let purposes = "purposes:\n  service: {basis: contract}\n";
    engine(&rules_of(&format!("{purposes}{channels}actions:\n{}{policy}", NOTE.replace("KIND", kind))))
}

fn on(engine: &Engine, channel: &str, at: &str) -> Arc<DecisionRecord> {
    let question = Question { validate_only: true, ..ask("c", channel, &[]) };
    engine.decide(question, moment(at)).unwrap()
}

fn moment(text: &str) -> Moment {
    Moment::parse(text).unwrap()
}

fn retry_after(record: &DecisionRecord) -> Option<Moment> {
    record.decision.silence.as_ref().unwrap().retry_after
}

fn outcome(action: &str, channel: &str, outcome: Outcome) -> OutcomeInput {
    OutcomeInput {
        outcome_id: String::new(),
        decision_id: String::new(),
        customer: "c".into(),
        action: action.into(),
        channel: channel.into(),
        outcome,
        occurred: None,
    }
}

/// Case 01.
#[test]
fn quiet_hours_that_end_in_the_skipped_hour_end_at_the_skip() {
    let engine = note("service", "{from: \"22:00\", to: \"02:30\", otherwise: wait}", "");
    let silent = on(&engine, "sms", "2026-03-08T06:45:00Z");
    assert_eq!(silent.decision.silence.as_ref().unwrap().reason, SilenceReason::QuietHours);
    assert_eq!(retry_after(&silent), Some(moment("2026-03-08T07:00:00Z")));
    assert!(on(&engine, "sms", "2026-03-08T06:59:59.999Z").decision.silence.is_some());
    assert_eq!(chosen(&on(&engine, "sms", "2026-03-08T07:00:00Z")), ["note"]);
}

/// Case 02.
#[test]
fn an_answer_in_the_repeated_hour_ends_when_quiet_hours_come_back() {
    let engine = note("service", "{from: \"22:00\", to: \"01:30\", otherwise: wait}", "");
    let said = on(&engine, "sms", "2026-11-01T05:30:00Z");
    assert_eq!(chosen(&said), ["note"]);
    assert_eq!(said.decision.valid_until, moment("2026-11-01T06:00:00Z"));
    assert!(on(&engine, "sms", "2026-11-01T06:00:00Z").decision.silence.is_some());
}

/// Case 30.
#[test]
fn a_limit_that_refills_in_the_night_is_asked_about_once_in_the_morning() {
    let engine = note(
        "information",
        "{from: \"21:00\", to: \"08:00\", otherwise: wait}",
        "  limits: [{at_most: 2, per: 7 days}]\n",
    );
    for day in ["2026-03-04T06:00:00Z", "2026-03-05T06:00:00Z"] {
        engine.record_outcomes(vec![outcome("note", "sms", Outcome::Presented)], moment(day)).unwrap();
    }
    let silent = on(&engine, "sms", "2026-03-10T12:00:00Z");
    assert_eq!(silent.decision.silence.as_ref().unwrap().reason, SilenceReason::ContactLimit);
    // The limit refills at 06:00Z, which is 2 in the morning; quiet hours end at 8.
    assert_eq!(retry_after(&silent), Some(moment("2026-03-11T12:00:00Z")));
}

/// Case 68.
#[test]
fn an_answer_ends_when_a_better_action_comes_back() {
    let better = "  - {id: strong, title: T, kind: information, purpose: service, relevance: {base: 80}, intrusiveness: 0, \
                  treatments: {web: {text: T}}MORE}\n";
    let weak = offer("weak", "service", "");
    let season = with(&format!("{weak}{}", better.replace("MORE", ", from: 2026-03-02T10:00:00Z")));
    let tired = with(&format!("{weak}{}", better.replace("MORE", ", limits: [{after: rejected, wait: 1 day}]")));
    tired.record_outcomes(vec![outcome("strong", "web", Outcome::Rejected)], hours(-23)).unwrap();
    for engine in [season, tired] {
        let now = rehearse(&engine, &[], monday());
        assert_eq!((chosen(&now), now.decision.valid_until), (vec!["weak"], hours(1)));
        assert_eq!(chosen(&rehearse(&engine, &[], hours(1))), ["strong"]);
    }
}

/// Nothing of what an answer rests on changes before a better action begins; and then a fact decides that nobody read for
/// the answer. Whatever is explained, the moment is the same.
#[test]
fn a_fact_that_is_read_only_for_the_future_ends_an_answer() {
    let weak = offer("weak", "service", "");
    let strong = |rest: &str| offer("strong", "service", rest).replace("base: 50", "base: 80");
    let begins = ", from: 2026-03-02T10:00:00Z";
    let ends = [
        (begins.to_owned(), hours(1)),
        (format!("{begins}, applicable: [local.hour >= 12]"), hours(3)),
        (format!("{begins}, applicable: [now > timestamp(\"2026-03-02T12:30:00Z\")]"), Moment(monday().0 + 12_600_001)),
        (format!("{begins}, until: 2026-03-02T11:30:00Z, applicable: [local.hour >= 12]"), days(1)),
    ];
    for (rest, end) in ends {
        let engine = with(&format!("{weak}{}", strong(&rest)));
        for explain in [Explain::Chosen, Explain::Funnel, Explain::Full] {
            let question = Question { validate_only: true, explain, ..ask("c", "web", &[]) };
            let now = engine.decide(question, monday()).unwrap();
            assert_eq!((chosen(&now), now.decision.valid_until), (vec!["weak"], end), "{rest}, {explain:?}");
        }
    }
}

#[test]
fn conditions_and_texts_that_read_the_clock_end_an_answer() {
    let by_hour = offer("hour", "service", "").replace("text: T}", "text: \"It is {local.hour}\"}");
    let morning = offer("morning", "service", ", applicable: [local.hour < 11]");
    let paused = offer("paused", "service", ", applicable: [now > timestamp(\"2026-03-02T12:30:00Z\")]");
    for (actions, end) in [(by_hour, hours(1)), (morning, hours(2)), (paused, Moment(monday().0 + 12_600_001))] {
        let engine = with(&actions);
        assert_eq!(rehearse(&engine, &[], monday()).decision.valid_until, end, "{actions}");
    }
}

#[test]
fn retry_after_names_nothing_beyond_its_setting() {
    for (setting, wanted) in [("", None), ("  retry_within: 31 days\n", Some(days(30)))] {
        let rules = format!("{HEAD}actions:\n{}{POLICY}{setting}", offer("care", "service", "").replace("50", "15"));
        let engine = engine(&rules_of(&rules));
        happens(&engine, "bad", monday(), monday());
        assert_eq!(retry_after(&rehearse(&engine, &[], hours(1))), wanted);
    }
}

#[test]
fn quiet_hours_that_drop_name_no_moment() {
    let engine = note("service", "{from: \"21:00\", to: \"08:00\", otherwise: drop}", "");
    let silent = on(&engine, "sms", "2026-03-10T03:00:00Z");
    assert_eq!((retry_after(&silent), silent.decision.valid_until), (None, moment("2026-03-10T12:00:00Z")));
}

/// No moment to ask again is named, and the silence still ends when something is said: the reference model found it
/// (seed 257).
#[test]
fn a_silence_ends_when_something_is_said_after_the_time_to_ask_again() {
    let quiet = "{from: \"21:00\", to: \"08:00\", otherwise: wait}";
    let engine = note("service", quiet, "  retry_within: 150 minutes\n");
    let silent = on(&engine, "sms", "2026-03-10T03:00:00Z");
    assert_eq!((retry_after(&silent), silent.decision.valid_until), (None, moment("2026-03-10T12:00:00Z")));
    assert_eq!(chosen(&on(&engine, "sms", "2026-03-10T12:00:00Z")), ["note"]);
}

/// Behind a first change that is near enough, another one is too late: the reference model found it (seed 3827).
#[test]
fn retry_after_names_nothing_too_late_behind_a_change_in_time() {
    let trip = "journeys:\n  trip:\n    purpose: service\n    start: {event: bad}\n    stages:\n      a: {moves: [{to: b, after: 19 \
                hours}]}\n      b: {moves: [{to: c, after: 2 hours}]}\n      c: {end: true}\n";
    for (within, wanted) in [("20 hours", None), ("22 hours", Some(hours(21)))] {
        let rules = offer("late", "service", ", applicable: ['journey.trip.stage == \"c\"']")
            .replace("kind: offer", "kind: service");
        let policy = format!("{POLICY}  retry_within: {within}\n");
        let engine = engine(&rules_of(&format!("{HEAD}{trip}actions:\n{rules}{policy}")));
        happens(&engine, "bad", monday(), monday());
        let silent = rehearse(&engine, &[], monday());
        assert_eq!((retry_after(&silent), silent.decision.valid_until), (wanted, hours(21)), "{within}");
    }
}

/// A stage that ends each hour hides no moment behind it, whether a rule reads it or not.
#[test]
fn a_stage_that_ends_each_hour_hides_no_moment() {
    let round = "journeys:\n  round:\n    purpose: service\n    start: {event: begun}\n    stages: {a: {moves: [{to: a, after: 1 hour}]}}\n\
                 events:\n  begun: {purposes: [service], keep: 1 year}\n";
    let quiet = "{from: \"21:00\", to: \"08:00\", otherwise: wait}";
    let channels = format!("channels:\n  sms: {{direction: outbound, interruption: 0, quiet_hours: {quiet}}}\n");
    for read in ["", ", applicable: ['journey.round.in_stage_for < duration(\"2h\")']"] {
        let note =
            NOTE.replace("KIND", "service").replace("{sms: {text: T}}}", &format!("{{sms: {{text: T}}}}{read}}}"));
        let rules = format!(
            "purposes:\n  service: {{basis: contract}}\n{round}{channels}actions:\n{note}policy:\n  pressure: {{half_life: 7 days, \
             per_contact: {{sms: 0}}}}\n  hurt: {{half_life: 30 days}}\n  time_zone: UTC\n"
        );
        let engine = engine(&rules_of(&rules));
        let begun = moment("2026-03-10T20:30:00Z");
        happens(&engine, "begun", begun, begun);
        let silent = on(&engine, "sms", "2026-03-10T21:00:00Z");
        assert_eq!(retry_after(&silent), Some(moment("2026-03-11T08:00:00Z")), "{read}");
        assert_eq!(chosen(&on(&engine, "sms", "2026-03-11T08:00:00Z")), ["note"]);
    }
}

/// What is compared with something unknown stays unknown, however the other side may change.
#[test]
fn a_condition_on_something_unknown_hides_no_moment() {
    let unknown = "customer.spend >= events.count(\"visit\", \"30m\", now == timestamp(\"2026-01-08T14:10:00Z\"))";
    let note = NOTE.replace("KIND", "service");
    let note = note.replace("{sms: {text: T}}}", &format!("{{sms: {{text: T}}}}, applicable: ['{unknown}']}}"));
    let rules = format!(
        "purposes:\n  service: {{basis: contract}}\nattributes:\n  customer.spend: {{type: number, purposes: [service]}}\n\
         events:\n  visit: {{purposes: [service], keep: 30 days}}\nchannels:\n  sms: {{direction: outbound, interruption: 0}}\n\
         actions:\n{note}policy:\n  pressure: {{half_life: 7 days, per_contact: {{sms: 0}}}}\n  hurt: {{half_life: 30 days}}\n  time_zone: UTC\n"
    );
    let engine = engine(&rules_of(&rules));
    let begun = moment("2026-03-10T20:30:00Z");
    happens(&engine, "visit", begun, begun);
    let silent = on(&engine, "sms", "2026-03-10T21:00:00Z");
    assert_eq!((retry_after(&silent), silent.decision.valid_until), (None, moment("2026-03-11T21:00:00Z")));
}

/// Whatever a clock lets its filter count, it is between zero and the count of all events.
#[test]
fn a_count_whose_filter_reads_the_clock_hides_no_moment() {
    let twice = "events.count(\"bad\", \"20d\", local.hour >= 12) >= 2";
    let engine = with(&offer("often", "service", &format!(", applicable: ['{twice}']")));
    happens(&engine, "bad", monday(), monday());
    let silent = rehearse(&engine, &[], hours(1));
    assert_eq!((retry_after(&silent), silent.decision.valid_until), (None, hours(25)));
}

/// A grant ends in quiet hours that drop; the hurt has faded before they are over.
#[test]
fn quiet_hours_that_drop_hide_no_moment_after_them() {
    let rules = "purposes:\n  service: {basis: contract}\n  pers: {basis: consent, expires_after: 13 hours}\nevents:\n  bad: \
                 {purposes: [service], hurt: 60, keep: 30 days}\nchannels:\n  sms: {direction: outbound, interruption: 0, \
                 quiet_hours: {from: \"21:00\", to: \"08:00\", otherwise: drop}}\nactions:\n";
    let policy = "policy:\n  pressure: {half_life: 7 days, per_contact: {sms: 0}}\n  hurt: {half_life: 2 days}\n  time_zone: UTC\n";
    let engine = engine(&rules_of(&format!("{rules}{}{policy}", NOTE.replace("KIND", "information"))));
    say(&engine, "pers", Given, monday());
    happens(&engine, "bad", monday(), monday());
    let silent = on(&engine, "sms", "2026-03-02T09:00:00Z");
    assert_eq!(silent.decision.silence.as_ref().unwrap().reason, SilenceReason::BelowThreshold);
    assert_eq!(retry_after(&silent), Some(moment("2026-03-03T08:00:00Z")));
    assert_eq!(chosen(&on(&engine, "sms", "2026-03-03T08:00:00Z")), ["note"]);
}

/// An ask that the customer has answered cannot come, whatever stopped it first; and every part of one answer agrees.
#[test]
fn the_nearest_action_is_one_that_can_come() {
    let service = offer("later", "service", ", applicable: [context.topic == \"x\"]");
    let engine = with(&format!("{}{service}", asks(", limits: [{at_most: 1, per: 14 days}]")));
    engine.record_outcomes(vec![outcome("may-we", "web", Outcome::Presented)], monday()).unwrap();
    let nearest = |at| {
        let question = Question { validate_only: true, explain: Explain::Funnel, ..ask("c", "web", &[]) };
        let record = engine.decide(question, at).unwrap();
        let name = |id| record.rules.vocabulary.name(id).to_owned();
        let (silence, explanation) = (record.decision.silence.clone().unwrap(), record.explanation().unwrap());
        let shown = explanation.candidates.first().map(|loser| name(loser.action));
        (silence.reason, silence.nearest.map(|(id, _)| name(id)), shown)
    };
    let ask = Some("may-we".to_owned());
    assert_eq!(nearest(hours(1)), (SilenceReason::ContactLimit, ask.clone(), ask));
    say(&engine, "pers", Given, hours(1));
    assert_eq!(nearest(hours(1)).0, SilenceReason::NothingEligible);
}

/// A limit of two weeks that ends in half an hour says why; people read times on their own clocks.
#[test]
fn a_reservation_that_lapses_is_said_to() {
    let engine = with(&offer("pick", "service", ", limits: [{at_most: 1, per: 14 days}]"));
    engine.decide(ask("c", "web", &[]), Moment(monday().0 + 1)).unwrap();
    let silence = rehearse(&engine, &[], hours(0) + Period(2)).decision.silence.clone().unwrap();
    assert_eq!(
        silence.detail,
        "nearest was `pick`: limit `1 per 14 days` is used up until 2026-03-02 09:31 (UTC), when a step that no outcome has \
         confirmed stops counting"
    );
    assert_eq!(silence.retry_after, Some(Moment(monday().0 + 1_800_001)));
}

/// An offer is possible again when its reservation lapses, and from then on the ask gains less than it.
#[test]
fn an_ask_gives_way_to_an_action_that_a_limit_stops_now() {
    let once = offer("once", "service", ", limits: [{per: 30 days, at_most: 1}]");
    let engine = with(&format!("{once}{}{}", offer("better", "pers", "").replace("base: 50", "base: 90"), asks("")));
    assert_eq!(chosen(&engine.decide(ask("c", "web", &[]), monday()).unwrap()), ["once"]);
    let asked = rehearse(&engine, &[], monday());
    assert_eq!(chosen(&asked), ["may-we"]);
    let lapses = asked.decision.valid_until;
    assert_eq!(chosen(&rehearse(&engine, &[], lapses - Period(1))), ["may-we"]);
    assert_eq!(chosen(&rehearse(&engine, &[], lapses)), ["once"]);
}
