//! The data held about one customer, as the customer's channels may see it.

use std::cmp::Reverse;
use std::sync::Arc;

use super::resolve::check_customer;
use crate::domain::action::Outcome;
use crate::domain::consent::Stage;
use crate::domain::decide::contact::usage;
use crate::domain::id::PurposeSet;
use crate::domain::model::LimitRule;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::domain::value::Value;
use crate::domain::view::{Scene, Situation};
use crate::engine::operation::{Applied, Context, Effects, Operation};
use crate::engine::{ActiveRules, Customer, DecisionRecord, EngineError};

/// The data held about one customer now.
#[derive(Debug, Clone, Default)]
pub struct CustomerView {
    /// The journeys that have begun.
    pub journeys: Vec<JourneyView>,
    /// Contact pressure, in points.
    pub pressure: f64,
    /// Hurt, in points.
    pub hurt: f64,
    /// The limits of the policy, and those of actions that the customer was contacted with.
    pub limits: Vec<LimitView>,
    /// The attributes that at least one purpose may disclose now.
    pub attributes: Vec<(String, Value)>,
    /// Outcomes that at least one purpose may disclose now, the newest first.
    pub outcomes: Vec<OutcomeView>,
    /// Events with hurt that at least one purpose may disclose now, the newest first.
    pub bad_experiences: Vec<ExperienceView>,
}

/// What became of a step.
#[derive(Debug, Clone)]
pub struct OutcomeView {
    /// The action's id.
    pub action: String,
    /// The channel's id; empty if it is not known.
    pub channel: String,
    /// What became of it.
    pub outcome: Outcome,
    /// When it happened.
    pub at: Moment,
}

/// An event that hurts.
#[derive(Debug, Clone)]
pub struct ExperienceView {
    /// The event's type.
    pub event: String,
    /// When it happened.
    pub at: Moment,
    /// The points of hurt that it began with.
    pub points: f64,
    /// Whether a later event has repaired it.
    pub repaired: bool,
}

/// The most outcomes, and the most bad experiences, of a view.
const MOST: usize = 200;

/// Where the customer is in one journey.
#[derive(Debug, Clone)]
pub struct JourneyView {
    /// The journey's id.
    pub journey: String,
    /// The stage's id.
    pub stage: String,
    /// When the stage was entered.
    pub entered: Moment,
    /// When the journey began.
    pub started: Moment,
}

/// How much of a limit is used.
#[derive(Debug, Clone)]
pub struct LimitView {
    /// The limit in words, with its place in the rule files.
    pub limit: String,
    /// The contacts that count now.
    pub used: u32,
    /// The contacts that the limit allows.
    pub at_most: u32,
    /// When the oldest contact that counts leaves the window.
    pub refills: Option<Moment>,
}

/// The data held about one customer now, as far as it may be shown. Nothing is changed.
#[derive(Debug)]
pub struct GetCustomer {
    customer: String,
    rules: Arc<ActiveRules>,
}

impl GetCustomer {
    /// A look at one customer.
    ///
    /// # Errors
    /// When the customer id is invalid.
    pub fn new(customer: &str, rules: Arc<ActiveRules>) -> Result<Self, EngineError> {
        check_customer(customer, &rules.set)?;
        Ok(Self { customer: customer.into(), rules })
    }
}

impl Operation for GetCustomer {
    type Draft = CustomerView;
    type Answer = CustomerView;

    fn customer(&self) -> &str {
        &self.customer
    }

    fn rules(&self) -> &RuleSet {
        &self.rules.set
    }

    fn run(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<CustomerView> {
        let mut copy = customer.clone();
        copy.settle(context);
        let subject = context.subject(&copy);
        Applied::unchanged(look(&Scene::new(context.rules, subject, Situation::default(), context.now)))
    }

    fn finish(&self, view: CustomerView) -> CustomerView {
        view
    }
}

/// A decision as it may be shown now: in part if something was denied or expired since, and not at all if the customer
/// was erased.
#[derive(Debug)]
pub struct ShowDecision {
    record: Arc<DecisionRecord>,
    rules: Arc<ActiveRules>,
}

impl ShowDecision {
    /// A decision to show.
    #[must_use]
    pub fn new(record: Arc<DecisionRecord>, rules: Arc<ActiveRules>) -> Self {
        Self { record, rules }
    }
}

impl Operation for ShowDecision {
    type Draft = Option<Arc<DecisionRecord>>;
    type Answer = Option<Arc<DecisionRecord>>;

