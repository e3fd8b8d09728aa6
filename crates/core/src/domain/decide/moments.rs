//! The moments that an answer names: until when it is the same, and when something would be said.
//!
//! There is one mechanism. What an answer rests on is looked at over an interval of time (`outlook`): it surely stays, or
//! it may change. An interval in which something may change is split, down to a millisecond, until the first moment is
//! found. Where a grant ends or a stage times out, the customer is settled and the question is decided again.

use std::cell::Cell;
use std::iter;

use smallvec::SmallVec;

use super::answer::{Chosen, Decision, SilenceReason};
use super::choose::exclude;
use super::contact;
use super::engagement::{self, Views};
use super::gate::Gate;
use super::judgement::{Judgement, Weighed};
use super::nearness::{class, nearness_of};
use super::outlook::{Asked, Interval, Outlook, ROUNDING};
use super::request::{Case, Explain, Request};
use crate::domain::id::ActionId;
use crate::domain::index::PurposeIndex;
use crate::domain::model::Action;
use crate::domain::scoring::{Score, Term};
use crate::domain::time::{Moment, Period, first_moment};
use crate::domain::transition::{Terms, next_change, settle};
use crate::domain::view::{Scene, Subject};

/// An answer is valid for no longer than this.
const LONGEST: Period = Period::DAY;
/// How many intervals are looked at for one answer; after that, what may change counts as changed.
const MOST_INTERVALS: u32 = 512;
/// How many grants and stages may end before the moments that an answer names.
pub(crate) const MOST_CHANGES: u8 = 32;
/// Of how many actions that could be the reason of a silence it is seen how long they are.
const HOLDERS: usize = 8;

/// Actions that may become the answer: few, as a rule.
type Candidates<'s> = SmallVec<[&'s Action; 16]>;

/// When an answer ends, and when to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moments {
    pub valid_until: Moment,
    /// When something would be said; only for a silence.
    pub retry_after: Option<Moment>,
}

/// How far an answer looks.
pub(crate) struct Within<'w> {
    /// `retry_after` is before this moment.
    pub before: Moment,
    /// How many more grants and stages may end until then.
    pub changes: u8,
    /// Decides after one of them has ended.
    pub again: &'w dyn Fn(Subject<'_>, &Request<'_>, Moment) -> Decision,
}

/// The moments of an answer.
pub(crate) fn of<'r>(
    case: Case<'r, 'r>,
    views: &mut Views<'_>,
    weighed: &'r Weighed<'r>,
    decision: &Decision,
    within: Within<'_>,
) -> Moments {
    let Within { before, changes, again } = within;
    let scene = case.scene;
    let Subject { state, standing, ledger_trusted, .. } = scene.subject;
    let terms = Terms { rules: scene.rules, standing, ledger_trusted, now: scene.now };
    // A stage that no rule reads may end unseen.
    let is_read = |journey| scene.rules.journeys_read.contains(&journey);
    let change = scene.lawful_until.min(next_change(state, terms, is_read));
    let day = scene.now + LONGEST;
    let mut search = Search { asked: Asked::new(case, weighed), left: Cell::new(MOST_INTERVALS) };
    let [other, said] = match &decision.silence {
        None => [search.another_answer(views, &decision.actions, change.min(day)), None],
        Some(silence) => search.another_silence(views, silence.reason, [change.min(day), change.min(before)]),
    };
    let ends = if decision.silence.is_some() { day.max(before) } else { day };
    if said.is_some() || other.is_some() && decision.silence.is_none() || change >= ends {
        let found = other.into_iter().chain(said).min();
        return Moments { valid_until: found.unwrap_or(day).min(day), retry_after: said };
    }
    let in_time = Some(change).filter(|change| *change < before);
    if changes == 0 {
        let retry_after = decision.silence.as_ref().and(in_time);
        return Moments { valid_until: other.unwrap_or(change).min(day), retry_after };
    }
    let mut state = state.clone();
    settle(&mut state, Terms { now: change, ..terms });
    let request = Request { explain: Explain::Chosen, ..*case.request };
    let subject = Subject { state: &state, ..scene.subject };
    let then = again(subject, &request, change);
    let retry_after = match &then.silence {
        None => in_time,
        Some(silence) => silence.retry_after,
    };
    let same = if then.is_same(decision) { then.valid_until } else { change };
    Moments { valid_until: other.unwrap_or(same).min(day), retry_after }
}

