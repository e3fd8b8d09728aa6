//! Applies the effects of elapsed time: grants expire, old facts are deleted, stages time out, reservations lapse.
//!
//! This happens at the next access to the customer, with the moments at which the effects were due, so that it makes no
//! difference when it happens.

use std::cell::Cell;

use super::{Terms, journey};
use crate::domain::consent::{Stage, Verdict, lawful};
use crate::domain::customer::{CustomerState, Relation, StoredEvent};
use crate::domain::id::{EventTypeId, JourneyId, PurposeSet};
use crate::domain::rule_set::{GRACE, RuleSet};
use crate::domain::time::{Moment, Period};

/// Contacts and outcomes are stored at least this long, for pressure, cool-downs and `outcomes.last`.
const SHORTEST_MEMORY: Period = Period(400 * 86_400_000);

/// The result of settling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Whether something can no longer be read that could be read before.
    pub purged: bool,
    /// Until this moment, settling again under the same rules changes nothing, unless something is recorded.
    pub until: Moment,
}

/// Brings a customer's state up to now.
pub fn settle(state: &mut CustomerState, terms: Terms<'_>) -> Settled {
    let (kept, kept_until) = kept(terms);
    let purged = withhold(state, terms.rules, kept, terms.standing.is_restricted());
    forget_what_is_old(state, terms);
    // While processing is restricted, stages do not change; moves due meanwhile happen when the restriction ends, each
    // at its own moment.
    if !terms.standing.is_restricted() {
        journey::pass_time(state, terms);
    }
    let until = next_change(state, terms, |_| true).min(kept_until).min(oldest_goes(state, terms));
    Settled { purged, until }
}

/// The next moment at which a stage of a journey that matters times out, or something is forgotten that a view of the future cannot leave out by
/// itself: what is said and what was answered, and events that repair others. A grant may end before.
pub fn next_change(state: &CustomerState, terms: Terms<'_>, matters: impl Fn(JourneyId) -> bool) -> Moment {
    if terms.standing.is_restricted() {
        return Moment::DISTANT_FUTURE;
    }
    let Relation { contacts, outcomes, .. } = state.relation();
    let counted = contacts.iter().find(|contact| contact.counts(terms.now)).map(|contact| contact.at);
    let said = counted.into_iter().chain(outcomes.first().map(|entry| entry.at));
    let said_goes = said.map(|at| at + memory(terms)).min().unwrap_or(Moment::DISTANT_FUTURE);
    let repairs = |kind| terms.rules.declared.events.get(kind).is_some_and(|kind| !kind.repairs.is_empty());
    let repair_goes = state.events().has(repairs).then(|| {
        let repairing = state.events().newest_first().filter(|event| repairs(event.kind));
        repairing.map(|event| event.at + keep(event.kind, terms)).min()
    });
    journey::next_timeout(state, terms.rules, matters).min(said_goes).min(repair_goes.flatten().unwrap_or(said_goes))
}

/// The purposes for which facts may be stored, and until when this set stays the same if nothing is recorded. Facts of
/// denied purposes are purged even if the ledger cannot be trusted: a denial needs no proof. Purposes that the rules no
/// longer declare are withheld for a while: their facts are not used, and not yet purged.
fn kept(terms: Terms<'_>) -> (PurposeSet, Moment) {
    let declared = terms.rules.declared.purposes.iter().map(|(id, purpose)| (id, purpose, Moment::DISTANT_FUTURE));
    let dropped = terms.rules.dropped.iter().filter(|(_, dropped)| dropped.is_withheld(terms.now));
    let withheld = dropped.map(|(id, dropped)| (id, &dropped.terms, dropped.since + GRACE));
    declared.chain(withheld).fold((PurposeSet::EMPTY, Moment::DISTANT_FUTURE), |(kept, until), (id, purpose, ends)| {
        match lawful(terms.standing, id, purpose, Stage::Storage, terms.now) {
            Verdict::Allow { until: granted, .. } => (kept.with(id), until.min(granted).min(ends)),
            Verdict::Deny(_) => (kept, until),
        }
    })
}

