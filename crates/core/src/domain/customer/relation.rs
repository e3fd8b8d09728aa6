//! The relation between a customer and us: journeys, contacts and outcomes.

use jiff::tz::TimeZone;

use super::contact::{Contact, DecisionKey, OutcomeEntry};
use crate::domain::action::{ActionOutcome, Outcome};
use crate::domain::id::{ActionId, JourneyId, PurposeId, PurposeSet, StageId};
use crate::domain::time::Moment;

/// How many contacts, and how many outcomes, are kept for one customer.
pub const MOST_CONTACTS: usize = 256;

/// How many contacts that do not count are kept for one customer.
pub const MOST_LAPSED: usize = 32;

/// Where the customer is in one journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JourneyState {
    /// Which journey.
    pub journey: JourneyId,
    /// Which stage.
    pub stage: StageId,
    /// When the journey began.
    pub started: Moment,
    /// When the stage was entered.
    pub entered: Moment,
    /// The purpose whose data moved it.
    pub purpose: PurposeId,
}

/// Where the customer was in a journey before a step of the last minutes: an event that arrives late may lead elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastStage {
    /// Which journey.
    pub journey: JourneyId,
    /// The purpose whose data moved it.
    pub purpose: PurposeId,
    /// Where the customer was; `None` before it began.
    pub state: Option<JourneyState>,
    /// When the customer went on.
    pub until: Moment,
    /// Whether attributes led on, and no event.
    pub by_attributes: bool,
}

/// Allocated only for customers with a contact or a journey. Most have one or two of each, so lists grow by one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Relation {
    /// Journeys begun.
    pub journeys: Vec<JourneyState>,
    /// Contacts, oldest first.
    pub contacts: Vec<Contact>,
    /// Outcomes, oldest first.
    pub outcomes: Vec<OutcomeEntry>,
    /// The customer's time zone.
    pub zone: Option<TimeZone>,
    /// The moment of the newest contact or outcome that was dropped for lack of room.
    pub forgotten: Option<Moment>,
    /// Contacts before this moment are lost: a limit whose window reaches back past it counts as used up.
    pub lost: Option<Moment>,
    /// The newest event that was dropped for lack of room: its moment, and the purposes that could read it.
    pub forgotten_events: Option<(Moment, PurposeSet)>,
    /// The steps of the last minutes, oldest first.
    pub past_stages: Vec<PastStage>,
}

impl Relation {
    /// The relation of an unknown customer.
    pub const NONE: Self = Self {
        journeys: Vec::new(),
        contacts: Vec::new(),
        outcomes: Vec::new(),
        zone: None,
        forgotten: None,
        lost: None,
        forgotten_events: None,
        past_stages: Vec::new(),
    };

    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Where the customer is in a journey, if it has begun.
    #[must_use]
    pub fn journey(&self, id: JourneyId) -> Option<&JourneyState> {
        self.journeys.iter().find(|state| state.journey == id)
    }

    /// Takes a step in a journey, and notes where the customer was.
    pub fn step(&mut self, to: JourneyState, by_attributes: bool) {
        let state = self.journey(to.journey).copied();
        let (journey, purpose, until) = (to.journey, to.purpose, to.entered);
        self.past_stages.push(PastStage { journey, purpose, state, until, by_attributes });
        self.set_journey(to);
    }

    /// Goes back in a journey to a moment. Returns the moments after it at which attributes led on.
    pub fn go_back(&mut self, journey: JourneyId, to: Moment) -> Vec<Moment> {
        let is_undone = |past: &PastStage| past.journey == journey && past.until > to;
        let Some(first) = self.past_stages.iter().find(|past| is_undone(past)).copied() else { return Vec::new() };
        let undone = self.past_stages.iter().filter(|past| is_undone(past) && past.by_attributes);
        let looked = undone.map(|past| past.until).collect();
        self.past_stages.retain(|past| !is_undone(past));
        match first.state {
            Some(state) => self.set_journey(state),
            None => self.journeys.retain(|held| held.journey != journey),
        }
        looked
    }

    /// Puts the customer at a stage.
    pub fn set_journey(&mut self, state: JourneyState) {
        match self.journeys.iter_mut().find(|held| held.journey == state.journey) {
            Some(held) => *held = state,
            None => {
                self.journeys.reserve_exact(1);
                self.journeys.push(state);
            }
        }
    }

