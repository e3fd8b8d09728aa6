//! One test for each point where engine and documents once disagreed, or where the documents left a choice.
//!
//! F1 to F11 and the ambiguities are the numbers under which an independent reading of the documents found them.

use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus::{
    self, Given, Objected, Refused, Restricted, RestrictionLifted, Revoked, Withdrawn,
};
use tactful::domain::consent::Denial;
use tactful::domain::decide::{Explain, Gate, SilenceReason};
use tactful::domain::sources::{SourceFile, Sources};
use tactful::domain::time::{Moment, Period};
use tactful::domain::value::Value;
use tactful::engine::{DecisionRecord, Engine, EngineError, EventInput, OutcomeInput, Question};
use tactful::rules::load;

use super::support::{ask, attributes, chosen, consent, engine, event, monday, rules_of};

pub const HEAD: &str = r#"
purposes:
  service: {basis: contract}
  pers:    {basis: consent, cooling_off: 1 day}
  pt:      {basis: public_task}
attributes:
  customer.x: {type: text, purposes: [service, pers], sensitivity: 1}
  customer.y: {type: flag, purposes: [pers], sensitivity: 0.4}
context:
  topic: {type: text, personal: false}
events:
  bad:    {purposes: [service], hurt: 20, keep: 30 days}
  fixed:  {purposes: [service], repairs: bad, keep: 1 day}
  helped: {purposes: [pers], repairs: bad, keep: 30 days}
channels:
  web: {direction: inbound, interruption: 0}
"#;

pub const POLICY: &str = r#"
policy:
  pressure:  {half_life: 7 days, per_contact: {web: 0}}
  hurt:      {half_life: 100000 days}
  time_zone: UTC
"#;

pub fn with(actions: &str) -> Engine {
    engine(&rules_of(&format!("{HEAD}actions:\n{actions}{POLICY}")))
}

pub fn offer(id: &str, purpose: &str, more: &str) -> String {
    format!(
        "  - {{id: {id}, title: T, kind: offer, purpose: {purpose}, relevance: {{base: 50}}, intrusiveness: 0, \
         treatments: {{web: {{text: T}}}}{more}}}\n"
    )
}

pub fn asks(more: &str) -> String {
    format!(
        "  - {{id: may-we, title: T, kind: consent_ask, purpose: service, asks: pers, intrusiveness: 0, \
         treatments: {{web: {{text: T}}}}{more}}}\n"
    )
}

fn after(period: Period) -> Moment {
    monday() + period
}

pub fn hours(count: i64) -> Moment {
    after(Period(count * 3_600_000))
}

pub fn days(count: i64) -> Moment {
    after(Period(count * Period::DAY.0))
}

pub fn say(engine: &Engine, purpose: &str, status: ConsentStatus, at: Moment) {
    let result = engine.record_consent(consent("c", purpose, status), at).unwrap().results.remove(0);
    assert!(result.accepted, "{status:?} for {purpose}: {}", result.reason);
}

pub fn happens(engine: &Engine, kind: &str, occurred: Moment, at: Moment) {
    let event = EventInput { occurred: Some(occurred), ..event("c", kind, &[]) };
    let result = engine.record_events(vec![event], at).unwrap().remove(0);
    assert!(result.accepted, "{}", result.reason);
}

pub fn rehearse(engine: &Engine, context: &[(&str, &str)], at: Moment) -> std::sync::Arc<DecisionRecord> {
    let question = Question { explain: Explain::Full, validate_only: true, ..ask("c", "web", context) };
    engine.decide(question, at).unwrap()
}

/// The score of the first action, or the gate at which an action stopped.
fn points(engine: &Engine, at: Moment) -> f64 {
    rehearse(engine, &[], at).decision.actions.first().map_or(0.0, |chosen| chosen.score.total)
}

fn gate(record: &DecisionRecord, action: &str) -> Gate {
    let id = record.rules.vocabulary.find(action).unwrap();
    let told = record.explanation().unwrap();
    told.candidates.iter().find(|candidate| candidate.action == id).unwrap().gate
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-3, "{a} is not {b}");
}

