//! What can become of one action in an interval of time in which nothing is recorded, no grant ends and no stage times
//! out.
//!
//! Every gate is looked at for the whole interval: it may pass the action, stop it, or do either. Of what only rises or
//! only falls it is enough to know both ends: limits, cool-downs, the cooling-off of an ask, pressure and hurt.

use smallvec::SmallVec;

use super::answer::Chosen;
use super::arbitrate;
use super::ask;
use super::choose::{Scored, better, reasons, threshold};
use super::engagement::{self, Engaged, Views};
use super::gate::Gate;
use super::judgement::{Weighed, Why};
use super::pass::{Gates, offered, pass};
use super::request::Case;
use crate::domain::id::PurposeId;
use crate::domain::model::{Action, Template};
use crate::domain::scoring::{Score, Term};
use crate::domain::value::Possible;
use crate::domain::view::{During, Scene};

/// What can become of an action.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outlook {
    pub gates: Gates,
    /// Its score at the worst, if it comes to a score.
    pub low: Score,
    /// Its score at best.
    pub high: Score,
}

/// Against how many of the best scored actions a gain is held.
const RIVALS: usize = 8;
/// Scores that differ by less may be in another order at another moment: sums are rounded.
pub(crate) const ROUNDING: f64 = 1e-9;

impl Outlook {
    /// Whether it can score above the threshold.
    pub fn can_be_said(&self) -> bool {
        self.gates.any(|gate| gate == Gate::Chosen)
    }

    /// Whether it surely scores above the threshold.
    pub fn is_sayable(&self) -> bool {
        !self.gates.any(|gate| gate != Gate::Chosen)
    }

    /// The most that it may score; 0 if it does not come to a score.
    pub fn best(&self) -> f64 {
        let scored = self.gates.any(|gate| matches!(gate, Gate::Chosen | Gate::BelowThreshold));
        if scored { self.high.total } else { 0.0 }
    }

    /// Whether the score surely is above another one at every moment: pressure is the same for both, and so is hurt for
    /// two actions of which both or neither help. Of two that are alike, the one that comes first by name is above.
    pub fn is_above(&self, other: &Self, equally_hurt: bool, comes_first: bool) -> bool {
        let without = |score: &Score| {
            let hurt = if equally_hurt { score.get(Term::Hurt) } else { 0.0 };
            score.total + score.get(Term::Pressure) + hurt
        };
        let parts = |score: &Score| [score.get(Term::Relevance), score.personal];
        let alike = equally_hurt && self.low == other.low && self.high == other.high;
        comes_first && alike && parts(&self.low) == parts(&self.high)
            || without(&self.low) > without(&other.high) + ROUNDING
    }
}

/// What is asked about, and what it came to at the beginning.
pub(crate) struct Asked<'i> {
    pub case: Case<'i, 'i>,
    pub weighed: &'i Weighed<'i>,
    /// The best scored actions, against which a gain is held.
    pub rivals: [Option<&'i Action>; RIVALS],
    /// The best score that another action may have.
    pub best_other: f64,
}

impl<'i> Asked<'i> {
    pub fn new(case: Case<'i, 'i>, weighed: &'i Weighed<'i>) -> Self {
        let others = weighed.judgements.iter().filter(|judgement| judgement.action.asks.is_none());
        let asks = case.scene.rules.index.asks;
        let mut scored: SmallVec<[Scored<'_>; RIVALS + 1]> = SmallVec::new();
        for other in others.filter(|_| asks).filter_map(Scored::of) {
            scored.push(other);
            if scored.len() > RIVALS {
                scored.sort_by(|a, b| better(a, b, case.scene));
                scored.truncate(RIVALS);
            }
        }
        let mut best = scored.into_iter().map(|scored| scored.action);
        Self { case, weighed, rivals: std::array::from_fn(|_| best.next()), best_other: 0.0 }
    }
}

/// One question, at every moment from the first to the last.
pub(crate) struct Interval<'i, 'f, 'l> {
    pub asked: &'i Asked<'i>,
    /// The first moment, and the last one.
    pub scenes: [&'i Scene<'i>; 2],
    /// The facts at the first moment.
    pub first: &'i mut Views<'f>,
    /// The facts at the last moment, if they may be others.
    pub last: Option<&'i mut Views<'l>>,
}

