//! Journeys: docs/rules.md, "Journeys".

use super::World;
use super::arrive::Seen;
use super::consent::may_be_served;
use super::customer::{Customer, Event, Progress, Step};
use super::expression::{Condition, evaluate::truth};
use super::rules::{Journey, Names, Stage};
use super::view::View;

/// An event was recorded, the last one that is held: each journey for whose purpose it is kept begins, or moves by one
/// stage at most, at the moment of the event.
///
/// docs/rules.md, "Journeys": one that arrives late, within `late` of its type, counts as if it had come in order.
pub fn follow(world: &World, customer: &mut Customer, at: i64) {
    let place = customer.events.len() - 1;
    let window = world.rules.events[&customer.events[place].kind].late;
    let followed =
        customer.events.iter().any(|event| event.at > at) || customer.steps.iter().any(|step| step.until > at);
    if at >= world.now || world.now - at > window || !followed {
        let concerned = concerned(world, customer, place);
        return one(world, customer, (place, at), &concerned);
    }
    // Back to that moment, and everything after it again.
    let concerned = concerned(world, customer, place);
    let mut looks = Vec::new();
    for name in &concerned {
        let undone: Vec<Step> =
            customer.steps.iter().filter(|step| step.journey == *name && step.until > at).cloned().collect();
        customer.steps.retain(|step| step.journey != *name || step.until <= at);
        let Some(first) = undone.first() else { continue };
        match first.before.clone() {
            Some(progress) => drop(customer.journeys.insert(name.clone(), progress)),
            None => drop(customer.journeys.remove(name)),
        }
        looks.extend(undone.iter().filter(|step| step.looked).map(|step| (step.until, name.clone())));
    }
    let mut later: Vec<(i64, usize)> =
        (0..customer.events.len()).map(|place| (customer.events[place].at, place)).collect();
    later.retain(|(moment, _)| *moment > at);
    let mut occasions: Vec<(i64, Option<usize>, Names)> =
        later.into_iter().map(|(at, place)| (at, Some(place), concerned.clone())).collect();
    occasions.extend(looks.into_iter().map(|(at, name)| (at, None, Names::from([name]))));
    occasions.sort_by_key(|(at, ..)| *at);
    for (at, event, names) in std::iter::once((at, Some(place), concerned.clone())).chain(occasions) {
        for name in &names {
            time_out_one(world, customer, name, at);
        }
        match event {
            Some(place) => one(world, customer, (place, at), &names),
            None => look_at(world, customer, &names, at),
        }
    }
    for name in &concerned {
        time_out_one(world, customer, name, world.now);
    }
}

/// The journeys for whose purpose an event is kept.
fn concerned(world: &World, customer: &Customer, place: usize) -> Names {
    let purposes = &customer.events[place].purposes;
    let kept = world.rules.journeys.iter().filter(|(_, journey)| purposes.contains(&journey.purpose));
    kept.map(|(name, _)| name.clone()).collect()
}

/// One event moves each of these journeys that may know of it by one stage at most.
fn one(world: &World, customer: &mut Customer, (place, at): (usize, i64), names: &Names) {
    let event = &customer.events[place];
    let kept = world
        .rules
        .journeys
        .iter()
        .filter(|(name, journey)| names.contains(*name) && event.purposes.contains(&journey.purpose));
    let steps = kept.filter_map(|(name, journey)| {
        Some((name, journey, next(world, customer, (name, journey), (Some(event), at))?))
    });
    // Each sees the others as they were before the event.
    for (name, journey, stage) in steps.collect::<Vec<_>>() {
        enter(customer, (name, journey), stage, (at, false));
    }
}

fn look_at(world: &World, customer: &mut Customer, names: &Names, at: i64) {
    let looking = world.rules.journeys.iter().filter(|(name, _)| names.contains(*name));
    let steps = looking
        .filter_map(|(name, journey)| Some((name, journey, next(world, customer, (name, journey), (None, at))?)));
    for (name, journey, stage) in steps.collect::<Vec<_>>() {
        enter(customer, (name, journey), stage, (at, true));
    }
}

