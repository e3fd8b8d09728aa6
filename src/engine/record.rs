//! Events, outcomes and attributes, from names to state. Invalid items are refused one by one; the others are applied.

use crate::sync::atomic::Ordering;

use compact_str::CompactString;

use super::resolve::{Resolver, hash_id, unknown};
use super::{Customer, Engine, EngineError};
use crate::domain::action::Outcome;
use crate::domain::customer::contact::DecisionKey;
use crate::domain::id::AttributeId;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::{self, Moment};
use crate::domain::transition::{
    NewEvent, NewOutcome, Recorded, RecordedOutcome, record_event, record_outcome, set_attributes,
};
use crate::domain::value::Value;
use crate::store::Mutation;

/// The most items of one call.
pub const MOST_ITEMS: usize = 1_000;

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

/// An outcome as it arrives, with names.
#[derive(Debug, Clone)]
pub struct OutcomeInput {
    /// The same id counts once.
    pub outcome_id: String,
    /// The decision that it belongs to; may be empty.
    pub decision_id: String,
    /// The customer's id; may be empty if there is a decision.
    pub customer: String,
    /// The action's id.
    pub action: String,
    /// The channel, used without a decision; may be empty.
    pub channel: String,
    /// The outcome.
    pub outcome: Outcome,
    /// When it happened; now if absent.
    pub occurred: Option<Moment>,
}

/// The result of one item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemResult {
    /// Whether it was applied, now or before.
    pub accepted: bool,
    /// Why it was refused: a stable word, or for an invalid item what is wrong with it.
    pub reason: String,
    /// Fields that were dropped because no purpose covers them now.
    pub dropped_fields: Vec<String>,
}

impl ItemResult {
    fn applied() -> Self {
        Self { accepted: true, ..Self::default() }
    }

    fn repeated() -> Self {
        Self { accepted: true, reason: "repeated".into(), dropped_fields: Vec::new() }
    }

    fn refused(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::default() }
    }

    fn wrong(resolver: Resolver<'_>) -> Self {
        Self::refused(EngineError::Invalid(resolver.violations).to_string())
    }
}

/// Attributes to set (or, without a value, to remove) and a time zone.
#[derive(Debug, Clone, Default)]
pub struct AttributeChange {
    /// The customer's id.
    pub customer: String,
    /// The attributes, by name.
    pub attributes: Vec<(String, Option<Value>)>,
    /// A zone of the IANA database; empty does not change it.
    pub time_zone: String,
}

impl Engine {
    /// Records events, each independently.
    ///
    /// # Errors
    /// When there are too many.
    pub fn record_events(&self, events: Vec<EventInput>, now: Moment) -> Result<Vec<ItemResult>, EngineError> {
        bounded("events", events.len())?;
        let now = self.steady(now);
        let active = self.rules.load();
        Ok(events.into_iter().map(|event| self.record_one(event, &active.set, now)).collect())
    }

    fn record_one(&self, input: EventInput, rules: &RuleSet, now: Moment) -> ItemResult {
        let mut resolver = Resolver::new(rules);
        resolver.id("customer_id", &input.customer);
        resolver.optional_id("event_id", &input.event_id);
        if !input.channel.is_empty() {
            resolver.channel("channel", &input.channel);
        }
        let at = resolver.occurred("occurred_at", input.occurred, now);
        let kind = resolver.event("type", &input.kind);
        resolver.few("fields", input.fields.len());
        let fields = kind.map(|kind| resolver.event_fields("", kind, &input.fields)).unwrap_or_default();
        let Some(kind) = kind.filter(|_| resolver.violations.is_empty()) else {
            return ItemResult::wrong(resolver);
        };
        let event = NewEvent { id: hash_id("event", &input.event_id), kind, at, fields };
        let recorded = self.with_customer(&input.customer, |customer| {
            if customer.standing.is_gone() {
                return Recorded::NoLawfulPurpose;
            }
            self.settle(customer, rules, now);
            let Customer { state, standing, .. } = customer;
            let terms = self.terms(rules, standing, now);
            record_event(state, event, terms)
        });
        self.event_result(recorded, rules)
    }

    fn event_result(&self, recorded: Recorded, rules: &RuleSet) -> ItemResult {
        match recorded {
            Recorded::Kept(dropped) => {
                self.count_dropped(dropped.len());
                let names =
                    dropped.iter().filter_map(|id| rules.declared.fields.get(*id)).map(|field| field.name.clone());
                ItemResult { dropped_fields: names.collect(), ..ItemResult::applied() }
            }
            Recorded::Repeated => ItemResult::repeated(),
            Recorded::TooOld => ItemResult::refused("too_old"),
            Recorded::NoLawfulPurpose => {
                self.count_dropped(1);
                ItemResult::refused("no_lawful_purpose")
            }
        }
    }

    /// Records outcomes, each independently.
    ///
    /// # Errors
    /// When there are too many.
    pub fn record_outcomes(&self, outcomes: Vec<OutcomeInput>, now: Moment) -> Result<Vec<ItemResult>, EngineError> {
        bounded("outcomes", outcomes.len())?;
        let now = self.steady(now);
        let active = self.rules.load();
        Ok(outcomes.iter().map(|outcome| self.outcome_one(outcome, &active.set, now)).collect())
    }

