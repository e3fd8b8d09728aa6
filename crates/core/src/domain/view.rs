//! The facts of a customer that may be read for one purpose at one moment.
//!
//! Rules never read a customer directly, only through a view. A fact that the purpose may not read is unknown there,
//! and a view does not depend on it: neither on its value, nor on its absence, nor does the work done.

mod during;
mod event;
mod fading;
mod steady;

use std::cell::{Cell, OnceCell};

use smallvec::SmallVec;

use crate::domain::action::{ActionOutcome, Outcome};
use crate::domain::consent::{Denial, Stage, Standing, Verdict, lawful};
use crate::domain::customer::{Contact, CustomerState, StoredEvent};
use crate::domain::expr::{Fact, FactId, Facts, NO_STAGE, Node, evaluate};
use crate::domain::id::{AttributeId, ChannelId, ContextId, EventTypeId, JourneyId, PurposeId, PurposeSet};
use crate::domain::model::ACTIVITY;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::{Local, Moment, Period};
use crate::domain::value::{Operand, Truth, Value};

pub use during::During;
pub use event::EventView;
use fading::{Fading, Fadings, left};
use steady::{Steady, always, count, last};

/// One customer at the beginning of a decision or a change.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The stored state.
    pub state: &'a CustomerState,
    /// The standing by the ledger.
    pub standing: &'a Standing,
    /// Whether the ledger can be trusted now; if not, no personal data is read.
    pub ledger_trusted: bool,
    /// Whether contacts can be relied on.
    pub contacts: Contacts,
}

/// Whether the contacts of customers can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contacts {
    /// Whether one that is made now will be known to the next process; if not, no action that a limit counts is chosen.
    pub logged: bool,
    /// Contacts of any customer before this moment may be lost: a limit whose window reaches back past it counts as used
    /// up.
    pub lost: Option<Moment>,
}

impl Default for Contacts {
    fn default() -> Self {
        Self { logged: true, lost: None }
    }
}

/// The question's own facts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Situation<'a> {
    /// Declared context facts.
    pub context: &'a [(ContextId, Value)],
    /// The channel of the conversation, if there is one.
    pub channel: Option<ChannelId>,
}

/// The data that all views of one customer at one moment share.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The rules in force.
    pub rules: &'a RuleSet,
    /// The customer's state and standing.
    pub subject: Subject<'a>,
    /// The question's own facts.
    pub situation: Situation<'a>,
    /// The one reading of the clock.
    pub now: Moment,
    /// The purposes that may be served now.
    pub lawful: PurposeSet,
    /// Until when these are the same, if nothing is recorded.
    pub lawful_until: Moment,
    local: OnceCell<Local>,
    interruption: OnceCell<f64>,
    pressure: OnceCell<f64>,
    hurt: OnceCell<f64>,
    pressing: OnceCell<Fadings>,
    hurting: OnceCell<Fadings>,
    /// Before this moment, each fact that was read so far has the value that it has now, if nothing is recorded.
    facts_until: Cell<Moment>,
    /// The next moment at which a gate that was looked at is known to change.
    next: Cell<Moment>,
    /// Until when each limit of the policy stops actions, computed when first needed.
    pub(crate) pooled: SmallVec<[OnceCell<Option<Moment>>; 4]>,
}

impl<'a> Scene<'a> {
    /// Asks the gate once for every purpose.
    #[must_use]
    pub fn new(rules: &'a RuleSet, subject: Subject<'a>, situation: Situation<'a>, now: Moment) -> Self {
        let mut scene = Self::where_lawful(PurposeSet::EMPTY, rules, subject, situation, now);
        for id in rules.declared.purposes.ids() {
            if let Verdict::Allow { until, .. } = scene.verdict(id, Stage::Evaluation) {
                scene.lawful = scene.lawful.with(id);
                scene.lawful_until = scene.lawful_until.min(until);
            }
        }
        scene
    }

    /// A scene with known lawful purposes, so that the gate is not asked.
    pub(crate) fn where_lawful(
        lawful: PurposeSet,
        rules: &'a RuleSet,
        subject: Subject<'a>,
        situation: Situation<'a>,
        now: Moment,
    ) -> Self {
        Self {
            rules,
            subject,
            situation,
            now,
            lawful,
            lawful_until: Moment::DISTANT_FUTURE,
            local: OnceCell::new(),
            interruption: OnceCell::new(),
            pressure: OnceCell::new(),
            hurt: OnceCell::new(),
            pressing: OnceCell::new(),
            hurting: OnceCell::new(),
            facts_until: Cell::new(Moment::DISTANT_FUTURE),
            next: Cell::new(Moment::DISTANT_FUTURE),
            pooled: rules.policy.limits.iter().map(|_| OnceCell::new()).collect(),
        }
    }

