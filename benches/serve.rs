//! What a call costs the server, beside servers that do nothing: `cargo bench --profile dist --bench serve`.
//!
//! Everything that is compared runs in one go, in short rounds by turns (A B C A B C …), and a ratio is the median of the
//! rounds' ratios: so what else the machine does cancels out. The load comes from this process, the servers are others.
//! Processor time is what the system says of the server's process. The results are in target/bench/serve.json, too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark may fail loudly"
)]

#[path = "serve/catalogue.rs"]
mod catalogue;
#[path = "serve/peers.rs"]
mod peers;
#[path = "serve/server.rs"]
mod server;
#[path = "serve/shapes.rs"]
mod shapes;
#[path = "serve/table.rs"]
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use prost::Message as _;
use tactful::grpc::proto::DecideResponse;
use tactful_bench::load::{Calls, Load, Pace, framed};

use peers::Canned;
use server::Server;
use shapes::{Consents, Hot, Mixed, Reloads, Uniform};
use table::{Contender, Table};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What can be measured.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Section {
    /// Tactful beside an empty handler in its layout and beside plain tonic servers
    Servers,
    /// Which customers are asked about, and what else is sent
    Shapes,
    /// Ten actions beside ten thousand
    Actions,
    /// Rules that change every second
    Reload,
    /// How connections are distributed to threads
    Layouts,
}

#[derive(Parser)]
struct Settings {
    /// What to measure; everything if left out
    sections: Vec<Section>,
    /// How many times each server gets its turn
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// How long each turn takes, in seconds
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// How many customers there are
    #[arg(long, default_value_t = 100_000)]
    customers: u64,
    /// How many calls a second are sent where times are measured
    #[arg(long, default_value_t = 5_000.0)]
    rate: f64,
    /// The plain tonic server; built again if left out
    #[arg(long)]
    plain: Option<PathBuf>,
    /// Be a server instead: `empty`, `reuseport` or `plain`
    #[arg(long, hide = true, num_args = 2, value_names = ["KIND", "ANSWER"])]
    be: Option<Vec<String>>,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let settings = Settings::parse();
    if let Some([kind, answer]) = settings.be.as_deref() {
        let answer = Canned::read(answer.as_ref());
        return match kind.as_str() {
            "empty" => peers::empty(answer),
            "reuseport" => peers::reuseport(answer),
            "plain" => peers::plain(answer),
            kind => panic!("there is no server of kind {kind}"),
        };
    }
    let wanted = |section| settings.sections.is_empty() || settings.sections.contains(&section);
    let mut results = Vec::new();
    if wanted(Section::Servers) || wanted(Section::Shapes) || wanted(Section::Reload) || wanted(Section::Layouts) {
        println!("preparing {} customers", settings.customers);
        let tactful = Server::tactful(1_000, settings.customers);
        let answer = typical_answer(&tactful);
        if wanted(Section::Servers) {
            results.push(servers(&settings, &tactful, &answer));
        }
        if wanted(Section::Layouts) {
            results.extend(layouts(&settings, &answer));
        }
        if wanted(Section::Shapes) {
            results.push(shapes(&settings, &tactful));
        }
        if wanted(Section::Reload) {
            results.push(reload(&settings, &tactful));
        }
    }
    if wanted(Section::Actions) {
        results.push(actions(&settings));
    }
    fs::create_dir_all("target/bench").unwrap();
    let results: Vec<_> = results.iter().map(Table::json).collect();
    fs::write("target/bench/serve.json", serde_json::to_string_pretty(&results).unwrap()).unwrap();
}

impl Settings {
    fn waiting(&self) -> Pace {
        Pace::Waiting { callers: 128, calls: u64::MAX, lasting: Duration::from_secs_f64(self.seconds) }
    }

    fn scheduled(&self) -> Pace {
        Pace::Scheduled { rate: self.rate, calls: (self.rate * self.seconds) as u64 }
    }
}

/// An answer as Tactful gives it, for the others to give: one with an action.
fn typical_answer(tactful: &Server) -> PathBuf {
    struct Once(std::sync::Mutex<Vec<u8>>);
    impl Calls for Once {
        fn methods(&self) -> Vec<String> {
            vec!["/tactful.v1.DecisionService/Decide".into()]
        }
        fn call(&self, number: u64) -> Result<(usize, bytes::Bytes), tonic::Status> {
            Ok((0, framed(&shapes::question(format!("customer-{number}"), number))))
        }
        fn answered(&self, _: u64, answer: &[u8]) {
            let message = answer[5..].to_vec();
            if !DecideResponse::decode(message.as_slice()).unwrap().actions.is_empty() {
                *self.0.lock().unwrap() = message;
            }
        }
    }
    let once = Arc::new(Once(std::sync::Mutex::default()));
    let calls: Arc<dyn Calls> = once.clone();
    tactful.load(&calls, Pace::Waiting { callers: 1, calls: 100, lasting: Duration::from_secs(60) }, 1);
    let answer = once.0.lock().unwrap().clone();
    assert!(!answer.is_empty(), "no customer is presented anything");
    println!("a typical answer has {} bytes", answer.len());
    fs::create_dir_all("target/bench").unwrap();
    let path = Path::new("target/bench/answer.bin").to_owned();
    fs::write(&path, answer).unwrap();
    path
}

