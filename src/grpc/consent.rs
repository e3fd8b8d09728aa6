//! ConsentService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::caller::Binding;
use super::proto::consent_service_server::ConsentService;
use super::read::Wrong;
use super::status::{status, wrong_field};
use super::{Shared, convert, off_thread, page, proto};
use crate::domain::consent::record::ConsentSource;
use crate::domain::consent::{ConsentStatus, NoticeHash, json_ld};
use crate::domain::purpose::Purpose;
use crate::domain::rule_set::RuleSet;
use crate::engine::{ChangeResult, ConsentChange, ConsentRequest, Standings};

/// ConsentService over an engine.
#[derive(Debug)]
pub struct ConsentApi(pub Shared);

#[tonic::async_trait]
impl ConsentService for ConsentApi {
    async fn record_consent(
        &self,
        request: Request<proto::RecordConsentRequest>,
    ) -> Result<Response<proto::RecordConsentResponse>, Status> {
        let binding = Binding::of(&request);
        binding.customer(&request.get_ref().customer_id)?;
        binding.channel(request.get_ref().source.as_ref().map_or("", |source| &source.channel))?;
        let request = consent(request.into_inner());
        let answer = self.0.engine.record_consent_async(request, binding.name(), self.0.clock.now()).await;
        let answer = answer.map_err(|error| status(&error))?;
        Ok(Response::new(proto::RecordConsentResponse {
            results: answer.results.into_iter().map(result).collect(),
            ledger_position: answer.position,
        }))
    }

    async fn withdraw_consent(
        &self,
        request: Request<proto::WithdrawConsentRequest>,
    ) -> Result<Response<proto::WithdrawConsentResponse>, Status> {
        let binding = Binding::of(&request);
        binding.customer(&request.get_ref().customer_id)?;
        binding.channel(request.get_ref().source.as_ref().map_or("", |source| &source.channel))?;
        let (mut results, mut position) = (Vec::new(), 0);
        for request in withdrawals(request.into_inner(), &self.0.engine.rules().set)? {
            let answer = self.0.engine.record_consent_async(request, binding.name(), self.0.clock.now()).await;
            let answer = answer.map_err(|error| status(&error))?;
            results.extend(answer.results.into_iter().map(result));
            position = answer.position;
        }
        Ok(Response::new(proto::WithdrawConsentResponse { results, ledger_position: position }))
    }

    async fn get_consent(
        &self,
        request: Request<proto::GetConsentRequest>,
    ) -> Result<Response<proto::GetConsentResponse>, Status> {
        Binding::of(&request).customer(&request.get_ref().customer_id)?;
        let customer = request.into_inner().customer_id;
        let engine = &self.0.engine;
        let standings = Standings::new(&customer, engine.rules()).map_err(|error| status(&error))?;
        let standings = engine.execute(&standings, self.0.clock.now()).await.map_err(|error| status(&error))?;
        Ok(Response::new(proto::GetConsentResponse {
            standings: standings.into_iter().map(convert::standing).collect(),
        }))
    }

    async fn list_consent_records(
        &self,
        request: Request<proto::ListConsentRecordsRequest>,
    ) -> Result<Response<proto::ListConsentRecordsResponse>, Status> {
        Binding::of(&request).customer(&request.get_ref().customer_id)?;
        self.0.audit.note(&request, "ConsentService/ListConsentRecords", &request.get_ref().customer_id).await?;
        let request = request.into_inner();
        let before = page::place(&request.page_token, &request.customer_id)?.unwrap_or(u64::MAX);
        let size = page::size(request.page_size, 50, 500);
        let query = request.customer_id.clone();
        let engine = Arc::clone(&self.0.engine);
        let read = off_thread(move || engine.consent_records(&request.customer_id)).await?;
        let records = read.map_err(|error| status(&error))?;
        let mut newest_first = records.iter().rev().filter(|(position, _)| *position < before).peekable();
        let page: Vec<_> = newest_first.by_ref().take(size).collect();
        let more = newest_first.peek().is_some();
        Ok(Response::new(proto::ListConsentRecordsResponse {
            records_json_ld: page.iter().map(|(_, record)| json_ld(record)).collect(),
            next_page_token: page
                .last()
                .filter(|_| more)
                .map_or_else(String::new, |(position, _)| page::token(*position, &query)),
        }))
    }

    async fn get_receipt(
        &self,
        request: Request<proto::GetReceiptRequest>,
    ) -> Result<Response<proto::GetReceiptResponse>, Status> {
        Binding::of(&request).customer(&request.get_ref().customer_id)?;
        self.0.audit.note(&request, "ConsentService/GetReceipt", &request.get_ref().customer_id).await?;
        let proto::GetReceiptRequest { record_id, customer_id } = request.into_inner();
        if record_id.is_empty() {
            return Err(wrong_field("record_id", "is required"));
        }
        let engine = Arc::clone(&self.0.engine);
        let found = off_thread(move || engine.receipt(&customer_id, &record_id)).await?;
        let (record, tlog_proof) = found.map_err(|error| status(&error))?;
        Ok(Response::new(proto::GetReceiptResponse { tlog_proof, record_json_ld: json_ld(&record) }))
    }

