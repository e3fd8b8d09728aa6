//! One decision, from facts to the next step or silence. Pure: no clock, no lock, no randomness.
//!
//! `weigh` evaluates the candidates, or all actions if all are to be explained: `engagement` checks the engagement
//! policy, `contact` the contact policy; `arbitrate` scores; `ask` computes what a consent would gain; `choose` picks;
//! `silence` says why nothing was picked; `explain` gives the reason of every loser, and `flip` the change that would
//! have let it win, in a world that `suppose` builds from values that `solve` finds.
//!
//! `moments` finds until when the answer is the same, and when something would be said: over intervals of time, in which
//! `outlook` sees what can become of one action.
//!
//! `request` and `answer` are what callers see; `gate` and `judgement` what these parts hand to each other.

mod answer;
mod arbitrate;
mod ask;
mod choose;
pub mod contact;
mod engagement;
mod explain;
mod flip;
mod gate;
mod judgement;
mod moments;
mod nearness;
mod outlook;
mod pass;
mod request;
mod silence;
mod solve;
mod suppose;
mod weigh;

use smallvec::SmallVec;

use crate::domain::id::{ActionId, PurposeSet};
use crate::domain::model::Otherwise;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::domain::view::{Scene, Situation, Subject};

pub use answer::{Chosen, Decision, Explanation, Loser, Silence, SilenceReason};
pub use gate::Gate;
use moments::Within;
use request::Case;
pub use request::{Explain, Request};

/// Picks the next best actions for one customer now, or silence.
#[must_use]
pub fn decide(rules: &RuleSet, subject: Subject<'_>, request: &Request<'_>, now: Moment) -> Decision {
    let within = (now + rules.policy.retry_within, moments::MOST_CHANGES);
    let mut decision = decide_before(rules, subject, request, now, within);
    // Who drops what falls into quiet hours does not wait for their end.
    let quiet = rules.declared.channels.get(request.channel).and_then(|channel| channel.quiet_hours);
    let drops = quiet.is_some_and(|quiet| quiet.otherwise == Otherwise::Drop);
    if let Some(silence) = decision.silence.as_mut().filter(|silence| silence.reason == SilenceReason::QuietHours) {
        silence.retry_after = silence.retry_after.filter(|_| !drops);
    }
    decision
}

/// The gate at which each action stops, without reasons: for counts over many decisions.
#[must_use]
pub fn gates(rules: &RuleSet, subject: Subject<'_>, request: &Request<'_>, now: Moment) -> Vec<(ActionId, Gate)> {
    let request = Request { explain: Explain::Full, ..*request };
    let situation = Situation { channel: Some(request.channel), ..request.situation };
    let scene = Scene::new(rules, subject, situation, now);
    let mut views = engagement::Views::new(&scene);
    let outcome = weigh::score_all(Case { scene: &scene, request: &request }, &mut views);
    outcome.judgements.iter().map(|judgement| (judgement.action.id, judgement.gate)).collect()
}

/// A decision whose `retry_after` is before a moment; until then, that many grants and stages may end.
fn decide_before(
    rules: &RuleSet,
    subject: Subject<'_>,
    request: &Request<'_>,
    now: Moment,
    within: (Moment, u8),
) -> Decision {
    let situation = Situation { channel: Some(request.channel), ..request.situation };
    let scene = Scene::new(rules, subject, situation, now);
    let case = Case { scene: &scene, request };
    let mut views = engagement::Views::new(&scene);
    let mut outcome = match request.explain {
        Explain::Chosen => weigh::score_candidates(case, &mut views, None),
        Explain::Funnel | Explain::Full => weigh::score_all(case, &mut views),
    };
    let mut purposes_used = PurposeSet::EMPTY;
    let mut actions = SmallVec::with_capacity(outcome.chosen.len());
    for judgement in outcome.chosen.iter().filter_map(|index| outcome.judgements.get(*index)) {
        let view = views.of(judgement.action.purpose);
        actions.extend(choose::put_in_words(judgement, request.channel, view));
        if scene.lawful.contains(judgement.action.purpose) {
            purposes_used = purposes_used.with(judgement.action.purpose);
        }
    }
    let silence = actions.is_empty().then(|| {
        weigh::add_runners_up(&mut outcome, case, &mut views);
        silence::explain(&scene, request.channel, &outcome)
    });
    let mut decision = Decision {
        silence,
        purposes_used,
        ledger_position: subject.standing.position(),
        valid_until: now,
        history_truncated: truncated(&scene),
        explanation: explain::explain(case, &outcome, &mut views),
        actions,
    };
    let (before, changes) = within;
    let again = |subject: Subject<'_>, request: &Request<'_>, at: Moment| {
        decide_before(rules, subject, request, at, (before, changes.saturating_sub(1)))
    };
    let named = moments::of(case, &mut views, &outcome, &decision, Within { before, changes, again: &again });
    decision.valid_until = named.valid_until;
    if let Some(silence) = &mut decision.silence {
        silence.retry_after = named.retry_after;
    }
    decision
}

fn truncated(scene: &Scene<'_>) -> bool {
    let oldest_asked = scene.now - scene.rules.horizon;
    let relation = scene.subject.state.relation();
    let events = relation.forgotten_events.filter(|(_, purposes)| !purposes.intersection(scene.lawful).is_empty());
    events.map(|(at, _)| at).max(relation.forgotten).is_some_and(|forgotten| forgotten > oldest_asked)
}
