//! The server process: services on a listener until shutdown, then a bounded drain.

pub mod admission;
pub mod audit_log;
pub mod call;
pub mod call_meter;
pub mod calls;
pub mod connection;
mod decisions;
pub mod file_watch;
pub mod gate;
pub mod health;
pub mod identity;
mod ledger_recovery;
pub mod metrics;
pub mod process_usage;
pub mod reload;
mod stopping;
pub mod stream;
pub mod tls;
mod trace;
pub mod transport;
pub mod undecided;
mod unfinished;
pub mod watch;
pub mod web;
pub mod write_behind;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::watch::Receiver;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic_health::server::HealthReporter;

use crate::clock::Clock;
use crate::engine::Engine;
use crate::grpc::audit::Audit;
use crate::grpc::methods::{Methods, MethodsError};
use crate::grpc::proto::admin_service_server::AdminServiceServer;
use crate::grpc::proto::caller_service_server::CallerServiceServer;
use crate::grpc::proto::consent_service_server::ConsentServiceServer;
use crate::grpc::proto::decision_service_server::DecisionServiceServer;
use crate::grpc::proto::journey_service_server::JourneyServiceServer;
use crate::grpc::proto::privacy_service_server::PrivacyServiceServer;
use crate::grpc::proto::rule_service_server::RuleServiceServer;
use crate::grpc::{
    AdminApi, CallerApi, ConsentApi, DESCRIPTORS, DecisionApi, JourneyApi, PrivacyApi, ReloadRules, RuleApi, Shared,
};
use crate::ledger::ReopeningLedger;
use call_meter::CallMeter;
use calls::{CallLimits, CallRouter};
use gate::Gate;
use health::PartsHealth;
use identity::Identities;
use metrics::Pages;
use reload::Reloader;
use tls::Tls;
use transport::{Listening, Transport};
use web::cors::Origins;
use write_behind::WriteBehind;

pub use health::{CLOCK_HEALTH, CUSTOMERS_HEALTH, DECISION_LOG_HEALTH, LEDGER_HEALTH, RULES_HEALTH};
pub use unfinished::Unfinished;

/// How often customers in memory are settled that are not in use.
const SWEEP: Duration = Duration::from_secs(60);

/// How often the server checks that the threads that store data are running.
const LOOK_AT_THREADS: Duration = Duration::from_millis(500);

/// The parts of a server.
#[derive(Debug)]
pub struct Parts {
    /// Answers every call.
    pub engine: Arc<Engine>,
    /// The only source of the current time.
    pub clock: Clock,
    /// Reloads the rule folder.
    pub reloader: Arc<Reloader>,
    /// Whether the rule folder is watched and reloaded automatically.
    pub watch_rules: bool,
    /// The listener for metrics, if they are served.
    pub metrics: Option<TcpListener>,
    /// How connections are served.
    pub transport: Transport,
    /// Who may call, and how connections are protected.
    pub door: Door,
    /// Stores customers, if they are stored. It writes once more after the last call.
    pub write_behind: Option<WriteBehind>,
    /// The ledger, if it can be opened again after its disk failed.
    pub ledger: Option<Arc<ReopeningLedger>>,
}

/// Who may call, and how connections are protected. By default, anyone may do anything, without TLS.
#[derive(Debug, Default)]
pub struct Door {
    /// The certificates.
    pub tls: Option<Arc<Tls>>,
    /// The callers.
    pub identities: Option<Arc<Identities>>,
    /// The pages that may call.
    pub origins: Origins,
    /// Where privileged calls are noted.
    pub audit: Audit,
    /// What bounds calls.
    pub calls: CallLimits,
    /// The listener that alone answers the methods for operators, if there is one.
    pub admin: Option<TcpListener>,
}

impl Door {
    /// The places where connections come in.
    fn listening(&mut self, listener: TcpListener) -> Vec<Listening> {
        let admin = self.admin.take();
        let place = |listener, privileged| Listening { listener, tls: self.tls.clone(), privileged };
        let public = place(listener, admin.is_none());
        std::iter::once(public).chain(admin.map(|listener| place(listener, true))).collect()
    }

    /// Reads certificates, tokens and keys again when they change, until dropped.
    fn watch(&self) -> impl Future<Output = ()> + use<> {
        let tls = self.tls.clone().map(|tls| file_watch::watch(tls, "certificates"));
        let identities = self.identities.clone().map(|known| file_watch::watch(known, "tokens and keys"));
        async move {
            tokio::join!(OptionFuture::from(tls), OptionFuture::from(identities));
        }
    }
}

