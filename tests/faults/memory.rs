//! `--max-memory` with every part of a server in it at once: customers, kept explanations, the decision log's index, watchers
//! that do not read, idle connections.
//!
//! `MEMORY=60 cargo test --release --test faults memory -- --nocapture` puts load on a server for 60 seconds and prints the
//! most resident memory, which may be at most a tenth over the limit (`MEBIBYTES`, 256). Without `MEMORY` it does nothing: a build without
//! optimisation is too slow to fill the memory.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::{DecideRequest, ExplainLevel, WatchDecisionsRequest};
use tokio::time::timeout;
use tonic::transport::Channel;

use super::home::Home;
use super::server_process::{ServerProcess, now};
use super::stopping::greeted;

const CALLERS: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stays_within_a_tenth_of_its_memory() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let (Some(seconds), most) = (number("MEMORY"), number("MEBIBYTES").unwrap_or(256)) else { return };
    let home = Home::new();
    let (rules, data) = (home.path().join("rules.yaml").display().to_string(), home.data());
    let limit = format!("{most}MiB");
    let arguments = ["serve", "--skip-tests", "--once", "--rules", &rules, "--data", &data, "--listen", "127.0.0.1:0"];
    let arguments = [arguments.as_slice(), &["--max-memory", &limit]].concat();
    let server = ServerProcess::spawn(env!("CARGO_BIN_EXE_tactful"), &arguments, &[]).await;
    let idle: Vec<TcpStream> = (0..200).map(|_| greeted(&server.address)).collect();
    let mut watching = Vec::new();
    // On a connection of their own: what they do not read would hold up the answers of others.
    let unread = Channel::from_shared(format!("http://{}", server.address)).unwrap().connect().await.unwrap();
    for _ in 0..20 {
        let mut client = DecisionServiceClient::new(unread.clone());
        watching.push(client.watch_decisions(WatchDecisionsRequest::default()).await.unwrap());
    }
    let (since, asked) = (now(), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (mut client, asked) = (DecisionServiceClient::new(server.channel.clone()), Arc::clone(&asked));
            tokio::spawn(async move {
                while since.elapsed() < Duration::from_secs(seconds) {
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    let question = DecideRequest {
                        customer_id: format!("customer-{number}"),
                        channel: "email".into(),
                        request_id: format!("request-{number}"),
                        explain: ExplainLevel::Full.into(),
                        ..DecideRequest::default()
                    };
                    // A refusal is an answer, too.
                    drop(timeout(Duration::from_secs(5), client.decide(question)).await);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let taken = server.most_resident();
    let (asked, share) = (asked.load(Ordering::Relaxed), taken as f64 * 100.0 / (most << 20) as f64);
    println!("{asked} customers in {seconds} s: at most {} MiB of {most}, {share:.1} %", taken >> 20);
    assert!(share <= 110.0, "{share:.1} %");
    drop((idle, watching));
}
