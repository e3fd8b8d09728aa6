//! The server of the soak: in a process of its own, with a clock that the soak turns, a thread that it can end, and bugs
//! that can be planted.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tactful::clock::{Clock, GuardedTime};
use tactful::domain::id::Vocabulary;
use tactful::domain::time::Moment;
use tactful::engine::{Engine, Limits};
use tactful::ledger::{Erasure, FileLedger, Ledger, LedgerError, LedgerSettings, ReopeningLedger};
use tactful::node::Node;
use tactful::serve::reload::{Reloader, RuleFolder};
use tactful::serve::transport::Transport;
use tactful::serve::write_behind::WriteBehind;
use tactful::serve::{Door, Parts, ServeError, serve};
use tactful::storage::{Backend, Cache, Embedded, Loading, Page, Pending, Recorded, Stored, Transaction};
use tactful::store::{CustomerStore, StoreError};

/// The folder that is served, and the bug that is planted.
pub const HOME: &str = "TACTFUL_SOAK_HOME";
pub const PLANTED: &str = "TACTFUL_SOAK_BUG";
/// Files in the folder: by how many milliseconds the machine's clock is wrong, and whether a thread should end.
pub const CLOCK: &str = "clock";
pub const PANIC: &str = "panic";
/// Contacts are not waited for; withdrawals are acknowledged and not recorded; clock steps are followed.
pub const BUGS: [&str; 3] = ["contacts", "withdrawals", "clock"];

/// The machine's clock, as the soak sets it.
struct Machine {
    file: PathBuf,
    wrong: AtomicI64,
}

impl Machine {
    fn wall(&self) -> Moment {
        // Without descriptors it stays as it was.
        if let Ok(text) = std::fs::read_to_string(&self.file)
            && let Ok(wrong) = text.parse()
        {
            self.wrong.store(wrong, Ordering::Relaxed);
        }
        Moment(tactful::clock::now().0 + self.wrong.load(Ordering::Relaxed))
    }
}

fn since_boot() -> Moment {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Moment(time.tv_sec * 1_000 + time.tv_nsec / 1_000_000)
}

/// The process that is served from.
#[test]
fn child() {
    let (Ok(home), Ok(bug)) = (std::env::var(HOME), std::env::var(PLANTED)) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let code = match runtime.block_on(served(Path::new(&home), &bug)) {
        Ok(()) => 0,
        Err(ServeError::ThreadEnded(_)) => 3,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    };
    exit(code);
}

