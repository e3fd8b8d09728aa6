//! The cases of consent, by their numbers in docs/consent-cases.md; the other numbers there name the tests that cover them.

mod effect;
mod signal;

use std::sync::atomic::{AtomicBool, Ordering};

use tactful::domain::consent::{ConsentStatus, Denial};
use tactful::domain::decide::SilenceReason;
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{ChangeResult, ConsentRequest, Engine, EngineError, Question, StandingView};
use tactful::grpc::proto;
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::rules::load;

use super::support::{
    StubbornLedger, TestServer, ask, attributes, chosen, consent, engine, event, files, folder, monday, rules_of,
};

use ConsentStatus::{Given, Objected, Refused, Restricted, RestrictionLifted, Revoked, Withdrawn};

const RULES: &str = r#"
purposes:
  service: {basis: contract}
  advice: {basis: consent, expires_after: 300 days, cooling_off: 60 days}
  marketing: {basis: consent, cooling_off: 60 days}
  marketing.email: {basis: consent, direct_marketing: true, cooling_off: 60 days}
  health: {basis: explicit_consent, cooling_off: 60 days}
  care: {basis: legitimate_interest}
  resale: {basis: legitimate_interest, gpc: objects}
attributes:
  customer.name: {type: text, purposes: [advice]}
  customer.city: {type: text, purposes: [service, advice]}
events:
  visit: {purposes: [service, advice], keep: 400 days, fields: {page: {type: text, purposes: [advice]}, shop: text}}
  browse: {purposes: [advice], keep: 400 days}
channels:
  web: {direction: inbound, interruption: 0}
journeys:
  trip: {purpose: advice, start: {event: browse}, stages: {begun: {moves: [{to: over, after: 500 days}]}, over: {end: true}}}
