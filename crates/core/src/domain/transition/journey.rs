//! Moves journeys when something is recorded, and when the time in a stage runs out.
//!
//! One event makes at most one step in each journey; a journey follows only what its purpose may read.

use smallvec::SmallVec;

use super::Terms;
use crate::domain::customer::{CustomerState, JourneyState, StoredEvent};
use crate::domain::id::{JourneyId, PurposeSet, StageId};
use crate::domain::model::{Journey, MoveOn, Trigger};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::{Moment, Period};
use crate::domain::view::{Contacts, Scene, Situation, Subject};

/// Moves every journey that reacts to a recorded event, or to another change. Only `readers` may read the change.
pub fn follow(state: &mut CustomerState, event: Option<StoredEvent<'_>>, readers: PurposeSet, terms: Terms<'_>) {
    let waits = |(_, journey): (JourneyId, &Journey)| journey.follows_conditions();
    if event.is_none() && !terms.rules.journeys.iter().any(waits) {
        return;
    }
    let occasion = Occasion { event, at: event.map_or(terms.now, |event| event.at), readers };
    let steps: Vec<JourneyState> = {
        let Terms { standing, ledger_trusted, .. } = terms;
        let subject = Subject { state, standing, ledger_trusted, contacts: Contacts::default() };
        let scene = Scene::new(terms.rules, subject, Situation::default(), terms.now);
        let journeys = terms.rules.journeys.iter();
        journeys.filter_map(|(id, journey)| step(id, journey, occasion, &scene)).collect()
    };
    steps.into_iter().for_each(|step| state.relation_mut().set_journey(step));
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
        for held in &mut relation.journeys {
            if let Some(journey) = terms.rules.journeys.get(held.journey) {
                time_out(journey, held, terms.now);
            }
        }
    });
}

/// The moment of the next move by time alone.
pub fn next_timeout(state: &CustomerState, rules: &RuleSet) -> Moment {
    let timeouts = state.relation().journeys.iter().filter_map(|held| timeout(rules.journeys.get(held.journey)?, held));
    timeouts.map(|(_, due)| due).min().unwrap_or(Moment::DISTANT_FUTURE)
}

/// Leaves every stage whose time has run out. Whole rounds of a cycle of stages are skipped.
fn time_out(journey: &Journey, held: &mut JourneyState, now: Moment) {
    let mut entered: SmallVec<[(StageId, Moment); 8]> = SmallVec::new();
    while let Some((to, due)) = timeout(journey, held).filter(|(_, due)| *due <= now) {
        held.stage = to;
        held.entered = due;
        match entered.iter().find(|(stage, _)| *stage == to) {
            None => entered.push((to, due)),
            Some((_, before)) => {
                let round = due.since(*before).0.max(1);
                held.entered = due + Period(now.since(due).0 / round * round);
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
