//! What arrives late, out of order or imported: journeys follow the moments of events, and consent its order.

use std::sync::Arc;

use tactful::domain::consent::ConsentStatus::{Given, Withdrawn};
use tactful::domain::rule_set::RuleSet;
use tactful::domain::time::{Moment, Period};
use tactful::engine::{ConsentRequest, Engine, EventInput, ItemCode};

use super::keeping::{Home, kill, later, stop};
use super::support::{ask, chosen, consent, engine, event, monday, rules_of};

/// A shop: a cart begins the journey and an order ends it; a second page in ten minutes makes a customer sure.
const RULES: &str = r#"
purposes:
  service: {basis: contract}
  advice:  {basis: consent}
attributes:
  customer.plan: {type: text, purposes: [service]}
events:
  cart:  {purposes: [service], keep: 30 days}
  order: {purposes: [service], keep: 30 days}
  slow:  {purposes: [service], keep: 30 days, late: 20 minutes}
  visit: {purposes: [advice], keep: 30 days, fields: {page: text}}
channels:
  web: {direction: inbound, interruption: 0}
journeys:
  checkout:
    purpose: service
    start: {event: cart}
    stages:
      open: {moves: [{to: done, event: order}, {to: cold, after: 3 minutes}, {to: kept, event: slow}]}
      cold: {moves: [{to: done, event: order}, {to: open, event: cart}]}
      kept: {moves: [{to: done, event: order}, {to: planned, when: 'customer.plan == "plus"'}]}
      planned: {moves: [{to: done, event: order}]}
      done: {goal: true}