actions:
  - {id: hello, title: T, kind: service, group: says, purpose: advice, relevance: {base: 50}, intrusiveness: 0, treatments: {web: {text: "hello {customer.name|you}"}}}
  - {id: help, title: T, kind: service, group: says, purpose: service, relevance: {base: 50}, intrusiveness: 0, treatments: {web: {text: "help in {customer.city|town}"}}}
  - {id: letter, title: T, kind: service, group: says, purpose: care, relevance: {base: 50}, intrusiveness: 0, treatments: {web: {text: T}}}
  - {id: mail, title: T, kind: service, group: says, purpose: marketing.email, relevance: {base: 50}, intrusiveness: 0, treatments: {web: {text: T}}}
  - {id: partner, title: T, kind: service, group: says, purpose: resale, relevance: {base: 50}, intrusiveness: 0, treatments: {web: {text: T}}}
  - {id: may-we, title: T, kind: consent_ask, group: asks, purpose: service, asks: advice, relevance: {add: [{points: 5, when: 'channel == "web"'}]}, intrusiveness: 0, treatments: {web: {text: T}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 0}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

fn minutes(count: i64) -> Moment {
    monday() + Period(count * 60_000)
}

fn days(count: i64) -> Moment {
    monday() + Period(count * Period::DAY.0)
}

fn fresh() -> Engine {
    engine(&rules_of(RULES))
}

fn record(engine: &Engine, request: ConsentRequest, at: Moment) -> ChangeResult {
    engine.record_consent(request, at).unwrap().results.remove(0)
}

fn say(engine: &Engine, purpose: &str, status: ConsentStatus, at: Moment) {
    let result = record(engine, consent("anna", purpose, status), at);
    assert!(result.accepted, "{result:?}");
}

/// A record from an import or a queue, which claims a moment.
fn late(purpose: &str, status: ConsentStatus, claimed: Moment) -> ConsentRequest {
    let mut request = consent("anna", purpose, status);
    request.deferred = true;
    request.changes[0].claimed = Some(claimed);
    request
}

fn tell(engine: &Engine, at: Moment) -> Vec<String> {
    let facts = [("customer.name", Value::Text("Anna".into())), ("customer.city", Value::Text("Graz".into()))];
    engine.set_attributes(attributes("anna", &facts), at).unwrap()
}

/// Everything that may be said to Anna, or asked of her, with its text.
fn texts(engine: &Engine, group: &str, at: Moment) -> Vec<(String, String)> {
    let groups = vec![group.into()];
    let question = Question { validate_only: true, max_actions: 9, groups, ..ask("anna", "web", &[]) };
    let record = engine.decide(question, at).unwrap();
    let texts = record.decision.actions.iter().map(|chosen| chosen.text.to_string());
    chosen(&record).into_iter().map(str::to_owned).zip(texts).collect()
}

fn said(engine: &Engine, at: Moment) -> Vec<String> {
    texts(engine, "says", at).into_iter().map(|(action, _)| action).collect()
}

fn asked(engine: &Engine, at: Moment) -> bool {
    !texts(engine, "asks", at).is_empty()
}

fn standing(engine: &Engine, purpose: &str, at: Moment) -> StandingView {
    engine.standing("anna", at).unwrap().into_iter().find(|view| view.purpose == purpose).unwrap()
}

fn denial(engine: &Engine, purpose: &str, at: Moment) -> Option<Denial> {
    standing(engine, purpose, at).denial
}

/// The names of all stored facts of Anna, readable or not.
fn held(engine: &Engine, at: Moment) -> Vec<String> {
    let export = engine.export("anna", at).unwrap();
    export.state.attributes().iter().map(|(id, _)| export.rules.vocabulary.name(id).to_owned()).collect()
}

#[test]
fn case_01_an_unknown_customer_is_helped_without_personal_data() {
    let engine = fresh();
    for purpose in ["advice", "marketing", "marketing.email", "health"] {
        assert_eq!(denial(&engine, purpose, monday()), Some(Denial::NoRecord));
    }
    assert_eq!(tell(&engine, monday()), ["customer.name"], "what waits for a yes is not kept until one comes");
    let expected = [("help", "help in Graz"), ("letter", "T"), ("partner", "T")];
    assert_eq!(texts(&engine, "says", monday()), expected.map(|(id, text)| (id.to_owned(), text.to_owned())));
}

#[tokio::test]
async fn case_02_records_that_are_not_a_yes() {
    let server = TestServer::start(rules_of(RULES), "none".into()).await;
    let mut consents = ConsentServiceClient::new(server.channel.clone());
    let mut say = async |purpose: &str, status: proto::ConsentStatus| {
        let change =
            proto::ConsentChange { purpose: purpose.into(), status: status.into(), ..proto::ConsentChange::default() };
        let changes = vec![change];
        let request = proto::RecordConsentRequest { customer_id: "anna".into(), changes, ..Default::default() };
        consents.record_consent(request).await.map(|answer| answer.into_inner().results.remove(0).reason)
    };
    use proto::ConsentStatus::{Erased, Expired, Given, Restricted, Unspecified};
    assert!(say("advice", Unspecified).await.unwrap().starts_with("status: is required"));
    for (purpose, status, reason) in [
        ("advice", Expired, "status_not_writable"),
        ("advice", Erased, "status_not_writable"),
        ("", Erased, "status_not_writable"),
        ("advice", Restricted, "concerns_every_purpose"),
        ("service", Given, "basis_needs_no_consent"),
    ] {
        assert_eq!(say(purpose, status).await.unwrap(), reason);
    }
    for purpose in ["", "unheard_of", "marketing.sms"] {
        assert!(say(purpose, Given).await.unwrap().starts_with("unknown_purpose: "));
    }
    server.engine.sweep(monday());
    assert_eq!((server.engine.ledger_records(), server.engine.customer_count()), (0, 0));
    server.stop().await;
}

#[test]
fn case_03_a_no_stays_on_record_after_a_yes() {
    let engine = fresh();
    for (hour, status) in (0..).zip([Given, Withdrawn, Given, Revoked, Given]) {
        say(&engine, "advice", status, minutes(hour * 60));
    }
    let records = engine.consent_records("anna").unwrap();
    assert_eq!(
        records.iter().map(|(_, record)| record.status).collect::<Vec<_>>(),
        [Given, Withdrawn, Given, Revoked, Given]
    );
}

#[test]
fn case_05_a_repeated_record_counts_once() {
    for statuses in [[Given, Withdrawn], [Withdrawn, Given], [Refused, Objected], [Objected, Given]] {
        let (once, twice) = (fresh(), fresh());
        for (hour, status) in (0..).zip(statuses) {
            say(&once, "marketing.email", status, minutes(hour * 60));
            say(&twice, "marketing.email", status, minutes(hour * 60));
            say(&twice, "marketing.email", status, minutes(hour * 60));
        }
        let seen = |engine: &Engine| {
            let view = standing(engine, "marketing.email", days(1));
            (view.status, view.usable, view.denial, view.since, view.needs_reconfirm)
        };
        assert_eq!(seen(&once), seen(&twice));
        assert_eq!(said(&once, days(1)), said(&twice, days(1)));
    }
}

#[test]
fn case_09_a_clock_that_is_off_makes_no_yes_of_a_no() {
    for (ahead, taken) in [(4, true), (5, true), (6, false)] {
        let engine = fresh();
        say(&engine, "advice", Withdrawn, monday());
        // The source's clock is ahead: its record claims a later moment than the real one.
        let yes = engine.record_consent(late("advice", Given, minutes(ahead)), monday());
        assert_eq!(yes.unwrap().results[0].accepted, taken);
        assert_eq!(denial(&engine, "advice", minutes(10)), Some(Denial::Withdrawn), "{ahead} minutes ahead");
    }
    for (claimed, counts) in [(5, false), (6, true)] {
        let engine = fresh();
        say(&engine, "advice", Withdrawn, monday());
        assert!(record(&engine, late("advice", Given, minutes(claimed)), days(1)).accepted);
        assert_eq!(denial(&engine, "advice", days(1)).is_none(), counts, "claimed {claimed} minutes after the no");
    }
}

#[test]
fn case_10_purposes_of_a_call_are_independent_and_others_are_unchanged() {
    let engine = fresh();
    say(&engine, "marketing", Given, monday());
    let mut request = consent("anna", "advice", Given);
    request.changes.extend(consent("anna", "service", Given).changes);
    request.changes.extend(consent("anna", "unheard_of", Given).changes);
    request.changes.extend(consent("anna", "care", Objected).changes);
    let answer = engine.record_consent(request, minutes(1)).unwrap();
    let accepted: Vec<bool> = answer.results.iter().map(|result| result.accepted).collect();
    assert_eq!(accepted, [true, false, false, true]);
    let now = minutes(2);
    assert_eq!(
        ["advice", "marketing", "care"].map(|purpose| denial(&engine, purpose, now)),
        [None, None, Some(Denial::Objected)]
    );
    assert_eq!(["health", "resale"].map(|purpose| denial(&engine, purpose, now)), [Some(Denial::NoRecord), None]);
}

#[test]
fn case_11_a_yes_holds_from_its_moment_up_to_and_not_including_its_end() {
    let limited = |engine: &Engine| {
        let mut yes = consent("anna", "advice", Given);
        yes.changes[0].valid_until = Some(days(10));
        record(engine, yes, monday());
    };
    let unlimited = |engine: &Engine| say(engine, "advice", Given, monday());
    for (give, end) in [(&limited as &dyn Fn(&Engine), days(10)), (&unlimited, days(300))] {
        let engine = fresh();
        give(&engine);
        assert!(tell(&engine, monday()).is_empty(), "at the moment of the yes it holds");
        let before = end - Period(1);
        assert!(said(&engine, before).contains(&"hello".to_owned()));
        assert_eq!((standing(&engine, "advice", before).until, asked(&engine, before)), (Some(end), false));
        assert!(!said(&engine, end).contains(&"hello".to_owned()));
        assert_eq!((denial(&engine, "advice", end), asked(&engine, end)), (Some(Denial::Expired), true));
        assert_eq!(held(&engine, end), ["customer.city"], "what it alone allowed to keep is gone");
    }
}

#[test]
fn case_13_a_yes_covers_the_named_purpose_and_no_other() {
    let engine = fresh();
    say(&engine, "marketing", Given, monday());
    assert_eq!(denial(&engine, "marketing.email", monday()), Some(Denial::NoRecord), "a narrower one is not named");
    let engine = fresh();
    say(&engine, "marketing.email", Given, monday());
    assert_eq!(denial(&engine, "marketing", monday()), Some(Denial::NoRecord), "nor is a wider one");
}

#[test]
fn case_14_a_no_to_a_wider_purpose_covers_narrower_ones_that_come_later() {
    let narrower = RULES.replace(
        "  health:",
        "  marketing.sms: {basis: legitimate_interest}\n  marketing.post.abroad: {basis: contract, direct_marketing: true}\n  health:",
    );
    for (no, word) in [(Objected, Denial::Objected), (Withdrawn, Denial::Withdrawn), (Revoked, Denial::Revoked)] {
        let engine = fresh();
        say(&engine, "marketing", no, monday());
        let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: narrower.clone() }]);
        assert!(!engine.reload(|vocabulary| load(sources, vocabulary), days(1)).refused());
        for purpose in ["marketing", "marketing.email", "marketing.sms", "marketing.post.abroad"] {
            assert_eq!(denial(&engine, purpose, days(1)), Some(word), "{purpose}");
        }
        say(&engine, "marketing.sms", Given, days(2));
        assert_eq!(denial(&engine, "marketing.sms", days(2)), None);
        assert_eq!(denial(&engine, "marketing.post.abroad", days(2)), Some(word), "only the narrower one is free");
    }
}

