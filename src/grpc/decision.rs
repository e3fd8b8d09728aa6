//! DecisionService.

use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::proto::decision_service_server::DecisionService;
use super::status::status;
use super::{Shared, convert, gpc, proto};
use crate::engine::{DecisionRecord, OutcomeInput};

/// DecisionService over an engine.
#[derive(Debug)]
pub struct DecisionApi(pub Shared);

#[tonic::async_trait]
impl DecisionService for DecisionApi {
    async fn decide(&self, request: Request<proto::DecideRequest>) -> Result<Response<proto::DecideResponse>, Status> {
        let signal = gpc::is_set(request.metadata());
        let question = convert::question(request.into_inner())?;
        if signal {
            gpc::record(&self.0, std::iter::once(question.customer.as_str())).await;
        }
        let Shared { engine, clock, .. } = &self.0;
        let record =
            engine.meter().decision(|| engine.decide(question, clock.now())).map_err(|error| status(&error))?;
        Ok(Response::new(convert::decision(&record)))
    }

    async fn record_outcomes(
        &self,
        request: Request<proto::RecordOutcomesRequest>,
    ) -> Result<Response<proto::RecordOutcomesResponse>, Status> {
        let outcomes: Result<Vec<OutcomeInput>, Status> =
            request.into_inner().outcomes.into_iter().enumerate().map(outcome).collect();
        let results = self.0.engine.record_outcomes(outcomes?, self.0.clock.now()).map_err(|error| status(&error))?;
        Ok(Response::new(proto::RecordOutcomesResponse { results: convert::results(results) }))
    }

    async fn get_decision(
        &self,
        request: Request<proto::GetDecisionRequest>,
    ) -> Result<Response<proto::GetDecisionResponse>, Status> {
        let record = self
            .0
            .engine
            .decision(&request.into_inner().decision_id, self.0.clock.now())
            .map_err(|error| status(&error))?;
        Ok(Response::new(convert::past_decision(&record)))
    }

    type WatchDecisionsStream = ReceiverStream<Result<proto::WatchDecisionsResponse, Status>>;

    async fn watch_decisions(
        &self,
        request: Request<proto::WatchDecisionsRequest>,
    ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
        let wanted = request.into_inner();
        let (sender, receiver) = mpsc::channel(64);
        tokio::spawn(forward(self.0.clone(), wanted, sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

fn outcome((index, record): (usize, proto::OutcomeRecord)) -> Result<OutcomeInput, Status> {
    let Some(outcome) = convert::outcome(record.outcome) else {
        let field = format!("outcomes[{index}].outcome");
        return Err(super::status::wrong_field(&field, "is required; one of PRESENTED, CLICKED, ACCEPTED, …"));
    };
    Ok(OutcomeInput {
        outcome_id: record.outcome_id,
        decision_id: record.decision_id,
        customer: record.customer_id,
        action: record.action_id,
        channel: record.channel,
        outcome,
        occurred: record.occurred_at.map(convert::moment),
    })
}

/// Sends what a watcher wants to see until either side ends; what a slow one misses is left out.
async fn forward(
    shared: Shared,
    wanted: proto::WatchDecisionsRequest,
    sender: mpsc::Sender<Result<proto::WatchDecisionsResponse, Status>>,
) {
    let (mut feed, mut stopping) = (shared.engine.watch(), shared.stopping.clone());
    let wants = |record: &DecisionRecord| {
        (wanted.customer_id.is_empty() || wanted.customer_id == record.customer.as_str())
            && (wanted.channel.is_empty() || wanted.channel == record.question.channel)
    };
    loop {
        let next = tokio::select! {
            next = feed.recv() => next,
            () = sender.closed() => return,
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        let record = match next {
            Ok(record) => record,
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let wanted = Some(record).filter(|record| wants(record));
        let shown = wanted.and_then(|record| shared.engine.as_shown(record, shared.clock.now()));
        if let Some(record) = shown
            && let decision = Some(convert::past_decision(&record))
            && sender.send(Ok(proto::WatchDecisionsResponse { decision })).await.is_err()
        {
            return;
        }
    }
}