actions:
  - {id: remind, title: T, kind: service, purpose: service, applicable: ['journey.checkout.stage == "open"'], relevance: {base: 50}, intrusiveness: 1, treatments: {web: {text: t}}}
  - {id: advise, title: T, kind: service, purpose: advice, applicable: ['events.count("visit", "30d") >= 1'], relevance: {base: 40}, intrusiveness: 1, treatments: {web: {text: t}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

fn shop() -> Arc<RuleSet> {
    rules_of(RULES)
}

fn seconds(count: i64) -> Moment {
    monday() + Period(count * 1_000)
}

/// An event of a moment that arrives at another.
fn tell(engine: &Engine, kind: &str, at: Moment, arrives: Moment) {
    let input = EventInput { occurred: Some(at), ..event("c", kind, &[]) };
    let told = engine.record_events(vec![input], arrives).unwrap().remove(0);
    assert!(told.accepted, "{kind} {at}: {told:?}");
}

/// Where the customer is, and since when.
fn stage(engine: &Engine, now: Moment) -> Option<(String, Moment, Moment)> {
    let journey = engine.customer("c", now).unwrap().journeys.into_iter().next()?;
    Some((journey.stage, journey.entered, journey.started))
}

#[test]
fn an_order_that_overtakes_its_cart_ends_it() {
    let engine = engine(&shop());
    tell(&engine, "order", seconds(1), seconds(2));
    assert_eq!(stage(&engine, seconds(2)), None, "an order begins nothing");
    tell(&engine, "cart", seconds(0), seconds(3));
    assert_eq!(stage(&engine, seconds(3)), Some(("done".into(), seconds(1), seconds(0))));
    let answer = engine.decide(ask("c", "web", &[]), seconds(4)).unwrap();
    assert!(chosen(&answer).is_empty(), "no reminder of a cart that was ordered");
}

/// Every order of arrival within the window gives the stage, and its moments, of the order in which it happened.
#[test]
fn any_order_of_arrival_within_the_window_gives_one_journey() {
    let happened = [("cart", 0), ("slow", 20), ("order", 40), ("cart", 60)];
    let end = |order: &[usize]| {
        let engine = engine(&shop());
        for (place, which) in order.iter().enumerate() {
            let (kind, at) = happened[*which];
            tell(&engine, kind, seconds(at), seconds(61 + place as i64));
        }
        stage(&engine, seconds(100))
    };
    let expected = end(&[0, 1, 2, 3]);
    assert_eq!(expected, Some(("done".into(), seconds(40), seconds(0))));
    let mut orders = vec![vec![]];
    for which in 0..happened.len() {
        let places = |order: Vec<usize>| {
            (0..=order.len()).map(move |place| {
                let mut order = order.clone();
                order.insert(place, which);
                order
            })
        };
        orders = orders.into_iter().flat_map(places).collect::<Vec<Vec<usize>>>();
    }
    assert_eq!(orders.len(), 24);
    for order in orders {
        assert_eq!(end(&order), expected, "{order:?}");
    }
}

/// A stage that time has ended meanwhile is gone back to, and time passes again.
#[test]
fn a_late_event_undoes_what_time_did_since() {
    let engine = engine(&shop());
    tell(&engine, "cart", seconds(0), seconds(0));
    assert_eq!(stage(&engine, seconds(200)), Some(("cold".into(), seconds(180), seconds(0))));
    tell(&engine, "slow", seconds(170), seconds(200));
    assert_eq!(stage(&engine, seconds(200)), Some(("kept".into(), seconds(170), seconds(0))), "before it went cold");
}

/// What attributes did since is done again, at the moment at which they came.
#[test]
fn a_late_event_keeps_what_attributes_did_since() {
    let engine = engine(&shop());
    tell(&engine, "cart", seconds(0), seconds(0));
    tell(&engine, "slow", seconds(10), seconds(10));
    let plus =
        super::support::attributes("c", &[("customer.plan", tactful::domain::value::Value::Text("plus".into()))]);
    engine.set_attributes(plus, seconds(20)).unwrap();
    assert_eq!(stage(&engine, seconds(20)), Some(("planned".into(), seconds(20), seconds(0))));
    tell(&engine, "slow", seconds(5), seconds(30));
    assert_eq!(
        stage(&engine, seconds(30)),
        Some(("planned".into(), seconds(10), seconds(0))),
        "at the next event already"
    );
}

#[test]
fn the_window_is_five_minutes_unless_the_type_says_otherwise() {
    for (kind, seconds_late, follows) in [("cart", 300, true), ("cart", 301, false)] {
        let engine = engine(&shop());
        tell(&engine, "order", seconds(1), seconds(2));
        tell(&engine, kind, seconds(0), seconds(seconds_late));
        let (now, _, _) = stage(&engine, seconds(seconds_late)).unwrap();
        let alone = if seconds_late < 180 { "open" } else { "cold" };
        assert_eq!(now, if follows { "done" } else { alone }, "{seconds_late}");
    }
    let engine = engine(&shop());
    tell(&engine, "cart", seconds(0), seconds(0));
    assert_eq!(stage(&engine, seconds(900)).unwrap().0, "cold");
    tell(&engine, "slow", seconds(60), seconds(900));
    assert_eq!(stage(&engine, seconds(900)).unwrap().0, "kept", "twenty minutes for this type");
}

/// The steps that a late event may undo outlive the process.
#[test]
fn a_late_event_is_followed_over_a_restart() {
    for end in [stop as fn(Engine), kill] {
        let home = Home::new();
        let open = |now| home.try_open(RULES, now).unwrap().0;
        let engine = open(monday());
        tell(&engine, "cart", seconds(0), seconds(1));
        tell(&engine, "order", seconds(40), seconds(41));
        engine.write_due().unwrap();
        end(engine);
        let engine = open(seconds(50));
        tell(&engine, "slow", seconds(20), seconds(50));
        assert_eq!(stage(&engine, seconds(50)), Some(("done".into(), seconds(40), seconds(0))), "kept, and then done");
        let state = engine.export("c", seconds(51)).unwrap().state;
        assert_eq!(state.relation().past_stages.len(), 3, "cart, slow and order can be undone");
        let state = engine.export("c", later(120)).unwrap().state;
        assert!(state.relation().past_stages.is_empty(), "and an hour later no more");
    }
}

#[test]
fn an_event_from_before_the_yes_is_not_used_and_an_import_keeps_its_history() {
    let engine = engine(&shop());
    let visit = |at: Moment, now: Moment| {
        let input = EventInput { occurred: Some(at), ..event("c", "visit", &[("page", "fibre")]) };
        engine.record_events(vec![input], now).unwrap().remove(0).code
    };
    engine.record_consent(consent("c", "advice", Given), seconds(100)).unwrap();
    assert_eq!(visit(seconds(99), seconds(101)), ItemCode::NoLawfulPurpose);
    assert!(chosen(&engine.decide(ask("c", "web", &[]), seconds(101)).unwrap()).is_empty());
    assert_eq!(visit(seconds(100), seconds(102)), ItemCode::Ok, "from the very moment on");
    assert_eq!(chosen(&engine.decide(ask("c", "web", &[]), seconds(102)).unwrap()), ["advise"]);
    // An import: the yes counts from the moment that it claims, less five minutes.
    let mut import = ConsentRequest { deferred: true, ..consent("d", "advice", Given) };
    import.changes[0].claimed = Some(seconds(-86_400));
    assert!(engine.record_consent(import, seconds(100)).unwrap().results[0].accepted);
    for (at, code) in [(-86_700, ItemCode::Ok), (-86_701, ItemCode::NoLawfulPurpose)] {
        let input = EventInput { occurred: Some(seconds(at)), ..event("d", "visit", &[]) };
        assert_eq!(engine.record_events(vec![input], seconds(101)).unwrap()[0].code, code, "{at}");
    }
}

/// A late request of one change.
fn late(status: tactful::domain::consent::ConsentStatus, claimed: Option<Moment>, evidence: &str) -> ConsentRequest {
    let mut request = ConsentRequest { deferred: true, ..consent("c", "advice", status) };
    request.changes[0].claimed = claimed;
    request.source.evidence = evidence.into();
    request
}

#[test]
fn a_late_record_that_is_on_record_is_a_repetition() {
    let home = Home::new();
    let engine = home.try_open(RULES, monday()).unwrap().0;
    let say = |engine: &Engine, request| engine.record_consent(request, seconds(1_000)).unwrap().results.remove(0);
    let first = say(&engine, late(Withdrawn, Some(seconds(10)), "letter-7"));
    assert!(first.accepted && first.code == ItemCode::Ok);
    stop(engine);
    let engine = home.try_open(RULES, seconds(1_000)).unwrap().0;
    engine.record_consent(consent("c", "advice", Given), seconds(2_000)).unwrap();
    let again = say(&engine, late(Withdrawn, Some(seconds(10)), "letter-7"));
    assert_eq!((again.accepted, again.code, &again.record_id), (true, ItemCode::Repeated, &first.record_id));
    assert!(again.standing.unwrap().usable, "a repetition ends no yes that came since");
    assert_eq!(engine.consent_records("c").unwrap().len(), 2, "nothing was appended");
    for other in [
        late(Withdrawn, Some(seconds(11)), "letter-7"),
        late(Withdrawn, Some(seconds(10)), "letter-8"),
        late(Withdrawn, None, "letter-7"),
        late(Withdrawn, None, "letter-7"),
        late(Given, Some(seconds(10)), "letter-7"),
    ] {
        assert_eq!(say(&engine, other).code, ItemCode::Ok, "another record");
    }
    assert_eq!(engine.consent_records("c").unwrap().len(), 7);
    // Beside new changes the repeated one stays one.
    let mut both = late(Given, Some(seconds(10)), "letter-7");
    both.changes.push(tactful::engine::ConsentChange::new("nothing", Given));
    let told = engine.record_consent(both, seconds(3_000)).unwrap();
    let codes: Vec<ItemCode> = told.results.iter().map(|result| result.code).collect();
    assert_eq!(codes, [ItemCode::Repeated, ItemCode::UnknownName]);
}

/// Over gRPC the records are read on another thread; the answer is the same.
#[tokio::test]
async fn a_repeated_import_over_the_network_appends_nothing() {
    let server = super::support::TestServer::start(shop(), "none".into()).await;
    let engine = &server.engine;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let request = late(Given, Some(seconds(-10)), "form-1");
        let told = engine.record_consent_async(request, "importer", monday()).await.unwrap();
        ids.push(told.results[0].record_id.clone());
    }
    assert!(ids.iter().all(|id| !id.is_empty() && *id == ids[0]), "{ids:?}");
    assert_eq!(engine.consent_records("c").unwrap().len(), 1);
    server.stop().await;
}

#[test]
fn a_late_no_counts_from_its_arrival_and_asks_whether_the_newer_yes_stands() {
    let standing = |engine: &Engine, now| {
        let standings = engine.standing("c", now).unwrap();
        let advice = standings.into_iter().find(|view| view.purpose == "advice").unwrap();
        (advice.usable, advice.needs_reconfirm)
    };
    let engine = engine(&shop());
    engine.record_consent(consent("c", "advice", Given), seconds(100)).unwrap();
    engine.record_consent(late(Withdrawn, Some(seconds(50)), "letter"), seconds(200)).unwrap();
    assert_eq!(standing(&engine, seconds(200)), (false, true), "the yes came after what the letter says");
    engine.record_consent(consent("c", "advice", Given), seconds(300)).unwrap();
    assert_eq!(standing(&engine, seconds(300)), (true, false));
    engine.record_consent(late(Withdrawn, Some(seconds(350)), "letter 2"), seconds(400)).unwrap();
    assert_eq!(standing(&engine, seconds(400)), (false, false), "this no came after the yes");
    engine.record_consent(late(Withdrawn, Some(seconds(20)), "letter 3"), seconds(500)).unwrap();
    assert_eq!(standing(&engine, seconds(500)), (false, false), "and still holds beside an older one");
    let without = super::support::engine(&shop());
    without.record_consent(late(Withdrawn, Some(seconds(50)), "letter"), seconds(200)).unwrap();
    assert_eq!(standing(&without, seconds(200)), (false, false), "no yes stood");
}
