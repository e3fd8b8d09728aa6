//! CallerService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::caller::{Caller, Scopes};
use super::proto;
use super::proto::caller_service_server::CallerService;

/// CallerService: it needs nothing but the request.
#[derive(Debug, Clone, Copy)]
pub struct CallerApi;

#[tonic::async_trait]
impl CallerService for CallerApi {
    async fn get_caller(
        &self,
        request: Request<proto::GetCallerRequest>,
    ) -> Result<Response<proto::GetCallerResponse>, Status> {
        let answer = match request.extensions().get::<Arc<Caller>>() {
            None => {
                let scopes = Scopes::all().map(Into::into).collect();
                proto::GetCallerResponse { scopes, ..proto::GetCallerResponse::default() }
            }
            Some(caller) => proto::GetCallerResponse {
                known: true,
                name: caller.name.clone(),
                scopes: caller.scopes.iter().map(Into::into).collect(),
                channels: caller.channels.clone(),
                customer_id: caller.customer.clone().unwrap_or_default(),
            },
        };
        Ok(Response::new(answer))
    }
}