    /// The same customer at another moment until which nothing is recorded, no grant ends and no stage times out.
    #[must_use]
    pub fn at(&self, now: Moment) -> Self {
        let (pressing, hurting) = (self.pressing().clone().into(), self.hurting().clone().into());
        let then = Self::where_lawful(self.lawful, self.rules, self.subject, self.situation, now);
        Self { pressing, hurting, ..then }
    }

    /// Whether each fact that was read so far has one value until a later moment, that included.
    pub(crate) fn stays_until(&self, last: Moment) -> bool {
        last < self.facts_until.get() || last == self.now
    }

    /// The next moment at which a gate that was looked at is known to change.
    pub(crate) fn next_change(&self) -> Moment {
        self.next.get()
    }

    /// Notes that a gate changes at a moment: a limit, quiet hours, the dates of an action, the cooling-off of an ask.
    pub(crate) fn changes_at(&self, at: Moment) {
        if at > self.now {
            self.next.set(self.next.get().min(at));
        }
    }

    /// The gate's answer for a purpose.
    #[must_use]
    pub fn verdict(&self, id: PurposeId, stage: Stage) -> Verdict {
        let verdict = match self.rules.purpose(id) {
            Some(purpose) => lawful(self.subject.standing, id, purpose, stage, self.now),
            None => Verdict::Deny(Denial::Retired),
        };
        if self.subject.ledger_trusted { verdict } else { verdict.distrusted() }
    }

    /// The view for a purpose.
    #[must_use]
    pub fn view(&'a self, purpose: PurposeId) -> View<'a> {
        View {
            scene: self,
            granted: None,
            purpose,
            lawful: self.lawful.contains(purpose),
            pages: (0..self.rules.facts.len().div_ceil(PAGE)).map(|_| OnceCell::new()).collect(),
        }
    }

    /// A context fact, if the channel gave it.
    #[must_use]
    pub fn context(&self, id: ContextId) -> Option<&'a Value> {
        self.situation.context.iter().find(|(known, _)| *known == id).map(|(_, value)| value)
    }

    /// The customer's local time; that of the policy's zone if theirs is unknown.
    pub fn local(&self) -> &Local {
        self.local.get_or_init(|| self.now.local(self.zone()))
    }

    /// A moment as the customer's clock shows it, for people; of a minute that has begun, the next.
    #[must_use]
    pub fn shown(&self, at: Moment) -> String {
        let local = (at + Period(59_999)).local(self.zone());
        let name = self.zone().iana_name().unwrap_or("UTC");
        format!("{} {:02}:{:02} ({name})", local.date, local.hour, local.minute)
    }

