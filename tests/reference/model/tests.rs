//! Small stories that show one thing each, where no rule test of the samples does.

mod time;
mod weight;

use std::collections::BTreeMap;

use super::super::story::{Answer, ConsentChange, Held, Question, Reply, RuleFiles, Step, Value, What};
use super::Model;

const RULES: &str = r#"
purposes:
  service: {basis: contract}
  task: {basis: public_task}
  marketing: {basis: consent, direct_marketing: true, cooling_off: 10 days}
  marketing.email: {basis: consent, direct_marketing: true, cooling_off: 10 days}
  advice: {basis: consent, cooling_off: 10 days, expires_after: 30 days}
attributes:
  customer.plan: {type: text, purposes: [service, advice], sensitivity: 0.5}
context:
  topic: {type: text, personal: false}
events:
  bad: {purposes: [service], hurt: 20, keep: 30 days}
  good: {purposes: [service], repairs: bad, keep: 1 day}
channels:
  web: {direction: inbound, interruption: 0, reserve_for: 30 minutes}
actions:
  - {id: help, title: Help, kind: information, purpose: service, relevance: {base: 50}, intrusiveness: 0, treatments: {web: {content: a}}}
  - {id: duty, title: Duty, kind: service, purpose: task, group: duty, relevance: {base: 40}, intrusiveness: 0, treatments: {web: {content: a}}}
  - id: tip
    title: Tip
    kind: offer
    purpose: advice
    eligible: [customer.plan == "a"]
    relevance: {base: 90}
    intrusiveness: 0
    limits: [{at_most: 1, per: 2 days}]
    treatments: {web: {text: "Your plan is {customer.plan}"}}
  - {id: ask, title: Ask, kind: consent_ask, purpose: service, asks: advice, intrusiveness: 0, treatments: {web: {content: a}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 0}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

struct Story {
    model: Model,
    questions: usize,
    at: i64,
}

impl Story {
    fn new() -> Story {
        Story { model: Model::new(&rules(RULES)).unwrap(), questions: 0, at: 1_770_000_000_000 }
    }

    fn after(&mut self, length: i64) -> &mut Story {
        self.at += length;
        self
    }

    fn happen(&mut self, what: What) -> Reply {
        let customer = "anna".to_string();
        self.model.play(&Step { at: self.at, customer, what }, self.questions)
    }

    fn say(&mut self, purpose: &str, status: &str) -> Option<String> {
        self.say_as(purpose, status, (false, None))
    }

    fn say_as(&mut self, purpose: &str, status: &str, (deferred, claimed): (bool, Option<i64>)) -> Option<String> {
        let (purpose, status) = (purpose.to_string(), status.to_string());
        let changes = vec![ConsentChange { purpose, status, claimed, valid_until: None }];
        match self.happen(What::Consent { changes, deferred, evidence: true }) {
            Reply::Consent(results) => results[0].clone(),
            other => panic!("{other:?}"),
        }
    }

    fn event(&mut self, kind: &str) {
        let (kind, id, fields) = (kind.to_string(), String::new(), BTreeMap::new());
        assert_eq!(self.happen(What::Event { id, kind, occurred: None, fields }), Reply::Recorded(None));
    }

    fn plan(&mut self, plan: &str) {
        let values = BTreeMap::from([("customer.plan".to_string(), Some(Value::Text(plan.to_string())))]);
        assert_eq!(self.happen(What::Attributes { values, time_zone: String::new() }), Reply::Recorded(None));
    }

    fn ask(&self, question: &Question) -> Answer {
        self.model.decide("anna", question, self.at)
    }

    fn gate(&self, action: &str) -> String {
        self.ask(&everything()).candidates[action].gate.clone()
    }

    fn denied(&self, purpose: &str) -> String {
        self.held().standings[purpose].denied_because.clone()
    }

    fn held(&self) -> Held {
        self.model.held("anna", self.at)
    }
}

fn rules(text: &str) -> RuleFiles {
    vec![("rules.yaml".to_string(), text.to_string())]
}

fn everything() -> Question {
    Question { channel: "web".to_string(), max_actions: 20, ..Question::default() }
}

#[test]
fn a_restriction_hides_no_objection() {
    let mut story = Story::new();
    assert_eq!(story.say("task", "objected"), None);
    story.after(HOUR).say("", "restricted");
    assert_eq!(story.denied("task"), "objected");
    assert_eq!(story.gate("duty"), "consent");
    assert_eq!(story.gate("help"), "chosen");
    story.model.trusted = false;
    assert_eq!(
        (story.denied("advice"), story.denied("service")),
        ("ledger_unavailable".into(), "ledger_unavailable".into())
    );
}

#[test]
fn data_withdrawn_under_restriction_is_deleted_when_that_ends() {
    let mut story = Story::new();
    story.say("advice", "given");
    story.plan("a");
    assert_eq!(story.ask(&everything()).chosen[0].text, "Your plan is a");
    assert!(story.ask(&everything()).purposes_used.contains("advice"));
    story.after(HOUR).say("", "restricted");
    story.after(HOUR).say("advice", "withdrawn");
    story.after(HOUR).say("advice", "given");
    story.after(HOUR).say("", "restriction_lifted");
    assert_eq!(story.gate("tip"), "eligible");
    // The contract still has it.
    assert_eq!(story.held().attributes.len(), 1);
}

#[test]
fn a_late_yes_loses_to_an_earlier_no() {
    let mut story = Story::new();
    story.say("advice", "refused");
    let said = story.at - HOUR;
    story.after(HOUR).say_as("advice", "given", (true, Some(said)));
    let standing = story.held().standings["advice"].clone();
    assert!(!standing.usable && standing.needs_reconfirm && standing.denied_because == "refused");
    let said = story.at + HOUR;
    story.after(2 * HOUR).say_as("advice", "given", (true, Some(said)));
    assert!(story.held().standings["advice"].usable);
    story.after(HOUR).say("marketing", "withdrawn");
    let said = story.at + HOUR;
    story.after(2 * HOUR).say_as("marketing.email", "given", (true, Some(said)));
    assert_eq!(story.denied("marketing.email"), "withdrawn");
    story.after(HOUR).say("marketing.email", "given");
    assert_eq!((story.denied("marketing.email"), story.denied("marketing")), (String::new(), "withdrawn".into()));
}

#[test]
fn an_erased_customer_comes_back_in_person_or_by_a_new_contract() {
    let mut story = Story::new();
    assert_eq!(story.say("", "returned"), Some("not_erased".into()));
    story.plan("a");
    story.after(HOUR).happen(What::Erase);
    assert_eq!(story.held().attributes.len(), 0);
    assert_eq!(story.ask(&everything()).silence.unwrap().reason, "no_consent");
    assert_eq!(story.say("advice", "withdrawn"), Some("erased".into()));
    assert_eq!(story.say_as("advice", "given", (true, None)), Some("erased".into()));
    assert_eq!(story.after(HOUR).say("", "returned"), None);
    assert_eq!((story.gate("help"), story.gate("duty")), ("chosen".into(), "consent".into()));
    assert_eq!(story.say_as("task", "given", (true, None)), None);
    assert_eq!(story.gate("duty"), "consent");
    assert_eq!(story.after(HOUR).say("task", "given"), None);
    assert_eq!(story.gate("duty"), "chosen");
}

#[test]
fn a_repair_ends_hurt_for_good() {
    let mut story = Story::new();
    story.event("bad");
    story.after(HOUR).event("good");
    story.after(25 * HOUR);
    assert_eq!(story.held().events.len(), 1);
    let help = story.ask(&everything()).candidates["help"].score.unwrap();
    assert!((help.total - 50.0).abs() < 1e-9 && help.hurt == 0.0);
}

#[test]
fn a_reservation_lapses_unless_an_outcome_confirms_it() {
    let mut story = Story::new();
    story.say("advice", "given");
    story.plan("a");
    let Reply::Answer(answer) = story.happen(What::Decide(everything())) else { panic!() };
    assert_eq!(answer.chosen.len(), 3);
    assert_eq!((story.held().limits["tip/1 per 2 days"], story.gate("tip")), (1, "limit".into()));
    let silence = story.ask(&Question { groups: vec!["none".into()], ..everything() }).silence.unwrap();
    assert_eq!((silence.reason.as_str(), silence.nearest.as_str()), ("nothing_eligible", ""));
    story.after(HOUR);
    assert_eq!(story.gate("tip"), "chosen");
    let (id, action) = ("o".to_string(), "tip".to_string());
    let clicked = |outcome: &str| What::Outcome {
        id: id.clone(),
        decision: Some(0),
        action: action.clone(),
        outcome: outcome.to_string(),
        channel: String::new(),
        occurred: None,
    };
    assert_eq!(story.happen(clicked("clicked")), Reply::Recorded(None));
    assert_eq!(story.gate("tip"), "limit");
    story.after(2 * DAY - HOUR);
    assert_eq!(story.gate("tip"), "chosen");
}

#[test]
fn rules_change_under_stored_data() {
    let mut story = Story::new();
    story.say("advice", "given");
    story.plan("a");
    story.after(HOUR);
    let same_version = RULES.replace("advice: {basis: consent", "advice: {basis: explicit_consent");
    assert_eq!(story.model.reload(&rules(&same_version), story.at), Reply::RulesRefused);
    let wider = RULES.replace("advice: {basis: consent", "advice: {version: 2, basis: consent");
    assert_eq!(story.model.reload(&rules(&wider), story.at), Reply::Done);
    assert_eq!((story.denied("advice"), story.gate("tip")), ("superseded".into(), "consent".into()));
    // What advice would gain is asked for, without a look at what is withheld.
    assert_eq!(story.gate("ask"), "chosen");
    assert_eq!(story.after(HOUR).say("advice", "given"), None);
    assert_eq!(story.gate("tip"), "chosen");
    // Rule sets are handed to `reload`, not played.
    assert_eq!(story.happen(What::Reload(0)), Reply::Done);
    assert_eq!(story.happen(What::Restart), Reply::Done);
    assert_eq!(story.happen(What::Trust(false)), Reply::Done);
    assert_eq!((story.gate("tip"), story.gate("help")), ("consent".into(), "chosen".into()));
}

#[test]
fn a_flip_supposes_facts_moments_and_points() {
    let mut story = Story::new();
    story.say("advice", "given");
    story.plan("b");
    let mut question = everything();
    let supposing = |question: &Question| story.model.suppose("anna", question, "tip", story.at).remove(0);
    assert_eq!(story.gate("tip"), "eligible");
    question.supposed.facts = vec![("customer.plan".into(), Value::Text("a".into()))];
    assert_eq!(supposing(&question).chosen[0].text, "Your plan is a");
    question.supposed.points = Some(("tip".into(), 10.0));
    // 100 points, half as personal as can be: 100 × (1 − 0.25) − 10.
    assert!((supposing(&question).chosen[0].score.total - 65.0).abs() < 1e-9);
    // By then the yes has ended, and what was said of the plan is not kept.
    question.supposed.at = Some(story.at + 30 * DAY);
    assert!(story.model.suppose("anna", &question, "tip", story.at).is_empty());
}
