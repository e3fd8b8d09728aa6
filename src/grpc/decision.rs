//! DecisionService.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status};

use super::caller::Binding;
use super::proto::decision_service_server::DecisionService;
use super::read::{self, Wrong};
use super::status::{refusal, status, wrong_field};
use super::{Shared, convert, gpc, proto, timestamp};
use crate::clock::Stopwatch;
use crate::domain::action::Outcome;
use crate::domain::time::{Moment, Period};
use crate::engine::{Decide, DecisionRecord, EngineError, OutcomeInput, Question, Sent, ShowDecision, Watch};

/// After which time a question may be repeated that could not be decided.
const RETRY: Period = Period(1_000);

/// DecisionService over an engine.
#[derive(Debug, Clone)]
pub struct DecisionApi(pub Shared);

#[tonic::async_trait]
impl DecisionService for DecisionApi {
    async fn decide(&self, request: Request<proto::DecideRequest>) -> Result<Response<proto::DecideResponse>, Status> {
        let signal = gpc::is_set(request.metadata());
        let binding = Binding::of(&request);
        binding.both(&request.get_ref().customer_id, &request.get_ref().channel)?;
        let silent = request.get_ref().fallback == i32::from(proto::Fallback::Silence);
        let (mut question, wrong) = read::question(request.into_inner());
        question.signals_objection = signal && question.validate_only;
        let Shared { engine, clock, .. } = &self.0;
        let mut since = Stopwatch::start();
        let mut decide = wrong.or(Decide::new(question, engine.rules()));
        if let Ok(question) = decide.as_ref().map(Decide::question)
            && signal
            && !question.validate_only
        {
            gpc::record(&self.0, &binding, std::iter::once(question.customer.as_str())).await;
            since = Stopwatch::start();
            // Others may be in force by now.
            decide = decide.and_then(|decide| decide.under(engine.rules()));
        }
        match engine.answer(decide, since, clock.now()).await {
            Ok(record) => Ok(Response::new(convert::decision(&record))),
            Err(EngineError::NotStored(_) | EngineError::NotReadable(_)) if silent => {
                Ok(Response::new(unavailable(clock.now())))
            }
            Err(error) => Err(status(&error)),
        }
    }

    async fn record_outcomes(
        &self,
        request: Request<proto::RecordOutcomesRequest>,
    ) -> Result<Response<proto::RecordOutcomesResponse>, Status> {
        let binding = Binding::of(&request);
        for record in &request.get_ref().outcomes {
            binding.customer(&record.customer_id)?;
            // A decision has a channel of its own; without one, the outcome must name a channel.
            if record.decision_id.is_empty() || !record.channel.is_empty() {
                binding.channel(&record.channel)?;
            }
        }
        let outcomes = request.into_inner().outcomes.into_iter().map(outcome).collect();
        let results = self.0.engine.record_outcomes_async(outcomes, self.0.clock.now()).await;
        let results = results.map_err(|error| status(&error))?;
        Ok(Response::new(proto::RecordOutcomesResponse { results: convert::results(results) }))
    }

    async fn get_decision(
        &self,
        request: Request<proto::GetDecisionRequest>,
    ) -> Result<Response<proto::GetDecisionResponse>, Status> {
        let binding = Binding::of(&request);
        let id = request.into_inner().decision_id;
        if id.is_empty() {
            return Err(wrong_field("decision_id", "is required"));
        }
        let decision = self.0.engine.decision_async(&id, self.0.clock.now()).await;
        let decision = decision.and_then(|record| {
            let Question { customer, channel, .. } = &record.question;
            let own = binding.allows_customer(customer) && binding.allows_channel(channel);
            // A bound caller is not told whether another customer's decision exists.
            if own { Ok(record) } else { Err(EngineError::UnknownDecision(id.clone())) }
        });
        let record = decision.map_err(|error| status(&error))?;
        Ok(Response::new(convert::past_decision(&record)))
    }

    async fn list_decisions(
        &self,
        request: Request<proto::ListDecisionsRequest>,
    ) -> Result<Response<proto::ListDecisionsResponse>, Status> {
        super::decision_list::list(&self.0, request).await
    }

    type GetReportStream = super::report::ReportStream;

    async fn get_report(
        &self,
        request: Request<proto::GetReportRequest>,
    ) -> Result<Response<Self::GetReportStream>, Status> {
        super::report::report(&self.0, request.into_inner())
    }

