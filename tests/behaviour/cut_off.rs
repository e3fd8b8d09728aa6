//! Servers whose database, or whose way to it, is in trouble, and servers whose clocks are wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::{self, ConsentStatus, SilenceReason};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::cluster::{Cluster, Node, ask, name, records, spoke, tell, until_answered};
use super::postgres_server::{Server, run};
use super::proofs::receipt_of_others;
use super::proxy::{Mode, Proxy};

/// Asks under an id, for a step that is said once in 30 days.
async fn ask_once(channel: Channel, customer: &str, request_id: &str) -> Result<proto::DecideResponse, Status> {
    let request = proto::DecideRequest {
        customer_id: customer.into(),
        channel: "web".into(),
        request_id: request_id.into(),
        ..Default::default()
    };
    Ok(DecisionServiceClient::new(channel).decide(request).await?.into_inner())
}

#[tokio::test]
async fn without_the_database_calls_are_refused_and_with_it_they_go_on() {
    let Some(server) = Server::start() else { return };
    let cluster = Cluster::on(&server, 2);
    let [one, other] = [0, 1].map(|index| cluster.channel(index));
    tell(one.clone(), "anna", ConsentStatus::Given).await.unwrap();
    name(one.clone(), "anna").await.unwrap();
    assert!(spoke(&ask(one.clone(), "anna", "phone").await.unwrap()));
    server.crash();
    for channel in [&one, &other] {
        assert_eq!(ask(channel.clone(), "anna", "phone").await.unwrap_err().code(), Code::Unavailable);
        let request = proto::DecideRequest {
            customer_id: "anna".into(),
            channel: "phone".into(),
            fallback: proto::Fallback::Silence.into(),
            ..Default::default()
        };
        let answer = DecisionServiceClient::new(channel.clone()).decide(request).await.unwrap().into_inner();
        assert_eq!(answer.silence.unwrap().reason(), SilenceReason::Unavailable);
    }
    let refused = tell(one.clone(), "anna", ConsentStatus::Withdrawn).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    server.recover();
    // It binds at the node that got it, also before it is recorded.
    assert!(!spoke(&until_answered(|| ask(one.clone(), "anna", "phone")).await));
    let found = loop {
        let found = until_answered(|| records(other.clone(), "anna")).await;
        if found.len() > 1 {
            break found;
        }
    };
    assert_eq!(found.len(), 2);
    assert!(!spoke(&until_answered(|| ask(other.clone(), "anna", "phone")).await));
    until_answered(|| tell(other.clone(), "anna", ConsentStatus::Given)).await;
    until_answered(|| name(other.clone(), "anna")).await;
    // The first node relies on consent again when it has recorded what it could not record before.
    while !spoke(&until_answered(|| ask(one.clone(), "anna", "phone")).await) {}
}

