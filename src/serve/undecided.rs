//! What a call is answered that is not begun: there are too many, or its deadline has passed. A question may ask for
//! silence in the place of an error.

use std::collections::HashMap;
use std::time::Duration;

use tonic::metadata::MetadataValue;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::clock::Clock;
use crate::domain::time::Moment;
use crate::grpc::proto::decision_service_server::{DecisionService, DecisionServiceServer};
use crate::grpc::proto::{
    DecideRequest, DecideResponse, Fallback, GetDecisionRequest, GetDecisionResponse, GetReportRequest,
    GetReportResponse, ListDecisionsRequest, ListDecisionsResponse, RecordOutcomesRequest, RecordOutcomesResponse,
    Silence, SilenceReason, WatchDecisionsRequest, WatchDecisionsResponse,
};
use crate::grpc::status::{DOMAIN, refusal};
use crate::grpc::timestamp;

/// After which time a call that was refused may be repeated.
const RETRY: Duration = Duration::from_millis(500);

/// Why a call is not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBegun {
    /// Too many others wait.
    Overloaded,
    /// Its deadline has passed.
    TooLate,
}

impl NotBegun {
    /// The error.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Overloaded => {
                let mut details = ErrorDetails::with_retry_info(Some(RETRY));
                details.set_error_info("OVERLOADED", DOMAIN, HashMap::new());
                let message = "too many calls; repeat it after the delay";
                let mut status = Status::with_error_details(Code::ResourceExhausted, message, details);
                // What clients of gRPC heed when they retry by themselves.
                status.metadata_mut().insert("grpc-retry-pushback-ms", MetadataValue::from_static("500"));
                status
            }
            Self::TooLate => {
                let message = "the deadline had passed before the call could begin";
                refusal(Code::DeadlineExceeded, "TOO_LATE", message)
            }
        }
    }

    fn silence(self, now: Moment) -> Silence {
        let (reason, detail) = match self {
            Self::Overloaded => (SilenceReason::Overloaded, "the server is too busy to decide"),
            Self::TooLate => (SilenceReason::TooLate, "the deadline had passed before the decision could begin"),
        };
        let retry = i64::try_from(RETRY.as_millis()).unwrap_or(i64::MAX);
        let retry_after = Some(timestamp(Moment(now.0.saturating_add(retry))));
        Silence { reason: reason.into(), detail: detail.into(), retry_after, ..Silence::default() }
    }
}

/// Answers in the place of the decision service.
#[derive(Debug, Clone)]
pub struct Substitute {
    decisions: DecisionServiceServer<Undecided>,
    routes: Routes,
}

impl Substitute {
    /// Answers calls that are not begun.
    #[must_use]
    pub fn new(why: NotBegun, clock: Clock) -> Self {
        let decisions = super::decisions::served(Undecided { why, clock });
        Self { routes: Routes::new(decisions.clone()).prepare(), decisions }
    }

    /// The service.
    #[must_use]
    pub fn decisions(&self) -> DecisionServiceServer<Undecided> {
        self.decisions.clone()
    }

    /// The same, for calls that are translated.
    #[must_use]
    pub fn routes(&self) -> Routes {
        self.routes.clone()
    }
}

/// Decides nothing.
#[derive(Debug)]
pub struct Undecided {
    why: NotBegun,
    clock: Clock,
}

#[tonic::async_trait]
impl DecisionService for Undecided {
    async fn decide(&self, request: Request<DecideRequest>) -> Result<Response<DecideResponse>, Status> {
        if request.get_ref().fallback != i32::from(Fallback::Silence) {
            return Err(self.why.status());
        }
        let silence = Some(self.why.silence(self.clock.now()));
        Ok(Response::new(DecideResponse { silence, ..DecideResponse::default() }))
    }

    async fn record_outcomes(
        &self,
        _: Request<RecordOutcomesRequest>,
    ) -> Result<Response<RecordOutcomesResponse>, Status> {
        Err(self.why.status())
    }

    async fn get_decision(&self, _: Request<GetDecisionRequest>) -> Result<Response<GetDecisionResponse>, Status> {
        Err(self.why.status())
    }

    async fn list_decisions(
        &self,
        _: Request<ListDecisionsRequest>,
    ) -> Result<Response<ListDecisionsResponse>, Status> {
        Err(self.why.status())
    }

    type GetReportStream = tokio_stream::Empty<Result<GetReportResponse, Status>>;

    async fn get_report(&self, _: Request<GetReportRequest>) -> Result<Response<Self::GetReportStream>, Status> {
        Err(self.why.status())
    }

    type WatchDecisionsStream = tokio_stream::Empty<Result<WatchDecisionsResponse, Status>>;

    async fn watch_decisions(
        &self,
        _: Request<WatchDecisionsRequest>,
    ) -> Result<Response<Self::WatchDecisionsStream>, Status> {
        Err(self.why.status())
    }
}
