//! Decide: a question from names to answer, decided and reserved in one critical section.

use std::sync::{Arc, Weak};

use compact_str::CompactString;
use smallvec::SmallVec;

use super::consent::suppose_objection;
use super::resolve::{ContextFacts, Resolver, hash_id};
use crate::domain::consent::Stage;
use crate::domain::customer::contact::{DecisionKey, OPEN_FOR};
use crate::domain::decide::{Explain, Explanation, Gate, Request, decide, gates};
use crate::domain::id::{ActionId, ChannelId, GroupId};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::{Moment, Period};
use crate::domain::transition::{reserve, withhold};
use crate::domain::value::Value;
use crate::domain::view::{Contacts, Situation, Subject};
use crate::engine::log::{Callers, DecisionRecord, Explained};
use crate::engine::operation::{Applied, Context, Durability, Effects, Operation, StateChange, Undone};
use crate::engine::{ActiveRules, Customer, DecisionId, EngineError};
use crate::store::LoggedChange;
use crate::store::codec::{StoredContact, StoredRequest};

/// A channel's question, with names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Question {
    /// The customer's id.
    pub customer: CompactString,
    /// The channel's id.
    pub channel: CompactString,
    /// The id of the request: the same id within ten minutes gets the same answer and counts once.
    pub request_id: CompactString,
    /// The facts of the moment, by name.
    pub context: SmallVec<[(CompactString, Value); 2]>,
    /// At most this many actions; 0 means 1.
    pub max_actions: u32,
    /// Only actions of these groups; empty means all.
    pub groups: Vec<String>,
    /// How much to explain.
    pub explain: Explain,
    /// Decide, but reserve, count and record nothing.
    pub validate_only: bool,
    /// With `validate_only`: decide as if the customer had objected by the Global Privacy Control signal.
    pub signals_objection: bool,
}

/// A request that was answered, kept for ten minutes.
#[derive(Debug, Clone)]
pub struct Answered {
    /// A hash of the request's id.
    pub request: u64,
    /// The decision's key.
    pub key: DecisionKey,
    /// The answer, as long as it is in memory.
    pub record: Weak<DecisionRecord>,
    /// When it is forgotten.
    pub until: Moment,
}

/// How long a request id is remembered.
pub(in crate::engine) const REMEMBERED: Period = Period(10 * 60_000);
/// How long a decision stays readable by id.
const READABLE: Period = Period::DAY;
/// How many request ids are remembered for one customer.
const MOST_REMEMBERED: usize = 32;
/// The most actions one answer may hold.
pub const MOST_ACTIONS: u32 = 20;

/// A question with names resolved.
#[derive(Debug, Clone)]
struct Resolved {
    channel: ChannelId,
    context: ContextFacts,
    groups: Vec<GroupId>,
    max_actions: usize,
}

/// Decides the next best actions for one customer on one channel now, or silence.
#[derive(Debug)]
pub struct Decide {
    question: Question,
    request: Option<u64>,
    resolved: Resolved,
    rules: Arc<ActiveRules>,
    /// For a simulation: the rules in force, which say what data may be read, and the moment to decide at. The rules to
    /// decide under, and their moment, are `rules`.
    simulated: Option<Arc<ActiveRules>>,
    /// Whether the answer to a repeated request is looked for in the decision log before it is made again.
    recalls: bool,
}

/// What a decision knew, to explain it outside of the critical section.
#[derive(Debug)]
pub struct Snapshot {
    customer: Customer,
    resolved: Resolved,
    ledger_trusted: bool,
    contacts: Contacts,
}

impl Snapshot {
    /// Decides once more, with an explanation.
    pub(in crate::engine) fn explain(&self, question: &Question, rules: &RuleSet, at: Moment) -> Option<Explanation> {
        decide(rules, self.subject(), &self.resolved.request(question.explain), at).explanation
    }

    /// The gate at which each action stopped.
    pub(in crate::engine) fn gates(&self, rules: &RuleSet, at: Moment) -> Vec<(ActionId, Gate)> {
        gates(rules, self.subject(), &self.resolved.request(Explain::Full), at)
    }