#[tokio::test]
async fn a_node_that_is_cut_off_says_nothing_and_learns_what_happened() {
    let Some(server) = Server::shared() else { return };
    let proxy = Proxy::to(server.socket());
    let mut cluster = Cluster::on(server, 1);
    cluster.join(&proxy.host());
    let [well, cut] = [0, 1].map(|index| cluster.channel(index));
    for (round, mode) in [Mode::Cut, Mode::Still].into_iter().enumerate() {
        let anna = format!("anna-{round}");
        tell(cut.clone(), &anna, ConsentStatus::Given).await.unwrap();
        // After trouble, the node takes in and uses personal data when it has found its ledger in order.
        loop {
            until_answered(|| name(cut.clone(), &anna)).await;
            if spoke(&ask(cut.clone(), &anna, "phone").await.unwrap()) {
                break;
            }
        }
        proxy.set(mode);
        assert_eq!(ask(cut.clone(), &anna, "phone").await.unwrap_err().code(), Code::Unavailable, "{mode:?}");
        let refused = tell(cut.clone(), &anna, ConsentStatus::Given).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{mode:?}");
        tell(well.clone(), &anna, ConsentStatus::Withdrawn).await.unwrap();
        proxy.set(Mode::Open);
        assert!(!spoke(&until_answered(|| ask(cut.clone(), &anna, "phone")).await), "{mode:?}");
        assert!(!spoke(&ask(well.clone(), &anna, "phone").await.unwrap()), "{mode:?}");
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_counts_once_when_it_is_asked_again_at_another_node() {
    let Some(server) = Server::shared() else { return };
    let proxy = Proxy::to(server.socket());
    let mut cluster = Cluster::on(server, 1);
    cluster.join(&proxy.host());
    let [well, deaf] = [0, 1].map(|index| cluster.channel(index));
    // The deaf node knows the customer, so that only its commit goes through the connection.
    name(deaf.clone(), "anna").await.unwrap();
    proxy.set(Mode::Mute);
    assert_eq!(ask_once(deaf.clone(), "anna", "r1").await.unwrap_err().code(), Code::Unavailable);
    let kept = || run(&cluster.address, "SELECT count(*) FROM person WHERE write >= 2");
    while kept() != ["1"] {}
    let first = ask_once(well.clone(), "anna", "r1").await.unwrap();
    assert!(spoke(&first) && !first.replaced, "the first answer, again");
    assert_eq!(ask_once(well.clone(), "anna", "r1").await.unwrap().decision_id, first.decision_id);
    assert!(!spoke(&ask_once(well.clone(), "anna", "r2").await.unwrap()), "it was said once already");
    proxy.set(Mode::Open);
    assert_eq!(until_answered(|| ask_once(deaf.clone(), "anna", "r1")).await.decision_id, first.decision_id);
    assert!(!spoke(&until_answered(|| ask_once(deaf.clone(), "anna", "r3")).await));
}

#[tokio::test]
async fn a_contact_whose_commit_was_cut_counts_once() {
    let Some(server) = Server::shared() else { return };
    let proxy = Proxy::to(server.socket());
    let mut cluster = Cluster::on(server, 1);
    cluster.join(&proxy.host());
    let [well, cut] = [0, 1].map(|index| cluster.channel(index));
    for round in 0..10 {
        let customer = format!("c{round}");
        name(cut.clone(), &customer).await.unwrap();
        proxy.set(Mode::Mute);
        let (channel, asking) = (cut.clone(), customer.clone());
        let asked = tokio::spawn(async move { ask(channel, &asking, "web").await });
        // Its commit is in the database, and its answer is lost with the connection: the node sends it again.
        while run(&cluster.address, "SELECT count(*) FROM person WHERE write >= 2") != [(round + 1).to_string()] {
            tokio::task::yield_now().await;
        }
        proxy.cut();
        let answer = asked.await.unwrap();
        assert!(answer.is_ok_and(|answer| spoke(&answer)), "round {round}");
        for channel in [&well, &cut] {
            assert!(!spoke(&until_answered(|| ask(channel.clone(), &customer, "web")).await), "round {round}");
        }
    }
}

/// A library that shifts the clock of the process that it is loaded into; `None` where there is no C compiler.
fn shifted_clock(home: &Path) -> Option<PathBuf> {
    let source = r#"
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdlib.h>
        #include <time.h>
        int clock_gettime(clockid_t clock, struct timespec *time) {
            static int (*real)(clockid_t, struct timespec *);
            if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
            int result = real(clock, time);
            const char *shift = getenv("SHIFT");
            if (clock == CLOCK_REALTIME && shift) time->tv_sec += atoi(shift);
            return result;
        }
    "#;
    let (file, library) = (home.join("clock.c"), home.join("clock.so"));
    fs::write(&file, source).unwrap();
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&file).arg("-ldl");
    command.status().is_ok_and(|status| status.success()).then_some(library)
}

#[tokio::test]
async fn clocks_that_are_hours_apart_change_nothing() {
    let Some(server) = Server::shared() else { return };
    let mut cluster = Cluster::on(server, 0);
    let Some(library) = shifted_clock(cluster.home.path()) else { return };
    for seconds in ["3600", "-3600"] {
        let shifted = [("LD_PRELOAD", library.display().to_string()), ("SHIFT", seconds.to_owned())];
        let node = Node::start(cluster.home.path(), &cluster.address, (&format!("by {seconds}"), &shifted));
        cluster.nodes.push(node);
    }
    let [ahead, behind] = [0, 1].map(|index| cluster.channel(index));
    for round in 0..10 {
        let anna = format!("anna-{round}");
        for (giving, taking) in [(&ahead, &behind), (&behind, &ahead)] {
            tell(giving.clone(), &anna, ConsentStatus::Given).await.unwrap();
            name(taking.clone(), &anna).await.unwrap();
            assert!(spoke(&ask(taking.clone(), &anna, "phone").await.unwrap()), "round {round}");
            tell(taking.clone(), &anna, ConsentStatus::Withdrawn).await.unwrap();
            for channel in [giving, taking] {
                assert!(!spoke(&ask(channel.clone(), &anna, "phone").await.unwrap()), "round {round}");
            }
        }
        // Said by one, so not said by the other, whose clock is two hours away.
        assert!(spoke(&ask(behind.clone(), &anna, "web").await.unwrap()));
        assert!(!spoke(&ask(ahead.clone(), &anna, "web").await.unwrap()));
        assert_eq!(records(ahead.clone(), &anna).await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn receipts_of_any_node_verify_with_the_code_of_others() {
    let Some(server) = Server::shared() else { return };
    let cluster = Cluster::on(server, 2);
    let mut kept = Vec::new();
    for number in 0..20 {
        let customer = format!("c{number}");
        kept.push((tell(cluster.channel(number % 2), &customer, ConsentStatus::Given).await.unwrap(), customer));
    }
    for (number, (record_id, customer_id)) in kept.into_iter().enumerate() {
        // Asked of the node that did not record it.
        let mut client = ConsentServiceClient::new(cluster.channel((number + 1) % 2));
        let head = client.get_checkpoint(proto::GetCheckpointRequest {}).await.unwrap().into_inner();
        let request = proto::GetReceiptRequest { record_id: record_id.clone(), customer_id };
        let receipt = client.get_receipt(request).await.unwrap().into_inner();
        let record = receipt_of_others(&receipt.tlog_proof, &head.verifier_key);
        assert!(String::from_utf8(record).unwrap().contains(&record_id));
    }
}
