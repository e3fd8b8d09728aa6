//! When to ask again after silence, and until when an answer holds.

use tactful::domain::consent::ConsentStatus::Refused;
use tactful::domain::time::{Moment, Period};

use super::semantics::{HEAD, POLICY, asks, days, happens, hours, offer, rehearse, say, with};
use super::support::{chosen, engine, monday, rules_of};

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
