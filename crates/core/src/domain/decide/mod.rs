//! One decision, from facts to the next step or silence. Pure: no clock, no lock, no randomness.
//!
//! `weigh` evaluates the candidates, or all actions if all are to be explained: `engagement` checks the engagement
//! policy, `contact` the contact policy; `arbitrate` scores; `ask` computes what a consent would gain; `choose` picks;
//! `silence` says why nothing was picked; `explain` gives the reason of every loser, and `flip` the change that would
//! have let it win, in a world that `suppose` builds from values that `solve` finds.

pub mod arbitrate;
mod ask;
mod choose;
pub mod contact;
mod engagement;
pub mod explain;
mod flip;
mod silence;
mod solve;
mod suppose;
mod weigh;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::domain::id::{ActionId, ChannelId, GroupId, PurposeSet};
use crate::domain::model::{Action, Condition, Limit};
use crate::domain::rule_set::RuleSet;
use crate::domain::sources::Span;
use crate::domain::time::Moment;
use crate::domain::value::Truth;
use crate::domain::view::{Scene, Situation, Subject};

pub use arbitrate::Score;
pub use explain::{Explain, Explanation, Loser};
pub use silence::{Silence, SilenceReason};

/// A question, with names resolved.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Where the conversation takes place.
    pub channel: ChannelId,
    /// The question's own facts.
    pub situation: Situation<'a>,
    /// Only actions of these groups; empty means all.
    pub groups: &'a [GroupId],
    /// At most this many actions.
    pub max_actions: usize,
    /// How much to explain.
    pub explain: Explain,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The actions to take, best first.
    pub actions: SmallVec<[Chosen; 1]>,
    /// Why nothing is said; there exactly when no action is.
    pub silence: Option<Silence>,
    /// Purposes whose data the chosen actions relied on.
    pub purposes_used: PurposeSet,
    /// Position of the newest ledger record that the decision knew of.
    pub ledger_position: u64,
    /// The answer may be used until this moment.
    pub valid_until: Moment,
    /// Whether a full history had dropped something that a rule could still ask for.
    pub history_truncated: bool,
    /// Reasons, as far as the question asked for them.
    pub explanation: Option<Explanation>,
}

/// One action to take.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The chosen action.
    pub action: ActionId,
    /// Key to content in another system.
    pub content: Arc<str>,
    /// Text to show or say.
    pub text: Arc<str>,
    /// The score and its parts.
    pub score: Score,
    /// Reasons that a person can say aloud.
    pub because: SmallVec<[Arc<str>; 1]>,
}

crate::words! {
    /// Where actions drop out, in order of evaluation.
    pub enum Gate {
        /// The request asked for other groups.
        Group = "group",
        /// No treatment for the channel.
        Channel = "channel",
        /// Before its start or after its end.
        Dates = "dates",
        /// Its purpose may not be served.
        Consent = "consent",
        /// May we ever?
        Eligible = "eligible",
        /// Does it fit now?
        Applicable = "applicable",
        /// Is it good for them?
        Suitable = "suitable",
        /// A limit is used up.
        Limit = "limit",
        /// Too soon after an outcome.
        CoolDown = "cool_down",
        /// The channel's quiet hours.
        QuietHours = "quiet_hours",
        /// A consent ask that is not to be made now.
        Ask = "ask",
        /// Its text needs an unknown fact.
        Text = "text",
        /// Its score is not above the threshold.
        BelowThreshold = "below_threshold",
        /// A better action excludes it.
        Excluded = "excluded",
        /// Better actions filled the answer.
        Outranked = "outranked",
        /// It was chosen.
        Chosen = "chosen",
    }
}

/// Why an action dropped out, as data.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Why<'r> {
    Group,
    Channel,
    NotYet(Moment),
    Over,
    Consent(crate::domain::consent::Denial),
    Condition(&'r Condition, Truth),
    AlreadyGiven,
    AskedBefore(Moment),
    NeverAskAgain,
    NothingToGain,
    /// A consent ask that is not scored yet, and the sensitivity of its conditions.
    Asking(f64),
    Limit(&'r Limit, Moment),
    Quiet(Option<Moment>),
    Text(&'r str),
    Gap(f64),
    Excluded(ActionId),
    Outranked(f64),
    Chosen,
}

/// The result for one action.
#[derive(Debug, Clone)]
pub(crate) struct Judgement<'r> {
    pub action: &'r Action,
    pub gate: Gate,
    pub why: Why<'r>,
    pub score: Option<Score>,
}

impl<'r> Judgement<'r> {
    pub(crate) fn dropped(action: &'r Action, gate: Gate, why: Why<'r>) -> Self {
        Self { action, gate, why, score: None }
    }

    /// The place in the rules that decided it.
    pub(crate) fn span(&self) -> Span {
        match self.why {
            Why::Condition(condition, _) => condition.span(),
            Why::Limit(limit, _) => limit.span,
            _ => self.action.span,
        }
    }
}

/// A decision without texts and reasons.
pub(crate) struct Weighed<'r> {
    pub judgements: Vec<Judgement<'r>>,
    /// Indices of the chosen actions in `judgements`, best first.
    pub chosen: SmallVec<[usize; 4]>,
    /// The actions without a judgement, counted by gate.
    pub counted: Counted,
}

/// Counts of actions of which only the gate is stored.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    gates: [u32; Gate::ALL.len()],
    /// The action that passed the most gates; the first of equals.
    pub nearest: Option<(Gate, ActionId)>,
}

impl Counted {
    fn add(&mut self, gate: Gate, action: ActionId) {
        if let Some(count) = self.gates.get_mut(gate as usize) {
            *count += 1;
        }
        if self.nearest.is_none_or(|(nearest, _)| gate > nearest) {
            self.nearest = Some((gate, action));
        }
    }

    /// Removes one, because it now has a judgement.
    fn take(&mut self, gate: Gate) {
        if let Some(count) = self.gates.get_mut(gate as usize) {
            *count = count.saturating_sub(1);
        }
    }
}

/// Picks the next best actions for one customer now, or silence.
#[must_use]
pub fn decide(rules: &RuleSet, subject: Subject<'_>, request: &Request<'_>, now: Moment) -> Decision {
    let situation = Situation { channel: Some(request.channel), ..request.situation };
    let scene = Scene::new(rules, subject, situation, now);
    let mut views = engagement::Views::new(&scene);
    let mut outcome = match request.explain {
        Explain::Chosen => weigh::score_candidates(&scene, request, &mut views, None),
        Explain::Funnel | Explain::Full => weigh::score_all(&scene, request, &mut views),
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
        weigh::add_runners_up(&mut outcome, &scene, request, &mut views);
        silence::explain(&scene, &outcome)
    });
    let retry_after = silence.as_ref().and_then(|silence| silence.retry_after).unwrap_or(Moment::DISTANT_FUTURE);
    Decision {
        silence,
        purposes_used,
        ledger_position: subject.standing.position(),
        valid_until: choose::valid_until(&scene, request.channel, &outcome).min(retry_after),
        history_truncated: truncated(&scene),
        explanation: explain::explain(&scene, request, &outcome, &mut views),
        actions,
    }
}

fn truncated(scene: &Scene<'_>) -> bool {
    let oldest_asked = scene.now - scene.rules.horizon;
    let relation = scene.subject.state.relation();
    let events = relation.forgotten_events.filter(|(_, purposes)| !purposes.intersection(scene.lawful).is_empty());
    events.map(|(at, _)| at).max(relation.forgotten).is_some_and(|forgotten| forgotten > oldest_asked)
}
