//! ConsentService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::proto::consent_service_server::ConsentService;
use super::status::{status, wrong_field};
use super::{Shared, convert, proto};
use crate::domain::consent::record::ConsentSource;
use crate::engine::{ChangeResult, ConsentChange, ConsentRequest};

/// ConsentService over an engine.
#[derive(Debug)]
pub struct ConsentApi(pub Shared);

#[tonic::async_trait]
impl ConsentService for ConsentApi {
    async fn record_consent(
        &self,
        request: Request<proto::RecordConsentRequest>,
    ) -> Result<Response<proto::RecordConsentResponse>, Status> {
        let request = consent(request.into_inner())?;
        let (engine, now) = (Arc::clone(&self.0.engine), self.0.clock.now());
        // The ledger answers when the disk has synced: too long for a thread that answers calls.
        let recorded = tokio::task::spawn_blocking(move || engine.record_consent(request, now));
        let recorded = recorded.await.map_err(|_| Status::internal("recording the consent failed unexpectedly"))?;
        let answer = recorded.map_err(|error| status(&error))?;
        Ok(Response::new(proto::RecordConsentResponse {
            results: answer.results.into_iter().map(result).collect(),
            ledger_position: answer.position,
        }))
    }

    async fn get_consent(
        &self,
        request: Request<proto::GetConsentRequest>,
    ) -> Result<Response<proto::GetConsentResponse>, Status> {
        let customer = request.into_inner().customer_id;
        let standings = self.0.engine.standing(&customer, self.0.clock.now()).map_err(|error| status(&error))?;
        Ok(Response::new(proto::GetConsentResponse {
            standings: standings.into_iter().map(convert::standing).collect(),
        }))
    }
}

fn consent(request: proto::RecordConsentRequest) -> Result<ConsentRequest, Status> {
    let source = request.source.unwrap_or_default();
    let changes: Result<Vec<ConsentChange>, Status> = request.changes.into_iter().enumerate().map(change).collect();
    Ok(ConsentRequest {
        customer: request.customer_id,
        changes: changes?,
        idempotency_key: request.idempotency_key,
        deferred: source.deferred,
        source: ConsentSource { channel: source.channel, actor: source.actor, evidence: source.evidence },
    })
}

fn change((index, change): (usize, proto::ConsentChange)) -> Result<ConsentChange, Status> {
    let Some(status) = convert::consent_status(change.status) else {
        return Err(wrong_field(
            &format!("changes[{index}].status"),
            "is required; one of GIVEN, REFUSED, WITHDRAWN, …",
        ));
    };
    Ok(ConsentChange {
        purpose: change.purpose,
        status,
        notice: change.notice,
        language: change.language,
        expression: change.expression,
        claimed: change.claimed_at.map(convert::moment),
        valid_until: change.valid_until.map(convert::moment),
    })
}

fn result(result: ChangeResult) -> proto::ConsentResult {
    proto::ConsentResult {
        record_id: result.record_id,
        purpose: result.purpose,
        accepted: result.accepted,
        reason: result.reason,
        standing: result.standing.map(convert::standing),
    }
}
