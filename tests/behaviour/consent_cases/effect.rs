//! When a no takes effect, and which rights the customer has beside it.

use super::*;

#[test]
fn case_22_a_new_yes_brings_nothing_back_that_was_withdrawn() {
    let engine = fresh();
    say(&engine, "advice", Given, monday());
    tell(&engine, monday());
    engine.record_events(vec![event("anna", "browse", &[])], monday()).unwrap();
    assert_eq!(engine.customer("anna", monday()).unwrap().journeys.len(), 1);
    say(&engine, "advice", Withdrawn, days(1));
    assert_eq!(held(&engine, days(1)), ["customer.city"], "what another purpose covers stays");
    say(&engine, "advice", Given, days(2));
    let hello = texts(&engine, "says", days(2)).remove(0);
    assert_eq!(hello, ("hello".to_owned(), "hello you".to_owned()));
    let known = engine.customer("anna", days(2)).unwrap();
    assert!(known.journeys.is_empty() && known.attributes.len() == 1, "{known:?}");
    assert_eq!(engine.export("anna", days(2)).unwrap().state.events().newest_first().count(), 0);
}

#[test]
fn case_23_a_decision_after_the_answer_uses_no_withdrawn_data() {
    let (engine, ledger) = StubbornLedger::under(rules_of(RULES));
    say(&engine, "advice", Given, monday());
    std::thread::scope(|scope| {
        let held = ledger.gate.lock().unwrap();
        let withdrawal = scope.spawn(|| say(&engine, "advice", Withdrawn, monday()));
        ledger.wait_for(2);
        assert!(!said(&engine, monday()).contains(&"hello".to_owned()), "it binds before it is on disk");
        drop(held);
        withdrawal.join().unwrap();
    });
    for round in 1..20 {
        say(&engine, "advice", Given, minutes(round));
        let answered = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let after = answered.load(Ordering::SeqCst);
                        let record = engine.decide(ask("anna", "web", &[]), minutes(round)).unwrap();
                        assert!(!after || !chosen(&record).contains(&"hello"), "round {round}");
                    }
                });
            }
            say(&engine, "advice", Withdrawn, minutes(round));
            answered.store(true, Ordering::SeqCst);
        });
    }
    assert_eq!(ledger.asked.load(Ordering::SeqCst), 40);
}

#[test]
fn case_24_a_failed_disk_accepts_every_no_and_no_yes() {
    let (engine, ledger) = StubbornLedger::under(rules_of(RULES));
    say(&engine, "advice", Given, monday());
    say(&engine, "marketing", Given, monday());
    tell(&engine, monday());
    ledger.broken.store(true, Ordering::SeqCst);
    let say = |purpose, status| engine.record_consent(consent("anna", purpose, status), minutes(1));
    for (purpose, status) in [("advice", Withdrawn), ("care", Objected), ("health", Given)] {
        assert!(matches!(say(purpose, status), Err(EngineError::LedgerUnavailable(_))), "{purpose}");
    }
    let now = minutes(2);
    assert_eq!(
        ["advice", "care"].map(|purpose| denial(&engine, purpose, now)),
        [Some(Denial::Withdrawn), Some(Denial::Objected)]
    );
    assert_eq!(
        ["marketing", "health", "service"].map(|purpose| denial(&engine, purpose, now)),
        [Some(Denial::LedgerUnavailable); 3]
    );
    assert_eq!(texts(&engine, "says", now), [("help".to_owned(), "help in town".to_owned())]);
    assert!(!asked(&engine, now));
    let silent = engine.decide(Question { groups: vec!["asks".into()], ..ask("anna", "web", &[]) }, now).unwrap();
    assert_eq!(silent.decision.silence.as_ref().unwrap().reason, SilenceReason::Degraded);

    ledger.broken.store(false, Ordering::SeqCst);
    engine.trust_ledger(true);
    assert_eq!(
        ["advice", "care"].map(|purpose| denial(&engine, purpose, now)),
        [Some(Denial::Withdrawn), Some(Denial::Objected)]
    );
    assert_eq!(denial(&engine, "health", now), Some(Denial::NoRecord), "the customer was promised nothing");
}

