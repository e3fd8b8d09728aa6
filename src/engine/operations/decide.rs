//! Decide: a question from names to answer, decided and reserved in one critical section.

use std::sync::Arc;

use compact_str::CompactString;
use smallvec::SmallVec;

use super::consent::{ConsentChange, suppose, suppose_objection, supposed};
use super::resolve::{ContextFacts, Resolver, hash, hash_id, hash_value};
use crate::domain::consent::{ConsentRecord, Stage};
use crate::domain::customer::KnownRequest;
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
use crate::store::codec::StoredContact;

/// A channel's question, with names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Question {
    /// The customer's id.
    pub customer: CompactString,
    /// The channel's id.
    pub channel: CompactString,
    /// The id of the request: the same id within a day, or what the settings say, gets the same answer and counts once.
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

/// The hashes of a request's id and of what it asks.
#[derive(Debug, Clone, Copy)]
struct RequestHashes {
    id: u64,
    body: u64,
}

/// How long a decision stays readable by id.
const READABLE: Period = Period::DAY;
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
    request: Option<RequestHashes>,
    resolved: Resolved,
    rules: Arc<ActiveRules>,
    /// For a simulation: the rules in force, which say what data may be read, and the moment to decide at. The rules to
    /// decide under, and their moment, are `rules`.
    simulated: Option<Arc<ActiveRules>>,
    /// For a simulation: the consents that it supposes.
    supposed: Vec<ConsentRecord>,
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
        let id = hash_id("request", &question.request_id);
        let request = id.map(|id| RequestHashes { id, body: body(&question) });
        Ok(Self { question, request, resolved, rules, simulated: None, supposed: Vec::new(), recalls: false })
    }

    /// The same under other rules.
    ///
    /// # Errors
    /// When the question does not fit them.
    pub fn under(self, rules: Arc<ActiveRules>) -> Result<Self, EngineError> {
        Self::new(self.question, rules)
    }

    /// The same, with whether the answer to a repeated request is looked for in the decision log.
    #[must_use]
    pub(in crate::engine) fn recalling(self, recalls: bool) -> Self {
        Self { recalls, ..self }
    }

    /// The question.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The answer that this request got before.
    ///
    /// # Errors
    /// When its id was used for another question, or the answer is not in memory any more and may be found elsewhere.
    fn answered(&self, customer: &Customer, context: &Context<'_>) -> Result<Before, EngineError> {
        let Some((request, known)) =
            self.request.and_then(|request| Some((request, customer.state.request(request.id)?)))
        else {
            return Ok(Before::New);
        };
        let held = context.recent.get(known.decision()).filter(|record| record.epoch == customer.epoch());
        // Of a request from before, only its decision says what it asked.
        let same = known.asked(request.body).or(held.as_ref().map(|record| record.question == self.question));
        match held {
            _ if same == Some(false) => Err(EngineError::RequestIdReused(self.question.request_id.to_string())),
            Some(record) => Ok(Before::Held(record)),
            None if self.recalls => Err(EngineError::NotInMemory(known)),
            None => Ok(Before::Lost(known.decision())),
        }
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

    /// The same, as if these consents had been recorded just before. They widen nothing that may be read: what the rules in
    /// force may not read now stays unknown.
    ///
    /// # Errors
    /// When one of them could not be recorded.
    pub fn supposing(self, consents: Vec<ConsentChange>, now: Moment) -> Result<Self, EngineError> {
        let newest = self.rules.since.max(now);
        let supposed = supposed(&self.question.customer, consents, &self.rules.set, newest)?;
        Ok(Self { supposed, ..self })
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
            suppose(&mut customer.standing, &self.supposed, context.rules);
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
            ids_truncated: false,
            callers: Callers::default(),
            explained,
        }
    }

    fn snapshot(&self, customer: &Customer, context: &Context<'_>) -> Snapshot {
        let Context { ledger_trusted, contacts, .. } = *context;
        Snapshot { customer: customer.clone(), resolved: self.resolved.clone(), ledger_trusted, contacts }
    }

    /// Decides and reserves.
    /// An answer of this request that is not known any more is replaced, so that the request counts once.
    fn answer(
        &self,
        customer: &mut Customer,
        replaced: Option<DecisionKey>,
        context: &Context<'_>,
    ) -> Applied<Arc<DecisionRecord>> {
        let id = context.ids.decision(context.now);
        let key = id.key();
        if let Some(before) = replaced {
            customer.state.change_relation(|relation| relation.withdraw(before, None));
        }
        let epoch = customer.epoch();
        let record = self.record(customer, id, context, epoch);
        let request =
            self.request.map(|RequestHashes { id, body }| KnownRequest::new(id, Some(body), key, context.now));
        let ids_truncated =
            request.is_some_and(|request| customer.state.remember_request(request, context.ids_kept.most.into()));
        let record = Arc::new(DecisionRecord { replaced: replaced.is_some(), ids_truncated, ..record });
        let sampled = context.sample > 0 && key.0.is_multiple_of(u64::from(context.sample));
        let sample = sampled.then(|| Box::new(self.snapshot(customer, context)));
        if !record.decision.actions.is_empty() {
            let actions = record.decision.actions.iter().map(|chosen| chosen.action);
            let (state, terms) = customer.with_terms(context);
            reserve(state, key, actions, self.resolved.channel, terms);
            customer.settled_until = customer.settled_until.min(context.now + OPEN_FOR);
        }
        let mut effects =
            Effects { keeps_settled: true, publish: Some(Arc::clone(&record)), sample, ..Effects::default() };
        effects.log.extend(replaced.map(|key| LoggedChange::Withdrawn { decision: key.0, action: None }));
        if !record.decision.actions.is_empty() {
            effects.log.extend(logged(customer, key));
        }
        // While contacts cannot be logged, only those that no limit counts are made: nothing waits for the log. A silence
        // counts nothing, and need not wait for its request's entry.
        if !effects.log.is_empty() && context.contacts.logged {
            effects.durability = Durability::Process;
        }
        effects.log.extend(request.map(|request| LoggedChange::KnownRequest(request.bytes())));
        if !effects.log.is_empty() {
            effects.state = StateChange::Logged;
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
        if self.request.is_some() {
            customer.forget_requests(context);
        }
        match self.answered(customer, context) {
            Err(error) => Applied::unchanged(Err(error)),
            Ok(Before::Held(record)) if !context.contacts.logged => {
                let known = if record.callers.has_answered() { Ok(record) } else { Err(EngineError::NotLogged) };
                Applied::unchanged(known)
            }
            Ok(Before::Held(record)) => {
                record.callers.join();
                let effects = Effects { keeps_settled: true, durability: Durability::Process, ..Effects::default() };
                Applied::with(Ok(record), effects)
            }
            Ok(before) => {
                let replaced = if let Before::Lost(key) = before { Some(key) } else { None };
                let Applied { draft, effects } = self.answer(customer, replaced, context);
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
        customer.state.forget_requests(|known| known.decision() == key);
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

/// The entries of the contact log for the contacts of a decision.
fn logged(customer: &Customer, key: DecisionKey) -> impl Iterator<Item = LoggedChange> {
    let contacts = customer.state.relation().contacts.iter().filter(move |contact| contact.decision == key);
    contacts.map(|contact| LoggedChange::Contact(StoredContact::of(contact)))
}

/// What is known of the answer to a request.
enum Before {
    /// The request is new.
    New,
    /// The answer is in memory.
    Held(Arc<DecisionRecord>),
    /// It was answered by this decision, which is not known any more.
    Lost(DecisionKey),
}

/// A hash of what a request asks.
fn body(question: &Question) -> u64 {
    let Question { channel, context, max_actions, groups, explain, .. } = question;
    let mut facts: Vec<(&str, u64)> = context.iter().map(|(name, value)| (name.as_str(), hash_value(value))).collect();
    facts.sort_unstable();
    hash(&(channel, facts, max_actions, groups, *explain as u8))
}

/// Whether a decision is still readable by its id.
pub(in crate::engine) fn is_readable(record: &DecisionRecord, now: Moment) -> bool {
    now.since(record.at) < READABLE
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
