//! RecordOutcomes: outcomes, from names to state.

use std::sync::Arc;

use super::item::{ItemCode, ItemResult, Sent};
use super::resolve::{Resolver, hash, hash_id};
use crate::decision_log::LoggedOutcome;
use crate::domain::action::Outcome;
use crate::domain::customer::Contact;
use crate::domain::customer::contact::DecisionKey;
use crate::domain::customer::{IdKind, KnownId};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::domain::transition::{NewOutcome, RecordedOutcome, record_outcome};
use crate::engine::ids::NamedDecision;
use crate::engine::operation::{Applied, Context, Durability, Effects, Operation, StateChange};
use crate::engine::{ActiveRules, Customer, FieldViolation};
use crate::store::LoggedChange;
use crate::store::codec::{StoredContact, StoredOutcome};

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

/// Records one outcome.
#[derive(Debug)]
pub struct RecordOutcome {
    customer: String,
    /// The outcome and the decision that it names, or why it is refused.
    outcome: Result<(NewOutcome, Option<NamedDecision>), ItemResult>,
    rules: Arc<ActiveRules>,
}

impl RecordOutcome {
    /// An outcome of a customer, with names resolved. What is wrong with it is its answer.
    #[must_use]
    pub fn new(sent: &Sent<OutcomeInput>, customer: &str, rules: Arc<ActiveRules>, now: Moment) -> Self {
        let outcome = resolve(sent, customer, &rules.set, now);
        Self { customer: customer.to_owned(), outcome, rules }
    }

    /// An outcome that is refused before it is resolved.
    #[must_use]
    pub fn refused(wrong: Vec<FieldViolation>, rules: Arc<ActiveRules>) -> Self {
        Self { customer: String::new(), outcome: Err(ItemResult::wrong(wrong)), rules }
    }
}

fn resolve(
    Sent { item: input, wrong }: &Sent<OutcomeInput>,
    customer: &str,
    rules: &RuleSet,
    now: Moment,
) -> Result<(NewOutcome, Option<NamedDecision>), ItemResult> {
    let mut resolver = Resolver { violations: wrong.clone(), ..Resolver::new(rules) };
    resolver.id("customer_id", customer);
    resolver.optional_id("outcome_id", &input.outcome_id);
    let at = resolver.occurred("occurred_at", input.occurred, now);
    let decision = NamedDecision::parse(&input.decision_id);
    if decision.is_none() && !input.decision_id.is_empty() {
        resolver.refuse("decision_id", "is not the id of a decision");
    }
    // A reload may have removed the action and the channel of a decision; its contact says what they were.
    let removed = decision.and_then(|_| rules.vocabulary.find(&input.action));
    let action = removed.or_else(|| resolver.action("action_id", &input.action));
    let channel = match decision {
        None if !input.channel.is_empty() => resolver.channel("channel", &input.channel),
        _ => None,
    };
    let Some(action) = action.filter(|_| resolver.violations.is_empty()) else {
        return Err(ItemResult::wrong(resolver.violations));
    };
    let body = (&input.decision_id, &input.action, &input.channel, input.outcome);
    let id = hash_id("outcome", &input.outcome_id).map(|id| KnownId::new(IdKind::Outcome, id, hash(&body)));
    let new = NewOutcome { id, decision: DecisionKey::default(), action, channel, outcome: input.outcome, at };
    Ok((new, decision))
}

impl Operation for RecordOutcome {
    type Draft = ItemResult;
    type Answer = ItemResult;

    fn customer(&self) -> &str {
        &self.customer
    }

    fn rules(&self) -> &RuleSet {
        &self.rules.set
    }

    fn run(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<ItemResult> {
        let (mut new, decision) = match &self.outcome {
            Ok((new, decision)) => (*new, *decision),
            Err(refused) => return Applied::unchanged(refused.clone()),
        };
        if customer.standing.is_gone() {
            return Applied::unchanged(ItemResult::because(ItemCode::Erased));
        }
        // So that it makes no difference when contacts that do not count any more were forgotten.
        customer.settle(context);
        let (state, terms) = customer.with_terms(context);
        if let Some(decision) = decision {
            let known = state.relation().contacts.iter().map(|contact| contact.decision);
            let key = match decision {
                NamedDecision::Unique(id) => Some(id.key()),
                NamedDecision::Numbered { .. } => known.clone().find(|key| decision.is(*key)),
            };
            let Some(key) = key else { return Applied::unchanged(unknown(new.outcome)) };
            new.decision = key;
        }
        match record_outcome(state, new, terms) {
            RecordedOutcome::Applied(contact, entry) => {
                let ids_truncated = new.id.is_some_and(|id| state.remember(id, context.ids_kept.most.into()));
                let position = customer.standing.position();
                let outcome = Some(logged(&new, contact.as_ref(), position));
                let contact = contact.map(|contact| LoggedChange::Contact(StoredContact::of(&contact)));
                let entry = entry.map(|entry| LoggedChange::Outcome(StoredOutcome::of(&entry)));
                let id = new.id.map(|id| LoggedChange::KnownId(id.bytes()));
                let log = [id, contact, entry].into_iter().flatten().collect();
                let (state, durability) = (StateChange::Changed, Durability::Process);
                let result = ItemResult { ids_truncated, ..ItemResult::applied() };
                Applied::with(result, Effects { log, state, durability, outcome, ..Effects::default() })
            }
            RecordedOutcome::Repeated => {
                // The first may have failed because it could not be logged: then so does this one.
                let effects = Effects { keeps_settled: true, durability: Durability::Process, ..Effects::default() };
                Applied::with(ItemResult::repeated(), effects)
            }
            RecordedOutcome::Reused => Applied::unchanged(ItemResult::because(ItemCode::Reused)),
            RecordedOutcome::UnknownContact | RecordedOutcome::NothingToTakeBack => {
                Applied::unchanged(unknown(new.outcome))
            }
        }
    }

    fn finish(&self, result: ItemResult) -> ItemResult {
        result
    }
}

/// The outcome as the decision log has it.
fn logged(new: &NewOutcome, contact: Option<&Contact>, position: u64) -> LoggedOutcome {
    LoggedOutcome {
        customer: [0; 20],
        decision: contact.map_or(new.decision, |contact| contact.decision).0,
        at: new.at.0,
        action: new.action.0,
        channel: contact.map_or(new.channel, |contact| contact.channel).map(|channel| channel.0),
        outcome: u8::try_from(new.outcome.index()).unwrap_or(u8::MAX),
        position,
    }
}

/// The answer to an outcome that has no contact.
fn unknown(outcome: Outcome) -> ItemResult {
    match outcome {
        Outcome::NotPresented => ItemResult::refused(ItemCode::NotFound, "nothing_to_take_back"),
        _ => ItemResult::refused(
            ItemCode::NotFound,
            "unknown_contact: the decision did not choose this action for this customer, or its contact is forgotten",
        ),
    }
}
