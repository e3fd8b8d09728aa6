//! A question from names to answer: resolved, decided and reserved in one critical section.

use crate::sync::atomic::Ordering;
use std::sync::Arc;

use compact_str::CompactString;

use super::log::{Callers, DecisionRecord};
use super::resolve::{ContextFacts, Resolver, hash_id};
use super::{ActiveRules, Customer, Engine, EngineError, consent};
use crate::domain::consent::Stage;
use crate::domain::customer::contact::DecisionKey;
use crate::domain::decide::{Decision, Explain, Request, decide};
use crate::domain::id::{ChannelId, GroupId};
use crate::domain::rule_set::RuleSet;
use crate::domain::time::{Moment, Period};
use crate::domain::transition::{reserve, withhold};
use crate::domain::value::Value;
use crate::domain::view::{Situation, Subject};
use crate::store::Mutation;

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
    pub context: Vec<(CompactString, Value)>,
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
pub(super) struct Answered {
    pub request: u64,
    /// The decision's key.
    pub key: DecisionKey,
    /// The answer; `None` if only the store knew of it.
    pub record: Option<Arc<DecisionRecord>>,
    /// When it is forgotten.
    pub until: Moment,
}

/// How long a request id is remembered.
const REMEMBERED: Period = Period(10 * 60_000);
/// How long a decision stays readable by id.
const READABLE: Period = Period::DAY;
/// How many request ids are remembered for one customer.
const MOST_REMEMBERED: usize = 32;
/// The most actions one answer may hold.
pub const MOST_ACTIONS: u32 = 20;

/// A question with names resolved.
struct Resolved {
    channel: ChannelId,
    context: ContextFacts,
    groups: Vec<GroupId>,
    max_actions: usize,
}

impl Engine {
    /// The next best actions for one customer on one channel now, or silence.
    ///
    /// # Errors
    /// When the question does not fit the rules, or its request id was used for another question.
    pub fn decide(&self, question: Question, now: Moment) -> Result<Arc<DecisionRecord>, EngineError> {
        let active = self.rules.load();
        let resolved = resolve(&question, &active.set)?;
        let now = self.steady(now);
        let record = self.recheck(question, |question| {
            let id = question.customer.clone();
            if question.validate_only {
                let mut customer = self.customer_as_held(&id);
                if question.signals_objection {
                    consent::suppose_objection(&mut customer.standing, &active.set, now);
                }
                return Ok(Arc::new(self.rehearse((customer, question), &resolved, &active, now)));
            }
            let key = DecisionKey(self.next_decision.fetch_add(1, Ordering::Relaxed));
            let record = self.customers.update(
                &id,
                || self.load_customer(&id),
                |customer| {
                    let before = customer.epoch();
                    match self.decide_for((&mut *customer, key), question, &resolved, (&active, now)) {
                        Ok((record, replaced)) => {
                            let mutation = self.mutation_by_decision(customer, before, (&record, replaced));
                            (Ok(record), mutation)
                        }
                        // Elapsed time may still have changed the customer.
                        Err(error) => (Err(error), customer.mutation_since(before)),
                    }
                },
            )?;
            if record.key == key {
                self.decisions.push(Arc::clone(&record));
            }
            Ok(record)
        })?;
        if record.key != DecisionKey::default() {
            self.feed.send(&record);
        }
        Ok(record)
    }

    /// Answers, and decides again if the customer denied something in the meantime: an answer never relies on data that
    /// was denied before the answer left.
    fn recheck(
        &self,
        mut question: Question,
        answer: impl Fn(Question) -> Result<Arc<DecisionRecord>, EngineError>,
    ) -> Result<Arc<DecisionRecord>, EngineError> {
        loop {
            let denials = self.denials.load(Ordering::Acquire);
            let record = answer(question)?;
            if self.denials.load(Ordering::Acquire) == denials {
                return Ok(record);
            }
            let customer = record.question.customer.as_str();
            let epoch = self.customers.read(customer, Customer::epoch);
            let epoch = epoch.unwrap_or_else(|| self.load_customer(customer).customer.epoch());
            if epoch == record.epoch {
                return Ok(record);
            }
            self.take_back(&record);
            question = record.question.clone();
        }
    }

