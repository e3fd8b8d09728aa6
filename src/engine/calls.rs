//! The calls of the engine by name.
//!
//! Those that wait on the calling thread are for tests, timelines and tools; a server runs operations with
//! [`Engine::execute`], or the calls here that end in `_async`.

use std::sync::Arc;

use compact_str::CompactString;

use super::operations::resolve::check_filter;
use super::operations::{
    AttributeChange, ConsentAnswer, ConsentRequest, CustomerView, Decide, EventInput, GetCustomer, ItemResult,
    KnownRecords, OutcomeInput, Question, RecordConsent, RecordEvent, RecordOutcome, Sent, SetAttributes, StandingView,
    Standings, bounded, came_with, may_repeat,
};
use super::{DecisionId, DecisionRecord, Engine, EngineError, FieldViolation};
use crate::clock::Stopwatch;
use crate::domain::consent::ConsentRecord;
use crate::domain::rule_set::RuleSet;
use crate::domain::time::Moment;
use crate::sync::block_on;

/// Records with their positions.
type Records = Vec<(u64, ConsentRecord)>;

/// How often a late consent is compared with the customer's records while others change them.
const MOST_ATTEMPTS: usize = 8;

impl Engine {
    /// The next best actions for one customer on one channel now, or silence.
    ///
    /// # Errors
    /// When the question does not fit the rules, or its request id was used for another question.
    pub fn decide(&self, question: Question, now: Moment) -> Result<Arc<DecisionRecord>, EngineError> {
        block_on(self.decide_or_recall(Decide::new(question, self.rules())?, now))
    }

    /// [`Engine::decide`] without waiting on this thread; counted and timed by the meter.
    ///
    /// # Errors
    /// Those of [`Engine::decide`].
    pub async fn decide_async(&self, question: Question, now: Moment) -> Result<Arc<DecisionRecord>, EngineError> {
        let since = Stopwatch::start();
        self.answer(Decide::new(question, self.rules()), since, now).await
    }

    /// [`Engine::decide_async`] for a question whose names are resolved, or why they could not be; timed since
    /// that began.
    ///
    /// # Errors
    /// Those of [`Engine::decide`].
    pub async fn answer(
        &self,
        decide: Result<Decide, EngineError>,
        since: Stopwatch,
        now: Moment,
    ) -> Result<Arc<DecisionRecord>, EngineError> {
        let answer = match decide {
            Ok(decide) => self.decide_or_recall(decide, now).await,
            Err(error) => Err(error),
        };
        self.meter.decision(since, &answer);
        answer
    }

    /// Decides under other rules or at another time, and changes nothing.
    ///
    /// # Errors
    /// When the question does not fit the rules.
    pub fn simulate(
        &self,
        question: Question,
        rules: Arc<RuleSet>,
        at: Moment,
        now: Moment,
    ) -> Result<Arc<DecisionRecord>, EngineError> {
        self.execute_blocking(&Decide::simulated(question, rules, at, self.rules())?, now)?
    }

    /// Refuses a filter of decisions that can match none. Empty means all.
    ///
    /// # Errors
    /// When the customer's id or the channel is invalid.
    pub fn check_filter(&self, customer: &str, channel: &str) -> Result<(), EngineError> {
        check_filter(customer, channel, &self.rules().set)
    }

    /// Records events, each independently.
    ///
    /// # Errors
    /// When there are too many.
    pub fn record_events(&self, events: Vec<EventInput>, now: Moment) -> Result<Vec<ItemResult>, EngineError> {
        block_on(self.record_events_async(events.into_iter().map(Sent::from).collect(), now))
    }

    /// [`Engine::record_events`] without waiting on this thread.
    ///
    /// # Errors
    /// Those of [`Engine::record_events`].
    pub async fn record_events_async(
        &self,
        events: Vec<Sent<EventInput>>,
        now: Moment,
    ) -> Result<Vec<ItemResult>, EngineError> {
        bounded("events", events.len())?;
        let (rules, at) = (self.rules(), self.clock.steady(now));
        let events: Vec<_> = events.into_iter().map(|event| RecordEvent::new(event, Arc::clone(&rules), at)).collect();
        let result = |answer: Result<(ItemResult, usize), _>| {
            let (result, dropped) = answer.or_else(|error| Ok((ItemResult::failed(error)?, 0)))?;
            self.count_dropped(dropped);
            Ok(self.counted(result))
        };
        self.execute_all(&events, now).await.into_iter().map(result).collect()
    }

    /// Records outcomes, each independently.
    ///
    /// # Errors
    /// When there are too many.
    pub fn record_outcomes(&self, outcomes: Vec<OutcomeInput>, now: Moment) -> Result<Vec<ItemResult>, EngineError> {
        block_on(self.record_outcomes_async(outcomes.into_iter().map(Sent::from).collect(), now))
    }

    /// [`Engine::record_outcomes`] without waiting on this thread.
    ///
    /// # Errors
    /// Those of [`Engine::record_outcomes`].
    pub async fn record_outcomes_async(
        &self,
        outcomes: Vec<Sent<OutcomeInput>>,
        now: Moment,
    ) -> Result<Vec<ItemResult>, EngineError> {
        bounded("outcomes", outcomes.len())?;
        let (rules, at) = (self.rules(), self.clock.steady(now));
        let operation = |outcome: &Sent<OutcomeInput>| match self.customer_of(&outcome.item) {
            Ok(customer) => RecordOutcome::new(outcome, &customer, Arc::clone(&rules), at),
            Err(wrong) => {
                let wrong = outcome.wrong.iter().cloned().chain([wrong]);
                RecordOutcome::refused(wrong.collect(), Arc::clone(&rules))
            }
        };
        let operations: Vec<_> = outcomes.iter().map(operation).collect();
        let result =
            |answer: Result<ItemResult, _>| answer.or_else(ItemResult::failed).map(|result| self.counted(result));
        self.execute_all(&operations, now).await.into_iter().map(result).collect()
    }