    fn customer(&self) -> &str {
        &self.record.question.customer
    }

    fn rules(&self) -> &RuleSet {
        &self.rules.set
    }

    fn run(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<Self::Draft> {
        customer.settle(context);
        let (epoch, record) = (customer.epoch(), &self.record);
        // An earlier process may have counted further than was stored when it was killed.
        if customer.standing.is_gone() || epoch >> 32 > record.epoch >> 32 {
            return Applied::with(None, Effects::default());
        }
        let lawful = context.terms(&customer.standing).lawful(Stage::Disclosure);
        let used = record.decision.purposes_used;
        let whole = epoch <= record.epoch && used.intersection(lawful) == used;
        let shown = if whole { Arc::clone(record) } else { Arc::new(record.redacted()) };
        Applied::with(Some(shown), Effects::default())
    }

    fn finish(&self, shown: Self::Draft) -> Self::Answer {
        shown
    }
}

fn look(scene: &Scene<'_>) -> CustomerView {
    let rules = scene.rules;
    let state = scene.subject.state;
    let may_disclose =
        |purposes: PurposeSet| purposes.iter().any(|purpose| scene.verdict(purpose, Stage::Disclosure).allows());
    let journeys =
        state.relation().journeys.iter().filter(|journey| scene.verdict(journey.purpose, Stage::Disclosure).allows());
    let attributes = state.attributes().iter().filter(|(id, held)| {
        let personal = rules.declared.attributes.get(*id).is_none_or(|attribute| attribute.purposes.is_some());
        !personal || may_disclose(held.purposes)
    });
    CustomerView {
        journeys: journeys
            .map(|journey| JourneyView {
                journey: rules.vocabulary.name(journey.journey).to_owned(),
                stage: rules.vocabulary.local_name(journey.stage).to_owned(),
                entered: journey.entered,
                started: journey.started,
            })
            .collect(),
        pressure: scene.pressure(),
        hurt: scene.hurt(),
        limits: limits(scene),
        attributes: attributes
            .filter_map(|(id, held)| Some((rules.vocabulary.name(id).to_owned(), held.value().to_value()?)))
            .collect(),
        outcomes: outcomes(scene, &may_disclose),
        bad_experiences: bad_experiences(scene, &may_disclose),
    }
}

fn outcomes(scene: &Scene<'_>, may_disclose: &impl Fn(PurposeSet) -> bool) -> Vec<OutcomeView> {
    let name = |channel| scene.rules.vocabulary.name(channel).to_owned();
    let entries = scene.subject.state.relation().outcomes.iter().rev();
    let mut outcomes: Vec<_> = entries
        .filter(|entry| may_disclose(entry.readable))
        .map(|entry| OutcomeView {
            action: scene.rules.vocabulary.name(entry.action).to_owned(),
            channel: entry.channel.map(name).unwrap_or_default(),
            outcome: entry.outcome,
            at: entry.at,
        })
        .collect();
    outcomes.sort_by_key(|outcome| Reverse(outcome.at));
    outcomes.truncate(MOST);
    outcomes
}

fn bad_experiences(scene: &Scene<'_>, may_disclose: &impl Fn(PurposeSet) -> bool) -> Vec<ExperienceView> {
    let events = scene.subject.state.events().newest_first().filter(|event| may_disclose(event.purposes));
    let hurtful = events.filter_map(|event| {
        let points = scene.rules.declared.events.get(event.kind)?.hurt;
        (points > 0.0).then(|| ExperienceView {
            event: scene.rules.vocabulary.name(event.kind).to_owned(),
            at: event.at,
            points,
            repaired: scene.repaired(&event),
        })
    });
    hurtful.take(MOST).collect()
}

fn limits(scene: &Scene<'_>) -> Vec<LimitView> {
    let rules = scene.rules;
    let own = rules.actions.iter().flat_map(|(id, action)| action.limits.iter().map(move |limit| (Some(id), limit)));
    let all = rules.policy.limits.iter().map(|limit| (None, limit)).chain(own);
    let used = all.filter_map(|(action, limit)| {
        let LimitRule::AtMost { count, per, outcome } = limit.rule else { return None };
        let usage = usage(&limit.scope, outcome, per, scene);
        let name =
            action.map_or_else(|| limit.label.clone(), |id| format!("{}: {}", rules.vocabulary.name(id), limit.label));
        (action.is_none() || usage.used > 0).then_some(LimitView {
            limit: name,
            used: usage.used,
            at_most: count,
            refills: usage.refills,
        })
    });
    used.collect()
}