/// Attributes were recorded: moves that have `when` alone are looked at.
pub fn look(world: &World, customer: &mut Customer, seen: &Seen) {
    // A journey stands still while its purpose may not be served.
    let looks = |journey: &Journey| {
        (seen.by_all || seen.by.contains(&journey.purpose)) && may_be_served(world, customer, &journey.purpose)
    };
    let looking = world.rules.journeys.iter().filter(|(_, journey)| looks(journey));
    let steps = looking.filter_map(|(name, journey)| {
        Some((name, journey, next(world, customer, (name, journey), (None, world.now))?))
    });
    for (name, journey, stage) in steps.collect::<Vec<_>>() {
        enter(customer, (name, journey), stage, (world.now, true));
    }
}

/// The stage that comes next: the first move that fits, in the order written; or the first stage, if the journey may
/// begin.
fn next<'r>(
    world: &World<'r>,
    customer: &Customer,
    (name, journey): (&str, &'r Journey),
    (event, at): (Option<&Event>, i64),
) -> Option<&'r Stage> {
    let holds = |when: &Option<Condition>, event: Option<&Event>| {
        let view = View::of_journey(world, customer, &journey.purpose, event);
        when.as_ref().is_none_or(|condition| truth(condition, &view) == Some(true))
    };
    let is_this = |kind: &str| event.is_some_and(|event| event.kind == kind);
    // One in a stage that is no longer declared has not begun.
    let known = |progress: &&Progress| journey.stages.iter().any(|stage| stage.id == progress.stage);
    let progress = customer.journeys.get(name).filter(|progress| progress.purpose == journey.purpose).filter(known);
    if progress.is_none_or(|progress| may_begin_again(journey, progress, at)) {
        let begins = journey.start.iter().any(|start| is_this(&start.event) && holds(&start.when, event));
        if begins {
            return journey.stages.first();
        }
    }
    // Also out of a stage with `goal` or `end`: then the journey goes on.
    let stage = journey.stages.iter().find(|stage| stage.id == progress.map_or("", |p| p.stage.as_str()))?;
    let fits = stage.moves.iter().find(|a_move| match &a_move.event {
        Some(kind) => is_this(kind) && holds(&a_move.when, event),
        None => a_move.after.is_none() && holds(&a_move.when, None),
    });
    journey.stages.iter().find(|stage| fits.is_some_and(|a_move| a_move.to == stage.id))
}

/// `again_after`: "how long after its end it may start again"; without it, never again.
fn may_begin_again(journey: &Journey, progress: &Progress, now: i64) -> bool {
    // "The rules in force say whether a stage ends the journey."
    let ended = journey.stages.iter().any(|stage| stage.id == progress.stage && stage.ends);
    ended && journey.again_after.is_some_and(|again_after| now >= progress.entered + again_after)
}

fn enter(customer: &mut Customer, (name, journey): (&str, &Journey), stage: &Stage, (at, looked): (i64, bool)) {
    let (purpose, stage) = (journey.purpose.clone(), stage.id.clone());
    let before = customer.journeys.get(name).cloned();
    customer.steps.push(Step { journey: name.to_string(), purpose: purpose.clone(), before, until: at, looked });
    let progress = Progress { purpose, stage, entered: at };
    customer.journeys.insert(name.to_string(), progress);
}

/// `after`: this long after the stage was entered, each move at the moment at which it is due.
pub fn time_out(world: &World, customer: &mut Customer) {
    for name in world.rules.journeys.keys() {
        time_out_one(world, customer, name, world.now);
    }
}

fn time_out_one(world: &World, customer: &mut Customer, name: &str, now: i64) {
    let journey = &world.rules.journeys[name];
    while let Some((stage, due)) = due(journey, customer.journeys.get(name), now) {
        enter(customer, (name, journey), stage, (due, false));
    }
}

fn due<'r>(journey: &'r Journey, progress: Option<&Progress>, now: i64) -> Option<(&'r Stage, i64)> {
    let progress = progress?;
    let stage = journey.stages.iter().find(|stage| stage.id == progress.stage)?;
    let timed = stage.moves.iter().filter_map(|a_move| Some((a_move, progress.entered + a_move.after?)));
    let (first, moment) = timed.min_by_key(|(_, moment)| *moment).filter(|(_, moment)| *moment <= now)?;
    let stage = journey.stages.iter().find(|stage| stage.id == first.to)?;
    Some((stage, moment))
}
