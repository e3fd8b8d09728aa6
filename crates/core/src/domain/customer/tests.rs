//! The packed state against the same state in its simplest form: lists of values.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::contact::DecisionKey;
use super::state::MOST_EVENTS;
use super::{
    Contact, ContactState, CustomerState, IdKind, KnownId, KnownRequest, OutcomeSet, PackedEvent, Relation, Seen,
};
use crate::domain::action::ActionKind;
use crate::domain::id::{ActionId, AttributeId, EventTypeId, FieldId, PurposeSet};
use crate::domain::time::{Moment, Period};
use crate::domain::value::Value;

/// What happens to a customer.
#[derive(Debug, Clone)]
enum Step {
    Set(u16, Value, u64),
    Event(Event),
    Seen(u64),
    /// Clears purposes, and drops what has none left.
    Narrow(u64),
    Forget(i64),
}

#[derive(Debug, Clone, PartialEq)]
struct Event {
    kind: u16,
    at: i64,
    purposes: u64,
    fields: Vec<(u16, Value, u64)>,
}

#[derive(Default)]
struct Model {
    attributes: BTreeMap<u16, (Value, u64)>,
    /// Newest first.
    events: Vec<Event>,
    seen: Vec<u64>,
}

fn value() -> impl Strategy<Value = Value> {
    let texts = || proptest::collection::vec("[a-zß]{0,20}", 0..4);
    prop_oneof![
        "[a-zß]{0,40}".prop_map(|text| Value::Text(text.into())),
        any::<i32>().prop_map(|number| Value::Number(f64::from(number) / 4.0)),
        any::<bool>().prop_map(Value::Flag),
        any::<i64>().prop_map(|at| Value::Moment(Moment(at))),
        any::<i64>().prop_map(|length| Value::Duration(Period(length))),
        texts().prop_map(|items| Value::List(items.into_iter().map(Into::into).collect())),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![0_u16..4, Just(4_095)];
    let at = prop_oneof![-10_i64..10, 1_772_000_000_000_i64..1_772_442_000_000];
    let fields = proptest::collection::vec((0_u16..16_384, value(), 1_u64..200), 0..4);
    (kind, at, any::<u64>(), fields).prop_map(|(kind, at, purposes, fields)| Event { kind, at, purposes, fields })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_u16..12, value(), any::<u64>()).prop_map(|(id, value, purposes)| Step::Set(id, value, purposes)),
        6 => event().prop_map(Step::Event),
        3 => (0_u64..400).prop_map(Step::Seen),
        1 => any::<u64>().prop_map(Step::Narrow),
        1 => prop_oneof![-10_i64..10, Just(1_772_200_000_000)].prop_map(Step::Forget),
    ];
    proptest::collection::vec(step, 0..60)
}

fn packed(event: &Event) -> PackedEvent {
    let mut packed = PackedEvent::new(EventTypeId(event.kind), Moment(event.at), PurposeSet(event.purposes));
    let fields = event.fields.iter();
    fields.for_each(|(id, value, purposes)| packed.add(FieldId(*id), value, PurposeSet(*purposes)));
    packed
}

fn unpacked(state: &CustomerState) -> Vec<Event> {
    let events = state.events().newest_first().map(|event| Event {
        kind: event.kind.0,
        at: event.at.0,
        purposes: event.purposes.0,
        fields: event
            .fields
            .iter()
            .map(|(id, held)| (id.0, held.value().to_value().unwrap(), held.purposes.0))
            .collect(),
    });
    events.collect()
}

fn apply(state: &mut CustomerState, model: &mut Model, step: Step) {
    match step {
        Step::Set(id, value, purposes) => {
            state.set_attribute(AttributeId(id), &value, PurposeSet(purposes));
            model.attributes.insert(id, (value, purposes));
        }
        Step::Event(event) => {
            state.add_event(&packed(&event));
            model.events.push(event);
            model.events.sort_by_key(|event| std::cmp::Reverse(event.at));
        }
        Step::Seen(id) => {
            let new = !model.seen.contains(&id);
            let known = KnownId::new(IdKind::Event, id, 7);
            assert_eq!(state.seen(known), if new { Seen::New } else { Seen::Before });
            assert!(!state.remember(known, 4_096));
            model.seen.extend(new.then_some(id));
        }
        Step::Narrow(allowed) => {
            let narrow = |purposes: PurposeSet| {
                let left = purposes.intersection(PurposeSet(allowed));
                (!left.is_empty()).then_some(left)
            };
            state.retain_attributes(|_, purposes| narrow(purposes));
            state.retain_events(|event| narrow(event.purposes), |_, purposes| narrow(purposes));
            let keep = |purposes: &mut u64| {
                *purposes &= allowed;
                *purposes != 0
            };
            model.attributes.retain(|_, (_, purposes)| keep(purposes));
            model.events.retain_mut(|event| {
                event.fields.retain_mut(|(.., purposes)| keep(purposes));
                keep(&mut event.purposes)
            });
        }
        Step::Forget(oldest) => {
            let young = |at: Moment| at.0 > oldest;
            state.retain_events(|event| young(event.at).then_some(event.purposes), |_, purposes| Some(purposes));
            model.events.retain(|event| event.at > oldest);
        }
    }
}

