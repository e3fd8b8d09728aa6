//! Sixteen callers at once against a model that takes one call after the other: whatever the schedule, there is an
//! order of the calls, in which none comes before one that had ended when it began, that gives the same answers and the
//! same limits, journeys and standings.
//!
//! Where something is withdrawn while a decision is under way, the decision is made again. Then others may have found a
//! limit used up for a moment by an answer that never left, so among withdrawals a silence is always taken as right; and
//! an outcome of another system that found the contact of such an answer counts by itself, though an older contact waits
//! for it. An answer that did not leave by its own call may have left by a repetition of its request: then it was given
//! when the first of them ran. That more is never said than the limit allows, and all that stands in the end, is held as
//! exactly. A denial also makes a customer forget which requests were answered (docs/decisions/012).

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use shuttle::rand::Rng as _;
use shuttle::{rand, thread};
use tactful::domain::action::Outcome;
use tactful::domain::consent::ConsentStatus;
use tactful::engine::{Engine, EventInput, Limits, OutcomeInput, Question};

use super::{NOW, SlowLedger, explore, rules_of, say};

const CALLERS: usize = 16;
const LIMIT: u8 = 2;

const RULES: &str = r#"
purposes:
  service: {basis: contract}
  advice: {basis: consent}
events:
  visit: {purposes: [advice], keep: 90 days}
channels:
  web: {direction: inbound, interruption: 0}
journeys:
  purchase:
    purpose: advice
    start: {event: visit}
    stages: {one: {moves: [{to: two, event: visit}]}, two: {moves: [{to: three, event: visit}]}, three: {end: true}}
actions:
  - {id: hello, title: Hello, kind: offer, purpose: service, relevance: {base: 60}, intrusiveness: 1, limits: [{at_most: 2, per: 1 hour}], treatments: {web: {text: hi}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 0}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

/// What one caller asks for.
#[derive(Debug, Clone, Copy)]
enum Call {
    Decide { request: bool },
    Visit { id: u8 },
    PresentedElsewhere { id: u8 },
    Consent(ConsentStatus),
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Presented(bool),
    Item(String),
    Recorded,
}

/// A call with its answer, and when it began and ended.
#[derive(Debug, Clone)]
struct Ended {
    call: Call,
    answer: Answer,
    began: u64,
    ended: u64,
}

/// Anna, in the simplest form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Anna {
    contacts: u8,
    /// Those of decisions that no outcome says to be presented yet.
    open: u8,
    given: bool,
    stage: u8,
    visits_seen: u8,
    outcomes_seen: u8,
    answered: Option<bool>,
}

impl Anna {
    /// What one call does to her, and what it answers.
    fn take(mut self, call: Call) -> (Self, Answer) {
        let item = |reason: &str| Answer::Item(reason.to_owned());
        let answer = match call {
            Call::Decide { request } => {
                let before = self.answered.filter(|_| request);
                let presented = before.unwrap_or(self.contacts < LIMIT);
                let new = u8::from(before.is_none() && presented);
                self.contacts += new;
                self.open += new;
                self.answered = if request { Some(presented) } else { self.answered };
                Answer::Presented(presented)
            }
            Call::Visit { .. } if !self.given => item("no_lawful_purpose"),
            Call::Visit { id } if self.visits_seen & (1 << id) != 0 => item("repeated"),
            Call::Visit { id } => {
                self.visits_seen |= 1 << id;
                self.stage = (self.stage + 1).min(3);
                item("")
            }
            Call::PresentedElsewhere { id } if self.outcomes_seen & (1 << id) != 0 => item("repeated"),
            Call::PresentedElsewhere { id } => {
                self.outcomes_seen |= 1 << id;
                // It belongs to a contact of a decision if one is open: both count once.
                let joins = self.open > 0;
                self.open -= u8::from(joins);
                self.contacts += u8::from(!joins);
                item("")
            }
            Call::Consent(ConsentStatus::Given) => {
                self.given = true;
                Answer::Recorded
            }
            Call::Consent(_) => {
                self = Self { given: false, stage: 0, answered: None, ..self };
                Answer::Recorded
            }
        };
        (self, answer)
    }
}

fn ask(engine: &Engine, call: Call) -> Answer {
    let customer = "anna".to_owned();
    let reason = |results: Vec<tactful::engine::ItemResult>| Answer::Item(results[0].reason.clone());
    match call {
        Call::Decide { request } => {
            let request_id = if request { "r1" } else { "" }.into();
            let customer = customer.into();
            let question = Question { customer, channel: "web".into(), request_id, ..Question::default() };
            Answer::Presented(!engine.decide(question, NOW).unwrap().decision.actions.is_empty())
        }
        Call::Visit { id } => {
            let event_id = format!("v{id}");
            let visit = EventInput { event_id, customer, kind: "visit".into(), ..EventInput::default() };
            reason(engine.record_events(vec![visit], NOW).unwrap())
        }
        Call::PresentedElsewhere { id } => {
            let outcome = OutcomeInput {
                outcome_id: format!("o{id}"),
                decision_id: String::new(),
                customer,
                action: "hello".into(),
                channel: "web".into(),
                outcome: Outcome::Presented,
                occurred: None,
            };
            reason(engine.record_outcomes(vec![outcome], NOW).unwrap())
        }
        Call::Consent(status) => {
            say(engine, status);
            Answer::Recorded
        }
    }
}

