//! `tactful-bench`: what it sends, what it finds, and when it fails.

use std::path::PathBuf;

use clap::Parser as _;
use serde_json::{Value as Json, json};
use tactful_bench::Bench;

use super::support::{TestServer, folder, rules};

/// A file of ghz in a folder of its own.
fn config(changes: &Json) -> (tempfile::TempDir, String) {
    let mut config = json!({
        "name": "decide", "call": "tactful.v1.DecisionService.Decide", "insecure": true, "connections": 2,
        "rps": 2_000, "async": true, "total": 300, "skipFirst": 100,
        "data": {
            "customer_id": "load-{{mod .RequestNumber 150}}", "channel": "web",
            "context": {"topic": {"text": "{{index (list `speed` `price`) (mod .RequestNumber 2)}}"}},
        },
    });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    (folder, path.display().to_string())
}

/// What the command printed, and whether all was well.
struct Run {
    succeeded: bool,
    out: String,
}

/// Runs the command.
///
/// # Errors
/// What it prints when there is no load.
fn run(arguments: &[&str]) -> Result<Run, String> {
    let arguments = std::iter::once(&"tactful-bench").chain(arguments);
    let command = Bench::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    let succeeded = command.run(&mut out).map_err(|error| error.to_string())?;
    Ok(Run { succeeded, out: String::from_utf8(out).unwrap() })
}

/// Runs the command beside the server that it calls.
async fn bench(server: &TestServer, config: String, more: &'static [&'static str]) -> Run {
    let host = server.address.trim_start_matches("http://").to_owned();
    let run = move || run(&[&["--config", &config, "--host", &host], more].concat()).unwrap();
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn server() -> TestServer {
    let path: PathBuf = folder("tests/fixtures/design");
    TestServer::start(rules("tests/fixtures/design"), path).await
}

fn json_of(run: &Run) -> Json {
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.out))
}

#[tokio::test]
async fn a_load_makes_every_call_of_its_file_and_reports_those_that_count() {
    let server = server().await;
    let (_folder, path) = config(&json!({}));
    let output = bench(&server, path.clone(), &["--format", "json", "--budget", "p99=60s"]).await;
    let report = json_of(&output);
    let run = &report["runs"][0];
    assert_eq!((&run["name"], &run["calls"], &run["failed"]), (&json!("decide"), &json!(200), &json!(0)), "{report:#}");
    assert_eq!((output.succeeded, &report["faults"]), (true, &json!([])), "{report:#}");
    let times = ["p50", "p95", "p99", "p99.9", "slowest"].map(|name| run["milliseconds"][name].as_f64().unwrap());
    assert!(times.is_sorted() && times[0] > 0.0, "{report:#}");
    assert_eq!(server.engine.meter().durations().count, 300);

    let human = bench(&server, path, &[]).await;
    assert!(human.succeeded && human.out.contains("p99.9"), "{}", human.out);
    server.stop().await;
}

#[tokio::test]
async fn callers_that_wait_make_as_many_calls_as_are_asked_for() {
    let server = server().await;
    let (_folder, path) = config(&json!({"rps": 0, "async": false, "concurrency": 7, "total": 50, "skipFirst": 0}));
    let output = bench(&server, path, &["--format", "json"]).await;
    assert_eq!(json_of(&output)["runs"][0]["calls"], 50);
    assert_eq!(server.engine.meter().durations().count, 50);
    server.stop().await;
}

#[tokio::test]
async fn a_run_fails_over_its_budget_and_when_calls_fail() {
    let server = server().await;
    let (_folder, path) = config(&json!({}));
    let late = bench(&server, path.clone(), &["--budget", "p50=0ms"]).await;
    assert!(!late.succeeded);
    assert!(late.out.contains("FAILED: decide: p50 is ") && late.out.contains("the budget 0.00 ms"), "{}", late.out);

    let (_folder, wrong) = config(&json!({"data": {"customer_id": "a", "channel": "wep"}}));
    let refused = bench(&server, wrong, &["--format", "json"]).await;
    let report = json_of(&refused);
    assert_eq!((refused.succeeded, &report["runs"][0]["failed"]), (false, &json!(200)), "{report:#}");
    assert!(report["faults"][0].as_str().unwrap().contains("InvalidArgument"), "{report:#}");
    server.stop().await;
}

#[test]
fn a_load_that_cannot_run_says_what_to_fix() {
    let (_folder, path) = config(&json!({"host": "127.0.0.1:9"}));
    let error = run(&["--config", &path]).err().unwrap();
    assert!(error.contains("no connection to 127.0.0.1:9") && error.contains("--host"), "{error}");
    for arguments in [
        ["--config", "no-such-file", "--budget", "p99=1s"],
        ["--config", &path, "--budget", "99=1s"],
        ["--config", &path, "--budget", "p101=1s"],
        ["--config", &path, "--budget", "p99=soon"],
    ] {
        assert!(run(&arguments).is_err(), "{arguments:?}");
    }
}