#[test]
fn f1_a_restriction_does_not_undo_an_objection() {
    for order in [[Objected, Restricted], [Restricted, Objected]] {
        let engine = with(&offer("task", "pt", ""));
        for status in order {
            say(&engine, if status == Restricted { "" } else { "pt" }, status, monday());
        }
        let record = rehearse(&engine, &[], hours(1));
        assert_eq!(record.decision.silence.as_ref().unwrap().reason, SilenceReason::Restricted);
        assert_eq!(gate(&record, "task"), Gate::Consent);
        let standing = engine.standing("c", hours(1)).unwrap();
        assert_eq!(standing.iter().find(|view| view.purpose == "pt").unwrap().denial, Some(Denial::Objected));
        say(&engine, "", RestrictionLifted, hours(2));
        assert_eq!(chosen(&rehearse(&engine, &[], hours(2))), [""; 0], "what was objected to stays so");
    }
}

#[test]
fn f1_an_untrusted_ledger_hides_no_objection() {
    let engine = with(&offer("task", "pt", ""));
    say(&engine, "pt", Objected, monday());
    engine.trust_ledger(false);
    let record = rehearse(&engine, &[], hours(1));
    assert_eq!(gate(&record, "task"), Gate::Consent);
    assert_eq!(record.decision.silence.as_ref().unwrap().reason, SilenceReason::Degraded);
}

#[test]
fn f1_an_unsubscribe_counts_without_a_question() {
    for status in [Withdrawn, Refused] {
        let engine = with(&offer("task", "pt", ""));
        say(&engine, "pt", status, monday());
        assert_eq!(gate(&rehearse(&engine, &[], hours(1)), "task"), Gate::Consent);
        let mut import = consent("c", "pt", Given);
        import.deferred = true;
        assert!(engine.record_consent(import, hours(2)).unwrap().results[0].accepted);
        assert_eq!(gate(&rehearse(&engine, &[], hours(2)), "task"), Gate::Consent, "an import brings no customer back");
        say(&engine, "pt", Given, hours(3));
        assert_eq!(gate(&rehearse(&engine, &[], hours(3)), "task"), Gate::Chosen);
    }
}

#[test]
fn f1_a_new_contract_brings_an_erased_customer_back_without_any_consent() {
    let engine = with(&format!("{}{}", offer("care", "service", ""), offer("task", "pt", "")));
    let returned = |evidence: &str, deferred: bool| {
        let mut request = consent("c", "", ConsentStatus::Returned);
        request.source.evidence = evidence.into();
        request.deferred = deferred;
        engine.record_consent(request, hours(1)).unwrap().results.remove(0).reason
    };
    assert_eq!(returned("contract 7", false), "not_erased");
    engine.erase("c", monday()).unwrap();
    assert_eq!(chosen(&rehearse(&engine, &[], hours(1))), [""; 0]);
    assert_eq!(returned("", false), "erased");
    assert_eq!(returned("contract 7", true), "erased");
    assert_eq!(returned("contract 7", false), "");
    let record = rehearse(&engine, &[], hours(1));
    assert_eq!(chosen(&record), ["care"]);
    assert_eq!(gate(&record, "task"), Gate::Consent, "an erasure is an objection");
}

#[test]
fn f2_a_repaired_event_stays_repaired() {
    let engine = with(&offer("care", "service", ""));
    happens(&engine, "bad", monday(), monday());
    close(points(&engine, hours(1)), 30.0);
    happens(&engine, "fixed", hours(1), hours(1));
    close(points(&engine, hours(2)), 50.0);
    close(points(&engine, hours(26)), 50.0);

    let engine = with(&offer("care", "service", ""));
    say(&engine, "pers", Given, monday());
    happens(&engine, "bad", monday(), monday());
    happens(&engine, "helped", hours(1), hours(1));
    say(&engine, "pers", Withdrawn, hours(2));
    close(points(&engine, hours(3)), 50.0);
}

#[test]
fn f2_a_late_experience_from_before_the_repair_is_repaired() {
    let engine = with(&offer("care", "service", ""));
    happens(&engine, "fixed", hours(1), hours(1));
    happens(&engine, "bad", monday(), hours(2));
    close(points(&engine, hours(30)), 50.0);
}