async fn served(home: &Path, bug: &str) -> Result<(), ServeError> {
    let machine = Arc::new(Machine { file: home.join(CLOCK), wrong: AtomicI64::new(0) });
    let settings = LedgerSettings { reserve_bytes: 64 * 1024, ..LedgerSettings::of(&home.join("data")) };
    let folder = RuleFolder { path: home.join("rules.yaml"), run_tests: false };
    let opened = Opened::new(settings, bug);
    let (files, newest) = (folder.look(), opened.newest());
    let rules = Arc::new(folder.load(files.clone(), opened.vocabulary()).rule_set.unwrap());
    let wall = {
        let machine = Arc::clone(&machine);
        move || machine.wall()
    };
    let clock = match bug {
        "clock" => Clock(Arc::new(wall)),
        _ => Clock(Arc::new(GuardedTime::over(Box::new(wall), Box::new(since_boot), newest))),
    };
    let (engine, ledger) = opened.engine(rules, clock.now());
    let reloader = Arc::new(Reloader::new(folder, files, Arc::clone(&engine), clock.clone()));
    let (panic, of_writer) = (home.join(PANIC), clock.clone());
    let of_writer = Clock(Arc::new(move || {
        assert!(!panic.exists(), "planted: the thread that stores customers ends");
        of_writer.now()
    }));
    let write_behind = Some(WriteBehind::start(&engine, of_writer).unwrap());
    let transport = Transport { threads: NonZeroUsize::MIN, ..Transport::default() };
    let parts = Parts {
        engine,
        clock,
        reloader,
        watch_rules: true,
        metrics: None,
        transport,
        door: Door::default(),
        write_behind,
        ledger: Some(ledger),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("\nlistening  {}", listener.local_addr().unwrap());
    serve(parts, listener, std::future::pending()).await
}

/// A data folder that was opened as a server does, or with a bug under the engine.
enum Opened {
    Node(Box<Node>),
    Planted { backend: Arc<Planted>, ledger: Arc<ReopeningLedger>, vocabulary: Box<Vocabulary> },
}

impl Opened {
    fn new(settings: LedgerSettings, bug: &str) -> Self {
        if !["contacts", "withdrawals"].contains(&bug) {
            return Self::Node(Box::new(Node::open(settings).unwrap()));
        }
        let opened = FileLedger::open(&settings).unwrap();
        let vault = opened.ledger.vault(&settings).unwrap();
        let store = CustomerStore::open(&settings.data, vault, &opened.ledger.erased()).unwrap();
        let ledger = Arc::new(ReopeningLedger::new(opened.ledger, settings));
        let files = Embedded::new(Arc::clone(&ledger) as Arc<dyn Ledger>, Some(store.store));
        let backend = Arc::new(Planted { files, contacts: bug == "contacts" });
        Self::Planted { backend, ledger, vocabulary: Box::new(store.vocabulary) }
    }

    fn newest(&self) -> Option<Moment> {
        if let Self::Node(node) = self { node.newest } else { None }
    }

    fn vocabulary(&self) -> &Vocabulary {
        match self {
            Self::Node(node) => &node.vocabulary,
            Self::Planted { vocabulary, .. } => vocabulary,
        }
    }

    fn engine(
        self,
        rules: Arc<tactful::domain::rule_set::RuleSet>,
        now: Moment,
    ) -> (Arc<Engine>, Arc<ReopeningLedger>) {
        let limits = Limits { decisions: 1 << 20 };
        match self {
            Self::Node(node) => {
                let ledger = node.reopening().unwrap();
                (Arc::new(node.engine(rules, limits, None, now)), ledger)
            }
            Self::Planted { backend, ledger, .. } => (Arc::new(Engine::over(rules, backend, limits, now)), ledger),
        }
    }
}

/// Files, and a bug.
#[derive(Debug)]
struct Planted {
    files: Embedded,
    /// Contacts are not waited for; otherwise withdrawals are acknowledged without a record.
    contacts: bool,
}

impl Backend for Planted {
    fn load<'b>(&'b self, customer: &'b str) -> Loading<'b> {
        self.files.load(customer)
    }

    fn read(&self, customer: &str) -> Stored {
        self.files.read(customer)
    }

    fn commit<'b>(&'b self, mut transaction: Transaction<'_>) -> Pending<'b> {
        if self.contacts {
            let consents = !transaction.consent.is_empty();
            let committed = self.files.commit(transaction);
            return if consents { committed } else { Pending::Done };
        }
        if transaction.consent.iter().any(|record| !record.status.permits()) {
            let records = std::mem::take(&mut transaction.consent);
            _ = self.files.commit(transaction);
            let recorded = Recorded { records, position: self.files.ledger().size() + 1 };
            return Pending::Other(Box::pin(std::future::ready(Ok(recorded))));
        }
        self.files.commit(transaction)
    }

    fn logs_contacts(&self) -> bool {
        self.contacts || self.files.logs_contacts()
    }

    fn erase(&self, customer: &str, now: Moment, cache: Cache<'_>) -> Result<Erasure, LedgerError> {
        self.files.erase(customer, now, cache)
    }

    fn ledger(&self) -> &Arc<dyn Ledger> {
        self.files.ledger()
    }

    fn names(&self) -> Result<Vocabulary, StoreError> {
        self.files.names()
    }

    fn store_names(&self, names: &Vocabulary) -> Result<(), StoreError> {
        self.files.store_names(names)
    }

    fn flush(&self, cache: Cache<'_>, everything: bool) -> Result<usize, StoreError> {
        self.files.flush(cache, everything)
    }

    fn page(&self, from: &[u8], most: usize) -> Result<Page, StoreError> {
        self.files.page(from, most)
    }

    fn files(&self) -> Option<&CustomerStore> {
        self.files.files()
    }
}