    fn subject(&self) -> Subject<'_> {
        let Self { customer: Customer { state, standing, .. }, ledger_trusted, contacts, .. } = self;
        Subject { state, standing, ledger_trusted: *ledger_trusted, contacts: *contacts }
    }
}

impl Resolved {
    fn request(&self, explain: Explain) -> Request<'_> {
        Request {
            channel: self.channel,
            situation: Situation { context: &self.context, ..Situation::default() },
            groups: &self.groups,
            max_actions: self.max_actions,
            explain,
        }
    }
}

impl Decide {
    /// A question with names resolved.
    ///
    /// # Errors
    /// When the question does not fit the rules.
    pub fn new(question: Question, rules: Arc<ActiveRules>) -> Result<Self, EngineError> {
        let resolved = resolve(&question, &rules.set)?;
        let request = hash_id("request", &question.request_id);
        Ok(Self { question, request, resolved, rules, simulated: None, recalls: false })
    }

    /// The same, with whether the answer to a repeated request is looked for in the decision log.
    #[must_use]
    pub(in crate::engine) fn recalling(self, recalls: bool) -> Self {
        Self { recalls, ..self }
    }

    /// The question.
    pub(in crate::engine) fn question(&self) -> &Question {
        &self.question
    }

    /// The decision that this request got before, if it is not in memory any more.
    fn forgotten(&self, customer: &Customer) -> Option<DecisionKey> {
        let request = self.request.filter(|_| self.recalls)?;
        customer.transient().requests.iter().find(|answered| answered.request == request).map(|answered| answered.key)
    }

    /// A question under other rules or at another time, which changes nothing. It reads only the customer data that the
    /// rules in force may read now: other rules and another time can only narrow that.
    ///
    /// # Errors
    /// When the question does not fit the rules.
    pub fn simulated(
        question: Question,
        rules: Arc<RuleSet>,
        at: Moment,
        in_force: Arc<ActiveRules>,
    ) -> Result<Self, EngineError> {
        let decide = Self::new(question, Arc::new(ActiveRules::new(rules, at)))?;
        Ok(Self { simulated: Some(in_force), ..decide })
    }

    /// Decides on a copy of the customer: nothing is reserved, counted or recorded.
    fn rehearse(&self, customer: &Customer, context: &Context<'_>) -> Arc<DecisionRecord> {
        let (mut customer, epoch) = (customer.clone(), customer.epoch());
        let mut context = *context;
        if let Some(in_force) = &self.simulated {
            context.rules = &in_force.set;
            customer.settle(&context);
            narrow(&mut customer, &context, &self.rules.set);
            (context.rules, context.now) = (&self.rules.set, self.rules.since);
        } else if self.question.signals_objection {
            suppose_objection(&mut customer.standing, context.rules, context.now);
        }
        customer.settle(&context);
        Arc::new(self.record(&customer, DecisionId::default(), &context, epoch))
    }

    /// Decides for a customer who has been settled.
    fn record(&self, customer: &Customer, id: DecisionId, context: &Context<'_>, epoch: u64) -> DecisionRecord {
        let Context { rules, now, .. } = *context;
        let decision = decide(rules, context.subject(customer), &self.resolved.request(Explain::Chosen), now);
        let explained = (self.question.explain != Explain::Chosen)
            .then(|| Box::new(Explained::from_snapshot(self.snapshot(customer, context))));
        DecisionRecord {
            id,
            question: self.question.clone(),
            decision,
            rules: Arc::clone(&self.rules.set),
            earlier_rules: None,
            at: now,
            epoch,
            replaced: false,
            callers: Callers::default(),
            explained,
        }
    }

    fn snapshot(&self, customer: &Customer, context: &Context<'_>) -> Snapshot {
        let Context { ledger_trusted, contacts, .. } = *context;
        Snapshot { customer: customer.clone(), resolved: self.resolved.clone(), ledger_trusted, contacts }
    }

