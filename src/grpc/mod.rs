//! The gRPC skin: one file a service. A handler converts, asks the engine, converts back and maps the error.

mod consent;
mod convert;
mod decision;
mod journey;
mod rules;
mod status;

#[expect(missing_docs, clippy::all, clippy::pedantic, reason = "generated from the .proto files, which are commented")]
pub mod proto {
    tonic::include_proto!("tactful.v1");
}

use std::sync::Arc;

use tokio::sync::watch;

use crate::domain::time::Moment;
use crate::engine::Engine;

pub use consent::ConsentApi;
pub use decision::DecisionApi;
pub use journey::JourneyApi;
pub use rules::{ReadRules, RuleApi};

/// The compiled protocol definitions, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tactful.v1.bin"));

/// What every service needs: the engine, a clock, and word of the end.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Tells what time it is.
    pub clock: Clock,
    /// Becomes true when the server stops; streams end then.
    pub stopping: watch::Receiver<bool>,
}

/// Tells what time it is.
#[derive(Clone)]
pub struct Clock(pub Arc<dyn Fn() -> Moment + Send + Sync>);

impl Clock {
    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Moment {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
