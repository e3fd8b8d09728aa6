//! The gates up to the contact policy over an interval of time: each may pass an action, stop it, or do either.

use super::contact;
use super::engagement;
use super::gate::Gate;
use super::judgement::Why;
use super::request::{Case, Request};
use crate::domain::model::Action;
use crate::domain::value::{Possible, Truth};
use crate::domain::view::During;

/// Gates at which an action can drop out; `Chosen` stands for a score above the threshold.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Gates(u32);

impl Gates {
    pub fn add(&mut self, gate: Gate) {
        self.0 |= 1 << gate.index();
    }

    /// Notes a gate that can stop an action; false if it surely does.
    pub fn admit(&mut self, gate: Gate, passes: Possible) -> bool {
        if !passes.is_sure() {
            self.add(gate);
        }
        passes.holds
    }

    /// Whether one of these is among them.
    pub fn any(self, is_meant: impl Fn(Gate) -> bool) -> bool {
        Gate::ALL.into_iter().any(|gate| self.0 >> gate.index() & 1 == 1 && is_meant(gate))
    }
}

/// Whether an action is asked for, on this channel and within its dates.
pub(crate) fn offered(action: &Action, request: &Request<'_>, during: &During<'_, '_, '_>) -> Possible {
    action.from.into_iter().chain(action.until).for_each(|at| during.scenes[0].changes_at(at));
    let begun = |why: &Why<'_>| !matches!(why, Why::NotYet(_));
    let [first, last] = during.scenes.map(|scene| engagement::out_of_question(action, Case { scene, request }));
    match (first, last) {
        (None, None) => Possible::TRUE,
        (Some(first), Some(last)) if begun(&first.why) == begun(&last.why) => Possible::TRUE.not(),
        _ => Possible::OPEN,
    }
}

/// Takes an action through the gates up to the contact policy; the least and the highest sensitivity of its conditions,
/// unless it surely drops out. If it is known that they `hold`, they are not evaluated.
pub(crate) fn pass(
    action: &Action,
    request: &Request<'_>,
    during: &During<'_, '_, '_>,
    gates: &mut Gates,
    hold: bool,
) -> Option<[f64; 2]> {
    let mut sensitivity = [0.0_f64; 2];
    if !gates.admit(Gate::Dates, offered(action, request, during)) {
        return None;
    }
    for (gate, conditions) in engagement::policy(action).into_iter().filter(|_| !hold) {
        for condition in conditions {
            let found = condition.prospect(during);
            let steady = || Truth::from(found.truth.holds).into();
            let truth = if found.truth.is_sure() || !condition.is_steady(during) { found.truth } else { steady() };
            if !gates.admit(gate, truth) {
                return None;
            }
            sensitivity = [sensitivity[0].max(found.least), sensitivity[1].max(found.most)];
        }
    }
    let [first, last] = during.scenes;
    let stopped = |scene| contact::limit(action, scene, request.channel, &[]).is_some();
    if stopped(first) && !gates.admit(Gate::Limit, Possible { holds: !stopped(last), fails: true, unknown: false }) {
        return None;
    }
    gates.admit(Gate::QuietHours, contact::quiet(first, last, request.channel).not()).then_some(sensitivity)
}
