//! A server in a process of its own, whose disk can be full, and which can be stopped or killed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use tactful::grpc::proto::decision_service_client::DecisionServiceClient;
use tactful::grpc::proto::{DecideRequest, DecideResponse};
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// After how long something that should happen counts as not happening.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct ServerProcess {
    child: Child,
    /// What it says on standard error.
    said: Option<JoinHandle<String>>,
    /// How many files may be open.
    descriptors: Option<u64>,
    pub channel: Channel,
    pub address: String,
}

impl ServerProcess {
    /// Serves a folder, in which the rules are `rules.yaml`.
    pub async fn start(home: &Path) -> Self {
        let (rules, data) = (home.join("rules.yaml").display().to_string(), home.join("data").display().to_string());
        let places = ["--rules", &rules, "--data", &data, "--listen", "127.0.0.1:0"];
        let arguments = [["serve", "--skip-tests", "--once"].as_slice(), &places].concat();
        Self::spawn(env!("CARGO_BIN_EXE_tactful"), &arguments, &[]).await
    }

    /// Starts a program that prints where it listens.
    pub async fn spawn(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        // The limit of a file's size stands for a full disk: writes beyond it fail, once its signal is ignored.
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", program])
            .args(arguments)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let listening = lines.find(|line| line.starts_with("listening"));
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let Some(listening) = listening else {
            let mut said = String::new();
            errors.read_to_string(&mut said).unwrap();
            panic!("it does not start: {said}");
        };
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            errors.read_to_string(&mut said).unwrap();
            said
        });
        let address = listening.split_whitespace().nth(1).unwrap().to_owned();
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let Rlimit { maximum: descriptors, .. } = getrlimit(Resource::Nofile);
        Self { child, said: Some(said), descriptors, channel, address }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The most memory that it had so far, in bytes.
    pub fn most_resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Lets every write to a file behind a place fail, or lets all pass again.
    pub fn fill_disk(&self, from: Option<u64>) {
        prlimit(Some(self.pid()), Resource::Fsize, Rlimit { current: from, maximum: None }).unwrap();
    }

    /// Lets no more files be opened, or lets them be opened again.
    pub fn limit_descriptors(&self, limited: bool) {
        let limit = |current| Rlimit { current, maximum: self.descriptors };
        let current = if limited { Some(8) } else { self.descriptors };
        prlimit(Some(self.pid()), Resource::Nofile, limit(current)).unwrap();
    }

    pub async fn decide(&self, customer: &str, channel: &str) -> DecideResponse {
        let (customer_id, channel) = (customer.into(), channel.into());
        let question = DecideRequest { customer_id, channel, ..DecideRequest::default() };
        DecisionServiceClient::new(self.channel.clone()).decide(question).await.unwrap().into_inner()
    }

    pub async fn says(&self, customer: &str, channel: &str) -> Option<String> {
        self.decide(customer, channel).await.actions.first().map(|action| action.action_id.clone())
    }

    pub async fn is_well(&self, service: &str) -> bool {
        let request = HealthCheckRequest { service: service.into() };
        let answer = HealthClient::new(self.channel.clone()).check(request).await;
        answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
    }

    /// Waits until a part of the server is well, or is not.
    pub async fn until_health(&self, service: &str, well: bool) {
        let since = now();
        while self.is_well(service).await != well {
            assert!(since.elapsed() < PATIENCE, "the health of {service} does not become {well}");
        }
    }

    /// Asks on behalf of one customer after the other until one is told something, and returns who.
    pub async fn until_said(&self, channel: &str, action: &str) -> String {
        let since = now();
        for number in 0.. {
            let customer = format!("next-{number}");
            if self.says(&customer, channel).await.as_deref() == Some(action) {
                return customer;
            }
            assert!(since.elapsed() < PATIENCE, "`{action}` is never said");
        }
        unreachable!()
    }

    /// The exit status, what it said on standard error, and how long it took to end.
    pub fn ended(mut self) -> (ExitStatus, String, Duration) {
        let since = now();
        let said = self.said.take().unwrap().join().unwrap();
        (self.child.wait().unwrap(), said, since.elapsed())
    }

    pub fn kill(self) {
        self.signal(Signal::KILL);
        self.ended();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "a process of its own needs real time")]
pub fn now() -> Instant {
    Instant::now()
}
