//! A supposed world: the customer and the moment with changes. Flips are verified in it.
//!
//! A supposed fact is made true in the way of a real one: attributes are set, events and outcomes are recorded or
//! removed from the history, and time passes until a later moment. So its consequences follow here too: other counts of
//! the same events, pressure, hurt, limits, journeys. A fact that cannot be made true in this way cannot be supposed.

use std::borrow::Cow;
use std::cell::Cell;

use compact_str::CompactString;

use super::solve;
use crate::domain::action::{ActionOutcome, Outcome};
use crate::domain::consent::Stage;
use crate::domain::customer::contact::DecisionKey;
use crate::domain::customer::state::MOST_EVENTS;
use crate::domain::customer::{CustomerState, JourneyState};
use crate::domain::expr::{Fact, FactId, Facts, NO_STAGE, Node, evaluate};
use crate::domain::id::{ContextId, EventTypeId, FieldId, JourneyId, PurposeId, PurposeSet};
use crate::domain::time::{Moment, Period};
use crate::domain::transition::{NewEvent, NewOutcome, Terms, record_event, report_outcome, set_attributes, settle};
use crate::domain::value::Value;
use crate::domain::view::{Scene, Situation, Subject, View};

/// How many actions could be evaluated in the time that recording one event takes.
const RECORDING: usize = 8;

/// One supposed change.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// A fact has this value.
    Fact(FactId, Value),
    /// It is this moment.
    Moment(Moment),
    /// The action has this many more points of relevance.
    Points(f64),
}

/// The customer, the question and the moment with the changes supposed so far.
#[derive(Clone)]
pub(super) struct World<'w> {
    actual: &'w Scene<'w>,
    purpose: PurposeId,
    state: Cow<'w, CustomerState>,
    context: Cow<'w, [(ContextId, Value)]>,
    now: Moment,
    /// The purposes that may be served at that moment.
    lawful: PurposeSet,
    changes: Vec<Change>,
}

impl<'w> World<'w> {
    /// The real world, seen for a purpose.
    pub fn new(actual: &'w Scene<'w>, purpose: PurposeId) -> Self {
        let (state, context) = (Cow::Borrowed(actual.subject.state), Cow::Borrowed(actual.situation.context));
        Self { actual, purpose, state, context, now: actual.now, lawful: actual.lawful, changes: Vec::new() }
    }

    /// The world with one more change; `None` if the change is impossible or already true. Adds the work to `cost`.
    pub fn supposing(mut self, change: Change, cost: &Cell<usize>) -> Option<Self> {
        let known = self.changes.iter_mut().find(|known| match (&**known, &change) {
            (Change::Fact(known, _), Change::Fact(fact, _)) => known == fact,
            (known, change) => std::mem::discriminant(known) == std::mem::discriminant(change),
        });
        match (known, &change) {
            (_, Change::Moment(at)) if *at <= self.now || *at >= Moment::DISTANT_FUTURE => return None,
            (_, Change::Points(points)) if !points.is_finite() || *points <= 0.0 => return None,
            (Some(Change::Points(sum)), Change::Points(points)) => *sum = tenths(*sum + points),
            (Some(known), change) if known == change => return None,
            (Some(known), change) => *known = change.clone(),
            (None, _) => self.changes.push(change.clone()),
        }
        match change {
            Change::Fact(fact, value) => self.bring_about(fact, &value, cost)?,
            Change::Moment(at) => self.pass_time(at, cost)?,
            Change::Points(_) => {}
        }
        Some(self)
    }