/// Why a server failed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Connections can no longer be served.
    #[error("serving failed: {0}")]
    Transport(#[from] std::io::Error),
    /// Reflection cannot be offered.
    #[error("the protocol definitions cannot be offered by reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The table of methods cannot be made.
    #[error(transparent)]
    Methods(#[from] MethodsError),
    /// A thread that stores data has ended unexpectedly.
    #[error("the thread `{0}` ended unexpectedly: its data is no longer stored, so the server stopped")]
    ThreadEnded(&'static str),
    /// It stopped, but not everything was finished.
    #[error(transparent)]
    Unfinished(Unfinished),
}

/// Serves until `stop` is done, then lets calls in progress finish, within limits.
///
/// # Errors
/// When the transport fails.
pub async fn serve(mut parts: Parts, listener: TcpListener, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    // It stores what the last calls changed.
    let write_behind = parts.write_behind.take();
    let (engine, ledger, audit) = (Arc::clone(&parts.engine), parts.ledger.clone(), parts.door.audit.clone());
    let mut ended = None;
    let (stopping, stopped) = tokio::sync::watch::channel(false);
    let (health, calls) = services(&parts, stopped.clone()).await?;
    let counted = (calls.meter(), stopped.clone());
    let hangups = watch::obey_hangup(Arc::clone(&parts.reloader));
    tracing::info!(
        rule_set = parts.engine.rules().set.hash,
        address = listener.local_addr().ok().map(tracing::field::display),
        "serving"
    );
    let serving = parts.transport.run(parts.door.listening(listener), calls, stopped);
    tokio::pin!(serving);
    tokio::pin!(stop);
    let beside = beside_calls(parts, health.clone(), hangups, counted);
    tokio::select! {
        result = &mut serving => return Ok(result.map(drop)?),
        () = &mut stop => tracing::info!("stopping; calls under way may finish"),
        thread = ended_thread(&engine, write_behind.as_ref(), &audit) => {
            tracing::error!(thread, "a thread that stores data has ended; stopping");
            ended = Some(thread);
        }
        () = beside => {}
    }
    health.stop().await;
    stopping.send_replace(true);
    let cut = serving.await?;
    if let Some(thread) = ended {
        return Err(ServeError::ThreadEnded(thread));
    }
    let finish = move || Unfinished::finish(cut, write_behind, (&engine, ledger.as_deref()));
    let unfinished = tokio::task::spawn_blocking(finish).await.unwrap_or_default();
    if unfinished == Unfinished::default() { Ok(()) } else { Err(ServeError::Unfinished(unfinished)) }
}

/// Waits until a thread that stores data ends unexpectedly.
async fn ended_thread(engine: &Engine, write_behind: Option<&WriteBehind>, audit: &Audit) -> &'static str {
    let mut ticks = tokio::time::interval(LOOK_AT_THREADS);
    loop {
        ticks.tick().await;
        if write_behind.is_some_and(WriteBehind::has_ended) {
            return "customers";
        }
        if let Some(thread) = engine.ended_thread().or_else(|| audit.ended_thread()) {
            return thread;
        }
    }
}

/// A service that takes compressed messages, and compresses its answers to callers who do.
macro_rules! compressed {
    ($service:expr) => {
        $service.accept_compressed(CompressionEncoding::Gzip).send_compressed(CompressionEncoding::Gzip)
    };
}

/// All services, and their health.
async fn services(
    parts: &Parts,
    stopping: Receiver<bool>,
) -> Result<(PartsHealth, CallRouter<DecisionApi>), ServeError> {
    let methods = Arc::new(Methods::new()?);
    let gate = Gate::new(methods, parts.door.identities.clone(), parts.clock.clone());
    let watchers = Arc::new(Semaphore::new(parts.door.calls.watchers));
    let shared = Shared {
        engine: Arc::clone(&parts.engine),
        clock: parts.clock.clone(),
        watchers,
        audit: parts.door.audit.clone(),
        stopping,
    };
    let reporter = HealthReporter::new();
    let health = PartsHealth::new(Arc::clone(&parts.engine), parts.clock.clone(), reporter.clone());
    reporter.set_serving::<DecisionServiceServer<DecisionApi>>().await;
    reporter.set_serving::<JourneyServiceServer<JourneyApi>>().await;
    reporter.set_serving::<ConsentServiceServer<ConsentApi>>().await;
    reporter.set_serving::<PrivacyServiceServer<PrivacyApi>>().await;
    reporter.set_serving::<RuleServiceServer<RuleApi>>().await;
    reporter.set_serving::<AdminServiceServer<AdminApi>>().await;
    reporter.set_serving::<CallerServiceServer<CallerApi>>().await;
    let reloader = Arc::clone(&parts.reloader);
    let reload: ReloadRules = Arc::new(move || reloader.reload());
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // The details of errors: grpcurl prints them.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let decisions = DecisionApi(shared.clone());
    let others = Routes::new(health.service())
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(decisions::served(decisions.clone()))
        .add_service(compressed!(JourneyServiceServer::new(JourneyApi(shared.clone()))))
        .add_service(compressed!(ConsentServiceServer::new(ConsentApi(shared.clone()))))
        .add_service(compressed!(PrivacyServiceServer::new(PrivacyApi(shared.clone()))))
        .add_service(CallerServiceServer::new(CallerApi))
        .add_service(compressed!(AdminServiceServer::new(AdminApi::new(shared.clone()))))
        .add_service(compressed!(RuleServiceServer::new(RuleApi { shared, reload })));
    let router = CallRouter::new(gate, decisions, others.prepare());
    Ok((health, router.with_origins(parts.door.origins.clone()).with_limits(parts.door.calls)))
}

/// The background tasks of the server, until dropped.
async fn beside_calls(
    parts: Parts,
    health: PartsHealth,
    hangups: impl Future<Output = ()>,
    (calls, stopping): (Arc<CallMeter>, Receiver<bool>),
) {
    let Parts { engine, clock, reloader, watch_rules, metrics, door, ledger, .. } = parts;
    let watching = async {
        if watch_rules {
            watch::watch(reloader).await;
        }
    };
    let metering = async {
        if let Some(listener) = metrics {
            metrics::serve(Pages { engine: Arc::clone(&engine), calls, stopping }, listener).await;
        }
    };
    tokio::join!(
        sweep(Arc::clone(&engine), clock.clone()),
        ledger_recovery::recover_ledger(Arc::clone(&engine), ledger),
        health.watch(),
        hangups,
        door.watch(),
        watching,
        metering
    );
}

async fn sweep(engine: Arc<Engine>, clock: Clock) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        let (engine, now) = (Arc::clone(&engine), clock.now());
        // It visits every customer, which is too slow for a thread that answers calls. A panic in it costs one sweep.
        drop(tokio::task::spawn_blocking(move || engine.sweep(now)).await);
    }
}