    fn outcome_one(&self, input: &OutcomeInput, rules: &RuleSet, now: Moment) -> ItemResult {
        let decided = match self.decision_of(input, now) {
            Ok(decided) => decided,
            Err(reason) => return ItemResult::refused(reason),
        };
        let customer = decided.as_ref().map_or(input.customer.as_str(), |record| record.question.customer.as_str());
        // An action that a reload removed is still in the rules that decided it.
        let rules = decided.as_ref().map_or(rules, |record| &record.rules);
        let mut resolver = Resolver::new(rules);
        resolver.id("customer_id", customer);
        resolver.optional_id("outcome_id", &input.outcome_id);
        let at = resolver.occurred("occurred_at", input.occurred, now);
        let action = resolver.action("action_id", &input.action);
        let channel = match &decided {
            Some(record) => rules.vocabulary.find(&record.question.channel),
            None if input.channel.is_empty() => None,
            None => resolver.channel("channel", &input.channel),
        };
        let offered = |record: &super::DecisionRecord| {
            action.is_some_and(|action| record.decision.actions.iter().any(|chosen| chosen.action == action))
        };
        if action.is_some() && decided.as_deref().is_some_and(|record| !offered(record)) {
            resolver.refuse("action_id", format!("decision `{}` did not choose `{}`", input.decision_id, input.action));
        }
        let Some(action) = action.filter(|_| resolver.violations.is_empty()) else {
            return ItemResult::wrong(resolver);
        };
        let decision = decided.as_ref().map_or(DecisionKey::default(), |record| record.key);
        let decided = decided.as_ref().map(|record| record.at);
        let id = hash_id("outcome", &input.outcome_id);
        let new = NewOutcome { id, decision, action, channel, outcome: input.outcome, at, decided };
        self.change_customer(customer, |held| {
            if held.standing.is_gone() {
                return (ItemResult::refused("no_lawful_purpose"), Mutation::None);
            }
            let Customer { state, standing, .. } = held;
            match record_outcome(state, new, self.terms(rules, standing, now)) {
                RecordedOutcome::Applied(decision) => {
                    (ItemResult::applied(), self.mutation_by_outcome(customer, state, &NewOutcome { decision, ..new }))
                }
                RecordedOutcome::Repeated => (ItemResult::repeated(), Mutation::None),
                RecordedOutcome::NothingToTakeBack => (ItemResult::refused("nothing_to_take_back"), Mutation::None),
            }
        })
    }

    /// The decision that an outcome names, if it names one.
    fn decision_of(
        &self,
        input: &OutcomeInput,
        now: Moment,
    ) -> Result<Option<std::sync::Arc<super::DecisionRecord>>, String> {
        if input.decision_id.is_empty() {
            return Ok(None);
        }
        let record = self.decision(&input.decision_id, now).map_err(|error| format!("decision_id: {error}"))?;
        if !input.customer.is_empty() && input.customer != record.question.customer.as_str() {
            return Err(format!("customer_id: decision `{}` was for another customer", input.decision_id));
        }
        Ok(Some(record))
    }

    /// Sets declared attributes; returns the names of those that no purpose covers now.
    ///
    /// # Errors
    /// When a name, a value or the time zone is invalid; then nothing is set.
    pub fn set_attributes(&self, change: AttributeChange, now: Moment) -> Result<Vec<String>, EngineError> {
        let now = self.steady(now);
        let active = self.rules.load();
        let rules = &active.set;
        let mut resolver = Resolver::new(rules);
        resolver.id("customer_id", &change.customer);
        resolver.few("attributes", change.attributes.len());
        let attributes = resolve_attributes(&mut resolver, change.attributes);
        let zone = match change.time_zone.as_str() {
            "" => None,
            name => time::zone(name),
        };
        if zone.is_none() && !change.time_zone.is_empty() {
            resolver.refuse("time_zone", "is not a zone of the IANA database, such as `Europe/Berlin`");
        }
        if !resolver.violations.is_empty() {
            return Err(EngineError::Invalid(resolver.violations));
        }
        let dropped = self.with_customer(&change.customer, |customer| {
            if customer.standing.is_gone() {
                return attributes.iter().map(|(id, _)| *id).collect();
            }
            self.settle(customer, rules, now);
            let Customer { state, standing, .. } = customer;
            let terms = self.terms(rules, standing, now);
            if zone.is_some() {
                state.relation_mut().zone = zone;
            }
            set_attributes(state, attributes, terms)
        });
        self.count_dropped(dropped.len());
        Ok(dropped.into_iter().map(|id| rules.vocabulary.name(id).to_owned()).collect())
    }

    fn count_dropped(&self, count: usize) {
        self.dropped_facts.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// A batch of 1 to 1,000 items.
fn bounded(field: &str, count: usize) -> Result<(), EngineError> {
    match count {
        0 => Err(EngineError::field(field, "is empty; give at least one")),
        count if count > MOST_ITEMS => {
            let description = format!("has {count} items, at most {MOST_ITEMS} are allowed; split the call");
            Err(EngineError::field(field, description))
        }
        _ => Ok(()),
    }
}

fn resolve_attributes(
    resolver: &mut Resolver<'_>,
    given: Vec<(String, Option<Value>)>,
) -> Vec<(AttributeId, Option<Value>)> {
    let rules = resolver.rules;
    let declared = &rules.declared.attributes;
    let mut resolved = Vec::with_capacity(given.len());
    for (name, value) in given {
        let field = format!("attributes[{name}]");
        let Some((id, attribute)) = rules.vocabulary.find(&name).and_then(|id| Some((id, declared.get(id)?))) else {
            let known: Vec<&str> = declared.ids().map(|id| rules.vocabulary.name(id)).collect();
            resolver.refuse(field, unknown("attribute", &name, &known));
            continue;
        };
        let value = value.map(Value::into_normal);
        let fits = value.as_ref().is_none_or(|value| resolver.fits(&field, value, attribute.shape.refuses(value)));
        if fits {
            resolved.push((id, value));
        }
    }
    resolved
}
