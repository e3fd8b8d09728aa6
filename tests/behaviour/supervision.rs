//! Threads that store data: one that ends unexpectedly stops the server, and health reports it first.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tactful::clock::Clock;
use tactful::domain::time::Moment;
use tactful::engine::{Engine, Limits};
use tactful::ledger::MemoryLedger;
use tactful::serve::reload::{Reloader, RuleFolder};
use tactful::serve::transport::Transport;
use tactful::serve::write_behind::WriteBehind;
use tactful::serve::{Door, Parts, ServeError, serve};

use super::support::{StubbornLedger, folder, monday, rules};

async fn serve_until_it_ends(engine: Engine, of_writer: Option<Clock>) -> Result<(), ServeError> {
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
        door: Door::default(),
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
