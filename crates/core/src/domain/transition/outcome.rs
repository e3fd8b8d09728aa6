//! Records decisions as contacts, and outcomes.

use super::Terms;
use crate::domain::action::Outcome;
use crate::domain::consent::{Stage, Verdict, lawful};
use crate::domain::customer::contact::DecisionKey;
use crate::domain::customer::{Contact, ContactState, CustomerState, KnownId, OutcomeEntry, OutcomeSet, Seen};
use crate::domain::id::{ActionId, ChannelId, PurposeId, PurposeSet};
use crate::domain::time::Moment;

/// An outcome as it arrives, with names resolved.
#[derive(Debug, Clone, Copy)]
pub struct NewOutcome {
    /// Its id; nothing if it has none.
    pub id: Option<KnownId>,
    /// The decision that presented the action; zero if another system decided.
    pub decision: DecisionKey,
    /// The action that was presented.
    pub action: ActionId,
    /// The channel, if it is known.
    pub channel: Option<ChannelId>,
    /// What the customer did.
    pub outcome: Outcome,
    /// The moment of the outcome, not of its arrival.
    pub at: Moment,
}

/// Reserves the contacts of a decision, in the same critical section as the decision.
pub fn reserve(
    state: &mut CustomerState,
    decision: DecisionKey,
    actions: impl Iterator<Item = ActionId>,
    on: ChannelId,
    terms: Terms<'_>,
) {
    let relation = state.relation_mut();
    relation.forget_lapsed(terms.now);
    let reserve_for = terms.rules.declared.channels.get(on).and_then(|channel| channel.reserve_for);
    let counts = match reserve_for {
        Some(period) => ContactState::Reserved { until: terms.now + period },
        None => ContactState::Counted,
    };
    for action in actions.filter_map(|id| terms.rules.actions.get(id)) {
        relation.add_contact(Contact {
            decision,
            action: action.id,
            kind: action.kind,
            group: action.group,
            channel: Some(on),
            at: terms.now,
            state: counts,
            readable: readable(action.purpose, terms),
            outcomes: OutcomeSet::default(),
        });
    }
}

/// The result of recording an outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RecordedOutcome {
    /// It is recorded: what became of its contact, if it belongs to one, and the entry that it made.
    Applied(Option<Contact>, Option<OutcomeEntry>),
    /// Its id was seen before, or its contact has had this outcome: it counts once.
    Repeated,
    /// Another outcome had its id.
    Reused,
    /// The decision that it names has no contact with this action.
    UnknownContact,
    /// It says that an action was not presented, and there is no contact to take back.
    NothingToTakeBack,
}

/// Records an outcome: confirms its contact or takes it back, and stores the outcome.
pub fn record_outcome(state: &mut CustomerState, new: NewOutcome, terms: Terms<'_>) -> RecordedOutcome {
    match new.id.map_or(Seen::New, |id| state.seen(id)) {
        Seen::New => {}
        Seen::Before => return RecordedOutcome::Repeated,
        Seen::WithAnother => return RecordedOutcome::Reused,
    }
    let decided = new.decision != DecisionKey::default();
    let place = state.relation().find_contact((new.decision, new.action), |contact| is_open(contact, &new, terms.now));
    let contact = place.and_then(|place| state.relation().contacts.get(place)).copied();
    match contact {
        Some(contact) if contact.outcomes.contains(new.outcome) => RecordedOutcome::Repeated,
        Some(contact) => of_contact(state, contact, &new, terms),
        None if new.outcome == Outcome::NotPresented => RecordedOutcome::NothingToTakeBack,
        None if decided => RecordedOutcome::UnknownContact,
        None => report_outcome(state, new, terms),
    }
}

/// An outcome of the contact at a place.
fn of_contact(state: &mut CustomerState, before: Contact, new: &NewOutcome, terms: Terms<'_>) -> RecordedOutcome {
    let mut contact = before;
    contact.take(new.outcome);
    let relation = state.relation_mut();
    if let Some(held) = relation.contacts.iter_mut().rfind(|held| **held == before) {
        *held = contact;
    }
    let readable = match terms.rules.actions.get(contact.action) {
        Some(action) => readable(action.purpose, terms),
        // The rules do not declare the action any more: it is read by those that may read its contact.
        None => contact.readable.intersection(terms.lawful(Stage::Collection)),
    };
    let entry = (!matches!(new.outcome, Outcome::Presented | Outcome::NotPresented)).then_some(OutcomeEntry {
        action: contact.action,
        kind: contact.kind,
        group: contact.group,
        readable,
        channel: contact.channel.or(new.channel),
        outcome: new.outcome,
        at: new.at,
    });
    entry.into_iter().for_each(|entry| relation.add_outcome(entry));
    RecordedOutcome::Applied(Some(contact), entry)
}

/// Records an outcome of another system's contact: only `presented` makes one.
pub fn report_outcome(state: &mut CustomerState, new: NewOutcome, terms: Terms<'_>) -> RecordedOutcome {
    let Some(action) = terms.rules.actions.get(new.action) else { return RecordedOutcome::UnknownContact };
    let (readable, relation) = (readable(action.purpose, terms), state.relation_mut());
    if new.outcome == Outcome::Presented {
        let contact = Contact {
            decision: DecisionKey::default(),
            action: new.action,
            kind: action.kind,
            group: action.group,
            channel: new.channel,
            at: new.at,
            state: ContactState::Counted,
            readable,
            outcomes: OutcomeSet::of(Outcome::Presented),
        };
        relation.add_contact(contact);
        return RecordedOutcome::Applied(Some(contact), None);
    }
    let entry = OutcomeEntry {
        action: new.action,
        kind: action.kind,
        group: action.group,
        readable,
        channel: new.channel,
        outcome: new.outcome,
        at: new.at,
    };
    relation.add_outcome(entry);
    RecordedOutcome::Applied(None, Some(entry))
}

/// Whether an outcome without a decision may belong to a contact. Only a contact that a decision made, and that counts
/// now, can be taken back.
fn is_open(contact: &Contact, new: &NewOutcome, now: Moment) -> bool {
    let here = new.channel.is_none_or(|channel| contact.channel == Some(channel));
    let returnable = contact.decision != DecisionKey::default() && contact.counts(now);
    here && contact.is_open_for(new.outcome, new.at) && (new.outcome != Outcome::NotPresented || returnable)
}

/// An outcome belongs to the purpose of its action, if that was lawful at its arrival.
fn readable(purpose: PurposeId, terms: Terms<'_>) -> PurposeSet {
    let declared = terms.rules.purpose(purpose).filter(|_| terms.ledger_trusted);
    let verdict = declared.map(|declared| lawful(terms.standing, purpose, declared, Stage::Collection, terms.now));
    if verdict.is_some_and(Verdict::allows) { PurposeSet::of(purpose) } else { PurposeSet::EMPTY }
}