    async fn get_checkpoint(
        &self,
        _request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        let engine = Arc::clone(&self.0.engine);
        let head = off_thread(move || engine.signed_head()).await?.map_err(|error| status(&error))?;
        Ok(Response::new(proto::GetCheckpointResponse { checkpoint: head.checkpoint, verifier_key: head.verifier_key }))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<proto::GetConsistencyProofRequest>,
    ) -> Result<Response<proto::GetConsistencyProofResponse>, Status> {
        let proto::GetConsistencyProofRequest { from_size, to_size } = request.into_inner();
        if from_size > to_size {
            return Err(wrong_field(
                "from_size",
                "is more than to_size; a proof goes from the earlier ledger to the later",
            ));
        }
        let engine = Arc::clone(&self.0.engine);
        let hashes = off_thread(move || engine.consistency(from_size, to_size)).await?;
        let hashes = hashes.map_err(|error| status(&error))?;
        Ok(Response::new(proto::GetConsistencyProofResponse {
            hashes: hashes.into_iter().map(|hash| hash.0.to_vec()).collect(),
        }))
    }
}

/// The most changes of one request to the engine.
const MOST_CHANGES: usize = 64;

/// The requests that record what a customer denies: one, or more if the rule set has very many purposes.
fn withdrawals(request: proto::WithdrawConsentRequest, rules: &RuleSet) -> Result<Vec<ConsentRequest>, Status> {
    let proto::WithdrawConsentRequest { customer_id, mut purposes, status, source } = request;
    let status = match proto::ConsentStatus::try_from(status) {
        Ok(proto::ConsentStatus::Unspecified | proto::ConsentStatus::Withdrawn) => ConsentStatus::Withdrawn,
        Ok(proto::ConsentStatus::Refused) => ConsentStatus::Refused,
        Ok(proto::ConsentStatus::Objected) => ConsentStatus::Objected,
        Ok(proto::ConsentStatus::Restricted) => ConsentStatus::Restricted,
        _ => return Err(wrong_field("status", "is not one of WITHDRAWN, REFUSED, OBJECTED and RESTRICTED")),
    };
    if purposes.len() > MOST_CHANGES {
        return Err(wrong_field("purposes", "are more than 64"));
    }
    match (status, purposes.is_empty()) {
        (ConsentStatus::Restricted, false) => {
            return Err(wrong_field("purposes", "must be empty: RESTRICTED concerns every purpose"));
        }
        (ConsentStatus::Restricted, true) => purposes.push(String::new()),
        (_, false) => {}
        (_, true) => {
            let can_be_denied = |terms: &Purpose| terms.stops_on_objection() || terms.basis.needs_consent();
            let deniable = rules.declared.purposes.iter().filter(|(_, terms)| can_be_denied(terms));
            purposes.extend(deniable.map(|(id, _)| rules.vocabulary.name(id).to_owned()));
            purposes.sort_unstable();
        }
    }
    let source = source.unwrap_or_default();
    let changes = purposes.into_iter().map(|purpose| ConsentChange::new(purpose, status));
    let request = |changes: &[ConsentChange]| ConsentRequest {
        customer: customer_id.clone(),
        changes: changes.to_vec(),
        idempotency_key: String::new(),
        deferred: source.deferred,
        source: ConsentSource {
            channel: source.channel.clone(),
            actor: source.actor.clone(),
            evidence: source.evidence.clone(),
        },
    };
    Ok(changes.collect::<Vec<_>>().chunks(MOST_CHANGES).map(request).collect())
}

fn consent(request: proto::RecordConsentRequest) -> ConsentRequest {
    let source = request.source.unwrap_or_default();
    ConsentRequest {
        customer: request.customer_id,
        changes: request.changes.into_iter().map(change).collect(),
        idempotency_key: request.idempotency_key,
        deferred: source.deferred,
        source: ConsentSource { channel: source.channel, actor: source.actor, evidence: source.evidence },
    }
}

/// A change as it arrives.
pub(super) fn change(change: proto::ConsentChange) -> ConsentChange {
    let mut wrong = Wrong::default();
    let status = convert::consent_status(change.status).unwrap_or_else(|| {
        wrong.refuse("status", "is required; one of GIVEN, REFUSED, WITHDRAWN, …");
        ConsentStatus::Expired
    });
    let notice_hash = NoticeHash::parse(&change.notice_hash);
    if notice_hash.is_none() && !change.notice_hash.is_empty() {
        wrong.refuse("notice_hash", "is not a SHA-256: give 64 hexadecimal digits");
    }
    ConsentChange {
        purpose: change.purpose,
        status,
        notice: change.notice,
        notice_hash,
        language: change.language,
        expression: change.expression,
        claimed: wrong.moment("claimed_at", change.claimed_at),
        valid_until: wrong.moment("valid_until", change.valid_until),
        wrong: wrong.0,
    }
}

fn result(result: ChangeResult) -> proto::ConsentResult {
    proto::ConsentResult {
        record_id: result.record_id,
        purpose: result.purpose,
        accepted: result.accepted,
        reason: result.reason,
        standing: result.standing.map(convert::standing),
        code: convert::code(result.code),
    }
}
