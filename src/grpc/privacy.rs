//! PrivacyService.

use std::sync::Arc;

use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::caller::Binding;
use super::proto::privacy_service_server::PrivacyService;
use super::status::status;
use super::{Shared, archive, convert, off_thread, proto};

/// The most bytes of one chunk.
const CHUNK: usize = 64 * 1024;

/// PrivacyService over an engine.
#[derive(Debug)]
pub struct PrivacyApi(pub Shared);

#[tonic::async_trait]
impl PrivacyService for PrivacyApi {
    type ExportCustomerStream =
        std::pin::Pin<Box<dyn Stream<Item = Result<proto::ExportCustomerResponse, Status>> + Send>>;

    async fn export_customer(
        &self,
        request: Request<proto::ExportCustomerRequest>,
    ) -> Result<Response<Self::ExportCustomerStream>, Status> {
        Binding::of(&request).customer(&request.get_ref().customer_id)?;
        self.0.audit.note(&request, "PrivacyService/ExportCustomer", &request.get_ref().customer_id).await?;
        let request = request.into_inner();
        let (engine, now) = (Arc::clone(&self.0.engine), self.0.clock.now());
        let exported = off_thread(move || {
            let export = engine.export(&request.customer_id, now).map_err(|error| status(&error))?;
            let proto::ExportCustomerRequest { portable_only, language, .. } = &request;
            let written = archive::write(&export, archive::Wanted { portable_only: *portable_only, language });
            written.map_err(|error| Status::internal(format!("the archive cannot be written: {error}")))
        });
        let bytes = exported.await??;
        let chunks: Vec<_> = bytes.chunks(CHUNK).map(<[u8]>::to_vec).collect();
        let stream = tokio_stream::iter(chunks.into_iter().map(|chunk| Ok(proto::ExportCustomerResponse { chunk })));
        Ok(Response::new(Box::pin(stream)))
    }

    async fn erase_customer(
        &self,
        request: Request<proto::EraseCustomerRequest>,
    ) -> Result<Response<proto::EraseCustomerResponse>, Status> {
        Binding::of(&request).customer(&request.get_ref().customer_id)?;
        self.0.audit.note(&request, "PrivacyService/EraseCustomer", &request.get_ref().customer_id).await?;
        let customer = request.into_inner().customer_id;
        let (engine, now) = (Arc::clone(&self.0.engine), self.0.clock.now());
        let erased = off_thread(move || engine.erase(&customer, now)).await?.map_err(|error| status(&error))?;
        Ok(Response::new(proto::EraseCustomerResponse {
            ledger_position: erased.position,
            records_shredded: u32::try_from(erased.records).unwrap_or(u32::MAX),
            tlog_proof: erased.receipt.unwrap_or_default(),
            erased_at: Some(convert::timestamp(erased.at)),
        }))
    }
}
