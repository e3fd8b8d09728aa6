//! Random histories over real processes: three nodes, one database, faults drawn from a seed. What each client saw is written
//! down with the order of calls and answers, and then judged.
//!
//! `HISTORIES=300 SEED=1 cargo test --test behaviour histories -- --nocapture` prints what happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tactful::grpc::proto::ConsentStatus;
use tonic::{Code, Status};

use super::cluster::{Cluster, ask, name, records, spoke, tell};
use super::postgres_server::{Server, run};

/// How many customers a history has, how many clients, and how many calls each makes.
const CUSTOMERS: u64 = 2;
const CLIENTS: u64 = 4;
const CALLS: u64 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    None,
    /// A node is killed and started again.
    Kill,
    /// A node stands still for a while.
    Pause,
    /// Every connection to the database is cut.
    Cut,
    /// The database is killed and started again.
    Crash,
}

const FAULTS: [Fault; 5] = [Fault::None, Fault::Kill, Fault::Pause, Fault::Cut, Fault::Crash];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    /// An offer without consent, at most one a customer.
    Offer,
    /// What needs consent.
    Personal,
    Give,
    Withdraw,
}

/// One call, and when it began and ended by a count that all clients share.
#[derive(Debug, Clone)]
struct Entry {
    customer: String,
    call: Call,
    began: u64,
    ended: u64,
    /// Whether something was said, or the record's id; `None` if it was refused.
    result: Option<(bool, String)>,
}

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[derive(Default)]
struct Report {
    histories: BTreeMap<Fault, usize>,
    answers: usize,
    refused: usize,
    said: usize,
    lost: usize,
}

async fn client(
    channels: Vec<tonic::transport::Channel>,
    (history, mut dice): (u64, Dice),
    clock: Arc<AtomicU64>,
) -> Vec<Entry> {
    let mut seen = Vec::new();
    for _ in 0..CALLS {
        let customer = format!("h{history}-{}", dice.roll(CUSTOMERS));
        let channel = channels[dice.roll(channels.len() as u64) as usize].clone();
        let call = [Call::Offer, Call::Personal, Call::Personal, Call::Give, Call::Withdraw][dice.roll(5) as usize];
        let began = clock.fetch_add(1, Ordering::SeqCst);
        let answered: Result<(bool, String), Status> = match call {
            Call::Offer => ask(channel, &customer, "web").await.map(|answer| (spoke(&answer), String::new())),
            Call::Personal => ask(channel, &customer, "phone").await.map(|answer| (spoke(&answer), String::new())),
            Call::Give => match tell(channel.clone(), &customer, ConsentStatus::Given).await {
                // The fact that the personal step needs; a withdrawal deletes it.
                Ok(record) => {
                    drop(name(channel, &customer).await);
                    Ok((true, record))
                }
                Err(error) => Err(error),
            },
            Call::Withdraw => tell(channel, &customer, ConsentStatus::Withdrawn).await.map(|record| (true, record)),
        };
        if let Err(status) = &answered {
            assert!(!matches!(status.code(), Code::Internal | Code::InvalidArgument), "{status:?}");
        }
        let ended = clock.fetch_add(1, Ordering::SeqCst);
        seen.push(Entry { customer, call, began, ended, result: answered.ok() });
    }
    seen
}

/// Whether a personal answer rests on a withdrawn purpose: a withdrawal was acknowledged before it began, and no yes can have
/// come after that.
fn is_wrong(answer: &Entry, seen: &[Entry]) -> bool {
    let own = || seen.iter().filter(|entry| entry.customer == answer.customer);
    let withdrawn =
        own().filter(|entry| entry.call == Call::Withdraw && entry.result.is_some() && entry.ended < answer.began);
    let Some(last) = withdrawn.max_by_key(|entry| entry.began) else {
        // Without any yes that had begun, none can have been given.
        return !own().any(|entry| entry.call == Call::Give && entry.began < answer.ended);
    };
    // A yes that was refused may be in effect all the same, whenever it began.
    !own().any(|entry| {
        entry.call == Call::Give && entry.began < answer.ended && (entry.ended > last.began || entry.result.is_none())
    })
}