/// The search for one answer's moments.
struct Search<'s> {
    asked: Asked<'s>,
    left: Cell<u32>,
}

impl<'s> Search<'s> {
    /// The first moment before `end` at which something may be for one of the items.
    fn earliest<T: Copy>(
        &self,
        views: &mut Views<'_>,
        end: Moment,
        items: impl IntoIterator<Item = T>,
        may: impl Fn(&mut Interval<'_, '_, '_>, T) -> bool,
    ) -> Option<Moment> {
        let (scene, to) = (self.asked.case.scene, end - Period(1));
        let mut items: SmallVec<[T; 8]> = items.into_iter().collect();
        if to < scene.now || items.is_empty() {
            return None;
        }
        let asked = &self.asked;
        // While the facts of the decision stay, they need not be read again.
        let mut look = |scenes: [&Scene<'_>; 2], first: Option<&mut Views<'_>>, last: &mut Views<'_>, item| {
            let stays = || scene.stays_until(scenes[1].now);
            let known = stays().then(|| may(&mut Interval { asked, scenes, first: views, last: None }, item));
            match (known.filter(|_| stays()), first) {
                (Some(may), _) => may,
                (None, Some(first)) => may(&mut Interval { asked, scenes, first, last: Some(last) }, item),
                (None, None) => may(&mut Interval { asked, scenes, first: views, last: Some(last) }, item),
            }
        };
        let whole = scene.at(to);
        let mut last = Views::new(&whole);
        items.retain(|item| look([scene, &whole], None, &mut last, *item));
        if items.is_empty() {
            return None;
        }
        first_moment(scene.now, to, &mut |from, to| {
            self.left.set(self.left.get().saturating_sub(1));
            let (from, to) = (scene.at(from), scene.at(to));
            let (mut first, mut last) = (Views::new(&from), Views::new(&to));
            let may = |item: &T| look([&from, &to], Some(&mut first), &mut last, *item);
            (self.left.get() == 0 || items.iter().any(may)).then(|| from.next_change())
        })
    }

    /// The first moment before `end` at which other actions may be chosen, or be said in other words.
    fn another_answer(&mut self, views: &mut Views<'_>, answers: &[Chosen], end: Moment) -> Option<Moment> {
        let chosen: SmallVec<[&Action; 4]> = self.chosen().collect();
        if end > self.asked.case.scene.now && chosen.iter().any(|action| action.asks.is_some()) {
            self.find_rivals(views, end);
        }
        let better = iter::once(None).chain(chosen.iter().copied().map(Some));
        let ranked = chosen.iter().copied().zip(better).zip(answers);
        let changed = self.earliest(views, end, ranked, |interval, ((action, better), answer)| {
            let outlook = interval.outlook(action);
            let falls = better.is_some_and(|better| !is_above(interval, better, (action, &outlook)));
            falls || !outlook.is_sayable() || !interval.says_same(action, answer)
        });
        let end = changed.unwrap_or(end);
        if end <= self.asked.case.scene.now {
            return changed;
        }
        let others = self.candidates(views, end, &chosen);
        self.earliest(views, end, &others, |interval, other| may_enter(interval, other, &chosen)).or(changed)
    }

    /// The first moment before the first of two at which there may be another reason to be silent, and the first before
    /// the second at which something would be said.
    fn another_silence(&self, views: &mut Views<'_>, reason: SilenceReason, ends: [Moment; 2]) -> [Option<Moment>; 2] {
        let ([near, far], scene) = (ends, self.asked.case.scene);
        let nearest = self.asked.weighed.judgements.iter().map(|judgement| class(nearness_of(judgement, scene))).max();
        let fixed = matches!(reason, SilenceReason::Restricted | SilenceReason::Degraded);
        let now = if fixed { u8::MAX } else { nearest.unwrap_or(0) };
        let candidates = self.candidates(views, far.max(near), &[]);
        let said = self.earliest(views, far, &candidates, |interval, action| interval.outlook(action).can_be_said());
        let near = near.min(said.unwrap_or(near));
        let rises = |gate: Gate| class(gate.nearness()) > now;
        // Something may be said later than anybody asked when to come back.
        let nearer = self.earliest(views, near, &candidates, |interval, action| {
            let outlook = interval.outlook(action);
            outlook.can_be_said() || outlook.gates.any(rises)
        });
        let near = near.min(nearer.unwrap_or(near));
        // The reason ends with the last action that gives it.
        let holders = self.asked.weighed.judgements.iter();
        let holders = holders.filter(|judgement| now > 0 && class(nearness_of(judgement, scene)) == now);
        let holders: Candidates<'_> = holders.take(HOLDERS).map(|judgement| judgement.action).collect();
        let falls = |gate: Gate| class(gate.nearness()) < now;
        let gone = self.earliest(views, near, [&holders].into_iter().filter(|all| !all.is_empty()), |interval, all| {
            all.iter().all(|action| interval.outlook(action).gates.any(falls))
        });
        [gone.or(nearer), said]
    }

    fn chosen(&self) -> impl Iterator<Item = &'s Action> {
        let weighed = self.asked.weighed;
        weighed.chosen.iter().filter_map(|index| weighed.judgements.get(*index)).map(|judgement| judgement.action)
    }