    /// The customer's time zone.
    #[must_use]
    pub fn zone(&self) -> &'a jiff::tz::TimeZone {
        self.subject.state.relation().zone.as_ref().unwrap_or(&self.rules.policy.zone)
    }

    /// What it costs the customer to be interrupted here and now.
    pub fn interruption(&self) -> f64 {
        *self.interruption.get_or_init(|| {
            let channel = self.situation.channel.and_then(|id| self.rules.declared.channels.get(id));
            let activity = match self.rules.vocabulary.find(ACTIVITY).and_then(|id| self.context(id)) {
                Some(Value::Text(text)) => Some(text.as_str()),
                _ => None,
            };
            channel.map_or(0.0, |channel| channel.interruption.points(activity))
        })
    }

    /// Contact pressure: Σ weight × 2^(−age / half-life) over every contact that counts.
    pub fn pressure(&self) -> f64 {
        *self.pressure.get_or_init(|| left(self.pressing(), self.now, self.rules.policy.pressure.half_life))
    }

    /// Hurt: Σ points × 2^(−age / half-life) over bad experiences that nothing has repaired since.
    pub fn hurt(&self) -> f64 {
        *self.hurt.get_or_init(|| left(self.hurting(), self.now, self.rules.policy.hurt.half_life))
    }

    /// The contacts that press now, each with the weight of its channel.
    fn pressing(&self) -> &Fadings {
        self.pressing.get_or_init(|| {
            let weights = &self.rules.policy.pressure.per_contact;
            let heaviest = || weights.iter().map(|(_, weight)| *weight).fold(0.0, f64::max);
            let of = |channel: ChannelId| weights.get(channel).copied().unwrap_or(0.0);
            let counted = self.subject.state.relation().contacts.iter().filter(|contact| contact.counts(self.now));
            let points = |channel: Option<ChannelId>| channel.map_or_else(heaviest, of);
            let fading = counted.map(|contact| Fading {
                at: contact.at,
                until: contact.lapses(),
                points: points(contact.channel),
            });
            fading.collect()
        })
    }

    /// The bad experiences that hurt now.
    fn hurting(&self) -> &Fadings {
        self.hurting.get_or_init(|| {
            let hurts = |kind| self.rules.declared.events.get(kind).is_some_and(|kind| kind.hurt > 0.0);
            let some = self.subject.state.events().has(hurts);
            let events = self.readable_events().take_while(|_| some).filter_map(|event| {
                let kind = self.rules.declared.events.get(event.kind)?;
                let fading = Fading { at: event.at, until: event.at + kind.keep, points: kind.hurt };
                (kind.hurt > 0.0 && self.now < fading.until && !self.repaired(&event)).then_some(fading)
            });
            let outcomes = self.subject.state.relation().outcomes.iter().filter_map(|entry| {
                let (_, points) =
                    self.rules.policy.hurt.per_outcome.iter().find(|(known, _)| *known == entry.outcome)?;
                Some(Fading { at: entry.at, until: Moment::DISTANT_FUTURE, points: *points })
            });
            events.chain(outcomes).collect()
        })
    }

    /// Whether an experience is repaired: when it was recorded, or since, or because newer rules let a stored event
    /// repair it.
    pub fn repaired(&self, hurt: &StoredEvent<'_>) -> bool {
        hurt.repaired
            || self.readable_events().take_while(|event| event.at > hurt.at).any(|event| {
                self.rules.declared.events.get(event.kind).is_some_and(|kind| kind.repairs.contains(&hurt.kind))
            })
    }

    /// Events that some purpose may still use, newest first.
    fn readable_events(&self) -> impl Iterator<Item = StoredEvent<'a>> {
        let lawful = self.lawful;
        self.subject.state.events().newest_first().filter(move |event| !event.purposes.intersection(lawful).is_empty())
    }

    /// Events of a type up to this moment are deleted, or will be when the customer is settled.
    fn oldest_kept(&self, kind: EventTypeId) -> Moment {
        self.now - self.keep(kind)
    }

    fn keep(&self, kind: EventTypeId) -> Period {
        self.rules.declared.events.get(kind).map_or(Period::ZERO, |kind| kind.keep)
    }

    /// When a reserved contact of an action stops counting as presented, at the earliest.
    fn lapse(&self, of: ActionOutcome) -> Moment {
        let contacts = self.subject.state.relation().contacts.iter().filter(|contact| contact.action == of.action);
        let lapses = contacts.filter(|contact| of.outcome == Outcome::Presented && contact.counts(self.now));
        lapses.map(Contact::lapses).min().unwrap_or(Moment::DISTANT_FUTURE)
    }
}

/// The facts that one purpose may read; each is computed at most once.
#[derive(Debug)]
pub struct View<'a> {
    /// The customer and the moment.
    pub scene: &'a Scene<'a>,
    /// The purpose that reads.
    pub purpose: PurposeId,
    /// A purpose to which consent is supposed; the facts that it would open stay unknown.
    granted: Option<PurposeId>,
    lawful: bool,
    pages: SmallVec<[OnceCell<Box<Page<'a>>>; 4]>,
}

/// Facts per block of the cache; a block is allocated when its first fact is read. Of thousands of facts, few are read.
const PAGE: usize = 32;

type Page<'a> = [Cell<Option<Steady<'a>>>; PAGE];

impl Facts for View<'_> {
    fn read(&self, fact: FactId) -> Operand<'_> {
        self.steady(fact).0
    }

    fn has(&self, fact: FactId) -> Truth {
        match self.scene.rules.facts.get(fact).map(|entry| &entry.fact) {
            Some(Fact::Attribute(id)) => self.has_attribute(*id),
            Some(Fact::Context(id)) => self.scene.context(*id).is_some().into(),
            _ => Truth::Unknown,
        }
    }
}