#[test]
fn f3_after_a_revocation_the_customer_may_be_asked_once_cooling_off_is_over() {
    let engine = with(&format!("{}{}", offer("pick", "pers", ""), asks("")));
    say(&engine, "pers", Revoked, monday());
    assert_eq!(gate(&rehearse(&engine, &[], hours(23)), "may-we"), Gate::Ask);
    assert_eq!(gate(&rehearse(&engine, &[], hours(25)), "may-we"), Gate::Chosen);
}

#[test]
fn f4_facts_that_an_ask_reads_count_as_personal() {
    let relevance = ", relevance: {add: [{points: 40, when: channel == \"web\"}]}";
    let text = asks(relevance).replace("text: T", "text: \"Hello {customer.x}\"");
    let condition = asks(&format!("{relevance}, eligible: [has(customer.x)]"));
    for ask in [text, condition] {
        let engine = with(&ask);
        engine.set_attributes(attributes("c", &[("customer.x", Value::Text("X".into()))]), monday()).unwrap();
        let record = rehearse(&engine, &[], monday());
        let told = record.explanation().unwrap();
        let score = told.candidates[0].score.unwrap();
        close(score.personal, 1.0);
        close(score.total, 40.0 * 0.5 - 20.0);
    }
}

#[test]
fn f6_an_ask_that_must_not_be_made_stops_at_ask_whatever_its_text_lacks() {
    let engine = with(&asks("").replace("text: T", "text: \"About {context.topic}\""));
    say(&engine, "pers", Given, monday());
    assert_eq!(gate(&rehearse(&engine, &[], hours(1)), "may-we"), Gate::Ask, "agreed already");
    let engine = with(&asks("").replace("text: T", "text: \"About {context.topic}\""));
    assert_eq!(gate(&rehearse(&engine, &[], hours(1)), "may-we"), Gate::Ask, "nothing to gain");
    let engine = with(&format!(
        "{}{}",
        offer("pick", "pers", ""),
        asks("").replace("text: T", "text: \"About {context.topic}\"")
    ));
    assert_eq!(gate(&rehearse(&engine, &[], hours(1)), "may-we"), Gate::Text);
}

#[test]
fn f9_a_gain_counts_no_action_whose_text_lacks_what_no_consent_brings() {
    let picky = offer("pick", "pers", "").replace("text: T", "text: \"About {context.topic}\"");
    let engine = with(&format!("{picky}{}", asks("")));
    assert_eq!(gate(&rehearse(&engine, &[], monday()), "may-we"), Gate::Ask);
    assert_eq!(gate(&rehearse(&engine, &[("topic", "tv")], monday()), "may-we"), Gate::Chosen);
}

#[test]
fn f10_one_purpose_twice_in_one_request_is_refused() {
    let engine = with(&offer("pick", "pers", ""));
    for statuses in [[Withdrawn, Given], [Given, Withdrawn], [Given, Given]] {
        let mut request = consent("c", "pers", statuses[0]);
        request.changes.extend(consent("c", "pers", statuses[1]).changes);
        let Err(EngineError::Invalid(violations)) = engine.record_consent(request, monday()) else { panic!("taken") };
        assert_eq!(violations[0].field, "changes[1].purpose");
    }
    assert_eq!(engine.ledger_records(), 0, "nothing of it is recorded");
    let mut request = consent("c", "", Restricted);
    request.changes.extend(consent("c", "", RestrictionLifted).changes);
    assert!(engine.record_consent(request, monday()).is_err());
}

#[test]
fn f11_within_a_millisecond_the_order_is_arrival() {
    let engine = with(&offer("care", "service", ""));
    happens(&engine, "fixed", monday(), monday());
    happens(&engine, "bad", monday(), monday());
    close(points(&engine, monday()), 30.0);
    happens(&engine, "fixed", monday(), monday());
    close(points(&engine, monday()), 50.0);
}