    /// The actions that may come nearer to being said before `end`, and are not chosen now; without those that stay below
    /// the chosen ones of a full answer, by their score or their upper bound.
    fn candidates(&self, views: &mut Views<'_>, end: Moment, chosen: &[&'s Action]) -> Candidates<'s> {
        let Asked { case: Case { scene, request }, weighed, .. } = self.asked;
        let actions = &scene.rules.actions;
        let worst = weighed.chosen.last().filter(|_| chosen.len() >= request.max_actions);
        let worst = worst.and_then(|index| weighed.judgements.get(*index));
        let is_chosen = |id: ActionId| chosen.iter().any(|action| action.id == id);
        let stays = scene.stays_until(end - Period(1));
        let starts = scene.rules.index.starts_between(scene.now, end).filter_map(|id| actions.get(id));
        // What begins is among the others, unless its purpose is denied or it was only counted.
        let is_missing = |action: &&Action| {
            stays && request.explain == Explain::Funnel || engagement::denial(action.purpose, scene).is_some()
        };
        let mut candidates: Candidates<'_> = starts.filter(is_missing).collect();
        // An ask may fall below what it kept from being evaluated.
        if stays && chosen.iter().all(|action| action.asks.is_none()) {
            // What a condition ruled out stays so, and the index leaves the actions that it left for the decision.
            let worst = worst.and_then(|worst| worst.score);
            let best = |score: &Score| score.total + score.get(Term::Pressure) + score.get(Term::Hurt);
            let is_out = |judgement: &&Judgement<'_>| {
                let Judgement { action, gate, score, .. } = judgement;
                let is_ruled_out = *gate != Gate::Dates && *gate < Gate::Limit;
                let stays_below = score.as_ref().is_some_and(|score| is_below(best(score), worst.as_ref()));
                is_ruled_out || is_chosen(action.id) || action.asks.is_none() && stays_below
            };
            let others = weighed.judgements.iter().filter(|judgement| !is_out(judgement));
            candidates.extend(others.map(|judgement| judgement.action));
            return candidates;
        }
        self.whole(views, end, |interval| {
            let worst = worst.map(|worst| interval.outlook(worst.action).low);
            survivors(interval, chosen, worst.as_ref(), |id| candidates.extend(actions.get(id)));
        });
        candidates
    }

    /// Finds what an ask's gain may be held against before `end`: also actions that a limit stops now.
    fn find_rivals(&mut self, views: &mut Views<'_>, end: Moment) {
        let Asked { case: Case { scene, .. }, rivals, .. } = self.asked;
        let (actions, best) = (&scene.rules.actions, rivals.first().copied().flatten());
        let mut found = self.whole(views, end, |interval| {
            let best = best.map(|best| interval.outlook(best).low);
            let mut ids: SmallVec<[ActionId; 16]> = SmallVec::new();
            survivors(interval, &[], best.as_ref(), |id| ids.push(id));
            let others = ids.into_iter().filter_map(|id| actions.get(id)).filter(|action| action.asks.is_none());
            let scored = others.map(|action| (interval.outlook(action).best(), action));
            scored.filter(|(best, _)| *best > 0.0).collect::<SmallVec<[_; 16]>>()
        });
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut found = found.into_iter();
        self.asked.rivals = std::array::from_fn(|_| found.next().map(|(_, action)| action));
        self.asked.best_other = found.next().map_or(0.0, |(best, _)| best);
    }

    /// Looks at the whole time until `end`, which is after the decision.
    fn whole<T>(&self, views: &mut Views<'_>, end: Moment, look: impl FnOnce(&mut Interval<'_, '_, '_>) -> T) -> T {
        let scene = self.asked.case.scene;
        let whole = scene.at(end - Period(1));
        let mut last = Views::new(&whole);
        look(&mut Interval { asked: &self.asked, scenes: [scene, &whole], first: views, last: Some(&mut last) })
    }
}

