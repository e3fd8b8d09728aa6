//! RecordEvents: events, from names to state.

use std::sync::Arc;

use compact_str::CompactString;

use super::item::{ItemCode, ItemResult, Sent};
use super::resolve::{Resolver, hash, hash_id, hash_value};
use crate::domain::customer::{IdKind, KnownId};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::domain::transition::{NewEvent, Recorded, record_event};
use crate::domain::value::Value;
use crate::engine::operation::{Applied, Context, Operation};
use crate::engine::{ActiveRules, Customer};

/// An event as it arrives, with names.
#[derive(Debug, Clone, Default)]
pub struct EventInput {
    /// The same id counts once.
    pub event_id: String,
    /// The customer's id.
    pub customer: String,
    /// The event's type.
    pub kind: String,
    /// The channel; may be empty.
    pub channel: String,
    /// When it happened; now if absent.
    pub occurred: Option<Moment>,
    /// The event's fields, by name.
    pub fields: Vec<(CompactString, Value)>,
}

/// Records one event.
#[derive(Debug)]
pub struct RecordEvent {
    customer: String,
    /// The event, or why it is refused.
    event: Result<NewEvent, ItemResult>,
    rules: Arc<ActiveRules>,
}

impl RecordEvent {
    /// An event with names resolved. What is wrong with it is its answer.
    #[must_use]
    pub fn new(sent: Sent<EventInput>, rules: Arc<ActiveRules>, now: Moment) -> Self {
        let Sent { item: input, wrong } = sent;
        let mut resolver = Resolver { violations: wrong, ..Resolver::new(&rules.set) };
        resolver.id("customer_id", &input.customer);
        resolver.optional_id("event_id", &input.event_id);
        if !input.channel.is_empty() {
            resolver.channel("channel", &input.channel);
        }
        let at = resolver.occurred("occurred_at", input.occurred, now);
        let kind = resolver.event("type", &input.kind);
        resolver.few("fields", input.fields.len());
        let fields = kind.map(|kind| resolver.event_fields("", kind, &input.fields)).unwrap_or_default();
        let event = match kind.filter(|_| resolver.violations.is_empty()) {
            Some(kind) => {
                let id = hash_id("event", &input.event_id);
                let id = id.map(|id| KnownId::new(IdKind::Event, id, body(&input)));
                Ok(NewEvent { id, kind, at, fields })
            }
            None => Err(ItemResult::wrong(resolver.violations)),
        };
        Self { customer: input.customer, event, rules }
    }
}

/// A hash of what an event says. A repetition may have another moment: that at which it was sent again.
fn body(event: &EventInput) -> u64 {
    let mut fields: Vec<(&str, u64)> =
        event.fields.iter().map(|(name, value)| (name.as_str(), hash_value(value))).collect();
    fields.sort_unstable();
    hash(&(&event.kind, &event.channel, fields))
}

impl Operation for RecordEvent {
    /// What was recorded, and whether an older id had to be forgotten for its own.
    type Draft = Result<(Recorded, bool), ItemResult>;
    /// The answer, and how many facts no purpose covered.
    type Answer = (ItemResult, usize);

    fn customer(&self) -> &str {
        &self.customer
    }

    fn rules(&self) -> &RuleSet {
        &self.rules.set
    }

    fn run(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<Self::Draft> {
        let event = match &self.event {
            Ok(event) => event.clone(),
            Err(refused) => return Applied::unchanged(Err(refused.clone())),
        };
        if customer.standing.is_gone() {
            return Applied::unchanged(Err(ItemResult::because(ItemCode::Erased)));
        }
        customer.settle(context);
        let (state, terms) = customer.with_terms(context);
        let id = event.id;
        match record_event(state, event, terms) {
            Recorded::NoLawfulPurpose if !context.ledger_trusted => {
                Applied::unchanged(Err(ItemResult::refused(ItemCode::Unavailable, "ledger_unavailable")))
            }
            recorded => {
                let id = id.filter(|_| matches!(recorded, Recorded::Kept { .. }));
                let ids_truncated = id.is_some_and(|id| state.remember(id, context.ids_kept.most.into()));
                Applied::changed(Ok((recorded, ids_truncated)))
            }
        }
    }

    fn finish(&self, recorded: Self::Draft) -> Self::Answer {
        match recorded {
            Ok((Recorded::Kept { dropped }, ids_truncated)) => {
                let fields = &self.rules.set.declared.fields;
                let names = dropped.iter().filter_map(|id| fields.get(*id)).map(|field| field.name.clone());
                let dropped_fields = names.collect();
                (ItemResult { dropped_fields, ids_truncated, ..ItemResult::applied() }, dropped.len())
            }
            Ok((Recorded::Repeated, _)) => (ItemResult::repeated(), 0),
            Ok((Recorded::Reused, _)) => (ItemResult::because(ItemCode::Reused), 0),
            Ok((Recorded::TooOld, _)) => (ItemResult::because(ItemCode::TooOld), 0),
            Ok((Recorded::NoLawfulPurpose, _)) => (ItemResult::because(ItemCode::NoLawfulPurpose), 1),
            Err(refused) => (refused, 0),
        }
    }
}