/// Removes from each fact the purposes that are not lawful or no longer declared for it. A fact without purposes is
/// deleted; while processing is restricted, it is kept unreadable until the restriction ends. True if anything was
/// removed.
pub fn withhold(state: &mut CustomerState, rules: &RuleSet, lawful: PurposeSet, restricted: bool) -> bool {
    let declared = &rules.declared;
    let dropped: PurposeSet = rules.dropped.ids().collect();
    let purged = Cell::new(false);
    let narrow = |purposes: PurposeSet, allowed: PurposeSet| {
        let left = purposes.intersection(allowed);
        purged.set(purged.get() || left != purposes);
        (restricted || !left.is_empty()).then_some(left)
    };
    state.retain_attributes(|id, purposes| match declared.attributes.get(id).map(|attribute| attribute.purposes) {
        Some(None) => Some(purposes),
        Some(Some(now)) => narrow(purposes, lawful.intersection(now.union(dropped))),
        None => narrow(purposes, PurposeSet::EMPTY),
    });
    let of_event = |event: StoredEvent<'_>| {
        let now = declared.events.get(event.kind).map_or(PurposeSet::EMPTY, |kind| kind.purposes.union(dropped));
        narrow(event.purposes, lawful.intersection(now))
    };
    let of_field = |id, purposes| {
        let now = declared.fields.get(id).map_or(PurposeSet::EMPTY, |field| field.purposes.union(dropped));
        narrow(purposes, lawful.intersection(now))
    };
    state.retain_events(of_event, of_field);
    state.change_relation(|relation| {
        relation.forgotten_events.take_if(|(_, purposes)| purposes.intersection(lawful).is_empty());
        let contacts = relation.contacts.iter_mut().map(|contact| &mut contact.readable);
        for readable in contacts.chain(relation.outcomes.iter_mut().map(|entry| &mut entry.readable)) {
            let left = readable.intersection(lawful);
            purged.set(purged.get() || left != *readable);
            *readable = left;
        }
        let journeys = relation.journeys.len();
        relation.journeys.retain(|journey| lawful.contains(journey.purpose));
        relation.past_stages.retain(|past| lawful.contains(past.purpose));
        purged.set(purged.get() || relation.journeys.len() < journeys);
    });
    purged.get()
}

fn forget_what_is_old(state: &mut CustomerState, terms: Terms<'_>) {
    let restricted = terms.standing.is_restricted();
    let young = |event: StoredEvent<'_>| restricted || terms.now.since(event.at) < keep(event.kind, terms);
    state.retain_events(|event| young(event).then_some(event.purposes), |_, purposes| Some(purposes));
    let (memory, oldest) = (memory(terms), terms.now - memory(terms));
    state.change_relation(|relation| {
        relation.contacts.retain(|contact| restricted || contact.goes(memory) > terms.now);
        relation.outcomes.retain(|entry| restricted || entry.at > oldest);
    });
}

/// The moment at which the next stored fact expires, or a fact recorded from now on may expire. Whether a contact lapses
/// does not count here, only when it is forgotten.
fn oldest_goes(state: &CustomerState, terms: Terms<'_>) -> Moment {
    if terms.standing.is_restricted() {
        return Moment::DISTANT_FUTURE;
    }
    let events_go = state.events().newest_first().map(|event| event.at + keep(event.kind, terms));
    let Relation { contacts, outcomes, .. } = state.relation();
    let memory = memory(terms);
    let contacts_go = contacts.iter().map(|contact| contact.goes(memory));
    let outcomes_go = outcomes.iter().map(|entry| entry.at).chain([terms.now]).map(|at| at + memory);
    let others = events_go.chain(contacts_go).chain(outcomes_go).min().unwrap_or(terms.now);
    others.min(journey::next_past(state))
}

/// The retention of events of a type.
fn keep(kind: EventTypeId, terms: Terms<'_>) -> Period {
    terms.rules.declared.events.get(kind).map_or(Period::ZERO, |kind| kind.keep)
}