    /// The scene in which an action is evaluated again.
    pub fn scene(&self) -> Scene<'_> {
        let actual = self.actual;
        let subject = Subject { state: &self.state, ..actual.subject };
        let situation = Situation { context: &self.context, ..actual.situation };
        Scene::where_lawful(self.lawful, actual.rules, subject, situation, self.now)
    }

    /// The supposed extra points of relevance of the action.
    pub fn points(&self) -> f64 {
        self.changes.iter().map(|change| if let Change::Points(points) = change { *points } else { 0.0 }).sum()
    }

    /// What is supposed, in words.
    pub fn words(&self) -> String {
        let text = |fact| self.actual.rules.facts.get(fact).map_or("", |entry| entry.text.as_str());
        let words = self.changes.iter().map(|change| match change {
            Change::Fact(fact, Value::Text(value)) => format!("{} were \"{value}\"", text(*fact)),
            Change::Fact(fact, Value::List(items)) => format!("{} were [{}]", text(*fact), quoted(items)),
            Change::Fact(fact, Value::Duration(period)) => format!("{} were {}", text(*fact), period.exact()),
            Change::Fact(fact, value) => format!("{} were {value}", text(*fact)),
            Change::Moment(at) => format!("it were {at}"),
            Change::Points(points) => format!("it were {points:.1} points more relevant"),
        });
        format!("if {}", words.collect::<Vec<_>>().join(" and "))
    }

    /// Whether every supposed fact has its supposed value: another change may have undone it, or it could not be made
    /// true.
    pub fn holds(&self, view: &View<'_>) -> bool {
        self.changes.iter().all(|change| match change {
            Change::Fact(fact, value) => view.read(*fact) == value.operand(),
            Change::Moment(_) | Change::Points(_) => true,
        })
    }

    fn terms(&self) -> Terms<'w> {
        let Scene { rules, subject, .. } = self.actual;
        Terms { rules, standing: subject.standing, ledger_trusted: subject.ledger_trusted, now: self.now }
    }

    /// Starts again from the real state, lets time pass, and then makes every supposed fact true.
    fn pass_time(&mut self, at: Moment, cost: &Cell<usize>) -> Option<()> {
        self.now = at;
        self.state = Cow::Borrowed(self.actual.subject.state);
        self.context = Cow::Borrowed(self.actual.situation.context);
        self.settle();
        self.lawful = self.terms().lawful(Stage::Evaluation);
        for change in self.changes.clone() {
            if let Change::Fact(fact, value) = change {
                self.bring_about(fact, &value, cost)?;
            }
        }
        Some(())
    }

    fn settle(&mut self) {
        let terms = self.terms();
        settle(self.state.to_mut(), terms);
    }

    fn bring_about(&mut self, fact: FactId, value: &Value, cost: &Cell<usize>) -> Option<()> {
        let terms = self.terms();
        match (&terms.rules.facts.get(fact)?.fact, value) {
            (Fact::Attribute(id), value) => {
                set_attributes(self.state.to_mut(), vec![(*id, Some(value.clone()))], terms);
            }
            (Fact::Context(id), value) => {
                let context = self.context.to_mut();
                context.retain(|(known, _)| known != id);
                context.push((*id, value.clone()));
            }
            (Fact::EventCount { event, window, filter }, Value::Number(count)) => {
                let among = EventsOf { kind: *event, filter: filter.as_deref(), since: self.now - *window };
                self.set_event_count(among, whole(*count)?, cost)?;
            }
            (Fact::EventLast { event, filter }, Value::Moment(at)) => {
                let among = EventsOf { kind: *event, filter: filter.as_deref(), since: *at };
                self.set_last_event(among, cost)?;
            }
            (Fact::OutcomeCount { action, outcome, window }, Value::Number(count)) => {
                let of = ActionOutcome { action: *action, outcome: *outcome };
                self.set_outcome_count(of, self.now - *window, whole(*count)?, cost);
            }
            (Fact::OutcomeLast { action, outcome }, Value::Moment(at)) => {
                self.set_last_outcome(ActionOutcome { action: *action, outcome: *outcome }, *at);
            }
            (Fact::Stage(id), Value::Text(stage)) => self.set_stage(*id, stage)?,
            (Fact::Entered(id), Value::Moment(at)) => self.set_entered(*id, *at)?,
            (Fact::InStageFor(id), Value::Duration(period)) => self.set_entered(*id, self.now - *period)?,
            _ => return None,
        }
        Some(())
    }

    /// Adds events at the current moment, or removes the oldest ones in the window.
    fn set_event_count(&mut self, among: EventsOf<'_>, count: usize, cost: &Cell<usize>) -> Option<()> {
        let places = self.places(among);
        places.iter().skip(count).rev().for_each(|place| self.state.to_mut().remove_event(*place));
        let missing = count.saturating_sub(places.len());
        if missing > 0 {
            let fields = self.fields(among.filter)?;
            let event = NewEvent { id: None, kind: among.kind, at: self.now, fields };
            self.add_events(&event, missing, cost);
        }
        Some(())
    }

    /// Moves the last event to this moment, and removes the events after it.
    fn set_last_event(&mut self, among: EventsOf<'_>, cost: &Cell<usize>) -> Option<()> {
        let at = among.since;
        let later = self.places(among);
        let moved = later.first().and_then(|place| self.readable_fields(*place));
        later.iter().rev().for_each(|place| self.state.to_mut().remove_event(*place));
        let known = !self.places(EventsOf { since: at - Period(1), ..among }).is_empty();
        if !known && at != Moment::DISTANT_PAST {
            let fields = moved.or_else(|| self.fields(among.filter))?;
            let event = NewEvent { id: None, kind: among.kind, at, fields };
            self.add_events(&event, 1, cost);
        }
        Some(())
    }

    /// The fields of an event in the history, as far as the purpose may read them.
    fn readable_fields(&self, place: usize) -> Option<Vec<(FieldId, Value)>> {
        let event = self.state.events().newest_first().nth(place)?;
        let readable = event.fields.iter().filter(|(_, held)| held.purposes.contains(self.purpose));
        Some(readable.filter_map(|(id, held)| Some((id, held.value().to_value()?))).collect())
    }

    /// The fields of a new event that passes a filter.
    fn fields(&self, filter: Option<&Node>) -> Option<Vec<(FieldId, Value)>> {
        let scene = self.scene();
        solve::fields(filter, &scene.view(self.purpose))
    }

    /// The places of events in the history, newest first.
    fn places(&self, among: EventsOf<'_>) -> Vec<usize> {
        let scene = self.scene();
        let view = scene.view(self.purpose);
        let history = self.state.events().newest_first().enumerate();
        let readable = history.filter(|(_, event)| event.kind == among.kind && event.purposes.contains(self.purpose));
        let passes = |event| among.filter.is_none_or(|filter| evaluate(filter, &view.at_event(event)).truth().holds());
        readable.filter(|(_, event)| event.at > among.since && passes(*event)).map(|(place, _)| place).collect()
    }

    /// Records an event a number of times.
    fn add_events(&mut self, event: &NewEvent, times: usize, cost: &Cell<usize>) {
        let terms = self.terms();
        // Unreadable events take no room here, so that what is dropped for lack of room does not reveal them.
        let lawful = self.lawful;
        let read = |purposes: PurposeSet| Some(purposes).filter(|purposes| !purposes.intersection(lawful).is_empty());
        self.state.to_mut().retain_events(|event| read(event.purposes), |_, purposes| Some(purposes));
        for _ in 0..times {
            record_event(self.state.to_mut(), event.clone(), terms);
            cost.set(cost.get() + RECORDING);
        }
    }

    /// Adds outcomes at the current moment, or removes the oldest ones in the window.
    fn set_outcome_count(&mut self, of: ActionOutcome, since: Moment, count: usize, cost: &Cell<usize>) {
        let held = self.outcomes(of).filter(|at| *at > since).count();
        let mut surplus = held.saturating_sub(count);
        self.remove_outcomes(of, |at| {
            let gone = at > since && surplus > 0;
            surplus -= usize::from(gone);
            gone
        });
        for _ in held..count {
            self.add_outcome(of, self.now);
            cost.set(cost.get() + RECORDING);
        }
    }

    /// Removes the outcomes after a moment, and adds one at that moment unless there is one.
    fn set_last_outcome(&mut self, of: ActionOutcome, last: Moment) {
        self.remove_outcomes(of, |at| at > last);
        if last != Moment::DISTANT_PAST && self.outcomes(of).max() != Some(last) {
            self.add_outcome(of, last);
        }
        self.settle();
    }

    fn outcomes(&self, of: ActionOutcome) -> impl Iterator<Item = Moment> {
        self.state.relation().outcome_times(of, self.purpose, self.now)
    }

    /// Removes the outcomes for which the closure is true, called from the oldest on.
    fn remove_outcomes(&mut self, of: ActionOutcome, mut gone: impl FnMut(Moment) -> bool) {
        let ActionOutcome { action, outcome } = of;
        let (purpose, now) = (self.purpose, self.now);
        self.state.to_mut().change_relation(|relation| {
            if outcome == Outcome::Presented {
                relation.contacts.retain(|contact| {
                    let meant = contact.action == action && contact.counts(now) && contact.readable.contains(purpose);
                    !(meant && gone(contact.at))
                });
            }
            relation.outcomes.retain(|entry| {
                let meant = entry.action == action && entry.outcome == outcome && entry.readable.contains(purpose);
                !(meant && gone(entry.at))
            });
        });
    }

    fn add_outcome(&mut self, of: ActionOutcome, at: Moment) {
        let ActionOutcome { action, outcome } = of;
        let channel = self.actual.situation.channel;
        let decision = DecisionKey::default();
        let outcome = NewOutcome { id: None, decision, action, channel, outcome, at };
        let terms = self.terms();
        report_outcome(self.state.to_mut(), outcome, terms);
    }

    /// Puts the customer at a stage, entered when the current one was, or now if that is too long ago.
    fn set_stage(&mut self, id: JourneyId, stage: &str) -> Option<()> {
        if stage == NO_STAGE {
            self.state.to_mut().change_relation(|relation| relation.journeys.retain(|held| held.journey != id));
            return Some(());
        }
        let declared = self.actual.rules.declared.journeys.get(id)?;
        let (_, stage) = declared.stages.iter().find(|(name, _)| name == stage)?;
        let (stage, purpose) = (*stage, declared.purpose);
        let (started, since) =
            self.state.relation().journey(id).map_or((self.now, self.now), |held| (held.started, held.entered));
        for entered in [since, self.now] {
            let held = JourneyState { journey: id, stage, started, entered, purpose };
            self.state.to_mut().relation_mut().set_journey(held);
            self.settle();
            if self.state.relation().journey(id) == Some(&held) {
                return Some(());
            }
        }
        None
    }

    /// Changes the moment at which the customer entered the stage.
    fn set_entered(&mut self, id: JourneyId, at: Moment) -> Option<()> {
        let held = *self.state.relation().journey(id)?;
        let moved = JourneyState { entered: at, started: held.started.min(at), ..held };
        self.state.to_mut().relation_mut().set_journey(moved);
        self.settle();
        Some(())
    }
}

/// Events of a type after a moment, those that a filter keeps.
#[derive(Clone, Copy)]
struct EventsOf<'e> {
    kind: EventTypeId,
    filter: Option<&'e Node>,
    since: Moment,
}

/// A number of events or outcomes, limited to the room of a history.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number of a few hundred")]
fn whole(count: f64) -> Option<usize> {
    let fits = count.fract() == 0.0 && (0.0..=solve::whole_number(MOST_EVENTS)).contains(&count);
    fits.then_some(count as usize)
}

/// Texts as a rule lists them.
fn quoted(items: &[CompactString]) -> String {
    items.iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ")
}

fn tenths(points: f64) -> f64 {
    (points * 10.0).round() / 10.0
}
