//! Coverage: which parts of the rules the tests exercise, derived from the answers to their questions and from the
//! journeys.
//!
//! Nothing here decides. An answer with all reasons shows which condition dropped an action, and so which conditions
//! held before it; the state of a journey before and after each step shows which stages it entered and by which move.

use std::collections::BTreeSet;

use super::given::CUSTOMER;
use crate::domain::decide::{Gate, Loser};
use crate::domain::model::{Action, Condition, Journey, JourneyStage, Move, MoveOn};
use crate::domain::rule_set::RuleSet;
use crate::domain::sources::{Location, Span};
use crate::domain::time::Moment;
use crate::engine::{DecisionRecord, Engine, JourneyView};

/// The most moments at which a journey is checked between two steps of a test, so that a cycle of stages ends.
const MOST_LOOKS: usize = 1_000;

tactful_core::words! {
    /// What can be exercised.
    pub enum Exercise {
        /// An action was chosen.
        Chosen = "actions chosen",
        /// It was chosen on this channel.
        Treatment = "treatments used",
        /// A condition held.
        Held = "conditions that held",
        /// A condition dropped its action.
        Failed = "conditions that failed",
        /// Points counted.
        Points = "points that counted",
        /// A limit or a cool-down stopped an action.
        Limit = "limits that stopped",
        /// A stage was entered.
        Stage = "stages entered",
        /// A move was made.
        Move = "moves made",
    }
}

/// One thing that tests can exercise.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The kind of thing that a test can exercise.
    pub kind: Exercise,
    /// The message if it was not exercised: "`gigabit` was never chosen".
    pub missed: String,
    /// Where it is defined.
    pub place: Location,
    /// Whether a test exercised it.
    pub exercised: bool,
}

/// What has been exercised so far.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    seen: BTreeSet<(Exercise, Location)>,
}

impl Coverage {
    /// Everything that tests of these rules can exercise, by file and line.
    #[must_use]
    pub fn items(&self, rules: &RuleSet) -> Vec<Item> {
        let mut found = Catalogue { rules, items: Vec::new() };
        rules.actions.iter().for_each(|(_, action)| found.action(action));
        rules.policy.limits.iter().for_each(|limit| {
            found.add(Exercise::Limit, limit.span, format!("the limit `{}` never stopped an action", limit.label));
        });
        rules.journeys.iter().for_each(|(_, journey)| found.journey(journey));
        for (kind, span, item) in &mut found.items {
            item.exercised = self.seen.contains(&(*kind, rules.locate(*span)));
        }
        found.items.sort_by_key(|(kind, span, _)| (*span, *kind));
        found.items.into_iter().map(|(_, _, item)| item).collect()
    }

    /// Records what a question exercised; its answer contains all reasons.
    pub(super) fn note_decision(&mut self, record: &DecisionRecord) {
        let rules = &record.rules;
        let candidates = record.explanation().into_iter().flat_map(|explanation| &explanation.candidates);
        for loser in candidates {
            let Some(action) = rules.actions.get(loser.action) else { continue };
            self.note_conditions(action, loser, rules);
            let channel = rules.vocabulary.find(&record.question.channel);
            let treatment = channel.and_then(|channel| action.treatments.get(channel));
            self.seen.extend(loser.fired.iter().map(|place| (Exercise::Points, place.clone())));
            match loser.gate {
                Gate::Limit | Gate::CoolDown => self.note(Exercise::Limit, loser.rule.clone()),
                Gate::Chosen => {
                    self.note(Exercise::Chosen, rules.locate(action.span));
                    treatment.into_iter().for_each(|used| self.note(Exercise::Treatment, rules.locate(used.span)));
                }
                _ => {}
            }
        }
    }

    /// A condition that dropped the action failed, and all before it held; after the last one, all held.
    fn note_conditions(&mut self, action: &Action, loser: &Loser, rules: &RuleSet) {
        if loser.gate < Gate::Eligible {
            return;
        }
        let engaged = loser.gate > Gate::Suitable;
        for condition in conditions(action) {
            let place = rules.locate(condition.span());
            if !engaged && place == loser.rule {
                return self.note(Exercise::Failed, place);
            }
            self.note(Exercise::Held, place);
        }
    }

    fn note(&mut self, what: Exercise, place: Location) {
        self.seen.insert((what, place));
    }
}

/// Collects what can be exercised.
struct Catalogue<'r> {
    rules: &'r RuleSet,
    items: Vec<(Exercise, Span, Item)>,
}