/// Those of one moment, in any order.
fn sorted(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| {
        (event.at, format!("{event:?}{:?}", event.fields.iter().map(|field| field.1.to_string()).collect::<Vec<_>>()))
    });
    events
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn packing_preserves_values(steps in steps()) {
        let (mut state, mut model) = (CustomerState::default(), Model::default());
        for step in steps {
            apply(&mut state, &mut model, step);
            let held = state.attributes().iter().map(|(id, held)| (id.0, (held.value().to_value().unwrap(), held.purposes.0)));
            prop_assert_eq!(held.collect::<Vec<_>>(), model.attributes.clone().into_iter().collect::<Vec<_>>());
            let events = unpacked(&state);
            prop_assert!(events.is_sorted_by_key(|event| std::cmp::Reverse(event.at)));
            prop_assert_eq!(sorted(events), sorted(model.events.clone()));
            let known = model.seen.iter().map(|id| KnownId::new(IdKind::Event, *id, 7));
            prop_assert!(state.known_ids().eq(known));
            let nothing = model.attributes.is_empty() && model.events.is_empty() && model.seen.is_empty();
            prop_assert_eq!(state.is_empty(), nothing);
            let restored = CustomerState::restored(state.packed(), state.relation().clone());
            prop_assert_eq!(restored.as_ref(), Some(&state));
        }
    }

    #[test]
    fn a_history_is_the_same_in_whatever_order_it_arrived(
        events in proptest::collection::vec(event(), 0..12),
        shuffle in any::<u64>(),
    ) {
        let fill = |events: &[Event]| {
            let mut state = CustomerState::default();
            events.iter().for_each(|event| state.add_event(&packed(event)));
            state
        };
        let mut shuffled: Vec<(u64, Event)> = (0..).map(|n: u64| n.wrapping_mul(shuffle | 1) ^ shuffle).zip(events.clone()).collect();
        shuffled.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<Event> = shuffled.into_iter().map(|(_, event)| event).collect();
        prop_assert!(fill(&events) == fill(&shuffled));
    }
}

fn plain(kind: u16, at: i64) -> PackedEvent {
    PackedEvent::new(EventTypeId(kind), Moment(at), PurposeSet(1))
}

#[test]
fn the_oldest_of_the_most_frequent_type_is_dropped_first_and_reported() {
    let mut state = CustomerState::default();
    state.add_event(&plain(7, 0));
    (1..=MOST_EVENTS).for_each(|at| state.add_event(&plain(3, at as i64)));
    assert_eq!(state.events().len(), MOST_EVENTS);
    assert_eq!(state.relation().forgotten_events, Some((Moment(1), PurposeSet(1))));
    let oldest: Vec<i64> = unpacked(&state).iter().rev().take(2).map(|event| event.at).collect();
    assert_eq!(oldest, [0, 2], "the only one of its type stays");
}

#[test]
fn large_events_are_forgotten_before_they_fill_the_memory() {
    let mut state = CustomerState::default();
    let text = Value::Text("x".repeat(4_096).into());
    for at in 0..40 {
        let mut event = plain(3, at);
        (0..64).for_each(|field| event.add(FieldId(field), &text, PurposeSet(1)));
        state.add_event(&event);
    }
    assert!(state.events().len() < 5, "{}", state.events().len());
    assert!(state.relation().forgotten_events.is_some());
    assert_eq!(state.events().newest_first().next().unwrap().at, Moment(39));
}