/// A peer that this binary is, too.
fn peer(kind: &str, answer: &Path) -> Server {
    Server::start(Command::new(std::env::current_exe().unwrap()).args(["--be", kind]).arg(answer))
}

/// The plain server, as newcomers build it.
fn plain(settings: &Settings, answer: &Path) -> Server {
    let program = settings.plain.clone().unwrap_or_else(|| {
        let build = ["build", "--quiet", "--release", "--example", "plain-tonic"];
        assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
        "target/release/examples/plain-tonic".into()
    });
    Server::start(Command::new(program).arg(answer))
}

fn servers(settings: &Settings, tactful: &Server, answer: &Path) -> Table {
    let calls: Arc<dyn Calls> = Arc::new(Uniform::over(settings.customers));
    let (empty, hello, tuned) = (peer("empty", answer), plain(settings, answer), peer("plain", answer));
    let contenders = [
        Contender::new("empty handler, same layout", &empty, &calls),
        Contender::new("plain tonic, cargo build --release", &hello, &calls),
        Contender::new("plain tonic, LTO and mimalloc", &tuned, &calls),
        Contender::new("Tactful, 1,000 actions", tactful, &calls),
    ];
    let table = Table::measure("As many calls as 128 callers get, 8 connections", settings, &contenders, 8);
    table.print();
    println!("Tactful's processor time over plain tonic's: {:.2}", table.ratio(3, 1));
    table
}

fn shapes(settings: &Settings, tactful: &Server) -> Table {
    let customers = settings.customers;
    let hot = Arc::new(Hot::new());
    let calls: [(&str, Arc<dyn Calls>); 4] = [
        ("all customers", Arc::new(Uniform::over(customers))),
        ("one hot customer", hot.clone()),
        ("10 % outcomes and events", Arc::new(Mixed::over(customers))),
        ("1 % consents", Arc::new(Consents::among(Uniform::over(customers)))),
    ];
    let contenders: Vec<Contender> = calls.iter().map(|(name, calls)| Contender::new(name, tactful, calls)).collect();
    let table = Table::measure("Shapes of load, 1,000 actions", settings, &contenders, 8);
    table.print();
    let presented = hot.presented.load(Ordering::Relaxed);
    println!("the hot customer was presented {presented} of at most {} steps", catalogue::LIMIT);
    assert!(presented <= catalogue::LIMIT);
    table
}

fn actions(settings: &Settings) -> Table {
    let customers = settings.customers.min(20_000);
    let calls: Arc<dyn Calls> = Arc::new(Uniform::over(customers));
    let servers = [10, 10_000].map(|actions| (actions, Server::tactful(actions, customers)));
    let names = servers.each_ref().map(|(actions, _)| format!("{actions} actions"));
    let contenders: Vec<Contender> =
        names.iter().zip(&servers).map(|(name, (_, server))| Contender::new(name, server, &calls)).collect();
    let table = Table::measure("How many actions there are", settings, &contenders, 8);
    table.print();
    table
}

fn reload(settings: &Settings, tactful: &Server) -> Table {
    let calls: Arc<dyn Calls> = Arc::new(Uniform::over(settings.customers));
    let (rules, text) = (tactful.rules(), catalogue::rules(1_000));
    let reloads = Arc::new(Reloads { rules, text, changed: 0.into() });
    let every_second = || Load {
        name: String::new(),
        address: tactful.address,
        connections: 1,
        pace: Pace::Scheduled { rate: 1.0, calls: settings.seconds.ceil() as u64 },
        timeout: Duration::from_secs(30),
        skipped: 0,
        calls: reloads.clone(),
    };
    let contenders = [
        Contender::new("the same rules", tactful, &calls),
        Contender::new("other rules every second", tactful, &calls).with(&every_second),
    ];
    let table = Table::measure("Rules that change, 1,000 actions", settings, &contenders, 8);
    table.print();
    println!("{} reloads", reloads.changed.load(Ordering::Relaxed));
    table
}

fn layouts(settings: &Settings, answer: &Path) -> Vec<Table> {
    let calls: Arc<dyn Calls> = Arc::new(Uniform::over(settings.customers));
    let kinds =
        [("dealt to the thread with the fewest", "empty"), ("SO_REUSEPORT", "reuseport"), ("multi-threaded", "plain")];
    let servers = kinds.map(|(name, kind)| (name, peer(kind, answer)));
    let contenders: Vec<Contender> =
        servers.iter().map(|(name, server)| Contender::new(name, server, &calls)).collect();
    let measure = |connections| {
        let title = format!("Layouts, empty handler, {connections} connections");
        let table = Table::measure(&title, settings, &contenders, connections);
        table.print();
        table
    };
    [1, 2, 8, 64].map(measure).into()
}