impl Catalogue<'_> {
    fn add(&mut self, kind: Exercise, span: Span, missed: String) {
        let place = self.rules.places.locate(span);
        self.items.push((kind, span, Item { kind, missed, place, exercised: false }));
    }

    fn action(&mut self, action: &Action) {
        let name = self.rules.vocabulary.name(action.id).to_owned();
        self.add(Exercise::Chosen, action.span, format!("`{name}` was never chosen"));
        for (channel, treatment) in action.treatments.iter() {
            let channel = self.rules.vocabulary.name(channel);
            self.add(Exercise::Treatment, treatment.span, format!("`{name}` was never said on `{channel}`"));
        }
        for condition in conditions(action) {
            let text = condition.text();
            self.add(Exercise::Held, condition.span(), format!("`{text}` never held for `{name}`"));
            self.add(Exercise::Failed, condition.span(), format!("`{text}` never dropped `{name}`"));
        }
        for points in &action.relevance.add {
            let missed = format!("{:+} points of `{name}` never counted", points.points);
            self.add(Exercise::Points, points.when.span(), missed);
        }
        for limit in &action.limits {
            self.add(Exercise::Limit, limit.span, format!("`{name}` was never stopped by `{}`", limit.label));
        }
    }

    fn journey(&mut self, journey: &Journey) {
        let name = |stage| self.rules.vocabulary.name(stage).to_owned();
        let mut found = Vec::new();
        for stage in &journey.stages {
            found.push((Exercise::Stage, stage.span, format!("`{}` was never entered", name(stage.id))));
            let moves = stage.moves.iter();
            found.extend(moves.map(|step| {
                let missed = format!("`{}` never moved to `{}` this way", name(stage.id), name(step.to));
                (Exercise::Move, step.span, missed)
            }));
        }
        found.into_iter().for_each(|(kind, span, missed)| self.add(kind, span, missed));
    }
}

fn conditions(action: &Action) -> impl Iterator<Item = &Condition> {
    action.eligible.iter().chain(&action.applicable).chain(&action.suitable)
}

/// The position of a test's customer in every journey.
#[derive(Debug, Default)]
pub(super) struct Journeys {
    now: Vec<JourneyView>,
    looked: Option<Moment>,
}

impl Journeys {
    /// Checks the journeys at every moment at which time alone may move one, so that no stage is missed.
    pub fn pass_time(&mut self, engine: &Engine, until: Moment, coverage: &mut Coverage) {
        let rules = engine.rules();
        for _ in 0..MOST_LOOKS {
            let next = self.now.iter().flat_map(|view| timeouts(view, &rules.set));
            let next = next.filter(|due| self.looked.is_none_or(|looked| looked < *due)).min();
            let Some(due) = next.filter(|due| *due < until) else { break };
            self.look(engine, due, None, coverage);
        }
        self.look(engine, until, None, coverage);
    }

    /// Records the stages and moves since the last check. `event` is the event that was just recorded, if any.
    pub fn look(&mut self, engine: &Engine, at: Moment, event: Option<&str>, coverage: &mut Coverage) {
        let Ok(customer) = engine.customer(CUSTOMER, at) else { return };
        let rules = engine.rules();
        for view in &customer.journeys {
            let before = self.now.iter().find(|before| before.journey == view.journey);
            let same = |before: &JourneyView| (before.entered, &before.stage) == (view.entered, &view.stage);
            if !before.is_some_and(same) {
                StageChange { before, now: view, event }.note(&rules.set, coverage);
            }
        }
        self.now = customer.journeys;
        self.looked = Some(at);
    }
}

/// A journey that entered a stage.
struct StageChange<'v> {
    /// The journey before; `None` if it has just started for the first time.
    before: Option<&'v JourneyView>,
    now: &'v JourneyView,
    /// The event that was just recorded, if any.
    event: Option<&'v str>,
}

impl StageChange<'_> {
    /// Records the stage, and the moves that may have led to it. A journey that started again has entered its first
    /// stage without a move.
    fn note(&self, rules: &RuleSet, coverage: &mut Coverage) {
        if let Some(stage) = stage(self.now, rules) {
            coverage.note(Exercise::Stage, rules.locate(stage.span));
        }
        let Some(before) = self.before.filter(|before| before.started == self.now.started) else { return };
        let moves = stage(before, rules).into_iter().flat_map(|stage| &stage.moves);
        for step in moves.filter(|step| self.may_be(step, before, rules)) {
            coverage.note(Exercise::Move, rules.locate(step.span));
        }
    }

    /// Whether a move leads from the stage before to this one on what just happened. All moves that do count.
    fn may_be(&self, step: &Move, before: &JourneyView, rules: &RuleSet) -> bool {
        let leads = rules.vocabulary.local_name(step.to) == self.now.stage;
        leads
            && match &step.on {
                MoveOn::After(wait) => before.entered + *wait == self.now.entered,
                MoveOn::Trigger(trigger) => trigger
                    .event
                    .is_none_or(|kind| self.event.is_some_and(|event| event == rules.vocabulary.name(kind))),
            }
    }
}

/// The moments at which time alone may move a journey.
fn timeouts(view: &JourneyView, rules: &RuleSet) -> Vec<Moment> {
    let moves = stage(view, rules).into_iter().flat_map(|stage| &stage.moves);
    let timed = moves.filter_map(|step| match step.on {
        MoveOn::After(wait) => Some(view.entered + wait),
        MoveOn::Trigger(_) => None,
    });
    timed.collect()
}

fn stage<'r>(view: &JourneyView, rules: &'r RuleSet) -> Option<&'r JourneyStage> {
    let id = rules.vocabulary.find(&format!("{}/{}", view.journey, view.stage))?;
    rules.journeys.get(rules.vocabulary.find(&view.journey)?)?.stage(id)
}
