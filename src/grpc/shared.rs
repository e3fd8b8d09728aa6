//! What every service needs.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use super::audit::Audit;
use crate::clock::Clock;
use crate::engine::Engine;

/// What every service needs: the engine, a clock and the shutdown signal.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Answers every call.
    pub engine: Arc<Engine>,
    /// The only source of the current time.
    pub clock: Clock,
    /// Where privileged calls are noted.
    pub audit: Audit,
    /// Places of those who watch decisions.
    pub watchers: Arc<Semaphore>,
    /// Becomes true when the server stops; streams end then.
    pub stopping: watch::Receiver<bool>,
}