    type WatchDecisionsStream = Pin<Box<dyn Stream<Item = Result<proto::WatchDecisionsResponse, Status>> + Send>>;

    async fn watch_decisions(
        &self,
        request: Request<proto::WatchDecisionsRequest>,
    ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
        let proto::WatchDecisionsRequest { customer_id, channel } = request.get_ref();
        self.0.engine.check_filter(customer_id, channel).map_err(|error| status(&error))?;
        self.0.audit.note(&request, "DecisionService/WatchDecisions", customer_id).await?;
        let shared = self.0.clone();
        let place = Arc::clone(&shared.watchers).try_acquire_owned();
        let message = "as many watchers as allowed are connected";
        let place = place.map_err(|_| refusal(Code::ResourceExhausted, "TOO_MANY_WATCHERS", message))?;
        let watcher = Watcher {
            _place: place,
            feed: shared.engine.watch(),
            stopping: shared.stopping.clone(),
            binding: Binding::of(&request),
            wanted: request.into_inner(),
            shared,
            missed: 0,
        };
        let next = async |mut watcher: Watcher| Some((Ok(watcher.next().await?), watcher));
        Ok(Response::new(Box::pin(unfold(watcher, next))))
    }
}

/// The silence in the place of a decision that cannot be made because the customer cannot be read or stored.
fn unavailable(now: Moment) -> proto::DecideResponse {
    let silence = proto::Silence {
        reason: proto::SilenceReason::Unavailable.into(),
        detail: "the customer cannot be read or stored now".into(),
        retry_after: Some(timestamp(now + RETRY)),
        ..proto::Silence::default()
    };
    proto::DecideResponse { silence: Some(silence), ..proto::DecideResponse::default() }
}

fn outcome(record: proto::OutcomeRecord) -> Sent<OutcomeInput> {
    let mut wrong = Wrong::default();
    let outcome = convert::outcome(record.outcome).unwrap_or_else(|| {
        wrong.refuse("outcome", "is required; one of PRESENTED, CLICKED, ACCEPTED, …");
        Outcome::NotPresented
    });
    let item = OutcomeInput {
        outcome_id: record.outcome_id,
        decision_id: record.decision_id,
        customer: record.customer_id,
        action: record.action_id,
        channel: record.channel,
        outcome,
        occurred: wrong.moment("occurred_at", record.occurred_at),
    };
    Sent { item, wrong: wrong.0 }
}

/// A watcher of decisions.
struct Watcher {
    /// Given back when the watcher is gone.
    _place: OwnedSemaphorePermit,
    feed: Watch,
    stopping: watch::Receiver<bool>,
    wanted: proto::WatchDecisionsRequest,
    binding: Binding,
    shared: Shared,
    /// How many decisions were missed since the last response.
    missed: u64,
}

impl Watcher {
    /// The next decision to send; `None` once the server stops. Decisions that a slow watcher misses are counted.
    ///
    /// It is fetched and checked when the connection can send it: data that was erased while a watcher stalled is never
    /// sent to it later.
    async fn next(&mut self) -> Option<proto::WatchDecisionsResponse> {
        // Otherwise decisions that are ready would be fetched ahead, to be sent together.
        tokio::task::yield_now().await;
        loop {
            let next = tokio::select! {
                next = self.feed.next() => next,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            let record = match next {
                Ok(record) if self.wants(&record) => record,
                Ok(_) => continue,
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    self.missed = self.missed.saturating_add(missed);
                    continue;
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            };
            let Shared { engine, clock, .. } = &self.shared;
            if let Ok(Some(record)) = engine.execute(&ShowDecision::new(record, engine.rules()), clock.now()).await {
                let decision = Some(convert::past_decision(&record));
                return Some(proto::WatchDecisionsResponse { decision, missed: std::mem::take(&mut self.missed) });
            }
        }
    }

    fn wants(&self, record: &DecisionRecord) -> bool {
        let (wanted, Question { customer, channel, .. }) = (&self.wanted, &record.question);
        self.binding.allows_customer(customer)
            && self.binding.allows_channel(channel)
            && (wanted.customer_id.is_empty() || wanted.customer_id == customer.as_str())
            && (wanted.channel.is_empty() || wanted.channel == channel.as_str())
    }
}