#[test]
fn an_expression_counts_every_fact_in_it_and_any_the_least_personal_that_holds() {
    let one = "eligible: ['context.topic == \"tv\" || customer.y']";
    let any = "eligible: [{any: ['context.topic == \"tv\"', customer.y]}]";
    let none = "eligible: [{none: [customer.y, 'context.topic == \"x\"']}]";
    for (condition, personal) in [(one, 0.4), (any, 0.0), (none, 0.4)] {
        let engine = with(&offer("pick", "pers", &format!(", {condition}")));
        say(&engine, "pers", Given, monday());
        engine.set_attributes(attributes("c", &[("customer.y", Value::Flag(false))]), monday()).unwrap();
        let record = rehearse(&engine, &[("topic", "tv")], monday());
        close(record.decision.actions[0].score.personal, personal);
    }
}

#[test]
fn words_that_stand_in_for_a_fact_show_nothing_personal() {
    let text = offer("pick", "pers", "").replace("text: T", "text: \"Hello {customer.x|you}\"");
    let told = "relevance: {base: 50, add: [{points: 1, when: channel == \"web\", because: \"{customer.x|you}\"}]}";
    let reason = offer("pick", "pers", "").replace("relevance: {base: 50}", told);
    for action in [text, reason] {
        let engine = with(&action);
        say(&engine, "pers", Given, monday());
        close(rehearse(&engine, &[], monday()).decision.actions[0].score.personal, 0.0);
        engine.set_attributes(attributes("c", &[("customer.x", Value::Text("X".into()))]), monday()).unwrap();
        close(rehearse(&engine, &[], monday()).decision.actions[0].score.personal, 1.0);
    }
}

#[test]
fn a_no_that_claims_the_future_binds_from_its_arrival() {
    let engine = with(&offer("pick", "pers", ""));
    say(&engine, "pers", Given, monday());
    let claims = |status| {
        let mut request = consent("c", "pers", status);
        request.changes[0].claimed = Some(days(1));
        engine.record_consent(request, hours(1)).unwrap().results[0].accepted
    };
    assert!(!claims(Given));
    assert!(claims(Withdrawn));
    assert_eq!(gate(&rehearse(&engine, &[], hours(1)), "pick"), Gate::Consent);
}

#[test]
fn an_ask_with_a_gain_and_points_against_it_is_scored() {
    let against = ", relevance: {add: [{points: -80, when: channel == \"web\"}]}";
    let engine = with(&format!("{}{}", offer("pick", "pers", ""), asks(against)));
    let record = rehearse(&engine, &[], monday());
    assert_eq!(gate(&record, "may-we"), Gate::BelowThreshold);
}

#[test]
fn a_limit_holds_inside_one_answer() {
    let policy = POLICY.replace("policy:\n", "policy:\n  limits: [{at_most: 2, per: 7 days, kinds: [offer]}]\n");
    let offers: String = ["a", "b", "d"].map(|id| offer(id, "service", "")).concat();
    let engine = engine(&rules_of(&format!("{HEAD}actions:\n{offers}{policy}")));
    let question = Question { max_actions: 3, explain: Explain::Full, validate_only: true, ..ask("c", "web", &[]) };
    let record = engine.decide(question, monday()).unwrap();
    assert_eq!(chosen(&record), ["a", "b"]);
    assert_eq!(gate(&record, "d"), Gate::Limit);
}

#[test]
fn an_action_that_needs_a_context_fact_is_nothing_to_gain() {
    let condition = ", eligible: ['customer.y && context.topic == \"tv\"']";
    let engine = with(&format!("{}{}", offer("pick", "pers", condition), asks("")));
    assert_eq!(gate(&rehearse(&engine, &[], monday()), "may-we"), Gate::Ask);
    assert_eq!(gate(&rehearse(&engine, &[("topic", "tv")], monday()), "may-we"), Gate::Chosen);
    assert_eq!(gate(&rehearse(&engine, &[("topic", "x")], monday()), "may-we"), Gate::Ask);
}

