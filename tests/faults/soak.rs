//! A server under load while one fault follows the other, in an order drawn from a seed: a full disk, I/O errors, syncs
//! that fail, a slow disk, writes cut short, no descriptors, a machine that stands still, clock steps, broken rules, a
//! thread that ends, and kills. No limit is exceeded, no acknowledged consent is lost, none is used after its withdrawal,
//! and health says what is wrong.
//!
//! Each fault once; `SOAK=10 cargo test --release --test faults soak -- --nocapture` goes on for ten minutes and until each
//! came ten times, and prints a report. `SEED=n` draws another order. `SOAK_BUGS=1` plants three bugs, one after the
//! other, and each must be found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tactful::grpc::proto::consent_service_client::ConsentServiceClient;
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::{self, ConsentStatus, DecideRequest, GetConsentRequest, RecordConsentRequest};
use tactful::serve::{CLOCK_HEALTH, CUSTOMERS_HEALTH, LEDGER_HEALTH, RULES_HEALTH};
use tokio::time::timeout;

use super::home::{Home, RULES};
use super::server_process::{ServerProcess, now};
use super::soak_server::{BUGS, CLOCK, HOME, PANIC, PLANTED};

/// How long a call may take until it counts as failed.
const CALL: Duration = Duration::from_secs(5);
const CUSTOMERS: usize = 400;
/// Files in the folder: what is wrong with the disk, and the library that makes it so.
const DISK_TROUBLE: &str = "disk";
const LIBRARY: &str = "disk_trouble.so";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    FullDisk,
    FullDiskAndKill,
    IoErrors,
    FailedSyncs,
    SlowDisk,
    CutWrites,
    NoDescriptors,
    StandStill,
    ClockForward,
    ClockBackward,
    BrokenRules,
    ThreadEnds,
    Kill,
}

const FAULTS: [Fault; 13] = [
    Fault::FullDisk,
    Fault::FullDiskAndKill,
    Fault::IoErrors,
    Fault::FailedSyncs,
    Fault::SlowDisk,
    Fault::CutWrites,
    Fault::NoDescriptors,
    Fault::StandStill,
    Fault::ClockForward,
    Fault::ClockBackward,
    Fault::BrokenRules,
    Fault::ThreadEnds,
    Fault::Kill,
];

/// What is known of a customer's consent to advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Given,
    Withdrawn,
    /// A call failed: it may have been recorded or not.
    Unsure,
}

struct Soak {
    home: Home,
    server: Option<ServerProcess>,
    bug: &'static str,
    random: u64,
    told: BTreeSet<usize>,
    consents: BTreeMap<usize, Known>,
    counts: BTreeMap<&'static str, u64>,
    faults: BTreeMap<Fault, u64>,
    violations: Vec<String>,
}

impl Soak {
    async fn new(seed: u64, bug: &'static str) -> Self {
        let mut soak = Self {
            home: Home::new(),
            server: None,
            bug,
            random: seed,
            told: BTreeSet::new(),
            consents: BTreeMap::new(),
            counts: BTreeMap::new(),
            faults: BTreeMap::new(),
            violations: Vec::new(),
        };
        soak.trouble_disk("-");
        build_disk_trouble(&soak.home.path().join(LIBRARY));
        soak.start().await;
        soak
    }

    async fn start(&mut self) {
        let home = self.home.path().display().to_string();
        let program = std::env::current_exe().unwrap().display().to_string();
        let arguments = ["--exact", "soak_server::child", "--nocapture", "--test-threads", "1"];
        let path = |name| self.home.path().join(name).display().to_string();
        let (library, trouble) = (path(LIBRARY), path(DISK_TROUBLE));
        let variables =
            [(HOME, home.as_str()), (PLANTED, self.bug), ("LD_PRELOAD", &library), ("DISK_TROUBLE", &trouble)];
        let server = ServerProcess::spawn(&program, &arguments, &variables).await;
        self.server = Some(server);
        self.count("starts");
    }

    fn server(&self) -> &ServerProcess {
        self.server.as_ref().unwrap()
    }