/// The retention of contacts and outcomes.
fn memory(terms: Terms<'_>) -> Period {
    terms.rules.contact_horizon.max(SHORTEST_MEMORY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::action::Outcome;
    use crate::domain::consent::{ConsentRecord, ConsentStatus, Standing};
    use crate::domain::customer::contact::DecisionKey;
    use crate::domain::id::Vocabulary;
    use crate::domain::sources::{SourceFile, Sources};
    use crate::domain::transition::{NewEvent, NewOutcome, record_event, record_outcome, reserve, set_attributes};
    use crate::domain::value::Value;
    use crate::rules::load;

    const RULES: &str = r#"
purposes:
  care:   {basis: contract}
  advice: {basis: consent, expires_after: 10 days}
attributes:
  customer.plan: {type: text, purposes: [advice]}
events:
  visit: {purposes: [care, advice], keep: 20 days}
channels:
  web: {direction: inbound, interruption: 0, reserve_for: 1 day}
journeys:
  trip:
    purpose: care
    start: {event: visit}
    stages:
      begun: {moves: [{to: late, after: 2 days}]}
      late:  {moves: [{to: over, after: 3 days}]}
      over:  {end: true}
actions:
  - {id: hello, title: T, kind: service, purpose: care, relevance: {base: 9}, intrusiveness: 1, treatments: {web: {text: T}}}
policy:
  pressure: {half_life: 7 days, per_contact: {web: 1}}
  hurt: {half_life: 30 days}
  time_zone: UTC
"#;

    fn rules() -> RuleSet {
        let sources = Sources::new(vec![SourceFile { path: "rules.yaml".into(), text: RULES.into() }]);
        load(sources, &Vocabulary::default()).rule_set.unwrap()
    }

    fn grant(rules: &RuleSet) -> Standing {
        let record = ConsentRecord {
            record_id: "r1".into(),
            customer: "c".into(),
            purpose: "advice".into(),
            ..ConsentRecord::new(ConsentStatus::Given, Moment(0), 1)
        };
        let mut standing = Standing::default();
        standing.apply(rules.vocabulary.find("advice"), &record, 1);
        standing
    }

    /// The settled state stays the same until exactly the returned moment, for each effect in turn.
    #[test]
    fn every_end_is_foreseen() {
        let rules = rules();
        let standing = grant(&rules);
        let terms = |now| Terms { rules: &rules, standing: &standing, ledger_trusted: true, now };
        let mut state = CustomerState::default();
        let visit =
            NewEvent { id: None, kind: rules.vocabulary.find("visit").unwrap(), at: Moment(0), fields: Vec::new() };
        record_event(&mut state, visit, terms(Moment(0)));
        let plan = rules.vocabulary.find("customer.plan").unwrap();
        set_attributes(&mut state, vec![(plan, Some(Value::Text("basic".into())))], terms(Moment(0)));
        let (hello, web) = (rules.vocabulary.find("hello").unwrap(), rules.vocabulary.find("web").unwrap());
        reserve(&mut state, DecisionKey(1), std::iter::once(hello), web, terms(Moment(0)));
        let clicked = NewOutcome {
            id: None,
            decision: DecisionKey::default(),
            action: hello,
            channel: None,
            outcome: Outcome::Clicked,
            at: Moment(Period::DAY.0),
        };
        record_outcome(&mut state, clicked, terms(Moment(Period::DAY.0)));
        let (mut now, mut ends) = (Moment(Period::DAY.0), Vec::new());
        while ends.len() < 8 {
            let until = settle(&mut state, terms(now)).until;
            let mut later = state.clone();
            settle(&mut later, terms(until - Period(1)));
            assert_eq!(later, state, "settled at {now}, not until {until}");
            settle(&mut later, terms(until));
            assert_ne!(later, state, "something ends at {until}");
            ends.push(until.0 / Period::DAY.0);
            now = until;
        }
        // The journey moves twice, and an hour later the move cannot be undone; the grant ends and takes the plan with it,
        // the visit, the contact and the click expire.
        assert_eq!(ends, [2, 2, 5, 5, 10, 20, 400, 401]);
    }
}
