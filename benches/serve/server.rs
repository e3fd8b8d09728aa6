//! A server in its own process, its processor time, and its customers.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tactful_bench::load::{Calls, Load, Pace};

use super::catalogue;
use super::shapes::{Attributes, Consents, Events};

/// How many customers are prepared at once.
const CALLERS: usize = 128;

/// A running server, which ends when it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// Its output; kept open, because the server must not get a closed pipe.
    _said: BufReader<ChildStdout>,
    folder: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts a server that says where it listens.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("listening ") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "{command:?} does not listen");
        }
        let address = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        Self { child, address, _said: said, folder: None }
    }

    /// Starts Tactful with this number of actions and customers.
    pub fn tactful(actions: usize, customers: u64) -> Self {
        let folder = tempfile::tempdir_in("target").unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tactful"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--once", "--rules"]).arg(folder.path().join("rules"));
        command.arg("--data").arg(folder.path().join("data")).stderr(Stdio::null());
        for (index, text) in catalogue::files(actions).into_iter().enumerate() {
            fs::write(folder.path().join(format!("rules/{index}.yaml")), text).unwrap();
        }
        let mut server = Self::start(&mut command);
        server.folder = Some(folder);
        server.prepare(customers);
        server
    }

    /// The first file of its rules.
    pub fn rules(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().join("rules/0.yaml")
    }

    /// Gives every customer consent, attributes and events.
    fn prepare(&self, customers: u64) {
        let steps: [Arc<dyn Calls>; 3] = [Arc::new(Consents::all_given()), Arc::new(Attributes), Arc::new(Events)];
        for calls in steps {
            let pace = Pace::Waiting { callers: CALLERS, calls: customers, lasting: Duration::MAX / 4 };
            self.load(&calls, pace, 8);
        }
    }

    /// Puts a load on it, of which no call may fail.
    pub fn load(&self, calls: &Arc<dyn Calls>, pace: Pace, connections: usize) -> tactful_bench::load::Report {
        let load = Load {
            name: String::new(),
            address: self.address,
            connections,
            pace,
            timeout: Duration::from_secs(30),
            skipped: 0,
            calls: Arc::clone(calls),
        };
        let report = load.run().unwrap();
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        report
    }

    /// The processor time it took so far, of all threads, those that ended too.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(Path::new("/proc").join(self.child.id().to_string()).join("stat")).unwrap();
        // After the name in brackets, which may hold anything, the 12th and 13th are the ticks in user and kernel mode.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        // USER_HZ is 100 on every Linux that Rust runs on.
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