#[test]
fn case_26_a_restriction_freezes_stored_data_but_not_expired_data() {
    let engine = fresh();
    say(&engine, "advice", Given, monday());
    tell(&engine, monday());
    engine.record_events(vec![event("anna", "browse", &[])], monday()).unwrap();
    say(&engine, "", Restricted, days(1));
    assert_eq!(tell(&engine, days(2)), ["customer.name", "customer.city"], "nothing new is kept");
    assert_eq!(held(&engine, days(350)).len(), 2, "though the yes has run out");
    assert_eq!(engine.export("anna", days(450)).unwrap().state.events().newest_first().count(), 1);
    engine.erase("anna", days(451)).unwrap();
    assert!(held(&engine, days(451)).is_empty(), "an erasure takes it all the same");

    let engine = fresh();
    say(&engine, "advice", Given, monday());
    tell(&engine, monday());
    // She was not accessed since the yes expired.
    say(&engine, "", Restricted, days(301));
    assert_eq!(held(&engine, days(301)), ["customer.city"]);
}

#[test]
fn case_27_lifting_a_restriction_restores_the_earlier_state_and_grants_nothing() {
    let engine = fresh();
    say(&engine, "", RestrictionLifted, monday());
    assert_eq!(denial(&engine, "advice", monday()), Some(Denial::NoRecord));
    say(&engine, "advice", Given, monday());
    tell(&engine, monday());
    say(&engine, "care", Objected, monday());
    say(&engine, "", Restricted, days(1));
    say(&engine, "advice", Given, days(2));
    assert_eq!(denial(&engine, "advice", days(2)), Some(Denial::Restricted), "a yes does not lift it");
    assert!(record(&engine, late("", RestrictionLifted, monday()), days(3)).accepted);
    assert_eq!(denial(&engine, "advice", days(3)), Some(Denial::Restricted), "nor does what is claimed from before it");
    say(&engine, "", RestrictionLifted, days(4));
    assert_eq!(texts(&engine, "says", days(4)).remove(0).1, "hello Anna");
    assert_eq!(denial(&engine, "care", days(4)), Some(Denial::Objected));
    assert_eq!(denial(&engine, "marketing", days(4)), Some(Denial::NoRecord));
}

#[test]
fn case_29_after_a_no_one_waits_and_after_an_objection_one_never_asks() {
    for no in [Refused, Withdrawn, Revoked] {
        let engine = fresh();
        assert!(asked(&engine, monday()));
        say(&engine, "advice", no, monday());
        assert_eq!((asked(&engine, days(60) - Period(1)), asked(&engine, days(60))), (false, true));
    }
    let engine = fresh();
    say(&engine, "advice", Objected, monday());
    say(&engine, "advice", Withdrawn, days(1));
    assert!(!asked(&engine, days(1_000)));
    assert!(record(&engine, late("advice", Given, days(1_001)), days(1_001)).accepted);
    let late_lost = standing(&engine, "advice", days(1_001));
    assert_eq!((late_lost.denial, late_lost.needs_reconfirm), (Some(Denial::Objected), true));
    say(&engine, "advice", Given, days(1_002));
    assert_eq!(denial(&engine, "advice", days(1_002)), None);

    let engine = fresh();
    say(&engine, "advice", Withdrawn, monday());
    let mut short = consent("anna", "advice", Given);
    short.changes[0].valid_until = Some(days(2));
    record(&engine, short, days(1));
    assert!(asked(&engine, days(2)), "the yes has ended the no, and ran out");
}

#[test]
fn case_39_withdrawing_is_as_easy_as_giving() {
    let engine = fresh();
    for (purpose, status) in [("advice", Withdrawn), ("marketing", Refused), ("care", Withdrawn), ("resale", Objected)]
    {
        // A purpose and a status: no notice, no evidence, no reason, no earlier yes.
        say(&engine, purpose, status, monday());
        assert!(denial(&engine, purpose, monday()).is_some());
    }
}
