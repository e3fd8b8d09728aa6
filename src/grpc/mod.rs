//! The gRPC layer: one file per service. A handler converts, asks the engine, converts back and maps the error.

mod admin;
mod archive;
pub mod audit;
pub mod caller;
mod callers;
pub mod codec;
mod consent;
pub(crate) mod convert;
mod decision;
mod decision_list;
mod gpc;
mod journey;
pub mod methods;
mod page;
mod privacy;
mod read;
mod report;
mod rules;
mod shared;
pub mod status;

#[expect(missing_docs, clippy::all, clippy::pedantic, reason = "generated from the .proto files, which are commented")]
pub mod proto {
    tonic::include_proto!("tactful.v1");
}

pub use admin::AdminApi;
pub use callers::CallerApi;
pub use consent::ConsentApi;
pub use convert::timestamp;
pub use decision::DecisionApi;
pub use journey::JourneyApi;
pub use privacy::PrivacyApi;
pub use rules::{ReloadRules, RuleApi};
pub use shared::Shared;

/// The compiled protocol definitions, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tactful.v1.bin"));

/// Runs work that takes milliseconds, on disk or not, on another thread: it is too slow for a thread that answers
/// calls.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, tonic::Status> {
    tokio::task::spawn_blocking(work).await.map_err(|_| tonic::Status::internal("the call failed unexpectedly"))
}
