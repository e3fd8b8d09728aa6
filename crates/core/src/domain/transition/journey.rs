//! Moves journeys when something is recorded, and when the time in a stage runs out.
//!
//! One event makes at most one step in each journey; a journey follows only what its purpose may read.

use smallvec::SmallVec;

use super::Terms;
use crate::domain::consent::Stage;
use crate::domain::customer::{CustomerState, JourneyState, Relation, StoredEvent};
use crate::domain::id::{JourneyId, PurposeSet, StageId};
use crate::domain::model::{Journey, LONGEST_LATE, MoveOn, Trigger};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::{Moment, Period};
use crate::domain::view::{Contacts, Scene, Situation, Subject};

/// Moves every journey that reacts to a recorded event, or to another change. Only `readers` may read the change.
///
/// An event that arrives late, within the window of its type, is followed at its moment: journeys go back to it, and follow
/// what came after it again.
pub fn follow(state: &mut CustomerState, event: Option<StoredEvent<'_>>, readers: PurposeSet, terms: Terms<'_>) {
    let waits = |(_, journey): (JourneyId, &Journey)| journey.follows_conditions();
    if event.is_none() && !terms.rules.journeys.iter().any(waits) {
        return;
    }
    let occasion = Occasion { event, at: event.map_or(terms.now, |event| event.at), readers };
    let late = event.is_some_and(|event| is_late(event, terms));
    if !late || !has_followed(state, occasion.at) {
        return take_steps(state, occasion, terms, |_| true);
    }
    follow_again(state, occasion, terms);
}

/// Whether an event arrives after its moment, and within the window in which that makes no difference to journeys.
fn is_late(event: StoredEvent<'_>, terms: Terms<'_>) -> bool {
    let window = terms.rules.declared.events.get(event.kind).map_or(Period::ZERO, |kind| kind.late);
    event.at < terms.now && terms.now.since(event.at) <= window
}

/// Whether a journey may have followed something after a moment.
fn has_followed(state: &CustomerState, at: Moment) -> bool {
    let newest = state.events().newest_first().next();
    newest.is_some_and(|event| event.at > at) || state.relation().past_stages.iter().any(|past| past.until > at)
}

/// Takes the journeys that may read a late event back to its moment, and follows it and everything after it in order.
fn follow_again(state: &mut CustomerState, late: Occasion<'_>, terms: Terms<'_>) {
    let lawful = terms.lawful(Stage::Evaluation).intersection(late.readers);
    let rules = terms.rules;
    let concerned: Vec<JourneyId> =
        rules.declared.journeys.iter().filter(|(_, head)| lawful.contains(head.purpose)).map(|(id, _)| id).collect();
    let mut looks: Vec<(Moment, JourneyId)> = Vec::new();
    for id in &concerned {
        let looked = state.relation_mut().go_back(*id, late.at);
        looks.extend(looked.into_iter().map(|at| (at, *id)));
    }
    // A copy, because steps change the state.
    let history = state.clone();
    let mut later: Vec<_> = history.events().newest_first().take_while(|event| event.at > late.at).collect();
    later.reverse();
    let after =
        later.into_iter().map(|event| (Occasion { event: Some(event), at: event.at, readers: event.purposes }, None));
    let looks = looks.into_iter().map(|(at, id)| (Occasion { event: None, at, readers: PurposeSet::ALL }, Some(id)));
    let mut occasions: Vec<(Occasion<'_>, Option<JourneyId>)> = after.chain(looks).collect();
    occasions.sort_by_key(|(occasion, _)| occasion.at);
    for (occasion, only) in std::iter::once((late, None)).chain(occasions) {
        let is_meant = |id: JourneyId| concerned.contains(&id) && only.is_none_or(|only| only == id);
        for id in concerned.iter().filter(|id| is_meant(**id)) {
            time_out_until(state, *id, occasion.at, terms);
        }
        take_steps(state, occasion, terms, is_meant);
    }
    for id in &concerned {
        time_out_until(state, *id, terms.now, terms);
    }
    state.change_relation(|relation| relation.forget_past(terms.now));
}

fn time_out_until(state: &mut CustomerState, id: JourneyId, now: Moment, terms: Terms<'_>) {
    state.change_relation(|relation| {
        if let Some(journey) = terms.rules.journeys.get(id) {
            time_out(journey, relation, id, now);
        }
    });
}

/// Takes one step in each journey that an occasion moves.
fn take_steps(
    state: &mut CustomerState,
    occasion: Occasion<'_>,
    terms: Terms<'_>,
    is_meant: impl Fn(JourneyId) -> bool,
) {
    let steps: Vec<JourneyState> = {
        let Terms { standing, ledger_trusted, .. } = terms;
        let subject = Subject { state, standing, ledger_trusted, contacts: Contacts::default() };
        let scene = Scene::new(terms.rules, subject, Situation::default(), terms.now);
        let journeys = terms.rules.journeys.iter().filter(|(id, _)| is_meant(*id));
        journeys.filter_map(|(id, journey)| step(id, journey, occasion, &scene)).collect()
    };
    for to in steps {
        state.relation_mut().step(to, occasion.event.is_none());
    }
}

/// What may move a journey.
#[derive(Clone, Copy)]
struct Occasion<'e> {
    /// What was recorded, if it was an event.
    event: Option<StoredEvent<'e>>,
    at: Moment,
    /// The purposes that may know of it.
    readers: PurposeSet,
}