async fn play(server: &Server, cluster: &mut Cluster, (history, seed): (u64, u64), report: &mut Report) -> Vec<String> {
    let mut dice = Dice(seed);
    let fault = FAULTS[dice.roll(FAULTS.len() as u64) as usize];
    *report.histories.entry(fault).or_default() += 1;
    let clock = Arc::new(AtomicU64::new(0));
    let channels: Vec<_> = cluster.nodes.iter().map(|node| node.channel.clone()).collect();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client_number| {
            let dice = Dice(seed ^ (client_number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            tokio::spawn(client(channels.clone(), (history, dice), Arc::clone(&clock)))
        })
        .collect();
    // In the middle of it, as far as the calls are concerned.
    let due = 2 * CLIENTS * (1 + dice.roll(CALLS / 2));
    while clock.load(Ordering::SeqCst) < due {
        tokio::task::yield_now().await;
    }
    let node = dice.roll(cluster.nodes.len() as u64) as usize;
    match fault {
        Fault::None => {}
        Fault::Kill => cluster.restart(node),
        Fault::Pause => {
            cluster.nodes[node].pause();
            let until = clock.load(Ordering::SeqCst) + 4;
            // The others go on, until all wait for this one.
            for _ in 0..200_000 {
                if clock.load(Ordering::SeqCst) >= until {
                    break;
                }
                tokio::task::yield_now().await;
            }
            cluster.nodes[node].resume();
        }
        Fault::Cut => {
            let cut =
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'tactful'";
            let address = cluster.address.clone();
            tokio::task::spawn_blocking(move || run(&address, cut)).await.unwrap();
        }
        Fault::Crash => {
            server.crash();
            server.recover();
        }
    }
    let mut seen = Vec::new();
    for client in clients {
        seen.extend(client.await.unwrap());
    }
    judge(cluster, (history, fault), &seen, report).await
}

async fn judge(cluster: &Cluster, (history, fault): (u64, Fault), seen: &[Entry], report: &mut Report) -> Vec<String> {
    let mut wrong = Vec::new();
    report.answers += seen.iter().filter(|entry| entry.result.is_some()).count();
    report.refused += seen.iter().filter(|entry| entry.result.is_none()).count();
    let spoken =
        |call| seen.iter().filter(move |entry| entry.call == call && entry.result.as_ref().is_some_and(|said| said.0));
    report.said += spoken(Call::Offer).count() + spoken(Call::Personal).count();
    for answer in spoken(Call::Personal).filter(|answer| is_wrong(answer, seen)) {
        wrong.push(format!("history {history}, {fault:?}: said on a withdrawn purpose: {answer:?}"));
    }
    for number in 0..CUSTOMERS {
        let customer = format!("h{history}-{number}");
        let offers = spoken(Call::Offer).filter(|entry| entry.customer == customer).count();
        if fault == Fault::Crash {
            report.lost += offers.saturating_sub(1);
        } else if offers > 1 {
            wrong.push(format!("history {history}, {fault:?}: {offers} offers to {customer}, where one is allowed"));
        }
        let kept = loop {
            match records(cluster.nodes[0].channel.clone(), &customer).await {
                Ok(kept) => break kept.concat(),
                Err(_) => tokio::task::yield_now().await,
            }
        };
        for entry in seen.iter().filter(|entry| entry.customer == customer) {
            let lost = entry.result.as_ref().is_some_and(|(_, record)| !record.is_empty() && !kept.contains(record));
            if lost {
                wrong.push(format!("history {history}, {fault:?}: an acknowledged consent is lost: {entry:?}"));
            }
        }
    }
    wrong
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_hold_under_faults() {
    let Some(server) = Server::start() else { return };
    let mut cluster = Cluster::on(&server, 3);
    let (count, seed) = (number("HISTORIES", 10), number("SEED", 1));
    let (mut report, mut wrong) = (Report::default(), Vec::new());
    for history in 0..count {
        wrong.extend(play(&server, &mut cluster, (history, seed.wrapping_add(history * 7_919)), &mut report).await);
    }
    // Positions without a gap or a repetition.
    let gaps = run(&cluster.address, "SELECT count(*) - max(position) FROM frame HAVING count(*) > 0");
    assert!(gaps.iter().all(|gap| gap == "0"), "{gaps:?}");
    let sizes = run(&cluster.address, "SELECT size - (SELECT count(*) FROM frame) FROM ledger_head");
    assert_eq!(sizes, ["0"]);
    let Report { histories, answers, refused, said, lost } = report;
    println!(
        "{histories:?}: {answers} answers, {said} of them spoke, {refused} refused, {lost} contacts lost by crashes"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
