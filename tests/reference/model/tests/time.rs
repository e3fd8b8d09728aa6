//! What time does: quiet hours, journeys, fading, late and repeated things, a browser's objection.

use std::collections::BTreeMap;

use super::super::super::story::{Question, Reply, Step, Value, What};
use super::super::Model;
use super::rules;

const RULES: &str = r#"
purposes:
  service: {basis: contract}
  ads: {basis: legitimate_interest, gpc: objects}
attributes:
  customer.plan: {type: text, purposes: [service]}
events:
  visit: {fields: {page: text}, purposes: [service], keep: 10 days}
  bad: {purposes: [service], hurt: 100, keep: 3 days}
channels:
  web: {direction: inbound, interruption: {calm: 1, busy: 7}}
  mail: {direction: outbound, interruption: 0, quiet_hours: {from: "00:00", to: "02:30", otherwise: wait}}
journeys:
  trip:
    purpose: service
    start: [{event: visit, when: event.page == "start"}]
    again_after: 1 day
    stages:
      begun: {moves: [{to: warm, event: visit, when: event.page == "more"}, {to: over, after: 2 days}, {to: asked, when: customer.plan == "b"}]}
      warm: {moves: [{to: over, after: 1 day}]}
      asked: {}
      over: {end: true}
actions:
  - {id: mail, title: M, kind: information, purpose: service, relevance: {base: 50}, intrusiveness: 0, treatments: {mail: {content: a}}}
  - {id: offer, title: O, kind: offer, purpose: ads, relevance: {base: 50}, intrusiveness: 0, treatments: {web: {content: a}}}
  - {id: later, title: L, kind: service, purpose: service, relevance: {base: 1}, intrusiveness: 50, from: 2026-06-01T00:00:00Z, treatments: {web: {content: a}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 8, mail: 1}}
  hurt: {half_life: 30 days}
  time_zone: America/St_Johns
"#;

const DAY: i64 = 86_400_000;

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

struct Story(Model);

impl Story {
    fn new() -> Story {
        Story(Model::new(&rules(RULES)).unwrap())
    }

    fn happen(&mut self, at: i64, what: What) -> Reply {
        self.0.play(&Step { at, customer: "anna".to_string(), what }, 0)
    }

    fn event(&mut self, at: i64, (id, kind, page): (&str, &str, &str), occurred: Option<i64>) -> Reply {
        let page = Value::Text(page.to_string());
        let fields = if kind == "visit" { BTreeMap::from([("page".to_string(), page)]) } else { BTreeMap::new() };
        self.happen(at, What::Event { id: id.to_string(), kind: kind.to_string(), occurred, fields })
    }

    fn stage(&self, at: i64) -> (String, i64) {
        self.0.held("anna", at).journeys.get("trip").cloned().unwrap_or_default()
    }
}

fn on(channel: &str) -> Question {
    Question { channel: channel.to_string(), ..Question::default() }
}

#[test]
fn quiet_hours_end_where_clocks_skip_their_end() {
    let (story, asked) = (Story::new().0, at("2026-03-08T03:51:42Z"));
    assert_eq!(story.decide("anna", &on("mail"), asked).silence.unwrap().reason, "quiet_hours");
    assert_eq!(story.first_said("anna", &on("mail"), asked, DAY), Some(at("2026-03-08T05:30:00Z")));
}

#[test]
fn a_journey_moves_by_events_by_facts_and_by_time() {
    let (mut story, now) = (Story::new(), at("2026-03-02T10:00:00Z"));
    let taken = Reply::Recorded(None);
    assert_eq!(story.event(now, ("1", "visit", "start"), None), taken);
    assert_eq!(story.event(now + 1, ("1", "visit", "start"), None), taken);
    assert_eq!(story.event(now + 1, ("1", "visit", "more"), None), Reply::Recorded(Some("reused".into())));
    assert_eq!(story.stage(now + 2 * DAY - 1), ("begun".to_string(), now));
    assert_eq!(story.stage(now + 5 * DAY), ("over".to_string(), now + 2 * DAY));
    assert_eq!(story.event(now + DAY, ("2", "visit", "more"), None), taken);
    assert_eq!(story.stage(now + 9 * DAY), ("over".to_string(), now + 2 * DAY));
    assert_eq!(story.event(now + 3 * DAY - 1, ("3", "visit", "start"), None), taken);
    assert_eq!(story.stage(now + 3 * DAY).0, "over");
    assert_eq!(story.event(now + 3 * DAY, ("4", "visit", "start"), None), taken);
    let values = BTreeMap::from([("customer.plan".to_string(), Some(Value::Text("b".to_string())))]);
    story.happen(now + 4 * DAY, What::Attributes { values, time_zone: "Europe/Berlin".to_string() });
    assert_eq!(story.stage(now + 4 * DAY), ("asked".to_string(), now + 4 * DAY));
    assert_eq!(story.0.held("anna", now + 4 * DAY).events.len(), 4);
    assert_eq!(
        story.event(now, ("5", "visit", ""), Some(now + 5 * 60_000 + 1)),
        Reply::Recorded(Some("invalid".into()))
    );
}

#[test]
fn silence_ends_when_enough_has_faded_or_is_forgotten() {
    let (mut story, now) = (Story::new(), at("2026-03-02T10:00:00Z"));
    story.event(now, ("", "bad", ""), None);
    let silence = story.0.decide("anna", &on("web"), now).silence.unwrap();
    assert_eq!((silence.reason.as_str(), silence.nearest.as_str()), ("below_threshold", "offer"));
    assert!((silence.nearest_gap - 57.0).abs() < 1e-9);
    assert_eq!(story.0.first_said("anna", &on("web"), now, 7 * DAY), Some(now + 3 * DAY));
    let silence = story.0.decide("anna", &Question { gpc: true, ..on("web") }, now).silence.unwrap();
    assert_eq!(silence.reason, "no_consent");
    // The rehearsal has recorded nothing; the real question does, once.
    assert!(story.0.held("anna", now).standings["ads"].usable);
    story.happen(now, What::Decide(Question { gpc: true, ..on("web") }));
    assert_eq!(story.0.held("anna", now).standings["ads"].denied_because, "objected");
}

#[test]
fn not_presented_removes_the_contact() {
    let (mut story, now) = (Story::new(), at("2026-03-02T10:00:00Z"));
    let outcome = |outcome: &str| What::Outcome {
        id: String::new(),
        decision: None,
        action: "offer".to_string(),
        outcome: outcome.to_string(),
        channel: "web".to_string(),
        occurred: None,
    };
    assert_eq!(story.happen(now, outcome("not_presented")), Reply::Recorded(Some("nothing_to_take_back".into())));
    let pressure = |story: &Story| story.0.decide("anna", &on("web"), now).candidates["offer"].score.unwrap().pressure;
    story.happen(now, What::Decide(on("web")));
    assert!((pressure(&story) - 8.0).abs() < 1e-9);
    assert_eq!(story.happen(now, outcome("not_presented")), Reply::Recorded(None));
    assert_eq!(pressure(&story), 0.0);
}