fn step(id: JourneyId, journey: &Journey, occasion: Occasion<'_>, scene: &Scene<'_>) -> Option<JourneyState> {
    let Occasion { event, at, readers } = occasion;
    let purpose = scene.rules.declared.journeys.get(id)?.purpose;
    if !scene.lawful.intersection(readers).contains(purpose) {
        return None;
    }
    let known = |state: &&JourneyState| journey.stage(state.stage).is_some() && state.purpose == purpose;
    let now = scene.subject.state.relation().journey(id).filter(known);
    let fires = |trigger: &Trigger| fires(trigger, event, scene, purpose);
    let stage = match now {
        None => journey.starts.iter().any(fires).then(|| first(journey))??,
        Some(state) => {
            let ended = journey.stage(state.stage).is_some_and(|stage| stage.end || stage.goal);
            let again = ended && journey.again_after.is_some_and(|wait| at >= state.entered + wait);
            if again && journey.starts.iter().any(fires) {
                first(journey)?
            } else {
                let moves = &journey.stage(state.stage)?.moves;
                let step = moves.iter().find(|step| matches!(&step.on, MoveOn::Trigger(trigger) if fires(trigger)))?;
                return Some(JourneyState { stage: step.to, entered: at, ..*state });
            }
        }
    };
    Some(JourneyState { journey: id, stage, started: at, entered: at, purpose })
}

fn first(journey: &Journey) -> Option<StageId> {
    journey.stages.first().map(|stage| stage.id)
}

fn fires(
    trigger: &Trigger,
    event: Option<StoredEvent<'_>>,
    scene: &Scene<'_>,
    purpose: crate::domain::id::PurposeId,
) -> bool {
    if trigger.event.is_some() && trigger.event != event.map(|event| event.kind) {
        return false;
    }
    let Some(when) = &trigger.when else { return trigger.event.is_some() };
    let view = scene.view(purpose);
    match event.filter(|_| trigger.event.is_some()) {
        Some(event) => when.evaluate(&view.at_event(event)).truth.holds(),
        None => when.evaluate(&view).truth.holds(),
    }
}

/// Moves every journey whose time in a stage has run out, at the moment at which it ran out.
pub fn pass_time(state: &mut CustomerState, terms: Terms<'_>) {
    state.change_relation(|relation| {
        let held: SmallVec<[JourneyId; 4]> = relation.journeys.iter().map(|held| held.journey).collect();
        for id in held {
            if let Some(journey) = terms.rules.journeys.get(id) {
                time_out(journey, relation, id, terms.now);
            }
        }
        relation.forget_past(terms.now);
    });
}

impl Relation {
    /// Forgets the steps that no late event can undo any more.
    fn forget_past(&mut self, now: Moment) {
        self.past_stages.retain(|past| past.until + LONGEST_LATE > now);
    }
}

/// The moment at which the next step cannot be undone any more.
pub fn next_past(state: &CustomerState) -> Moment {
    let goes = state.relation().past_stages.iter().map(|past| past.until + LONGEST_LATE);
    goes.min().unwrap_or(Moment::DISTANT_FUTURE)
}

/// The moment of the next move by time alone in one of the journeys that matter.
pub fn next_timeout(state: &CustomerState, rules: &RuleSet, matters: impl Fn(JourneyId) -> bool) -> Moment {
    let journeys = state.relation().journeys.iter().filter(|held| matters(held.journey));
    let timeouts = journeys.filter_map(|held| timeout(rules.journeys.get(held.journey)?, held));
    timeouts.map(|(_, due)| due).min().unwrap_or(Moment::DISTANT_FUTURE)
}

/// Leaves every stage of a journey whose time has run out. Whole rounds of a cycle of stages are skipped.
fn time_out(journey: &Journey, relation: &mut Relation, id: JourneyId, now: Moment) {
    let mut entered: SmallVec<[(StageId, Moment); 8]> = SmallVec::new();
    while let Some(held) = relation.journey(id).copied()
        && let Some((to, due)) = timeout(journey, &held).filter(|(_, due)| *due <= now)
    {
        let mut moved = JourneyState { stage: to, entered: due, ..held };
        relation.step(moved, false);
        match entered.iter().find(|(stage, _)| *stage == to) {
            None => entered.push((to, due)),
            Some((_, before)) => {
                let round = due.since(*before).0.max(1);
                moved.entered = due + Period(now.since(due).0 / round * round);
                relation.set_journey(moved);
                entered.clear();
            }
        }
    }
}

/// The earliest move out of the stage by time alone.
fn timeout(journey: &Journey, state: &JourneyState) -> Option<(StageId, Moment)> {
    let timed = journey.stage(state.stage)?.moves.iter().filter_map(|step| match step.on {
        MoveOn::After(wait) => Some((step.to, state.entered + wait)),
        MoveOn::Trigger(_) => None,
    });
    timed.min_by_key(|(_, due)| *due)
}
