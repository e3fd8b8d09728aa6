//! A machine's clock that is set wrongly: what it may not move, and how an operator sees and confirms it.

use std::sync::atomic::Ordering;

use tactful::domain::consent::ConsentStatus::Given;
use tactful::domain::consent::Denial;
use tactful::domain::time::{Moment, Period};
use tactful::engine::Engine;

use super::commands::tactful;
use super::keeping::{Home, RULES, later};
use super::support::{TestServer, consent, event, monday, rules_of};

const HOUR: Period = Period(3_600_000);

fn events(engine: &Engine, now: Moment) -> usize {
    engine.export("anna", now).unwrap().state.events().len()
}

#[test]
fn while_deletions_are_held_grants_end_and_data_stays() {
    let engine = super::support::engine(&rules_of(RULES));
    let mut grant = consent("anna", "advice", Given);
    grant.changes[0].valid_until = Some(later(10));
    engine.record_consent(grant, later(0)).unwrap();
    engine.record_events(vec![event("anna", "visit", &[("page", "a")])], later(0)).unwrap();
    let ahead = later(0) + Period(3_652 * Period::DAY.0);
    engine.hold_purges(ahead + HOUR);
    engine.sweep(ahead);
    assert_eq!(events(&engine, ahead), 1);
    let standing = engine.standing("anna", ahead).unwrap();
    assert_eq!(standing.iter().find(|view| view.purpose == "advice").unwrap().denial, Some(Denial::Expired));
    assert_eq!(engine.purges_held_until(ahead), Some(ahead + HOUR));
    assert_eq!((engine.purges_held_until(ahead + HOUR), events(&engine, ahead + HOUR)), (None, 0));
}

#[test]
fn a_store_knows_the_newest_moment_on_record() {
    let home = Home::new();
    let engine = home.open(later(0));
    engine.record_events(vec![event("anna", "visit", &[("page", "a")])], later(7)).unwrap();
    engine.write_behind().unwrap();
    drop(engine);
    assert_eq!(home.flushed(), Some(later(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_and_confirms_a_step() {
    let server = TestServer::start(rules_of(RULES), "rules".into()).await;
    let run = |command: &'static str| {
        let address = server.address.clone();
        tokio::task::spawn_blocking(move || {
            let output = tactful(&["clock", command, "--server", &address]);
            (output.status.code(), String::from_utf8(output.stdout).unwrap())
        })
    };
    let (code, said) = run("show").await.unwrap();
    assert_eq!((code, said.contains("its clock is believed")), (Some(0), true), "{said}");
    server.step.store(-2 * HOUR.0, Ordering::SeqCst);
    server.engine.hold_purges(monday() + HOUR);
    let (code, said) = run("show").await.unwrap();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("2 h behind, and not believed; `tactful clock accept` confirms it"), "{said}");
    assert!(said.contains("deletions  none until"), "{said}");
    let (code, said) = run("accept").await.unwrap();
    assert_eq!((code, said.contains("deletions")), (Some(0), false), "{said}");
    server.stop().await;
}