    /// Undoes the contacts and the log entry of a decision, unless it was, or still may be, the answer to a repeated
    /// request.
    fn take_back(&self, record: &DecisionRecord) {
        if record.key == DecisionKey::default() {
            return;
        }
        let customer = &record.question.customer;
        let nobody_has_it = self.change_customer(customer, |held| {
            let nobody_has_it = record.callers.leave();
            if !nobody_has_it {
                return (false, Mutation::None);
            }
            held.state.change_relation(|relation| relation.withdraw(record.key, None));
            (true, self.mutation_by_withdrawal(customer, record.key, None))
        });
        if nobody_has_it {
            self.decisions.forget(|kept| kept.key == record.key);
        }
    }

    /// Decides under other rules or at another time, and changes nothing. It reads only the customer data that the
    /// rules in force may read now: other rules and another time can only narrow that.
    ///
    /// # Errors
    /// When the question does not fit the rules.
    pub fn simulate(
        &self,
        question: Question,
        rules: Arc<RuleSet>,
        (at, now): (Moment, Moment),
    ) -> Result<Arc<DecisionRecord>, EngineError> {
        let resolved = resolve(&question, &rules)?;
        let active = self.rules.load();
        let personal = |rules: &RuleSet, id| {
            rules.declared.attributes.get(id).is_none_or(|attribute| attribute.purposes.is_some())
        };
        let record = self.recheck(question, |question| {
            let mut customer = self.customer_as_held(&question.customer);
            let epoch = customer.epoch();
            self.settle(&mut customer, &active.set, self.steady(now));
            let terms = self.terms(&active.set, &customer.standing, self.steady(now));
            withhold(&mut customer.state, &active.set, terms.lawful(Stage::Evaluation), false);
            let kept = |id| !personal(&active.set, id) || personal(&rules, id);
            customer.state.retain_attributes(|id, purposes| kept(id).then_some(purposes));
            customer.rest_mut().epoch = epoch;
            let simulated = ActiveRules::new(Arc::clone(&rules), at);
            Ok(Arc::new(self.rehearse((customer, question), &resolved, &simulated, at)))
        })?;
        Ok(record)
    }

    /// A past decision with its reasons, as it was made. Data that the customer has denied since is not shown.
    ///
    /// # Errors
    /// When no decision with this id is kept.
    pub fn decision(&self, id: &str, now: Moment) -> Result<Arc<DecisionRecord>, EngineError> {
        let record = self.parse_id(id).and_then(|key| self.decisions.get(key));
        let young = record.filter(|record| is_readable(record, self.steady(now)));
        let unknown = || EngineError::UnknownDecision(id.chars().take(64).collect());
        young.and_then(|record| self.as_shown(record, now)).ok_or_else(unknown)
    }

    /// A decision as it may be shown now: in part if something was denied or expired since, and not at all if the
    /// customer was erased.
    #[must_use]
    pub fn as_shown(&self, record: Arc<DecisionRecord>, now: Moment) -> Option<Arc<DecisionRecord>> {
        let (active, now) = (self.rules.load(), self.steady(now));
        let (epoch, lawful) = self.look_at(&record.question.customer, (&active.set, now), |customer| {
            let lawful = self.terms(&active.set, &customer.standing, now).lawful(Stage::Disclosure);
            (customer.epoch(), lawful)
        });
        if epoch >> 32 != record.epoch >> 32 {
            return None;
        }
        let used = record.decision.purposes_used;
        let whole = epoch == record.epoch && used.intersection(lawful) == used;
        Some(if whole { record } else { Arc::new(record.redacted()) })
    }

    fn rehearse(
        &self,
        (mut customer, question): (Customer, Question),
        resolved: &Resolved,
        active: &ActiveRules,
        now: Moment,
    ) -> DecisionRecord {
        let epoch = customer.epoch();
        self.settle(&mut customer, &active.set, now);
        let decision = self.decide_now(&customer, &question, resolved, (active, now));
        self.record(question, decision, (active, DecisionKey::default(), now), epoch)
    }