impl<'a> View<'a> {
    /// The same view, if there were consent to the purpose.
    #[must_use]
    pub fn granting(self, purpose: PurposeId) -> Self {
        Self { granted: Some(purpose), ..self }
    }

    /// Looks at one event through this view, as filters and journeys do.
    #[must_use]
    pub fn at_event<'v>(&'v self, event: StoredEvent<'v>) -> EventView<'v, 'a> {
        EventView { view: self, event }
    }

    /// A fact, and until when it stays as it is.
    fn steady(&self, fact: FactId) -> Steady<'a> {
        let place = fact.0 as usize;
        let page =
            self.pages.get(place / PAGE).map(|page| page.get_or_init(|| Box::new([const { Cell::new(None) }; PAGE])));
        let slot = page.and_then(|page| page.get(place % PAGE));
        if let Some(known) = slot.and_then(Cell::get) {
            return known;
        }
        let found = self.compute(fact);
        self.scene.facts_until.set(self.scene.facts_until.get().min(found.1));
        if let Some(slot) = slot {
            slot.set(Some(found));
        }
        found
    }

    fn compute(&self, fact: FactId) -> Steady<'a> {
        let scene = self.scene;
        let Some(entry) = scene.rules.facts.get(fact) else { return always(Operand::Unknown) };
        let flows = |value| (value, scene.now);
        let fades =
            |points: f64| (Operand::Number(points), if points == 0.0 { Moment::DISTANT_FUTURE } else { scene.now });
        match &entry.fact {
            Fact::Attribute(id) => always(self.attribute(*id)),
            Fact::Context(id) => always(scene.context(*id).map_or(Operand::Unknown, Value::operand)),
            Fact::EventField(_) | Fact::Action(_) => always(Operand::Unknown),
            Fact::EventCount { event, window, filter } => {
                self.history(|| self.event_count(*event, *window, filter.as_deref()))
            }
            Fact::EventLast { event, filter } => self.history(|| self.event_last(*event, filter.as_deref())),
            Fact::OutcomeCount { action, outcome, window } => {
                let of = ActionOutcome { action: *action, outcome: *outcome };
                self.history(|| {
                    let (count, until) = count(self.outcome_times(of), scene.now, *window);
                    (count, until.min(scene.lapse(of)))
                })
            }
            Fact::OutcomeLast { action, outcome } => {
                let of = ActionOutcome { action: *action, outcome: *outcome };
                self.history(|| (last(self.outcome_times(of).max()), scene.lapse(of)))
            }
            Fact::Stage(id) => self.history(|| always(Operand::Text(self.stage(*id)))),
            Fact::Entered(id) => self.history(|| always(last(self.entered(*id)))),
            Fact::InStageFor(id) => self.history(|| {
                let entered = self.entered(*id);
                entered
                    .map_or(always(Operand::Duration(Period::ZERO)), |at| flows(Operand::Duration(scene.now.since(at))))
            }),
            Fact::ConsentGiven(id) => always(Operand::Flag(scene.lawful.contains(*id) || self.granted == Some(*id))),
            Fact::Pressure => fades(scene.pressure()),
            Fact::Hurt => fades(scene.hurt()),
            Fact::Channel => {
                let name = |id| Operand::Text(scene.rules.vocabulary.name(id));
                always(scene.situation.channel.map_or(Operand::Unknown, name))
            }
            Fact::Now => flows(Operand::Moment(scene.now)),
            Fact::LocalHour => flows(Operand::Number(f64::from(scene.local().hour))),
            Fact::LocalMonth => flows(Operand::Number(f64::from(scene.local().month))),
            Fact::LocalWeekday => flows(Operand::Text(scene.local().weekday)),
            Fact::LocalDate => flows(Operand::Text(&scene.local().date)),
        }
    }

    /// A history that may not be read is unknown; one that may be read is always known.
    fn history(&self, known: impl FnOnce() -> Steady<'a>) -> Steady<'a> {
        if self.lawful { known() } else { always(Operand::Unknown) }
    }

    fn attribute(&self, id: AttributeId) -> Operand<'a> {
        let declared = self.scene.rules.declared.attributes.get(id);
        let held = self.scene.subject.state.attribute(id);
        let personal = declared.is_none_or(|declared| declared.purposes.is_some());
        let may_read = |purposes: PurposeSet| !personal || (self.lawful && purposes.contains(self.purpose));
        held.filter(|held| may_read(held.purposes)).map_or(Operand::Unknown, |held| held.value())
    }

    /// Absence is certain only to a purpose from which nothing can be hidden: one that alone may hold the
    /// fact, or one that was lawful at every moment at which the fact may have been collected.
    fn has_attribute(&self, id: AttributeId) -> Truth {
        let Some(declared) = self.scene.rules.declared.attributes.get(id) else { return Truth::Unknown };
        let held = self.scene.subject.state.attribute(id);
        let Some(purposes) = declared.purposes else { return held.is_some().into() };
        if !self.lawful {
            return Truth::Unknown;
        }
        if held.is_some_and(|held| held.purposes.contains(self.purpose)) {
            return Truth::True;
        }
        let alone = purposes == PurposeSet::of(self.purpose);
        if alone || self.always_lawful() { Truth::False } else { Truth::Unknown }
    }

    fn always_lawful(&self) -> bool {
        let standing = self.scene.subject.standing;
        let never_denied = |id| standing.restriction(id).is_none();
        self.scene.rules.purpose(self.purpose).is_some_and(|purpose| {
            // An erasure counts as an objection until the customer says yes.
            let objected = purpose.stops_on_objection() && standing.was_erased();
            let never_asked = !purpose.basis.needs_consent() && !objected;
            // A no to a wider purpose covers only what can be objected to.
            let covered = purpose.stops_on_objection() && !purpose.ancestors.iter().all(never_denied);
            never_asked && never_denied(self.purpose) && !covered
        })
    }

    fn event_count(&self, kind: EventTypeId, window: Period, filter: Option<&'a Node>) -> Steady<'a> {
        let (now, window) = (self.scene.now, window.min(self.scene.keep(kind)));
        let (count, until) = count(self.events(kind, filter).map(|event| event.at), now, window);
        (count, until.min(self.reads_until(filter)))
    }

    fn event_last(&self, kind: EventTypeId, filter: Option<&'a Node>) -> Steady<'a> {
        let kept = |at: &Moment| *at > self.scene.oldest_kept(kind);
        let at = self.events(kind, filter).next().map(|event| event.at).filter(kept);
        let until = at.map_or(Moment::DISTANT_FUTURE, |at| at + self.scene.keep(kind));
        (last(at), until.min(self.reads_until(filter)))
    }

    /// Until when the facts that a filter reads stay as they are.
    fn reads_until(&self, filter: Option<&Node>) -> Moment {
        let mut until = Moment::DISTANT_FUTURE;
        filter.into_iter().for_each(|filter| filter.visit_facts(&mut |fact| until = until.min(self.steady(fact).1)));
        until
    }

    fn outcome_times(&self, of: ActionOutcome) -> impl Iterator<Item = Moment> {
        self.scene.subject.state.relation().outcome_times(of, self.purpose, self.scene.now)
    }

    /// Events of a type that this purpose may read and the filter keeps, newest first.
    fn events(&self, kind: EventTypeId, filter: Option<&'a Node>) -> impl Iterator<Item = StoredEvent<'a>> {
        let readable = move |event: &StoredEvent<'a>| event.kind == kind && event.purposes.contains(self.purpose);
        let passes = move |event: &StoredEvent<'a>| {
            filter.is_none_or(|filter| evaluate(filter, &EventView { view: self, event: *event }).truth().holds())
        };
        self.scene.subject.state.events().newest_first().filter(readable).filter(passes)
    }

    fn stage(&self, id: JourneyId) -> &'a str {
        self.progress(id).map_or(NO_STAGE, |(stage, _)| stage)
    }

    fn entered(&self, id: JourneyId) -> Option<Moment> {
        self.progress(id).map(|(_, entered)| entered)
    }

    /// The stage of a journey, and when it was entered. One in a stage that reloaded rules no longer declare has not begun.
    fn progress(&self, id: JourneyId) -> Option<(&'a str, Moment)> {
        let state = self.scene.subject.state.relation().journey(id).filter(|state| state.purpose == self.purpose)?;
        let stages = &self.scene.rules.declared.journeys.get(id)?.stages;
        stages.iter().find(|(_, stage)| *stage == state.stage).map(|(name, _)| (name.as_str(), state.entered))
    }
}