    /// Counts a result for which an id had to be forgotten.
    fn counted(&self, result: ItemResult) -> ItemResult {
        if result.ids_truncated {
            self.meter.truncate_ids();
        }
        result
    }

    /// The customer of an outcome. Without an id it is that of the decision, if the decision is in memory.
    fn customer_of(&self, input: &OutcomeInput) -> Result<CompactString, FieldViolation> {
        let decision = &input.decision_id;
        let record = DecisionId::parse(decision).and_then(|id| self.decisions.get(id.key()));
        match record.map(|record| record.question.customer.clone()) {
            Some(customer) if input.customer.is_empty() || input.customer == customer.as_str() => Ok(customer),
            Some(_) => {
                Err(FieldViolation::new("customer_id", format!("decision `{decision}` was for another customer")))
            }
            None => Ok(input.customer.as_str().into()),
        }
    }

    /// Sets declared attributes; returns the names of those that no purpose covers now.
    ///
    /// # Errors
    /// When a name, a value or the time zone is invalid, or an attribute would be dropped only because consent cannot be
    /// relied on now; then nothing is set.
    pub fn set_attributes(&self, change: AttributeChange, now: Moment) -> Result<Vec<String>, EngineError> {
        block_on(self.set_attributes_async(change, now))
    }

    /// [`Engine::set_attributes`] without waiting on this thread.
    ///
    /// # Errors
    /// Those of [`Engine::set_attributes`].
    pub async fn set_attributes_async(&self, change: AttributeChange, now: Moment) -> Result<Vec<String>, EngineError> {
        self.store_attributes(SetAttributes::new(change, self.rules())?, now).await
    }

    /// [`Engine::set_attributes_async`] for a change that was checked.
    ///
    /// # Errors
    /// Those of [`Engine::set_attributes`].
    pub async fn store_attributes(&self, change: SetAttributes, now: Moment) -> Result<Vec<String>, EngineError> {
        let dropped = self.execute(&change, now).await??;
        self.count_dropped(dropped.len());
        Ok(dropped)
    }

    /// The data held about one customer now.
    ///
    /// # Errors
    /// When the customer id is invalid.
    pub fn customer(&self, id: &str, now: Moment) -> Result<CustomerView, EngineError> {
        self.execute_blocking(&GetCustomer::new(id, self.rules())?, now)
    }

    /// Records consent changes and answers when they are durable.
    ///
    /// # Errors
    /// When the request is wrong, its key was used for another body, or the ledger does not take records.
    pub fn record_consent(&self, request: ConsentRequest, now: Moment) -> Result<ConsentAnswer, EngineError> {
        let mut repeated = false;
        for _ in 0..MOST_ATTEMPTS {
            let records = self.records_for(&request, repeated);
            let consent = self.consent(&request, (records, repeated), now)?;
            match self.execute_blocking(&consent, now)? {
                Err(EngineError::RecordsChanged) => {}
                Err(EngineError::ConsentRepeated) => repeated = true,
                answer => return answer,
            }
        }
        Err(EngineError::RecordsChanged)
    }

    /// A consent request, with the records that its late changes may repeat, and those that it made if it is repeated.
    fn consent(
        &self,
        request: &ConsentRequest,
        (records, repeated): (Option<Records>, bool),
        now: Moment,
    ) -> Result<RecordConsent, EngineError> {
        let mut consent = RecordConsent::new(request.clone(), self.rules(), self.clock.steady(now))?;
        let Some(records) = records else { return Ok(consent) };
        if repeated {
            let own = records.iter().map(|(_, record)| record).filter(|record| came_with(record, request));
            consent = consent.repeating(own.cloned().collect());
        }
        Ok(if may_repeat(request) { consent.knowing(KnownRecords::of(records)) } else { consent })
    }

    /// The customer's records, if the request may repeat some; `None` if they cannot be read, and then nothing can be
    /// recorded either.
    fn records_for(&self, request: &ConsentRequest, repeated: bool) -> Option<Records> {
        (repeated || may_repeat(request)).then(|| self.storage.ledger().records(&request.customer).ok())?
    }

    /// [`Engine::record_consent`] without waiting on this thread, for an authenticated caller. Once it has begun it ends,
    /// whether or not its caller still waits.
    ///
    /// # Errors
    /// Those of [`Engine::record_consent`].
    pub async fn record_consent_async(
        self: &Arc<Self>,
        request: ConsentRequest,
        recorded_by: &str,
        now: Moment,
    ) -> Result<ConsentAnswer, EngineError> {
        let mut repeated = false;
        for _ in 0..MOST_ATTEMPTS {
            let records = if repeated || may_repeat(&request) {
                let (engine, request) = (Arc::clone(self), request.clone());
                // Reading records waits for the disk.
                let reading = tokio::task::spawn_blocking(move || engine.records_for(&request, repeated));
                reading.await.map_err(|_| EngineError::Failed)?
            } else {
                None
            };
            let consent = self.consent(&request, (records, repeated), now)?;
            match self.execute_detached(consent.recorded_by(recorded_by), now).await? {
                Err(EngineError::RecordsChanged) => {}
                Err(EngineError::ConsentRepeated) => repeated = true,
                answer => return answer,
            }
        }
        Err(EngineError::RecordsChanged)
    }

    /// One customer's standing for every declared purpose, now.
    ///
    /// # Errors
    /// When the customer id is invalid.
    pub fn standing(&self, customer: &str, now: Moment) -> Result<Vec<StandingView>, EngineError> {
        self.execute_blocking(&Standings::new(customer, self.rules())?, now)
    }
}