#[test]
fn an_event_does_not_repair_itself() {
    use tactful::domain::id::Vocabulary;
    use tactful::domain::sources::{SourceFile, Sources};
    let text = format!("{HEAD}actions:\n{}{POLICY}", offer("care", "service", ""))
        .replace("repairs: bad, keep: 1 day", "repairs: fixed, keep: 1 day");
    let loaded = tactful::rules::load(
        Sources::new(vec![SourceFile { path: "rules.yaml".into(), text }]),
        &Vocabulary::default(),
    );
    assert!(loaded.diagnostics.iter().any(|told| told.message == "`fixed` cannot repair itself"));
}

#[test]
fn an_outcome_of_no_decision_belongs_to_an_open_contact_or_is_of_another_system() {
    let limited = offer("care", "service", ", limits: [{at_most: 2, per: 7 days}]");
    let engine = with(&limited);
    let told = |outcome| {
        let input = OutcomeInput {
            outcome_id: String::new(),
            decision_id: String::new(),
            customer: "c".into(),
            action: "care".into(),
            channel: "web".into(),
            outcome,
            occurred: None,
        };
        engine.record_outcomes(vec![input], monday()).unwrap().remove(0)
    };
    assert_eq!(told(Outcome::NotPresented).reason, "nothing_to_take_back");
    engine.decide(ask("c", "web", &[]), monday()).unwrap();
    assert!(told(Outcome::Presented).accepted);
    assert_eq!(gate(&rehearse(&engine, &[], monday()), "care"), Gate::Chosen, "it belongs to the decision's contact");
    assert!(told(Outcome::Presented).accepted);
    assert_eq!(gate(&rehearse(&engine, &[], monday()), "care"), Gate::Limit, "no other is open: a contact of its own");
    assert!(told(Outcome::NotPresented).accepted, "which takes back the decision's");
    assert_eq!(gate(&rehearse(&engine, &[], monday()), "care"), Gate::Chosen);
    assert_eq!(told(Outcome::NotPresented).reason, "nothing_to_take_back", "and not the other system's");
}

#[test]
fn a_late_yes_that_lost_is_reported() {
    let engine = with(&offer("pick", "pers", ""));
    let reconfirm =
        |at| engine.standing("c", at).unwrap().iter().find(|view| view.purpose == "pers").unwrap().needs_reconfirm;
    let mut import = consent("c", "pers", Given);
    import.deferred = true;
    say(&engine, "pers", Given, monday());
    say(&engine, "pers", Refused, monday());
    assert!(!reconfirm(monday()));
    engine.record_consent(import, monday()).unwrap();
    assert!(reconfirm(monday()));
}

#[test]
fn an_import_ends_no_objection_to_what_rests_on_consent() {
    let engine = with(&offer("pick", "pers", ""));
    say(&engine, "pers", Objected, monday());
    let mut import = consent("c", "pers", Given);
    import.deferred = true;
    engine.record_consent(import, hours(1)).unwrap();
    assert_eq!(gate(&rehearse(&engine, &[], hours(1)), "pick"), Gate::Consent);
    say(&engine, "pers", Given, hours(2));
    assert_eq!(gate(&rehearse(&engine, &[], hours(2)), "pick"), Gate::Chosen);
}

#[test]
fn a_restriction_keeps_nothing_whose_time_was_over() {
    let engine = with(&offer("care", "service", ""));
    happens(&engine, "fixed", monday(), monday());
    say(&engine, "", Restricted, days(5));
    assert!(engine.export("c", days(5)).unwrap().state.events().is_empty());
}

#[test]
fn a_gain_supposes_the_yes_that_it_asks_for() {
    let picky = offer("pick", "pers", ", applicable: ['consent.given(\"pers\")']");
    let engine = with(&format!("{picky}{}", asks("")));
    assert_eq!(gate(&rehearse(&engine, &[], monday()), "may-we"), Gate::Chosen);
}

/// `basic.mail` is a contract, to which no no can be said: that no mail address is known to it is no secret.
#[test]
fn a_no_that_does_not_cover_a_purpose_hides_no_absence() {
    let head = HEAD
        .replace("  pt: ", "  basic: {basis: consent}\n  basic.mail: {basis: contract}\n  pt: ")
        .replace("customer.y: {type: flag, purposes: [pers]", "customer.y: {type: flag, purposes: [pers, basic.mail]");
    let missing = offer("missing", "basic.mail", ", eligible: ['!has(customer.y)']");
    let engine = engine(&rules_of(&format!("{head}actions:\n{missing}{POLICY}")));
    assert_eq!(gate(&rehearse(&engine, &[], monday()), "missing"), Gate::Chosen);
    say(&engine, "basic", Withdrawn, monday());
    assert_eq!(gate(&rehearse(&engine, &[], hours(1)), "missing"), Gate::Chosen);
}