    /// Adds a contact at its place in time.
    pub fn add_contact(&mut self, contact: Contact) {
        let place = self.contacts.partition_point(|held| held.at <= contact.at);
        // Most customers have one or two; those with many decisions need not move all of them at each.
        if self.contacts.len() == self.contacts.capacity() {
            self.contacts.reserve_exact(1 + self.contacts.len() / 2);
        }
        self.contacts.insert(place, contact);
        if self.contacts.len() > MOST_CONTACTS {
            self.forget_contact();
        }
    }

    /// Forgets the oldest contacts that do not count, so that those that are left are few.
    pub fn forget_lapsed(&mut self, now: Moment) {
        if self.contacts.len() <= MOST_LAPSED {
            return;
        }
        let mut spare = self.contacts.iter().filter(|contact| !contact.counts(now)).count().saturating_sub(MOST_LAPSED);
        self.contacts.retain(|contact| {
            let goes = spare > 0 && !contact.counts(now);
            spare -= usize::from(goes);
            !goes
        });
    }

    /// The place of the contact to which an outcome belongs: that of its decision and action; or without a decision the
    /// newest one of the action that is open for it, on the channel if the outcome names one.
    #[must_use]
    pub fn find_contact(
        &self,
        (decision, action): (DecisionKey, ActionId),
        is_open: impl Fn(&Contact) -> bool,
    ) -> Option<usize> {
        self.contacts.iter().rposition(|contact| {
            let meant =
                if decision == DecisionKey::default() { is_open(contact) } else { contact.decision == decision };
            meant && contact.action == action
        })
    }

    /// Removes the contacts of a decision, or that of one of its actions, so that they no longer count. One that an
    /// outcome belongs to stays: the customer saw the action.
    pub fn withdraw(&mut self, decision: DecisionKey, action: Option<ActionId>) {
        let is_meant = |held: &Contact| held.decision == decision && action.is_none_or(|id| held.action == id);
        self.contacts.retain(|held| !is_meant(held) || held.was_seen());
    }

    /// Adds an outcome at its place in time.
    pub fn add_outcome(&mut self, entry: OutcomeEntry) {
        let place = self.outcomes.partition_point(|held| held.at <= entry.at);
        self.outcomes.reserve_exact(1);
        self.outcomes.insert(place, entry);
        if self.outcomes.len() > MOST_CONTACTS {
            let what = |entry: &OutcomeEntry| ActionOutcome { action: entry.action, outcome: entry.outcome };
            let count = |of: ActionOutcome| self.outcomes.iter().filter(|held| what(held) == of).count();
            let crowded = self.outcomes.iter().map(|held| (count(what(held)), what(held))).max().map(|(_, of)| of);
            if let Some(index) = self.outcomes.iter().position(|held| Some(what(held)) == crowded) {
                let gone = self.outcomes.remove(index);
                self.forgotten = self.forgotten.max(Some(gone.at));
            }
        }
    }

    /// Moments at which an action had an outcome that a purpose may read. `presented` counts contacts.
    pub fn outcome_times(&self, of: ActionOutcome, reader: PurposeId, now: Moment) -> impl Iterator<Item = Moment> {
        let ActionOutcome { action, outcome } = of;
        let presented = outcome == Outcome::Presented;
        let contacts = self
            .contacts
            .iter()
            .rev()
            .filter(move |c| presented && c.action == action && c.counts(now) && c.readable.contains(reader));
        let entries = self
            .outcomes
            .iter()
            .rev()
            .filter(move |e| e.action == action && e.outcome == outcome && e.readable.contains(reader));
        contacts.map(|contact| contact.at).chain(entries.map(|entry| entry.at))
    }

    /// Drops the oldest contact of the action with the most contacts, so that rare actions, which limits are likelier
    /// to watch, are dropped last.
    fn forget_contact(&mut self) {
        // One that does not count is forgotten first, and nobody misses it.
        let newest = self.contacts.last().map_or(Moment::DISTANT_PAST, |contact| contact.at);
        if let Some(lapsed) = self.contacts.iter().position(|held| !held.counts(newest)) {
            self.contacts.remove(lapsed);
            return;
        }
        let count = |action: ActionId| self.contacts.iter().filter(|held| held.action == action).count();
        let most = self.contacts.iter().map(|held| (count(held.action), held.action)).max();
        let crowded = most.and_then(|(_, action)| self.contacts.iter().position(|held| held.action == action));
        if let Some(index) = crowded {
            let gone = self.contacts.remove(index);
            self.forgotten = self.forgotten.max(Some(gone.at));
        }
    }
}