#[test]
fn case_18_explicit_consent_is_imported_only_with_evidence() {
    let engine = fresh();
    let mut import = late("health", Given, monday());
    assert_eq!(record(&engine, import.clone(), days(1)).reason, "evidence_required");
    import.source.evidence = "form 7".into();
    assert!(record(&engine, import, days(1)).accepted);
    assert_eq!(denial(&engine, "health", days(1)), None);
    let engine = fresh();
    say(&engine, "health", Given, monday());
    assert_eq!(denial(&engine, "health", monday()), None, "in person it proves itself");
}

#[test]
fn case_19_data_that_no_purpose_covers_is_dropped_at_its_arrival() {
    let engine = fresh();
    let visit = || event("anna", "visit", &[("page", "fibre"), ("shop", "Graz")]);
    let taken = engine.record_events(vec![visit(), event("anna", "browse", &[])], monday()).unwrap();
    assert!(taken[0].accepted);
    assert_eq!(taken[0].dropped_fields, ["page"]);
    assert_eq!((taken[1].accepted, taken[1].reason.as_str()), (false, "no_lawful_purpose"));
    assert_eq!(engine.dropped_facts(), 2);
    say(&engine, "advice", Given, monday());
    let held = format!("{:?}", engine.export("anna", monday()).unwrap().state);
    assert!(!held.contains("fibre"), "a yes does not bring back what was dropped");
    assert!(engine.record_events(vec![visit()], monday()).unwrap()[0].dropped_fields.is_empty());
}