    /// Decides and reserves.
    fn answer(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<Arc<DecisionRecord>> {
        let id = context.ids.decision(context.now);
        let key = id.key();
        let replaced = self.request.and_then(|request| replace_answer(customer, request));
        let epoch = customer.epoch();
        let record = self.record(customer, id, context, epoch);
        let record = Arc::new(DecisionRecord { replaced: replaced.is_some(), ..record });
        let sampled = context.sample > 0 && key.0.is_multiple_of(u64::from(context.sample));
        let sample = sampled.then(|| Box::new(self.snapshot(customer, context)));
        if !record.decision.actions.is_empty() {
            let actions = record.decision.actions.iter().map(|chosen| chosen.action);
            let (state, terms) = customer.with_terms(context);
            reserve(state, key, actions, self.resolved.channel, terms);
            customer.settled_until = customer.settled_until.min(context.now + OPEN_FOR);
        }
        if let Some(request) = self.request {
            let requests = &mut customer.transient_mut().requests;
            requests.truncate(MOST_REMEMBERED - 1);
            let (record, until) = (Arc::downgrade(&record), context.now + REMEMBERED);
            requests.insert(0, Answered { request, key, record, until });
        }
        let mut effects =
            Effects { keeps_settled: true, publish: Some(Arc::clone(&record)), sample, ..Effects::default() };
        effects.log.extend(replaced.map(|key| LoggedChange::Withdrawn { decision: key.0, action: None }));
        if !record.decision.actions.is_empty() {
            effects.log.extend(logged(customer, key));
        }
        if !effects.log.is_empty() {
            // While contacts cannot be logged, only those that no limit counts are made: nothing waits for the log.
            let durability = if context.contacts.logged { Durability::Process } else { Durability::Memory };
            (effects.state, effects.durability) = (StateChange::Logged, durability);
        }
        Applied::with(record, effects)
    }
}

impl Operation for Decide {
    type Draft = Result<Arc<DecisionRecord>, EngineError>;
    type Answer = Result<Arc<DecisionRecord>, EngineError>;

    fn customer(&self) -> &str {
        &self.question.customer
    }

    fn rules(&self) -> &RuleSet {
        &self.rules.set
    }

    fn run(&self, customer: &mut Customer, context: &Context<'_>) -> Applied<Self::Draft> {
        if self.simulated.is_some() || self.question.validate_only || customer.standing.is_gone() {
            return Applied::unchanged(Ok(self.rehearse(customer, context)));
        }
        if customer.settled != Some(self.rules.number) || context.now >= customer.settled_until {
            customer.settled_until = customer.settle(context);
            customer.settled = Some(self.rules.number);
        }
        customer.change_transient(|transient| transient.requests.retain(|answered| answered.until > context.now));
        match answered(customer, &self.question, self.request) {
            Err(error) => Applied::unchanged(Err(error)),
            Ok(Some(record)) if !context.contacts.logged => {
                let known = if record.callers.has_answered() { Ok(record) } else { Err(EngineError::NotLogged) };
                Applied::unchanged(known)
            }
            Ok(Some(record)) => {
                record.callers.join();
                let effects = Effects { keeps_settled: true, durability: Durability::Process, ..Effects::default() };
                Applied::with(Ok(record), effects)
            }
            Ok(None) => {
                if let Some(key) = self.forgotten(customer) {
                    return Applied::unchanged(Err(EngineError::NotInMemory(key)));
                }
                let Applied { draft, effects } = self.answer(customer, context);
                Applied::with(Ok(draft), effects)
            }
        }
    }

    fn explain(&self, draft: &Self::Draft) {
        draft.as_ref().ok().and_then(|record| record.explanation());
    }

    fn relies_on(&self, draft: &Self::Draft) -> Option<u64> {
        draft.as_ref().ok().map(|record| record.epoch)
    }

    /// Undoes the contacts and the log entry of a decision, unless it was, or still may be, the answer to a repeated
    /// request.
    fn undo(&self, customer: &mut Customer, draft: &Self::Draft) -> Undone {
        let Ok(record) = draft else { return Undone::default() };
        if record.id.is_none() || !record.callers.leave() {
            return Undone::default();
        }
        let key = record.id.key();
        customer.state.change_relation(|relation| relation.withdraw(key, None));
        customer.change_transient(|transient| transient.requests.retain(|answered| answered.key != key));
        let mut effects = Effects::changed();
        effects.log.push(LoggedChange::Withdrawn { decision: key.0, action: None });
        Undone { effects, forget: Some(Arc::clone(record)) }
    }