/// Limits used, the stage and the standing, as the engine has them.
fn held(engine: &Engine) -> (u8, u8, bool) {
    let view = engine.customer("anna", NOW).unwrap();
    let used = view.limits.first().map_or(0, |limit| limit.used);
    let stage = view.journeys.first().map_or("", |journey| journey.stage.as_str());
    let stage = ["", "one", "two", "three"].iter().position(|known| *known == stage).unwrap();
    let standings = engine.standing("anna", NOW).unwrap();
    let given = standings.iter().any(|standing| standing.purpose == "advice" && standing.usable);
    (u8::try_from(used).unwrap(), u8::try_from(stage).unwrap(), given)
}

/// Whether the calls have an order that explains their answers and what is held in the end.
fn explained(calls: &[Ended], held: (u8, u8, bool)) -> bool {
    let withdrawn = calls.iter().any(|ended| matches!(ended.call, Call::Consent(ConsentStatus::Withdrawn)));
    // A call of the request, by which an answer can have left that did not leave by its own.
    let was_told = calls
        .iter()
        .any(|ended| matches!(ended.call, Call::Decide { request: true }) && ended.answer == Answer::Presented(true));
    let mut seen = HashSet::new();
    let mut open = vec![(0_u32, Anna::default())];
    while let Some((done, anna)) = open.pop() {
        if !seen.insert((done, anna)) {
            continue;
        }
        if done.count_ones() as usize == calls.len() {
            if (anna.contacts, anna.stage, anna.given) == held {
                return true;
            }
            continue;
        }
        let left = || calls.iter().enumerate().filter(|(index, _)| done & (1 << index) == 0);
        let first_end = left().map(|(_, ended)| ended.ended).min().unwrap();
        for (index, ended) in left().filter(|(_, ended)| ended.began < first_end) {
            let (next, answer) = anna.take(ended.call);
            if answer == ended.answer {
                open.push((done | 1 << index, next));
            }
            if !withdrawn {
                continue;
            }
            if ended.answer == Answer::Presented(false) {
                open.push((done | 1 << index, anna));
                if matches!(ended.call, Call::Decide { request: true }) && was_told && answer == Answer::Presented(true)
                {
                    open.push((done | 1 << index, next));
                }
            }
            if matches!(ended.call, Call::PresentedElsewhere { .. }) && answer == ended.answer && next.open < anna.open
            {
                open.push((done | 1 << index, Anna { open: anna.open, contacts: anna.contacts + 1, ..next }));
            }
        }
    }
    false
}

fn call(withdrawals: bool) -> Call {
    let mut random = rand::thread_rng();
    match random.gen_range(0..if withdrawals { 9 } else { 8 }) {
        0..=2 => Call::Decide { request: false },
        3 => Call::Decide { request: true },
        4 | 5 => Call::Visit { id: random.gen_range(0..3) },
        6 => Call::PresentedElsewhere { id: random.gen_range(0..2) },
        7 => Call::Consent(ConsentStatus::Given),
        _ => Call::Consent(ConsentStatus::Withdrawn),
    }
}

fn check(withdrawals: bool) {
    let rules = rules_of(RULES);
    let model = move || {
        let ledger = Arc::new(SlowLedger::default());
        let engine = Arc::new(Engine::new(Arc::clone(&rules), ledger, Limits { decisions: 1 << 20 }, NOW));
        // Neither is a lock of the model: nothing can come between them and the step beside them.
        let (clock, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (engine, clock, ended) = (Arc::clone(&engine), Arc::clone(&clock), Arc::clone(&ended));
                let call = call(withdrawals);
                thread::spawn(move || {
                    let began = clock.fetch_add(1, Ordering::SeqCst);
                    let answer = ask(&engine, call);
                    let now = clock.fetch_add(1, Ordering::SeqCst);
                    ended.lock().unwrap().push(Ended { call, answer, began, ended: now });
                })
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        let (calls, held) = (ended.lock().unwrap().clone(), held(&engine));
        assert!(explained(&calls, held), "no order of the calls explains {held:?}: {calls:#?}");
    };
    explore(model);
}

#[test]
fn sixteen_callers_get_what_they_would_get_one_after_the_other() {
    check(false);
}

#[test]
fn among_withdrawals_no_limit_is_exceeded_and_nothing_is_lost() {
    check(true);
}
