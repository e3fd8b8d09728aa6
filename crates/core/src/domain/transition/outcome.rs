//! Records decisions as contacts, and outcomes.

use super::Terms;
use crate::domain::action::Outcome;
use crate::domain::consent::{Stage, Verdict, lawful};
use crate::domain::customer::contact::DecisionKey;
use crate::domain::customer::{Contact, ContactState, CustomerState, OutcomeEntry};
use crate::domain::id::{ActionId, ChannelId, PurposeId, PurposeSet};
use crate::domain::time::{Moment, Period};

/// An outcome as it arrives, with names resolved.
#[derive(Debug, Clone, Copy)]
pub struct NewOutcome {
    /// Hash of its id; nothing if it has none.
    pub id: Option<u64>,
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
    /// When it was decided, if that is known: a contact counts from then, whether it had lapsed or not.
    pub decided: Option<Moment>,
}

/// Reserves the contacts of a decision, in the same critical section as the decision. Lapsed contacts are removed: they
/// do not count, and settling does not wait for them.
pub fn reserve(
    state: &mut CustomerState,
    decision: DecisionKey,
    actions: impl Iterator<Item = ActionId>,
    on: ChannelId,
    terms: Terms<'_>,
) {
    let relation = state.relation_mut();
    relation.contacts.retain(|contact| contact.counts(terms.now));
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
        });
    }
}

/// The result of recording an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedOutcome {
    /// It is recorded, for the contact of this decision; zero if another system decided.
    Applied(DecisionKey),
    /// Its id was seen before; it counts once.
    Repeated,
    /// It says that an action was not presented, and there is no contact to remove.
    NothingToTakeBack,
}

/// How long after a decision an outcome without a decision may remove its contact.
const OPEN_FOR: Period = Period(30 * Period::DAY.0);

/// Records an outcome: confirms or removes the contact, and stores the outcome.
pub fn record_outcome(state: &mut CustomerState, new: NewOutcome, terms: Terms<'_>) -> RecordedOutcome {
    let Some(action) = terms.rules.actions.get(new.action) else { return RecordedOutcome::Repeated };
    let decided = new.decision != DecisionKey::default();
    let not_presented = new.outcome == Outcome::NotPresented;
    let decision = if not_presented && !decided { open_contact(state, &new, terms.now) } else { Some(new.decision) };
    if new.id.is_some_and(|id| state.has_seen(id)) {
        return RecordedOutcome::Repeated;
    }
    let Some(decision) = decision else { return RecordedOutcome::NothingToTakeBack };
    if let Some(id) = new.id {
        state.first_seen(id);
    }
    if not_presented {
        state.change_relation(|relation| relation.withdraw(decision, Some(new.action)));
        return RecordedOutcome::Applied(decision);
    }
    let readable = readable(action.purpose, terms);
    let relation = state.relation_mut();
    match relation.contact_mut(new.decision, new.action).filter(|_| decided) {
        Some(contact) => contact.state = ContactState::Counted,
        // Another system's outcome cannot be matched with its contact, so only `presented` makes one.
        None if decided || new.outcome == Outcome::Presented => relation.add_contact(Contact {
            decision: new.decision,
            action: new.action,
            kind: action.kind,
            group: action.group,
            channel: new.channel,
            at: new.decided.unwrap_or(new.at),
            state: ContactState::Counted,
            readable,
        }),
        None => {}
    }
    if new.outcome != Outcome::Presented {
        relation.add_outcome(OutcomeEntry {
            action: new.action,
            kind: action.kind,
            group: action.group,
            readable,
            channel: new.channel,
            outcome: new.outcome,
            at: new.at,
        });
    }
    RecordedOutcome::Applied(decision)
}

/// The decision whose contact an outcome without a decision removes: the newest of the action, on the channel if the
/// outcome names one.
fn open_contact(state: &CustomerState, new: &NewOutcome, now: Moment) -> Option<DecisionKey> {
    let is_open = |contact: &&Contact| {
        contact.action == new.action
            && contact.decision != DecisionKey::default()
            && new.channel.is_none_or(|channel| contact.channel == Some(channel))
            && (Period::ZERO..=OPEN_FOR).contains(&new.at.since(contact.at))
            && contact.counts(now)
    };
    state.relation().contacts.iter().rev().find(is_open).map(|contact| contact.decision)
}

/// An outcome belongs to the purpose of its action, if that was lawful at its arrival.
fn readable(purpose: PurposeId, terms: Terms<'_>) -> PurposeSet {
    let declared = terms.rules.purpose(purpose).filter(|_| terms.ledger_trusted);
    let verdict = declared.map(|declared| lawful(terms.standing, purpose, declared, Stage::Collection, terms.now));
    if verdict.is_some_and(Verdict::allows) { PurposeSet::of(purpose) } else { PurposeSet::EMPTY }
}