/// Until the rules declare the stage again, the customer counts as not begun: for conditions, as for starts and moves.
#[test]
fn a_stage_that_is_no_longer_declared_reads_as_none() {
    let rules = |stage: &str| {
        let stages = format!(
            "journeys:\n  trip: {{purpose: service, start: {{event: bad}}, stages: {{{stage}: {{}}, other: {{}}}}}}\n"
        );
        let begun = offer("begun", "service", ", eligible: ['journey.trip.stage != \"none\"']");
        let waits = offer("waits", "service", ", eligible: ['journey.trip.in_stage_for > duration(\"1m\")']");
        format!("{HEAD}{stages}actions:\n{begun}{waits}{POLICY}")
    };
    let engine = engine(&rules_of(&rules("first")));
    happens(&engine, "bad", monday(), monday());
    let gates = |engine: &Engine| {
        let record = rehearse(engine, &[], hours(1));
        (gate(&record, "begun") == Gate::Eligible, gate(&record, "waits") == Gate::Eligible)
    };
    for (stage, stops) in [("first", false), ("renamed", true), ("first", false)] {
        let source = SourceFile { path: "rules.yaml".into(), text: rules(stage) };
        assert!(!engine.reload(|names| load(Sources::new(vec![source]), names), hours(1)).refused());
        assert_eq!(gates(&engine), (stops, stops), "{stage}");
    }
}

#[test]
fn while_processing_is_restricted_everything_stays_as_it_is() {
    let stages = "journeys:\n  care:\n    purpose: service\n    start: {event: bad}\n    stages:\n      a: {moves: [{to: b, after: 2 days}]}\n      \
                  b: {end: true}\n";
    let engine = engine(&rules_of(&format!("{HEAD}{stages}actions:\n{}{POLICY}", offer("care", "service", ""))));
    happens(&engine, "bad", monday(), monday());
    engine.decide(ask("c", "web", &[]), monday()).unwrap();
    let presented = OutcomeInput {
        outcome_id: String::new(),
        decision_id: String::new(),
        customer: "c".into(),
        action: "care".into(),
        channel: "web".into(),
        outcome: Outcome::Clicked,
        occurred: None,
    };
    engine.record_outcomes(vec![presented], monday()).unwrap();
    say(&engine, "", Restricted, days(1));
    let held = engine.export("c", days(420)).unwrap().state;
    assert_eq!((held.events().len(), held.relation().outcomes.len()), (1, 1));
    assert_eq!(held.relation().journeys[0].entered, monday());
    say(&engine, "", RestrictionLifted, days(421));
    let held = engine.export("c", days(421)).unwrap().state;
    assert_eq!((held.events().len(), held.relation().outcomes.len()), (0, 0));
    assert_eq!(held.relation().journeys[0].entered, days(2), "at the moment at which it was due");
}

#[test]
fn after_an_erasure_an_import_brings_no_yes_back() {
    let engine = with(&format!("{}{}", offer("care", "service", ""), offer("pick", "pers", "")));
    engine.erase("c", monday()).unwrap();
    let mut returned = consent("c", "", ConsentStatus::Returned);
    returned.source.evidence = "contract 7".into();
    engine.record_consent(returned, hours(1)).unwrap();
    let mut import = consent("c", "pers", Given);
    import.deferred = true;
    assert!(engine.record_consent(import, hours(2)).unwrap().results[0].accepted);
    assert_eq!(gate(&rehearse(&engine, &[], hours(2)), "pick"), Gate::Consent);
    say(&engine, "pers", Given, hours(3));
    assert_eq!(gate(&rehearse(&engine, &[], hours(3)), "pick"), Gate::Outranked, "it competes again");
}