impl<'f, 'l> Interval<'_, 'f, 'l> {
    /// The facts that a purpose may read.
    pub fn during(&mut self, purpose: PurposeId) -> During<'_, 'f, 'l> {
        let last = self.last.as_mut().map(|last| last.of(purpose));
        During { scenes: self.scenes, first: self.first.of(purpose), last, open: None }
    }

    /// The score of an action at the decision, if all facts stay as they were then. What an ask gains may change.
    fn known(&self, action: &Action) -> Option<Score> {
        let mut judgements = self.asked.weighed.judgements.iter();
        let stays = self.last.is_none() && action.asks.is_none();
        judgements.find(|judgement| stays && judgement.action.id == action.id)?.score
    }

    /// What can become of an action.
    pub fn outlook(&mut self, action: &Action) -> Outlook {
        let (mut outlook, mut extra) = (Outlook::default(), [0.0; 2]);
        let (request, gates) = (self.asked.case.request, &mut outlook.gates);
        if engagement::denial(action.purpose, self.scenes[0]).is_some() {
            if gates.admit(Gate::Dates, offered(action, request, &self.during(action.purpose))) {
                gates.add(Gate::Consent);
            }
            return outlook;
        }
        if ask::is_closed(action, self.scenes[0]) {
            gates.add(Gate::Ask);
            return outlook;
        }
        let known = self.known(action);
        let during = self.during(action.purpose);
        let Some(sensitivity) = pass(action, request, &during, gates, known.is_some()) else { return outlook };
        if let Some(asked) = action.asks {
            let is_open =
                |scene| matches!(ask::pending(&Engaged { action, sensitivity: 0.0 }, scene).why, Why::Asking(_));
            let [first, last] = self.scenes.map(is_open);
            if !gates.admit(Gate::Ask, Possible { holds: last, fails: !first, unknown: false }) {
                return outlook;
            }
            extra = self.gain(asked);
            if !gates.admit(Gate::Ask, asks(action, &self.during(action.purpose), extra)) {
                return outlook;
            }
        }
        let during = self.during(action.purpose);
        let treatment = action.treatments.get(request.channel);
        if known.is_none() && treatment.is_some_and(|treatment| treatment.text.missing(during.first).is_some()) {
            gates.add(Gate::Text);
            return outlook;
        }
        let [low, high] = match known {
            Some(score) => during.scenes.map(|scene| arbitrate::again(action, &score, scene)),
            None => arbitrate::range(action, sensitivity, &during, request.channel, extra),
        };
        let threshold = threshold(during.first.scene);
        if low.total <= threshold {
            gates.add(Gate::BelowThreshold);
        }
        if high.total > threshold {
            gates.add(Gate::Chosen);
        }
        Outlook { low, high, ..outlook }
    }

    /// What the consent to a purpose would gain, at least and at most.
    fn gain(&mut self, asked: PurposeId) -> [f64; 2] {
        let mut now = [0.0, self.asked.best_other];
        for rival in self.asked.rivals.iter().flatten() {
            let outlook = self.outlook(rival);
            now[1] = now[1].max(outlook.high.total);
            if !outlook.gates.any(|gate| gate != Gate::Chosen && gate != Gate::BelowThreshold) {
                now[0] = now[0].max(outlook.low.total);
            }
        }
        let then = ask::best_then(self.asked.case.request, &self.during(asked));
        [(then[0] - now[1]).max(0.0), (then[1] - now[0]).max(0.0)]
    }

    /// Whether an action is said in the same words as in an answer, if it is said.
    pub fn says_same(&mut self, action: &Action, answer: &Chosen) -> bool {
        if self.last.is_none() {
            return true;
        }
        let (channel, now) = (self.asked.case.request.channel, self.asked.case.scene.now);
        let during = self.during(action.purpose);
        let treatment = action.treatments.get(channel);
        let differs = || {
            let text = treatment.and_then(|treatment| treatment.text.fill(during.first).ok());
            text.as_ref() != Some(&answer.text) || reasons(action, during.first) != answer.because
        };
        // At the moment of the answer, its words are those of the answer.
        if during.first.scene.now != now && differs() {
            return false;
        }
        let same = |words: &Template| words.facts().all(|fact| during.reads_same(fact));
        let said = treatment.is_none_or(|treatment| same(&treatment.text));
        let mut reasons = action.relevance.add.iter().filter(|points| points.points > 0.0);
        said && reasons.all(|points| {
            let Some(because) = &points.because else { return true };
            let truth = points.when.prospect(&during).truth;
            !truth.holds || truth.is_sure() && same(because)
        })
    }
}

/// Whether an ask has something to gain, or points of its own.
fn asks(action: &Action, during: &During<'_, '_, '_>, [least, most]: [f64; 2]) -> Possible {
    let gains = Possible { holds: most > 0.0, fails: least <= 0.0, unknown: false };
    let own = action.relevance.add.iter().filter(|points| points.points > 0.0);
    own.fold(gains, |asks, points| asks.or(points.when.prospect(during).truth))
}