/// Names the actions that the index leaves in an interval, without those that surely stay below the worst of the chosen
/// ones.
fn survivors(
    interval: &mut Interval<'_, '_, '_>,
    chosen: &[&Action],
    worst: Option<&Score>,
    mut found: impl FnMut(ActionId),
) {
    let Case { scene, request } = interval.asked.case;
    for index in lawful(scene, request) {
        let mut kept = None;
        for survivor in index.shard.survivors_during(request.channel, &interval.during(index.purpose)) {
            if is_below(survivor.promise.points - scene.interruption(), worst) {
                break;
            }
            // Of equal upper bounds, the first by name that reaches it stays above the others.
            let is_kept = |low: &Score| survivor.promise.is_kept(low.get(Term::Relevance), low.personal);
            if chosen.iter().any(|action| action.id == survivor.action) {
                kept = worst.filter(|low| is_kept(low)).map(|_| survivor.promise);
            } else if kept != Some(survivor.promise) {
                found(survivor.action);
            }
        }
    }
}

/// Whether points are below a score without its pressure.
fn is_below(best: f64, worst: Option<&Score>) -> bool {
    worst.is_some_and(|worst| best < worst.total + worst.get(Term::Pressure) - ROUNDING)
}

/// The purposes that may be served and have actions on the channel.
fn lawful<'s>(scene: &'s Scene<'s>, request: &Request<'_>) -> impl Iterator<Item = &'s PurposeIndex> {
    let channel = request.channel;
    let on_channel = move |index: &&PurposeIndex| index.lineups.get(channel).is_some();
    let purposes = scene.rules.index.purposes.iter().filter(on_channel);
    purposes.filter(|index| engagement::denial(index.purpose, scene).is_none())
}

/// Whether an action surely scores above another one.
fn is_above(interval: &mut Interval<'_, '_, '_>, action: &Action, (other, outlook): (&Action, &Outlook)) -> bool {
    let name = |action: &Action| interval.asked.case.scene.rules.vocabulary.name(action.id);
    let comes_first = name(action) < name(other);
    interval.outlook(action).is_above(outlook, action.kind.helps() == other.kind.helps(), comes_first)
}

/// Whether an action that is not chosen may be chosen.
fn may_enter(interval: &mut Interval<'_, '_, '_>, action: &Action, chosen: &[&Action]) -> bool {
    let outlook = interval.outlook(action);
    if !outlook.can_be_said() {
        return false;
    }
    let above = |better: &&Action| is_above(interval, better, (action, &outlook));
    let above: SmallVec<[&Action; 4]> = chosen.iter().copied().filter(above).collect();
    let request = interval.asked.case.request;
    let limited = || contact::limit(action, interval.scenes[1], request.channel, &above).is_some();
    let excluded = above.iter().any(|better| exclude(better, action));
    above.len() < request.max_actions && !excluded && (above.is_empty() || !limited())
}