#[test]
fn case_21_data_withheld_by_an_erasure_does_not_count_as_absent() {
    let rules = RULES.replace("purposes: [service, advice]}\nevents", "purposes: [service, care]}\nevents");
    let rules = rules.replace("id: letter,", "id: letter, eligible: ['!has(customer.city)'],");
    let engine = engine(&rules_of(&rules));
    assert!(said(&engine, monday()).contains(&"letter".to_owned()), "nothing was ever withheld");
    engine.erase("anna", monday()).unwrap();
    let mut returned = consent("anna", "", ConsentStatus::Returned);
    returned.source.evidence = "contract 7".into();
    assert!(record(&engine, returned, monday()).accepted);
    tell(&engine, monday());
    assert_eq!(texts(&engine, "says", monday()), [("help".to_owned(), "help in Graz".to_owned())]);
    say(&engine, "care", Given, minutes(1));
    assert!(!said(&engine, minutes(1)).contains(&"letter".to_owned()), "it is held for service alone");
}

/// Every case has its tests, and every test its case.
#[test]
fn the_page_of_cases_names_tests_that_exist() {
    let page = std::fs::read_to_string(folder("docs/consent-cases.md")).unwrap();
    let numbers: Vec<usize> = page.lines().filter_map(|line| line.get(2..4)?.parse().ok()).collect();
    assert_eq!(numbers, (1..=44).collect::<Vec<_>>());
    let sources = ["tests", "crates/core/src/domain/consent"].map(|path| files(&folder(path))).concat();
    let rust = sources.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let sources: String = rust.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let named = page.split('`').skip(1).step_by(2).filter(|word| word.contains('_') && !word.contains(['/', '.']));
    for word in named {
        assert!(sources.contains(&format!("fn {}", word.trim_end_matches('…'))), "no test is called `{word}`");
    }
    let cases = sources.lines().filter_map(|line| line.trim_start_matches("async ").strip_prefix("fn case_"));
    for name in cases {
        assert!(page.contains(&format!("`case_{}`", &name[..2])), "case_{name} is not a case");
    }
}