    /// Answers, and returns the decision of an earlier process that the answer replaces.
    fn decide_for(
        &self,
        (customer, key): (&mut Customer, DecisionKey),
        question: Question,
        resolved: &Resolved,
        (active, now): (&ActiveRules, Moment),
    ) -> Result<(Arc<DecisionRecord>, Option<DecisionKey>), EngineError> {
        if customer.standing.is_gone() {
            return Ok((Arc::new(self.rehearse((customer.clone(), question), resolved, active, now)), None));
        }
        if customer.settled != Some(active.number) || now >= customer.settled_until {
            customer.settled_until = self.settle(customer, &active.set, now);
            customer.settled = Some(active.number);
        }
        customer.change_rest(|rest| rest.requests.retain(|answered| answered.until > now));
        let request = hash_id("request", &question.request_id);
        if let Some(answered) = answered(customer, &question, request)? {
            answered.callers.join();
            return Ok((answered, None));
        }
        let replaced = request.and_then(|request| replace_answer(customer, request));
        let decision = self.decide_now(customer, &question, resolved, (active, now));
        if !decision.actions.is_empty() {
            let Customer { state, standing, .. } = &mut *customer;
            let actions = decision.actions.iter().map(|chosen| chosen.action);
            reserve(state, key, actions, resolved.channel, self.terms(&active.set, standing, now));
        }
        let record = Arc::new(self.record(question, decision, (active, key, now), customer.epoch()));
        if let Some(request) = request {
            let requests = &mut customer.rest_mut().requests;
            requests.truncate(MOST_REMEMBERED - 1);
            let (record, until) = (Some(Arc::clone(&record)), now + REMEMBERED);
            requests.insert(0, Answered { request, key, record, until });
        }
        Ok((record, replaced))
    }

    /// Decides for a customer who has been settled.
    fn decide_now(
        &self,
        customer: &Customer,
        question: &Question,
        resolved: &Resolved,
        (active, now): (&ActiveRules, Moment),
    ) -> Decision {
        let Customer { state, standing, .. } = customer;
        let subject = Subject { state, standing, ledger_trusted: self.trusted() };
        let request = Request {
            channel: resolved.channel,
            situation: Situation { context: &resolved.context, ..Situation::default() },
            groups: &resolved.groups,
            max_actions: resolved.max_actions,
            explain: question.explain,
        };
        decide(&active.set, subject, &request, now)
    }

    fn record(
        &self,
        question: Question,
        decision: Decision,
        (active, key, at): (&ActiveRules, DecisionKey, Moment),
        epoch: u64,
    ) -> DecisionRecord {
        let number = key.0.saturating_sub(self.first_decision);
        let rules = Arc::clone(&active.set);
        let callers = Callers::default();
        DecisionRecord { run: self.run, number, key, question, decision, rules, at, epoch, callers }
    }

    /// The number in a decision id, if this process issued the id.
    pub(super) fn parse_id(&self, id: &str) -> Option<DecisionKey> {
        let (run, number) = id.strip_prefix("d-")?.split_once('-')?;
        let run = u32::from_str_radix(run, 16).ok().filter(|run| *run == self.run);
        let number = run.and_then(|_| u64::from_str_radix(number, 16).ok());
        number.map(|number| DecisionKey(self.first_decision.wrapping_add(number)))
    }
}

/// Whether a decision is still readable by its id.
pub(super) fn is_readable(record: &DecisionRecord, now: Moment) -> bool {
    now.since(record.at) < READABLE
}

/// The answer that this request got before; a later denial has deleted it.
fn answered(
    customer: &Customer,
    question: &Question,
    request: Option<u64>,
) -> Result<Option<Arc<DecisionRecord>>, EngineError> {
    let found = customer.rest().requests.iter().find(|answered| Some(answered.request) == request);
    match found.and_then(|answered| answered.record.as_ref()) {
        Some(record) if record.question != *question => {
            Err(EngineError::RequestIdReused(question.request_id.to_string()))
        }
        found => Ok(found.map(Arc::clone)),
    }
}

/// The decision of an earlier process whose answer is not known any more: the new answer replaces it, so that the
/// request counts once.
fn replace_answer(customer: &mut Customer, request: u64) -> Option<DecisionKey> {
    let Customer { rest: Some(rest), state, .. } = customer else { return None };
    let before = rest.requests.iter().position(|answered| answered.request == request)?;
    let answered = rest.requests.remove(before);
    state.change_relation(|relation| relation.withdraw(answered.key, None));
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