    fn finish(&self, draft: Self::Draft) -> Self::Answer {
        let is_repeatable = self.request.is_some();
        draft.inspect(|record| {
            if is_repeatable {
                record.callers.answer()
            }
        })
    }
}

/// Leaves only the data that the rules in force may read now, and that other rules say to be no more personal.
fn narrow(customer: &mut Customer, context: &Context<'_>, simulated: &RuleSet) {
    let personal =
        |rules: &RuleSet, id| rules.declared.attributes.get(id).is_none_or(|attribute| attribute.purposes.is_some());
    let lawful = context.terms(&customer.standing).lawful(Stage::Evaluation);
    withhold(&mut customer.state, context.rules, lawful, false);
    let kept = |id| !personal(context.rules, id) || personal(simulated, id);
    customer.state.retain_attributes(|id, purposes| kept(id).then_some(purposes));
}

/// The entries of the contact log for a decision: its contacts, and the request that it answered.
fn logged(customer: &Customer, key: DecisionKey) -> impl Iterator<Item = LoggedChange> {
    let contacts = customer.state.relation().contacts.iter().filter(move |contact| contact.decision == key);
    let contacts = contacts.map(|contact| LoggedChange::Contact(StoredContact::of(contact)));
    let requests = customer.transient().requests.iter().filter(move |answered| answered.key == key);
    contacts.chain(requests.map(|answered| LoggedChange::Request(answered.stored())))
}

impl Answered {
    /// The request as it is stored.
    pub(in crate::engine) fn stored(&self) -> StoredRequest {
        StoredRequest { request: self.request, decision: self.key.0, until: self.until.0 }
    }
}

/// Whether a decision is still readable by its id.
pub(in crate::engine) fn is_readable(record: &DecisionRecord, now: Moment) -> bool {
    now.since(record.at) < READABLE
}

/// The answer that this request got before; a later denial has deleted it.
fn answered(
    customer: &Customer,
    question: &Question,
    request: Option<u64>,
) -> Result<Option<Arc<DecisionRecord>>, EngineError> {
    let found = customer.transient().requests.iter().find(|answered| Some(answered.request) == request);
    match found.and_then(|answered| answered.record.upgrade()) {
        Some(record) if record.question != *question => {
            Err(EngineError::RequestIdReused(question.request_id.to_string()))
        }
        found => Ok(found),
    }
}

/// The decision of an earlier process whose answer is not known any more: the new answer replaces it, so that the
/// request counts once.
fn replace_answer(customer: &mut Customer, request: u64) -> Option<DecisionKey> {
    let before = customer.transient().requests.iter().position(|answered| answered.request == request)?;
    let answered = customer.transient_mut().requests.remove(before);
    customer.state.change_relation(|relation| relation.withdraw(answered.key, None));
    Some(answered.key)
}

fn resolve(question: &Question, rules: &RuleSet) -> Result<Resolved, EngineError> {
    let mut resolver = Resolver::new(rules);
    resolver.id("customer_id", &question.customer);
    resolver.optional_id("request_id", &question.request_id);
    let channel = resolver.channel("channel", &question.channel);
    let context = resolver.context(&question.context);
    resolver.few("groups", question.groups.len());
    let groups = question
        .groups
        .iter()
        .enumerate()
        .filter_map(|(index, name)| resolver.group(&format_args!("groups[{index}]"), name))
        .collect();
    if question.max_actions > MOST_ACTIONS {
        resolver.refuse("max_actions", format!("is {}, at most {MOST_ACTIONS} are allowed", question.max_actions));
    }
    match channel {
        Some(channel) if resolver.violations.is_empty() => {
            Ok(Resolved { channel, context, groups, max_actions: question.max_actions.max(1) as usize })
        }
        _ => Err(EngineError::Invalid(resolver.violations)),
    }
}
