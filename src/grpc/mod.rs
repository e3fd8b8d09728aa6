//! The gRPC layer: one file per service. A handler converts, asks the engine, converts back and maps the error.

mod admin;
mod archive;
pub mod caller;
pub mod codec;
mod consent;
pub(crate) mod convert;
mod decision;
mod gpc;
mod journey;
pub mod methods;
mod privacy;
mod rules;
pub mod status;

#[expect(missing_docs, clippy::all, clippy::pedantic, reason = "generated from the .proto files, which are commented")]
pub mod proto {
    tonic::include_proto!("tactful.v1");
}

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use crate::clock::Clock;
use crate::engine::Engine;

pub use admin::AdminApi;
pub use consent::ConsentApi;
pub use convert::timestamp;
pub use decision::DecisionApi;
pub use journey::JourneyApi;
pub use privacy::PrivacyApi;
pub use rules::{ReloadRules, RuleApi};

/// The compiled protocol definitions, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tactful.v1.bin"));

/// What every service needs: the engine, a clock and the shutdown signal.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Answers every call.
    pub engine: Arc<Engine>,
    /// The only source of the current time.
    pub clock: Clock,
    /// Places of those who watch decisions.
    pub watchers: Arc<Semaphore>,
    /// Becomes true when the server stops; streams end then.
    pub stopping: watch::Receiver<bool>,
}

/// Runs work that takes milliseconds, on disk or not, on another thread: it is too slow for a thread that answers
/// calls.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, tonic::Status> {
    tokio::task::spawn_blocking(work).await.map_err(|_| tonic::Status::internal("the call failed unexpectedly"))
}
