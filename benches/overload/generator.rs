//! A server under more load than it can answer: `cargo run --release --example overload -- --help`.
//!
//! Raw frames on a schedule, so that the generator costs less than the server: each connection sends the calls that are
//! due every millisecond, at most as many at once as the server allows, and measures from the due time. Calls whose
//! deadline passes are given up, and cancelled if asked. Beside them, withdrawals on connections of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark may fail loudly"
)]

mod connection;
mod frames;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use prost::Message as _;
use tactful::grpc::proto::value::Kind;
use tactful::grpc::proto::{DecideRequest, ExplainLevel, Fallback, Value, WithdrawConsentRequest};

use connection::{Calls, Tally};

#[derive(Parser)]
struct Settings {
    /// How many times the peak is offered
    #[arg(long, value_delimiter = ',', default_value = "0.5,1,3,10")]
    times: Vec<f64>,
    /// For how long, in seconds
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Questions without explanation
    #[arg(long)]
    plain: bool,
    /// Questions ask for silence when the server is too busy
    #[arg(long)]
    silence: bool,
    /// Calls are cancelled when their deadline has passed
    #[arg(long)]
    cancel: bool,
    /// Only what a call costs, without overload; for servers without this limit, too
    #[arg(long)]
    cost: bool,
    /// Connections with questions
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// The server
    #[arg(long, default_value = "target/release/tactful")]
    server: PathBuf,
    /// The rule folder
    #[arg(long, default_value = "rules")]
    rules: PathBuf,
}

/// A server on the first core, with one thread that answers calls.
struct Server {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start(settings: &Settings, more: &[&str]) -> Self {
        let folder = tempfile::tempdir_in("target").unwrap();
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(&settings.server).args(["serve", "--once", "--threads", "1"]);
        command.args(["--listen", "127.0.0.1:0", "--rules"]).arg(&settings.rules);
        command.arg("--data").arg(folder.path().join("data")).args(more).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = lines.find_map(|line| Some(line.unwrap().strip_prefix("listening  ")?.to_owned())).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: listening.split(' ').next().unwrap().parse().unwrap(), _folder: folder }
    }

    /// The processor time so far, in seconds.
    fn processor(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }

    /// The resident memory, in MiB.
    fn memory(&self) -> f64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<f64>().unwrap() / 256.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn questions(settings: &Settings) -> Calls {
    let text = |text: &str| Value { kind: Some(Kind::Text(text.into())) };
    let explain = if settings.plain { ExplainLevel::Unspecified } else { ExplainLevel::Full };
    let fallback = if settings.silence { Fallback::Silence } else { Fallback::Unspecified };
    let question = move |number: u64| {
        let customer_id = format!("customer-{}", number % 10_000);
        let context = [("topic".into(), text("speed")), ("activity".into(), text("browsing"))].into();
        let (explain, fallback) = (explain.into(), fallback.into());
        DecideRequest { customer_id, channel: "web".into(), context, explain, fallback, ..Default::default() }
            .encode_to_vec()
    };
    let deadline = Duration::from_millis(100);
    Calls {
        path: "/tactful.v1.DecisionService/Decide",
        message: Arc::new(question),
        deadline,
        cancel: settings.cancel,
        at_once: 128,
    }
}

fn withdrawals() -> Calls {
    let withdrawal = |number: u64| {
        let customer_id = format!("customer-{}", number % 10_000);
        WithdrawConsentRequest { customer_id, purposes: vec!["personalisation".into()], ..Default::default() }
            .encode_to_vec()
    };
    let deadline = Duration::from_secs(1);
    let path = "/tactful.v1.ConsentService/WithdrawConsent";
    Calls { path, message: Arc::new(withdrawal), deadline, cancel: false, at_once: 128 }
}

/// Sends calls at a rate over several connections.
async fn send(address: SocketAddr, calls: Calls, connections: usize, rate: f64, until: Instant) -> Tally {
    let one = |number: usize| connection::run(address, calls.clone(), (number, connections), rate, until);
    let running: Vec<_> = (0..connections).map(|number| tokio::spawn(one(number))).collect();
    let mut sum = Tally::default();
    for tally in running {
        sum.add(tally.await.unwrap());
    }
    sum
}

/// The most that a server answers, by callers who wait: calls a second of its processor time.
async fn peak(server: &Server, settings: &Settings) -> f64 {
    let (before, until) = (server.processor(), Instant::now() + Duration::from_secs(4));
    let calls = Calls { at_once: 4, deadline: Duration::from_secs(10), ..questions(settings) };
    let tally = send(server.address, calls, settings.connections, f64::INFINITY, until).await;
    (tally.answered + tally.refused) as f64 / (server.processor() - before)
}

fn main() {
    let settings = Settings::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if settings.cost {
        let server = Server::start(&settings, &[]);
        let answers = runtime.block_on(peak(&server, &settings));
        return println!("{:.2} µs of processor time a call", 1e6 / answers);
    }
    runtime.block_on(async {
        let refusing = Server::start(&settings, &["--max-calls", "0"]);
        let refusals = peak(&refusing, &settings).await;
        drop(refusing);
        let server = Server::start(&settings, &[]);
        let answers = peak(&server, &settings).await;
        let (c, r) = (1e6 / answers, 1e6 / refusals);
        println!(
            "a call costs {c:.1} µs, a refusal {r:.1} µs; the peak is {answers:.0} calls a second of processor time"
        );
        println!(
            "{:>5} {:>9} {:>9} {:>8} {:>9} {:>9} {:>9} {:>10} {:>7}",
            "times", "in time/s", "of peak", "possible", "p99 ms", "refused/s", "silent/s", "withdrawn", "MiB"
        );
        for times in &settings.times {
            let (before, begun) = (server.processor(), Instant::now());
            let until = begun + Duration::from_secs_f64(settings.seconds);
            let questions = send(server.address, questions(&settings), settings.connections, answers * times, until);
            let withdrawals = send(server.address, withdrawals(), 4, 20.0, until);
            let (mut decided, mut withdrawn) = tokio::join!(questions, withdrawals);
            let got = server.processor() - before;
            // The core is shared: what counts is how many times more was offered than the processor time sufficed for.
            let offered = decided.due as f64 / got / answers;
            let possible = if offered <= 1.0 { offered } else { ((c - offered * r) / (c - r)).max(0.0) };
            println!(
                "{offered:>5.1} {:>9.0} {:>8.1}% {:>7.0}% {:>9.1} {:>9.0} {:>9.0} {:>6}/{:<4} {:>6.0}",
                decided.in_time as f64 / got,
                100.0 * decided.in_time as f64 / got / answers,
                100.0 * possible,
                decided.percentile(0.99),
                decided.refused as f64 / begun.elapsed().as_secs_f64(),
                decided.silent as f64 / begun.elapsed().as_secs_f64(),
                withdrawn.in_time,
                withdrawn.due,
                server.memory(),
            );
            println!(
                "      withdrawals p99 {:.1} ms; calls due {}, answered late {}, given up {}",
                withdrawn.percentile(0.99),
                decided.due,
                decided.answered - decided.in_time,
                decided.due - decided.answered - decided.refused - decided.silent
            );
        }
    });
}
