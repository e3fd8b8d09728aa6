//! Threads that store data: one that ends unexpectedly stops the server, and health reports it first.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tactful::clock::Clock;
use tactful::decision_log::{DecisionLog, DecisionValues, LogSettings, Loggable, LoggedDecision};
use tactful::domain::time::Moment;
use tactful::engine::{Engine, Limits};
use tactful::grpc::audit::{Audit, AuditEntry, AuditLog};
use tactful::ledger::{FileLedger, LedgerSettings, MemoryLedger};
use tactful::serve::reload::{Reloader, RuleFolder};
use tactful::serve::transport::Transport;
use tactful::serve::write_behind::WriteBehind;
use tactful::serve::{Door, Parts, ServeError, serve};
use tactful::storage::Embedded;

use super::support::{StubbornLedger, folder, monday, rules};

async fn serve_until_it_ends(engine: Engine, of_writer: Option<Clock>) -> Result<(), ServeError> {
    serve_behind(Door::default(), engine, of_writer).await
}

async fn serve_behind(door: Door, engine: Engine, of_writer: Option<Clock>) -> Result<(), ServeError> {
    let (engine, clock) = (Arc::new(engine), Clock(Arc::new(monday)));
    let rule_folder = RuleFolder { path: folder("rules"), run_tests: false };
    let files = rule_folder.look();
    let reloader = Arc::new(Reloader::new(rule_folder, files, Arc::clone(&engine), clock.clone()));
    let write_behind = of_writer.map(|clock| WriteBehind::start(&engine, clock).unwrap());
    let transport = Transport { threads: NonZeroUsize::MIN, ..Transport::default() };
    let parts = Parts {
        engine,
        clock,
        reloader,
        watch_rules: false,
        metrics: None,
        transport,
        door,
        write_behind,
        ledger: None,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    serve(parts, listener, std::future::pending()).await
}

#[tokio::test]
async fn the_server_stops_when_customers_are_not_stored_any_more() {
    let engine = Engine::new(rules("rules"), Arc::new(MemoryLedger::default()), Limits::default(), monday());
    let broken = Clock(Arc::new(|| -> Moment { panic!("planted: the thread that stores customers panics") }));
    let ended = serve_until_it_ends(engine, Some(broken)).await;
    assert!(matches!(ended, Err(ServeError::ThreadEnded("customers"))), "{ended:?}");
}

#[tokio::test]
async fn the_server_stops_when_a_thread_of_the_ledger_has_ended() {
    let ledger = Arc::new(StubbornLedger::default());
    let engine = Engine::new(rules("rules"), Arc::clone(&ledger) as _, Limits::default(), monday());
    ledger.without_writer.store(true, Ordering::SeqCst);
    let ended = serve_until_it_ends(engine, None).await;
    assert!(matches!(ended, Err(ServeError::ThreadEnded("ledger-writer"))), "{ended:?}");
}

/// Stands for a bug in the thread of the decision log.
#[derive(Debug)]
struct Unloggable;

impl Loggable for Unloggable {
    fn customer(&self) -> &str {
        "anna"
    }

    fn describe(&self, _: &mut dyn FnMut(LoggedDecision, &DecisionValues<'_>)) {
        panic!("planted: the thread of the decision log panics");
    }
}

#[tokio::test]
async fn the_server_stops_when_the_thread_of_the_decision_log_has_ended() {
    let home = tempfile::tempdir().unwrap();
    let settings = LedgerSettings::of(&home.path().join("data"));
    let ledger = FileLedger::open(&settings).unwrap().ledger;
    let (data, keys) = (settings.data_folder(), ledger.file_keys());
    let log = DecisionLog::open(&data, keys, LogSettings::default(), (&[], &|_| Ok(Vec::new()))).unwrap().log;
    log.decided(Arc::new(Unloggable));
    let backend = Embedded::new(Arc::new(ledger), None).logging(Some(log));
    let engine = Engine::over(rules("rules"), Arc::new(backend), Limits::default(), monday());
    let ended = serve_until_it_ends(engine, None).await;
    assert!(matches!(ended, Err(ServeError::ThreadEnded("decision-log"))), "{ended:?}");
}

#[derive(Debug)]
struct EndedAudit;

#[tonic::async_trait]
impl AuditLog for EndedAudit {
    async fn keep(&self, _: AuditEntry) -> bool {
        false
    }

    fn ended_thread(&self) -> Option<&'static str> {
        Some("audit")
    }
}

#[tokio::test]
async fn the_server_stops_when_the_thread_of_the_audit_log_has_ended() {
    let engine = Engine::new(rules("rules"), Arc::new(MemoryLedger::default()), Limits::default(), monday());
    let door = Door { audit: Audit::new(Arc::new(EndedAudit)), ..Door::default() };
    let ended = serve_behind(door, engine, None).await;
    assert!(matches!(ended, Err(ServeError::ThreadEnded("audit"))), "{ended:?}");
}