#[test]
fn the_newest_ids_of_each_kind_are_remembered() {
    let mut state = CustomerState::default();
    let id = |kind, id: u64| KnownId::new(kind, id << 20 | id, id);
    assert!(!state.remember(id(IdKind::Outcome, 5), 100));
    for number in 0..100 {
        assert!(!state.remember(id(IdKind::Event, number), 100), "there is room for {number}");
    }
    assert!(state.remember(id(IdKind::Event, 9_999), 100), "the oldest is forgotten, and that is said");
    assert!(!state.remember(id(IdKind::Event, 9_999), 100), "it counts once");
    assert_eq!(state.seen(id(IdKind::Event, 0)), Seen::New);
    assert_eq!(state.seen(id(IdKind::Event, 1)), Seen::Before);
    assert_eq!(state.seen(id(IdKind::Outcome, 5)), Seen::Before, "many events push out no outcome");
    assert_eq!(state.seen(id(IdKind::Outcome, 6)), Seen::New, "the id of an event is none of an outcome");
    assert_eq!(state.known_ids().count(), 101);
}

#[test]
fn answered_requests_are_remembered_beside_all_else() {
    let mut state = CustomerState::default();
    state.set_attribute(AttributeId(3), &Value::Flag(true), PurposeSet(1));
    state.remember(KnownId::new(IdKind::Event, 5, 5), 100);
    let at = |number: u64| Moment(1_790_000_000_000 + number as i64);
    let request = |number: u64| KnownRequest::new(number << 20, Some(number), DecisionKey(!number), at(number));
    for number in 0..50 {
        assert!(!state.remember_request(request(number), 50), "there is room for {number}");
    }
    assert!(!state.remember_request(request(7), 50), "in the place of the same");
    assert!(state.remember_request(request(50), 50), "the oldest is forgotten, and that is said");
    assert_eq!((state.request(0), state.requests().count()), (None, 50));
    let known = state.request(7 << 20).unwrap();
    assert_eq!((known.decision(), known.at()), (DecisionKey(!7), at(7)));
    assert_eq!([7, 8, 1 << 33 | 7].map(|body| known.asked(body)), [Some(true), Some(false), Some(true)], "32 bits");
    assert_eq!(KnownRequest::new(1, None, DecisionKey(1), at(1)).asked(9), None);
    assert_eq!(CustomerState::restored(state.packed(), Relation::default()).unwrap(), state);
    state.forget_requests(|known| known.is_older(Period(4), at(50)));
    assert_eq!(state.requests().map(|known| known.at().0 - at(0).0).collect::<Vec<_>>(), [47, 48, 49, 50]);
    assert_eq!(state.seen(KnownId::new(IdKind::Event, 5, 5)), Seen::Before);
    assert_eq!(state.attribute(AttributeId(3)).unwrap().value().to_value(), Some(Value::Flag(true)));
}

#[test]
fn an_id_with_another_body_is_told_apart() {
    let mut state = CustomerState::default();
    let id = |body| KnownId::new(IdKind::Event, 77, body);
    state.remember(id(1), 100);
    assert_eq!(
        [1, 2, 3, 2_048].map(|body| state.seen(id(body))),
        [Seen::Before, Seen::WithAnother, Seen::WithAnother, Seen::Before]
    );
    state.remember(KnownId::without_body(IdKind::Outcome, 77), 100);
    assert_eq!(
        state.seen(KnownId::new(IdKind::Outcome, 77, 9)),
        Seen::Before,
        "of before: what came with it is not known"
    );
}

#[test]
fn a_customer_without_contacts_takes_two_words_and_a_pointer() {
    assert_eq!(size_of::<CustomerState>(), 24);
    let mut state = CustomerState::default();
    state.relation_mut().forgotten = Some(Moment(1));
    state.change_relation(|relation| relation.forgotten = None);
    assert!(state == CustomerState::default(), "what is empty takes no room");
}

#[test]
fn what_was_said_takes_room_for_what_was_said() {
    let contact = Contact {
        outcomes: OutcomeSet::default(),
        decision: DecisionKey(1),
        action: ActionId(1),
        kind: ActionKind::Offer,
        group: None,
        channel: None,
        at: Moment(1),
        state: ContactState::Counted,
        readable: PurposeSet(1),
    };
    let mut state = CustomerState::default();
    (1..=2).for_each(|said| {
        state.relation_mut().add_contact(contact);
        assert_eq!(state.relation().contacts.capacity(), said);
    });
}
