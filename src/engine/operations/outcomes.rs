//! RecordOutcomes: outcomes, from names to state.

use std::sync::Arc;

use smallvec::SmallVec;

use super::item::ItemResult;
use super::resolve::{Resolver, hash_id};
use crate::domain::action::Outcome;
use crate::domain::customer::contact::DecisionKey;
use crate::domain::customer::{CustomerState, OutcomeEntry};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::domain::transition::{NewOutcome, RecordedOutcome, record_outcome};
use crate::engine::operation::{Applied, Context, Durability, Effects, Operation, StateChange};
use crate::engine::{Customer, DecisionRecord};
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
    /// The outcome, or why it is refused.
    outcome: Result<NewOutcome, ItemResult>,
    rules: Arc<RuleSet>,
}

impl RecordOutcome {
    /// An outcome with names resolved, of the decision that it names. What is wrong with it is its answer.
    #[must_use]
    pub fn new(input: &OutcomeInput, decided: Option<&DecisionRecord>, rules: &Arc<RuleSet>, now: Moment) -> Self {
        let customer = decided.map_or(input.customer.as_str(), |record| record.question.customer.as_str());
        // An action that a reload removed is still in the rules that decided it.
        let rules = decided.map_or(rules, |record| &record.rules);
        let outcome = resolve(input, decided, rules, customer, now);
        Self { customer: customer.to_owned(), outcome, rules: Arc::clone(rules) }
    }

    /// An outcome that is refused before it is resolved.
    #[must_use]
    pub fn refused(reason: String, rules: Arc<RuleSet>) -> Self {
        Self { customer: String::new(), outcome: Err(ItemResult::refused(reason)), rules }
    }
}

fn resolve(
    input: &OutcomeInput,
    decided: Option<&DecisionRecord>,
    rules: &RuleSet,
    customer: &str,
    now: Moment,
) -> Result<NewOutcome, ItemResult> {
    let mut resolver = Resolver::new(rules);
    resolver.id("customer_id", customer);
    resolver.optional_id("outcome_id", &input.outcome_id);
    let at = resolver.occurred("occurred_at", input.occurred, now);
    let action = resolver.action("action_id", &input.action);
    let channel = match decided {
        Some(record) => rules.vocabulary.find(&record.question.channel),
        None if input.channel.is_empty() => None,
        None => resolver.channel("channel", &input.channel),
    };
    let offered = |record: &DecisionRecord| {
        action.is_some_and(|action| record.decision.actions.iter().any(|chosen| chosen.action == action))
    };
    if action.is_some() && decided.is_some_and(|record| !offered(record)) {
        resolver.refuse("action_id", format!("decision `{}` did not choose `{}`", input.decision_id, input.action));
    }
    let Some(action) = action.filter(|_| resolver.violations.is_empty()) else {
        return Err(ItemResult::wrong(resolver));
    };
    let id = hash_id("outcome", &input.outcome_id);
    let decision = decided.map_or(DecisionKey::default(), |record| record.id.key());
    Ok(NewOutcome {
        id,
        decision,
        action,
        channel,
        outcome: input.outcome,
        at,
        decided: decided.map(|record| record.at),
    })
}

impl Operation for RecordOutcome {
    type Draft = ItemResult;
    type Answer = ItemResult;

    fn customer(&self) -> &str {
        &self.customer
    }

    fn rules(&self) -> &RuleSet {
        &self.rules
    }

    fn run(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<ItemResult> {
        let new = match &self.outcome {
            Ok(new) => *new,
            Err(refused) => return Applied::unchanged(refused.clone()),
        };
        if customer.standing.is_gone() {
            return Applied::unchanged(ItemResult::refused("no_lawful_purpose"));
        }
        let (state, terms) = customer.with_terms(context);
        match record_outcome(state, new, terms) {
            RecordedOutcome::Applied(decision) => {
                let log = logged(state, &NewOutcome { decision, ..new });
                let (state, durability) = (StateChange::Changed, Durability::Process);
                Applied::with(ItemResult::applied(), Effects { log, state, durability, ..Effects::default() })
            }
            RecordedOutcome::Repeated => Applied::unchanged(ItemResult::repeated()),
            RecordedOutcome::NothingToTakeBack => Applied::unchanged(ItemResult::refused("nothing_to_take_back")),
        }
    }

    fn finish(&self, result: ItemResult) -> ItemResult {
        result
    }
}

/// The entries of the contact log for an outcome that has just been recorded.
fn logged(state: &CustomerState, new: &NewOutcome) -> SmallVec<[LoggedChange; 2]> {
    let relation = state.relation();
    let decided = new.decision != DecisionKey::default();
    let contact = relation.contacts.iter().rfind(|contact| {
        (contact.decision, contact.action) == (new.decision, new.action) && (decided || contact.at == new.at)
    });
    let released = (decided && new.outcome == Outcome::NotPresented)
        .then_some(LoggedChange::Withdrawn { decision: new.decision.0, action: Some(new.action.0) });
    let is_new = |entry: &&OutcomeEntry| (entry.action, entry.outcome, entry.at) == (new.action, new.outcome, new.at);
    let outcome = relation.outcomes.iter().rfind(is_new).filter(|_| new.outcome != Outcome::Presented);
    let changes = [
        new.id.map(LoggedChange::SeenId),
        released,
        contact.map(|contact| LoggedChange::Contact(StoredContact::of(contact))),
        outcome.map(|entry| LoggedChange::Outcome(StoredOutcome::of(entry))),
    ];
    changes.into_iter().flatten().collect()
}
