//! The health of the server and of its parts: read when it is asked for, and looked at once a second for those who watch.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::watch::Receiver;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::{HealthReporter, HealthService};

use crate::clock::Clock;
use crate::engine::{ActiveRules, Engine};
use crate::store::CustomerStore;

/// The health service that reports whether the rule files on disk are those in force.
pub const RULES_HEALTH: &str = "tactful.rules";

/// The health service that reports whether customers can be stored.
pub const CUSTOMERS_HEALTH: &str = "tactful.customers";

/// The health service that reports whether consent can be relied on.
pub const LEDGER_HEALTH: &str = "tactful.ledger";

/// The health service that reports whether the machine's clock is believed.
pub const CLOCK_HEALTH: &str = "tactful.clock";

/// The health service that reports whether the decision log can be written.
pub const DECISION_LOG_HEALTH: &str = "tactful.decision_log";

/// How often those who watch are told of a change of the customer store, the ledger and the clock.
const LOOK_AT_PARTS: Duration = Duration::from_secs(1);

/// Reads the state of the parts, and reports it.
#[derive(Clone)]
pub struct PartsHealth {
    engine: Arc<Engine>,
    clock: Clock,
    reporter: HealthReporter,
    rules: Receiver<Arc<ActiveRules>>,
    /// What was reported: who watches is told of changes only.
    reported: Arc<Mutex<[Option<bool>; 5]>>,
}

impl PartsHealth {
    /// Reports to `reporter`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, clock: Clock, reporter: HealthReporter) -> Self {
        let rules = engine.readings();
        Self { engine, clock, reporter, rules, reported: Arc::default() }
    }

    /// The service that answers with the state at the moment of the question.
    #[must_use]
    pub fn service(&self) -> HealthServer<HealthApi> {
        let health = HealthService::from_health_reporter(self.reporter.clone());
        HealthServer::new(HealthApi { health, parts: self.clone() })
    }

    /// Reports that the server takes no more calls.
    pub async fn stop(&self) {
        self.reporter.set_service_status("", ServingStatus::NotServing).await;
    }

    /// Reports every change until dropped, and keeps the metric of the clock.
    pub async fn watch(mut self) {
        let mut ticks = tokio::time::interval(LOOK_AT_PARTS);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // The engine keeps the sender as long as it is there.
                Ok(()) = self.rules.changed() => {}
            }
            self.report().await;
        }
    }

    /// Reports the state of the parts now.
    async fn report(&self) {
        let mut reported = self.reported.lock().await;
        let step = self.clock.0.step();
        self.engine.meter().clock_step(step.unwrap_or_default());
        let reached = self.engine.storage_trouble().is_none();
        let stored = reached && !self.engine.store().is_some_and(CustomerStore::is_failing);
        let contacts_known = self.engine.limits_assumed_used().is_none();
        let log = self.engine.decision_log_counts();
        let logged = log.is_none_or(|(counts, _)| !counts.failing.load(Ordering::Acquire));
        let parts = [
            (RULES_HEALTH, !self.rules.borrow().refused()),
            (CUSTOMERS_HEALTH, stored && contacts_known),
            (LEDGER_HEALTH, reached && self.engine.trusted()),
            (CLOCK_HEALTH, step.is_none()),
            (DECISION_LOG_HEALTH, logged),
        ];
        for ((service, is_well), reported) in parts.into_iter().zip(reported.iter_mut()) {
            if reported.replace(is_well) == Some(is_well) {
                continue;
            }
            let status = if is_well { ServingStatus::Serving } else { ServingStatus::NotServing };
            self.reporter.set_service_status(service, status).await;
        }
    }
}

/// The standard health service, with a look at the parts before each answer.
pub struct HealthApi {
    health: HealthService,
    parts: PartsHealth,
}

#[tonic::async_trait]
impl Health for HealthApi {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        self.parts.report().await;
        self.health.check(request).await
    }

    type WatchStream = <HealthService as Health>::WatchStream;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.parts.report().await;
        self.health.watch(request).await
    }
}