    fn below(&mut self, most: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % most
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn violation(&mut self, what: String) {
        println!("VIOLATION {what}");
        self.violations.push(what);
    }

    async fn says(&self, customer: usize, channel: &str) -> Option<String> {
        let question =
            DecideRequest { customer_id: format!("c{customer}"), channel: channel.into(), ..DecideRequest::default() };
        let mut client = DecisionServiceClient::new(self.server().channel.clone());
        let answer = timeout(CALL, client.decide(question)).await.ok()?.ok()?.into_inner();
        Some(answer.actions.first().map(|action| action.action_id.clone()).unwrap_or_default())
    }

    async fn record(&self, customer: usize, status: ConsentStatus) -> bool {
        let change =
            proto::ConsentChange { purpose: "advice".into(), status: status.into(), ..proto::ConsentChange::default() };
        let request = RecordConsentRequest {
            customer_id: format!("c{customer}"),
            changes: vec![change],
            ..RecordConsentRequest::default()
        };
        let mut client = ConsentServiceClient::new(self.server().channel.clone());
        timeout(CALL, client.record_consent(request)).await.is_ok_and(|answer| answer.is_ok())
    }

    /// Why consent to advice may not be used, empty if it may.
    async fn denied_because(&self, customer: usize) -> Option<String> {
        let request = GetConsentRequest { customer_id: format!("c{customer}") };
        let mut client = ConsentServiceClient::new(self.server().channel.clone());
        let standings = timeout(CALL, client.get_consent(request)).await.ok()?.ok()?.into_inner().standings;
        standings.iter().find(|standing| standing.purpose == "advice").map(|standing| standing.denied_because.clone())
    }

    /// One call on behalf of a customer, and what its answer must not be.
    async fn work(&mut self) {
        let (customer, kind) = (self.below(CUSTOMERS), self.below(5));
        let known = self.consents.get(&customer).copied();
        match kind {
            0 | 1 => match self.says(customer, "email").await.as_deref() {
                Some("hello") => {
                    self.count("offers told");
                    if !self.told.insert(customer) {
                        self.violation(format!("c{customer} was told an offer again"));
                    }
                }
                Some(_) => self.count("silences"),
                None => self.count("calls failed"),
            },
            2 => {
                let given = self.record(customer, ConsentStatus::Given).await;
                self.count(if given { "grants" } else { "grants refused" });
                self.consents.insert(customer, if given { Known::Given } else { Known::Unsure });
            }
            3 => {
                let withdrawn = self.record(customer, ConsentStatus::Withdrawn).await;
                self.count(if withdrawn { "withdrawals" } else { "withdrawals refused" });
                self.consents.insert(customer, if withdrawn { Known::Withdrawn } else { Known::Unsure });
            }
            _ => match self.says(customer, "phone").await.as_deref() {
                Some("tip") => {
                    self.count("advice given");
                    if matches!(known, Some(Known::Withdrawn) | None) {
                        self.violation(format!("c{customer} got advice after a withdrawal or without a consent"));
                    }
                }
                Some(_) => self.count("silences"),
                None => self.count("calls failed"),
            },
        }
    }

    async fn work_times(&mut self, times: usize) {
        for _ in 0..times {
            self.work().await;
        }
    }

    /// Waits until one of the services has this health, while calls go on.
    async fn until(&mut self, services: &[&'static str], well: bool, patience: Duration) {
        let since = now();
        loop {
            for service in services {
                if self.server().is_well(service).await == well {
                    return;
                }
            }
            if since.elapsed() > patience {
                return self.violation(format!("the health of {services:?} does not become {well}"));
            }
            self.work_times(5).await;
        }
    }

    async fn until_all_well(&mut self) {
        for service in [CUSTOMERS_HEALTH, LEDGER_HEALTH, CLOCK_HEALTH, RULES_HEALTH] {
            self.until(&[service], true, Duration::from_secs(90)).await;
        }
    }

    async fn end(&mut self) -> i32 {
        let server = self.server.take().unwrap();
        let (status, ..) = tokio::task::spawn_blocking(|| server.ended()).await.unwrap();
        status.code().unwrap_or(-1)
    }

    async fn kill(&mut self) {
        self.server().signal(Signal::KILL);
        self.end().await;
        self.start().await;
    }

    fn set_clock(&self, milliseconds: i64) {
        fs::write(self.home.path().join(CLOCK), milliseconds.to_string()).unwrap();
    }

    async fn clock_step(&mut self, days: i64) {
        self.set_clock(days * 86_400_000);
        self.work_times(30).await;
        self.until(&[CLOCK_HEALTH], false, Duration::from_secs(20)).await;
        self.set_clock(0);
    }

    /// See `disk_trouble.c`. The byte is written in place: the server has the file mapped, and would end with SIGBUS if it
    /// were empty for a moment.
    fn trouble_disk(&self, how: &str) {
        let path = self.home.path().join(DISK_TROUBLE);
        let mut file = File::options().write(true).create(true).truncate(false).open(path).unwrap();
        file.write_all(how.as_bytes()).unwrap();
    }

    async fn io_errors(&mut self, how: &str) {
        self.trouble_disk(how);
        self.work_times(40).await;
        self.until(&[CUSTOMERS_HEALTH, LEDGER_HEALTH], false, Duration::from_secs(30)).await;
        self.work_times(20).await;
        self.trouble_disk("-");
    }

    async fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
        match fault {
            Fault::FullDisk | Fault::FullDiskAndKill => {
                self.server().fill_disk(Some(0));
                self.work_times(40).await;
                self.until(&[CUSTOMERS_HEALTH, LEDGER_HEALTH], false, Duration::from_secs(30)).await;
                self.work_times(20).await;
                if fault == Fault::FullDiskAndKill {
                    self.kill().await;
                } else {
                    self.server().fill_disk(None);
                }
            }
            Fault::IoErrors => self.io_errors("w").await,
            Fault::FailedSyncs => self.io_errors("s").await,
            Fault::SlowDisk => {
                self.trouble_disk("d");
                self.work_times(40).await;
                self.trouble_disk("-");
            }
            Fault::CutWrites => {
                // A limit in the middle of the next entries of the contact log.
                let log = |name| fs::metadata(self.home.customers().join(name)).map_or(0, |file| file.len());
                let longest = log("counted-0").max(log("counted-1"));
                self.server().fill_disk(Some(longest + 100));
                self.work_times(30).await;
                self.server().fill_disk(None);
            }
            Fault::NoDescriptors => {
                self.server().limit_descriptors(true);
                self.work_times(40).await;
                self.server().limit_descriptors(false);
            }
            Fault::StandStill => {
                self.server().signal(Signal::STOP);
                // The calls wait for their time, and the server for its own.
                _ = timeout(Duration::from_millis(300), self.says(0, "chat")).await;
                self.server().signal(Signal::CONT);
            }
            Fault::ClockForward => self.clock_step(40).await,
            Fault::ClockBackward => self.clock_step(-40).await,
            Fault::BrokenRules => {
                let rules = self.home.path().join("rules.yaml");
                fs::write(&rules, RULES.replace("intrusiveness: 1", "intrusivness: 1")).unwrap();
                self.until(&[RULES_HEALTH], false, Duration::from_secs(30)).await;
                fs::write(&rules, RULES).unwrap();
            }
            Fault::ThreadEnds => {
                let panic = self.home.path().join(PANIC);
                fs::write(&panic, "").unwrap();
                let code = self.end().await;
                if code != 3 {
                    self.violation(format!("a server whose thread has ended ends with {code}"));
                }
                fs::remove_file(panic).unwrap();
                self.start().await;
            }
            Fault::Kill => {
                self.work_times(20).await;
                self.kill().await;
            }
        }
        self.until_all_well().await;
    }

    /// Every acknowledged consent is there, whatever came in between.
    async fn check_consents(&mut self, after: Fault) {
        for (customer, known) in self.consents.clone() {
            let denied = self.denied_because(customer).await;
            match (known, denied.as_deref()) {
                (Known::Given, Some(denied)) if !denied.is_empty() => {
                    self.violation(format!(
                        "the acknowledged consent of c{customer} is lost after {after:?}: {denied}"
                    ));
                }
                (Known::Withdrawn, Some("")) => {
                    self.violation(format!("the acknowledged withdrawal of c{customer} is lost"));
                }
                (_, None) => self.count("calls failed"),
                _ => self.count("consents checked"),
            }
        }
    }

    async fn round(&mut self) {
        let mut faults = FAULTS.to_vec();
        while !faults.is_empty() {
            let next = self.below(faults.len());
            let fault = faults.swap_remove(next);
            self.work_times(20).await;
            self.fault(fault).await;
            self.check_consents(fault).await;
        }
    }

    fn report(&self) {
        println!("faults      {:?}", self.faults);
        println!("calls       {:?}", self.counts);
        println!("violations  {}", self.violations.len());
    }
}

/// Compiles the calls that stand before the disk's.
fn build_disk_trouble(library: &Path) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/disk_trouble.c");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(library).arg(source);
    assert!(cc.status().unwrap().success());
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_promise_is_broken_while_faults_follow_each_other() {
    let (since, length) = (now(), Duration::from_secs(60 * number("SOAK").unwrap_or(0)));
    let mut soak = Soak::new(number("SEED").unwrap_or(1), "").await;
    loop {
        soak.round().await;
        let often = length.is_zero() || soak.faults.values().all(|count| *count >= 10);
        if often && since.elapsed() >= length {
            break;
        }
    }
    println!("{} s", since.elapsed().as_secs());
    soak.report();
    assert_eq!(soak.violations, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_bugs_are_found() {
    if number("SOAK_BUGS").is_none() {
        return;
    }
    for bug in BUGS {
        let mut soak = Soak::new(number("SEED").unwrap_or(1), bug).await;
        for _ in 0..10 {
            soak.round().await;
            if !soak.violations.is_empty() {
                break;
            }
        }
        println!("planted: {bug}");
        soak.report();
        assert!(!soak.violations.is_empty(), "`{bug}` was not found");
    }
}
